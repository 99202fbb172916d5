/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/fs.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

int tq_fs_write_all(int fd, const void *data, size_t size) {
        const char *p = data;

        while (size > 0) {
                ssize_t n = write(fd, p, size);

                if (n < 0) {
                        if (errno == EINTR)
                                continue;
                        return tq_errno();
                }
                p += n;
                size -= (size_t)n;
        }
        return 0;
}

static ssize_t read_up_to(int fd, char *buf, size_t size) {
        size_t got = 0;

        while (got < size) {
                ssize_t n = read(fd, buf + got, size - got);

                if (n < 0) {
                        if (errno == EINTR)
                                continue;
                        return tq_errno();
                }
                if (n == 0)
                        break;
                got += (size_t)n;
        }
        return (ssize_t)got;
}

int tq_fs_copy(int from, int to, uint64_t *ret_size) {
        size_t size = 256UL * 1024;
        TQ_FREE char *data = malloc(size);
        uint64_t copied = 0;
        ssize_t n;
        int r = data ? 0 : -ENOMEM;

        while (r >= 0 && (n = read_up_to(from, data, size)) != 0) {
                r = n < 0 ? (int)n : tq_fs_write_all(to, data, (size_t)n);
                copied += n > 0 ? (size_t)n : 0;
        }
        if (r >= 0 && ret_size)
                *ret_size = copied;
        return r;
}

ssize_t tq_fs_read_at(int dir_fd, const char *name, char *buf, size_t size) {
        TQ_CLOSE int fd = -EBADF;
        ssize_t n;

        buf[0] = '\0';
        fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        if (fd < 0)
                return tq_errno();
        n = read_up_to(fd, buf, size);
        if (n >= 0 && (size_t)n >= size)
                n = -E2BIG;
        buf[TQ_MAX(n, 0)] = '\0';
        return n;
}

int tq_fs_read_file(int dir_fd, const char *name, size_t max, char **ret_data, size_t *ret_size) {
        TQ_FREE char *data = NULL;
        ssize_t n;

        data = malloc(max + 2);
        if (!data)
                return -ENOMEM;
        n = tq_fs_read_at(dir_fd, name, data, max + 1);
        if (n < 0)
                return (int)n;
        *ret_size = (size_t)n;
        *ret_data = TQ_TAKE_PTR(data);
        return 0;
}

int tq_fs_write_attr(int dir_fd, const char *name, const char *text) {
        TQ_CLOSE int fd = -EBADF;
        size_t size = strlen(text);
        ssize_t n;

        fd = openat(dir_fd, name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0)
                return tq_errno();
        n = write(fd, text, size);
        if (n < 0)
                return tq_errno();
        return (size_t)n == size ? 0 : -EIO;
}

int tq_fs_open_dir(int dir_fd, const char *name) {
        int fd;

        fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        return fd < 0 ? tq_errno() : fd;
}

int tq_fs_open_within(int dir_fd, const char *name, int flags) {
        struct open_how how = { .flags = (uint64_t)(flags | O_NOFOLLOW | O_CLOEXEC),
                                .resolve = RESOLVE_NO_XDEV };
        long fd = syscall(SYS_openat2, dir_fd, name, &how, sizeof(how)); /* glibc has none */

        return fd < 0 ? tq_errno() : (int)fd;
}

bool tq_fs_is_within(int dir_fd, const char *name) {
        TQ_CLOSE int fd = tq_fs_open_within(dir_fd, name, O_PATH);

        return fd != -ENOENT;
}

int tq_fs_readdir(DIR *dir, const struct dirent **ret) {
        errno = 0;
        *ret = readdir(dir);
        return *ret ? 1 : -errno;
}

int tq_fs_opendir(int dir_fd, const char *name, DIR **ret) {
        TQ_CLOSE int fd = tq_fs_open_dir(dir_fd, name);

        if (fd < 0)
                return fd;
        *ret = fdopendir(fd);
        if (!*ret)
                return tq_errno();
        (void)tq_take_fd(&fd);
        return 0;
}

int tq_fs_mkdir_open(int dir_fd, const char *name, mode_t mode) {
        if (mkdirat(dir_fd, name, mode) < 0 && errno != EEXIST)
                return tq_errno();
        return tq_fs_open_dir(dir_fd, name);
}

int tq_fs_mkdir_parents(const char *path, mode_t mode) {
        TQ_FREE char *copy = NULL;

        if (path[0] == '\0')
                return -EINVAL;
        copy = strdup(path);
        if (!copy)
                return -ENOMEM;
        for (char *p = copy + 1; *p; p++) {
                if (*p != '/')
                        continue;
                *p = '\0';
                if (mkdir(copy, mode) < 0 && errno != EEXIST)
                        return tq_errno();
                *p = '/';
        }
        if (mkdir(copy, mode) < 0 && errno != EEXIST)
                return tq_errno();
        return 0;
}
