/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/ledger.h"

#include <endian.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "store/ledger_private.h"
#include "store/ledger_schema.h"

/* One connection, ever: WAL mode in SQLite 3.40 can corrupt the log with two, and EXCLUSIVE locking
 * keeps the log's index in our memory. synchronous=FULL makes a commit an fsync; NORMAL would lose
 * acknowledged jobs in a power cut. Statements are prepared once. The words of a query are
 * constants: nothing that a tenant wrote is ever part of SQL, only bound to it.
 *
 * Many changes share one commit (tq_ledger_apply); so an accepted job costs a fraction of an fsync
 * when there are many, and one when it is alone. */

#define BUSY_MSEC 15000 /* longer than tenantqd waits for an engine that leaves */

static const char *const queries[_Q_MAX] = {
        [Q_BEGIN] = "BEGIN IMMEDIATE",
        [Q_COMMIT] = "COMMIT",
        [Q_ROLLBACK] = "ROLLBACK",
        [Q_TENANT] = "INSERT INTO tenants(id, name, uid, first_seen_usec, user, owned) "
                     "VALUES(?1, ?2, ?3, ?4, ?5, (SELECT coalesce(max(owned), 0) + 1 FROM tenants))"
                     " ON CONFLICT(id) DO UPDATE SET uid = ?3, user = ?5, owned = excluded.owned",
        [Q_ACCEPT] =
                "INSERT INTO jobs(id, claim, tenant, queue, name, state, priority, submitted_usec,"
                " submitter_uid, start_after_usec, correlation_id, labels, spec, held, "
                "deadline_usec,"
                " after, runtime_usec, stop_usec, memory_bytes) "
                "VALUES(?1, ?2, ?3, ?4, ?5, 'queued', ?6, ?7, ?8, ?9, ?10, ?11, ?12, 0, ?13, ?14,"
                " ?15, ?16, ?17) "
                "ON CONFLICT(claim) DO NOTHING",
        [Q_RUNNING_ATTEMPT] = "INSERT INTO attempts(job, attempt, boot, released_usec) "
                              "VALUES(?1, ?2, ?3, ?4)",
        [Q_RUNNING_JOB] = "UPDATE jobs SET state = 'running', attempt = ?2, held = 0 WHERE id = ?1",
        [Q_STOP] = "UPDATE jobs SET state = 'stopping', stop = ?2 WHERE id = ?1",
        [Q_REQUEUE] = "UPDATE jobs SET state = 'queued' WHERE id = ?1",
        [Q_DONE_JOB] =
                "UPDATE jobs SET state = 'done', outcome = ?2, level = ?3, stage = ?4, code = ?5,"
                " verdict = ?6, ended_usec = ?7, stop = coalesce(?8, stop), held = 0 WHERE id = ?1",
        [Q_DONE_ATTEMPT] =
                "UPDATE attempts SET started_usec = ?3, ended_usec = ?4, run_usec = ?5,"
                " verdict = ?6, cpu_usec = ?7, memory_peak_bytes = ?8, oom_kills = ?9,"
                " io_read_bytes = ?10, io_write_bytes = ?11, pids_peak = ?12,"
                " pids_denied = ?13, dropped_bytes = ?14 WHERE job = ?1 AND attempt = ?2",
        [Q_EVENT] = "INSERT INTO events(time_usec, kind, tenant, job, uid, text) "
                    "VALUES(?1, ?2, nullif(?3, 0), nullif(?4, 0), nullif(?5, 4294967295), ?6)",
        [Q_LIMIT] = "INSERT INTO limits(time_usec, uid, tenant, queue, name, old_value, new_value,"
                    " kernel, why) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        [Q_HOLD] = "UPDATE jobs SET held = ?2 WHERE id = ?1 AND state = 'queued'",
        [Q_SWITCH] = "INSERT OR REPLACE INTO switches(tenant, queue, paused, draining, time_usec,"
                     " uid, why) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        [Q_AFTER_JOB] = "SELECT id, state, outcome, code FROM jobs WHERE id = ?2 AND tenant = ?1",
        [Q_AFTER_NAME] = "SELECT id, state, outcome, code FROM jobs "
                         "WHERE tenant = ?1 AND name = ?3 AND id < ?4 ORDER BY id DESC LIMIT 1",
        [Q_AFTER_NEXT] = "SELECT id, state, outcome, code FROM jobs "
                         "WHERE tenant = ?1 AND name = ?3 AND id > ?4 ORDER BY id LIMIT 1",
        [Q_HAS_CLAIM] = "SELECT 1 FROM jobs WHERE claim = ?1",
        [Q_SPEC] = "SELECT spec FROM jobs WHERE id = ?1",
};

int tq_ledger_errno(int rc) {
        switch (rc & 0xFF) {
        case SQLITE_OK:
        case SQLITE_ROW:
        case SQLITE_DONE:
                return 0;
        case SQLITE_NOMEM:
                return -ENOMEM;
        case SQLITE_FULL:
                return -ENOSPC;
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
                return -EBUSY;
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB:
                return -EBADMSG;
        case SQLITE_CANTOPEN:
        case SQLITE_PERM:
        case SQLITE_READONLY:
                return -EACCES;
        case SQLITE_CONSTRAINT:
                return -EEXIST;
        default:
                return -EIO;
        }
}

void tq_ledger_op_done(TqLedgerOp *op) {
        free(op->text);
        free(op->user);
        if (op->type == TQ_LEDGER_ACCEPT) {
                free(op->accept.name);
                free(op->accept.correlation_id);
                free(op->accept.labels);
                free(op->accept.after);
                free(op->accept.spec);
        } else if (op->type == TQ_LEDGER_LIMIT) {
                free(op->limit.name);
                free(op->limit.old_value);
                free(op->limit.new_value);
                free(op->limit.kernel);
        }
        *op = (TqLedgerOp){};
}

/* Statements ---------------------------------------------------------------------------------- */

sqlite3_stmt *tq_ledger_statement(TqLedger *l, TqLedgerQuery q) {
        sqlite3_stmt *s = l->statements[q];

        (void)sqlite3_reset(s);
        (void)sqlite3_clear_bindings(s);
        return s;
}

static void bind_text(sqlite3_stmt *s, int i, const char *text) {
        if (text)
                (void)sqlite3_bind_text(s, i, text, -1, SQLITE_STATIC);
}

/* Counters nobody could read are NULL; beyond 2^63 they are cut. */
static void bind_counter(sqlite3_stmt *s, int i, uint64_t v) {
        if (v != TQ_UNKNOWN)
                (void)sqlite3_bind_int64(s, i, (int64_t)TQ_MIN(v, (uint64_t)INT64_MAX));
}

void tq_ledger_bind_u64(sqlite3_stmt *s, int i, uint64_t v) {
        (void)sqlite3_bind_int64(s, i, (int64_t)TQ_MIN(v, (uint64_t)INT64_MAX));
}

static int run(sqlite3_stmt *s) {
        int rc = sqlite3_step(s);

        (void)sqlite3_reset(s);
        return tq_ledger_errno(rc);
}

static int apply_accept(TqLedger *l, const TqLedgerOp *op) {
        sqlite3_stmt *s = tq_ledger_statement(l, Q_ACCEPT);

        tq_ledger_bind_u64(s, 1, op->job);
        if (op->accept.claim > 0)
                tq_ledger_bind_u64(s, 2, op->accept.claim);
        tq_ledger_bind_u64(s, 3, op->tenant);
        bind_text(s, 4, op->accept.queue);
        bind_text(s, 5, op->accept.name);
        (void)sqlite3_bind_int(s, 6, op->accept.priority);
        tq_ledger_bind_u64(s, 7, op->time_usec);
        tq_ledger_bind_u64(s, 8, op->uid);
        if (op->accept.start_after_usec > 0)
                tq_ledger_bind_u64(s, 9, op->accept.start_after_usec);
        bind_text(s, 10, op->accept.correlation_id);
        bind_text(s, 11, op->accept.labels);
        (void)sqlite3_bind_blob64(s, 12, op->accept.spec, op->accept.spec_size, SQLITE_STATIC);
        if (op->accept.has_deadline)
                tq_ledger_bind_u64(s, 13, op->accept.deadline_usec);
        bind_text(s, 14, op->accept.after);
        tq_ledger_bind_u64(s, 15, op->accept.runtime_usec);
        tq_ledger_bind_u64(s, 16, op->accept.stop_usec);
        tq_ledger_bind_u64(s, 17, op->accept.memory_bytes);
        return run(s);
}

static int apply_running(TqLedger *l, const TqLedgerOp *op) {
        sqlite3_stmt *s = tq_ledger_statement(l, Q_RUNNING_ATTEMPT);
        uint64_t released = htole64(op->boottime_usec);
        uint8_t boot[TQ_LEDGER_BOOT_SIZE];
        int r;

        tq_ledger_bind_u64(s, 1, op->job);
        tq_ledger_bind_u64(s, 2, op->attempt);
        memcpy(boot, l->boot_id, sizeof(l->boot_id));
        memcpy(boot + sizeof(l->boot_id), &released, sizeof(released));
        (void)sqlite3_bind_blob(s, 3, boot, sizeof(boot), SQLITE_STATIC);
        tq_ledger_bind_u64(s, 4, op->time_usec);
        r = run(s);
        if (r < 0)
                return r;
        s = tq_ledger_statement(l, Q_RUNNING_JOB);
        tq_ledger_bind_u64(s, 1, op->job);
        tq_ledger_bind_u64(s, 2, op->attempt);
        return run(s);
}

static int apply_done(TqLedger *l, const TqLedgerOp *op) {
        const TqVerdict *v = &op->verdict;
        const TqEnd *e = &v->end;
        uint64_t ended = e->ended_usec > 0 ? e->ended_usec : op->time_usec;
        sqlite3_stmt *s = tq_ledger_statement(l, Q_DONE_JOB);
        char text[160];
        int r;

        (void)tq_verdict_format(v, text, sizeof(text));
        tq_ledger_bind_u64(s, 1, op->job);
        bind_text(s, 2, tq_verdict_outcome_to_string(v->outcome));
        if (v->level != TQ_LEVEL_NONE)
                bind_text(s, 3, tq_verdict_level_to_string(v->level));
        if (v->stage != TQ_STAGE_NONE)
                bind_text(s, 4, tq_verdict_stage_to_string(v->stage));
        (void)sqlite3_bind_int(s, 5, v->code);
        bind_text(s, 6, text);
        tq_ledger_bind_u64(s, 7, ended);
        if (op->stop != TQ_STOP_NONE)
                bind_text(s, 8, tq_verdict_stop_to_string(op->stop));
        r = run(s);
        if (r < 0)
                return r;
        s = tq_ledger_statement(l, Q_DONE_ATTEMPT);
        tq_ledger_bind_u64(s, 1, op->job);
        tq_ledger_bind_u64(s, 2, op->attempt);
        if (e->started_usec > 0) {
                tq_ledger_bind_u64(s, 3, e->started_usec);
                tq_ledger_bind_u64(s, 5, e->run_usec);
        }
        tq_ledger_bind_u64(s, 4, ended);
        bind_text(s, 6, text);
        bind_counter(s, 7, e->counters.cpu_usec);
        bind_counter(s, 8, e->counters.memory_peak_bytes);
        bind_counter(s, 9, e->counters.oom_kills);
        bind_counter(s, 10, e->counters.io_read_bytes);
        bind_counter(s, 11, e->counters.io_write_bytes);
        bind_counter(s, 12, e->counters.pids_peak);
        bind_counter(s, 13, e->counters.pids_denied);
        tq_ledger_bind_u64(s, 14, e->dropped_bytes);
        return run(s);
}

static int apply_event(TqLedger *l, const TqLedgerOp *op) {
        sqlite3_stmt *s = tq_ledger_statement(l, Q_EVENT);

        tq_ledger_bind_u64(s, 1, op->time_usec);
        bind_text(s, 2, op->kind);
        tq_ledger_bind_u64(s, 3, op->tenant);
        tq_ledger_bind_u64(s, 4, op->job);
        tq_ledger_bind_u64(s, 5, op->uid);
        bind_text(s, 6, op->text ? op->text : "");
        return run(s);
}

static int apply_limit(TqLedger *l, const TqLedgerOp *op) {
        sqlite3_stmt *s = tq_ledger_statement(l, Q_LIMIT);

        tq_ledger_bind_u64(s, 1, op->time_usec);
        tq_ledger_bind_u64(s, 2, op->uid);
        tq_ledger_bind_u64(s, 3, op->tenant);
        bind_text(s, 4, op->limit.queue);
        bind_text(s, 5, op->limit.name);
        bind_text(s, 6, op->limit.old_value);
        bind_text(s, 7, op->limit.new_value);
        bind_text(s, 8, op->limit.kernel);
        bind_text(s, 9, op->text);
        return run(s);
}

static int apply_hold(TqLedger *l, const TqLedgerOp *op) {
        sqlite3_stmt *s = tq_ledger_statement(l, Q_HOLD);

        tq_ledger_bind_u64(s, 1, op->job);
        (void)sqlite3_bind_int(s, 2, op->hold.level);
        return run(s);
}

static int apply_switch(TqLedger *l, const TqLedgerOp *op) {
        sqlite3_stmt *s = tq_ledger_statement(l, Q_SWITCH);

        tq_ledger_bind_u64(s, 1, op->tenant);
        bind_text(s, 2, op->hold.queue);
        (void)sqlite3_bind_int(s, 3, op->hold.switches.is_paused);
        (void)sqlite3_bind_int(s, 4, op->hold.switches.is_draining);
        tq_ledger_bind_u64(s, 5, op->time_usec);
        tq_ledger_bind_u64(s, 6, op->uid);
        bind_text(s, 7, op->text);
        return run(s);
}

static int apply_one(TqLedger *l, const TqLedgerOp *op) {
        sqlite3_stmt *s;

        switch (op->type) {
        case TQ_LEDGER_TENANT:
                s = tq_ledger_statement(l, Q_TENANT);
                tq_ledger_bind_u64(s, 1, op->tenant);
                bind_text(s, 2, op->text);
                tq_ledger_bind_u64(s, 3, op->uid);
                tq_ledger_bind_u64(s, 4, op->time_usec);
                bind_text(s, 5, op->user ? op->user : "");
                return run(s);
        case TQ_LEDGER_ACCEPT:
                return apply_accept(l, op);
        case TQ_LEDGER_RUNNING:
                return apply_running(l, op);
        case TQ_LEDGER_STOP:
                s = tq_ledger_statement(l, Q_STOP);
                tq_ledger_bind_u64(s, 1, op->job);
                bind_text(s, 2, tq_verdict_stop_to_string(op->stop));
                return run(s);
        case TQ_LEDGER_REQUEUE:
                s = tq_ledger_statement(l, Q_REQUEUE);
                tq_ledger_bind_u64(s, 1, op->job);
                return run(s);
        case TQ_LEDGER_DONE:
                return apply_done(l, op);
        case TQ_LEDGER_EVENT:
                return apply_event(l, op);
        case TQ_LEDGER_LIMIT:
                return apply_limit(l, op);
        case TQ_LEDGER_HOLD:
                return apply_hold(l, op);
        case TQ_LEDGER_SWITCH:
                return apply_switch(l, op);
        default:
                return -EINVAL;
        }
}

int tq_ledger_apply(TqLedger *l, const TqLedgerOp *ops, size_t n) {
        int r;

        r = run(tq_ledger_statement(l, Q_BEGIN));
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = apply_one(l, &ops[i]);
        if (r >= 0)
                r = run(tq_ledger_statement(l, Q_COMMIT));
        if (r < 0 && !sqlite3_get_autocommit(l->db))
                (void)run(tq_ledger_statement(l, Q_ROLLBACK));
        return r;
}

/* Opening ------------------------------------------------------------------------------------- */

static int fail(TqLedger *l, int rc, const char *what, TqError *err) {
        return tq_error(err, tq_ledger_errno(rc), "ledger: %s: %s", what,
                        l->db ? sqlite3_errmsg(l->db) : sqlite3_errstr(rc));
}

int tq_ledger_number(TqLedger *l, const char *sql, int64_t *ret) {
        sqlite3_stmt *s;
        int rc;

        rc = sqlite3_prepare_v2(l->db, sql, -1, &s, NULL);
        if (rc != SQLITE_OK)
                return rc;
        rc = sqlite3_step(s);
        if (rc == SQLITE_ROW)
                *ret = sqlite3_column_int64(s, 0);
        (void)sqlite3_finalize(s);
        return rc == SQLITE_ROW ? SQLITE_OK : rc;
}

static int check_version(TqLedger *l, bool *ret_is_new, int64_t *ret_version, TqError *err) {
        int64_t id = 0, version = 0, objects = 0;
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
        if (id != TQ_LEDGER_APPLICATION_ID)
                return tq_error(err, -EBADMSG,
                                "ledger: not a ledger of tenantq (application id %lld)",
                                (long long)id);
        *ret_version = version;
        if (version < 1 || version > TQ_LEDGER_VERSION)
                return tq_error(err, -EBADMSG,
                                "ledger: has schema version %lld, this program knows %d",
                                (long long)version, TQ_LEDGER_VERSION);
        return 0;
}

static int prepare(TqLedger *l, TqError *err) {
        for (int i = 0; i < _Q_MAX; i++) {
                int rc = sqlite3_prepare_v3(l->db, queries[i], -1, SQLITE_PREPARE_PERSISTENT,
                                            &l->statements[i], NULL);

                if (rc != SQLITE_OK)
                        return fail(l, rc, queries[i], err);
        }
        return 0;
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
        char finish[64];
        int rc;

        (void)snprintf(finish, sizeof(finish), "PRAGMA user_version=%d; COMMIT;", (int)version + 1);
        rc = sqlite3_exec(l->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
        if (rc == SQLITE_OK)
                rc = sqlite3_exec(l->db, tq_ledger_migrations[version - 1], NULL, NULL, NULL);
        if (rc == SQLITE_OK)
                rc = sqlite3_exec(l->db, finish, NULL, NULL, NULL);
        return rc != SQLITE_OK ? fail(l, rc, "bringing it to this version", err) : 0;
}

static int set_up(TqLedger *l, TqError *err) {
        /* What changes nothing in the file comes before we know that it is ours. */
        static const char before[] = "PRAGMA locking_mode=EXCLUSIVE; PRAGMA synchronous=FULL;"
                                     "PRAGMA temp_store=MEMORY; PRAGMA cache_size=-16384;";
        static const char after[] = "PRAGMA journal_mode=WAL; PRAGMA journal_size_limit=67108864;";
        bool is_new = false;
        int64_t version = TQ_LEDGER_VERSION;
        int r, rc;

        rc = sqlite3_exec(l->db, before, NULL, NULL, NULL);
        if (rc != SQLITE_OK)
                return fail(l, rc, "setting it up", err);
        r = check_version(l, &is_new, &version, err);
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
        for (; !is_new && version < TQ_LEDGER_VERSION; version++) {
                r = migrate(l, version, err);
                if (r < 0)
                        return r;
        }
        return prepare(l, err);
}

/* Still the file that was opened: 0, -ESTALE. */
static int check_file(const TqLedgerFile *f) {
        struct stat st;

        if (stat(f->path, &st) < 0)
                return errno == ENOENT || errno == ENOTDIR ? -ESTALE : tq_errno();
        return st.st_dev == f->device && st.st_ino == f->inode ? 0 : -ESTALE;
}

static int remember_file(TqLedgerFile *f) {
        struct stat st;

        if (stat(f->path, &st) < 0)
                return tq_errno();
        f->device = st.st_dev;
        f->inode = st.st_ino;
        return 0;
}

/* What is in the log that SQLite holds open goes to the database, and a new log is begun (SQLite,
 * "Write-Ahead Logging", 3.4). */
static int renew_log(TqLedger *l) {
        int rc = sqlite3_exec(
                l->db,
                "PRAGMA journal_mode=DELETE; PRAGMA journal_mode=WAL; SELECT 1 FROM sqlite_schema;",
                NULL, NULL, NULL);

        return rc != SQLITE_OK ? tq_ledger_errno(rc) : remember_file(&l->log);
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

static int remember_files(TqLedger *l, const char *path, TqError *err) {
        int r;

        l->file.path = strdup(path);
        if (!l->file.path || asprintf(&l->log.path, "%s-wal", path) < 0) {
                l->log.path = NULL;
                return tq_error(err, -ENOMEM, "out of memory");
        }
        r = remember_file(&l->file);
        if (r >= 0)
                r = remember_file(&l->log);
        return r < 0 ? tq_error_errno(err, r, "%s", path) : 0;
}

int tq_ledger_open(const char *path, const uint8_t boot_id[16], TqLedger **ret, TqError *err) {
        TqLedger *l = calloc(1, sizeof(*l));
        int rc, r;

        if (!l)
                return tq_error(err, -ENOMEM, "out of memory");
        memcpy(l->boot_id, boot_id, sizeof(l->boot_id));
        rc = sqlite3_open_v2(path, &l->db,
                             SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX |
                                     SQLITE_OPEN_NOFOLLOW,
                             NULL);
        /* The engine before us may not have left it yet. */
        if (rc == SQLITE_OK)
                (void)sqlite3_busy_timeout(l->db, BUSY_MSEC);
        r = rc == SQLITE_OK ? set_up(l, err) : fail(l, rc, path, err);
        if (r >= 0)
                r = remember_files(l, path, err);
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
        (void)sqlite3_close(l->db);
        free(l->file.path);
        free(l->log.path);
        free(l);
        return NULL;
}
