/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/joblog.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/fs.h"

#define NAME_MAX_BYTES 64

static const char *const suffixes[_TQ_STREAM_MAX] = { "out", "err" };

static const char *name_of(uint64_t job, unsigned attempt, TqStream stream, char *buf) {
        (void)snprintf(buf, NAME_MAX_BYTES, "%" PRIu64 ".%u.%s", job, attempt, suffixes[stream]);
        return buf;
}

int tq_joblog_open_dir(int logs_fd, const char *tenant, gid_t gid) {
        TQ_CLOSE int fd = -EBADF;

        fd = tq_fs_mkdir_open(logs_fd, tenant, 0700);
        if (fd < 0)
                return fd;
        if (fchown(fd, 0, gid) < 0)
                return tq_errno();
        /* setgid: what is made inside belongs to the group without a call for each file. */
        if (fchmod(fd, 02750) < 0)
                return tq_errno();
        return tq_take_fd(&fd);
}

int tq_joblog_create(int dir_fd, uint64_t job, unsigned attempt, TqStream stream) {
        const int flags = O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC | O_NOFOLLOW;
        char name[NAME_MAX_BYTES];
        int fd;

        fd = openat(dir_fd, name_of(job, attempt, stream, name), flags, 0640);
        if (fd < 0 && errno == EEXIST) {
                /* Left by a launch that was never recorded: the caller holds the attempt's cgroup,
                 * which it made exclusively, so nobody writes to it. */
                (void)unlinkat(dir_fd, name, 0);
                fd = openat(dir_fd, name, flags, 0640);
        }
        return fd < 0 ? tq_errno() : fd;
}

int tq_joblog_open(int dir_fd, uint64_t job, unsigned attempt, TqStream stream) {
        char name[NAME_MAX_BYTES];
        int fd;

        fd = openat(dir_fd, name_of(job, attempt, stream, name), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        return fd < 0 ? tq_errno() : fd;
}

void tq_joblog_remove(int dir_fd, uint64_t job, unsigned attempt) {
        char name[NAME_MAX_BYTES];

        for (int i = 0; i < _TQ_STREAM_MAX; i++)
                (void)unlinkat(dir_fd, name_of(job, attempt, (TqStream)i, name), 0);
}
