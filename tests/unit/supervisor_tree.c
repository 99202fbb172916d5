/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "supervisor/ends/tree.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fs.h"
#include "unit.h"

/* A directory of the test's, with one named `acme` in it. */
static int parent(void) {
        int fd = unit_dir_open();

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(mkdirat(fd, "acme", 0700), 0);
        return fd;
}

static void put(int dir_fd, const char *name, size_t size) {
        static const char bytes[64];
        int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(tq_fs_write_all(fd, bytes, size), 0);
        (void)close(fd);
}

static bool is_there(int dir_fd, const char *name) {
        return faccessat(dir_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) >= 0;
}

static TreeFound remove_acme(int fd) {
        TreeFound f = {};

        tree_take(fd, "/spool", "acme", ".removed-acme", &f);
        ck_assert(!is_there(fd, "acme"));
        tree_empty(fd, "/spool", ".removed-acme", &f);
        return f;
}

static bool is_owner(const char *name) {
        return strcmp(name, ".owner") == 0;
}

START_TEST(counted) {
        TQ_CLOSE int fd = parent(), inside = tq_fs_open_dir(fd, "acme");
        TreeFound f = {};

        ck_assert_int_eq(tree_count(fd, "none", NULL, &f), 0);
        ck_assert_uint_eq(f.files, 0);
        put(inside, "a", 10);
        put(inside, ".owner", 3);
        ck_assert_int_eq(mkdirat(inside, "d", 0700), 0);
        put(fd, "outside", 20);
        ck_assert_int_eq(symlinkat("../outside", inside, "link"), 0);
        ck_assert_int_eq(symlinkat("..", inside, "up"), 0);
        ck_assert_int_eq(tree_count(fd, "acme", is_owner, &f), 0);
        ck_assert_uint_eq(f.files, 4);
        ck_assert_uint_eq(f.bytes, 10);
        ck_assert(!f.is_cut && f.left == 0);
        ck_assert_int_lt(tree_count(fd, "outside", NULL, &f), 0);
}
END_TEST

/* Of a deep one it is said that there is more. */
START_TEST(counted_so_deep) {
        TQ_CLOSE int fd = parent();
        int at = tq_fs_open_dir(fd, "acme");
        TreeFound f = {};

        for (int i = 0; i < 40; i++) {
                int next;

                ck_assert_int_eq(mkdirat(at, "d", 0700), 0);
                next = tq_fs_open_dir(at, "d");
                ck_assert_int_ge(next, 0);
                (void)close(at);
                at = next;
        }
        (void)close(at);
        ck_assert_int_eq(tree_count(fd, "acme", NULL, &f), 0);
        ck_assert(f.is_cut);
        f = remove_acme(fd);
        ck_assert_uint_eq(f.left, 0);
        ck_assert(!is_there(fd, ".removed-acme"));
}
END_TEST

START_TEST(removed) {
        TQ_CLOSE int fd = parent(), inside = tq_fs_open_dir(fd, "acme");
        TQ_CLOSE int deeper = -EBADF;
        TreeFound f;

        put(fd, "outside", 20);
        ck_assert_int_eq(mkdirat(fd, "other", 0700), 0);
        put(inside, "a", 1);
        put(inside, "17", 1); /* as what is moved to the top could be called */
        ck_assert_int_eq(symlinkat("../outside", inside, "link"), 0);
        ck_assert_int_eq(symlinkat("../other", inside, "dir"), 0);
        ck_assert_int_eq(linkat(fd, "outside", inside, "hard", 0), 0);
        ck_assert_int_eq(mkfifoat(inside, "fifo", 0600), 0);
        ck_assert_int_eq(mkdirat(inside, "d", 0700), 0);
        deeper = tq_fs_open_dir(inside, "d");
        put(deeper, "b", 1);
        ck_assert_int_eq(mkdirat(deeper, "e", 0700), 0);
        f = remove_acme(fd);
        ck_assert_uint_eq(f.left, 0);
        ck_assert_str_eq(f.why, "");
        ck_assert(!is_there(fd, ".removed-acme"));
        ck_assert(is_there(fd, "outside") && is_there(fd, "other"));
}
END_TEST

/* What an earlier one has left behind goes too, and nothing is no error. */
START_TEST(removed_again) {
        TQ_CLOSE int fd = parent();
        TreeFound f = {};

        tree_take(fd, "/spool", "acme", ".removed-acme", &f);
        ck_assert_int_eq(mkdirat(fd, "acme", 0700), 0);
        f = remove_acme(fd);
        ck_assert_uint_eq(f.left, 0);
        f = remove_acme(fd);
        ck_assert_uint_eq(f.left, 0);
        ck_assert(!is_there(fd, ".removed-acme"));
        /* A link in its place is no way in. */
        put(fd, "outside", 20);
        ck_assert_int_eq(symlinkat("outside", fd, "acme"), 0);
        f = remove_acme(fd);
        ck_assert_uint_eq(f.left, 0);
        ck_assert(is_there(fd, "outside"));
}
END_TEST

/* One who holds it open makes directories in it, one in the other, faster than they go: that ends,
 * and is told. */
START_TEST(removed_while_it_grows) {
        TQ_CLOSE int fd = parent();
        int at = tq_fs_open_dir(fd, "acme");
        TreeFound f = {};
        pid_t child;

        if (!unit_is_root())
                unit_skip("not root");
        ck_assert_int_eq(fchown(at, 61000, 61000), 0);
        child = fork();
        if (child == 0) {
                if (setresgid(61000, 61000, 61000) < 0 || setresuid(61000, 61000, 61000) < 0)
                        _exit(1);
                /* An end all the same: on a busy machine it would be far ahead, and all of it has
                 * to go again. */
                for (int i = 0; i < 20000; i++) {
                        int next;

                        if (mkdirat(at, "d", 0700) < 0)
                                _exit(0);
                        next = openat(at, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                        if (next < 0)
                                _exit(0);
                        (void)close(at);
                        at = next;
                }
                for (;;)
                        (void)pause();
        }
        (void)close(at);
        (void)usleep(200000);
        tree_take(fd, "/spool", "acme", ".removed-acme", &f);
        tree_empty(fd, "/spool", ".removed-acme", &f);
        /* The child was caught, or there was no end to it. */
        ck_assert(f.left == 0 || strstr(f.why, "end the processes of its user"));
        (void)kill(child, SIGKILL);
        ck_assert_int_eq(waitpid(child, NULL, 0), child);
        for (int i = 0; i < 10000 && is_there(fd, ".removed-acme"); i++)
                tree_empty(fd, "/spool", ".removed-acme", &f);
        ck_assert(!is_there(fd, ".removed-acme"));
}
END_TEST

/* Without root nothing can be given; what is not `from`'s is not tried. */
START_TEST(given) {
        TQ_CLOSE int fd = parent(), inside = tq_fs_open_dir(fd, "acme");
        struct stat st;
        TreeFound f = {};

        put(inside, "a", 1);
        put(inside, "two", 1);
        ck_assert_int_eq(linkat(inside, "two", inside, "names", 0), 0);
        ck_assert_int_eq(tree_give(fd, "acme", geteuid() + 1, 61000, 61000, &f), 0);
        ck_assert_uint_eq(f.left, 0);
        if (!unit_is_root())
                unit_skip("not root");
        ck_assert_int_eq(tree_give(fd, "acme", 0, 61000, 61000, &f), 0);
        ck_assert_uint_eq(f.left, 0);
        ck_assert_int_eq(fstatat(inside, "a", &st, AT_SYMLINK_NOFOLLOW), 0);
        ck_assert_uint_eq(st.st_uid, 61000);
        /* A second name may be anybody's. */
        ck_assert_int_eq(fstatat(inside, "two", &st, AT_SYMLINK_NOFOLLOW), 0);
        ck_assert_uint_eq(st.st_uid, 0);
}
END_TEST

START_TEST(given_so_deep) {
        TQ_CLOSE int fd = parent();
        int at = tq_fs_open_dir(fd, "acme");
        TreeFound f = {};
        struct stat st;

        if (!unit_is_root())
                unit_skip("not root");
        for (int i = 0; i < 500; i++) {
                int next;

                ck_assert_int_eq(mkdirat(at, "d", 0700), 0);
                next = tq_fs_open_dir(at, "d");
                ck_assert_int_ge(next, 0);
                (void)close(at);
                at = next;
        }
        ck_assert_int_eq(tree_give(fd, "acme", 0, 61000, 61000, &f), 0);
        ck_assert(!f.is_cut && f.left == 0 && f.files == 500);
        ck_assert_int_eq(fstat(at, &st), 0);
        ck_assert_uint_eq(st.st_uid, 61000);
        (void)close(at);
}
END_TEST

static void fill(Suite *s) {
        TCase *c = unit_case(s, "tree");

        tcase_add_test(c, counted);
        tcase_add_test(c, counted_so_deep);
        tcase_add_test(c, removed);
        tcase_add_test(c, removed_again);
        tcase_add_test(c, removed_while_it_grows);
        tcase_add_test(c, given);
        tcase_add_test(c, given_so_deep);
}

int main(void) {
        return unit_main("supervisor_tree", fill);
}
