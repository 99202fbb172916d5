/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/util.h"

/* Who of n has the smallest key: a tournament (Knuth, TAOCP 3, 5.4.1) of groups of eight, in flat
 * arrays without pointers, so that a change of one key costs log₈ n groups, each a cache line.
 * Players are numbered; one that does not take part has the key TQ_TOURNAMENT_OUT. Between equal
 * keys the lower number wins. Zero-initialised is empty. */
typedef struct TqTournamentKey {
        uint64_t first, second;
} TqTournamentKey;

#define TQ_TOURNAMENT_OUT  ((TqTournamentKey){ UINT64_MAX, UINT64_MAX })
#define TQ_TOURNAMENT_NONE UINT32_MAX
#define TQ_TOURNAMENT_ROWS 8 /* 8^8 players: 16 million */

#define TQ_TOURNAMENT_GROUP                                                                        \
        8 /* first parts in a cache line; the second ones are the line beside                      \
           */

typedef struct TqTournamentGroup {
        uint64_t first[TQ_TOURNAMENT_GROUP], second[TQ_TOURNAMENT_GROUP];
} TqTournamentGroup;

/* A row of groups: of the players, of the winners of their groups, and so on. */
typedef struct TqTournamentRow {
        TqTournamentGroup *groups;
        uint32_t *winners; /* of the first row nobody reads them: a player is its number */
} TqTournamentRow;

typedef struct TqTournament {
        uint32_t allocated; /* players: 0 or a power of eight */
        unsigned n_rows;    /* of groups; the row behind them is the winner alone */
        TqTournamentRow rows[TQ_TOURNAMENT_ROWS + 1];
} TqTournament;

void tq_tournament_done(TqTournament *t);
/* Makes room for the players below n. -ENOMEM (also beyond 16 million), and nothing changed. */
int tq_tournament_reserve(TqTournament *t, uint32_t n);
void tq_tournament_set(TqTournament *t, uint32_t player, TqTournamentKey key);
/* The player with the smallest key, or TQ_TOURNAMENT_NONE. */
uint32_t tq_tournament_winner(const TqTournament *t);

/* Who wins when the winner has gone; TQ_TOURNAMENT_NONE: nobody. Of equals any. */
uint32_t tq_tournament_runner_up(const TqTournament *t);
/* Asks the memory for what setting the player's key will look at. */
void tq_tournament_prefetch(const TqTournament *t, uint32_t player);

static inline bool tq_tournament_before(const TqTournamentKey *a, const TqTournamentKey *b) {
        return a->first != b->first ? a->first < b->first : a->second < b->second;
}

/* A double as a number of the same order: what is not below another is not below it. */
uint64_t tq_tournament_order(double v);
