/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernel/creds.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "unit.h"

#define SOMEBODY 54321

START_TEST(reads_as_the_tenant) {
        int dir_fd, fd;
        struct stat st;

        if (!unit_is_root())
                unit_skip("only root can act as somebody else");
        dir_fd = unit_dir_open();
        ck_assert_int_eq(fchmod(dir_fd, 0755), 0);
        fd = openat(dir_fd, "roots", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        ck_assert_int_ge(fd, 0);
        fd = openat(dir_fd, "theirs", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        ck_assert_int_eq(fchown(fd, SOMEBODY, SOMEBODY), 0);

        ck_assert_int_eq(tq_creds_become(SOMEBODY, SOMEBODY), 0);
        ck_assert_int_eq(openat(dir_fd, "roots", O_RDONLY | O_CLOEXEC), -1);
        ck_assert_int_eq(errno, EACCES);
        ck_assert_int_ge(openat(dir_fd, "theirs", O_RDONLY | O_CLOEXEC), 0);
        ck_assert_uint_eq(geteuid(), 0); /* towards the file system only */
        tq_creds_return();

        ck_assert_int_ge(openat(dir_fd, "roots", O_RDONLY | O_CLOEXEC), 0);
        fd = openat(dir_fd, "new", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        ck_assert_int_eq(fstat(fd, &st), 0);
        ck_assert_uint_eq(st.st_uid, 0);
        ck_assert_uint_eq(st.st_gid, 0);
}
END_TEST

/* Becoming somebody fails, and that root can't be had back is not survived. */
START_TEST(not_root) {
        int status;
        pid_t pid;

        if (!unit_is_root())
                unit_skip("only root can become nobody first");
        pid = fork();
        if (pid == 0) {
                if (setgid(SOMEBODY) < 0 || setuid(SOMEBODY) < 0)
                        _exit(2);
                (void)close(2);
                (void)tq_creds_become(SOMEBODY + 1, SOMEBODY + 1);
                _exit(0);
        }
        status = unit_wait(pid);
        ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "status %d", status);
}
END_TEST

static void fill(Suite *s) {
        TCase *tcase = unit_case(s, "creds");

        tcase_add_test(tcase, reads_as_the_tenant);
        tcase_add_test(tcase, not_root);
}

int main(void) {
        return unit_main("kernel/creds", fill);
}
