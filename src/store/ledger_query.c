/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/ledger.h"

#include <endian.h>
#include <string.h>

#include "store/ledger_private.h"

/* Every statement, prepared once. Its words are constants: nothing that a tenant wrote is ever part
 * of SQL, only bound to it. */

/* keep_usec of a job whose file could not be taken out of .claims: without its row it would be
 * taken for a new one. Nobody's Keep= is that: tq_ledger_bind_u64(). */
#define IN_CLAIMS "-1"

static const char *const queries[_Q_MAX] = {
        [Q_BEGIN] = "BEGIN IMMEDIATE",
        [Q_COMMIT] = "COMMIT",
        [Q_ROLLBACK] = "ROLLBACK",
        [Q_TENANT] = "INSERT INTO tenants(id, name, uid, first_seen_usec, user, owned) "
                     "VALUES(?1, ?2, ?3, ?4, ?5, (SELECT coalesce(max(owned), 0) + 1 FROM tenants))"
                     " ON CONFLICT(id) DO UPDATE SET uid = ?3, user = ?5, owned = excluded.owned",
        [Q_ENDING] = "UPDATE tenants SET ending = ?2, ending_to = ?3, ending_uid = ?4,"
                     " ending_why = ?5 WHERE id = ?1",
        [Q_RENAME] = "UPDATE tenants SET name = ?2, ending = NULL, ending_to = NULL,"
                     " ending_uid = NULL, ending_why = NULL WHERE id = ?1",
/* The numbers go on where they were, though their rows go. */
#define FLOOR(what, column, table)                                                                 \
        "INSERT INTO floors SELECT '" what "', max(" column ") FROM " table " HAVING max(" column  \
        ") IS NOT NULL "                                                                           \
        "ON CONFLICT DO UPDATE SET number = max(number, excluded.number)"
        [Q_FLOOR_JOB] = FLOOR("job", "id", "jobs"),
        [Q_FLOOR_CLAIM] = FLOOR("claim", "claim", "jobs"),
/* So many that they weigh no more, as history weighs them, but for the last. */
#define WEIGHT "1 + attempt / " TQ_STRINGIFY(TQ_LEDGER_ATTEMPTS_A_JOB)
#define FIRST_JOBS                                                                                 \
        "(SELECT id FROM (SELECT id, sum(" WEIGHT ") OVER (ORDER BY id) - (" WEIGHT ") AS before"  \
        " FROM (SELECT id, attempt FROM jobs INDEXED BY jobs_by_tenant WHERE tenant = ?1"          \
        " ORDER BY id LIMIT ?2)) WHERE before < ?2)"
        [Q_ERASE_ATTEMPTS] = "DELETE FROM attempts WHERE job IN " FIRST_JOBS,
        [Q_ERASE_JOBS] = "DELETE FROM jobs WHERE id IN " FIRST_JOBS,
        [Q_ERASE_DAYS] = "DELETE FROM days WHERE tenant = ?1",
        [Q_ERASE_LIMITS] = "DELETE FROM limits WHERE tenant = ?1",
        [Q_ERASE_FILES] = "DELETE FROM files WHERE tenant = ?1",
        [Q_ERASE_SWITCHES] = "DELETE FROM switches WHERE tenant = ?1",
        [Q_ERASE_STANDING] = "DELETE FROM standings WHERE tenant = ?1",
        [Q_ERASE_ROLLOUT] = "DELETE FROM rollouts WHERE tenant = ?1",
        [Q_ERASED] = "UPDATE tenants SET ending = 'removed', ending_to = NULL WHERE id = ?1",
        [Q_COUNT_DEAD] = "SELECT count(*) FROM jobs INDEXED BY jobs_dead "
                         "WHERE tenant = ?1 AND dead <> 0",
        [Q_COUNT_LIMITS] = "SELECT count(*) FROM limits WHERE tenant = ?1",
        [Q_ACCEPT] =
                "INSERT INTO jobs(id, claim, tenant, queue, name, state, priority, submitted_usec,"
                " submitter_uid, start_after_usec, correlation_id, labels, spec, held, "
                "deadline_usec,"
                " after, runtime_usec, stop_usec, memory_bytes, retry, keep_usec, key,"
                " trace_parent) "
                "VALUES(?1, ?2, ?3, ?4, ?5, 'queued', ?6, ?7, ?8, ?9, ?10, ?11, ?12, 0, ?13, ?14,"
                " ?15, ?16, ?17, ?18, ?19, ?20, ?21) "
                "ON CONFLICT(claim) DO NOTHING",
        [Q_TIE] = "INSERT INTO lineage(job, kind, name, tenant) VALUES(?1, ?2, ?3, ?4)",
        [Q_TIES] = "SELECT name FROM lineage WHERE job = ?1 AND kind = ?2 ORDER BY name LIMIT ?3",
        [Q_TIED_JOB] = "SELECT j.name, j.state, j.verdict, t.name, j.submitted_usec, j.tenant "
                       "FROM jobs j JOIN tenants t ON t.id = j.tenant "
                       "WHERE j.id = ?1 AND (?2 < 0 OR j.tenant = ?2)",
        [Q_TIED_BEFORE] = "SELECT job FROM lineage WHERE tenant = ?1 AND name = ?2 AND kind = ?3"
                          " AND job < ?4 ORDER BY job DESC LIMIT ?5",
        [Q_TIED_AFTER] = "SELECT job FROM lineage WHERE tenant = ?1 AND name = ?2 AND kind = ?3"
                         " AND job > ?4 AND job <= ?5 ORDER BY job LIMIT ?6",
        [Q_RUNNING_ATTEMPT] = "INSERT INTO attempts(job, attempt, boot, released_usec) "
                              "VALUES(?1, ?2, ?3, ?4)",
        [Q_RUNNING_JOB] = "UPDATE jobs SET state = 'running', attempt = ?2, held = 0, crashes = 0,"
                          " quarantine = NULL, retry_usec = NULL WHERE id = ?1",
        [Q_STOP] = "UPDATE jobs SET state = 'stopping', stop = ?2 WHERE id = ?1",
        [Q_REQUEUE] = "UPDATE jobs SET state = 'queued' WHERE id = ?1",
        [Q_DUE] = "UPDATE jobs SET retry_usec = ?2"
                  " WHERE id = ?1 AND state = 'queued' AND retry_usec IS NOT NULL",
        [Q_RETRY_JOB] = "UPDATE jobs SET state = 'queued', attempt = ?2, failures = ?3,"
                        " retry_usec = ?4, stop = NULL WHERE id = ?1",
        /* One that was never released has no row yet. */
        [Q_RETRY_ATTEMPT] = "INSERT INTO attempts(job, attempt, boot, released_usec) "
                            "VALUES(?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
        [Q_REVIVE] = "UPDATE jobs SET state = 'queued', dead = 0, failures = 0, retry_usec = NULL,"
                     " stop = NULL, outcome = NULL, level = NULL, stage = NULL, code = NULL,"
                     " verdict = NULL, ended_usec = NULL, crashes = 0, quarantine = NULL,"
                     " after = NULL WHERE id = ?1 AND state = 'done'",
        [Q_PURGE] = "UPDATE jobs SET dead = 0 WHERE id = ?1",
        [Q_DONE_JOB] =
                "UPDATE jobs SET state = 'done', outcome = ?2, level = ?3, stage = ?4, code = ?5,"
                " verdict = ?6, ended_usec = ?7, stop = coalesce(?8, stop), held = 0, retry_usec = "
                "NULL, dead = ?9"
                " WHERE id = ?1",
        [Q_DONE_ATTEMPT] = "UPDATE attempts SET started_usec = ?3, ended_usec = ?4, run_usec = ?5,"
                           " verdict = ?6, cpu_usec = ?7, memory_peak_bytes = ?8, oom_kills = ?9,"
                           " io_read_bytes = ?10, io_write_bytes = ?11, pids_peak = ?12,"
                           " pids_denied = ?13, dropped_bytes = ?14, silent = ?15 WHERE job = ?1 "
                           "AND attempt = ?2",
        [Q_KEEP] = "UPDATE jobs SET keep_usec = " IN_CLAIMS " WHERE claim = ?1",
/* What history has read of it some time ago still holds: it has not run again, and is not to be
 * kept for another reason. */
#define MAY_FORGET                                                                                 \
        "j.id = ?1 AND j.state = 'done' AND j.ended_usec IS ?2 AND"                                \
        " j.keep_usec IS NOT " IN_CLAIMS " AND"                                                    \
        " j.id < (SELECT max(id) FROM jobs) AND"                                                   \
        " (j.claim IS NULL OR j.claim < (SELECT max(claim) FROM jobs))"
        [Q_FORGET_SUM] =
                "INSERT INTO days SELECT j.tenant, date(j.ended_usec / 1000000, 'unixepoch'), 1,"
                " j.outcome <> 'exit' OR j.code <> 0, count(a.job), coalesce(sum(a.run_usec), 0),"
                " coalesce(sum(a.cpu_usec), 0), coalesce(sum(a.io_read_bytes), 0),"
                " coalesce(sum(a.io_write_bytes), 0) "
                "FROM jobs j LEFT JOIN attempts a ON a.job = j.id WHERE " MAY_FORGET
                " GROUP BY j.id "
                "ON CONFLICT DO UPDATE SET jobs = jobs + excluded.jobs,"
                " failed = failed + excluded.failed, attempts = attempts + excluded.attempts,"
                " run_usec = run_usec + excluded.run_usec, cpu_usec = cpu_usec + excluded.cpu_usec,"
                " io_read_bytes = io_read_bytes + excluded.io_read_bytes,"
                " io_write_bytes = io_write_bytes + excluded.io_write_bytes",
        [Q_FORGET_ATTEMPTS] =
                "DELETE FROM attempts WHERE job IN (SELECT j.id FROM jobs j WHERE " MAY_FORGET ")",
        [Q_FORGET_JOB] = "DELETE FROM jobs AS j WHERE " MAY_FORGET,
        [Q_FORGET_EVENTS] =
                "DELETE FROM events WHERE id IN (SELECT id FROM events ORDER BY id LIMIT ?3)"
                " AND id < (SELECT max(id) FROM events)"
                " AND (time_usec < ?1 OR id <= (SELECT max(id) FROM events) - ?2)",
/* The last one stays: from it the chain goes on. */
#define OLD_AUDIT                                                                                  \
        "FROM (SELECT id, time_usec FROM audit ORDER BY id LIMIT ?2) WHERE id <"                   \
        " coalesce((SELECT id FROM (SELECT id, time_usec FROM audit ORDER BY id LIMIT ?2)"         \
        " WHERE time_usec >= ?1 ORDER BY id LIMIT 1), (SELECT max(id) FROM audit))"                \
        " AND id < (SELECT max(id) FROM audit)"
        [Q_FORGET_AUDIT_TO] = "INSERT OR REPLACE INTO chain SELECT 'before', id, hash FROM audit"
                              " WHERE id = (SELECT max(id) " OLD_AUDIT ")",
        [Q_FORGET_AUDIT] = "DELETE FROM audit WHERE id <="
                           " (SELECT id FROM chain WHERE what = 'before')",
        [Q_OLD_AUDIT] = "SELECT 1 " OLD_AUDIT,
        [Q_COUNT_JOBS] = "SELECT count(*), coalesce(max(id), 0) FROM (SELECT id FROM jobs "
                         "INDEXED BY jobs_by_tenant WHERE tenant = ?1 AND id > ?2 "
                         "ORDER BY id LIMIT ?3)",
#define MAY_GO "(state = 'done' AND keep_usec IS NOT " IN_CLAIMS ")"
/* What it takes, but for indices: its file, and a row of each attempt. */
#define BYTES "length(spec) + 128 * attempt"
/* Dead letters, what is to be kept, and what somebody may still ask for by its key. */
#define IS_KEPT                                                                                    \
        "(dead <> 0 AND ended_usec >= ?6 OR key IS NOT NULL AND submitted_usec >= ?7 OR"           \
        " keep_usec IS NOT NULL AND ended_usec + min(keep_usec, ?5) >= ?4)"
        [Q_COUNT_OLD] =
                "SELECT count(*), coalesce(max(id), 0), count(*) FILTER (WHERE goes AND NOT kept),"
                " coalesce(sum(bytes) FILTER (WHERE goes AND NOT kept), 0),"
                " count(*) FILTER (WHERE goes AND kept),"
                " coalesce(sum(bytes) FILTER (WHERE goes AND kept), 0) FROM (SELECT id, " MAY_GO
                " AS goes, coalesce(" IS_KEPT ", 0) AS kept, " BYTES " AS bytes FROM jobs "
                "INDEXED BY jobs_by_tenant WHERE tenant = ?1 AND id > ?2 ORDER BY id LIMIT ?3)",
        [Q_OLD_JOBS] = "SELECT id, submitted_usec, coalesce(ended_usec, 0), " MAY_GO ", " IS_KEPT
                       ", " BYTES ", attempt FROM jobs INDEXED BY jobs_by_tenant WHERE tenant = "
                       "?1 AND id > ?2 "
                       "ORDER BY id LIMIT ?3",
        [Q_OLD_EVENTS] = "SELECT 1 FROM events WHERE id = (SELECT min(id) FROM events) AND"
                         " id < (SELECT max(id) FROM events) AND"
                         " (time_usec < ?1 OR id <= (SELECT max(id) FROM events) - ?2)",
        [Q_EVENT] = "INSERT INTO events(time_usec, kind, tenant, job, uid, text) "
                    "VALUES(?1, ?2, nullif(?3, 0), nullif(?4, 0), nullif(?5, 4294967295), ?6)",
        [Q_AUDIT] = "INSERT INTO audit VALUES(?1, ?2, ?3, nullif(?4, 0), ?5, nullif(?6, ''),"
                    " nullif(?7, 0), nullif(?8, 4294967295), nullif(?9, 4294967295), ?10, ?11,"
                    " nullif(?12, 0), nullif(?13, 0), ?14, ?15, ?16, ?17, nullif(?18, 0), ?19,"
                    " ?20, ?21, x'') RETURNING " TQ_CHAIN_COLUMNS,
        [Q_AUDIT_HASH] = "UPDATE audit SET hash = ?2 WHERE id = ?1",
        [Q_CHAIN] = "INSERT OR REPLACE INTO chain VALUES('last', ?1, ?2)",
        [Q_LIMIT] = "INSERT OR REPLACE INTO limits VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        [Q_LIMIT_GONE] = "DELETE FROM limits WHERE tenant = ?1 AND queue = ?2 AND name = ?3",
        [Q_POLICY] = "INSERT INTO policies VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        [Q_POLICY_GONE] = "DELETE FROM policies WHERE version <= ?1",
        [Q_REVISION] = "UPDATE tenants SET revision = max(revision, ?2) WHERE id = ?1",
        /* Released, a job begins anew; held again, it is what it was. */
        [Q_HOLD] = "UPDATE jobs SET held = ?2, crashes = iif(?2 = 0, 0, crashes),"
                   " quarantine = iif(?2 = 0, NULL, quarantine) WHERE id = ?1 AND state = 'queued'",
        /* What runs is not held: its file is not read any more. */
        [Q_CRASH] = "UPDATE jobs SET crashes = crashes + 1,"
                    " held = iif(crashes + 1 >= ?3 AND state = 'queued', ?4, held),"
                    " quarantine = iif(crashes + 1 >= ?3 AND state = 'queued', ?2, quarantine)"
                    " WHERE id = ?1 AND state <> 'done'",
        [Q_QUARANTINE] = "UPDATE jobs SET held = ?3, quarantine = ?2"
                         " WHERE id = ?1 AND state = 'queued'",
        [Q_FILES] = "INSERT OR REPLACE INTO files VALUES(?1, ?2)",
        [Q_ROLLOUT] =
                "INSERT OR REPLACE INTO rollouts VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        /* The newest ones, and those before the first that still waits or runs and some behind it:
         * where a long queue is being worked off. */
        [Q_FIGURES] =
                "SELECT j.submitted_usec, j.start_after_usec, j.state, j.held, j.after IS NOT NULL,"
                " j.stop, a.attempt, a.released_usec, a.ended_usec, a.verdict, a.oom_kills"
                " FROM jobs j LEFT JOIN attempts a ON a.job = j.id WHERE j.id IN"
                " (SELECT id FROM (SELECT id FROM jobs INDEXED BY jobs_by_tenant WHERE tenant = ?1"
                "   ORDER BY id DESC LIMIT ?2)"
                "  UNION SELECT id FROM (SELECT id FROM jobs INDEXED BY jobs_by_tenant WHERE tenant"
                "   = ?1 AND id <= (SELECT max(id) FROM (SELECT id FROM jobs"
                "   INDEXED BY jobs_live_by_tenant WHERE tenant = ?1 AND state <> 'done' ORDER BY "
                "id"
                "   LIMIT ?3)) ORDER BY id DESC LIMIT ?2))"
                " ORDER BY j.id DESC, a.attempt LIMIT 4 * ?2",
        [Q_SWITCH] = "INSERT OR REPLACE INTO switches(tenant, queue, paused, draining, time_usec,"
                     " uid, why) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        [Q_STANDING] = "INSERT OR REPLACE INTO standings(tenant, time_usec, boot, pool, presence,"
                       " tag_nsec, largest_nsec, turn, usage, averages) "
                       "SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10 WHERE NOT EXISTS"
                       " (SELECT 1 FROM tenants WHERE id = ?1 AND ending = 'removed')",
        [Q_POOL] = "INSERT OR REPLACE INTO pools(name, time_usec, boot, vtime_nsec, largest_nsec,"
                   " contended_usec) VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
        [Q_AFTER_JOB] = "SELECT id, state, outcome, code FROM jobs WHERE id = ?2 AND tenant = ?1",
        [Q_AFTER_NAME] = "SELECT id, state, outcome, code FROM jobs "
                         "WHERE tenant = ?1 AND name = ?3 AND id < ?4 ORDER BY id DESC LIMIT 1",
        [Q_AFTER_NEXT] = "SELECT id, state, outcome, code FROM jobs "
                         "WHERE tenant = ?1 AND name = ?3 AND id > ?4 ORDER BY id LIMIT 1",
        [Q_FIND_KEY] = "SELECT id FROM jobs WHERE tenant = ?1 AND key = ?2"
                       " AND (submitted_usec >= ?3 OR state <> 'done') ORDER BY id DESC LIMIT 1",
        [Q_HAS_CLAIM] = "SELECT 1 FROM jobs WHERE claim = ?1",
        [Q_SPEC] = "SELECT spec FROM jobs WHERE id = ?1",
};

const char *tq_ledger_why(int error) {
        /* SQLite makes no difference between the two when a page is read. */
        return error == -EBADMSG ? "it is damaged, or its disk fails (tenantqctl ledger check)"
                                 : strerror(-error);
}

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
sqlite3_stmt *tq_ledger_statement(TqLedger *l, TqLedgerQuery q) {
        sqlite3_stmt *s = l->statements[q];

        (void)sqlite3_reset(s);
        (void)sqlite3_clear_bindings(s);
        return s;
}

void tq_ledger_bind_boot(sqlite3_stmt *s, int i, const TqLedger *l, uint64_t boottime_usec) {
        uint64_t time = htole64(boottime_usec);
        uint8_t boot[TQ_LEDGER_BOOT_SIZE];

        memcpy(boot, l->boot_id, sizeof(l->boot_id));
        memcpy(boot + sizeof(l->boot_id), &time, sizeof(time));
        (void)sqlite3_bind_blob(s, i, boot, sizeof(boot), SQLITE_TRANSIENT);
}

bool tq_ledger_boottime(const TqLedger *l, sqlite3_stmt *s, int i, uint64_t *ret) {
        const uint8_t *boot = sqlite3_column_blob(s, i);
        uint64_t v;

        if (!boot || (size_t)sqlite3_column_bytes(s, i) != TQ_LEDGER_BOOT_SIZE ||
            memcmp(boot, l->boot_id, sizeof(l->boot_id)) != 0)
                return false;
        memcpy(&v, boot + sizeof(l->boot_id), sizeof(v));
        *ret = le64toh(v);
        return true;
}

void tq_ledger_bind_u64(sqlite3_stmt *s, int i, uint64_t v) {
        (void)sqlite3_bind_int64(s, i, (int64_t)TQ_MIN(v, (uint64_t)INT64_MAX));
}

int tq_ledger_run(sqlite3_stmt *s) {
        int rc = sqlite3_step(s);

        (void)sqlite3_reset(s);
        /* A quota's end is a disk's, to whoever writes; SQLite knows only the one. */
        if ((rc & 0xFF) == SQLITE_IOERR && sqlite3_system_errno(sqlite3_db_handle(s)) == EDQUOT)
                return -ENOSPC;
        return tq_ledger_errno(rc);
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
int tq_ledger_prepare(TqLedger *l, const char **ret_query) {
        for (int i = 0; i < _Q_MAX; i++) {
                int rc = sqlite3_prepare_v3(l->db, queries[i], -1, SQLITE_PREPARE_PERSISTENT,
                                            &l->statements[i], NULL);

                if (rc != SQLITE_OK) {
                        *ret_query = queries[i];
                        return rc;
                }
        }
        return SQLITE_OK;
}
