/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"

#include <stdio.h>

#include "unit.h"

START_TEST(first_one_stays) {
        TqError err = {};

        ck_assert_int_eq(tq_error(&err, -EBADMSG, "first %d", 1), -EBADMSG);
        ck_assert_int_eq(tq_error(&err, -EIO, "second"), -EIO);
        ck_assert_int_eq(tq_error_at(&err, -EIO, 9, "k", "third"), -EIO);
        ck_assert_int_eq(tq_error_errno(&err, -EIO, "fourth"), -EIO);
        ck_assert_str_eq(err.text, "first 1");
        ck_assert_uint_eq(err.line, 0);
        ck_assert_str_eq(err.key, "");
        ck_assert_int_eq(tq_error(NULL, -EIO, "x"), -EIO);
        ck_assert_int_eq(tq_error_at(NULL, -EIO, 1, NULL, "x"), -EIO);
        ck_assert_int_eq(tq_error_errno(NULL, -EIO, "x"), -EIO);
        tq_error_set_file(NULL, "x");
}
END_TEST

START_TEST(errno_text) {
        TqError err = {};

        ck_assert_int_eq(tq_error_errno(&err, -ENOENT, "open %s", "/x"), -ENOENT);
        ck_assert_str_eq(err.text, "open /x: No such file or directory");
}
END_TEST

START_TEST(shortages) {
        static const int yes[] = { ENOMEM, EMFILE, ENFILE, ENOBUFS, EAGAIN, EINTR, EIO };
        static const int no[] = { 0, ENOENT, EACCES, EPERM, ELOOP, ENOTDIR, EEXIST, ENOSPC };

        for (size_t i = 0; i < TQ_ELEMENTSOF(yes); i++) {
                ck_assert(tq_errno_is_shortage(-yes[i]));
                ck_assert(!tq_errno_is_shortage(yes[i]));
        }
        for (size_t i = 0; i < TQ_ELEMENTSOF(no); i++)
                ck_assert(!tq_errno_is_shortage(-no[i]));
}
END_TEST

static const struct {
        TqError err;
        const char *text;
} format_rows[] = {
        { {}, "" },
        { { .text = "t" }, "t" },
        { { .key = "k", .text = "t" }, "k: t" },
        { { .line = 5, .text = "t" }, "line 5: t" },
        { { .line = 5, .key = "k", .text = "t" }, "line 5: k: t" },
        { { .file = "f", .text = "t" }, "f: t" },
        { { .file = "f", .key = "k", .text = "t" }, "f: k: t" },
        { { .file = "f", .line = 4294967295, .key = "k", .text = "t" }, "f:4294967295: k: t" },
};

START_TEST(format) {
        char buf[128], small[4];

        ck_assert_str_eq(tq_error_format(&format_rows[_i].err, buf, sizeof(buf)),
                         format_rows[_i].text);
        (void)tq_error_format(&format_rows[_i].err, small, sizeof(small));
        ck_assert_uint_lt(strnlen(small, sizeof(small)), sizeof(small));
        ck_assert_int_eq(strncmp(small, buf, strlen(small)), 0);
}
END_TEST

START_TEST(file_is_named_once) {
        TqError err = { .line = 3, .text = "t" };

        tq_error_set_file(&err, "first");
        tq_error_set_file(&err, "second");
        ck_assert_str_eq(err.file, "first");
}
END_TEST

START_TEST(long_texts_are_cut) {
        TqError err = {};
        char text[2000];

        memset(text, 'x', sizeof(text));
        text[sizeof(text) - 1] = '\0';
        ck_assert_int_eq(tq_error_at(&err, -EIO, 1, text, "%s", text), -EIO);
        ck_assert_uint_eq(strlen(err.text), sizeof(err.text) - 1);
        ck_assert_uint_eq(strlen(err.key), sizeof(err.key) - 1);
        tq_error_set_file(&err, text);
        ck_assert_uint_eq(strlen(err.file), sizeof(err.file) - 1);
        err = (TqError){};
        ck_assert_int_eq(tq_error_errno(&err, -EIO, "%s", text), -EIO);
        ck_assert_uint_eq(strlen(err.text), sizeof(err.text) - 1);
}
END_TEST

static void fill(Suite *s) {
        TCase *tcase = unit_case(s, "error");

        tcase_add_test(tcase, first_one_stays);
        tcase_add_test(tcase, errno_text);
        tcase_add_test(tcase, shortages);
        unit_add_rows(tcase, format, format_rows);
        tcase_add_test(tcase, file_is_named_once);
        tcase_add_test(tcase, long_texts_are_cut);
}

int main(void) {
        return unit_main("base/error", fill);
}
