/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf/policyfile.h"

#include <stdio.h>

#include "unit.h"

#define SEC      UINT64_C(1000000)
#define SHARE(n) (UINT64_C(1) << 32 | (n)) /* hundredths of a percent, as limits.c keeps them */

static TqHostPolicy *policy_new(void) {
        TqHostPolicy *p = malloc(sizeof(*p));

        ck_assert_ptr_nonnull(p);
        tq_policy_init(p);
        return p;
}

static void policy_done(TqHostPolicy **p) {
        free(*p);
}

#define POLICY TQ_CLEANUP(policy_done) TqHostPolicy *

static void set(TqHostPolicy *p, const char *key, const char *value) {
        TqError err = {};

        ck_assert_msg(tq_policyfile_set(p, key, value, 3, &err) == 0, "%s=%s: %s", key, value,
                      err.text);
}

/* A pool; slots or cpus may be NULL: not said. */
static void pool(TqHostPolicy *p, const char *name, const char *slots, const char *cpus) {
        TqError err = {};

        ck_assert_msg(tq_policyfile_open_pool(p, name, 4, &err) == 0, "%s: %s", name, err.text);
        if (slots)
                ck_assert_int_eq(tq_policyfile_set_pool(p, "slots", slots, 5, &err), 0);
        if (cpus)
                ck_assert_int_eq(tq_policyfile_set_pool(p, "cpus", cpus, 6, &err), 0);
}

static void expect_error(int r, const TqError *err, unsigned line, const char *key,
                         const char *text) {
        ck_assert_msg(r == -EBADMSG, "%d, expected: %s", r, text);
        ck_assert_str_eq(err->text, text);
        ck_assert_uint_eq(err->line, line);
        ck_assert_str_eq(err->key, key);
        ck_assert_str_eq(err->file, "");
}

static void expect_incomplete(TqHostPolicy *p, const char *text) {
        TqError err = {};

        expect_error(tq_policyfile_complete(p, &err), &err, 0, "", text);
}

static void expect_complete(TqHostPolicy *p) {
        TqError err = {};

        ck_assert_msg(tq_policyfile_complete(p, &err) == 0, "%s", err.text);
        ck_assert(tq_policy_is_sane(p));
}

/* [scheduler] --------------------------------------------------------------------------------- */

#define AT(field) offsetof(TqHostPolicy, field)

static const struct {
        const char *key, *value;
        size_t at;
        uint64_t want;
} good_rows[] = {
        { "max_jobs", "1", AT(max_jobs), 1 },
        { "max_jobs", "1000000", AT(max_jobs), 1000000 },
        { "max_jobs", "max", AT(max_jobs), TQ_LIMIT_MAX },
        { "memory", "4096", AT(memory_bytes), 4096 },
        { "memory", "4K", AT(memory_bytes), 4096 },
        { "memory", "64G", AT(memory_bytes), UINT64_C(64) << 30 },
        { "memory", "1E", AT(memory_bytes), UINT64_C(1) << 60 },
        { "memory", "max", AT(memory_bytes), TQ_LIMIT_MAX },
        { "io", "1", AT(io_bytes_per_sec), 1 },
        { "io", "500M", AT(io_bytes_per_sec), 500000000 },
        { "io", "1E", AT(io_bytes_per_sec), UINT64_C(1000000000000000000) },
        { "io", "1152921504606846976", AT(io_bytes_per_sec), UINT64_C(1) << 60 },
        { "io", "max", AT(io_bytes_per_sec), TQ_LIMIT_MAX },
        { "lane_slots", "0", AT(lane_slots), 0 },
        { "lane_slots", "2", AT(lane_slots), 2 },
        { "lane_slots", "1000000", AT(lane_slots), 1000000 },
        { "lane_slots", "0%", AT(lane_slots), SHARE(0) },
        { "lane_slots", "10%", AT(lane_slots), SHARE(1000) },
        { "lane_slots", "12.34%", AT(lane_slots), SHARE(1234) },
        { "lane_slots", "100%", AT(lane_slots), SHARE(10000) },
        { "lane_runtime", "1us", AT(lane_runtime_usec), 1 },
        { "lane_runtime", "1min 30s", AT(lane_runtime_usec), 90 * SEC },
        { "lane_runtime", "4611686018427387903us", AT(lane_runtime_usec), UINT64_MAX / 4 },
        { "half_life", "1", AT(half_life_usec), SEC },
        { "half_life", "1h", AT(half_life_usec), 3600 * SEC },
        { "half_life", "4611686018427387903us", AT(half_life_usec), UINT64_MAX / 4 },
        { "debt", "0", AT(debt_usec), 0 },
        { "debt", "10min", AT(debt_usec), 600 * SEC },
        { "debt", "1000000000s", AT(debt_usec), 1000000000 * SEC },
        { "memory_patience", "0", AT(memory_patience_usec), 0 },
        { "memory_patience", "5min", AT(memory_patience_usec), 300 * SEC },
        { "memory_patience", "4611686018427387903us", AT(memory_patience_usec), UINT64_MAX / 4 },
        { "rollback_percent", "101", AT(rollback_percent), 101 },
        { "rollback_percent", "100000", AT(rollback_percent), 100000 },
};

/* The key's field, and no other. */
START_TEST(good) {
        POLICY p = policy_new();
        POLICY want = policy_new();

        memcpy((char *)want + good_rows[_i].at, &good_rows[_i].want, sizeof(uint64_t));
        set(p, good_rows[_i].key, good_rows[_i].value);
        ck_assert_mem_eq(p, want, sizeof(*p));
}
END_TEST

#define JOBS     "expected a whole number from 1 to 1000000, or max"
#define MEMORY   "expected a size such as 64G, or max"
#define IO       "expected bytes per second such as 500M, or max"
#define LANE     "expected a number of slots or a share such as 10%"
#define SPAN     "expected a time span such as 1min"
#define HALF     "expected a time span from 1s, such as 1h"
#define DEBT     "expected a time span such as 1h"
#define TOO_LONG "4611686018427387904us"

static const struct {
        const char *key, *value, *error;
} bad_rows[] = {
        { "max_jobs", "0", JOBS },
        { "max_jobs", "1000001", JOBS },
        { "max_jobs", "-1", JOBS },
        { "max_jobs", "", JOBS },
        { "max_jobs", "1.5", JOBS },
        { "max_jobs", "50%", JOBS },
        { "max_jobs", "Max", JOBS },
        { "max_jobs", "18446744073709551615", JOBS },
        { "max_jobs", "18446744073709551617", JOBS },
        { "memory", "4095", MEMORY },
        { "memory", "0", MEMORY },
        { "memory", "1152921504606846977", MEMORY },
        { "memory", "16E", MEMORY },
        { "memory", "64X", MEMORY },
        { "memory", "", MEMORY },
        { "io", "0", IO },
        { "io", "1152921504606846977", IO },
        { "io", "5MB", IO },
        { "io", "", IO },
        { "lane_slots", "1000001", LANE },
        { "lane_slots", "100.01%", LANE },
        { "lane_slots", "10.005%", LANE },
        { "lane_slots", "%", LANE },
        { "lane_slots", "-1", LANE },
        { "lane_slots", "max", LANE },
        { "lane_slots", "", LANE },
        { "lane_runtime", "0", SPAN },
        { "lane_runtime", TOO_LONG, SPAN },
        { "lane_runtime", "max", SPAN },
        { "lane_runtime", "soon", SPAN },
        { "half_life", "999999us", HALF },
        { "half_life", "0", HALF },
        { "half_life", TOO_LONG, HALF },
        { "half_life", "max", HALF },
        { "debt", "1000000000s 1us", DEBT },
        { "debt", "max", DEBT },
        { "debt", "", DEBT },
        { "memory_patience", TOO_LONG, SPAN },
        { "memory_patience", "max", SPAN },
        { "memory_patience", "-1s", SPAN },
        { "rollback_percent", "100", "expected a whole number of percent from 101 to 100000" },
        { "rollback_percent", "100001", "expected a whole number of percent from 101 to 100000" },
        { "rollback_percent", "max", "expected a whole number of percent from 101 to 100000" },
        { "rollback_percent", "150%", "expected a whole number of percent from 101 to 100000" },
        { "max_job", "4", "unknown key in [scheduler]; did you mean max_jobs?" },
        { "lane_runtim", "4", "unknown key in [scheduler]; did you mean lane_runtime?" },
        { "cpus", "4", "unknown key in [scheduler]" }, /* a pool's */
        { "policy", "fifo", "unknown key in [scheduler]" },
        { "", "4", "unknown key in [scheduler]" },
};

START_TEST(bad) {
        POLICY p = policy_new();
        POLICY untouched = policy_new();
        TqError err = {};

        expect_error(tq_policyfile_set(p, bad_rows[_i].key, bad_rows[_i].value, 17, &err), &err, 17,
                     bad_rows[_i].key, bad_rows[_i].error);
        ck_assert_mem_eq(p, untouched, sizeof(*p));
        ck_assert_int_eq(tq_policyfile_set(p, bad_rows[_i].key, bad_rows[_i].value, 17, NULL),
                         -EBADMSG);
}
END_TEST

START_TEST(last_one_counts) {
        POLICY p = policy_new();

        set(p, "max_jobs", "4");
        set(p, "max_jobs", "max");
        set(p, "max_jobs", "9");
        ck_assert_uint_eq(p->max_jobs, 9);
}
END_TEST

/* Every key that is listed is known, and has words of help. */
START_TEST(listed) {
        size_t pools = 0;

        for (size_t i = 0; i < tq_policyfile_n_keys; i++) {
                const TqPolicyKey *k = &tq_policyfile_keys[i];
                bool is_pool = strcmp(k->section, "pool") == 0;
                POLICY p = policy_new();
                TqError err = {};

                pool(p, "a", NULL, NULL);
                ck_assert_int_eq(is_pool ? tq_policyfile_set_pool(p, k->key, "~", 2, &err)
                                         : tq_policyfile_set(p, k->key, "~", 2, &err),
                                 -EBADMSG);
                ck_assert_msg(strncmp(err.text, "expected ", 9) == 0, "%s: %s", k->key, err.text);
                ck_assert_str_ne(k->help, "");
                pools += is_pool;
        }
        ck_assert_uint_eq(pools, 2);
        ck_assert_uint_eq(tq_policyfile_n_keys, 11);
}
END_TEST

/* [pool NAME] --------------------------------------------------------------------------------- */

START_TEST(pools) {
        POLICY p = policy_new();

        set(p, "max_jobs", "16");
        pool(p, "batch", "4", "0-3,8");
        pool(p, "web.1", "25%", NULL);
        pool(p, "gpu", "0.01%", "64,1023");
        expect_complete(p);
        ck_assert_uint_eq(p->n_pools, 3);
        ck_assert_str_eq(p->pools[0].name, "batch");
        ck_assert_uint_eq(p->pools[0].slots, 4);
        ck_assert_uint_eq(p->pools[0].has_cpus, 1);
        ck_assert_uint_eq(p->pools[0].cpus[0], 0x10F);
        ck_assert_str_eq(p->pools[1].name, "web.1");
        ck_assert_uint_eq(p->pools[1].slots, SHARE(2500));
        ck_assert_uint_eq(p->pools[1].has_cpus, 0);
        ck_assert_uint_eq(tq_limits_slots(p->pools[2].slots, 16), 1); /* rounded up */
        ck_assert_uint_eq(p->pools[2].cpus[1], 1);
        ck_assert_uint_eq(p->pools[2].cpus[15], UINT64_C(1) << 63);
}
END_TEST

static const char *const names_bad[] = {
        "",     ".a",   "-a", "a b",
        "a/b",  "ä",    "a:", "1234567890123456789012345678901234567890123456789",
        " web", "web ",
};

START_TEST(pool_names) {
        static const char longest[] = "123456789012345678901234567890123456789012345678";
        POLICY p = policy_new();
        TqError err = {};

        pool(p, longest, "1", NULL);
        ck_assert_str_eq(p->pools[0].name, longest);
        expect_error(tq_policyfile_open_pool(p, names_bad[_i], 12, &err), &err, 12, "",
                     "expected [pool NAME] with 1 to 48 of A-Z a-z 0-9 _ - .");
        ck_assert_uint_eq(p->n_pools, 1);
}
END_TEST

START_TEST(pool_shared) {
        POLICY p = policy_new();
        TqError err = {};

        expect_error(tq_policyfile_open_pool(p, "shared", 2, &err), &err, 2, "",
                     "\"shared\" is the pool of all tenants that name none; its slots are what the "
                     "others leave of max_jobs");
        ck_assert_uint_eq(p->n_pools, 0);
        pool(p, "Shared", "1", NULL);
}
END_TEST

START_TEST(pool_twice) {
        POLICY p = policy_new();
        TqError err = {};

        pool(p, "a", "1", NULL);
        pool(p, "b", "1", NULL);
        expect_error(tq_policyfile_open_pool(p, "a", 9, &err), &err, 9, "",
                     "[pool a] a second time");
        ck_assert_uint_eq(p->n_pools, 2);
}
END_TEST

START_TEST(pool_too_many) {
        POLICY p = policy_new();
        TqError err = {};
        char name[8];

        for (int i = 1; i < TQ_POOLS_MAX; i++) {
                (void)snprintf(name, sizeof(name), "p%d", i);
                pool(p, name, "1", NULL);
        }
        set(p, "max_jobs", "16");
        expect_complete(p);
        expect_error(tq_policyfile_open_pool(p, "more", 40, &err), &err, 40, "",
                     "more than 15 pools");
        ck_assert_uint_eq(p->n_pools, 15);
}
END_TEST

#define POOL_SLOTS "expected a number of slots from 1 or a share such as 25%"
#define POOL_CPUS  "expected a list of CPUs such as 0-3,8"

static const struct {
        const char *key, *value, *error;
} pool_bad_rows[] = {
        { "slots", "0", POOL_SLOTS },
        { "slots", "1000001", POOL_SLOTS },
        { "slots", "max", POOL_SLOTS },
        { "slots", "101%", POOL_SLOTS },
        { "slots", "", POOL_SLOTS },
        { "slots", "four", POOL_SLOTS },
        { "cpus", "", POOL_CPUS },
        { "cpus", "3-1", POOL_CPUS },
        { "cpus", "1024", POOL_CPUS },
        { "cpus", "0,", POOL_CPUS },
        { "cpus", "0-", POOL_CPUS },
        { "cpus", "0, 1", POOL_CPUS },
        { "slot", "1", "unknown key in [pool]; did you mean slots?" },
        { "max_jobs", "1", "unknown key in [pool]" },
};

START_TEST(pool_bad) {
        POLICY p = policy_new();
        TqError err = {};

        pool(p, "a", NULL, NULL);
        expect_error(
                tq_policyfile_set_pool(p, pool_bad_rows[_i].key, pool_bad_rows[_i].value, 6, &err),
                &err, 6, pool_bad_rows[_i].key, pool_bad_rows[_i].error);
        ck_assert_uint_eq(p->pools[0].slots, 0);
        ck_assert_uint_eq(p->pools[0].has_cpus, 0);
}
END_TEST

/* All together -------------------------------------------------------------------------------- */

START_TEST(complete_without_pools) {
        POLICY p = policy_new();

        expect_complete(p);
        set(p, "lane_slots", "1000000"); /* of no bound */
        expect_complete(p);
        set(p, "lane_slots", "100%");
        expect_complete(p);
        set(p, "lane_slots", "0");
        set(p, "max_jobs", "1");
        expect_complete(p);
}
END_TEST

START_TEST(complete_no_slots) {
        static const char *const none[] = { NULL, "0%" };

        for (size_t i = 0; i < TQ_ELEMENTSOF(none); i++) {
                POLICY p = policy_new();

                set(p, "max_jobs", "16");
                pool(p, "first", "1", NULL);
                pool(p, "a", none[i], "1-2");
                expect_incomplete(p, "[pool a]: expected slots=: how many are its own");
        }
}
END_TEST

/* A share of what has no bound is none; a number is what it is. */
START_TEST(complete_unbounded) {
        POLICY p = policy_new();

        pool(p, "a", "4", NULL);
        expect_complete(p);
        pool(p, "b", "25%", NULL);
        expect_incomplete(p, "[pool b]: expected slots=: how many are its own");
        set(p, "max_jobs", "8");
        expect_complete(p);
}
END_TEST

static const struct {
        const char *a, *b, *max_jobs;
        bool is_good;
} taken_rows[] = {
        { "2", "1", "4", true },         { "2", "2", "4", false },
        { "3", "2", "4", false },        { "50%", "25%", "4", true },
        { "50%", "50%", "4", false },    { "100%", "1", "4", false },
        { "50%", "50%", "3", false },    { "33.33%", "1%", "3", true },
        { "1", "1", "3", true },         { "33.34%", "1%", "3", false },
        { "1000000", "1", "max", true }, { "1000000", "1000000", "1000000", false },
};

START_TEST(complete_taken) {
        POLICY p = policy_new();
        char text[128];

        set(p, "max_jobs", taken_rows[_i].max_jobs);
        pool(p, "a", taken_rows[_i].a, NULL);
        pool(p, "b", taken_rows[_i].b, NULL);
        if (taken_rows[_i].is_good) {
                expect_complete(p);
                return;
        }
        (void)snprintf(text, sizeof(text),
                       "the pools have all of max_jobs=%s slots: expected at least one to be left "
                       "for the other tenants",
                       taken_rows[_i].max_jobs);
        expect_incomplete(p, text);
        ck_assert(!tq_policy_is_sane(p));
}
END_TEST

START_TEST(complete_common_cpus) {
        POLICY p = policy_new();

        set(p, "max_jobs", "16");
        pool(p, "a", "1", "0-3,900");
        pool(p, "b", "1", "4-7");
        pool(p, "none", "1", NULL);
        expect_complete(p);
        pool(p, "c", "1", "899-901");
        expect_incomplete(p, "[pool a] and [pool c] have CPUs in common");
}
END_TEST

/* The lane is a part of the shared pool: of 8 − 2 slots here. */
static const struct {
        const char *lane;
        bool is_good;
} lane_rows[] = {
        { "0", true },        { "5", true },     { "6", false },
        { "1000000", false }, { "0%", true },    { "83%", true },
        { "83.34%", false },  { "100%", false }, { "50%", true },
};

START_TEST(complete_lane) {
        POLICY p = policy_new();

        set(p, "lane_slots", lane_rows[_i].lane);
        set(p, "max_jobs", "8");
        pool(p, "a", "25%", NULL);
        if (lane_rows[_i].is_good) {
                expect_complete(p);
                return;
        }
        expect_incomplete(p, "lane_slots: expected less than the 6 slots of the shared pool, or "
                             "no long job could ever run");
}
END_TEST

/* What is printed is read back as the same. */
START_TEST(printed) {
        static const char *const lines[][2] = {
                { "max_jobs", "64" },   { "memory", "48G" },
                { "io", "500M" },       { "lane_slots", "12.5%" },
                { "half_life", "90s" }, { "memory_patience", "1h 30min" },
        };
        TQ_BUFFER_CLEANUP TqBuffer out = {}, again = {};
        POLICY p = policy_new();
        POLICY q = policy_new();
        char *rest, *line;

        for (size_t i = 0; _i > 0 && i < TQ_ELEMENTSOF(lines); i++)
                set(p, lines[i][0], lines[i][1]);
        for (uint32_t i = 0; _i > 1 && i < 2; i++) {
                pool(p, i ? "etl" : "gold", i ? "3" : "25%", i ? NULL : "0-3,8,900");
        }
        tq_policyfile_print(p, &out);
        rest = strdup(tq_buffer_string(&out));
        for (char *at = rest; (line = strsep(&at, "\n"));) {
                char *value = strstr(line, " = ");

                if (strncmp(line, "[pool ", 6) == 0) {
                        line[strlen(line) - 1] = '\0';
                        ck_assert_int_eq(tq_policyfile_open_pool(q, line + 6, 1, NULL), 0);
                } else if (value) {
                        *value = '\0';
                        ck_assert_int_eq((q->n_pools > 0
                                                  ? tq_policyfile_set_pool
                                                  : tq_policyfile_set)(q, line, value + 3, 1, NULL),
                                         0);
                }
        }
        free(rest);
        tq_policyfile_print(q, &again);
        ck_assert_str_eq(tq_buffer_string(&out), tq_buffer_string(&again));
        ck_assert_int_eq(memcmp(p, q, sizeof(*p)), 0);
}
END_TEST

static void fill(Suite *s) {
        TCase *scheduler = unit_case(s, "scheduler"), *pool_case = unit_case(s, "pool"),
              *complete = unit_case(s, "complete");

        unit_add_rows(scheduler, good, good_rows);
        unit_add_rows(scheduler, bad, bad_rows);
        tcase_add_test(scheduler, last_one_counts);
        tcase_add_test(scheduler, listed);
        tcase_add_test(pool_case, pools);
        unit_add_rows(pool_case, pool_names, names_bad);
        tcase_add_test(pool_case, pool_shared);
        tcase_add_test(pool_case, pool_twice);
        tcase_add_test(pool_case, pool_too_many);
        unit_add_rows(pool_case, pool_bad, pool_bad_rows);
        tcase_add_test(complete, complete_without_pools);
        tcase_add_test(complete, complete_no_slots);
        tcase_add_test(complete, complete_unbounded);
        unit_add_rows(complete, complete_taken, taken_rows);
        tcase_add_test(complete, complete_common_cpus);
        unit_add_rows(complete, complete_lane, lane_rows);
        tcase_add_loop_test(unit_case(s, "print"), printed, 0, 3);
}

int main(void) {
        return unit_main("conf/policyfile", fill);
}
