/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core_limits.h"

/* Rates, and slots as a number or as a share of all. */

static const struct {
        const char *text;
        uint64_t n, period;
} rate_rows[] = {
        { "0/s", 0, SEC },
        { "1/s", 1, SEC },
        { "1000000/s", 1000000, SEC },
        { "1/min", 1, 60 * SEC },
        { "7/min", 7, 60 * SEC },
        { "60/min", 60, 60 * SEC },
        { "3600/h", 3600, 3600 * SEC },
        { "59/h", 59, 3600 * SEC },
        { "288230376151711744/h", UINT64_C(1) << 58, 3600 * SEC },
};

/* 60/min and 1/s come to the same in an hour, but let another number in at once. */
START_TEST(rate) {
        uint64_t period = 0;
        TqLimits l = {};

        ck_assert_int_eq(
                tq_limits_set(&l, "enqueue_rate", rate_rows[_i].text, TENANT, false, 0, NULL), 0);
        ck_assert_uint_eq(tq_limits_rate(l.value[TQ_KEY_ENQUEUE_RATE], &period), rate_rows[_i].n);
        ck_assert_uint_eq(period, rate_rows[_i].period);
}
END_TEST

static const struct {
        const char *text;
        uint64_t total, slots;
} slots_rows[] = {
        { "0", 10, 0 },
        { "7", 10, 7 },
        { "11", 10, 11 }, /* a number is a number */
        { "1000000", TQ_LIMIT_MAX, 1000000 },
        { "0%", 10, 0 },
        { "10%", 10, 1 },
        { "10.01%", 10, 2 }, /* rounded up */
        { "0.01%", 1, 1 },
        { "0.01%", 10000, 1 },
        { "0.01%", 10001, 2 },
        { "99.99%", 10000, 9999 },
        { "100%", 7, 7 },
        { "100%", 0, 0 },
        { "100%", UINT64_MAX - 1, UINT64_MAX - 1 },
        { "50%", UINT64_MAX - 1, UINT64_MAX / 2 },
        { "50%", TQ_LIMIT_MAX, 0 }, /* a share of what has no bound is none */
};

START_TEST(slots) {
        uint64_t value;

        ck_assert_int_eq(tq_limits_parse_slots(slots_rows[_i].text, &value), 0);
        ck_assert_uint_eq(tq_limits_slots(value, slots_rows[_i].total), slots_rows[_i].slots);
}
END_TEST

START_TEST(slots_bad) {
        static const char *const bad[] = { "",
                                           "%",
                                           "x",
                                           "5 %",
                                           "1e3",
                                           "1000001",
                                           "-",
                                           "100.01%",
                                           "101%",
                                           "00000000000000000000000000001%%",
                                           "000000000000000000000000000000000000000000000000005%" };

        for (size_t i = 0; i < TQ_ELEMENTSOF(bad); i++) {
                uint64_t value = 12345;

                ck_assert_msg(tq_limits_parse_slots(bad[i], &value) < 0, "%s", bad[i]);
                ck_assert_uint_eq(value, 12345);
        }
}
END_TEST

static void fill(Suite *s) {
        TCase *rates = unit_case(s, "rates");

        unit_add_rows(rates, rate, rate_rows);
        unit_add_rows(rates, slots, slots_rows);
        tcase_add_test(rates, slots_bad);
}

int main(void) {
        return unit_main("core/limits rates", fill);
}
