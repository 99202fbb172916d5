/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/top.h"

#include "core/verdict.h"
#include "unit.h"

#define U TQ_UNKNOWN

static TqTable tenants(void) {
        TqTable t = {};

        ck_assert_int_eq(
                tq_table_add_columns(
                        &t, (const char *[]){ "tenant", "state", "running", "waiting" }, 4),
                0);
        for (size_t i = 0; i < 3; i++) {
                ck_assert_int_eq(tq_table_add_row(&t), 0);
                ck_assert_int_eq(
                        tq_table_set_text(&t, 0, (const char *[]){ "acme", "etl", "web" }[i]), 0);
                ck_assert_int_eq(tq_table_set_text(&t, 1, "ready"), 0);
                tq_table_set_integer(&t, 2, (int64_t)i);
                tq_table_set_integer(&t, 3, 10);
        }
        return t;
}

/* Of the second tenant, two seconds apart. */
static void read_twice(Top *t, const TqUsage *before, const TqUsage *after, TqTable *ret) {
        TopReading last[] = { { "other", 0, {} }, { "etl", 1000000, *before } };
        TopReading now = { "etl", 3000000, *after };
        TqTable of = tenants();

        t->last = last;
        t->n_last = 2;
        ck_assert_int_eq(top_begin(t, ret), 0);
        ck_assert_int_eq(top_add(t, &of, 1, &now, ret), 0);
        ck_assert_uint_eq(ret->n_rows, 1);
        ck_assert_str_eq(tq_table_text(ret, 0, "tenant"), "etl");
        ck_assert_int_eq(tq_table_integer(ret, 0, "running", -1), 1);
        ck_assert_int_eq(tq_table_integer(ret, 0, "waiting", -1), 10);
        tq_table_done(&of);
}

static const struct {
        const char *column;
        TqUsage before, after;
        int64_t want; /* -1: unknown */
} rates[] = {
        { "cpu_permille", { .cpu_usec = 5000000 }, { .cpu_usec = 6000000 }, 500 },
        { "cpu_permille", { .cpu_usec = 5000000 }, { .cpu_usec = 5000000 }, 0 },
        { "cpu_permille", { .cpu_usec = 0 }, { .cpu_usec = 25000000 }, 12500 },
        /* Another slice by now. */
        { "cpu_permille", { .cpu_usec = 5000000 }, { .cpu_usec = 7 }, 0 },
        { "cpu_permille", { .cpu_usec = U }, { .cpu_usec = 7 }, -1 },
        { "cpu_permille", { .cpu_usec = 7 }, { .cpu_usec = U }, -1 },
        { "cpu_usec", { .cpu_usec = 7 }, { .cpu_usec = 9 }, 9 },
        { "throttled_permille",
          { .periods = 10, .throttled_periods = 5 },
          { .periods = 30, .throttled_periods = 10 },
          250 },
        /* It had nothing to do. */
        { "throttled_permille",
          { .periods = 10, .throttled_periods = 5 },
          { .periods = 10, .throttled_periods = 5 },
          0 },
        { "throttled_permille", { .periods = U, .throttled_periods = U }, { .periods = 1 }, -1 },
        { "io_bytes_per_sec",
          { .io_read_bytes = 1000, .io_write_bytes = 0 },
          { .io_read_bytes = 3000, .io_write_bytes = 500 },
          1250 },
        { "io_read_bytes_per_sec", { .io_read_bytes = 1000 }, { .io_read_bytes = 3000 }, 1000 },
        { "io_write_bytes_per_sec", { .io_write_bytes = 0 }, { .io_write_bytes = 500 }, 250 },
        { "io_bytes_per_sec",
          { .io_read_bytes = 0, .io_write_bytes = U },
          { .io_read_bytes = 1, .io_write_bytes = U },
          -1 },
        { "memory_bytes", { .memory_bytes = 1 }, { .memory_bytes = 4096 }, 4096 },
        { "memory_max_bytes", { .memory_max_bytes = 1 }, { .memory_max_bytes = U }, -1 },
        { "pids", { .pids = 1 }, { .pids = 12 }, 12 },
        { "oom_kills", { .oom_kills = 1 }, { .oom_kills = 3 }, 3 },
        { "io_pressure_permille", {}, { .pressure_permille = { 1, 2, 3 } }, 3 },
        { "cpu_max_permille", {}, { .cpu_max_permille = 1500 }, 1500 },
};

START_TEST(rate) {
        TqTable t = {};
        Top top = {};

        read_twice(&top, &rates[_i].before, &rates[_i].after, &t);
        ck_assert_int_eq(tq_table_integer(&t, 0, rates[_i].column, -1), rates[_i].want);
        ck_assert_int_eq((int)tq_table_find(&t, "cpu_bar"), -ENOENT);
        tq_table_done(&t);
}
END_TEST

/* Of whom nothing is known from before, what is counted now is known all the same. */
START_TEST(first_reading) {
        TopReading now = { "web", 3000000, { .cpu_usec = 9, .memory_bytes = 4096 } };
        TqTable of = tenants(), t = {};
        Top top = {};

        ck_assert_int_eq(top_begin(&top, &t), 0);
        ck_assert_int_eq(top_add(&top, &of, 2, &now, &t), 0);
        ck_assert_int_eq(tq_table_integer(&t, 0, "cpu_permille", -1), -1);
        ck_assert_int_eq(tq_table_integer(&t, 0, "throttled_permille", -1), -1);
        ck_assert_int_eq(tq_table_integer(&t, 0, "cpu_usec", -1), 9);
        ck_assert_int_eq(tq_table_integer(&t, 0, "memory_bytes", -1), 4096);
        tq_table_done(&t);
        tq_table_done(&of);
}
END_TEST

static const struct {
        uint64_t used, max;
        const char *want;
} bars[] = {
        { 0, 1000, "......" },    { 500, 1000, "|||..." }, { 1000, 1000, "||||||" },
        { 1700, 1000, "||||||" }, { 1, 0, "......" },      { 2000, U, NULL },
};

START_TEST(bar) {
        TqTable t = {};
        Top top = { .bar = 6 };
        const char *text;

        read_twice(&top, &(TqUsage){},
                   &(TqUsage){ .memory_bytes = bars[_i].used, .memory_max_bytes = bars[_i].max },
                   &t);
        text = tq_table_text(&t, 0, "memory_bar");
        /* Without a limit, it is of the host's, which has some more. */
        ck_assert_str_eq(text, bars[_i].want ? bars[_i].want : "......");
        tq_table_done(&t);
        t = (TqTable){};
        read_twice(&top, &(TqUsage){}, &(TqUsage){ .memory_bytes = U }, &t);
        ck_assert_ptr_null(tq_table_text(&t, 0, "memory_bar"));
        tq_table_done(&t);
}
END_TEST

static void fill(Suite *s) {
        TCase *c = unit_case(s, "top");

        unit_add_rows(c, rate, rates);
        tcase_add_test(c, first_reading);
        unit_add_rows(c, bar, bars);
}

int main(void) {
        return unit_main("ctl_top", fill);
}
