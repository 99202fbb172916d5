/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/joblog.h"

#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/fs.h"
#include "unit.h"

START_TEST(create_and_open) {
        int dir_fd = unit_dir_open(), fd;
        char text[32];
        struct stat st;

        (void)umask(0);
        ck_assert_int_eq(tq_joblog_open(dir_fd, 7, 1, TQ_STREAM_OUT), -ENOENT);
        fd = tq_joblog_create(dir_fd, 7, 1, TQ_STREAM_OUT);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
        ck_assert_int_ne(fcntl(fd, F_GETFL) & O_APPEND, 0);
        ck_assert_int_eq(fstat(fd, &st), 0);
        ck_assert_uint_eq(st.st_mode & 07777, 0640); /* not the world's */
        ck_assert_int_eq(tq_fs_write_all(fd, "out", 3), 0);
        (void)close(fd);
        fd = tq_joblog_create(dir_fd, 7, 1, TQ_STREAM_ERR);
        ck_assert_int_eq(tq_fs_write_all(fd, "err", 3), 0);
        (void)close(fd);
        ck_assert_int_eq(tq_fs_read_at(dir_fd, "7.1.out", text, sizeof(text)), 3);
        ck_assert_str_eq(text, "out");
        ck_assert_int_eq(tq_fs_read_at(dir_fd, "7.1.err", text, sizeof(text)), 3);
        ck_assert_str_eq(text, "err");
        fd = tq_joblog_open(dir_fd, 7, 1, TQ_STREAM_ERR);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(read(fd, text, sizeof(text)), 3);
        ck_assert_int_eq(write(fd, "x", 1), -1);
        (void)close(fd);
        /* Of a launch that never ran there is nothing left; another attempt is not touched. */
        (void)close(tq_joblog_create(dir_fd, 7, 2, TQ_STREAM_OUT));
        tq_joblog_remove(dir_fd, 7, 1);
        ck_assert_int_eq(tq_joblog_open(dir_fd, 7, 1, TQ_STREAM_OUT), -ENOENT);
        ck_assert_int_eq(tq_joblog_open(dir_fd, 7, 1, TQ_STREAM_ERR), -ENOENT);
        ck_assert_int_ge(tq_joblog_open(dir_fd, 7, 2, TQ_STREAM_OUT), 0);
        tq_joblog_remove(dir_fd, 7, 1);
}
END_TEST

/* What an earlier launch left is replaced, not added to. */
START_TEST(create_again) {
        int dir_fd = unit_dir_open(), old, fd;
        char text[32];

        old = tq_joblog_create(dir_fd, 7, 1, TQ_STREAM_OUT);
        ck_assert_int_eq(tq_fs_write_all(old, "old", 3), 0);
        fd = tq_joblog_create(dir_fd, 7, 1, TQ_STREAM_OUT);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(tq_fs_write_all(old, "late", 4), 0);
        ck_assert_int_eq(tq_fs_write_all(fd, "new", 3), 0);
        ck_assert_int_eq(tq_fs_read_at(dir_fd, "7.1.out", text, sizeof(text)), 3);
        ck_assert_str_eq(text, "new");
}
END_TEST

/* A link in its place is neither written nor read through. */
START_TEST(links) {
        int dir_fd = unit_dir_open(), fd;
        char text[32];

        fd = openat(dir_fd, "target", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        ck_assert_int_eq(tq_fs_write_all(fd, "secret", 6), 0);
        ck_assert_int_eq(symlinkat("target", dir_fd, "7.1.out"), 0);
        ck_assert_int_eq(tq_joblog_open(dir_fd, 7, 1, TQ_STREAM_OUT), -ELOOP);
        fd = tq_joblog_create(dir_fd, 7, 1, TQ_STREAM_OUT);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(tq_fs_write_all(fd, "x", 1), 0);
        ck_assert_int_eq(tq_fs_read_at(dir_fd, "target", text, sizeof(text)), 6);
        ck_assert_int_eq(tq_fs_read_at(dir_fd, "7.1.out", text, sizeof(text)), 1);
        ck_assert_int_eq(mkdirat(dir_fd, "8.1.out", 0700), 0);
        ck_assert_int_lt(tq_joblog_create(dir_fd, 8, 1, TQ_STREAM_OUT), 0);
}
END_TEST

START_TEST(largest_numbers) {
        int dir_fd = unit_dir_open();

        ck_assert_int_ge(tq_joblog_create(dir_fd, UINT64_MAX, UINT32_MAX, TQ_STREAM_ERR), 0);
        ck_assert_int_eq(faccessat(dir_fd, "18446744073709551615.4294967295.err", F_OK, 0), 0);
}
END_TEST

/* 0, or why that user can't open the output of job 1 in the directory. */
static int can_open(int dir_fd, uid_t uid, gid_t gid, int how) {
        char path[64];
        pid_t pid;

        (void)snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)getpid(), dir_fd);
        pid = fork();
        if (pid == 0) {
                int here = open(path, O_PATH | O_DIRECTORY);

                if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 ||
                    setresuid(uid, uid, uid) < 0)
                        _exit(99);
                _exit(openat(here, "1.1.out", how) < 0 ? errno : 0);
        }
        return WEXITSTATUS(unit_wait(pid));
}

START_TEST(directory) {
        int logs_fd, dir_fd, fd;
        struct stat st;

        if (!unit_is_root())
                unit_skip("only root can give a directory to root");
        logs_fd = unit_dir_open();
        fd = tq_joblog_open_dir(logs_fd, "acme", 54321);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(fstat(fd, &st), 0);
        ck_assert_uint_eq(st.st_mode & 07007, 0);
        ck_assert_uint_eq(st.st_uid, 0);
        ck_assert_uint_eq(st.st_gid, 0);
        /* Repaired. */
        ck_assert_int_eq(fchmod(fd, 0777), 0);
        ck_assert_int_eq(fchown(fd, 54321, 1), 0);
        (void)close(fd);
        fd = tq_joblog_open_dir(logs_fd, "acme", 54321);
        ck_assert_int_eq(fstat(fd, &st), 0);
        ck_assert_uint_eq(st.st_mode & 07007, 0);
        ck_assert_uint_eq(st.st_uid, 0);
        ck_assert_uint_eq(st.st_gid, 0);
        (void)close(fd);
        /* What is made inside is the user's to read, and nobody else's, of his group neither; and
         * only root writes it. */
        dir_fd = tq_joblog_open_dir(logs_fd, "acme", 54321);
        fd = tq_joblog_create(dir_fd, 1, 1, TQ_STREAM_OUT);
        ck_assert_int_eq(fstat(fd, &st), 0);
        ck_assert_uint_eq(st.st_uid, 0);
        ck_assert_int_eq(can_open(dir_fd, 54321, 99, O_RDONLY), 0);
        ck_assert_int_eq(can_open(dir_fd, 54321, 99, O_WRONLY), EACCES);
        ck_assert_int_eq(can_open(dir_fd, 54322, 54321, O_RDONLY), EACCES);
        ck_assert_int_eq(can_open(dir_fd, 54322, 0, O_RDONLY), EACCES);
        /* When it is put aside, his neither. */
        ck_assert_int_eq(tq_joblog_close_dir(dir_fd), 0);
        ck_assert_int_eq(can_open(dir_fd, 54321, 99, O_RDONLY), EACCES);
        ck_assert_int_eq(symlinkat("/tmp", logs_fd, "globex"), 0);
        ck_assert_int_lt(tq_joblog_open_dir(logs_fd, "globex", 54321), 0);
}
END_TEST

static void fill(Suite *s) {
        TCase *tcase = unit_case(s, "joblog");

        tcase_add_test(tcase, create_and_open);
        tcase_add_test(tcase, create_again);
        tcase_add_test(tcase, links);
        tcase_add_test(tcase, largest_numbers);
        tcase_add_test(tcase, directory);
}

int main(void) {
        return unit_main("store/joblog", fill);
}
