/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernel/netns.h"

#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unit.h"

static ino_t inode(const char *path) {
        struct stat st;

        ck_assert_int_eq(stat(path, &st), 0);
        return st.st_ino;
}

/* Two of them, another each, and we stay where we are. */
START_TEST(made) {
        ino_t ours = inode("/proc/self/ns/net");
        struct stat a, b;
        int fds[2];

        fds[0] = tq_netns_new();
        if (fds[0] == -EPERM)
                unit_skip("needs root");
        ck_assert_int_ge(fds[0], 3);
        fds[1] = tq_netns_new();
        ck_assert_int_ge(fds[1], 3);
        ck_assert_int_eq(fstat(fds[0], &a), 0);
        ck_assert_int_eq(fstat(fds[1], &b), 0);
        ck_assert(a.st_ino != ours && b.st_ino != ours && a.st_ino != b.st_ino);
        ck_assert(inode("/proc/self/ns/net") == ours);
        ck_assert_int_eq(setns(fds[0], CLONE_NEWNET), 0);
        ck_assert(inode("/proc/self/ns/net") == a.st_ino);
        (void)close(fds[0]);
        (void)close(fds[1]);
}
END_TEST

static void fill(Suite *s) {
        TCase *t = unit_case(s, "netns");

        tcase_add_test(t, made);
}

int main(void) {
        return unit_main("kernel_netns", fill);
}
