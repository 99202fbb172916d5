/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernel/procs.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/fs.h"
#include "unit.h"

/* In a real cgroup, since who is of one the kernel says. */

static pid_t sleeper(void) {
        pid_t pid = fork();

        if (pid == 0) {
                (void)pause();
                _exit(0);
        }
        ck_assert_int_gt(pid, 0);
        return pid;
}

static void put(int fd, pid_t pid) {
        char text[16];

        (void)snprintf(text, sizeof(text), "%d", (int)pid);
        ck_assert_int_eq(tq_fs_write_attr(fd, "cgroup.procs", text), 0);
}

static bool has_ended(pid_t pid) {
        int status;

        return waitpid(pid, &status, WNOHANG) == pid;
}

#define N 70

/* All of the cgroup, at most so many at a time; nobody else, and nobody of one below it. */
START_TEST(signals) {
        const char *mount = unit_cgroup_mount();
        pid_t inside[N], outside, below;
        char root[256], slice[300], leaf[320];
        unsigned turns = 0;
        TqProcs *p;
        int fd, deep, r;

        if (!mount || !unit_is_root())
                unit_skip("needs root and a cgroup2 mount");
        (void)snprintf(root, sizeof(root), "%s/tq-unit-%d", mount, (int)getpid());
        (void)snprintf(slice, sizeof(slice), "%s/acme.slice", root);
        (void)snprintf(leaf, sizeof(leaf), "%s/1.1.job", slice);
        ck_assert_int_eq(mkdir(root, 0755), 0);
        ck_assert_int_eq(mkdir(slice, 0755), 0);
        ck_assert_int_eq(mkdir(leaf, 0755), 0);
        fd = open(leaf, O_RDONLY | O_DIRECTORY);
        ck_assert_int_ge(fd, 0);
        deep = tq_fs_mkdir_open(fd, "below", 0755);
        outside = sleeper();
        below = sleeper();
        put(deep, below);
        for (int i = 0; i < N; i++)
                put(fd, inside[i] = sleeper());
        ck_assert_int_eq(tq_procs_open(fd, &p), 0);
        while ((r = tq_procs_signal(p, SIGUSR1, 32)) > 0)
                turns++;
        ck_assert_int_eq(r, 0);
        /* One who is on his way out may be listed twice. */
        ck_assert_uint_ge(turns, N / 32);
        ck_assert_uint_le(turns, N);
        ck_assert_ptr_null(tq_procs_free(p));
        for (int i = 0; i < N; i++)
                ck_assert_int_eq(WTERMSIG(unit_wait(inside[i])), SIGUSR1);
        ck_assert(!has_ended(outside) && !has_ended(below));
        (void)kill(outside, SIGKILL);
        (void)kill(below, SIGKILL);
        (void)unit_wait(outside);
        (void)unit_wait(below);
        /* An empty one, and one that has gone meanwhile. */
        ck_assert_int_eq(tq_procs_open(fd, &p), 0);
        ck_assert_int_eq(tq_procs_signal(p, SIGUSR1, 1), 0);
        ck_assert_int_eq(unlinkat(fd, "below", AT_REMOVEDIR), 0);
        ck_assert_int_eq(rmdir(leaf), 0);
        ck_assert_int_eq(tq_procs_signal(p, SIGUSR1, 1), 0);
        (void)tq_procs_free(p);
        ck_assert_int_eq(tq_procs_open(fd, &p), -ENOENT);
        ck_assert_int_eq(rmdir(slice), 0);
        ck_assert_int_eq(rmdir(root), 0);
}
END_TEST

/* Who is listed but is not of the cgroup (its number was somebody else's) is left alone. */
START_TEST(not_of_it) {
        int dir = unit_dir_open(), fd;
        pid_t pid = sleeper();
        char text[32];
        TqProcs *p;

        fd = openat(dir, "cgroup.procs", O_WRONLY | O_CREAT, 0600);
        ck_assert_int_gt(snprintf(text, sizeof(text), "%d\n0\n999999999\n", (int)pid), 0);
        ck_assert_int_eq(tq_fs_write_all(fd, text, strlen(text)), 0);
        ck_assert_int_eq(tq_procs_open(dir, &p), 0);
        ck_assert_int_eq(tq_procs_signal(p, SIGUSR1, 100), 0);
        ck_assert(!has_ended(pid));
        (void)tq_procs_free(p);
        (void)kill(pid, SIGKILL);
        (void)unit_wait(pid);
}
END_TEST

static void list(int dir, const char *text) {
        TQ_CLOSE int fd = openat(dir, "cgroup.procs", O_WRONLY | O_CREAT | O_TRUNC, 0600);

        ck_assert_int_eq(tq_fs_write_all(fd, text, strlen(text)), 0);
}

/* Who has called vfork(2) is in state D until its child has gone. */
static pid_t waiter(void) {
        pid_t pid = fork();

        if (pid == 0) {
                (void)setpgid(0, 0);
                if (vfork() == 0) {
                        (void)pause();
                        _exit(0);
                }
                _exit(0);
        }
        ck_assert_int_gt(pid, 0);
        return pid;
}

START_TEST(uninterruptible) {
        int dir = unit_dir_open();
        pid_t asleep = sleeper(), waits = waiter(), found = 0;
        char text[8192];

        ck_assert_int_eq(tq_procs_uninterruptible(dir), 0);
        (void)snprintf(text, sizeof(text), "%d\n999999999\n", (int)asleep);
        list(dir, text);
        ck_assert_int_eq(tq_procs_uninterruptible(dir), 0);
        (void)snprintf(text, sizeof(text), "%d\n%d\n%04000d\n", (int)asleep, (int)waits, 1);
        list(dir, text);
        for (int i = 0; i < 1000 && found == 0; i++) {
                found = tq_procs_uninterruptible(dir);
                (void)usleep(1000);
        }
        ck_assert_int_eq(found, waits);
        /* A number that was cut is nobody's. */
        (void)snprintf(text, sizeof(text), "%d\n%d", (int)asleep, (int)waits);
        list(dir, text);
        ck_assert_int_eq(tq_procs_uninterruptible(dir), 0);
        list(dir, "");
        ck_assert_int_eq(tq_procs_uninterruptible(dir), 0);
        (void)kill(asleep, SIGKILL);
        (void)kill(-waits, SIGKILL);
        (void)unit_wait(asleep);
        (void)unit_wait(waits);
}
END_TEST

static void fill(Suite *s) {
        TCase *tc = unit_case(s, "procs");

        tcase_add_test(tc, signals);
        tcase_add_test(tc, not_of_it);
        tcase_add_test(tc, uninterruptible);
}

int main(void) {
        return unit_main("kernel/procs", fill);
}
