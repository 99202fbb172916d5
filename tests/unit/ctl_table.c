/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/table.h"

#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "ctl/columns.h"
#include "ctl/ctl.h"
#include "unit.h"

static const struct {
        const char *text;
        int width;
        const char *want;
} cuts[] = {
        { "", 1, "" },
        { "abc", 3, "abc" },
        { "abcd", 3, "ab…" },
        { "abcd", 1, "…" },
        { "äöüß", 4, "äöüß" },
        { "äöüßx", 4, "äöü…" },
        /* Each takes two columns of a terminal. */
        { "漢字漢字", 8, "漢字漢字" },
        { "漢字漢字", 7, "漢字漢…" },
        { "漢字漢字", 6, "漢字…" },
        { "漢字漢字", 5, "漢字…" },
};

START_TEST(cut) {
        char text[64];

        (void)setlocale(LC_CTYPE, "C.UTF-8");
        (void)snprintf(text, sizeof(text), "%s", cuts[_i].text);
        table_cut(text, cuts[_i].width);
        ck_assert_str_eq(text, cuts[_i].want);
        ck_assert_int_le(output_width(text), cuts[_i].width);
}
END_TEST

static const struct {
        const char *text;
        int width;
        const char *want;
} folds[] = {
        { "", 4, "" },
        { "one two", 7, "one two" },
        { "one two", 6, "one\ntwo" },
        { "one two three", 7, "one two\nthree" },
        { "one two three", 12, "one two\nthree" },
        { "one two three", 3, "one\ntwo\nthree" },
        /* A word that is longer than a line stays whole. */
        { "a veryverylong b", 4, "a\nveryverylong\nb" },
        { "veryverylong", 4, "veryverylong" },
        { "äöü ßäö ü", 7, "äöü ßäö\nü" },
        { " x", 1, "\nx" },
};

START_TEST(fold) {
        char text[64];

        (void)setlocale(LC_CTYPE, "C.UTF-8");
        (void)snprintf(text, sizeof(text), "%s", folds[_i].text);
        table_fold(text, folds[_i].width);
        ck_assert_str_eq(text, folds[_i].want);
}
END_TEST

/* Printing --------------------------------------------------------------------------------------
 */

static void add(TqTable *t, int64_t job, const char *tenant, int64_t usec, const char *fault) {
        ck_assert_int_eq(tq_table_add_row(t), 0);
        tq_table_set_integer(t, 0, job);
        ck_assert_int_eq(tq_table_set_text(t, 1, tenant), 0);
        if (usec >= 0)
                tq_table_set_integer(t, 2, usec);
        ck_assert_int_eq(tq_table_set_text(t, 3, fault), 0);
}

static TqTable example(void) {
        TqTable t = {};

        ck_assert_int_eq(tq_table_add_columns(
                                 &t, (const char *[]){ "job", "tenant", "wait_usec", "fault" }, 4),
                         0);
        add(&t, 2, "a-tenant-with-a-long-name", 1500000, "nothing");
        add(&t, 10, "b\x1b[31m", -1, "this is a sentence that is longer than the line");
        add(&t, 1, "c", 1000000, NULL);
        return t;
}

/* What is printed, to a file or to a terminal of that width. */
static const char *printed(const Options *o, const char *columns, unsigned short width, int want) {
        static char text[4096];
        TqTable t = example();
        Options seen = *o;
        int from, to;
        ssize_t n;

        (void)setlocale(LC_CTYPE, "C.UTF-8");
        seen.width = width;
        if (width > 0) {
                from = posix_openpt(O_RDWR | O_NOCTTY);
                ck_assert_int_ge(from, 0);
                ck_assert_int_eq(grantpt(from) | unlockpt(from), 0);
                to = open(ptsname(from), O_RDWR | O_NOCTTY);
                ck_assert_int_eq(
                        ioctl(to, TIOCSWINSZ, &(struct winsize){ .ws_row = 25, .ws_col = width }),
                        0);
        } else {
                int fds[2];

                ck_assert_int_eq(pipe(fds), 0);
                from = fds[0];
                to = fds[1];
        }
        ck_assert_int_ge(dup2(to, STDOUT_FILENO), 0);
        ck_assert_int_eq(table_print(&seen, &t, columns), want);
        ck_assert_int_eq(fflush(stdout), 0);
        ck_assert_int_eq((int)write(STDOUT_FILENO, "$", 1), 1); /* there is something to read */
        n = read(from, text, sizeof(text) - 1);
        ck_assert_int_gt((int)n, 0);
        text[n - 1] = '\0';
        tq_table_done(&t);
        return text;
}

static const struct {
        Options o;
        const char *columns, *want;
} files[] = {
        { {},
          "job,tenant,wait_usec",
          "JOB  TENANT                     WAITED\n"
          "2    a-tenant-with-a-long-name   1.50s\n"
          "10   b\\x1b[31m                       -\n"
          "1    c                           1.00s\n" },
        { { .no_headings = true }, "job", "2\n10\n1\n" },
        { { .columns = "wait_usec,job" },
          "job",
          "WAITED  JOB\n 1.50s  2\n     -  10\n 1.00s  1\n" },
        { { .sort = "job" }, "job", "JOB\n1\n2\n10\n" },
        { { .sort = "-job" }, "job", "JOB\n10\n2\n1\n" },
        { { .sort = "-tenant" }, "job", "JOB\n1\n10\n2\n" },
        /* What is unknown is the least. */
        { { .sort = "wait_usec" }, "job", "JOB\n10\n1\n2\n" },
        /* A file has no width. */
        { { .no_headings = true },
          "fault",
          "nothing\nthis is a sentence that is longer than the line\n-\n" },
        { { .no_headings = true },
          NULL,
          "2    a-tenant-with-a-long-name   1.50s  nothing\n"
          "10   b\\x1b[31m                       -  this is a sentence that is longer than the "
          "line\n"
          "1    c                           1.00s  -\n" },
};

START_TEST(to_file) {
        ck_assert_str_eq(printed(&files[_i].o, files[_i].columns, 0, 0), files[_i].want);
}
END_TEST

/* As wide as the terminal: names are cut, sentences folded. */
START_TEST(to_terminal) {
        const char *text = printed(&(Options){}, NULL, 40, 0);
        char copy[4096], *save = NULL;

        ck_assert_ptr_nonnull(strstr(text, "a-ten…"));
        (void)snprintf(copy, sizeof(copy), "%s", text);
        for (char *line = strtok_r(copy, "\r\n", &save); line;
             line = strtok_r(NULL, "\r\n", &save)) {

                ck_assert_int_le(output_width(line), 40);
        }
        /* Nothing of the sentence is lost. */
        ck_assert_ptr_nonnull(strstr(text, "this is a sentence\r\n"));
        ck_assert_ptr_nonnull(strstr(text, "that is longer than\r\n"));
        ck_assert_ptr_nonnull(strstr(text, "the line\r\n"));
}
END_TEST

/* What can be spared goes where there is no room for all, and only there: two marks after one. */
static const struct {
        unsigned short width;
        const char *columns, *want;
} spares[] = {
        { 60, "job,?tenant,??wait_usec", "JOB  TENANT                     WAITED\r\n" },
        { 20, "job,?wait_usec,tenant", "JOB  WAITED  TENANT\r\n" },
        { 12, "job,??tenant,?wait_usec", "JOB  TENANT\r\n" },
        { 12, "job,?tenant,??wait_usec", "JOB  WAITED\r\n" },
        { 5, "job,??tenant,?wait_usec", "JOB\r\n" },
        { 0, "job,??tenant,?wait_usec", "JOB  TENANT                     WAITED\n" },
};

START_TEST(spare) {
        const char *text = printed(&(Options){}, spares[_i].columns, spares[_i].width, 0);

        ck_assert_msg(strncmp(text, spares[_i].want, strlen(spares[_i].want)) == 0, "%s", text);
}
END_TEST

static const Options wrong[] = {
        { .columns = "job,tenat" }, { .columns = "" }, { .columns = "," },
        { .sort = "nothing" },      { .sort = "-" },   { .sort = "" },
};

START_TEST(unknown) {
        ck_assert_ptr_nonnull(freopen("/dev/null", "w", stderr));
        ck_assert_str_eq(printed(&wrong[_i], "job", 0, TQ_EXIT_USAGE), "");
}
END_TEST

START_TEST(formats) {
        static const struct {
                const char *column;
                int64_t value;
                const char *want;
        } cells[] = {
                { "wait_usec", 1500000, "1.50s" },
                { "memory_bytes", 1 << 20, "1.00M" },
                { "running", 7, "7" },
                { "cpu_permille", 0, "0.00" },
                { "cpu_permille", 500, "0.50" },
                { "cpu_permille", 994, "0.99" },
                { "cpu_permille", 995, "1.00" },
                { "cpu_permille", 12340, "12.34" },
                { "throttled_permille", 0, "0.0%" },
                { "throttled_permille", 7, "0.7%" },
                { "throttled_permille", 1000, "100.0%" },
                { "time_usec", 0, "-" },
                { "not_known", -1, "-1" },
        };
        char text[CELL_MAX];

        for (size_t i = 0; i < TQ_ELEMENTSOF(cells); i++)
                ck_assert_str_eq(columns_format(columns_get(cells[i].column).format,
                                                &(TqCell){ .type = TQ_CELL_INTEGER,
                                                           .integer = cells[i].value },
                                                text),
                                 cells[i].want);
        ck_assert_str_eq(columns_get("not_known").title, "not_known");
}
END_TEST

static const struct {
        const char *by;
        int64_t want[4]; /* the jobs, one behind the other */
        int result;
} orders[] = {
        { "job", { 1, 2, 10, 11 }, 0 },           { "-job", { 11, 10, 2, 1 }, 0 },
        { "wait_usec", { 10, 1, 2, 11 }, 0 }, /* 2 and 11 waited as long: as they stood */
        { "-wait_usec", { 2, 11, 1, 10 }, 0 },    { "tenant", { 11, 2, 10, 1 }, 0 },
        { "nothing", { 2, 10, 1, 11 }, -ENOENT }, { "-", { 2, 10, 1, 11 }, -ENOENT },
        { "", { 2, 10, 1, 11 }, -ENOENT },
};

START_TEST(sorted) {
        TqTable t = example(), none = {};

        add(&t, 11, "a", 1500000, "a fault");
        ck_assert_int_eq(table_sort(&t, orders[_i].by), orders[_i].result);
        ck_assert_uint_eq(t.n_rows, 4);
        for (size_t i = 0; i < t.n_rows; i++)
                ck_assert_int_eq(tq_table_integer(&t, i, "job", 0), orders[_i].want[i]);
        /* It is a table as before: rows may be added. */
        add(&t, 12, "d", 1, NULL);
        ck_assert_str_eq(tq_table_text(&t, 4, "tenant"), "d");
        tq_table_done(&t);
        ck_assert_int_eq(table_sort(&none, "job"), -ENOENT);
}
END_TEST

static void fill(Suite *s) {
        TCase *c = unit_case(s, "table");

        unit_add_rows(c, cut, cuts);
        unit_add_rows(c, fold, folds);
        unit_add_rows(c, to_file, files);
        tcase_add_test(c, to_terminal);
        unit_add_rows(c, spare, spares);
        unit_add_rows(c, unknown, wrong);
        tcase_add_test(c, formats);
        unit_add_rows(c, sorted, orders);
}

int main(void) {
        return unit_main("ctl_table", fill);
}
