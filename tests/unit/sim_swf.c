/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "sim/workload.h"
#include "unit.h"

#define SEC UINT64_C(1000000)

static TqWorkload workload_new(void) {
        TqWorkload w;

        tq_workload_init(&w);
        return w;
}

#define WORKLOAD TQ_CLEANUP(tq_workload_done) TqWorkload

static size_t parse(TqWorkload *w, const char *text) {
        size_t skipped = 77;
        TqError err = {};

        ck_assert_msg(tq_workload_parse_swf(w, text, strlen(text), &skipped, &err) == 0,
                      "line %u: %s", err.line, err.text);
        return skipped;
}

/* "9 10 -1 5 2 -1 -1 4 60 -1 1 3 7 12 1 1 -1 -1": the fields from the first on. */
static TqSimJob one(const char *line) {
        WORKLOAD w = workload_new();

        ck_assert_uint_eq(parse(&w, line), 0);
        ck_assert_uint_eq(w.n_jobs, 1);
        return w.jobs[0];
}

START_TEST(line) {
        WORKLOAD w = workload_new();
        const TqSimJob *j;

        ck_assert_uint_eq(parse(&w, "9 10 3 5 2 -1 -1 4 60 -1 1 3 7 12 1 1 -1 -1\n"), 0);
        ck_assert_uint_eq(w.n_jobs, 1);
        ck_assert_uint_eq(w.n_tenants, 1);
        ck_assert_uint_eq(w.n_queues, 1);
        ck_assert_str_eq(w.tenants[0].name, "u3");
        ck_assert_uint_eq(w.tenants[0].limits.set, 0);
        ck_assert_str_eq(w.queues[0], TQ_QUEUE_DEFAULT);
        j = &w.jobs[0];
        ck_assert_uint_eq(j->submit_usec, 10 * SEC);
        ck_assert_uint_eq(j->run_usec, 5 * SEC);
        ck_assert_uint_eq(j->cpu_usec, 10 * SEC); /* on two processors */
        ck_assert_uint_eq(j->bound_usec, 60 * SEC + 1);
        ck_assert_uint_eq(j->memory_bytes, 0);
        ck_assert_uint_eq(j->name, tq_scheduler_name("12"));
        ck_assert_uint_eq(j->tenant, 0);
        ck_assert_uint_eq(j->queue, 0);
        ck_assert_int_eq(j->priority, 0);
}
END_TEST

START_TEST(nothing_known) {
        TqSimJob j = one("1 -1 -1 0 -1 -1 -1 -1 -1 -1 -1 -1 -1 -1 -1 -1 -1 -1");

        ck_assert_uint_eq(j.submit_usec, 0);
        ck_assert_uint_eq(j.run_usec, 1); /* at least */
        ck_assert_uint_eq(j.cpu_usec, 0);
        ck_assert_uint_eq(j.bound_usec, TQ_LIMIT_MAX);
        ck_assert_uint_eq(j.name, 0);
}
END_TEST

/* Those it had, else those it asked for, else one. */
static const struct {
        const char *had, *asked;
        uint64_t want;
} processor_rows[] = {
        { "3", "8", 3 },  { "-1", "8", 8 }, { "0", "8", 8 },
        { "-1", "0", 1 }, { "0", "-1", 1 }, { "-1", "-1", 1 },
};

START_TEST(processors) {
        char text[128];

        (void)snprintf(text, sizeof(text), "1 0 -1 7 %s -1 -1 %s -1 -1 1 1 1 1 1 1 -1 -1\n",
                       processor_rows[_i].had, processor_rows[_i].asked);
        ck_assert_uint_eq(one(text).cpu_usec, processor_rows[_i].want * 7 * SEC);
}
END_TEST

/* Field 9, unless the job ran longer. */
static const struct {
        const char *run, *asked;
        uint64_t want;
} bound_rows[] = {
        { "5", "60", 60 * SEC + 1 }, { "60", "60", 60 * SEC + 1 },   { "90", "60", 90 * SEC + 1 },
        { "5", "-1", TQ_LIMIT_MAX }, { "5", "0", TQ_LIMIT_MAX },     { "5", "-3", TQ_LIMIT_MAX },
        { "0", "1", SEC + 1 },       { "5", "60.99", 60 * SEC + 1 },
};

START_TEST(bound) {
        char text[128];

        (void)snprintf(text, sizeof(text), "1 0 -1 %s 1 -1 -1 1 %s -1 1 1 1 1 1 1 -1 -1",
                       bound_rows[_i].run, bound_rows[_i].asked);
        ck_assert_uint_eq(one(text).bound_usec, bound_rows[_i].want);
}
END_TEST

/* Blanks, ends of lines and decimals as they come. */
static const char *const form_rows[] = {
        "1 10 -1 5 2 -1 -1 -1 -1 -1 1 4 1 -1 1 1 -1 -1",
        "1 10 -1 5 2 -1 -1 -1 -1 -1 1 4 1 -1 1 1 -1 -1\r\n",
        "  1   10 -1\t5 2 -1 -1 -1 -1 -1 1 4 1 -1 1 1 -1 -1  \n",
        "1 10.7 -1.0 5.99 2 0.25 -1 -1 -1 -1 1 4 1 -1 1 1 -1 -1.5\n",
        "1 10. -1 5 2 123.456 -1 -1 -1 -1 1 4 1 -1 1 1 -1 -1\n",
        "01 0010 -1 05 2 -1 -1 -1 -1 -1 1 004 1 -1 1 1 -1 -1\n",
        "1 10 -1 5 2 -1 -1 -1 -1 -1 1 4 1 -1 1 1 -1 -1 19 more of them\n",
        "; Version: 2.2\n; 1 2 3\n\n   \n# other\n  ; indented\n"
        "1 10 -1 5 2 -1 -1 -1 -1 -1 1 4 1 -1 1 1 -1 -1\n;\n",
};

START_TEST(forms) {
        WORKLOAD w = workload_new();

        ck_assert_uint_eq(parse(&w, form_rows[_i]), 0);
        ck_assert_uint_eq(w.n_jobs, 1);
        ck_assert_uint_eq(w.jobs[0].submit_usec, 10 * SEC);
        ck_assert_uint_eq(w.jobs[0].run_usec, 5 * SEC);
        ck_assert_uint_eq(w.jobs[0].cpu_usec, 10 * SEC);
        ck_assert_str_eq(w.tenants[0].name, "u4");
}
END_TEST

START_TEST(nothing) {
        static const char *const texts[] = { "", "\n", "; only words", " \n\t\n#\n" };

        for (size_t i = 0; i < TQ_ELEMENTSOF(texts); i++) {
                WORKLOAD w = workload_new();

                ck_assert_uint_eq(parse(&w, texts[i]), 0);
                ck_assert_uint_eq(w.n_jobs, 0);
                ck_assert_uint_eq(w.n_tenants, 0);
        }
}
END_TEST

#define REST " 1 -1 -1 1 -1 -1 1 1 1 1 1 1 -1 -1\n"

/* A job that never ran is left out, and so is its user. */
START_TEST(skipped) {
        WORKLOAD w = workload_new();

        ck_assert_uint_eq(parse(&w, "1 0 -1 -1 1 -1 -1 1 -1 -1 0 9 1 1 1 1 -1 -1\n"
                                    "2 1 -1 4" REST "3 2 -1 -5" REST "4 3 -1 0" REST),
                          2);
        ck_assert_uint_eq(w.n_jobs, 2);
        ck_assert_uint_eq(w.jobs[0].run_usec, 4 * SEC);
        ck_assert_uint_eq(w.jobs[1].run_usec, 1);
        ck_assert_uint_eq(w.n_tenants, 1);
        ck_assert_ptr_null(tq_workload_find(&w, "u9"));
}
END_TEST

START_TEST(users) {
        static const char *const names[] = { "u7", "u0", "u-1", "u4611686018427387903" };
        WORKLOAD w = workload_new();

        ck_assert_uint_eq(parse(&w, "1 0 -1 1 1 -1 -1 1 -1 -1 1 7 1 1 1 1 -1 -1\n"
                                    "2 0 -1 1 1 -1 -1 1 -1 -1 1 0 1 1 1 1 -1 -1\n"
                                    "3 0 -1 1 1 -1 -1 1 -1 -1 1 -1 1 1 1 1 -1 -1\n"
                                    "4 0 -1 1 1 -1 -1 1 -1 -1 1 4611686018427387903 1 1 1 1 -1 -1\n"
                                    "5 0 -1 1 1 -1 -1 1 -1 -1 1 7 1 1 1 1 -1 -1\n"),
                          0);
        ck_assert_uint_eq(w.n_tenants, 4);
        for (uint32_t i = 0; i < 4; i++) {
                ck_assert_str_eq(w.tenants[i].name, names[i]);
                ck_assert_uint_eq(w.jobs[i].tenant, i);
        }
        ck_assert_uint_eq(w.jobs[4].tenant, 0);
}
END_TEST

/* By submission; those of one second stay in the file's order. */
START_TEST(sorted) {
        static const uint64_t order[] = { 4, 2, 5, 1, 3 };
        WORKLOAD w = workload_new();

        ck_assert_uint_eq(parse(&w, "1 30 -1 1" REST "2 10 -1 2" REST "3 30 -1 3" REST
                                    "4 -1 -1 4" REST "5 10 -1 5" REST),
                          0);
        for (size_t i = 0; i < TQ_ELEMENTSOF(order); i++)
                ck_assert_uint_eq(w.jobs[i].run_usec, order[i] * SEC);
}
END_TEST

START_TEST(largest) {
        TqSimJob j = one("1 100000000000 -1 100000000000 4611686018427387903 -1 -1 -1 "
                         "100000000000 -1 1 1 1 4611686018427387903 1 1 -1 -1");

        ck_assert_uint_eq(j.submit_usec, UINT64_C(100000000000000000));
        ck_assert_uint_eq(j.run_usec, UINT64_C(100000000000000000));
        ck_assert_uint_eq(j.cpu_usec, UINT64_MAX / 2); /* it would not fit */
        ck_assert_uint_eq(j.bound_usec, UINT64_C(100000000000000001));
        ck_assert_uint_eq(j.name, tq_scheduler_name("4611686018427387903"));
}
END_TEST

#define FIELD(n) "field " #n ": expected 18 numbers in a line (Standard Workload Format)"
#define TIMES    "expected submission, run and requested time below 1e11 seconds"
#define GOOD     "1 0 -1 1" REST

static const struct {
        const char *text;
        unsigned line;
        const char *error;
} bad_rows[] = {
        { "1\n", 1, FIELD(2) },
        { GOOD "; x\n\n2 0 -1 1 1 -1 -1 1 -1 -1 1 1 1 1 1 1 -1\n" GOOD, 4, FIELD(18) },
        { GOOD GOOD "2 0 -1 1 1 -1 -1 1 -1", 3, FIELD(10) },
        { "x 0 -1 1" REST, 1, FIELD(1) },
        { "1 0 - 1" REST, 1, FIELD(3) },
        { "1 0 --1 1" REST, 1, FIELD(3) },
        { "1 0 +1 1" REST, 1, FIELD(3) },
        { "1 0 1-1 1" REST, 1, FIELD(3) },
        { "1 0 1e3 1" REST, 1, FIELD(3) },
        { "1 0 0x1 1" REST, 1, FIELD(3) },
        { "1 0 1.5.1 1" REST, 1, FIELD(3) },
        { "1 0 1.-5 1" REST, 1, FIELD(3) },
        { "1 0 1,5 1" REST, 1, FIELD(3) },
        { "1 0 nan 1" REST, 1, FIELD(3) },
        { "1;2 0 1 1" REST, 1, FIELD(1) },
        { "1 0 -1 9223372036854775808" REST, 1, FIELD(4) },
        { "1 0 -1 99999999999999999999999999999999" REST, 1, FIELD(4) },
        { "1 0 -1 -99999999999999999999999999999999" REST, 1, FIELD(4) },
        { "1 100000000001 -1 1" REST, 1, TIMES },
        { GOOD "1 0 -1 100000000001" REST, 2, TIMES },
        { "1 0 -1 1 1 -1 -1 1 100000000001 -1 1 1 1 1 1 1 -1 -1", 1, TIMES },
        { "1 0 -1 4611686018427387903" REST, 1, TIMES },
};

START_TEST(bad) {
        WORKLOAD w = workload_new();
        const char *text = bad_rows[_i].text;
        TqError err = {};
        size_t n;

        ck_assert_int_eq(tq_workload_parse_swf(&w, text, strlen(text), &n, &err), -EBADMSG);
        ck_assert_str_eq(err.text, bad_rows[_i].error);
        ck_assert_uint_eq(err.line, bad_rows[_i].line);
        ck_assert_str_eq(err.key, "");
}
END_TEST

/* It reads no further than it was told, and a NUL is no blank. */
START_TEST(size) {
        static const char text[] = GOOD "2 0";
        WORKLOAD w = workload_new();
        TqError err = {};
        size_t n;

        ck_assert_int_eq(tq_workload_parse_swf(&w, text, sizeof(text) - 1 - 3, &n, &err), 0);
        ck_assert_uint_eq(w.n_jobs, 1);
        ck_assert_int_eq(tq_workload_parse_swf(&w, "1 0\0001 1", 8, &n, &err), -EBADMSG);
        ck_assert_str_eq(err.text, FIELD(2));
}
END_TEST

START_TEST(many) {
        TQ_BUFFER_CLEANUP TqBuffer text = {};
        WORKLOAD w = workload_new();

        for (int i = 0; i < 5000; i++)
                tq_buffer_printf(&text, "%d %d -1 1 1 -1 -1 1 -1 -1 1 %d 1 1 1 1 -1 -1\n", i,
                                 5000 - i, i % 300);
        ck_assert_uint_eq(parse(&w, tq_buffer_string(&text)), 0);
        ck_assert_uint_eq(w.n_jobs, 5000);
        ck_assert_uint_eq(w.n_tenants, 300);
        ck_assert_uint_eq(w.jobs[0].submit_usec, SEC);
        ck_assert_uint_eq(w.jobs[4999].submit_usec, 5000 * SEC);
        ck_assert_uint_eq(w.jobs[4999].tenant, 0);
        ck_assert_ptr_eq(tq_workload_find(&w, "u299"), &w.tenants[299]);
}
END_TEST

static void fill(Suite *s) {
        TCase *t = unit_case(s, "swf");

        tcase_add_test(t, line);
        tcase_add_test(t, nothing_known);
        unit_add_rows(t, processors, processor_rows);
        unit_add_rows(t, bound, bound_rows);
        unit_add_rows(t, forms, form_rows);
        tcase_add_test(t, nothing);
        tcase_add_test(t, skipped);
        tcase_add_test(t, users);
        tcase_add_test(t, sorted);
        tcase_add_test(t, largest);
        unit_add_rows(t, bad, bad_rows);
        tcase_add_test(t, size);
        tcase_add_test(t, many);
}

int main(void) {
        return unit_main("sim/swf", fill);
}
