/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/ledger.h"

#include <string.h>

#include "store/ledger_private.h"

/* Answers of the ledger as tables. A query is one constant for each shape, so that each uses its
 * index. */

static int add_columns(sqlite3_stmt *s, TqTable *t) {
        for (int i = 0; i < sqlite3_column_count(s); i++) {
                int r = tq_table_add_column(t, sqlite3_column_name(s, i));

                if (r < 0)
                        return r;
        }
        return 0;
}

static int add_row(sqlite3_stmt *s, TqTable *t) {
        int r = tq_table_add_row(t);

        for (int i = 0; r >= 0 && i < sqlite3_column_count(s); i++)
                switch (sqlite3_column_type(s, i)) {
                case SQLITE_NULL:
                        break;
                case SQLITE_INTEGER:
                        tq_table_set_integer(t, (size_t)i, sqlite3_column_int64(s, i));
                        break;
                default:
                        r = tq_table_set_text(t, (size_t)i, tq_ledger_text(s, i));
                }
        return r;
}

/* The columns are the fields of a job in `ps --json` and `status --json`: tenantqctl(1) lists them.
 */
#define JOB_COLUMNS                                                                                \
        "SELECT j.id AS job, t.name AS tenant, j.queue, j.name, j.state, j.priority, j.attempt,"   \
        " j.submitted_usec, j.start_after_usec, a.started_usec, j.ended_usec,"                     \
        " max(0, coalesce(a.started_usec, a.released_usec)"                                        \
        "  - max(j.submitted_usec, coalesce(j.start_after_usec, 0))) AS wait_usec,"                \
        " a.run_usec, j.verdict, j.outcome, j.level, j.stage,"                                     \
        " CASE WHEN j.outcome IN ('deadline', 'dependency') OR j.outcome = 'cancelled' AND "       \
        "j.code = 0"                                                                               \
        "  THEN NULL ELSE j.code END AS code, j.stop, a.cpu_usec,"                                 \
        " a.memory_peak_bytes, a.oom_kills, a.io_read_bytes, a.io_write_bytes, a.pids_peak,"       \
        " a.pids_denied, a.dropped_bytes, a.silent, j.correlation_id, j.labels, j.trace_parent, "  \
        "j.key,"                                                                                   \
        " j.submitter_uid,"                                                                        \
        " j.held, j.deadline_usec, j.after, j.failures, j.retry_usec, j.dead,"                     \
        " j.tenant AS tenant_id, a.released_usec, NULL AS memory_bytes, NULL AS wait_reason "

#define JOB_TABLES                                                                                 \
        "FROM jobs j JOIN tenants t ON t.id = j.tenant "                                           \
        "LEFT JOIN attempts a ON a.job = j.id AND a.attempt = j.attempt "

static size_t bytes_of(sqlite3_stmt *s) {
        size_t n = 0;

        for (int i = 0; i < sqlite3_column_count(s); i++)
                n += sqlite3_column_type(s, i) == SQLITE_TEXT ? (size_t)sqlite3_column_bytes(s, i)
                                                              : 8;
        return n;
}

static int query_table(TqLedger *l, const char *sql, const TqLedgerFilter *f, TqTable *ret) {
        TQ_TABLE_CLEANUP TqTable table = {};
        size_t bytes = 0;
        sqlite3_stmt *s;
        int rc, r;

        rc = sqlite3_prepare_v2(l->db, sql, -1, &s, NULL);
        if (rc != SQLITE_OK)
                return tq_ledger_errno(rc);
        tq_ledger_bind_u64(s, 1, f->job);
        (void)sqlite3_bind_int64(s, 2, f->tenant);
        tq_ledger_bind_u64(s, 3, f->before > 0 ? f->before : INT64_MAX);
        tq_ledger_bind_u64(s, 4, f->limit);
        if (sqlite3_bind_parameter_count(s) > 4)
                (void)sqlite3_bind_text(s, 5, f->queue ? f->queue : "", -1, SQLITE_STATIC);
        r = add_columns(s, &table);
        while (r >= 0 && (rc = sqlite3_step(s)) == SQLITE_ROW) {
                r = add_row(s, &table);
                bytes += bytes_of(s);
                table.is_cut = f->max_bytes > 0 && bytes >= f->max_bytes;
                if (table.is_cut) {
                        rc = SQLITE_DONE;
                        break;
                }
        }
        if (r >= 0)
                r = tq_ledger_errno(rc);
        (void)sqlite3_finalize(s);
        if (r < 0)
                return r;
        *ret = table;
        table = (TqTable){};
        return 0;
}

int tq_ledger_jobs_of(TqLedger *l, const uint64_t *ids, size_t *n, size_t max_bytes, TqTable *ret) {
        size_t bytes = 0, i;
        TQ_TABLE_CLEANUP TqTable table = {};
        sqlite3_stmt *s;
        int rc, r;

        rc = sqlite3_prepare_v2(l->db, JOB_COLUMNS JOB_TABLES "WHERE j.id = ?1", -1, &s, NULL);
        if (rc != SQLITE_OK)
                return tq_ledger_errno(rc);
        r = add_columns(s, &table);
        for (i = 0; r >= 0 && i < *n && bytes < max_bytes; i++) {
                tq_ledger_bind_u64(s, 1, ids[i]);
                rc = sqlite3_step(s);
                r = rc == SQLITE_ROW ? add_row(s, &table) : tq_ledger_errno(rc);
                bytes += rc == SQLITE_ROW ? bytes_of(s) : 0;
                (void)sqlite3_reset(s);
        }
        (void)sqlite3_finalize(s);
        if (r < 0)
                return r;
        *n = i;
        *ret = table;
        table = (TqTable){};
        return 0;
}

int tq_ledger_jobs(TqLedger *l, const TqLedgerFilter *f, TqTable *ret) {
        /* One constant for each shape, so that each uses its index. */
        if (f->job > 0 && f->with_spec)
                return query_table(l,
                                   JOB_COLUMNS ", CAST(j.spec AS TEXT) AS spec " JOB_TABLES
                                               "WHERE j.id = ?1 AND (?2 < 0 OR j.tenant = ?2)"
                                               " AND ?3 >= 0 AND ?4 >= 0",
                                   f, ret);
        if (f->job > 0)
                return query_table(l,
                                   JOB_COLUMNS JOB_TABLES
                                   "WHERE j.id = ?1 AND (?2 < 0 OR j.tenant = ?2)"
                                   " AND ?3 >= 0 AND ?4 >= 0",
                                   f, ret);
        if (f->live_only && f->tenant >= 0)
                return query_table(l,
                                   JOB_COLUMNS JOB_TABLES
                                   "WHERE j.state <> 'done' AND j.id < ?3 AND j.tenant = ?2"
                                   " AND ?1 = 0 ORDER BY j.id DESC LIMIT ?4",
                                   f, ret);
        if (f->live_only)
                return query_table(l,
                                   JOB_COLUMNS JOB_TABLES
                                   "WHERE j.state <> 'done' AND j.id < ?3 AND ?2 < 0"
                                   " AND ?1 = 0 ORDER BY j.id DESC LIMIT ?4",
                                   f, ret);
        if (f->tenant >= 0)
                return query_table(l,
                                   JOB_COLUMNS JOB_TABLES
                                   "WHERE j.tenant = ?2 AND j.id < ?3 AND ?1 = 0"
                                   " ORDER BY j.id DESC LIMIT ?4",
                                   f, ret);
        return query_table(l,
                           JOB_COLUMNS JOB_TABLES "WHERE j.id < ?3 AND ?1 = 0 AND ?2 < 0"
                                                  " ORDER BY j.id DESC LIMIT ?4",
                           f, ret);
}

int tq_ledger_dead(TqLedger *l, const TqLedgerFilter *f, TqTable *ret) {
        if (f->tenant >= 0 && f->queue && f->queue[0])
                return query_table(l,
                                   JOB_COLUMNS JOB_TABLES
                                   "WHERE j.dead <> 0 AND j.id < ?3 AND j.tenant = ?2"
                                   " AND ?1 = 0 AND j.queue = ?5 ORDER BY j.id DESC LIMIT ?4",
                                   f, ret);
        if (f->tenant >= 0)
                return query_table(l,
                                   JOB_COLUMNS JOB_TABLES
                                   "WHERE j.dead <> 0 AND j.id < ?3 AND j.tenant = ?2"
                                   " AND ?1 = 0 ORDER BY j.id DESC LIMIT ?4",
                                   f, ret);
        return query_table(l,
                           JOB_COLUMNS JOB_TABLES "WHERE j.dead <> 0 AND j.id < ?3 AND ?2 < 0"
                                                  " AND ?1 = 0 ORDER BY j.id DESC LIMIT ?4",
                           f, ret);
}

int tq_ledger_attempts(TqLedger *l, const TqLedgerFilter *f, TqTable *ret) {
        return query_table(l,
                           "SELECT * FROM (SELECT a.job, a.attempt, a.released_usec,"
                           " a.started_usec, a.ended_usec, a.run_usec, a.verdict, a.cpu_usec,"
                           " a.memory_peak_bytes, a.oom_kills, a.io_read_bytes, a.io_write_bytes,"
                           " a.pids_peak, a.pids_denied, a.dropped_bytes, a.silent "
                           "FROM attempts a JOIN jobs j ON j.id = a.job "
                           "WHERE a.job = ?1 AND (?2 < 0 OR j.tenant = ?2) AND a.attempt < ?3 "
                           "ORDER BY a.attempt DESC LIMIT ?4) ORDER BY attempt",
                           f, ret);
}

int tq_ledger_events(TqLedger *l, const TqLedgerFilter *f, TqTable *ret) {
        return query_table(l,
                           "SELECT e.id AS event, e.time_usec, e.kind, t.name AS tenant, e.job,"
                           " e.uid, e.text, e.tenant AS tenant_id "
                           "FROM events e LEFT JOIN tenants t ON t.id = e.tenant "
                           "WHERE e.id < ?3 AND ?1 = 0 AND ?2 < 0 ORDER BY e.id DESC LIMIT ?4",
                           f, ret);
}

#define AUDIT_COLUMNS                                                                              \
        "SELECT a.id AS audit, a.time_usec, a.kind, a.tenant_name AS tenant, a.queue, a.job, "     \
        "a.uid,"                                                                                   \
        " a.login_uid, a.session, a.sudo_user, a.revision, a.policy, a.name AS \"limit\","         \
        " a.old_value AS old, a.new_value AS new, a.until_usec, a.kernel, a.text, a.why, "         \
        "a.tenant AS tenant_id,"                                                                   \
        " lower(hex(a.hash)) AS hash FROM audit a "

int tq_ledger_audit(TqLedger *l, const TqLedgerFilter *f, TqTable *ret) {
        if (f->revision_only && f->tenant >= 0)
                return query_table(l,
                                   AUDIT_COLUMNS "WHERE a.tenant = ?2 AND a.revision IS NOT NULL"
                                                 " AND a.id < ?3 AND ?1 = 0"
                                                 " ORDER BY a.revision DESC, a.id DESC LIMIT ?4",
                                   f, ret);
        if (f->revision_only)
                return query_table(l,
                                   AUDIT_COLUMNS "WHERE a.revision IS NOT NULL AND a.id < ?3 AND"
                                                 " ?1 = 0 AND ?2 < 0 ORDER BY a.id DESC LIMIT ?4",
                                   f, ret);
        if (f->tenant >= 0)
                return query_table(l,
                                   AUDIT_COLUMNS "WHERE a.tenant = ?2 AND a.id < ?3 AND ?1 = 0"
                                                 " ORDER BY a.id DESC LIMIT ?4",
                                   f, ret);
        return query_table(l,
                           AUDIT_COLUMNS "WHERE a.id < ?3 AND ?1 = 0 AND ?2 < 0"
                                         " ORDER BY a.id DESC LIMIT ?4",
                           f, ret);
}

int tq_ledger_policies(TqLedger *l, const TqLedgerFilter *f, TqTable *ret) {
        if (f->with_spec)
                return query_table(l,
                                   "SELECT version AS policy, spec FROM policies"
                                   " WHERE (?1 = 0 OR version = ?1) AND ?2 < 0 AND version < ?3"
                                   " ORDER BY version DESC LIMIT ?4",
                                   f, ret);
        return query_table(l,
                           "SELECT version AS policy, time_usec, uid, tenants, about AS text, why "
                           "FROM policies WHERE version < ?3 AND ?1 = 0 AND ?2 < 0 "
                           "ORDER BY version DESC LIMIT ?4",
                           f, ret);
}
