/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/snapshot.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "base/fs.h"
#include "store/ledger_private.h"

/* SQLite changes what it opens: it puts a log that is left into the database, and removes it. What
 * is looked at here is evidence, or somebody's only backup. So a lone file is opened as
 * `immutable`, without locks and without looking for a log; and one with a log is copied with it,
 * and the copy is opened. A copy has no name any more once it is open.
 *
 * That the ledger's daemon runs, its lock says: SQLite's, on bytes behind the first GiB ("File
 * Locking And Concurrency", 3.0), held as long as the ledger is open. It is asked before and, as
 * nothing keeps a daemon from starting meanwhile, behind. */

enum { LOCK_AT = 0x40000000, LOCK_SIZE = 512 };

struct TqSnapshot {
        sqlite3 *db;
        int fd; /* of the file whose lock is asked; -EBADF: it has none */
};

static bool is_locked(int fd) {
        struct flock lock = {
                .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = LOCK_AT, .l_len = LOCK_SIZE
        };

        return fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

int tq_snapshot_fail(const TqSnapshot *s, const char *what, TqError *err) {
        return tq_error(err, tq_ledger_errno(sqlite3_errcode(s->db)), "%s: %s", what,
                        sqlite3_errmsg(s->db));
}

/* The path as SQLite's URI: what has a meaning in one is written by its number. */
static void add_uri(TqBuffer *b, const char *path) {
        tq_buffer_append_string(b, path[0] == '/' ? "file://" : "file:");
        for (const char *p = path; *p; p++)
                if ((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
                    (*p >= '0' && *p <= '9') || strchr("/._-", *p))
                        tq_buffer_append(b, p, 1);
                else
                        tq_buffer_printf(b, "%%%02X", (unsigned char)*p);
        tq_buffer_append_string(b, "?immutable=1");
}

/* SQLite opens a log when something is asked of it. What is damaged is for who asks more. */
static int touch(TqSnapshot *s, const char *path, TqError *err) {
        int rc = sqlite3_exec(s->db, "PRAGMA cache_size=-16384; SELECT count(*) FROM sqlite_schema",
                              NULL, NULL, NULL);

        return rc == SQLITE_OK || tq_ledger_errno(rc) == -EBADMSG ? 0
                                                                  : tq_snapshot_fail(s, path, err);
}

static int open_lone(TqSnapshot *s, const char *path, TqError *err) {
        TQ_BUFFER_CLEANUP TqBuffer uri = {};

        add_uri(&uri, path);
        if (tq_buffer_error(&uri) < 0)
                return tq_error(err, -ENOMEM, "out of memory");
        if (sqlite3_open_v2(tq_buffer_string(&uri), &s->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI,
                            NULL) != SQLITE_OK)
                return tq_snapshot_fail(s, path, err);
        return touch(s, path, err);
}

/* Copies ------------------------------------------------------------------------------------- */

/* A directory of our own, with the copy of a ledger in it. */
typedef struct Nest {
        char path[PATH_MAX];
        int fd;
} Nest;

static const char *const nest_names[] = { "ledger.db", "ledger.db-wal", "ledger.db-journal" };

static int nest_make(Nest *n, TqError *err) {
        const char *dir = getenv("TMPDIR"); /* NOLINT(concurrency-mt-unsafe) */

        (void)snprintf(n->path, sizeof(n->path), "%s/tenantq-ledger.XXXXXX",
                       dir && dir[0] == '/' ? dir : "/var/tmp");
        if (!mkdtemp(n->path))
                return tq_error_errno(err, tq_errno(), "%s", n->path);
        n->fd = open(n->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return n->fd < 0 ? tq_error_errno(err, tq_errno(), "%s", n->path) : 0;
}

/* What is open stays. */
static void nest_remove(Nest *n) {
        for (size_t i = 0; n->fd >= 0 && i < TQ_ELEMENTSOF(nest_names); i++)
                (void)unlinkat(n->fd, nest_names[i], 0);
        if (n->path[0] != '\0')
                (void)rmdir(n->path);
        n->fd = tq_close(n->fd);
}

static int nest_put(const Nest *n, size_t i, int from, TqError *err) {
        TQ_CLOSE int fd =
                openat(n->fd, nest_names[i], O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        int r = fd < 0 ? tq_errno() : tq_fs_copy(from, fd, NULL);

        return r < 0 ? tq_error_errno(err, r, "a copy in %s", n->path) : 0;
}

/* With locking_mode=EXCLUSIVE the log has no index beside it. */
static int open_with_log(TqSnapshot *s, const char *path, TqError *err) {
        if (sqlite3_open_v2(path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOFOLLOW, NULL) !=
                    SQLITE_OK ||
            sqlite3_db_config(s->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL) != SQLITE_OK ||
            sqlite3_exec(s->db, "PRAGMA locking_mode=EXCLUSIVE", NULL, NULL, NULL) != SQLITE_OK)
                return tq_snapshot_fail(s, path, err);
        return touch(s, path, err);
}

/* fds: of the database and what lies beside it; -EBADF: nothing. */
static int open_copy(TqSnapshot *s, const int fds[static TQ_ELEMENTSOF(nest_names)], bool has_log,
                     TqError *err) {
        Nest nest = { .fd = -EBADF };
        char path[PATH_MAX + 16];
        int r;

        r = nest_make(&nest, err);
        for (size_t i = 0; r >= 0 && i < TQ_ELEMENTSOF(nest_names); i++)
                if (fds[i] >= 0)
                        r = nest_put(&nest, i, fds[i], err);
        (void)snprintf(path, sizeof(path), "%s/%s", nest.path, nest_names[0]);
        if (r >= 0)
                r = has_log ? open_with_log(s, path, err) : open_lone(s, path, err);
        nest_remove(&nest);
        return r;
}

/* Opening ------------------------------------------------------------------------------------- */

static TqSnapshot *make(void) {
        TqSnapshot *s = calloc(1, sizeof(*s));

        if (s)
                s->fd = -EBADF;
        return s;
}

static int finish(TqSnapshot *s, int r, TqSnapshot **ret) {
        if (r < 0)
                (void)tq_snapshot_close(s);
        else
                *ret = s;
        return r;
}

/* -EBADF: there is none, or nothing is in it. What can't be read may be all that is new. */
static int open_beside(const char *path, const char *suffix, int *ret, TqError *err) {
        TQ_FREE char *beside = tq_ledger_place_beside(path, suffix);
        TQ_CLOSE int fd = -EBADF;
        struct stat st;

        if (!beside)
                return tq_error(err, -ENOMEM, "out of memory");
        fd = open(beside, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        if (fd < 0 ? errno != ENOENT : fstat(fd, &st) < 0)
                return tq_error_errno(err, tq_errno(), "%s", beside);
        *ret = fd >= 0 && S_ISREG(st.st_mode) && st.st_size > 0 ? tq_take_fd(&fd) : -EBADF;
        return 0;
}

static int open_file(TqSnapshot *s, const char *path, TqError *err) {
        TQ_CLOSE int log_fd = -EBADF, journal_fd = -EBADF;
        struct stat st;
        int r;

        s->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        if (s->fd < 0 || fstat(s->fd, &st) < 0)
                return tq_error_errno(err, tq_errno(), "%s", path);
        if (!S_ISREG(st.st_mode))
                return tq_error(err, -EINVAL, "%s: not a file", path);
        if (is_locked(s->fd))
                return tq_error(err, -EBUSY,
                                "%s is in use: its daemon runs (without FILE, tenantqctl asks it)",
                                path);
        r = open_beside(path, "-wal", &log_fd, err);
        if (r >= 0)
                r = open_beside(path, "-journal", &journal_fd, err);
        if (r < 0)
                return r;
        if (log_fd < 0 && journal_fd < 0)
                return open_lone(s, path, err);
        return open_copy(s, (const int[]){ s->fd, log_fd, journal_fd }, true, err);
}

int tq_snapshot_open(const char *path, TqSnapshot **ret, TqError *err) {
        TqSnapshot *s = make();

        return s ? finish(s, open_file(s, path, err), ret)
                 : tq_error(err, -ENOMEM, "out of memory");
}

int tq_snapshot_open_fd(int fd, TqSnapshot **ret, TqError *err) {
        TqSnapshot *s = make();

        if (!s)
                return tq_error(err, -ENOMEM, "out of memory");
        return finish(s, open_copy(s, (const int[]){ fd, -EBADF, -EBADF }, false, err), ret);
}

TqSnapshot *tq_snapshot_close(TqSnapshot *s) {
        if (!s)
                return NULL;
        (void)sqlite3_close(s->db);
        (void)tq_close(s->fd);
        free(s);
        return NULL;
}

sqlite3 *tq_snapshot_db(const TqSnapshot *s) {
        return s->db;
}

bool tq_snapshot_is_torn(const TqSnapshot *s) {
        return s->fd >= 0 && is_locked(s->fd);
}

/* Asking -------------------------------------------------------------------------------------- */

int tq_snapshot_each(const TqSnapshot *s, const char *sql,
                     int (*row)(void *userdata, sqlite3_stmt *s), void *userdata, TqError *err) {
        sqlite3_stmt *statement;
        int rc, r = 0;

        rc = sqlite3_prepare_v2(s->db, sql, -1, &statement, NULL);
        while (rc == SQLITE_OK && r >= 0) {
                if (sqlite3_step(statement) != SQLITE_ROW)
                        break;
                r = row(userdata, statement);
        }
        rc = r < 0 ? SQLITE_OK : sqlite3_errcode(s->db);
        if (rc != SQLITE_OK && rc != SQLITE_ROW && rc != SQLITE_DONE)
                r = tq_snapshot_fail(s, "it can't be read", err);
        (void)sqlite3_finalize(statement);
        return r;
}

static int take_number(void *userdata, sqlite3_stmt *s) {
        *(int64_t *)userdata = sqlite3_column_int64(s, 0);
        return 0;
}

int tq_snapshot_number(const TqSnapshot *s, const char *sql, int64_t *ret, TqError *err) {
        return tq_snapshot_each(s, sql, take_number, ret, err);
}
