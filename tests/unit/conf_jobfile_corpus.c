/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>

#include "base/fs.h"
#include "conf/jobfile.h"
#include "unit.h"

/* The files of tests/corpus/jobfile: the good ones, and the bad ones with what is said of them. */

static const char *corpus_path(void) {
        const char *path = getenv("TQ_CORPUS");

        return path ? path : "tests/corpus/jobfile";
}

static int is_job(const struct dirent *e) {
        size_t n = strlen(e->d_name);

        return n > 4 && strcmp(e->d_name + n - 4, ".job") == 0;
}

static void replay(int dir_fd, const char *name) {
        TQ_FREE char *data = NULL, *expected = NULL;
        char expect_name[300], shown[1024];
        TqJobSpec spec = {};
        TqError err = {};
        size_t size;
        int r;

        ck_assert_int_eq(tq_fs_read_file(dir_fd, name, 1024 * 1024, &data, &size), 0);
        r = tq_jobfile_parse(data, size, &spec, NULL, NULL, &err);
        if (r < 0)
                tq_error_set_file(&err, name);
        (void)tq_error_format(&err, shown, sizeof(shown));
        if (strncmp(name, "good-", 5) == 0) {
                ck_assert_msg(r == 0, "%s", shown);
                tq_jobspec_done(&spec);
                return;
        }
        ck_assert_msg(strncmp(name, "bad-", 4) == 0, "%s is neither good nor bad", name);
        ck_assert_msg(r < 0, "%s was accepted", name);
        (void)snprintf(expect_name, sizeof(expect_name), "%.*s.expect", (int)strlen(name) - 4,
                       name);
        ck_assert_msg(tq_fs_read_file(dir_fd, expect_name, 4096, &expected, &size) == 0, "no %s",
                      expect_name);
        expected[strcspn(expected, "\n")] = '\0';
        ck_assert_str_eq(shown, expected);
}

START_TEST(corpus) {
        struct dirent **entries = NULL;
        int dir_fd = open(corpus_path(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int n;

        ck_assert_msg(dir_fd >= 0, "%s: %s", corpus_path(), strerror(errno));
        n = scandirat(dir_fd, ".", &entries, is_job, alphasort);
        ck_assert_int_gt(n, 1);
        for (int i = 0; i < n; i++) {
                replay(dir_fd, entries[i]->d_name);
                free(entries[i]);
        }
        free((void *)entries);
        (void)close(dir_fd);
}
END_TEST

static void fill(Suite *s) {
        tcase_add_test(unit_case(s, "corpus"), corpus);
}

int main(void) {
        return unit_main("conf/jobfile corpus", fill);
}
