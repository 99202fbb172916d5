/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/fs.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

#include "unit.h"

static void put(int dir_fd, const char *name, const char *data, size_t size) {
        int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(tq_fs_write_all(fd, data, size), 0);
        (void)close(fd);
}

static const struct {
        size_t file, buffer;
        ssize_t r;
} read_rows[] = {
        { 0, 1, 0 },     { 1, 1, -E2BIG },     { 1, 2, 1 },
        { 99, 100, 99 }, { 100, 100, -E2BIG }, { 101, 100, -E2BIG },
};

START_TEST(read_at) {
        int dir_fd = unit_dir_open();
        char data[128], buf[128];
        ssize_t r;

        memset(data, 'd', sizeof(data));
        put(dir_fd, "f", data, read_rows[_i].file);
        r = tq_fs_read_at(dir_fd, "f", buf, read_rows[_i].buffer);
        ck_assert_int_eq(r, read_rows[_i].r);
        if (r >= 0) {
                ck_assert_mem_eq(buf, data, (size_t)r);
                ck_assert_int_eq(buf[r], '\0');
        } else
                ck_assert_int_eq(buf[0], '\0');
}
END_TEST

/* T3: nothing that blocks or that is no file. */
START_TEST(read_special) {
        int dir_fd = unit_dir_open();
        char buf[16];

        put(dir_fd, "file", "secret", 6);
        ck_assert_int_eq(symlinkat("file", dir_fd, "link"), 0);
        ck_assert_int_eq(mkfifoat(dir_fd, "fifo", 0600), 0);
        ck_assert_int_eq(mkdirat(dir_fd, "dir", 0700), 0);
        ck_assert_int_eq(tq_fs_read_at(dir_fd, "missing", buf, sizeof(buf)), -ENOENT);
        ck_assert_int_eq(tq_fs_read_at(dir_fd, "link", buf, sizeof(buf)), -ELOOP);
        ck_assert_int_eq(tq_fs_read_at(dir_fd, "dir", buf, sizeof(buf)), -EISDIR);
        ck_assert_int_le(tq_fs_read_at(dir_fd, "fifo", buf, sizeof(buf)), 0);
        memset(buf, 'x', sizeof(buf));
        ck_assert_int_eq(tq_fs_read_at(-1, "file", buf, sizeof(buf)), -EBADF);
        ck_assert_str_eq(buf, "");
}
END_TEST

START_TEST(read_file) {
        int dir_fd = unit_dir_open();
        char *data = NULL;
        size_t size = 77;

        put(dir_fd, "f", "a\0b", 3);
        ck_assert_int_eq(tq_fs_read_file(dir_fd, "f", 2, &data, &size), -E2BIG);
        ck_assert_ptr_null(data);
        ck_assert_uint_eq(size, 77);
        ck_assert_int_eq(tq_fs_read_file(dir_fd, "f", 3, &data, &size), 0);
        ck_assert_uint_eq(size, 3);
        ck_assert_mem_eq(data, "a\0b", 4);
        free(data);
        ck_assert_int_eq(tq_fs_read_file(dir_fd, "missing", 3, &data, &size), -ENOENT);
        put(dir_fd, "empty", "", 0);
        ck_assert_int_eq(tq_fs_read_file(dir_fd, "empty", 0, &data, &size), 0);
        ck_assert_uint_eq(size, 0);
        ck_assert_str_eq(data, "");
        free(data);
}
END_TEST

START_TEST(write_attr) {
        int dir_fd = unit_dir_open();
        char buf[16];

        put(dir_fd, "attr", "old", 3);
        ck_assert_int_eq(tq_fs_write_attr(dir_fd, "attr", "new"), 0);
        ck_assert_int_eq(tq_fs_read_at(dir_fd, "attr", buf, sizeof(buf)), 3);
        ck_assert_str_eq(buf, "new");
        ck_assert_int_eq(tq_fs_write_attr(dir_fd, "missing", "x"), -ENOENT);
        ck_assert_int_eq(faccessat(dir_fd, "missing", F_OK, 0), -1);
        ck_assert_int_eq(symlinkat("attr", dir_fd, "link"), 0);
        ck_assert_int_eq(tq_fs_write_attr(dir_fd, "link", "x"), -ELOOP);
}
END_TEST

START_TEST(directories) {
        int dir_fd = unit_dir_open(), fd;
        char path[PATH_MAX];
        struct stat st;

        fd = tq_fs_mkdir_open(dir_fd, "d", 0700);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
        (void)close(fd);
        fd = tq_fs_mkdir_open(dir_fd, "d", 0700);
        ck_assert_int_ge(fd, 0);
        (void)close(fd);
        ck_assert_int_eq(symlinkat("d", dir_fd, "link"), 0);
        put(dir_fd, "file", "", 0);
        ck_assert_int_lt(tq_fs_mkdir_open(dir_fd, "link", 0700), 0);
        ck_assert_int_eq(tq_fs_mkdir_open(dir_fd, "file", 0700), -ENOTDIR);
        ck_assert_int_lt(tq_fs_open_dir(dir_fd, "link"), 0);
        ck_assert_int_eq(tq_fs_open_dir(dir_fd, "missing"), -ENOENT);

        (void)snprintf(path, sizeof(path), "%.4000s/a/b/c", unit_dir());
        ck_assert_int_eq(tq_fs_mkdir_parents(path, 0750), 0);
        ck_assert_int_eq(tq_fs_mkdir_parents(path, 0750), 0);
        ck_assert_int_eq(stat(path, &st), 0);
        ck_assert(S_ISDIR(st.st_mode));
        (void)strcat(path, "/x");
        put(AT_FDCWD, path, "", 0);
        (void)strcat(path, "/y");
        ck_assert_int_eq(tq_fs_mkdir_parents(path, 0750), -ENOTDIR);
}
END_TEST

/* No link is followed. */
START_TEST(reads_directory) {
        TQ_CLOSEDIR DIR *dir = NULL;
        int dir_fd = unit_dir_open(), n = 0;

        ck_assert_int_eq(mkdirat(dir_fd, "dir", 0700), 0);
        ck_assert_int_eq(symlinkat("dir", dir_fd, "link"), 0);
        put(dir_fd, "dir/a", "", 0);
        ck_assert_int_eq(tq_fs_opendir(dir_fd, "missing", &dir), -ENOENT);
        ck_assert_int_eq(tq_fs_opendir(dir_fd, "link", &dir), -ENOTDIR);
        ck_assert_int_eq(tq_fs_opendir(dir_fd, "dir/a", &dir), -ENOTDIR);
        ck_assert_ptr_null(dir);
        ck_assert_int_eq(tq_fs_opendir(dir_fd, "dir", &dir), 0);
        for (const struct dirent *e; (e = readdir(dir));)
                n += strcmp(e->d_name, "a") == 0;
        ck_assert_int_eq(n, 1);
}
END_TEST

START_TEST(write_errors) {
        int fds[2];

        ck_assert_int_eq(tq_fs_write_all(-1, "x", 1), -EBADF);
        ck_assert_int_eq(tq_fs_write_all(-1, "x", 0), 0);
        ck_assert_int_eq(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
        ck_assert_int_eq(tq_fs_write_all(fds[1], "abc", 3), 0);
        for (int i = 0; i < 1024; i++) {
                char zeros[4096] = {};

                if (tq_fs_write_all(fds[1], zeros, sizeof(zeros)) == -EAGAIN)
                        return;
        }
        ck_abort_msg("a full pipe took everything");
}
END_TEST

/* An error is not the end. */
START_TEST(readdir_errors) {
        const struct dirent *e;
        int n = 0, r;
        DIR *dir = opendir("/proc/self/fdinfo");

        ck_assert_ptr_nonnull(dir);
        while ((r = tq_fs_readdir(dir, &e)) > 0)
                n++;
        ck_assert_int_eq(r, 0);
        ck_assert_int_gt(n, 2);
        rewinddir(dir);
        (void)close(dirfd(dir));
        ck_assert_int_eq(tq_fs_readdir(dir, &e), -EBADF);
        ck_assert_ptr_null(e);
        (void)closedir(dir);
}
END_TEST

static void fill(Suite *s) {
        TCase *tcase = unit_case(s, "fs");

        unit_add_rows(tcase, read_at, read_rows);
        tcase_add_test(tcase, read_special);
        tcase_add_test(tcase, read_file);
        tcase_add_test(tcase, write_attr);
        tcase_add_test(tcase, directories);
        tcase_add_test(tcase, reads_directory);
        tcase_add_test(tcase, write_errors);
        tcase_add_test(tcase, readdir_errors);
}

int main(void) {
        return unit_main("base/fs", fill);
}
