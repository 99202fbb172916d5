/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <dirent.h>
#include <sys/types.h>

#include "base/util.h"

/* Writes all bytes, going on after EINTR and short writes. 0 or negative errno. */
int tq_fs_write_all(int fd, const void *data, size_t size);

/* All of a file from where `from` stands to where `to` does; *ret_size (may be NULL) becomes how
 * many bytes that were. 0 or negative errno. */
int tq_fs_copy(int from, int to, uint64_t *ret_size);

/* Reads the file name below dir_fd (not following a link in the last part) into buf and terminates
 * it. Returns the number of bytes, -E2BIG if it holds size bytes or more, or negative errno; then
 * buf is empty. size: at least 1. */
ssize_t tq_fs_read_at(int dir_fd, const char *name, char *buf, size_t size);

/* Reads a whole file of at most max bytes into a new string (terminated; *ret_size without the
 * terminator; the caller frees). -E2BIG if it is larger. */
int tq_fs_read_file(int dir_fd, const char *name, size_t max, char **ret_data, size_t *ret_size);

/* Writes text with one write(2) into an existing file below dir_fd: how an attribute of the cgroup
 * file system is set (cgroups(7)). The kernel's refusal is returned as it is. */
int tq_fs_write_attr(int dir_fd, const char *name, const char *text);

/* Makes the directory (0 if it exists) and opens it without following a link. Returns a descriptor
 * (O_CLOEXEC) or negative errno. */
int tq_fs_mkdir_open(int dir_fd, const char *name, mode_t mode);

/* Opens an existing directory below dir_fd, not following a link in the last part. */
int tq_fs_open_dir(int dir_fd, const char *name);

/* Opens what has that name in a directory that somebody else may change (O_NOFOLLOW | O_CLOEXEC).
 * What is mounted there is not asked, since it may never answer: -EXDEV (openat2(2),
 * RESOLVE_NO_XDEV). Otherwise a descriptor or negative errno. */
int tq_fs_open_within(int dir_fd, const char *name, int flags);

/* Whether there is anything of that name, if only a mount. */
bool tq_fs_is_within(int dir_fd, const char *name);

/* The same, to be read: TQ_CLOSEDIR. Returns 0 or negative errno. */
int tq_fs_opendir(int dir_fd, const char *name, DIR **ret);

/* readdir(3), whose errors look like the end. Positive: *ret is the next entry; 0: there are no
 * more; negative errno. */
int tq_fs_readdir(DIR *dir, const struct dirent **ret);

static inline void tq_closedirp(DIR **dir) {
        if (*dir)
                (void)closedir(*dir);
}

#define TQ_CLOSEDIR TQ_CLEANUP(tq_closedirp)

/* Makes path with its parents, like mkdir -p. 0 or negative errno. */
int tq_fs_mkdir_parents(const char *path, mode_t mode);
