/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/ledger.h"

#include <string.h>

#include "core/standing.h"
#include "store/ledger_private.h"

/* What a start takes up from the ledger, row by row. */

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

static const char *text_or_empty(sqlite3_stmt *s, int i) {
        const char *text = tq_ledger_text(s, i);

        return text ? text : "";
}

static int tenant_row(void *handler, void *userdata, sqlite3_stmt *s) {
        TqLedgerTenant row = { .id = (uint32_t)sqlite3_column_int64(s, 0),
                               .name = tq_ledger_text(s, 1),
                               .uid = (uid_t)sqlite3_column_int64(s, 2),
                               .user = tq_ledger_text(s, 3),
                               .ending = tq_ledger_ending_from_string(tq_ledger_text(s, 4)),
                               .ending_to = text_or_empty(s, 5),
                               .ending_uid = (uid_t)sqlite3_column_int64(s, 6),
                               .ending_why = text_or_empty(s, 7),
                               .revision = tq_ledger_u64(s, 8) };

        return ((TenantHandler *)handler)->row(userdata, &row);
}

int tq_ledger_each_tenant(TqLedger *l, int (*row)(void *, const TqLedgerTenant *), void *userdata) {
        return each(l,
                    "SELECT id, name, uid, user, ending, ending_to, ending_uid, ending_why,"
                    " revision FROM tenants WHERE ending IS NOT 'removed' ORDER BY owned, id",
                    tenant_row, &(TenantHandler){ row }, userdata);
}

typedef struct LiveHandler {
        const TqLedger *ledger;
        sqlite3_stmt *whole; /* one job, with all that it may have */
        int (*row)(void *, const TqLedgerLive *);
} LiveHandler;

static TqStopReason stop_from_string(const char *s) {
        for (int i = 0; s && i < _TQ_STOP_MAX; i++)
                if (strcmp(s, tq_verdict_stop_to_string((TqStopReason)i)) == 0)
                        return (TqStopReason)i;
        return TQ_STOP_NONE;
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
        LIVE_RETRY,
        LIVE_FAILURES,
        LIVE_RETRY_USEC,
        LIVE_CRASHES,
        LIVE_QUARANTINE,
        LIVE_VERDICT,
        LIVE_CORRELATION,
        LIVE_LABELS,
        LIVE_TRACE,
        LIVE_SPEC_SIZE,
        LIVE_SPEC,
};

static int whole_row(const LiveHandler *h, void *userdata) {
        sqlite3_stmt *s = h->whole;
        TqLedgerLive row = {
                .id = tq_ledger_u64(s, LIVE_ID),
                .tenant = (uint32_t)sqlite3_column_int64(s, LIVE_TENANT),
                .queue = tq_ledger_text(s, LIVE_QUEUE),
                .priority = sqlite3_column_int(s, LIVE_PRIORITY),
                .start_after_usec = tq_ledger_u64(s, LIVE_START_AFTER),
                .was_running = strcmp(tq_ledger_text(s, LIVE_STATE), "queued") != 0,
                .attempt = (unsigned)sqlite3_column_int(s, LIVE_ATTEMPT),
                .stop = stop_from_string(tq_ledger_text(s, LIVE_STOP)),
                .released_usec = tq_ledger_u64(s, LIVE_RELEASED),
                .name = tq_ledger_text(s, LIVE_NAME),
                .hold = (TqHoldLevel)sqlite3_column_int(s, LIVE_HELD),
                .has_deadline = sqlite3_column_type(s, LIVE_DEADLINE) != SQLITE_NULL,
                .deadline_usec = tq_ledger_u64(s, LIVE_DEADLINE),
                .after = tq_ledger_text(s, LIVE_AFTER),
                .has_bounds = sqlite3_column_type(s, LIVE_STOP_USEC) != SQLITE_NULL,
                .runtime_usec = tq_ledger_u64(s, LIVE_RUNTIME),
                .stop_usec = tq_ledger_u64(s, LIVE_STOP_USEC),
                .memory_bytes = tq_ledger_u64(s, LIVE_MEMORY),
                .retry = tq_ledger_text(s, LIVE_RETRY),
                .failures = (unsigned)sqlite3_column_int(s, LIVE_FAILURES),
                .retry_usec = tq_ledger_u64(s, LIVE_RETRY_USEC),
                .crashes = (unsigned)sqlite3_column_int(s, LIVE_CRASHES),
                .quarantine = tq_ledger_text(s, LIVE_QUARANTINE),
                .verdict = tq_ledger_text(s, LIVE_VERDICT),
                .correlation_id = tq_ledger_text(s, LIVE_CORRELATION),
                .labels = tq_ledger_text(s, LIVE_LABELS),
                .trace_parent = tq_ledger_text(s, LIVE_TRACE),
                .spec = sqlite3_column_blob(s, LIVE_SPEC),
                .spec_size = (size_t)sqlite3_column_int64(s, LIVE_SPEC_SIZE),
        };

        row.has_boottime = tq_ledger_boottime(h->ledger, s, LIVE_BOOT, &row.released_boottime_usec);
        return h->row(userdata, &row);
}

/* A spec is read only where an older version did not note its bounds. */
#define LIVE_WHOLE                                                                                 \
        "SELECT j.id, j.tenant, j.queue, j.priority, j.start_after_usec, j.state, j.attempt,"      \
        " j.stop, a.released_usec, a.boot, j.name, j.held, j.deadline_usec, j.after,"              \
        " j.runtime_usec, j.stop_usec, j.memory_bytes, j.retry, j.failures, j.retry_usec,"         \
        " j.crashes, j.quarantine, a.verdict, j.correlation_id, j.labels, j.trace_parent,"         \
        " length(j.spec), CASE WHEN j.stop_usec IS NULL THEN j.spec END "                          \
        "FROM jobs j LEFT JOIN attempts a ON a.job = j.id AND a.attempt = j.attempt "              \
        "WHERE j.id = ?1"

/* Of a million jobs that wait nearly all have nothing but this, and each column costs: the others
 * are read anew, as a whole. */
enum {
        PLAIN_ID,
        PLAIN_TENANT,
        PLAIN_QUEUE,
        PLAIN_PRIORITY,
        PLAIN_NAME,
        PLAIN_RUNTIME,
        PLAIN_STOP_USEC,
        PLAIN_MEMORY,
        PLAIN_SPEC_SIZE,
        PLAIN_IS_ALL,
};
#define LIVE_PLAIN                                                                                 \
        "SELECT id, tenant, queue, priority, name, runtime_usec, stop_usec, memory_bytes,"         \
        " length(spec), CASE WHEN attempt = 0 AND state = 'queued' AND held = 0 AND failures = 0"  \
        " AND crashes = 0 AND stop_usec IS NOT NULL AND coalesce(start_after_usec, stop,"          \
        " deadline_usec, after, retry, retry_usec, quarantine, correlation_id, labels,"            \
        " trace_parent) IS NULL THEN 1 END "                                                       \
        "FROM jobs INDEXED BY jobs_live WHERE state <> 'done' ORDER BY id"

static int find_whole(const LiveHandler *h, void *userdata, sqlite3_stmt *plain) {
        int rc, r;

        tq_ledger_bind_u64(h->whole, 1, tq_ledger_u64(plain, PLAIN_ID));
        rc = sqlite3_step(h->whole);
        r = rc == SQLITE_ROW ? whole_row(h, userdata) : tq_ledger_errno(rc);
        (void)sqlite3_reset(h->whole);
        return r;
}

static int live_row(void *handler, void *userdata, sqlite3_stmt *s) {
        const LiveHandler *h = handler;
        TqLedgerLive row = {
                .id = tq_ledger_u64(s, PLAIN_ID),
                .tenant = (uint32_t)sqlite3_column_int64(s, PLAIN_TENANT),
                .queue = tq_ledger_text(s, PLAIN_QUEUE),
                .priority = sqlite3_column_int(s, PLAIN_PRIORITY),
                .name = tq_ledger_text(s, PLAIN_NAME),
                .has_bounds = true,
                .runtime_usec = tq_ledger_u64(s, PLAIN_RUNTIME),
                .stop_usec = tq_ledger_u64(s, PLAIN_STOP_USEC),
                .memory_bytes = tq_ledger_u64(s, PLAIN_MEMORY),
                .spec_size = (size_t)sqlite3_column_int64(s, PLAIN_SPEC_SIZE),
        };

        return sqlite3_column_int(s, PLAIN_IS_ALL) ? h->row(userdata, &row)
                                                   : find_whole(h, userdata, s);
}

int tq_ledger_each_live(TqLedger *l, int (*row)(void *, const TqLedgerLive *), void *userdata) {
        LiveHandler h = { .ledger = l, .row = row };
        int rc, r;

        /* What is read once is not kept, between what stays. */
        rc = sqlite3_exec(l->db, "PRAGMA cache_size=-1024", NULL, NULL, NULL);
        if (rc == SQLITE_OK)
                rc = sqlite3_prepare_v2(l->db, LIVE_WHOLE, -1, &h.whole, NULL);
        if (rc != SQLITE_OK)
                return tq_ledger_errno(rc);
        r = each(l, LIVE_PLAIN, live_row, &h, userdata);
        (void)sqlite3_finalize(h.whole);
        rc = sqlite3_exec(l->db, TQ_LEDGER_CACHE, NULL, NULL, NULL);
        return r < 0 ? r : tq_ledger_errno(rc);
}

typedef struct SwitchHandler {
        int (*row)(void *, const TqLedgerSwitch *);
} SwitchHandler;

static int switch_row(void *handler, void *userdata, sqlite3_stmt *s) {
        return ((SwitchHandler *)handler)
                ->row(userdata,
                      &(TqLedgerSwitch){
                              .tenant = (uint32_t)sqlite3_column_int64(s, 0),
                              .queue = tq_ledger_text(s, 1),
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

typedef struct FileHandler {
        int (*row)(void *, uint32_t, const char *);
} FileHandler;

static int file_row(void *handler, void *userdata, sqlite3_stmt *s) {
        const char *text = tq_ledger_text(s, 1);

        return ((FileHandler *)handler)
                ->row(userdata, (uint32_t)sqlite3_column_int64(s, 0), text ? text : "");
}

int tq_ledger_each_file(TqLedger *l, int (*row)(void *, uint32_t tenant, const char *text),
                        void *userdata) {
        return each(l, "SELECT tenant, text FROM files ORDER BY tenant", file_row,
                    &(FileHandler){ row }, userdata);
}

typedef struct RolloutHandler {
        const TqLedger *ledger;
        int (*row)(void *, uint32_t, const TqLedgerRollout *);
} RolloutHandler;

static int rollout_row(void *handler, void *userdata, sqlite3_stmt *s) {
        const RolloutHandler *h = handler;
        TqLedgerRollout row = {
                .revision = tq_ledger_u64(s, 1),
                .begun_usec = tq_ledger_u64(s, 2),
                .span_usec = tq_ledger_u64(s, 3),
                .percent = tq_ledger_u64(s, 4),
                .has_cpu = sqlite3_column_type(s, 5) != SQLITE_NULL,
                .cpu_usec = tq_ledger_u64(s, 5),
                .throttled_usec = tq_ledger_u64(s, 6),
                .has_before = sqlite3_column_type(s, 7) != SQLITE_NULL,
                .before_cpu_usec = tq_ledger_u64(s, 7),
                .before_throttled_usec = tq_ledger_u64(s, 8),
        };

        row.has_boottime = tq_ledger_boottime(h->ledger, s, 9, &row.begun_boottime_usec);
        return h->row(userdata, (uint32_t)sqlite3_column_int64(s, 0), &row);
}

int tq_ledger_each_rollout(TqLedger *l,
                           int (*row)(void *, uint32_t tenant, const TqLedgerRollout *),
                           void *userdata) {
        return each(l, "SELECT * FROM rollouts ORDER BY tenant", rollout_row,
                    &(RolloutHandler){ l, row }, userdata);
}

typedef struct StandingHandler {
        const TqLedger *ledger;
        uint64_t now, boottime;
        int (*standing)(void *, const TqLedgerStanding *);
        int (*pool)(void *, const TqPoolStanding *);
} StandingHandler;

/* How old a row is that has time_usec in column i and `boot` in the next one. */
static uint64_t age_of(const StandingHandler *h, sqlite3_stmt *s, int i) {
        uint64_t at;

        return tq_ledger_boottime(h->ledger, s, i + 1, &at)
                       ? tq_sub_u64(h->boottime, at)
                       : tq_sub_u64(h->now, tq_ledger_u64(s, i));
}

static int standing_row(void *handler, void *userdata, sqlite3_stmt *s) {
        const StandingHandler *h = handler;
        bool has_usage = sqlite3_column_type(s, 8) != SQLITE_NULL;
        TqLedgerStanding row = {
                .tenant = (uint32_t)sqlite3_column_int64(s, 0),
                .standing = { .age_usec = age_of(h, s, 1),
                              .pool = tq_ledger_text(s, 3),
                              .presence = tq_presence_from_string(tq_ledger_text(s, 4)),
                              .tag = tq_ledger_u64(s, 5),
                              .largest_advance = tq_ledger_u64(s, 6),
                              .turn = tq_ledger_u64(s, 7),
                              .usage = has_usage ? sqlite3_column_double(s, 8) : TQ_HISTORY_NONE },
                .averages = sqlite3_column_blob(s, 9),
                .averages_size = (size_t)sqlite3_column_bytes(s, 9),
        };

        return h->standing(userdata, &row);
}

int tq_ledger_each_standing(TqLedger *l, uint64_t now_usec, uint64_t boottime_usec,
                            int (*row)(void *, const TqLedgerStanding *), void *userdata) {
        return each(
                l,
                "SELECT tenant, time_usec, boot, pool, presence, tag_nsec, largest_nsec, turn,"
                " usage, averages FROM standings ORDER BY tenant",
                standing_row,
                &(StandingHandler){
                        .ledger = l, .now = now_usec, .boottime = boottime_usec, .standing = row },
                userdata);
}

static int pool_row(void *handler, void *userdata, sqlite3_stmt *s) {
        const StandingHandler *h = handler;

        return h->pool(userdata, &(TqPoolStanding){
                                         .name = tq_ledger_text(s, 0),
                                         .age_usec = age_of(h, s, 1),
                                         .vtime = tq_ledger_u64(s, 3),
                                         .largest_charge = tq_ledger_u64(s, 4),
                                         .is_contended = sqlite3_column_type(s, 5) != SQLITE_NULL,
                                         .contended_usec = tq_ledger_u64(s, 5),
                                 });
}

int tq_ledger_each_pool(TqLedger *l, uint64_t now_usec, uint64_t boottime_usec,
                        int (*row)(void *, const TqPoolStanding *), void *userdata) {
        return each(l,
                    "SELECT name, time_usec, boot, vtime_nsec, largest_nsec, contended_usec "
                    "FROM pools ORDER BY name",
                    pool_row,
                    &(StandingHandler){
                            .ledger = l, .now = now_usec, .boottime = boottime_usec, .pool = row },
                    userdata);
}

typedef struct LimitHandler {
        const TqLedger *ledger;
        int (*row)(void *, const TqLedgerLimit *);
} LimitHandler;

static int limit_row(void *handler, void *userdata, sqlite3_stmt *s) {
        const LimitHandler *h = handler;
        TqLedgerLimit row = { .tenant = (uint32_t)sqlite3_column_int64(s, 0),
                              .queue = tq_ledger_text(s, 1),
                              .name = tq_ledger_text(s, 2),
                              .value = tq_ledger_text(s, 3),
                              .revision = tq_ledger_u64(s, 4),
                              .until_usec = tq_ledger_u64(s, 5),
                              .back = tq_ledger_text(s, 7) };

        row.has_boottime = tq_ledger_boottime(h->ledger, s, 6, &row.until_boottime_usec);
        return h->row(userdata, &row);
}

int tq_ledger_each_limit(TqLedger *l, int (*row)(void *, const TqLedgerLimit *), void *userdata) {
        return each(l,
                    "SELECT tenant, queue, name, value, revision, until_usec, until_boot,"
                    " back_value FROM limits ORDER BY revision, tenant, queue, name",
                    limit_row, &(LimitHandler){ l, row }, userdata);
}

/* The highest that was given out, though its row may be gone. */
#define HIGHEST(what, column, table)                                                               \
        "SELECT max((SELECT coalesce(max(" column "), 0) FROM " table "),"                         \
        " coalesce((SELECT number FROM floors WHERE what = '" what "'), 0))"

int tq_ledger_numbers(TqLedger *l, TqLedgerNumbers *ret) {
        int64_t job = 0, claim = 0, tenant = 0, revision = 0, policy = 0;
        int rc;

        rc = tq_ledger_number(l, HIGHEST("job", "id", "jobs"), &job);
        if (rc == SQLITE_OK)
                rc = tq_ledger_number(l, HIGHEST("claim", "claim", "jobs"), &claim);
        if (rc == SQLITE_OK)
                rc = tq_ledger_number(l, "SELECT coalesce(max(id), 0) FROM tenants", &tenant);
        if (rc == SQLITE_OK)
                rc = tq_ledger_number(l, HIGHEST("revision", "revision", "tenants"), &revision);
        if (rc == SQLITE_OK)
                rc = tq_ledger_number(l, "SELECT coalesce(max(version), 0) FROM policies", &policy);
        if (rc != SQLITE_OK)
                return tq_ledger_errno(rc);
        *ret = (TqLedgerNumbers){
                .next_job = (uint64_t)job + 1,
                .next_claim = (uint64_t)claim + 1,
                .next_tenant = (uint32_t)tenant + 1,
                .next_revision = (uint64_t)revision + 1,
                .next_policy = (uint64_t)policy + 1,
        };
        return 0;
}
