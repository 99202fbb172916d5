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

static void fill(Suite *s) {
        TCase *tcase = unit_case(s, "table");

        tcase_add_test(tcase, cells);
        tcase_add_test(tcase, set_again);
        tcase_add_test(tcase, many_rows);
}

int main(void) {
        return unit_main("core/table", fill);
}
