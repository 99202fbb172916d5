/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/trusted.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

#include "unit.h"

/* d/            root's
 * d/a/b/file
 * d/link        → a/b          root's
 * d/absolute    → d/a          root's, absolute
 * d/up          → a/b/../../a  root's
 * d/loop        → loop
 * d/open/link   → ../a         root's, in a directory that others can write
 * d/theirs/link → ../a         a tenant's, in a tenant's directory
 * d/foreign     → a            a tenant's, in root's directory */
static const char *top;

static void path_of(const char *name, char *ret, size_t size) {
        (void)snprintf(ret, size, "%s/%s", top, name);
}

static void make_dir(const char *name, mode_t mode, uid_t uid) {
        char path[PATH_MAX];

        path_of(name, path, sizeof(path));
        ck_assert_int_eq(mkdir(path, 0755), 0);
        ck_assert_int_eq(chmod(path, mode), 0);
        ck_assert_int_eq(chown(path, uid, 0), 0);
}

static void make_link(const char *name, const char *target, uid_t uid) {
        char path[PATH_MAX];

        path_of(name, path, sizeof(path));
        ck_assert_int_eq(symlink(target, path), 0);
        ck_assert_int_eq(lchown(path, uid, 0), 0);
}

static void make_all(void) {
        char path[PATH_MAX];
        int fd;

        top = unit_dir();
        /* As /tmp is not: the links in it are root's to follow. */
        ck_assert_int_eq(chmod(top, 0755), 0);
        make_dir("a", 0755, 0);
        make_dir("a/b", 0755, 0);
        path_of("a/b/file", path, sizeof(path));
        fd = open(path, O_WRONLY | O_CREAT, 0644);
        ck_assert_int_ge(fd, 0);
        (void)close(fd);
        make_link("link", "a/b", 0);
        path_of("a", path, sizeof(path));
        make_link("absolute", path, 0);
        make_link("up", "a/b/../../a", 0);
        make_link("loop", "loop", 0);
        make_dir("open", 01777, 0);
        make_link("open/link", "../a", 0);
        make_dir("theirs", 0755, 61001);
        make_link("theirs/link", "../a", 61001);
        make_link("foreign", "a", 61001);
        make_dir("group", 0775, 0);
        make_link("group/link", "../a", 0);
}

static const struct {
        const char *name;
        int r;
        const char *real;
} rows[] = {
        { "a", 0, "a" },
        { "a/b", 0, "a/b" },
        { "a//b/", 0, "a/b" },
        { "a/./b", 0, "a/b" },
        { "a/b/..", 0, "a" },
        { "a/b/file", 0, "a/b/file" },
        { "link", 0, "a/b" },
        { "link/file", 0, "a/b/file" },
        { "link/../b", 0, "a/b" },
        { "absolute/b", 0, "a/b" },
        { "up/b/file", 0, "a/b/file" },
        { "theirs", 0, "theirs" },
        { "none", -ENOENT, NULL },
        { "a/none", -ENOENT, NULL },
        { "a/b/file/x", -ENOTDIR, NULL },
        { "loop", -ELOOP, NULL },
        { "open/link", -ELOOP, NULL },
        { "group/link", -ELOOP, NULL },
        { "theirs/link", -ELOOP, NULL },
        { "theirs/link/b", -ELOOP, NULL },
        { "foreign", -ELOOP, NULL },
};

START_TEST(walk) {
        char path[PATH_MAX], real[PATH_MAX], want[PATH_MAX];
        struct stat a, b;
        int fd;

        if (!unit_is_root())
                unit_skip("makes files of other users: needs root");
        make_all();
        path_of(rows[_i].name, path, sizeof(path));
        fd = tq_trusted_open(path, real, sizeof(real));
        if (rows[_i].r < 0) {
                ck_assert_int_eq(fd, rows[_i].r);
                return;
        }
        ck_assert_int_ge(fd, 0);
        path_of(rows[_i].real, want, sizeof(want));
        ck_assert_str_eq(real, want);
        ck_assert_int_eq(fstat(fd, &a), 0);
        ck_assert_int_eq(stat(path, &b), 0);
        ck_assert_uint_eq(a.st_ino, b.st_ino);
        (void)close(fd);
        /* What it is does not fit. */
        ck_assert_int_eq(tq_trusted_open(path, real, strlen(want)), -ENAMETOOLONG);
        fd = tq_trusted_open(path, real, strlen(want) + 1);
        ck_assert_int_ge(fd, 0);
        (void)close(fd);
}
END_TEST

START_TEST(bounds) {
        char path[2 * PATH_MAX], real[PATH_MAX];
        int fd;

        fd = tq_trusted_open("/", real, sizeof(real));
        ck_assert_int_ge(fd, 0);
        ck_assert_str_eq(real, "/");
        (void)close(fd);
        fd = tq_trusted_open("/../..//.", real, sizeof(real));
        ck_assert_int_ge(fd, 0);
        ck_assert_str_eq(real, "/");
        (void)close(fd);
        ck_assert_int_eq(tq_trusted_open("etc", real, sizeof(real)), -EINVAL);
        ck_assert_int_eq(tq_trusted_open("", real, sizeof(real)), -EINVAL);
        memset(path, 'x', sizeof(path));
        path[0] = '/';
        path[NAME_MAX + 2] = '\0';
        ck_assert_int_eq(tq_trusted_open(path, real, sizeof(real)), -ENAMETOOLONG);
        path[NAME_MAX + 2] = 'x';
        path[PATH_MAX] = '\0';
        ck_assert_int_eq(tq_trusted_open(path, real, sizeof(real)), -ENAMETOOLONG);
}
END_TEST

static void fill(Suite *s) {
        TCase *c = unit_case(s, "trusted");

        unit_add_rows(c, walk, rows);
        tcase_add_test(c, bounds);
}

int main(void) {
        return unit_main("base/trusted", fill);
}
