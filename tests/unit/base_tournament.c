/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/tournament.h"

#include <math.h>

#include "unit.h"

/* Against a walk over all keys. */

#define OUT UINT64_MAX

static TqTournamentKey key_of(uint64_t first, uint64_t second) {
        return (TqTournamentKey){ .first = first, .second = second };
}

static uint32_t walk(const TqTournamentKey *keys, uint32_t n) {
        uint32_t best = TQ_TOURNAMENT_NONE;

        for (uint32_t i = 0; i < n; i++)
                if (keys[i].first != OUT &&
                    (best == TQ_TOURNAMENT_NONE || tq_tournament_before(&keys[i], &keys[best])))
                        best = i;
        return best;
}

START_TEST(empty) {
        TqTournament t = {};

        ck_assert_uint_eq(tq_tournament_winner(&t), TQ_TOURNAMENT_NONE);
        tq_tournament_done(&t);
        ck_assert_int_eq(tq_tournament_reserve(&t, 0), 0);
        ck_assert_uint_eq(t.allocated, 0);
        ck_assert_int_eq(tq_tournament_reserve(&t, 1), 0);
        ck_assert_uint_eq(tq_tournament_winner(&t), TQ_TOURNAMENT_NONE);
        tq_tournament_set(&t, 0, key_of(5, 5));
        ck_assert_uint_eq(tq_tournament_winner(&t), 0);
        tq_tournament_set(&t, 0, TQ_TOURNAMENT_OUT);
        ck_assert_uint_eq(tq_tournament_winner(&t), TQ_TOURNAMENT_NONE);
        tq_tournament_done(&t);
        tq_tournament_done(&t);
}
END_TEST

/* The first part decides, then the second, then the number. */
START_TEST(order) {
        TqTournament t = {};

        ck_assert_int_eq(tq_tournament_reserve(&t, 100), 0);
        tq_tournament_set(&t, 70, key_of(5, 5));
        tq_tournament_set(&t, 99, key_of(5, 5));
        ck_assert_uint_eq(tq_tournament_winner(&t), 70);
        tq_tournament_set(&t, 3, key_of(5, 5));
        ck_assert_uint_eq(tq_tournament_winner(&t), 3);
        tq_tournament_set(&t, 99, key_of(5, 4));
        ck_assert_uint_eq(tq_tournament_winner(&t), 99);
        tq_tournament_set(&t, 70, key_of(4, OUT));
        ck_assert_uint_eq(tq_tournament_winner(&t), 70);
        tq_tournament_set(&t, 70, key_of(OUT - 1, 0));
        ck_assert_uint_eq(tq_tournament_winner(&t), 99);
        tq_tournament_set(&t, 99, TQ_TOURNAMENT_OUT);
        tq_tournament_set(&t, 3, TQ_TOURNAMENT_OUT);
        ck_assert_uint_eq(tq_tournament_winner(&t), 70);
        tq_tournament_done(&t);
}
END_TEST

/* Who wins when the winner has gone; of equals any. */
static void check_runner_up(const TqTournament *t, TqTournamentKey *keys, uint32_t n) {
        uint32_t winner = walk(keys, n), got = tq_tournament_runner_up(t), want;
        TqTournamentKey kept;

        if (winner == TQ_TOURNAMENT_NONE) {
                unit_must(got == TQ_TOURNAMENT_NONE, "of nobody");
                return;
        }
        kept = keys[winner];
        keys[winner] = TQ_TOURNAMENT_OUT;
        want = walk(keys, n);
        if (want == TQ_TOURNAMENT_NONE)
                unit_must(got == want, "of one");
        else
                unit_must(got != winner && got < n && keys[got].first == keys[want].first &&
                                  keys[got].second == keys[want].second,
                          "%u, expected %u", got, want);
        keys[winner] = kept;
}

static const uint32_t sizes[] = { 1, 7, 8, 9, 64, 65, 500, 513 };

START_TEST(against_a_walk) {
        uint32_t n = sizes[_i];
        TqTournamentKey *keys = calloc(n, sizeof(*keys));
        uint64_t random = 17 + n;
        TqTournament t = {};

        ck_assert_int_eq(tq_tournament_reserve(&t, n), 0);
        for (uint32_t i = 0; i < n; i++)
                keys[i] = TQ_TOURNAMENT_OUT;
        for (int step = 0; step < 50000; step++) {
                uint32_t i = (uint32_t)(unit_random(&random) % n);

                keys[i] = unit_random(&random) % 3 > 0
                                  ? key_of(unit_random(&random) % 20, unit_random(&random) % 3)
                                  : TQ_TOURNAMENT_OUT;
                tq_tournament_set(&t, i, keys[i]);
                unit_must(tq_tournament_winner(&t) == walk(keys, n), "step %d", step);
                check_runner_up(&t, keys, n);
        }
        tq_tournament_done(&t);
        free(keys);
}
END_TEST

/* Those who take part stay when others come. */
START_TEST(grows) {
        TqTournamentKey keys[5000];
        uint64_t random = 23;
        TqTournament t = {};

        for (uint32_t i = 0; i < TQ_ELEMENTSOF(keys); i++) {
                ck_assert_int_eq(tq_tournament_reserve(&t, i + 1), 0);
                keys[i] = key_of(unit_random(&random) % 1000000, i);
                tq_tournament_set(&t, i, keys[i]);
                unit_must(tq_tournament_winner(&t) == walk(keys, i + 1), "player %u", i);
        }
        ck_assert_uint_eq(t.allocated, 32768);
        ck_assert_int_eq(tq_tournament_reserve(&t, 5), 0); /* it does not shrink */
        ck_assert_uint_eq(t.allocated, 32768);
        ck_assert_int_eq(tq_tournament_reserve(&t, 20000000), -ENOMEM);
        ck_assert_uint_eq(tq_tournament_winner(&t), walk(keys, TQ_ELEMENTSOF(keys)));
        tq_tournament_done(&t);
}
END_TEST

START_TEST(order_of_doubles) {
        const double values[] = { -INFINITY, -1e300, -2,        -1, -1e-300, 0,
                                  1e-300,    1,      1 + 1e-15, 2,  1e300,   INFINITY };

        for (size_t i = 0; i < TQ_ELEMENTSOF(values); i++)
                for (size_t k = 0; k < TQ_ELEMENTSOF(values); k++)
                        ck_assert_int_eq(tq_tournament_order(values[i]) <
                                                 tq_tournament_order(values[k]),
                                         values[i] < values[k]);
}
END_TEST

static void fill(Suite *s) {
        TCase *tcase = unit_case(s, "tournament");

        tcase_add_test(tcase, empty);
        tcase_add_test(tcase, order);
        unit_add_rows(tcase, against_a_walk, sizes);
        tcase_add_test(tcase, grows);
        tcase_add_test(tcase, order_of_doubles);
}

int main(void) {
        return unit_main("base/tournament", fill);
}
