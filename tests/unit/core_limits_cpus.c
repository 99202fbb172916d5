/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core_limits.h"

/* Sets of CPUs. */

static const struct {
        const char *text, *formatted; /* NULL: refused */
} cpuset_rows[] = {
        { "0", "0" },           { "0-3,8", "0-3,8" }, { "8,0-3", "0-3,8" }, { "0,1,2,3", "0-3" },
        { "0-1,1-2", "0-2" },   { "5-5", "5" },       { "63,64", "63-64" }, { "1023", "1023" },
        { "0-1023", "0-1023" }, { "1024", NULL },     { "0-1024", NULL },   { "3-0", NULL },
        { "", NULL },           { ",", NULL },        { "0,", NULL },       { ",0", NULL },
        { "0,,1", NULL },       { "0-", NULL },       { "-3", NULL },       { "0--1", NULL },
        { "0-1-2", NULL },      { "a", NULL },        { "0 1", NULL },      { "0, 1", NULL },
        { "max", NULL },        { "all", NULL },      { "0x1", NULL },      { "4294967296", NULL },
        { "\xD9\xA3", NULL },
};

/* As systemd separates them, under its name. */
START_TEST(allowed_cpus) {
        static const char *const rows[][2] = {
                { "0 1", "0-1" },     { "0, 1", "0-1" }, { "0-3 8", "0-3,8" }, { "0,,1", "0-1" },
                { "  0\t2 ", "0,2" }, { "0,", "0" },     { ",0", "0" },
        };

        for (size_t i = 0; i < TQ_ELEMENTSOF(rows); i++) {
                char text[TQ_VALUE_MAX];
                TqLimits l = {};

                ck_assert_int_eq(tq_limits_set(&l, "AllowedCPUs", rows[i][0], JOB, false, 1, NULL),
                                 0);
                ck_assert_str_eq(tq_limits_format(&l, TQ_KEY_CPUS, text, sizeof(text)), rows[i][1]);
        }
}
END_TEST

START_TEST(cpuset) {
        TqLimits l = {}, untouched = {}, again = {};
        char text[TQ_VALUE_MAX];
        TqError err = {};
        int r = tq_limits_set(&l, "cpus", cpuset_rows[_i].text, JOB, false, 1, &err);

        if (!cpuset_rows[_i].formatted) {
                ck_assert_msg(r == -EBADMSG, "\"%s\"", cpuset_rows[_i].text);
                ck_assert_str_eq(err.text, "expected a list of CPUs such as 0-3,8, below 1024");
                ck_assert_mem_eq(&l, &untouched, sizeof(l));
                return;
        }
        ck_assert_int_eq(r, 0);
        ck_assert_str_eq(tq_limits_format(&l, TQ_KEY_CPUS, text, sizeof(text)),
                         cpuset_rows[_i].formatted);
        ck_assert_int_eq(tq_limits_set(&again, "cpus", text, JOB, false, 0, NULL), 0);
        ck_assert_mem_eq(&l, &again, sizeof(l));
        ck_assert_str_eq(tq_limits_attribute(&l, TQ_KEY_CPUS, text, sizeof(text)),
                         cpuset_rows[_i].formatted);
}
END_TEST

/* A set of CPUs that is well-formed fits into an attribute whole; a cut list would name other CPUs.
 */
START_TEST(sane_cpus) {
        TqLimits l = { .set = UINT64_C(1) << TQ_KEY_CPUS }, again = {};
        char text[TQ_VALUE_MAX * 2];

        for (size_t i = 0; i < TQ_ELEMENTSOF(l.cpus); i++)
                l.cpus[i] = UINT64_C(0x5555555555555555);
        if (!tq_limits_is_sane(&l))
                return; /* refused: as good */
        (void)tq_limits_attribute(&l, TQ_KEY_CPUS, text, sizeof(text));
        ck_assert_int_eq(tq_limits_set(&again, "cpus", text, TQ_SCOPE_JOB, false, 0, NULL), 0);
        ck_assert_mem_eq(again.cpus, l.cpus, sizeof(l.cpus));
}
END_TEST

static void fill(Suite *s) {
        TCase *cpus = unit_case(s, "cpus");

        unit_add_rows(cpus, cpuset, cpuset_rows);
        tcase_add_test(cpus, allowed_cpus);
        tcase_add_test(cpus, sane_cpus);
}

int main(void) {
        return unit_main("core/limits cpus", fill);
}
