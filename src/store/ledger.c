/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/ledger.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "store/ledger_private.h"
#include "store/ledger_schema.h"

/* One connection, ever: WAL mode in SQLite 3.40 can corrupt the log with two, and EXCLUSIVE locking
 * keeps the log's index in our memory. synchronous=FULL makes a commit an fsync; NORMAL would lose
 * acknowledged jobs in a power cut. Here it is opened, checked and brought to our version; what is
 * asked and changed: the other files of its name. */

#define BUSY_MSEC   15000 /* longer than tenantqd waits for an engine that leaves */
#define CHECK_PAGES 16384 /* 64 MiB, 0.2 s */
#define CHECK_USEC  (10 * TQ_USEC_PER_SEC) /* less than a watchdog's patience */
#define CHECK_STEPS 10000

static int fail(TqLedger *l, int rc, const char *what, TqError *err) {
        char text[512];

        if (tq_ledger_errno(rc) == -EBADMSG && l->file.path) {
                (void)snprintf(text, sizeof(text), "it is damaged (%s: %s)", what,
                               l->db ? sqlite3_errmsg(l->db) : sqlite3_errstr(rc));
                return tq_ledger_advise(err, -EBADMSG, l->file.path, text);
        }
        if (tq_ledger_errno(rc) == -EBUSY)
                return tq_error(err, -EBUSY,
                                "ledger: another process has it open (%s), another engine or "
                                "sqlite3: end it, then start tenantq again",
                                l->file.path ? l->file.path : what);
        return tq_error(err, tq_ledger_errno(rc), "ledger: %s: %s", what,
                        l->db ? sqlite3_errmsg(l->db) : sqlite3_errstr(rc));
}

static int check_version(TqLedger *l, bool *ret_is_new, int64_t *ret_version, TqError *err) {
        int64_t id = 0, version = 0, objects = 0;
        char what[80];
        int rc;

        rc = tq_ledger_number(l, "PRAGMA application_id", &id);
        if (rc == SQLITE_OK)
                rc = tq_ledger_number(l, "PRAGMA user_version", &version);
        if (rc == SQLITE_OK)
                rc = tq_ledger_number(l, "SELECT count(*) FROM sqlite_schema", &objects);
        if (rc != SQLITE_OK)
                return fail(l, rc, "reading its version", err);
        *ret_is_new = objects == 0 && id == 0;
        if (*ret_is_new)
                return 0;
        if (id != TQ_LEDGER_APPLICATION_ID) {
                (void)snprintf(what, sizeof(what), "not a ledger of tenantq (application id %lld)",
                               (long long)id);
                return tq_ledger_advise(err, -EBADMSG, l->file.path, what);
        }
        *ret_version = version;
        if (version < 1 || version > TQ_LEDGER_VERSION)
                return tq_error(err, -EBADMSG,
                                "ledger: has schema version %lld, this program knows %d: start the "
                                "tenantq that made it, or bring back a backup of before "
                                "(tenantqd(8), A damaged ledger)",
                                (long long)version, TQ_LEDGER_VERSION);
        return 0;
}

static int prepare(TqLedger *l, TqError *err) {
        const char *query;
        int rc = tq_ledger_prepare(l, &query);

        return rc != SQLITE_OK ? fail(l, rc, query, err) : 0;
}

static int make_schema(TqLedger *l, TqError *err) {
        char create[256];
        int rc;

        (void)snprintf(create, sizeof(create),
                       "PRAGMA application_id=%d; PRAGMA user_version=%d; COMMIT;",
                       TQ_LEDGER_APPLICATION_ID, TQ_LEDGER_VERSION);
        rc = sqlite3_exec(l->db, "BEGIN", NULL, NULL, NULL);
        if (rc == SQLITE_OK)
                rc = sqlite3_exec(l->db, tq_ledger_schema, NULL, NULL, NULL);
        if (rc == SQLITE_OK)
                rc = sqlite3_exec(l->db, create, NULL, NULL, NULL);
        return rc != SQLITE_OK ? fail(l, rc, "making the schema", err) : 0;
}

/* One step; a crash in the middle leaves the version before it. */
static int migrate(TqLedger *l, int64_t version, TqError *err) {
        char finish[96];
        int64_t secure = 0;
        int rc;

        /* What a step makes anew is copied; zeros over what it was copied from would be as much
         * again. */
        rc = tq_ledger_number(l, "PRAGMA secure_delete", &secure);
        if (rc == SQLITE_OK)
                rc = sqlite3_exec(l->db, "PRAGMA secure_delete=0; BEGIN IMMEDIATE", NULL, NULL,
                                  NULL);
        (void)snprintf(finish, sizeof(finish),
                       "PRAGMA user_version=%d; COMMIT; PRAGMA secure_delete=%d;", (int)version + 1,
                       rc == SQLITE_OK ? (int)secure : 0);
        if (rc == SQLITE_OK)
                rc = sqlite3_exec(l->db, tq_ledger_migrations[version - 1], NULL, NULL, NULL);
        if (rc == SQLITE_OK && version + 1 == TQ_LEDGER_WITH_CHAIN)
                rc = tq_chain_begin(l->db);
        if (rc == SQLITE_OK)
                rc = sqlite3_exec(l->db, finish, NULL, NULL, NULL);
        if (rc == SQLITE_FULL)
                return tq_error(err, -ENOSPC,
                                "ledger: %s: no room to bring it from version %lld to %lld: make "
                                "room for twice its size (tenantqd(8), Upgrade); nothing is lost",
                                l->file.path, (long long)version, (long long)version + 1);
        return rc != SQLITE_OK ? fail(l, rc, "bringing it to this version", err) : 0;
}

/* Ends the check when its time is over. */
static int is_late(void *deadline) {
        return tq_clock_monotonic_usec() > *(const uint64_t *)deadline;
}

/* The first of what quick_check says, behind a heading. */
static int refuse_damaged(const TqLedger *l, const char *said, TqError *err) {
        const char *first = strncmp(said, "*** ", 4) == 0 ? strchr(said, '\n') : NULL;
        char what[256];

        first = first ? first + 1 : said;
        (void)snprintf(what, sizeof(what), "it is damaged (%.*s)", (int)strcspn(first, "\n"),
                       first);
        return tq_ledger_advise(err, -EBADMSG, l->file.path, what);
}

/* Every page, and how they hang together: 2.4 ms a megabyte that is in memory. What damages a file
 * is mostly what also ends a start without a clean stop before it, or a copy that was brought back;
 * of a small one it costs nothing in any case. It is bounded, so that a large one starts too: what
 * is left is found when it is read, and by `ledger check`. */
static int check_pages(TqLedger *l, bool was_closed, TqError *err) {
        uint64_t deadline = tq_clock_monotonic_usec() + CHECK_USEC;
        const char *said;
        int64_t pages = 0;
        sqlite3_stmt *s;
        int rc, r = 0;

        rc = tq_ledger_number(l, "PRAGMA page_count", &pages);
        if (rc != SQLITE_OK)
                return fail(l, rc, "reading its size", err);
        if (was_closed && pages > CHECK_PAGES)
                return 0;
        rc = sqlite3_prepare_v2(l->db, "PRAGMA quick_check(1)", -1, &s, NULL);
        if (rc != SQLITE_OK)
                return fail(l, rc, "checking it", err);
        sqlite3_progress_handler(l->db, CHECK_STEPS, is_late, &deadline);
        rc = sqlite3_step(s);
        said = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(s, 0) : NULL;
        if (said && strcmp(said, "ok") != 0)
                r = refuse_damaged(l, said, err);
        else if (rc != SQLITE_ROW && rc != SQLITE_INTERRUPT)
                r = fail(l, rc, "checking it", err);
        sqlite3_progress_handler(l->db, 0, NULL, NULL);
        (void)sqlite3_finalize(s);
        return r;
}

static int set_up(TqLedger *l, const TqLedgerPlace *place, TqError *err) {
        /* What changes nothing in the file comes before we know that it is ours. */
        static const char before[] =
                "PRAGMA locking_mode=EXCLUSIVE; PRAGMA synchronous=FULL;"
                "PRAGMA temp_store=MEMORY;" TQ_LEDGER_CACHE "PRAGMA cell_size_check=ON;";
        /* Of a backup that was brought back the log is begun by reading something. */
        static const char after[] = "PRAGMA journal_mode=WAL; PRAGMA journal_size_limit=67108864;"
                                    "SELECT 1 FROM sqlite_schema;";
        bool is_new = false;
        int64_t version = TQ_LEDGER_VERSION;
        int r, rc;

        rc = sqlite3_exec(l->db, before, NULL, NULL, NULL);
        if (rc != SQLITE_OK)
                return fail(l, rc, "setting it up", err);
        r = check_version(l, &is_new, &version, err);
        if (r >= 0 && !is_new)
                r = check_pages(l, place->was_closed, err);
        if (r < 0)
                return r;
        rc = sqlite3_exec(l->db, after, NULL, NULL, NULL);
        if (rc != SQLITE_OK)
                return fail(l, rc, "setting it up", err);
        if (is_new) {
                r = make_schema(l, err);
                if (r < 0)
                        return r;
        }
        l->brought_from = !is_new && version < TQ_LEDGER_VERSION ? (int)version : 0;
        for (; !is_new && version < TQ_LEDGER_VERSION; version++) {
                r = migrate(l, version, err);
                if (r < 0)
                        return r;
        }
        rc = tq_chain_read(l->db, &l->chain);
        return rc != SQLITE_OK ? fail(l, rc, "reading the end of the audit", err) : prepare(l, err);
}

int tq_ledger_brought_from(const TqLedger *l) {
        return l->brought_from;
}

/* Still the file that was opened: 0, -ESTALE. Who may not look, since a directory above is closed
 * for a moment (tar does that to what it extracts into), has it open nevertheless. */
static int check_file(const TqLedgerFile *f) {
        struct stat st;

        if (stat(f->path, &st) < 0)
                return errno == ENOENT || errno == ENOTDIR ? -ESTALE : 0;
        return st.st_dev == f->device && st.st_ino == f->inode ? 0 : -ESTALE;
}

/* Kept open: to close it would drop SQLite's lock (fcntl(2)). What everybody has submitted is
 * nobody else's to read, wherever it may be moved to. */
static int remember_file(TqLedgerFile *f) {
        struct stat st;
        int fd = open(f->path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);

        if (fd < 0)
                return tq_errno();
        (void)tq_close(f->fd);
        f->fd = fd;
        if (fstat(fd, &st) < 0 || ((st.st_mode & 0777) != 0600 && fchmod(fd, 0600) < 0))
                return tq_errno();
        f->device = st.st_dev;
        f->inode = st.st_ino;
        return 0;
}

/* What is in the log that SQLite holds open goes to the database, and a new log is begun (SQLite,
 * "Write-Ahead Logging", 3.4). */
static int renew_log(TqLedger *l) {
        /* For a moment there is none. */
        int rc, r = tq_ledger_place_unmark(l->file.path);

        if (r < 0)
                return r;
        rc = sqlite3_exec(
                l->db,
                "PRAGMA journal_mode=DELETE; PRAGMA journal_mode=WAL; SELECT 1 FROM sqlite_schema;",
                NULL, NULL, NULL);
        if (rc != SQLITE_OK)
                return tq_ledger_errno(rc);
        (void)tq_ledger_place_mark(l->file.path);
        return remember_file(&l->log);
}

int tq_ledger_check(TqLedger *l) {
        int r = check_file(&l->file);

        if (r >= 0)
                r = check_file(&l->log);
        else
                return r;
        if (r != -ESTALE)
                return r;
        r = renew_log(l);
        return r < 0 ? r : 1;
}

/* What is in the log is made durable, whoever has written it: what an engine that was killed had
 * not synced, SQLite has taken for committed. Nor is a sync enough: after one that has failed the
 * kernel may have what it was to write in memory only, and no longer know that it has to be
 * written (fsync(2), NOTES; Rebello et al., Can Applications Recover from fsync Failures?, 2020);
 * all that is appended later would be lost with it. So each byte is written once more. */
static int settle_log(int fd) {
        char bytes[65536];

        for (off_t at = 0;;) {
                ssize_t n = pread(fd, bytes, sizeof(bytes), at), written;

                if (n == 0)
                        return fsync(fd) < 0 ? tq_errno() : 0;
                if (n < 0)
                        return tq_errno();
                written = pwrite(fd, bytes, (size_t)n, at);
                /* A file system that writes to another place, and has none. */
                if (written < 0 && errno == ENOSPC)
                        return fsync(fd) < 0 ? tq_errno() : 0;
                if (written != n)
                        return written < 0 ? tq_errno() : -EIO;
                at += n;
        }
}

static int remember_files(TqLedger *l, TqError *err) {
        int r = remember_file(&l->file);

        if (r >= 0)
                r = remember_file(&l->log);
        if (r >= 0)
                r = settle_log(l->log.fd);
        if (r < 0)
                return tq_error_errno(err, r, "%s", l->file.path);
        /* Without it the next start finds less of what may be wrong; that is no reason not to run.
         */
        (void)tq_ledger_place_mark(l->file.path);
        l->is_whole = true;
        return 0;
}

int tq_ledger_open(const char *path, const uint8_t boot_id[16], TqLedger **ret, TqError *err) {
        TqLedger *l = calloc(1, sizeof(*l));
        TqLedgerPlace place = {};
        int rc, r;

        if (!l)
                return tq_error(err, -ENOMEM, "out of memory");
        memcpy(l->boot_id, boot_id, sizeof(l->boot_id));
        l->file.fd = l->log.fd = -EBADF;
        l->file.path = strdup(path);
        l->log.path = tq_ledger_place_beside(path, "-wal");
        r = l->file.path && l->log.path ? tq_ledger_place_check(path, &place, err)
                                        : tq_error(err, -ENOMEM, "out of memory");
        if (r < 0) {
                (void)tq_ledger_close(l);
                return r;
        }
        rc = sqlite3_open_v2(path, &l->db,
                             SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX |
                                     SQLITE_OPEN_NOFOLLOW,
                             NULL);
        /* The engine before us may not have left it yet. */
        if (rc == SQLITE_OK)
                (void)sqlite3_busy_timeout(l->db, BUSY_MSEC);
        r = rc == SQLITE_OK ? set_up(l, &place, err) : fail(l, rc, path, err);
        /* Nobody else is copying it. */
        if (r >= 0)
                tq_ledger_place_clear(path);
        if (r >= 0)
                r = remember_files(l, err);
        if (r < 0) {
                (void)tq_ledger_close(l);
                return r;
        }
        *ret = l;
        return 0;
}

TqLedger *tq_ledger_close(TqLedger *l) {
        if (!l)
                return NULL;
        for (int i = 0; i < _Q_MAX; i++)
                (void)sqlite3_finalize(l->statements[i]);
        /* Before the log goes. It has to stay as long as there may be a mark: ours, if the disk
         * does not let it go for good, or that of an engine that was killed, if opening has failed.
         */
        if (l->db && (!l->is_whole || tq_ledger_place_unmark(l->file.path) < 0))
                (void)sqlite3_db_config(l->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
        (void)sqlite3_close(l->db);
        (void)tq_close(l->file.fd);
        (void)tq_close(l->log.fd);
        free(l->file.path);
        free(l->log.path);
        free(l);
        return NULL;
}
