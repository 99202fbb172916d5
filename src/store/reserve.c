/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/reserve.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A file that holds nothing: its blocks are allocated (fallocate(2)), and freed by cutting it when
 * something has to be written for which the disk has no block left. A file system that can't
 * allocate ahead has them written. */

int tq_reserve_init(TqReserve *r, const char *path, uint64_t bytes) {
        *r = (TqReserve){ .path = strdup(path), .bytes = bytes };
        return r->path ? 0 : -ENOMEM;
}

void tq_reserve_done(TqReserve *r) {
        free(r->path);
        *r = (TqReserve){};
}

static int write_zeros(int fd, uint64_t bytes) {
        static const char zeros[65536];

        for (uint64_t at = 0; at < bytes;) {
                ssize_t n = pwrite(fd, zeros, (size_t)TQ_MIN(bytes - at, sizeof(zeros)), (off_t)at);

                if (n < 0)
                        return tq_errno();
                at += (uint64_t)n;
        }
        return 0;
}

int tq_reserve_make(TqReserve *r) {
        TQ_CLOSE int fd = -EBADF;
        struct stat st;
        int error = 0;

        if (r->is_made)
                return 0;
        fd = open(r->path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0 || fstat(fd, &st) < 0)
                return tq_errno();
        if (fallocate(fd, 0, 0, (off_t)r->bytes) < 0)
                error = tq_errno();
        if (error == -EOPNOTSUPP)
                error = write_zeros(fd, r->bytes);
        if (error == -EDQUOT)
                error = -ENOSPC;
        /* A part of it is of no use to anybody. */
        if (error < 0)
                (void)!ftruncate(fd, 0);
        r->is_made = error >= 0;
        return error;
}

bool tq_reserve_release(TqReserve *r) {
        TQ_CLOSE int fd = -EBADF;

        if (!r->is_made)
                return false;
        r->is_made = false;
        fd = open(r->path, O_WRONLY | O_TRUNC | O_NOFOLLOW | O_CLOEXEC);
        return fd >= 0;
}
