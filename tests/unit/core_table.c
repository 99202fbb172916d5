/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/table.h"

#include <stdio.h>

#include "unit.h"

START_TEST(cells) {
        TQ_TABLE_CLEANUP TqTable t = {};

        ck_assert_int_eq(tq_table_add_column(&t, "job"), 0);
        ck_assert_int_eq(tq_table_add_column(&t, "name"), 0);
        ck_assert_int_eq(tq_table_add_column(&t, "nothing"), 0);
        ck_assert_int_eq(tq_table_add_row(&t), 0);
        tq_table_set_integer(&t, 0, INT64_MIN);
        ck_assert_int_eq(tq_table_set_text(&t, 1, "first"), 0);
        ck_assert_int_eq(tq_table_add_row(&t), 0);
        ck_assert_int_eq(tq_table_set_text(&t, 1, ""), 0);
        ck_assert_uint_eq(t.n_rows, 2);
        ck_assert_uint_eq(t.n_columns, 3);

        ck_assert_int_eq(tq_table_find(&t, "job"), 0);
        ck_assert_int_eq(tq_table_find(&t, "nothing"), 2);
        ck_assert_int_eq(tq_table_find(&t, "Job"), -ENOENT);
        ck_assert_int_eq(tq_table_integer(&t, 0, "job", 5), INT64_MIN);
        ck_assert_int_eq(tq_table_integer(&t, 1, "job", 5), 5);  /* NULL */
        ck_assert_int_eq(tq_table_integer(&t, 0, "name", 5), 5); /* a text */
        ck_assert_int_eq(tq_table_integer(&t, 0, "missing", 5), 5);
        ck_assert_int_eq(tq_table_integer(&t, 2, "job", 5), 5); /* no such row */
        ck_assert_str_eq(tq_table_text(&t, 0, "name"), "first");
        ck_assert_str_eq(tq_table_text(&t, 1, "name"), "");
        ck_assert_ptr_null(tq_table_text(&t, 0, "job"));
        ck_assert_ptr_null(tq_table_text(&t, 0, "nothing"));
        ck_assert_ptr_null(tq_table_text(&t, 0, "missing"));
        ck_assert_ptr_null(tq_table_text(&t, 2, "name"));
        ck_assert_int_eq(tq_table_cell(&t, 1, 2)->type, TQ_CELL_NULL);
}
END_TEST

/* A cell that is set again holds the last value only. */
START_TEST(set_again) {
        TQ_TABLE_CLEANUP TqTable t = {};

        ck_assert_int_eq(tq_table_add_column(&t, "x"), 0);
        ck_assert_int_eq(tq_table_add_row(&t), 0);
        ck_assert_int_eq(tq_table_add_row(&t), 0);
        ck_assert_int_eq(tq_table_put_text(&t, 0, 0, "a"), 0);
        ck_assert_int_eq(tq_table_put_text(&t, 0, 0, "b"), 0);
        ck_assert_str_eq(tq_table_text(&t, 0, "x"), "b");
        ck_assert_ptr_null(tq_table_text(&t, 1, "x"));
        ck_assert_int_eq(tq_table_set_text(&t, 0, "c"), 0);
        tq_table_set_integer(&t, 0, 7);
        ck_assert_int_eq(tq_table_integer(&t, 1, "x", -1), 7);
        ck_assert_ptr_null(tq_table_text(&t, 1, "x"));
        ck_assert_int_eq(tq_table_set_text(&t, 0, NULL), 0);
        ck_assert_int_eq(tq_table_cell(&t, 1, 0)->type, TQ_CELL_NULL);
}
END_TEST

/* What both have a column for, wherever it stands. */
START_TEST(copy_row) {
        TQ_TABLE_CLEANUP TqTable from = {}, to = {};

        ck_assert_int_eq(tq_table_add_columns(&from, (const char *[]){ "a", "b", "c" }, 3), 0);
        ck_assert_int_eq(tq_table_add_columns(&to, (const char *[]){ "b", "x", "a" }, 3), 0);
        for (int i = 0; i < 2; i++)
                ck_assert_int_eq(tq_table_add_row(&from), 0);
        tq_table_set_integer(&from, 0, 7);
        ck_assert_int_eq(tq_table_set_text(&from, 1, "text"), 0);
        ck_assert_int_eq(tq_table_copy_row(&to, &from, 1), 0);
        ck_assert_int_eq(tq_table_copy_row(&to, &from, 0), 0);
        ck_assert_uint_eq(to.n_rows, 2);
        ck_assert_str_eq(tq_table_text(&to, 0, "b"), "text");
        ck_assert_ptr_null(tq_table_text(&to, 0, "x"));
        ck_assert_int_eq(tq_table_integer(&to, 0, "a", -1), 7);
        ck_assert_int_eq(tq_table_integer(&to, 1, "a", -1), -1);
        ck_assert_str_eq(tq_table_text(&from, 1, "b"), "text");
}
END_TEST

START_TEST(many_rows) {
        TQ_TABLE_CLEANUP TqTable t = {};

        ck_assert_int_eq(tq_table_add_column(&t, "n"), 0);
        ck_assert_int_eq(tq_table_add_column(&t, "s"), 0);
        for (int i = 0; i < 1000; i++) {
                char text[16];

                (void)snprintf(text, sizeof(text), "%d", i);
                ck_assert_int_eq(tq_table_add_row(&t), 0);
                tq_table_set_integer(&t, 0, i);
                ck_assert_int_eq(tq_table_set_text(&t, 1, text), 0);
        }
        for (int i = 0; i < 1000; i++) {
                ck_assert_int_eq(tq_table_integer(&t, (size_t)i, "n", -1), i);
                ck_assert_int_eq(atoi(tq_table_text(&t, (size_t)i, "s")), i);
        }
        tq_table_done(&t);
        ck_assert_uint_eq(t.n_rows, 0);
        ck_assert_int_eq(tq_table_find(&t, "n"), -ENOENT);
}
END_TEST

/* Rows "first", "first + 1" … of two columns. */
static void make(TqTable *t, int64_t first, int64_t n) {
        ck_assert_int_eq(tq_table_add_column(t, "n"), 0);
        ck_assert_int_eq(tq_table_add_column(t, "s"), 0);
        for (int64_t i = first; i < first + n; i++) {
                char text[24];

                (void)snprintf(text, sizeof(text), "%d", (int)i);
                ck_assert_int_eq(tq_table_add_row(t), 0);
                tq_table_set_integer(t, 0, i);
                ck_assert_int_eq(tq_table_set_text(t, 1, text), 0);
        }
}

static void has(const TqTable *t, const char *want) {
        char text[256] = "";
        size_t at = 0;

        for (size_t i = 0; i < t->n_rows; i++) {
                at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%s", i > 0 ? " " : "",
                                       tq_table_text(t, i, "s"));
                ck_assert_int_eq(tq_table_integer(t, i, "n", -1), atoi(tq_table_text(t, i, "s")));
        }
        ck_assert_str_eq(text, want);
}

START_TEST(merge) {
        TQ_TABLE_CLEANUP TqTable all = {};

        for (int64_t i = 0; i < 4; i++) {
                TQ_TABLE_CLEANUP TqTable page = {};

                make(&page, 10 * i, 3);
                ck_assert_int_eq(tq_table_merge(&all, &page, NULL, 8), 0);
        }
        has(&all, "0 1 2 10 11 12 20 21");
        for (int64_t i = 0; i < 2; i++) {
                TQ_TABLE_CLEANUP TqTable page = {};

                make(&page, 21, 3);
                ck_assert_int_eq(tq_table_merge(&all, &page, "n", 100), 0);
                has(&all, "0 1 2 10 11 12 20 21 22 23");
        }
}
END_TEST

START_TEST(drop_row) {
        TQ_TABLE_CLEANUP TqTable t = {};

        make(&t, 0, 4);
        tq_table_drop_row(&t, 1);
        has(&t, "0 2 3");
        tq_table_drop_row(&t, 2);
        has(&t, "0 2");
        tq_table_drop_row(&t, 0);
        tq_table_drop_row(&t, 0);
        has(&t, "");
        ck_assert_int_eq(tq_table_add_row(&t), 0);
        ck_assert_ptr_null(tq_table_text(&t, 0, "s"));
}
END_TEST

static void fill(Suite *s) {
        TCase *tcase = unit_case(s, "table");

        tcase_add_test(tcase, copy_row);
        tcase_add_test(tcase, cells);
        tcase_add_test(tcase, set_again);
        tcase_add_test(tcase, many_rows);
        tcase_add_test(tcase, merge);
        tcase_add_test(tcase, drop_row);
}

int main(void) {
        return unit_main("core/table", fill);
}
