/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core_limits.h"

/* Limits with limits: one layer over another, under a ceiling, and within what is around them. */

START_TEST(overlay) {
        TqLimits base = LIMITS("cpu", "1", "memory", "1G", "cpus", "0-3", "io_read@8:0", "1M");
        TqLimits over = LIMITS("cpu", "max", "pids", "5", "cpus", "2", "io_read@8:0", "2M",
                               "io_read@8:16", "3M");
        TqLimits want = LIMITS("cpu", "max", "memory", "1G", "pids", "5", "cpus", "2",
                               "io_read@8:0", "2M", "io_read@8:16", "3M");
        TqLimits empty = {}, same = base;

        tq_limits_overlay(&same, &empty);
        ck_assert_mem_eq(&same, &base, sizeof(base));
        tq_limits_overlay(&base, &over);
        ck_assert_mem_eq(&base, &want, sizeof(base));
        /* An explicit max and an explicit zero stand over a number. */
        ck_assert_uint_eq(base.value[TQ_KEY_CPU], TQ_LIMIT_MAX);
        over = LIMITS("swap", "0");
        base = LIMITS("swap", "1G");
        tq_limits_overlay(&base, &over);
        ck_assert(tq_limits_has(&base, TQ_KEY_SWAP));
        ck_assert_uint_eq(base.value[TQ_KEY_SWAP], 0);
}
END_TEST

/* NULL: unset. */
static const struct {
        const char *key, *value, *ceiling, *result;
} clamp_rows[] = {
        { "cpu", "2", "1", "1" },
        { "cpu", "1", "2", "1" },
        { "cpu", "1", "1", "1" },
        { "cpu", "max", "4", "4" },
        { "cpu", NULL, "4", "4" },
        { "cpu", "1", NULL, "1" },
        { "cpu", NULL, NULL, NULL },
        { "cpu", "2", "max", "2" },
        { "cpu", NULL, "max", "max" },
        { "memory", "8G", "4G", "4G" },
        { "memory", NULL, "4G", "4G" },
        { "memory_high", "8G", "4G", "4G" },
        { "swap", "1G", "0", "0" },
        { "swap", NULL, "0", "0" },
        { "swap", "0", "1G", "0" },
        { "pids", "11", "10", "10" },
        { "io_write", "11M", "10M", "10M" },
        { "io_write", NULL, "10M", "10M" },
        { "concurrency", "5", "0", "0" },
        { "concurrency", NULL, "3", "3" },
        { "runtime", "2h", "1h", "1h" },
        { "runtime", "max", "1h", "1h" },
        { "memory_low", "2G", "1G", "1G" },
        { "memory_low", NULL, "1G", NULL },      /* unset means none there */
        { "cpu_weight", "5000", "100", "5000" }, /* no cap */
        { "cpu_weight", NULL, "100", NULL },
        { "cpus", "0-3", "2-5", "2-3" },
        { "cpus", "0-3", "0-1023", "0-3" },
        { "cpus", "0-1", "4-5", "4-5" }, /* none is left */
        { "cpus", NULL, "4-5", "4-5" },
        { "cpus", "0-1", NULL, "0-1" },
};

START_TEST(clamp) {
        const char *key = clamp_rows[_i].key;
        TqKey k = tq_limits_find(key);
        char text[TQ_VALUE_MAX];
        TqLimits l = {}, ceiling = {};

        if (clamp_rows[_i].value)
                l = LIMITS(key, clamp_rows[_i].value);
        if (clamp_rows[_i].ceiling)
                ceiling = LIMITS(key, clamp_rows[_i].ceiling);
        tq_limits_clamp(&l, &ceiling);
        ck_assert_str_eq(tq_limits_format(&l, k, text, sizeof(text)),
                         clamp_rows[_i].result ? clamp_rows[_i].result : "unset");
        ck_assert_uint_eq(l.set & ~(UINT64_C(1) << k), 0);
        ck_assert(tq_limits_is_sane(&l));
}
END_TEST

/* A ceiling with a device bounds the limit of that device. */
START_TEST(clamp_devices) {
        TqLimits l = LIMITS("io_write@8:0", "50M", "io_write@8:16", "50M", "io_read@8:0", "50M");
        TqLimits ceiling = LIMITS("io_write", "20M");

        tq_limits_clamp(&l, &ceiling);
        ck_assert_uint_eq(l.io[0].value, 20000000);
        ck_assert_uint_eq(l.io[1].value, 20000000);
        ck_assert_uint_eq(l.io[2].value, 50000000);
        ceiling = LIMITS("io_write@8:0", "10M");
        tq_limits_clamp(&l, &ceiling);
        ck_assert_uint_eq(l.io[0].value, 10000000);
        ck_assert_uint_eq(l.io[1].value, 20000000);
        ck_assert_uint_eq(l.io[2].value, 50000000);
}
END_TEST

static const struct {
        const char *key, *value, *outer, *error; /* NULL: allowed */
} within_rows[] = {
        { "cpu", "2", "2", NULL },
        { "cpu", "2.000001", "2", "asks for 2.000001, above the 2 of tenant acme" },
        { "cpu", "max", "2", "asks for max, above the 2 of tenant acme" },
        { "cpu", "max", "max", NULL },
        { "cpu", "max", NULL, NULL },
        { "cpu", "100", NULL, NULL },
        { "memory", "4G", "4G", NULL },
        { "memory", "5G", "4G", "asks for 5G, above the 4G of tenant acme" },
        { "memory_low", "2G", "1G", "asks for 2G, above the 1G of tenant acme" },
        { "swap", "1", "0", "asks for 1, above the 0 of tenant acme" },
        { "pids", "101", "100", "asks for 101, above the 100 of tenant acme" },
        { "runtime", "2h", "1h", "asks for 2h, above the 1h of tenant acme" },
        { "io_read", "11M", "10M", "asks for 11M, above the 10M of tenant acme" },
        { "io_read@8:0", "11M", "10M", "asks for 11M, above the 10M of tenant acme" },
        { "io_read@8:0", "10M", "10M", NULL },
        { "cpu_weight", "10000", "1", NULL },
        { "io_weight", "10000", "1", NULL },
        { "cpus", "0-3", "0-3", NULL },
        { "cpus", "1", "0-3", NULL },
        { "cpus", "4", "0-3", "asks for CPUs outside the 0-3 of tenant acme" },
        { "cpus", "0-4", "0-3", "asks for CPUs outside the 0-3 of tenant acme" },
        { "cpus", "1023", NULL, NULL },
};

START_TEST(within) {
        TqLimits l = LIMITS(within_rows[_i].key, within_rows[_i].value), outer = {};
        TqError err = {};
        int r;

        if (within_rows[_i].outer)
                outer = LIMITS(within_rows[_i].key, within_rows[_i].outer);
        r = tq_limits_check_within(&l, &outer, "tenant acme", &err);
        if (!within_rows[_i].error) {
                ck_assert_msg(r == 0, "%s", err.text);
                ck_assert_str_eq(err.text, "");
                return;
        }
        ck_assert_int_eq(r, -EBADMSG);
        ck_assert_str_eq(err.text, within_rows[_i].error);
        ck_assert_uint_eq(strncmp(within_rows[_i].key, err.key, strlen(err.key)), 0);
        ck_assert_uint_gt(strlen(err.key), 0);
}
END_TEST

START_TEST(within_unset) {
        TqLimits outer = LIMITS("cpu", "1", "memory", "1G", "cpus", "0", "io_read@8:0", "1M"),
                 l = {};

        ck_assert_int_eq(tq_limits_check_within(&l, &outer, "x", NULL), 0);
}
END_TEST

/* Whatever is clamped is within. */
START_TEST(clamped_is_within) {
        uint64_t state = 0x1234567890ABCDEF;

        for (int round = 0; round < 2000; round++) {
                TqLimits l = {}, ceiling = {};
                TqError err = {};

                for (int i = 0; i < _TQ_KEY_MAX; i++) {
                        const TqKeyRow *row = &tq_limits_keys[i];
                        TqLimits *both[] = { &l, &ceiling };

                        for (size_t k = 0; k < 2 && row->type != TQ_TYPE_CPUSET; k++) {
                                uint64_t x = unit_random(&state);

                                if (x % 3 == 0)
                                        continue;
                                both[k]->set |= UINT64_C(1) << i;
                                both[k]->value[i] =
                                        x % 5 == 0 && row->has_max
                                                ? TQ_LIMIT_MAX
                                                : row->min + x % (row->max - row->min + 1);
                        }
                }
                tq_limits_clamp(&l, &ceiling);
                ck_assert(tq_limits_is_sane(&l));
                ck_assert_msg(tq_limits_check_within(&l, &ceiling, "ceiling", &err) == 0, "%s %s",
                              err.key, err.text);
        }
}
END_TEST

static void fill(Suite *s) {
        TCase *combine = unit_case(s, "combine");

        tcase_add_test(combine, overlay);
        unit_add_rows(combine, clamp, clamp_rows);
        tcase_add_test(combine, clamp_devices);
        unit_add_rows(combine, within, within_rows);
        tcase_add_test(combine, within_unset);
        tcase_add_test(combine, clamped_is_within);
}

int main(void) {
        return unit_main("core/limits combine", fill);
}
