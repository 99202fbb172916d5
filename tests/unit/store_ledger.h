/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "store/ledger.h"

#include <limits.h>
#include <sqlite3.h>
#include <stdio.h>

#include "base/buffer.h"
#include "store/chain.h"
#include "unit.h"

/* A ledger in a directory of its own, for the tests of what is stored there: what is recorded in
 * few words, and what it says as text. */

static const uint8_t boot[16] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 };

/* A ledger in a directory of its own. */
typedef struct Fixture {
        char path[PATH_MAX];
        TqLedger *l;
} Fixture;

static inline void reopen(Fixture *f) {
        TqError err = {};

        f->l = tq_ledger_close(f->l);
        ck_assert_msg(tq_ledger_open(f->path, boot, &f->l, &err) == 0, "%s", err.text);
}

static inline Fixture fixture_new(void) {
        Fixture f = {};

        (void)snprintf(f.path, sizeof(f.path), "%s/ledger.db", unit_dir());
        reopen(&f);
        return f;
}

static inline void fixture_done(Fixture *f) {
        f->l = tq_ledger_close(f->l);
}

#define FIXTURE TQ_CLEANUP(fixture_done) Fixture

/* Operations; their strings are constants, so they are not freed by tq_ledger_op_done(). */

static inline TqLedgerOp op_tenant(uint32_t id, const char *name) {
        return (TqLedgerOp){ .type = TQ_LEDGER_TENANT,
                             .tenant = id,
                             .text = (char *)name,
                             .uid = 1000 + id,
                             .time_usec = 5 };
}

static inline TqLedgerOp op_accept(uint64_t job, uint32_t id, uint64_t claim) {
        static char spec[] = "[Job]\nExecStart=/bin/true\n";
        TqLedgerOp op = { .type = TQ_LEDGER_ACCEPT,
                          .job = job,
                          .tenant = id,
                          .uid = 1000,
                          .time_usec = 1000000 + job,
                          .accept = { .claim = claim,
                                      .queue = "etl",
                                      .name = (char *)"nightly",
                                      .correlation_id = (char *)"req-1",
                                      .labels = (char *)"a=b",
                                      .priority = -5,
                                      .start_after_usec = 77,
                                      .spec = spec,
                                      .spec_size = sizeof(spec) - 1 } };

        return op;
}

static inline TqLedgerOp op_running(uint64_t job, unsigned attempt) {
        return (TqLedgerOp){ .type = TQ_LEDGER_RUNNING,
                             .job = job,
                             .attempt = attempt,
                             .time_usec = 2000000 + job };
}

static inline TqLedgerOp op_done(uint64_t job, unsigned attempt) {
        TqEnd end = { .kind = TQ_END_EXITED,
                      .code = 3,
                      .started_usec = 3000000,
                      .ended_usec = 4000000,
                      .run_usec = 999,
                      .dropped_bytes = 12,
                      .counters = { .cpu_usec = 1,
                                    .memory_peak_bytes = UINT64_MAX - 1,
                                    .oom_kills = 0,
                                    .io_read_bytes = TQ_UNKNOWN,
                                    .io_write_bytes = 5,
                                    .pids_peak = TQ_UNKNOWN,
                                    .pids_denied = 7 } };

        return (TqLedgerOp){ .type = TQ_LEDGER_DONE,
                             .job = job,
                             .attempt = attempt,
                             .time_usec = 9,
                             .verdict = tq_verdict_judge(&end, TQ_STOP_NONE) };
}

static inline TqLedgerOp op_limit(uint32_t id, const char *queue, const char *name,
                                  const char *value, uint64_t revision) {
        TqLedgerOp op = {
                .type = TQ_LEDGER_LIMIT,
                .tenant = id,
                .time_usec = 6,
                .limit = { .name = (char *)name, .value = (char *)value, .revision = revision }
        };

        (void)snprintf(op.limit.queue, sizeof(op.limit.queue), "%s", queue);
        return op;
}

/* A row of the audit; of a limit, if it has a revision. */
static inline TqLedgerOp op_audit(uint64_t time_usec, uint32_t id, const char *queue,
                                  const char *name, const char *old_set, const char *new_value,
                                  uint64_t revision) {
        TqLedgerOp op = { .type = TQ_LEDGER_AUDIT,
                          .kind = "limits",
                          .tenant = id,
                          .time_usec = time_usec,
                          .text = (char *)"because",
                          .audit = { .login_uid = UINT32_MAX,
                                     .name = (char *)name,
                                     .old_set = (char *)old_set,
                                     .new_value = (char *)new_value,
                                     .revision = revision } };

        (void)snprintf(op.audit.queue, sizeof(op.audit.queue), "%s", queue);
        return op;
}

#define APPLY(l, ...)                                                                              \
        tq_ledger_apply((l), (const TqLedgerOp[]){ __VA_ARGS__ },                                  \
                        TQ_ELEMENTSOF(((const TqLedgerOp[]){ __VA_ARGS__ })))

/* What the ledger says, as text. */

static inline int tell_live(void *userdata, const TqLedgerLive *j) {
        tq_buffer_printf(userdata, "%ju t%u %s p%d after%ju %s attempt%u released%ju %s spec%zu\n",
                         (uintmax_t)j->id, j->tenant, j->queue, j->priority,
                         (uintmax_t)j->start_after_usec, j->was_running ? "running" : "queued",
                         j->attempt, (uintmax_t)j->released_usec,
                         tq_verdict_stop_to_string(j->stop), j->spec_size);
        return 0;
}

static inline int tell_limit(void *userdata, const TqLedgerLimit *x) {
        tq_buffer_printf(userdata, "t%u %s|%s=%s r%ju", x->tenant, x->queue, x->name,
                         x->value ? x->value : "unset", (uintmax_t)x->revision);
        if (x->until_usec > 0)
                tq_buffer_printf(userdata, " until%ju %s%ju then %s", (uintmax_t)x->until_usec,
                                 x->has_boottime ? "boot" : "other",
                                 (uintmax_t)x->until_boottime_usec, x->back ? x->back : "unset");
        tq_buffer_printf(userdata, "\n");
        return 0;
}

static inline void on_broken_link(void *userdata, const char *text) {
        tq_buffer_printf(userdata, "%s\n", text);
}

/* What is wrong with the chain, a line each; mark: as tq_chain_verify(). */
static inline void expect_chain_of(const char *path, const uint8_t *mark, const char *want) {
        TQ_BUFFER_CLEANUP TqBuffer got = {};
        TqChainFound found;
        sqlite3 *db;

        ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
        ck_assert_int_eq(tq_chain_verify(db, mark, on_broken_link, &got, &found), SQLITE_OK);
        (void)sqlite3_close(db);
        ck_assert_str_eq(tq_buffer_string(&got), want);
        ck_assert_uint_eq(found.problems == 0, want[0] == '\0');
        if (mark)
                ck_assert(found.has_mark);
}

/* Of one that is open. */
static inline void expect_chain(Fixture *f, const uint8_t *mark, const char *want) {
        f->l = tq_ledger_close(f->l);
        expect_chain_of(f->path, mark, want);
        reopen(f);
}

static inline void expect_live(Fixture *f, const char *want) {
        TQ_BUFFER_CLEANUP TqBuffer got = {};

        ck_assert_int_eq(tq_ledger_each_live(f->l, tell_live, &got), 0);
        ck_assert_str_eq(tq_buffer_string(&got), want);
}

static inline void expect_limits(Fixture *f, const char *want) {
        TQ_BUFFER_CLEANUP TqBuffer got = {};

        ck_assert_int_eq(tq_ledger_each_limit(f->l, tell_limit, &got), 0);
        ck_assert_str_eq(tq_buffer_string(&got), want);
}

/* The ids of the jobs that a filter finds, in its order. */
static inline void expect_jobs(Fixture *f, TqLedgerFilter filter, const char *want) {
        TQ_BUFFER_CLEANUP TqBuffer got = {};
        TQ_TABLE_CLEANUP TqTable t = {};

        ck_assert_int_eq(tq_ledger_jobs(f->l, &filter, &t), 0);
        for (size_t i = 0; i < t.n_rows; i++)
                tq_buffer_printf(&got, "%s%jd", i > 0 ? " " : "",
                                 (intmax_t)tq_table_integer(&t, i, "job", -1));
        ck_assert_str_eq(tq_buffer_string(&got), want);
}

static inline int64_t query_number(const char *path, const char *sql) {
        sqlite3 *db;
        sqlite3_stmt *s;
        int64_t n;

        ck_assert_int_eq(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
        ck_assert_msg(sqlite3_prepare_v2(db, sql, -1, &s, NULL) == SQLITE_OK, "%s: %s", sql,
                      sqlite3_errmsg(db));
        ck_assert_int_eq(sqlite3_step(s), SQLITE_ROW);
        n = sqlite3_column_int64(s, 0);
        (void)sqlite3_finalize(s);
        ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
        return n;
}

static inline void execute(const char *path, const char *sql) {
        sqlite3 *db;

        ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
        ck_assert_msg(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK, "%s: %s", sql,
                      sqlite3_errmsg(db));
        ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
}

static inline int tell_bounds(void *userdata, const TqLedgerLive *j) {
        tq_buffer_printf(userdata, "%ju %s hold%d deadline%ju after %s", (uintmax_t)j->id, j->name,
                         j->hold, (uintmax_t)j->deadline_usec, j->after ? j->after : "-");
        if (j->has_bounds)
                tq_buffer_printf(userdata, " runtime%ju stop%ju memory%ju",
                                 (uintmax_t)j->runtime_usec, (uintmax_t)j->stop_usec,
                                 (uintmax_t)j->memory_bytes);
        if (j->spec)
                tq_buffer_printf(userdata, " \"%.*s\"", (int)j->spec_size, j->spec);
        tq_buffer_printf(userdata, "\n");
        return 0;
}

static inline void expect_bounds(Fixture *f, const char *want) {
        TQ_BUFFER_CLEANUP TqBuffer got = {};

        ck_assert_int_eq(tq_ledger_each_live(f->l, tell_bounds, &got), 0);
        ck_assert_str_eq(tq_buffer_string(&got), want);
}

static inline TqLedgerOp op_hold(uint64_t job, TqHoldLevel level) {
        TqLedgerOp op = { .type = TQ_LEDGER_HOLD, .job = job };

        op.hold.level = level;
        return op;
}

/* Jobs 1 and 2 of tenant 1, 3 and 4 of tenant 2; the even ones in the queue "web". */
static inline void accept_four(Fixture *f) {
        ck_assert_int_eq(APPLY(f->l, op_tenant(1, "acme"), op_tenant(2, "globex")), 0);
        for (uint64_t job = 1; job <= 4; job++) {
                TqLedgerOp op = op_accept(job, job <= 2 ? 1 : 2, job);

                if (job % 2 == 0)
                        (void)snprintf(op.accept.queue, sizeof(op.accept.queue), "web");
                ck_assert_int_eq(tq_ledger_apply(f->l, &op, 1), 0);
        }
}

static inline TqLedgerOp op_switch(uint32_t id, const char *queue, bool paused, bool draining) {
        TqLedgerOp op = { .type = TQ_LEDGER_SWITCH,
                          .tenant = id,
                          .uid = 8,
                          .time_usec = 9,
                          .text = (char *)"why" };

        op.hold.switches = (TqSwitches){ .is_paused = paused, .is_draining = draining };
        (void)snprintf(op.hold.queue, sizeof(op.hold.queue), "%s", queue);
        return op;
}

static inline int tell_switch(void *userdata, const TqLedgerSwitch *x) {
        tq_buffer_printf(userdata, "t%u %s|%s%s\n", x->tenant, x->queue,
                         x->switches.is_paused ? "paused" : "",
                         x->switches.is_draining ? "draining" : "");
        return 0;
}

static inline void expect_switches(Fixture *f, const char *want) {
        TQ_BUFFER_CLEANUP TqBuffer got = {};

        ck_assert_int_eq(tq_ledger_each_switch(f->l, tell_switch, &got), 0);
        ck_assert_str_eq(tq_buffer_string(&got), want);
}
