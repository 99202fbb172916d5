/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "store/ledger_private.h"

/* What lies at a ledger's path, looked at before SQLite does. SQLite takes whatever it finds there
 * for a database and its log: it makes an empty one if there is none, throws away the log of a
 * database that is gone, and writes a log into a database that it was not the log of. Each of these
 * would be a ledger that has forgotten what it promised. So a start is refused, in a sentence that
 * says what to do.
 *
 * While the ledger is open there is a mark beside it, which says which file that is. It goes just
 * before the log does, which SQLite removes when it closes the database: so a mark without a log
 * says that somebody has removed that, and a mark with a log that both belong together. */

enum { HEADER = 100, WRITE_VERSION = 18 }; /* "Database File Format", 1.3 */
enum { IDENTITY_MAX = 64 };

char *tq_ledger_place_beside(const char *path, const char *suffix) {
        char *beside;

        return asprintf(&beside, "%s%s", path, suffix) < 0 ? NULL : beside;
}

/* A ledger's path is absolute. */
static int directory_length(const char *path) {
        const char *slash = strrchr(path, '/');

        return slash ? (int)(slash - path) : 0;
}

/* Bytes of a file beside it; -1: there is none. What can't be looked at is not missing. */
static int size_beside(const char *path, const char *suffix, struct stat *st, int64_t *ret,
                       TqError *err) {
        TQ_FREE char *beside = tq_ledger_place_beside(path, suffix);

        if (!beside)
                return tq_error(err, -ENOMEM, "out of memory");
        *ret = -1;
        if (lstat(beside, st) == 0)
                *ret = st->st_size;
        else if (errno != ENOENT)
                return tq_error_errno(err, tq_errno(), "ledger: %s", beside);
        return 0;
}

/* Which file that is: a number may be another one's by now, but not with the same time of birth. A
 * line, by whose end it is known to be whole. Empty: not known. */
static const char *identify(const char *path, char *buf, size_t size) {
        struct statx st;

        buf[0] = '\0';
        if (statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_INO | STATX_BTIME, &st) == 0)
                (void)snprintf(buf, size, "%llu %lld.%09u\n", (unsigned long long)st.stx_ino,
                               (long long)st.stx_btime.tv_sec, st.stx_btime.tv_nsec);
        return buf;
}

/* Whether the mark is of another file. One that could not be written as a whole, or that the power
 * has torn, says nothing. */
static bool is_of_another(const char *path) {
        TQ_FREE char *mark = tq_ledger_place_beside(path, TQ_LEDGER_MARK_SUFFIX);
        char marked[IDENTITY_MAX] = "", is[IDENTITY_MAX];

        return mark && tq_fs_read_at(AT_FDCWD, mark, marked, sizeof(marked)) > 0 &&
               strchr(marked, '\n') && identify(path, is, sizeof(is))[0] != '\0' &&
               strcmp(marked, is) != 0;
}

/* Whether it is a database whose header says that it has no log. */
static int find_copy(const char *path, bool *ret, TqError *err) {
        TQ_CLOSE int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
        unsigned char header[HEADER];
        ssize_t n = fd < 0 ? -1 : pread(fd, header, sizeof(header), 0);

        *ret = n == (ssize_t)sizeof(header) && header[WRITE_VERSION] == 1;
        /* What it is instead, SQLite says. */
        return n < 0 && errno != ELOOP ? tq_error_errno(err, tq_errno(), "ledger: %s", path) : 0;
}

int tq_ledger_advise(TqError *err, int code, const char *path, const char *what) {
        return tq_error(err, code,
                        "ledger: %s: %s: bring back a backup (of tenantqctl ledger backup), as "
                        "tenantqd(8) says under \"A damaged ledger\"",
                        path, what);
}

static int check_log(const char *path, int64_t log, bool was_open, bool is_whole, TqError *err) {
        const char *mark = TQ_LEDGER_MARK_SUFFIX;
        char what[512];

        if (log > 0 && is_whole)
                (void)snprintf(what, sizeof(what),
                               "it is a backup, and the log beside it (ledger.db-wal) is not its "
                               "own");
        else if (log < 0 && was_open && !is_whole)
                (void)snprintf(what, sizeof(what),
                               "it was not closed, and its log (ledger.db-wal) is gone with what "
                               "was recorded last. If sqlite3 has put that into the ledger, remove "
                               "%s%s. Else",
                               path, mark);
        else if (log > 0 && was_open && is_of_another(path))
                (void)snprintf(what, sizeof(what),
                               "it is another file than the one whose log lies beside it. If both "
                               "were copied together, remove %s%s. Else",
                               path, mark);
        else
                return 0;
        return tq_ledger_advise(err, -EBADMSG, path, what);
}

static int check_owner(const char *path, const struct stat *file, TqError *err) {
        uid_t uid = geteuid();

        if (uid == 0 || file->st_uid == uid)
                return 0;
        return tq_error(err, -EACCES, "ledger: it belongs to user %u: chown --reference=%.*s %s",
                        file->st_uid, directory_length(path), path, path);
}

int tq_ledger_place_check(const char *path, TqLedgerPlace *ret, TqError *err) {
        struct stat file, other;
        int64_t log = -1, mark = -1, size = -1;
        bool was_open, is_whole = false;
        int r;

        *ret = (TqLedgerPlace){};
        /* In this order: an engine that is just leaving removes the mark first. */
        r = size_beside(path, "-wal", &other, &log, err);
        if (r >= 0)
                r = size_beside(path, TQ_LEDGER_MARK_SUFFIX, &other, &mark, err);
        if (r >= 0)
                r = size_beside(path, "", &file, &size, err);
        if (r < 0)
                return r;
        was_open = mark >= 0;
        if (size > 0) {
                r = check_owner(path, &file, err);
                if (r >= 0)
                        r = find_copy(path, &is_whole, err);
                ret->was_closed = log <= 0 && !was_open && !is_whole;
                return r < 0 ? r : check_log(path, log, was_open, is_whole, err);
        }
        /* A start that was killed leaves an empty one. */
        if (log <= 0 && !was_open)
                return 0;
        return tq_ledger_advise(err, -EBADMSG, path,
                                size < 0 ? "it is missing, and what belongs to it is there"
                                         : "it is empty, and what belongs to it is there");
}

int tq_ledger_must_exist(const char *path, TqError *err) {
        struct stat st;
        int64_t size = -1;
        int r = size_beside(path, "", &st, &size, err);

        if (r < 0 || size > 0)
                return TQ_MIN(r, 0);
        return tq_ledger_advise(err, -EBADMSG, path,
                                size < 0 ? "it is missing, and there was one (its disk may not be "
                                           "mounted)"
                                         : "it is empty, and there was one");
}

static int sync_directory(const char *path) {
        TQ_CLOSE int fd = -EBADF;
        char dir[PATH_MAX];

        (void)snprintf(dir, sizeof(dir), "%.*s", directory_length(path), path);
        fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return fd < 0 || fsync(fd) < 0 ? tq_errno() : 0;
}

int tq_ledger_place_mark(const char *path) {
        TQ_FREE char *mark = tq_ledger_place_beside(path, TQ_LEDGER_MARK_SUFFIX);
        TQ_CLOSE int fd = -EBADF;
        char is[IDENTITY_MAX];
        int r;

        if (!mark)
                return -ENOMEM;
        (void)unlink(mark);
        fd = open(mark, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return tq_errno();
        (void)identify(path, is, sizeof(is));
        r = tq_fs_write_all(fd, is, strlen(is));
        if (r >= 0 && fsync(fd) < 0)
                r = tq_errno();
        return r < 0 ? r : sync_directory(path);
}

int tq_ledger_place_unmark(const char *path) {
        TQ_FREE char *mark = tq_ledger_place_beside(path, TQ_LEDGER_MARK_SUFFIX);

        if (!mark)
                return -ENOMEM;
        if (unlink(mark) < 0)
                return errno == ENOENT ? 0 : tq_errno();
        return sync_directory(path);
}

void tq_ledger_place_clear(const char *path) {
        TQ_FREE char *left = tq_ledger_place_beside(path, TQ_LEDGER_BACKUP_SUFFIX);

        if (left)
                (void)unlink(left);
}
