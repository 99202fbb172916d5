/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/buffer.h"

#include "unit.h"

START_TEST(empty) {
        TqBuffer b = {};

        ck_assert_str_eq(tq_buffer_string(&b), "");
        ck_assert_uint_eq(b.size, 0);
        tq_buffer_append(&b, NULL, 0);
        tq_buffer_printf(&b, "%s", "");
        ck_assert_uint_eq(b.size, 0);
        ck_assert_int_eq(tq_buffer_error(&b), 0);
        tq_buffer_done(&b);
        ck_assert_ptr_null(b.data);
        tq_buffer_done(&b);
}
END_TEST

START_TEST(grows) {
        TQ_BUFFER_CLEANUP TqBuffer b = {};
        char want[5001] = "";

        for (int i = 0; i < 5000; i++) {
                want[i] = (char)('a' + i % 26);
                tq_buffer_append(&b, &want[i], 1);
                ck_assert_uint_lt(b.size, b.allocated); /* room for the terminator */
        }
        ck_assert_str_eq(tq_buffer_string(&b), want);
        ck_assert_uint_eq(b.size, 5000);
}
END_TEST

START_TEST(bytes_and_formats) {
        TQ_BUFFER_CLEANUP TqBuffer b = {};

        tq_buffer_append(&b, "a\0b", 3);
        tq_buffer_append_string(&b, "cd");
        tq_buffer_printf(&b, "%d|%s", -7, "x");
        ck_assert_uint_eq(b.size, 9);
        ck_assert_mem_eq(b.data, "a\0bcd-7|x", 9);
        ck_assert_int_eq(tq_buffer_string(&b)[9], '\0');
        tq_buffer_reset(&b);
        ck_assert_str_eq(tq_buffer_string(&b), "");
        tq_buffer_printf(&b, "%300d", 1);
        ck_assert_uint_eq(b.size, 300);
}
END_TEST

/* A failure sticks, and nothing of what was there is lost. */
START_TEST(failure_sticks) {
        TQ_BUFFER_CLEANUP TqBuffer b = {};

        tq_buffer_append_string(&b, "kept");
        tq_buffer_append(&b, "x", SIZE_MAX);
        ck_assert_int_eq(tq_buffer_error(&b), -ENOMEM);
        ck_assert_uint_eq(b.size, 4);
        tq_buffer_append_string(&b, "more");
        tq_buffer_printf(&b, "more");
        ck_assert_uint_eq(b.size, 4);
        ck_assert_mem_eq(b.data, "kept", 4);
        ck_assert_ptr_null(tq_buffer_string(&b));
        tq_buffer_reset(&b);
        ck_assert_int_eq(tq_buffer_error(&b), 0);
        tq_buffer_append_string(&b, "again");
        ck_assert_str_eq(tq_buffer_string(&b), "again");
        tq_buffer_append(&b, "x", SIZE_MAX - 5); /* the sum overflows by the terminator */
        ck_assert_int_eq(tq_buffer_error(&b), -ENOMEM);
}
END_TEST

static void fill(Suite *s) {
        TCase *tcase = unit_case(s, "buffer");

        tcase_add_test(tcase, empty);
        tcase_add_test(tcase, grows);
        tcase_add_test(tcase, bytes_and_formats);
        tcase_add_test(tcase, failure_sticks);
}

int main(void) {
        return unit_main("base/buffer", fill);
}
