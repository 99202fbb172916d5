/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/kinds.h"

#include "unit.h"

START_TEST(whole) {
        for (int k = 0; k < _TQ_KIND_MAX; k++) {
                ck_assert_ptr_nonnull(tq_kinds[k].name);
                ck_assert_uint_gt(strlen(tq_kinds[k].help), 0);
                ck_assert_int_eq(tq_kinds_find(tq_kinds[k].name), k); /* none twice */
                if (k > 0)
                        ck_assert_str_lt(tq_kinds[k - 1].name, tq_kinds[k].name);
        }
}
END_TEST

START_TEST(unknown) {
        ck_assert_int_eq(tq_kinds_find("limit"), _TQ_KIND_INVALID);
        ck_assert_int_eq(tq_kinds_find(""), _TQ_KIND_INVALID);
        ck_assert_str_eq(tq_kinds_nearest("limit"), "limits");
        ck_assert_ptr_null(tq_kinds_nearest("something else"));
}
END_TEST

static void fill(Suite *s) {
        TCase *t = tcase_create("table");

        suite_add_tcase(s, t);
        tcase_add_test(t, whole);
        tcase_add_test(t, unknown);
}

int main(void) {
        return unit_main("core/kinds", fill);
}
