/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/ledger.h"

#include <endian.h>
#include <string.h>

#include "store/ledger_private.h"

/* Questions to the ledger: at start-up row by row, later as tables. A query is one constant for
 * each shape, so that each uses its index. */

static const char *column_text(sqlite3_stmt *s, int i) {
        return (const char *)sqlite3_column_text(s, i);
}

typedef int (*RowHandler)(void *row_handler, void *userdata, sqlite3_stmt *s);

/* Prepares, steps through all rows, finalizes. handler is passed to `row` unchanged. */
static int each(TqLedger *l, const char *sql, RowHandler row, void *handler, void *userdata) {
        sqlite3_stmt *s;
        int rc, r = 0;

        rc = sqlite3_prepare_v2(l->db, sql, -1, &s, NULL);
        if (rc != SQLITE_OK)
                return tq_ledger_errno(rc);
        while (r >= 0 && (rc = sqlite3_step(s)) == SQLITE_ROW)
                r = row(handler, userdata, s);
        (void)sqlite3_finalize(s);
        return r < 0 ? r : tq_ledger_errno(rc);
}

typedef struct TenantHandler {
        int (*row)(void *, const TqLedgerTenant *);
} TenantHandler;

static int tenant_row(void *handler, void *userdata, sqlite3_stmt *s) {
        return ((TenantHandler *)handler)
                ->row(userdata, &(TqLedgerTenant){ .id = (uint32_t)sqlite3_column_int64(s, 0),
                                                   .name = column_text(s, 1),
                                                   .uid = (uid_t)sqlite3_column_int64(s, 2),
                                                   .user = column_text(s, 3) });
}

int tq_ledger_each_tenant(TqLedger *l, int (*row)(void *, const TqLedgerTenant *), void *userdata) {
        return each(l, "SELECT id, name, uid, user FROM tenants ORDER BY owned, id", tenant_row,
                    &(TenantHandler){ row }, userdata);
}

typedef struct LiveHandler {
        const TqLedger *ledger;
        int (*row)(void *, const TqLedgerLive *);
} LiveHandler;

static TqStopReason stop_from_string(const char *s) {
        for (int i = 0; s && i < _TQ_STOP_MAX; i++)
                if (strcmp(s, tq_verdict_stop_to_string((TqStopReason)i)) == 0)
                        return (TqStopReason)i;
        return TQ_STOP_NONE;
}

static uint64_t column_u64(sqlite3_stmt *s, int i) {
        int64_t v = sqlite3_column_int64(s, i);

        return v == INT64_MAX ? UINT64_MAX : (uint64_t)TQ_MAX(v, INT64_C(0));
}

/* The order of the columns of a live job. */
enum {
        LIVE_ID,
        LIVE_TENANT,
        LIVE_QUEUE,
        LIVE_PRIORITY,
        LIVE_START_AFTER,
        LIVE_STATE,
        LIVE_ATTEMPT,
        LIVE_STOP,
        LIVE_RELEASED,
        LIVE_BOOT,
        LIVE_NAME,
        LIVE_HELD,
        LIVE_DEADLINE,
        LIVE_AFTER,
        LIVE_RUNTIME,
        LIVE_STOP_USEC,
        LIVE_MEMORY,
        LIVE_SPEC_SIZE,
        LIVE_SPEC,
};

/* When the attempt was released, by the clock of this boot. */
static bool boottime_of(const TqLedger *l, sqlite3_stmt *s, uint64_t *ret) {
        const uint8_t *boot = sqlite3_column_blob(s, LIVE_BOOT);
        uint64_t v;

        if (!boot || (size_t)sqlite3_column_bytes(s, LIVE_BOOT) != TQ_LEDGER_BOOT_SIZE ||
            memcmp(boot, l->boot_id, sizeof(l->boot_id)) != 0)
                return false;
        memcpy(&v, boot + sizeof(l->boot_id), sizeof(v));
        *ret = le64toh(v);
        return true;
}

static int live_row(void *handler, void *userdata, sqlite3_stmt *s) {
        TqLedgerLive row = {
                .id = column_u64(s, LIVE_ID),
                .tenant = (uint32_t)sqlite3_column_int64(s, LIVE_TENANT),
                .queue = column_text(s, LIVE_QUEUE),
                .priority = sqlite3_column_int(s, LIVE_PRIORITY),
                .start_after_usec = column_u64(s, LIVE_START_AFTER),
                .was_running = strcmp(column_text(s, LIVE_STATE), "queued") != 0,
                .attempt = (unsigned)sqlite3_column_int(s, LIVE_ATTEMPT),
                .stop = stop_from_string(column_text(s, LIVE_STOP)),
                .released_usec = column_u64(s, LIVE_RELEASED),
                .name = column_text(s, LIVE_NAME),
                .hold = (TqHoldLevel)sqlite3_column_int(s, LIVE_HELD),
                .has_deadline = sqlite3_column_type(s, LIVE_DEADLINE) != SQLITE_NULL,
                .deadline_usec = column_u64(s, LIVE_DEADLINE),
                .after = column_text(s, LIVE_AFTER),
                .has_bounds = sqlite3_column_type(s, LIVE_STOP_USEC) != SQLITE_NULL,
                .runtime_usec = column_u64(s, LIVE_RUNTIME),
                .stop_usec = column_u64(s, LIVE_STOP_USEC),
                .memory_bytes = column_u64(s, LIVE_MEMORY),
                .spec = sqlite3_column_blob(s, LIVE_SPEC),
                .spec_size = (size_t)sqlite3_column_int64(s, LIVE_SPEC_SIZE),
        };

        row.has_boottime =
                boottime_of(((LiveHandler *)handler)->ledger, s, &row.released_boottime_usec);
        return ((LiveHandler *)handler)->row(userdata, &row);
}

int tq_ledger_each_live(TqLedger *l, int (*row)(void *, const TqLedgerLive *), void *userdata) {
        /* A spec is read only where an older version did not note its bounds. */
        return each(l,
                    "SELECT j.id, j.tenant, j.queue, j.priority, j.start_after_usec, j.state,"
                    " j.attempt, j.stop, a.released_usec, a.boot,"
                    " j.name, j.held, j.deadline_usec, j.after,"
                    " j.runtime_usec, j.stop_usec, j.memory_bytes, length(j.spec),"
                    " CASE WHEN j.stop_usec IS NULL THEN j.spec END "
                    "FROM jobs j INDEXED BY jobs_live "
                    "LEFT JOIN attempts a ON a.job = j.id AND a.attempt = j.attempt "
                    "WHERE j.state <> 'done' ORDER BY j.id",
                    live_row, &(LiveHandler){ l, row }, userdata);
}

typedef struct SwitchHandler {
        int (*row)(void *, const TqLedgerSwitch *);
} SwitchHandler;

static int switch_row(void *handler, void *userdata, sqlite3_stmt *s) {
        return ((SwitchHandler *)handler)
                ->row(userdata,
                      &(TqLedgerSwitch){
                              .tenant = (uint32_t)sqlite3_column_int64(s, 0),
                              .queue = column_text(s, 1),
                              .switches = { .is_paused = sqlite3_column_int(s, 2) != 0,
                                            .is_draining = sqlite3_column_int(s, 3) != 0 },
                      });
}

int tq_ledger_each_switch(TqLedger *l, int (*row)(void *, const TqLedgerSwitch *), void *userdata) {
        return each(l,
                    "SELECT tenant, queue, paused, draining FROM switches "
                    "WHERE paused OR draining ORDER BY tenant, queue",
                    switch_row, &(SwitchHandler){ row }, userdata);
}

static int look_up(TqLedger *l, TqLedgerQuery q, uint32_t tenant, uint64_t job, const char *name,
                   uint64_t before, uint64_t *ret_job, TqLedgerFate *ret) {
        sqlite3_stmt *s = tq_ledger_statement(l, q);
        int rc;

        tq_ledger_bind_u64(s, 1, tenant);
        if (q == Q_AFTER_JOB)
                tq_ledger_bind_u64(s, 2, job);
        else {
                (void)sqlite3_bind_text(s, 3, name, -1, SQLITE_STATIC);
                tq_ledger_bind_u64(s, 4, before);
        }
        rc = sqlite3_step(s);
        *ret_job = 0;
        *ret = TQ_FATE_FAILED;
        if (rc == SQLITE_ROW) {
                const char *outcome = column_text(s, 2);

                *ret_job = column_u64(s, 0);
                if (strcmp(column_text(s, 1), "done") != 0)
                        *ret = TQ_FATE_LIVE;
                else if (outcome && strcmp(outcome, "exit") == 0 && sqlite3_column_int(s, 3) == 0)
                        *ret = TQ_FATE_WELL;
        }
        (void)sqlite3_reset(s);
        return tq_ledger_errno(rc);
}

int tq_ledger_fate(TqLedger *l, uint32_t tenant, uint64_t job, const char *name, uint64_t before,
                   uint64_t *ret_job, TqLedgerFate *ret) {
        int r;

        if (job > 0)
                return look_up(l, Q_AFTER_JOB, tenant, job, name, before, ret_job, ret);
        r = look_up(l, Q_AFTER_NAME, tenant, job, name, before, ret_job, ret);
        if (r >= 0 && *ret_job == 0)
                r = look_up(l, Q_AFTER_NEXT, tenant, job, name, before, ret_job, ret);
        return r;
}

typedef struct LimitHandler {
        int (*row)(void *, const TqLedgerLimit *);
} LimitHandler;

static int limit_row(void *handler, void *userdata, sqlite3_stmt *s) {
        return ((LimitHandler *)handler)
                ->row(userdata, &(TqLedgerLimit){
                                        .tenant = (uint32_t)sqlite3_column_int64(s, 0),
                                        .queue = column_text(s, 1),
                                        .name = column_text(s, 2),
                                        .value = column_text(s, 3),
                                        .revision = (uint64_t)sqlite3_column_int64(s, 4),
                                });
}

int tq_ledger_each_limit(TqLedger *l, int (*row)(void *, const TqLedgerLimit *), void *userdata) {
        return each(l,
                    "SELECT tenant, queue, name, new_value, max(revision) FROM limits "
                    "GROUP BY tenant, queue, name HAVING new_value IS NOT NULL ORDER BY 5",
                    limit_row, &(LimitHandler){ row }, userdata);
}

int tq_ledger_has_claim(TqLedger *l, uint64_t claim) {
        sqlite3_stmt *s = tq_ledger_statement(l, Q_HAS_CLAIM);
        int rc;

        tq_ledger_bind_u64(s, 1, claim);
        rc = sqlite3_step(s);
        (void)sqlite3_reset(s);
        return rc == SQLITE_ROW ? 1 : tq_ledger_errno(rc);
}

int tq_ledger_numbers(TqLedger *l, TqLedgerNumbers *ret) {
        int64_t job = 0, claim = 0, tenant = 0, revision = 0;
        int rc;

        rc = tq_ledger_number(l, "SELECT coalesce(max(id), 0) FROM jobs", &job);
        if (rc == SQLITE_OK)
                rc = tq_ledger_number(l, "SELECT coalesce(max(claim), 0) FROM jobs", &claim);
        if (rc == SQLITE_OK)
                rc = tq_ledger_number(l, "SELECT coalesce(max(id), 0) FROM tenants", &tenant);
        if (rc == SQLITE_OK)
                rc = tq_ledger_number(l, "SELECT coalesce(max(revision), 0) FROM limits",
                                      &revision);
        if (rc != SQLITE_OK)
                return tq_ledger_errno(rc);
        *ret = (TqLedgerNumbers){
                .next_job = (uint64_t)job + 1,
                .next_claim = (uint64_t)claim + 1,
                .next_tenant = (uint32_t)tenant + 1,
                .next_revision = (uint64_t)revision + 1,
        };
        return 0;
}

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
                        r = tq_table_set_text(t, (size_t)i, column_text(s, i));
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
        " a.pids_denied, a.dropped_bytes, j.correlation_id, j.labels, j.submitter_uid,"            \
        " j.held, j.deadline_usec, j.after, j.tenant AS tenant_id, NULL AS wait_reason "

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

int tq_ledger_events(TqLedger *l, const TqLedgerFilter *f, TqTable *ret) {
        return query_table(l,
                           "SELECT e.id AS event, e.time_usec, e.kind, t.name AS tenant, e.job,"
                           " e.uid, e.text, e.tenant AS tenant_id "
                           "FROM events e LEFT JOIN tenants t ON t.id = e.tenant "
                           "WHERE e.id < ?3 AND ?1 = 0 AND ?2 < 0 ORDER BY e.id DESC LIMIT ?4",
                           f, ret);
}

int tq_ledger_spec(TqLedger *l, uint64_t job, char **ret, size_t *ret_size) {
        sqlite3_stmt *s = tq_ledger_statement(l, Q_SPEC);
        TQ_FREE char *copy = NULL;
        size_t size;
        int rc;

        tq_ledger_bind_u64(s, 1, job);
        rc = sqlite3_step(s);
        if (rc != SQLITE_ROW) {
                (void)sqlite3_reset(s);
                return rc == SQLITE_DONE ? -ENOENT : tq_ledger_errno(rc);
        }
        size = (size_t)sqlite3_column_bytes(s, 0);
        copy = malloc(size + 1);
        if (copy && size > 0)
                memcpy(copy, sqlite3_column_blob(s, 0), size);
        (void)sqlite3_reset(s);
        if (!copy)
                return -ENOMEM;
        copy[size] = '\0';
        *ret_size = size;
        *ret = TQ_TAKE_PTR(copy);
        return 0;
}
