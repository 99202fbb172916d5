/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/trusted.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define LINKS_MAX 40 /* as the kernel has it */

typedef struct Walk {
        int fd;              /* of what `real` names */
        char real[PATH_MAX]; /* without a slash at its end, hence empty for the root */
        char rest[PATH_MAX]; /* still to go */
        unsigned links;
} Walk;

/* As the kernel knows it: what is mounted may be a program's (fuse(4)) that never answers, or lets
 * only its own user ask (EACCES). Such a mount is a directory, if of nobody. */
int tq_trusted_stat(int fd, struct statx *ret) {
        if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_BASIC_STATS, ret) >= 0)
                return 0;
        if (errno != EACCES)
                return tq_errno();
        *ret = (struct statx){ .stx_mode = S_IFDIR, .stx_uid = UINT32_MAX, .stx_gid = UINT32_MAX };
        return 0;
}

static int open_root(Walk *w) {
        (void)tq_close(w->fd);
        w->real[0] = '\0';
        w->fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
        return w->fd < 0 ? tq_errno() : 0;
}

/* What a link says stands before what was still to go. */
static int follow(Walk *w, int link_fd, const struct statx *link) {
        char target[PATH_MAX], rest[PATH_MAX];
        struct statx dir = {};
        ssize_t n;
        int r = tq_trusted_stat(w->fd, &dir);

        if (r < 0)
                return r;
        if (link->stx_uid != 0 || dir.stx_uid != 0 || dir.stx_mode & (S_IWGRP | S_IWOTH) ||
            ++w->links > LINKS_MAX)
                return -ELOOP;
        n = readlinkat(link_fd, "", target, sizeof(target) - 1);
        if (n < 0)
                return tq_errno();
        target[n] = '\0';
        n = snprintf(rest, sizeof(rest), "%s/%s", target, w->rest);
        if ((size_t)n >= sizeof(rest))
                return -ENAMETOOLONG;
        memcpy(w->rest, rest, (size_t)n + 1);
        return target[0] == '/' ? open_root(w) : 0;
}

/* By its name, from the root again: where it lies may have been moved meanwhile. */
static int go_up(Walk *w) {
        char rest[2 * PATH_MAX];
        char *slash = strrchr(w->real, '/');
        int n;

        if (slash)
                *slash = '\0';
        n = snprintf(rest, sizeof(rest), "%s/%s", w->real, w->rest);
        if ((size_t)n >= sizeof(w->rest))
                return -ENAMETOOLONG;
        memcpy(w->rest, rest, (size_t)n + 1);
        return open_root(w);
}

static int go_down(Walk *w, const char *name) {
        TQ_CLOSE int fd = openat(w->fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        size_t length = strlen(w->real);
        struct statx st = {};
        int r = fd < 0 ? tq_errno() : tq_trusted_stat(fd, &st);

        if (r < 0)
                return r;
        if (S_ISLNK(st.stx_mode))
                return follow(w, fd, &st);
        if (length + strlen(name) + 2 > sizeof(w->real))
                return -ENAMETOOLONG;
        (void)snprintf(w->real + length, sizeof(w->real) - length, "/%s", name);
        (void)tq_close(w->fd);
        w->fd = tq_take_fd(&fd);
        return 0;
}

static int step(Walk *w) {
        char name[NAME_MAX + 1];
        size_t skip = strspn(w->rest, "/"), n = strcspn(w->rest + skip, "/");

        if (n >= sizeof(name))
                return -ENAMETOOLONG;
        memcpy(name, w->rest + skip, n);
        name[n] = '\0';
        memmove(w->rest, w->rest + skip + n, strlen(w->rest + skip + n) + 1);
        if (n == 0 || strcmp(name, ".") == 0)
                return 0;
        return strcmp(name, "..") == 0 ? go_up(w) : go_down(w, name);
}

int tq_trusted_open(const char *path, char *ret_real, size_t size) {
        Walk w = { .fd = -EBADF };
        int r;

        ret_real[0] = '\0';
        if (path[0] != '/')
                return -EINVAL;
        if ((size_t)snprintf(w.rest, sizeof(w.rest), "%s", path) >= sizeof(w.rest))
                return -ENAMETOOLONG;
        r = open_root(&w);
        while (r >= 0 && w.rest[strspn(w.rest, "/")] != '\0')
                r = step(&w);
        if ((size_t)snprintf(ret_real, size, "%s", r < 0 || w.real[0] ? w.real : "/") >= size)
                r = r < 0 ? r : -ENAMETOOLONG;
        if (r < 0)
                (void)tq_close(w.fd);
        return r < 0 ? r : w.fd;
}
