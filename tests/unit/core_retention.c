/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/retention.h"

#include "unit.h"

static const struct {
        uint64_t counts[4];
        size_t n;
        uint64_t total, want;
} rows[] = {
        { {}, 0, 0, UINT64_MAX },
        { { 5 }, 1, 5, UINT64_MAX },
        { { 5 }, 1, 4, 4 },
        { { 5 }, 1, 0, 0 },
        { { 0, 0 }, 2, 0, UINT64_MAX },
        { { 10, 1, 1 }, 3, 12, UINT64_MAX },
        { { 10, 1, 1 }, 3, 11, 9 },
        { { 10, 10, 1 }, 3, 11, 5 },
        { { 10, 10, 10 }, 3, 11, 3 },
        { { 1, 2, 3, 4 }, 4, 9, 3 },
        { { 1, 2, 3, 4 }, 4, 8, 2 },
        { { UINT64_MAX, UINT64_MAX }, 2, UINT64_MAX - 1, UINT64_MAX / 2 },
        { { UINT64_MAX, UINT64_MAX }, 2, UINT64_MAX, UINT64_MAX },
};

START_TEST(allowance) {
        uint64_t counts[4];

        memcpy(counts, rows[_i].counts, sizeof(counts));
        ck_assert_uint_eq(tq_retention_allowance(counts, rows[_i].n, rows[_i].total),
                          rows[_i].want);
}
END_TEST

/* Never more in all than the total, and no less than could be. */
START_TEST(allowance_is_tight) {
        uint64_t seed = (uint64_t)_i + 1;

        for (int turn = 0; turn < 200; turn++) {
                uint64_t counts[50], copy[50], total = unit_random(&seed) % 2000, sum = 0, more = 0;
                size_t n = 1 + unit_random(&seed) % TQ_ELEMENTSOF(counts);
                uint64_t allowance;

                for (size_t i = 0; i < n; i++)
                        copy[i] = counts[i] = unit_random(&seed) % 100;
                allowance = tq_retention_allowance(counts, n, total);
                for (size_t i = 0; i < n; i++) {
                        sum += TQ_MIN(copy[i], allowance);
                        more += TQ_MIN(copy[i], tq_add_u64(allowance, 1));
                }
                unit_must(sum <= total, "too much");
                unit_must(allowance == UINT64_MAX || more > total, "too little");
        }
}
END_TEST

START_TEST(defaults_are_sane) {
        TqRetention r;

        tq_retention_init(&r);
        ck_assert(tq_retention_is_sane(&r));
        r.output_floor = 10001;
        ck_assert(!tq_retention_is_sane(&r));
}
END_TEST

static void fill(Suite *s) {
        TCase *t = unit_case(s, "retention");

        unit_add_rows(t, allowance, rows);
        tcase_add_loop_test(t, allowance_is_tight, 0, 5);
        tcase_add_test(t, defaults_are_sane);
}

int main(void) {
        return unit_main("core/retention", fill);
}
