/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/joblog.h"

#include <dirent.h>
#include <endian.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "base/fs.h"
#include "base/parse.h"
#include "core/ids.h"

#define NAME_MAX_BYTES 64
#define PIECE          ((off_t)4 << 20) /* 0.3 ms */

/* How long a file is kept is beside it, where only root writes and reads (xattr(7)): seconds, in
 * digits. That there is such a thing is said by a bit of its mode that means nothing else on a
 * file, so that whoever looks at many files need not ask of each. */
#define KEEP_XATTR "trusted.tenantq.keep"
#define KEEP_MARK  S_ISVTX
#define FILE_MODE  0640

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

static int give(int dir_fd, const char *name, uid_t uid) {
        Acl acl = acl_of(uid, ACL_READ | ACL_WRITE, ACL_READ);
        TQ_CLOSE int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

        if (fd < 0)
                return errno == ENOENT ? 0 : tq_errno();
        return fsetxattr(fd, "system.posix_acl_access", &acl, sizeof(acl), 0) < 0 &&
                               errno != EOPNOTSUPP
                       ? tq_errno()
                       : 0;
}

int tq_joblog_give(int dir_fd, uid_t uid) {
        TQ_CLOSEDIR DIR *dir = NULL;
        const struct dirent *e;
        int result = tq_fs_opendir(dir_fd, ".", &dir), more = 0;

        while (dir && (more = tq_fs_readdir(dir, &e)) > 0) {
                /* Whose it is is root's to know. */
                int r = e->d_name[0] == '.' && !tq_joblog_is_spare(e->d_name)
                                ? 0
                                : give(dir_fd, e->d_name, uid);

                result = r < 0 ? r : result;
        }
        return more < 0 ? more : result;
}

int tq_joblog_close_dir(int dir_fd) {
        (void)fremovexattr(dir_fd, "system.posix_acl_access");
        return fchmod(dir_fd, 0700) < 0 ? tq_errno() : 0;
}

int tq_joblog_create(int dir_fd, uint64_t job, unsigned attempt, TqStream stream, bool is_kept) {
        const int flags = O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC | O_NOFOLLOW;
        const mode_t mode = FILE_MODE | (is_kept ? KEEP_MARK : 0);
        char name[NAME_MAX_BYTES];
        int fd;

        fd = openat(dir_fd, name_of(job, attempt, stream, name), flags, mode);
        if (fd < 0 && errno == EEXIST) {
                /* Left by a launch that was never recorded: the caller holds the attempt's cgroup,
                 * which it made exclusively, so nobody writes to it. */
                (void)unlinkat(dir_fd, name, 0);
                fd = openat(dir_fd, name, flags, mode);
        }
        return fd < 0 ? tq_errno() : fd;
}

int tq_joblog_open(int dir_fd, uint64_t job, unsigned attempt, TqStream stream) {
        char name[NAME_MAX_BYTES];
        int fd;

        fd = openat(dir_fd, name_of(job, attempt, stream, name), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        return fd < 0 ? tq_errno() : fd;
}

int tq_joblog_keep(int fd, uint64_t usec) {
        char text[32];

        (void)snprintf(text, sizeof(text), "%" PRIu64, usec / TQ_USEC_PER_SEC);
        return fsetxattr(fd, KEEP_XATTR, text, strlen(text), 0) < 0 ? tq_errno() : 0;
}

/* Spares --------------------------------------------------------------------------------------- */

#define SPARE ".spare-"

static const char *spare_name(unsigned spare, TqStream stream, char *buf) {
        (void)snprintf(buf, NAME_MAX_BYTES, SPARE "%u.%s", spare, suffixes[stream]);
        return buf;
}

bool tq_joblog_is_spare(const char *name) {
        return strncmp(name, SPARE, strlen(SPARE)) == 0;
}

/* An empty file as tq_joblog_create() makes it, without another name or a mark. */
static bool is_blank(int fd) {
        struct stat st;

        return fd >= 0 && fstat(fd, &st) >= 0 && S_ISREG(st.st_mode) && st.st_nlink == 1 &&
               st.st_size == 0 && (st.st_mode & 07777) == FILE_MODE && st.st_uid == geteuid() &&
               st.st_gid == getegid();
}

/* F_SETLEASE in fcntl(2): there is one for writing only if nobody else has the file open. */
static bool is_open_elsewhere(int fd) {
        if (fcntl(fd, F_SETLEASE, F_WRLCK) < 0)
                return true;
        (void)fcntl(fd, F_SETLEASE, F_UNLCK);
        return false;
}

/* Whose it is to read is what the directory says of new ones: not of a former owner's job, nor with
 * whom somebody has added. */
static bool is_for_its_owner(int dir_fd, int fd) {
        char wanted[sizeof(Acl)], has[sizeof(Acl)];
        ssize_t n = fgetxattr(dir_fd, "system.posix_acl_default", wanted, sizeof(wanted));
        ssize_t m = fgetxattr(fd, "system.posix_acl_access", has, sizeof(has));

        return n == m && (n >= 0 ? memcmp(wanted, has, (size_t)n) == 0
                                 : errno == ENODATA || errno == EOPNOTSUPP);
}

static int open_blank(int dir_fd, const char *name) {
        TQ_CLOSE int fd = openat(dir_fd, name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

        return is_blank(fd) && is_for_its_owner(dir_fd, fd) ? tq_take_fd(&fd) : -ENODATA;
}

static void remove_both(int dir_fd, char names[_TQ_STREAM_MAX][NAME_MAX_BYTES]) {
        for (int i = 0; i < _TQ_STREAM_MAX; i++)
                (void)unlinkat(dir_fd, names[i], 0);
}

TqJoblogRest tq_joblog_put_by(int dir_fd, uint64_t job, unsigned attempt, unsigned spare) {
        char names[_TQ_STREAM_MAX][NAME_MAX_BYTES], spares[_TQ_STREAM_MAX][NAME_MAX_BYTES];
        TQ_CLOSE int out = open_blank(dir_fd, name_of(job, attempt, TQ_STREAM_OUT, names[0]));
        TQ_CLOSE int err = open_blank(dir_fd, name_of(job, attempt, TQ_STREAM_ERR, names[1]));

        if (out < 0 || err < 0)
                return TQ_JOBLOG_KEPT;
        for (int i = 0; i < _TQ_STREAM_MAX; i++)
                (void)spare_name(spare, (TqStream)i, spares[i]);
        /* By their old names nobody finds them any more before it is asked whether somebody has. */
        if (spare < TQ_JOBLOG_SPARES && renameat(dir_fd, names[0], dir_fd, spares[0]) >= 0 &&
            renameat(dir_fd, names[1], dir_fd, spares[1]) >= 0 && !is_open_elsewhere(out) &&
            !is_open_elsewhere(err))
                return TQ_JOBLOG_SPARE;
        if (spare < TQ_JOBLOG_SPARES)
                remove_both(dir_fd, spares);
        remove_both(dir_fd, names);
        return faccessat(dir_fd, names[0], F_OK, AT_SYMLINK_NOFOLLOW) < 0 &&
                               faccessat(dir_fd, names[1], F_OK, AT_SYMLINK_NOFOLLOW) < 0
                       ? TQ_JOBLOG_SILENT
                       : TQ_JOBLOG_KEPT;
}

static int take(int dir_fd, const char *spare, const char *name) {
        TQ_CLOSE int fd = open_blank(dir_fd, spare);

        if (fd < 0)
                return fd;
        /* Its name was to be seen since it was put by. */
        if (is_open_elsewhere(fd))
                return -ENODATA;
        /* F_SETFL: all that is written is appended, as with a new file; and it is as old as one.
         * What has the name is left of a launch that was never recorded. */
        if (fcntl(fd, F_SETFL, O_APPEND) < 0 || futimens(fd, NULL) < 0 ||
            renameat(dir_fd, spare, dir_fd, name) < 0)
                return tq_errno();
        return tq_take_fd(&fd);
}

int tq_joblog_take_spare(int dir_fd, unsigned spare, uint64_t job, unsigned attempt,
                         int ret[_TQ_STREAM_MAX]) {
        char from[NAME_MAX_BYTES], to[NAME_MAX_BYTES];

        for (int i = 0; i < _TQ_STREAM_MAX; i++) {
                (void)spare_name(spare, (TqStream)i, from);
                ret[i] = take(dir_fd, from, name_of(job, attempt, (TqStream)i, to));
                if (ret[i] < 0 && i > 0) {
                        ret[0] = tq_close(ret[0]);
                        (void)unlinkat(dir_fd, name_of(job, attempt, TQ_STREAM_OUT, to), 0);
                }
                if (ret[i] < 0)
                        return ret[i];
        }
        return 0;
}

void tq_joblog_remove_spares(int dir_fd) {
        char names[_TQ_STREAM_MAX][NAME_MAX_BYTES];

        for (unsigned k = 0; k < TQ_JOBLOG_SPARES; k++) {
                for (int i = 0; i < _TQ_STREAM_MAX; i++)
                        (void)spare_name(k, (TqStream)i, names[i]);
                remove_both(dir_fd, names);
        }
}

bool tq_joblog_parse(const char *name, uint64_t *ret_job, unsigned *ret_attempt,
                     TqStream *ret_stream) {
        char again[NAME_MAX_BYTES], digits[NAME_MAX_BYTES];
        const char *dot = strchr(name, '.'), *last = strrchr(name, '.');
        uint64_t job, attempt;

        if (strlen(name) >= NAME_MAX_BYTES || !dot || dot == last)
                return false;
        (void)snprintf(digits, sizeof(digits), "%.*s", (int)(dot - name), name);
        if (tq_parse_u64_in(digits, 1, TQ_JOB_MAX, &job) < 0)
                return false;
        (void)snprintf(digits, sizeof(digits), "%.*s", (int)(last - dot - 1), dot + 1);
        if (tq_parse_u64_in(digits, 1, UINT32_MAX, &attempt) < 0)
                return false;
        for (int i = 0; i < _TQ_STREAM_MAX; i++)
                /* No other way to write the same numbers is ours. */
                if (strcmp(name, name_of(job, (unsigned)attempt, (TqStream)i, again)) == 0) {
                        *ret_job = job;
                        *ret_attempt = (unsigned)attempt;
                        *ret_stream = (TqStream)i;
                        return true;
                }
        return false;
}

/* By the directory's descriptor: a file need not be opened for it. */
static uint64_t read_keep(int dir_fd, const char *name) {
        char path[NAME_MAX_BYTES + 32], text[32];
        uint64_t seconds;
        ssize_t n;

        (void)snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", dir_fd, name);
        n = lgetxattr(path, KEEP_XATTR, text, sizeof(text) - 1);
        if (n <= 0)
                return 0;
        text[n] = '\0';
        return tq_parse_u64(text, &seconds) < 0 ? 0 : tq_mul_u64(seconds, TQ_USEC_PER_SEC);
}

int tq_joblog_stat(int dir_fd, uint64_t job, unsigned attempt, TqStream stream, TqJoblogStat *ret) {
        char name[NAME_MAX_BYTES];
        struct stat st;

        if (fstatat(dir_fd, name_of(job, attempt, stream, name), &st, AT_SYMLINK_NOFOLLOW) < 0)
                return tq_errno();
        if (!S_ISREG(st.st_mode))
                return -ENOENT;
        *ret = (TqJoblogStat){
                .bytes = (uint64_t)st.st_size,
                .written_usec = (uint64_t)TQ_MAX(st.st_mtim.tv_sec, 0) * TQ_USEC_PER_SEC +
                                (uint64_t)st.st_mtim.tv_nsec / 1000,
                .keep_usec = st.st_mode & KEEP_MARK ? read_keep(dir_fd, name) : 0,
        };
        return 0;
}

/* One that has another name is somebody's who wants to keep it. */
static bool is_ours_alone(int fd, off_t *ret_size) {
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_nlink != 1)
                return false;
        *ret_size = st.st_size;
        return st.st_size > 0;
}

/* By its name first: a crash in between leaves all of it or nothing. */
static int remove_one(int dir_fd, const char *name, int *ret_large) {
        TQ_CLOSE int fd = openat(dir_fd, name, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        off_t size;
        bool is_ours = is_ours_alone(fd, &size);

        if (unlinkat(dir_fd, name, 0) < 0)
                return tq_errno();
        if (is_ours && size > PIECE)
                *ret_large = tq_take_fd(&fd);
        else if (is_ours)
                (void)!ftruncate(fd, 0);
        return 0;
}

int tq_joblog_remove(int dir_fd, uint64_t job, unsigned attempt, int large[_TQ_STREAM_MAX]) {
        char name[NAME_MAX_BYTES];
        int n = 0, result = 0;

        for (int i = 0; i < _TQ_STREAM_MAX; i++) {
                int r;

                large[i] = -EBADF;
                r = remove_one(dir_fd, name_of(job, attempt, (TqStream)i, name), &large[i]);
                n += r >= 0;
                if (r < 0 && r != -ENOENT)
                        result = r;
        }
        return result < 0 ? result : n;
}

int tq_joblog_shrink(int fd) {
        struct stat st;

        if (fstat(fd, &st) < 0)
                return tq_errno();
        if (ftruncate(fd, TQ_MAX(st.st_size - PIECE, (off_t)0)) < 0)
                return tq_errno();
        return st.st_size <= PIECE;
}
