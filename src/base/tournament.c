/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/tournament.h"

#include <assert.h>
#include <string.h>

#define GROUP 8

void tq_tournament_done(TqTournament *t) {
        for (unsigned row = 0; row <= t->n_rows && t->allocated > 0; row++) {
                free(t->keys[row]);
                free(t->winners[row]);
        }
        *t = (TqTournament){};
}

/* The best of a group goes one row up. Whether anything is new there. */
static bool play(TqTournament *t, unsigned row, uint32_t group) {
        const TqTournamentKey *keys = &t->keys[row][(size_t)group * GROUP];
        uint32_t best = 0, winner;

        for (uint32_t i = 1; i < GROUP; i++)
                if (tq_tournament_before(&keys[i], &keys[best]))
                        best = i;
        winner = group * GROUP + best;
        if (row > 0)
                winner = t->winners[row][winner];
        if (t->winners[row + 1][group] == winner &&
            t->keys[row + 1][group].first == keys[best].first &&
            t->keys[row + 1][group].second == keys[best].second)
                return false;
        t->winners[row + 1][group] = winner;
        t->keys[row + 1][group] = keys[best];
        return true;
}

static int allocate(TqTournament *t, uint32_t n) {
        t->allocated = GROUP;
        t->n_rows = 1;
        while (t->allocated < n && t->n_rows < TQ_TOURNAMENT_ROWS) {
                t->allocated *= GROUP;
                t->n_rows++;
        }
        if (t->allocated < n)
                return -ENOMEM;
        for (unsigned row = 0; row <= t->n_rows; row++) {
                size_t size = (size_t)t->allocated >> (3 * row);

                t->keys[row] = malloc(size * sizeof(**t->keys));
                t->winners[row] = malloc(size * sizeof(**t->winners));
                if (!t->keys[row] || !t->winners[row])
                        return -ENOMEM;
                memset(t->keys[row], 0xFF, size * sizeof(**t->keys));
                memset(t->winners[row], 0xFF, size * sizeof(**t->winners));
        }
        return 0;
}

int tq_tournament_reserve(TqTournament *t, uint32_t n) {
        TqTournament bigger = {};
        int r;

        if (n <= t->allocated)
                return 0;
        r = allocate(&bigger, n);
        if (r < 0) {
                tq_tournament_done(&bigger);
                return r;
        }
        for (uint32_t i = 0; i < t->allocated; i++)
                bigger.keys[0][i] = t->keys[0][i];
        for (unsigned row = 0; row < bigger.n_rows; row++)
                for (uint32_t group = 0; group < bigger.allocated >> (3 * (row + 1)); group++)
                        (void)play(&bigger, row, group);
        tq_tournament_done(t);
        *t = bigger;
        return 0;
}

void tq_tournament_set(TqTournament *t, uint32_t player, TqTournamentKey key) {
        assert(player < t->allocated);
        t->keys[0][player] = key;
        /* Where the same one wins as before, nothing above changes. */
        for (unsigned row = 0; row < t->n_rows; row++) {
                player /= GROUP;
                if (!play(t, row, player))
                        return;
        }
}

uint32_t tq_tournament_winner(const TqTournament *t) {
        const TqTournamentKey *key = t->keys[t->n_rows];

        return t->allocated == 0 || key->first == UINT64_MAX ? TQ_TOURNAMENT_NONE
                                                             : t->winners[t->n_rows][0];
}

/* IEEE 754: among numbers of one sign the bits are in order. */
uint64_t tq_tournament_order(double v) {
        uint64_t bits;

        memcpy(&bits, &v, sizeof(bits));
        return bits >> 63 ? ~bits : bits | UINT64_C(1) << 63;
}
