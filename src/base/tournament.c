/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/tournament.h"

#include <assert.h>
#include <string.h>

#define GROUP 8 /* keys in a cache line */
#define LINE  64

void tq_tournament_done(TqTournament *t) {
        for (unsigned row = 0; row <= t->n_rows && t->allocated > 0; row++) {
                free(t->rows[row].first);
                free(t->rows[row].second);
                free(t->rows[row].winners);
        }
        *t = (TqTournament){};
}

/* Of those that share the smallest first part. */
static uint32_t break_tie(const uint64_t *first, const uint64_t *second, uint64_t least) {
        uint32_t best = GROUP;

        for (uint32_t i = 0; i < GROUP; i++)
                if (first[i] == least && (best == GROUP || second[i] < second[best]))
                        best = i;
        return best;
}

/* The place of the smallest key in a group. Without branches on the keys: they can't be predicted.
 */
static uint32_t best_of(const uint64_t *first, const uint64_t *second) {
        uint64_t least = first[0];
        uint32_t best = 0, equals = 0;

        for (uint32_t i = 1; i < GROUP; i++) {
                bool is_less = first[i] < least;

                least = is_less ? first[i] : least;
                best = is_less ? i : best;
        }
        for (uint32_t i = 0; i < GROUP; i++)
                equals += first[i] == least;
        return equals > 1 && least != UINT64_MAX ? break_tie(first, second, least) : best;
}

/* The best of a group goes one row up. Whether anything is new there. */
static bool play(TqTournament *t, unsigned row, uint32_t group) {
        const TqTournamentRow *from = &t->rows[row];
        TqTournamentRow *to = &t->rows[row + 1];
        size_t at = (size_t)group * GROUP;
        uint32_t winner;

        at += best_of(from->first + at, from->second + at);
        winner = row > 0 ? from->winners[at] : (uint32_t)at;
        if (to->winners[group] == winner && to->first[group] == from->first[at] &&
            to->second[group] == from->second[at])
                return false;
        to->winners[group] = winner;
        to->first[group] = from->first[at];
        to->second[group] = from->second[at];
        return true;
}

static void *allocate(size_t size) {
        void *p = aligned_alloc(LINE, (size + LINE - 1) / LINE * LINE);

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
                size_t size = (size_t)t->allocated >> (3 * row);

                t->rows[row] = (TqTournamentRow){
                        .first = allocate(size * sizeof(uint64_t)),
                        .second = allocate(size * sizeof(uint64_t)),
                        .winners = allocate(size * sizeof(uint32_t)),
                };
                if (!t->rows[row].first || !t->rows[row].second || !t->rows[row].winners)
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
        for (uint32_t i = 0; i < t->allocated; i++) {
                bigger.rows[0].first[i] = t->rows[0].first[i];
                bigger.rows[0].second[i] = t->rows[0].second[i];
        }
        for (unsigned row = 0; row < bigger.n_rows; row++)
                for (uint32_t group = 0; group < bigger.allocated >> (3 * (row + 1)); group++)
                        (void)play(&bigger, row, group);
        tq_tournament_done(t);
        *t = bigger;
        return 0;
}

void tq_tournament_set(TqTournament *t, uint32_t player, TqTournamentKey key) {
        assert(player < t->allocated);
        t->rows[0].first[player] = key.first;
        t->rows[0].second[player] = key.second;
        /* Where the same one wins as before, nothing above changes. */
        for (unsigned row = 0; row < t->n_rows; row++) {
                player /= GROUP;
                if (!play(t, row, player))
                        return;
        }
}

uint32_t tq_tournament_winner(const TqTournament *t) {
        const TqTournamentRow *last = &t->rows[t->n_rows];

        return t->allocated == 0 || last->first[0] == UINT64_MAX ? TQ_TOURNAMENT_NONE
                                                                 : last->winners[0];
}

/* Who was beaten by nobody but the winner met it: in one of the groups on its way up. */
uint32_t tq_tournament_runner_up(const TqTournament *t) {
        uint32_t winner = tq_tournament_winner(t), best = TQ_TOURNAMENT_NONE, at = winner;
        TqTournamentKey least = TQ_TOURNAMENT_OUT;

        if (winner == TQ_TOURNAMENT_NONE)
                return winner;
        for (unsigned row = 0; row < t->n_rows; row++, at /= GROUP) {
                const TqTournamentRow *r = &t->rows[row];
                uint32_t group = at / GROUP * GROUP, i;
                uint64_t first[GROUP], second[GROUP];
                TqTournamentKey key;

                memcpy(first, r->first + group, sizeof(first));
                memcpy(second, r->second + group, sizeof(second));
                first[at - group] = UINT64_MAX;
                i = best_of(first, second);
                key = (TqTournamentKey){ first[i], second[i] };
                if (!tq_tournament_before(&key, &least))
                        continue;
                least = key;
                best = row > 0 ? r->winners[group + i] : group + i;
        }
        return least.first == UINT64_MAX ? TQ_TOURNAMENT_NONE : best;
}

void tq_tournament_prefetch(const TqTournament *t, uint32_t player) {
        /* The rows above are small, and looked at each time. */
        for (unsigned row = 0; row < TQ_MIN(t->n_rows, 2U); row++) {
                const TqTournamentRow *r = &t->rows[row];

                __builtin_prefetch(&r->first[player], 1);
                __builtin_prefetch(&r->second[player], 1);
                if (r->winners)
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
