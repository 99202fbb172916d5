/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/joblog.h"

#include <endian.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "base/fs.h"

#define NAME_MAX_BYTES 64

static const char *const suffixes[_TQ_STREAM_MAX] = { "out", "err" };

static const char *name_of(uint64_t job, unsigned attempt, TqStream stream, char *buf) {
        (void)snprintf(buf, NAME_MAX_BYTES, "%" PRIu64 ".%u.%s", job, attempt, suffixes[stream]);
        return buf;
}

/* Root and one user (acl(5)); as linux/posix_acl_xattr.h has it, without a library for six lines.
 */
typedef struct Acl {
        struct posix_acl_xattr_header header;
        struct posix_acl_xattr_entry entries[5];
} Acl;

static Acl acl_of(uid_t uid, uint16_t own, uint16_t user) {
        return (Acl){
                .header = { htole32(POSIX_ACL_XATTR_VERSION) },
                .entries = {
                        { htole16(ACL_USER_OBJ), htole16(own), htole32((uint32_t)ACL_UNDEFINED_ID) },
                        { htole16(ACL_USER), htole16(user), htole32(uid) },
                        { htole16(ACL_GROUP_OBJ), 0, htole32((uint32_t)ACL_UNDEFINED_ID) },
                        { htole16(ACL_MASK), htole16(user), htole32((uint32_t)ACL_UNDEFINED_ID) },
                        { htole16(ACL_OTHER), 0, htole32((uint32_t)ACL_UNDEFINED_ID) },
                },
        };
}

/* What is made inside is the user's to read without a call for each file: by the default list. */
static int admit(int fd, uid_t uid) {
        Acl here = acl_of(uid, ACL_READ | ACL_WRITE | ACL_EXECUTE, ACL_READ | ACL_EXECUTE);
        Acl inside = acl_of(uid, ACL_READ | ACL_WRITE, ACL_READ);

        if (fsetxattr(fd, "system.posix_acl_access", &here, sizeof(here), 0) >= 0 &&
            fsetxattr(fd, "system.posix_acl_default", &inside, sizeof(inside), 0) >= 0)
                return 0;
        /* A file system without them: the user reads his output by tenantqctl logs only. */
        return errno == EOPNOTSUPP ? 0 : tq_errno();
}

int tq_joblog_open_dir(int logs_fd, const char *tenant, uid_t uid) {
        TQ_CLOSE int fd = -EBADF;
        int r;

        fd = tq_fs_mkdir_open(logs_fd, tenant, 0700);
        if (fd < 0)
                return fd;
        if (fchown(fd, 0, 0) < 0 || fchmod(fd, 0700) < 0)
                return tq_errno();
        r = admit(fd, uid);
        return r < 0 ? r : tq_take_fd(&fd);
}

int tq_joblog_close_dir(int dir_fd) {
        (void)fremovexattr(dir_fd, "system.posix_acl_access");
        return fchmod(dir_fd, 0700) < 0 ? tq_errno() : 0;
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
