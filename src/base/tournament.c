/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/tournament.h"

#include <assert.h>
#include <string.h>

#define GROUP TQ_TOURNAMENT_GROUP

void tq_tournament_done(TqTournament *t) {
        for (unsigned row = 0; row <= t->n_rows && t->allocated > 0; row++) {
                free(t->rows[row].groups);
                free(t->rows[row].winners);
        }
        *t = (TqTournament){};
}

/* Of those that share the smallest first part. */
static uint32_t break_tie(const TqTournamentGroup *g, uint64_t least) {
        uint32_t best = GROUP;

        for (uint32_t i = 0; i < GROUP; i++)
                if (g->first[i] == least && (best == GROUP || g->second[i] < g->second[best]))
                        best = i;
        return best;
}

typedef struct Place {
        uint64_t first;
        uint32_t at;
} Place;

static Place place(const TqTournamentGroup *g, uint32_t i) {
        return (Place){ g->first[i], i };
}

static Place better(Place a, Place b) {
        bool is_less = b.first < a.first;

        return (Place){ is_less ? b.first : a.first, is_less ? b.at : a.at };
}

/* The place of the smallest key in a group. Without branches on the keys, which can't be predicted,
 * and in pairs, which don't wait for each other. */
static uint32_t best_of(const TqTournamentGroup *g) {
        Place low = better(better(place(g, 0), place(g, 1)), better(place(g, 2), place(g, 3)));
        Place high = better(better(place(g, 4), place(g, 5)), better(place(g, 6), place(g, 7)));
        Place best = better(low, high);
        uint32_t equals = 0;

        _Static_assert(GROUP == 8, "each has its pair");
        for (uint32_t i = 0; i < GROUP; i++)
                equals += g->first[i] == best.first;
        return equals > 1 && best.first != UINT64_MAX ? break_tie(g, best.first) : best.at;
}

static TqTournamentKey key_at(const TqTournamentRow *row, uint32_t i) {
        const TqTournamentGroup *g = &row->groups[i / GROUP];

        return (TqTournamentKey){ g->first[i % GROUP], g->second[i % GROUP] };
}

static void set_key(const TqTournamentRow *row, uint32_t i, TqTournamentKey key) {
        row->groups[i / GROUP].first[i % GROUP] = key.first;
        row->groups[i / GROUP].second[i % GROUP] = key.second;
}

static uint32_t winner_at(const TqTournament *t, const TqTournamentRow *row, uint32_t i) {
        return row == t->rows ? i : row->winners[i];
}

/* The best of a group goes one row up. Whether anything is new there. */
static bool play(TqTournament *t, unsigned row, uint32_t group) {
        TqTournamentRow *to = &t->rows[row + 1];
        uint32_t at = group * GROUP + best_of(&t->rows[row].groups[group]);
        uint32_t winner = winner_at(t, &t->rows[row], at);
        TqTournamentKey key = key_at(&t->rows[row], at), before = key_at(to, group);

        if (to->winners[group] == winner && before.first == key.first &&
            before.second == key.second)
                return false;
        to->winners[group] = winner;
        set_key(to, group, key);
        return true;
}

static void *allocate(size_t size) {
        const size_t line = sizeof(TqTournamentGroup);
        void *p = aligned_alloc(line, (size + line - 1) / line * line);

        if (p)
                memset(p, 0xFF, size);
        return p;
}

static int make_rows(TqTournament *t, uint32_t n) {
        t->allocated = GROUP;
        t->n_rows = 1;
        while (t->allocated < n && t->n_rows < TQ_TOURNAMENT_ROWS) {
                t->allocated *= GROUP;
                t->n_rows++;
        }
        for (unsigned row = 0; row <= t->n_rows; row++) {
                size_t size = (size_t)t->allocated >> (3 * row),
                       groups = (size + GROUP - 1) / GROUP;

                t->rows[row] = (TqTournamentRow){
                        .groups = allocate(groups * sizeof(TqTournamentGroup)),
                        .winners = allocate(size * sizeof(uint32_t)),
                };
                if (!t->rows[row].groups || !t->rows[row].winners)
                        return -ENOMEM;
        }
        return t->allocated < n ? -ENOMEM : 0;
}

int tq_tournament_reserve(TqTournament *t, uint32_t n) {
        TqTournament bigger = {};
        int r;

        if (n <= t->allocated)
                return 0;
        r = make_rows(&bigger, n);
        if (r < 0) {
                tq_tournament_done(&bigger);
                return r;
        }
        for (uint32_t i = 0; i < t->allocated; i++)
                set_key(&bigger.rows[0], i, key_at(&t->rows[0], i));
        for (unsigned row = 0; row < bigger.n_rows; row++)
                for (uint32_t group = 0; group < bigger.allocated >> (3 * (row + 1)); group++)
                        (void)play(&bigger, row, group);
        tq_tournament_done(t);
        *t = bigger;
        return 0;
}

void tq_tournament_set(TqTournament *t, uint32_t player, TqTournamentKey key) {
        assert(player < t->allocated);
        set_key(&t->rows[0], player, key);
        /* Where the same one wins as before, nothing above changes. */
        for (unsigned row = 0; row < t->n_rows; row++) {
                player /= GROUP;
                if (!play(t, row, player))
                        return;
        }
}

uint32_t tq_tournament_winner(const TqTournament *t) {
        const TqTournamentRow *last = &t->rows[t->n_rows];

        return t->allocated == 0 || last->groups->first[0] == UINT64_MAX ? TQ_TOURNAMENT_NONE
                                                                         : last->winners[0];
}

/* Who was beaten by nobody but the winner met it: in one of the groups on its way up. */
uint32_t tq_tournament_runner_up(const TqTournament *t) {
        uint32_t winner = tq_tournament_winner(t), best = TQ_TOURNAMENT_NONE, at = winner;
        TqTournamentKey least = TQ_TOURNAMENT_OUT;

        if (winner == TQ_TOURNAMENT_NONE)
                return winner;
        for (unsigned row = 0; row < t->n_rows; row++, at /= GROUP) {
                TqTournamentGroup others = t->rows[row].groups[at / GROUP];
                TqTournamentKey key;
                uint32_t i;

                others.first[at % GROUP] = UINT64_MAX;
                i = best_of(&others);
                key = (TqTournamentKey){ others.first[i], others.second[i] };
                if (!tq_tournament_before(&key, &least))
                        continue;
                least = key;
                best = winner_at(t, &t->rows[row], at / GROUP * GROUP + i);
        }
        return least.first == UINT64_MAX ? TQ_TOURNAMENT_NONE : best;
}

void tq_tournament_prefetch(const TqTournament *t, uint32_t player) {
        /* The rows above are small, and looked at each time. */
        for (unsigned row = 0; row < TQ_MIN(t->n_rows, 2U); row++) {
                const TqTournamentRow *r = &t->rows[row];

                __builtin_prefetch(r->groups[player / GROUP].first, 1);
                __builtin_prefetch(r->groups[player / GROUP].second, 1);
                if (row > 0)
                        __builtin_prefetch(&r->winners[player], 1);
                player /= GROUP;
        }
}

/* IEEE 754: among numbers of one sign the bits are in order. */
uint64_t tq_tournament_order(double v) {
        uint64_t bits;

        memcpy(&bits, &v, sizeof(bits));
        return bits >> 63 ? ~bits : bits | UINT64_C(1) << 63;
}
