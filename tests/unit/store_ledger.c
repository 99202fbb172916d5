/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/ledger.h"

#include <fcntl.h>
#include <limits.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "store/ledger_schema.h"
#include "unit.h"

static const uint8_t boot[16] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 };

/* A ledger in a directory of its own. */
typedef struct Fixture {
        char path[PATH_MAX];
        TqLedger *l;
} Fixture;

static void reopen(Fixture *f) {
        TqError err = {};

        f->l = tq_ledger_close(f->l);
        ck_assert_msg(tq_ledger_open(f->path, boot, &f->l, &err) == 0, "%s", err.text);
}

static Fixture fixture_new(void) {
        Fixture f = {};

        (void)snprintf(f.path, sizeof(f.path), "%s/ledger.db", unit_dir());
        reopen(&f);
        return f;
}

static void fixture_done(Fixture *f) {
        f->l = tq_ledger_close(f->l);
}

#define FIXTURE TQ_CLEANUP(fixture_done) Fixture

/* Operations; their strings are constants, so they are not freed by tq_ledger_op_done(). */

static TqLedgerOp op_tenant(uint32_t id, const char *name) {
        return (TqLedgerOp){ .type = TQ_LEDGER_TENANT,
                             .tenant = id,
                             .text = (char *)name,
                             .uid = 1000 + id,
                             .time_usec = 5 };
}

static TqLedgerOp op_accept(uint64_t job, uint32_t id, uint64_t claim) {
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

static TqLedgerOp op_running(uint64_t job, unsigned attempt) {
        return (TqLedgerOp){ .type = TQ_LEDGER_RUNNING,
                             .job = job,
                             .attempt = attempt,
                             .time_usec = 2000000 + job };
}

static TqLedgerOp op_done(uint64_t job, unsigned attempt) {
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

static TqLedgerOp op_limit(uint32_t id, const char *queue, const char *name, const char *value) {
        TqLedgerOp op = { .type = TQ_LEDGER_LIMIT,
                          .tenant = id,
                          .time_usec = 6,
                          .limit = { .name = (char *)name, .new_value = (char *)value } };

        (void)snprintf(op.limit.queue, sizeof(op.limit.queue), "%s", queue);
        return op;
}

#define APPLY(l, ...)                                                                              \
        tq_ledger_apply((l), (const TqLedgerOp[]){ __VA_ARGS__ },                                  \
                        TQ_ELEMENTSOF(((const TqLedgerOp[]){ __VA_ARGS__ })))

/* What the ledger says, as text. */

static int tell_live(void *userdata, const TqLedgerLive *j) {
        tq_buffer_printf(userdata, "%ju t%u %s p%d after%ju %s attempt%u released%ju %s spec%zu\n",
                         (uintmax_t)j->id, j->tenant, j->queue, j->priority,
                         (uintmax_t)j->start_after_usec, j->was_running ? "running" : "queued",
                         j->attempt, (uintmax_t)j->released_usec,
                         tq_verdict_stop_to_string(j->stop), j->spec_size);
        return 0;
}

static int tell_limit(void *userdata, const TqLedgerLimit *x) {
        tq_buffer_printf(userdata, "t%u %s|%s=%s r%ju\n", x->tenant, x->queue, x->name, x->value,
                         (uintmax_t)x->revision);
        return 0;
}

static int tell_tenant(void *userdata, const TqLedgerTenant *x) {
        tq_buffer_printf(userdata, "%u %s %u %s\n", x->id, x->name, x->uid, x->user);
        return 0;
}

static void expect_live(Fixture *f, const char *want) {
        TQ_BUFFER_CLEANUP TqBuffer got = {};

        ck_assert_int_eq(tq_ledger_each_live(f->l, tell_live, &got), 0);
        ck_assert_str_eq(tq_buffer_string(&got), want);
}

static void expect_limits(Fixture *f, const char *want) {
        TQ_BUFFER_CLEANUP TqBuffer got = {};

        ck_assert_int_eq(tq_ledger_each_limit(f->l, tell_limit, &got), 0);
        ck_assert_str_eq(tq_buffer_string(&got), want);
}

/* The ids of the jobs that a filter finds, in its order. */
static void expect_jobs(Fixture *f, TqLedgerFilter filter, const char *want) {
        TQ_BUFFER_CLEANUP TqBuffer got = {};
        TQ_TABLE_CLEANUP TqTable t = {};

        ck_assert_int_eq(tq_ledger_jobs(f->l, &filter, &t), 0);
        for (size_t i = 0; i < t.n_rows; i++)
                tq_buffer_printf(&got, "%s%jd", i > 0 ? " " : "",
                                 (intmax_t)tq_table_integer(&t, i, "job", -1));
        ck_assert_str_eq(tq_buffer_string(&got), want);
}

static int64_t query_number(const char *path, const char *sql) {
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

static void execute(const char *path, const char *sql) {
        sqlite3 *db;

        ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
        ck_assert_msg(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK, "%s: %s", sql,
                      sqlite3_errmsg(db));
        ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
}

/* Tests --------------------------------------------------------------------------------------- */

START_TEST(new_ledger) {
        FIXTURE f = fixture_new();
        TqLedgerNumbers n;

        ck_assert_int_eq(tq_ledger_numbers(f.l, &n), 0);
        ck_assert_uint_eq(n.next_job, 1);
        ck_assert_uint_eq(n.next_claim, 1);
        ck_assert_uint_eq(n.next_tenant, 1);
        ck_assert_uint_eq(n.next_revision, 1);
        expect_live(&f, "");
        expect_limits(&f, "");
        expect_jobs(&f, (TqLedgerFilter){ .tenant = -1, .limit = 10 }, "");
        f.l = tq_ledger_close(f.l);
        ck_assert_int_eq(query_number(f.path, "PRAGMA application_id"), TQ_LEDGER_APPLICATION_ID);
        ck_assert_int_eq(query_number(f.path, "PRAGMA user_version"), TQ_LEDGER_VERSION);
        ck_assert_int_eq(query_number(f.path, "SELECT count(*) FROM pragma_journal_mode "
                                              "WHERE journal_mode = 'wal'"),
                         1);
}
END_TEST

START_TEST(accepted) {
        FIXTURE f = fixture_new();
        TQ_FREE char *spec = NULL;
        TqLedgerNumbers n;
        size_t size;

        ck_assert_int_eq(APPLY(f.l, op_tenant(1, "acme"), op_accept(7, 1, 70)), 0);
        ck_assert_int_eq(tq_ledger_has_claim(f.l, 70), 1);
        ck_assert_int_eq(tq_ledger_has_claim(f.l, 71), 0);
        expect_live(&f, "7 t1 etl p-5 after77 queued attempt0 released0 none spec26\n");
        ck_assert_int_eq(tq_ledger_numbers(f.l, &n), 0);
        ck_assert_uint_eq(n.next_job, 8);
        ck_assert_uint_eq(n.next_claim, 71);
        ck_assert_uint_eq(n.next_tenant, 2);
        ck_assert_int_eq(tq_ledger_spec(f.l, 7, &spec, &size), 0);
        ck_assert_str_eq(spec, "[Job]\nExecStart=/bin/true\n");
        ck_assert_uint_eq(size, 26);
        ck_assert_int_eq(tq_ledger_spec(f.l, 8, &spec, &size), -ENOENT);
}
END_TEST

/* The same file claimed before and after a crash is one job. */
START_TEST(claim_twice) {
        FIXTURE f = fixture_new();

        ck_assert_int_eq(APPLY(f.l, op_tenant(1, "acme"), op_accept(7, 1, 70)), 0);
        ck_assert_int_eq(APPLY(f.l, op_accept(8, 1, 70), op_accept(9, 1, 71)), 0);
        expect_jobs(&f, (TqLedgerFilter){ .tenant = -1, .limit = 10 }, "9 7");
        /* Jobs that did not come from the spool have no claim; there may be many. */
        ck_assert_int_eq(APPLY(f.l, op_accept(10, 1, 0), op_accept(11, 1, 0)), 0);
        expect_jobs(&f, (TqLedgerFilter){ .tenant = -1, .limit = 10 }, "11 10 9 7");
        ck_assert_int_eq(tq_ledger_has_claim(f.l, 0), 0);
}
END_TEST

START_TEST(life) {
        FIXTURE f = fixture_new();
        TQ_TABLE_CLEANUP TqTable t = {};

        ck_assert_int_eq(APPLY(f.l, op_tenant(1, "acme"), op_accept(7, 1, 70)), 0);
        ck_assert_int_eq(APPLY(f.l, op_running(7, 1)), 0);
        expect_live(&f, "7 t1 etl p-5 after77 running attempt1 released2000007 none spec26\n");
        ck_assert_int_eq(APPLY(f.l, (TqLedgerOp){ .type = TQ_LEDGER_STOP,
                                                  .job = 7,
                                                  .stop = TQ_STOP_TIMEOUT_TENANT }),
                         0);
        expect_live(
                &f,
                "7 t1 etl p-5 after77 running attempt1 released2000007 timeout-tenant spec26\n");
        ck_assert_int_eq(APPLY(f.l, op_done(7, 1)), 0);
        expect_live(&f, "");
        ck_assert_int_eq(
                tq_ledger_jobs(f.l, &(TqLedgerFilter){ .job = 7, .tenant = -1, .with_spec = true },
                               &t),
                0);
        ck_assert_uint_eq(t.n_rows, 1);
        ck_assert_str_eq(tq_table_text(&t, 0, "tenant"), "acme");
        ck_assert_str_eq(tq_table_text(&t, 0, "queue"), "etl");
        ck_assert_str_eq(tq_table_text(&t, 0, "name"), "nightly");
        ck_assert_str_eq(tq_table_text(&t, 0, "state"), "done");
        ck_assert_str_eq(tq_table_text(&t, 0, "outcome"), "exit");
        ck_assert_str_eq(tq_table_text(&t, 0, "verdict"), "exit 3");
        ck_assert_str_eq(tq_table_text(&t, 0, "stop"), "timeout-tenant");
        ck_assert_str_eq(tq_table_text(&t, 0, "correlation_id"), "req-1");
        ck_assert_str_eq(tq_table_text(&t, 0, "labels"), "a=b");
        ck_assert_str_eq(tq_table_text(&t, 0, "spec"), "[Job]\nExecStart=/bin/true\n");
        ck_assert_ptr_null(tq_table_text(&t, 0, "level"));
        ck_assert_ptr_null(tq_table_text(&t, 0, "stage"));
        ck_assert_int_eq(tq_table_integer(&t, 0, "job", -1), 7);
        ck_assert_int_eq(tq_table_integer(&t, 0, "priority", -1), -5);
        ck_assert_int_eq(tq_table_integer(&t, 0, "attempt", -1), 1);
        ck_assert_int_eq(tq_table_integer(&t, 0, "code", -1), 3);
        ck_assert_int_eq(tq_table_integer(&t, 0, "submitted_usec", -1), 1000007);
        ck_assert_int_eq(tq_table_integer(&t, 0, "started_usec", -1), 3000000);
        ck_assert_int_eq(tq_table_integer(&t, 0, "ended_usec", -1), 4000000);
        ck_assert_int_eq(tq_table_integer(&t, 0, "run_usec", -1), 999);
        ck_assert_int_eq(tq_table_integer(&t, 0, "wait_usec", -1), 1999993);
        ck_assert_int_eq(tq_table_integer(&t, 0, "cpu_usec", -1), 1);
        ck_assert_int_eq(tq_table_integer(&t, 0, "oom_kills", -1), 0);
        ck_assert_int_eq(tq_table_integer(&t, 0, "io_write_bytes", -1), 5);
        ck_assert_int_eq(tq_table_integer(&t, 0, "pids_denied", -1), 7);
        ck_assert_int_eq(tq_table_integer(&t, 0, "dropped_bytes", -1), 12);
        /* Beyond what SQLite holds, and what nobody could measure. */
        ck_assert_int_eq(tq_table_integer(&t, 0, "memory_peak_bytes", -1), INT64_MAX);
        ck_assert_int_eq(tq_table_integer(&t, 0, "io_read_bytes", -7), -7);
        ck_assert_int_eq(tq_table_integer(&t, 0, "pids_peak", -7), -7);
}
END_TEST

START_TEST(requeue) {
        FIXTURE f = fixture_new();

        ck_assert_int_eq(APPLY(f.l, op_tenant(1, "acme"), op_accept(7, 1, 70), op_running(7, 1)),
                         0);
        ck_assert_int_eq(APPLY(f.l, (TqLedgerOp){ .type = TQ_LEDGER_REQUEUE, .job = 7 }), 0);
        expect_live(&f, "7 t1 etl p-5 after77 queued attempt1 released2000007 none spec26\n");
        ck_assert_int_eq(APPLY(f.l, op_running(7, 2)), 0);
        expect_live(&f, "7 t1 etl p-5 after77 running attempt2 released2000007 none spec26\n");
        /* One attempt runs once. */
        ck_assert_int_eq(APPLY(f.l, op_running(7, 2)), -EEXIST);
        ck_assert_int_eq(APPLY(f.l, op_done(7, 2)), 0);
        expect_live(&f, "");
}
END_TEST

/* Cancelled before it ever ran: a verdict without an attempt. */
START_TEST(done_without_attempt) {
        FIXTURE f = fixture_new();
        TQ_TABLE_CLEANUP TqTable t = {};

        ck_assert_int_eq(APPLY(f.l, op_tenant(1, "acme"), op_accept(7, 1, 70),
                               (TqLedgerOp){ .type = TQ_LEDGER_DONE,
                                             .job = 7,
                                             .attempt = 1,
                                             .time_usec = 8000000,
                                             .stop = TQ_STOP_CANCELLED,
                                             .verdict = { .outcome = TQ_OUTCOME_CANCELLED } }),
                         0);
        ck_assert_int_eq(tq_ledger_jobs(f.l, &(TqLedgerFilter){ .job = 7, .tenant = 1 }, &t), 0);
        ck_assert_uint_eq(t.n_rows, 1);
        ck_assert_str_eq(tq_table_text(&t, 0, "outcome"), "cancelled");
        ck_assert_str_eq(tq_table_text(&t, 0, "stop"), "cancelled");
        ck_assert_int_eq(tq_table_integer(&t, 0, "ended_usec", -1), 8000000);
        ck_assert_int_eq(tq_table_integer(&t, 0, "started_usec", -1), -1);
        ck_assert_int_eq(tq_table_integer(&t, 0, "attempt", -1), 0);
        ck_assert_int_eq(tq_table_find(&t, "spec"), -ENOENT);
}
END_TEST

/* Any operation that fails takes back all of its transaction, wherever it stands. */
START_TEST(all_or_nothing) {
        FIXTURE f = fixture_new();
        TqLedgerOp ops[] = {
                op_accept(8, 1, 80),
                op_limit(1, "", "cpu", "2"),
                op_running(8, 1),
                (TqLedgerOp){ .type = TQ_LEDGER_EVENT, .kind = "x", .time_usec = 1 },
                op_accept(9, 1, 90),
        };
        size_t n = TQ_ELEMENTSOF(ops);

        ck_assert_int_eq(APPLY(f.l, op_tenant(1, "acme"), op_accept(7, 1, 70)), 0);
        for (size_t i = 0; i < n; i++) {
                TqLedgerOp saved = ops[i];

                ops[i] = op_accept(7, 1, 0); /* the job's number is taken */
                ck_assert_int_eq(tq_ledger_apply(f.l, ops, n), -EEXIST);
                ops[i] = (TqLedgerOp){ .type = _TQ_LEDGER_OP_MAX };
                ck_assert_int_eq(tq_ledger_apply(f.l, ops, n), -EINVAL);
                ops[i] = saved;
                expect_live(&f, "7 t1 etl p-5 after77 queued attempt0 released0 none spec26\n");
                expect_limits(&f, "");
        }
        /* It goes on afterwards. */
        ck_assert_int_eq(tq_ledger_apply(f.l, ops, n), 0);
        expect_jobs(&f, (TqLedgerFilter){ .tenant = -1, .limit = 10 }, "9 8 7");
        reopen(&f);
        expect_jobs(&f, (TqLedgerFilter){ .tenant = -1, .limit = 10 }, "9 8 7");
        ck_assert_int_eq(tq_ledger_apply(f.l, NULL, 0), 0);
}
END_TEST

START_TEST(tenants) {
        FIXTURE f = fixture_new();
        TQ_BUFFER_CLEANUP TqBuffer got = {};
        TqLedgerOp other = op_tenant(3, "acme");

        ck_assert_int_eq(
                APPLY(f.l, op_tenant(2, "globex"), op_tenant(1, "acme"), op_tenant(2, "globex")),
                0);
        /* The name comes to another owner, and is one more tenant. */
        other.uid = 1234;
        other.user = (char *)"bob";
        ck_assert_int_eq(APPLY(f.l, other), 0);
        ck_assert_int_eq(tq_ledger_each_tenant(f.l, tell_tenant, &got), 0);
        ck_assert_str_eq(tq_buffer_string(&got), "1 acme 1001 \n2 globex 1002 \n3 acme 1234 bob\n");
}
END_TEST

static int stop_at_once(void *userdata, const TqLedgerTenant *x) {
        (void)x;
        ++*(int *)userdata;
        return -ECANCELED;
}

START_TEST(callback_ends_it) {
        FIXTURE f = fixture_new();
        int calls = 0;

        ck_assert_int_eq(APPLY(f.l, op_tenant(2, "globex"), op_tenant(1, "acme")), 0);
        ck_assert_int_eq(tq_ledger_each_tenant(f.l, stop_at_once, &calls), -ECANCELED);
        ck_assert_int_eq(calls, 1);
}
END_TEST

/* The last revision of each name is in force, per tenant and queue; an unset takes it back. */
START_TEST(limits) {
        FIXTURE f = fixture_new();
        TqLedgerNumbers n;

        ck_assert_int_eq(APPLY(f.l, op_tenant(1, "acme"), op_tenant(2, "globex"),
                               op_limit(1, "", "cpu", "1"), op_limit(1, "", "memory", "1G"),
                               op_limit(1, "", "cpu", "2"), op_limit(2, "", "cpu", "9"),
                               op_limit(1, "etl", "concurrency", "3"),
                               op_limit(1, "", "io_write@/dev/vda", "10M")),
                         0);
        expect_limits(&f, "t1 |memory=1G r2\nt1 |cpu=2 r3\nt2 |cpu=9 r4\n"
                          "t1 etl|concurrency=3 r5\nt1 |io_write@/dev/vda=10M r6\n");
        ck_assert_int_eq(
                APPLY(f.l, op_limit(1, "", "cpu", NULL), op_limit(1, "etl", "concurrency", NULL)),
                0);
        expect_limits(&f, "t1 |memory=1G r2\nt2 |cpu=9 r4\nt1 |io_write@/dev/vda=10M r6\n");
        ck_assert_int_eq(APPLY(f.l, op_limit(1, "", "cpu", "4")), 0);
        reopen(&f);
        expect_limits(&f, "t1 |memory=1G r2\nt2 |cpu=9 r4\nt1 |io_write@/dev/vda=10M r6\n"
                          "t1 |cpu=4 r9\n");
        ck_assert_int_eq(tq_ledger_numbers(f.l, &n), 0);
        ck_assert_uint_eq(n.next_revision, 10);
        ck_assert_uint_eq(n.next_tenant, 3);
}
END_TEST

START_TEST(filters) {
        FIXTURE f = fixture_new();

        ck_assert_int_eq(APPLY(f.l, op_tenant(1, "acme"), op_tenant(2, "globex")), 0);
        for (uint64_t job = 1; job <= 10; job++)
                ck_assert_int_eq(APPLY(f.l, op_accept(job, job % 2 ? 1 : 2, job)), 0);
        for (uint64_t job = 1; job <= 5; job++)
                ck_assert_int_eq(APPLY(f.l, op_running(job, 1), op_done(job, 1)), 0);
        ck_assert_int_eq(APPLY(f.l, op_running(6, 1)), 0);
        expect_jobs(&f, (TqLedgerFilter){ .tenant = -1, .limit = 100 }, "10 9 8 7 6 5 4 3 2 1");
        expect_jobs(&f, (TqLedgerFilter){ .tenant = -1, .limit = UINT64_MAX },
                    "10 9 8 7 6 5 4 3 2 1");
        expect_jobs(&f, (TqLedgerFilter){ .tenant = -1, .limit = 3 }, "10 9 8");
        expect_jobs(&f, (TqLedgerFilter){ .tenant = -1, .limit = 3, .before = 8 }, "7 6 5");
        expect_jobs(&f, (TqLedgerFilter){ .tenant = -1, .limit = 3, .before = 1 }, "");
        expect_jobs(&f, (TqLedgerFilter){ .tenant = 1, .limit = 100 }, "9 7 5 3 1");
        expect_jobs(&f, (TqLedgerFilter){ .tenant = 2, .limit = 2 }, "10 8");
        expect_jobs(&f, (TqLedgerFilter){ .tenant = 2, .limit = 2, .before = 8 }, "6 4");
        expect_jobs(&f, (TqLedgerFilter){ .tenant = 3, .limit = 100 }, "");
        expect_jobs(&f, (TqLedgerFilter){ .tenant = 0, .limit = 100 }, "");
        expect_jobs(&f, (TqLedgerFilter){ .tenant = -1, .limit = 100, .live_only = true },
                    "10 9 8 7 6");
        expect_jobs(&f, (TqLedgerFilter){ .tenant = 2, .limit = 100, .live_only = true }, "10 8 6");
        expect_jobs(&f,
                    (TqLedgerFilter){ .tenant = 2, .limit = 1, .live_only = true, .before = 10 },
                    "8");
        expect_jobs(&f, (TqLedgerFilter){ .job = 4, .tenant = -1 }, "4");
        expect_jobs(&f, (TqLedgerFilter){ .job = 4, .tenant = 2 }, "4");
        expect_jobs(&f, (TqLedgerFilter){ .job = 4, .tenant = 1 }, ""); /* another tenant's */
        expect_jobs(&f, (TqLedgerFilter){ .job = 4, .tenant = 1, .with_spec = true }, "");
        expect_jobs(&f, (TqLedgerFilter){ .job = 44, .tenant = -1, .limit = 5 }, "");
}
END_TEST

START_TEST(reopened) {
        FIXTURE f = fixture_new();
        TqLedgerNumbers n;

        ck_assert_int_eq(APPLY(f.l, op_tenant(1, "acme"), op_accept(1, 1, 10), op_accept(2, 1, 20),
                               op_accept(3, 1, 30), op_running(1, 1), op_running(2, 1),
                               op_done(1, 1)),
                         0);
        reopen(&f);
        expect_live(&f, "2 t1 etl p-5 after77 running attempt1 released2000002 none spec26\n"
                        "3 t1 etl p-5 after77 queued attempt0 released0 none spec26\n");
        ck_assert_int_eq(tq_ledger_numbers(f.l, &n), 0);
        ck_assert_uint_eq(n.next_job, 4);
        ck_assert_uint_eq(n.next_claim, 31);
        ck_assert_int_eq(tq_ledger_has_claim(f.l, 20), 1);
        f.l = tq_ledger_close(f.l);
        ck_assert_int_eq(query_number(f.path,
                                      "SELECT count(*) FROM attempts WHERE substr(boot, 1, 16) ="
                                      " x'0102030405060708090a0b0c0d0e0f10'"),
                         2);
}
END_TEST

START_TEST(events) {
        FIXTURE f = fixture_new();
        TqLedgerOp e = { .type = TQ_LEDGER_EVENT, .kind = "refused", .time_usec = 3, .uid = 8 };

        ck_assert_int_eq(APPLY(f.l, op_tenant(1, "acme"), e), 0);
        e.text = (char *)"it's \"quoted\"; DROP TABLE jobs;--";
        e.tenant = 1;
        e.job = 5;
        ck_assert_int_eq(APPLY(f.l, e), 0);
        f.l = tq_ledger_close(f.l);
        ck_assert_int_eq(query_number(f.path,
                                      "SELECT count(*) FROM events WHERE kind = 'refused' AND "
                                      "job IS NULL AND tenant IS NULL AND text = ''"),
                         1);
        ck_assert_int_eq(query_number(f.path,
                                      "SELECT count(*) FROM events WHERE job = 5 AND tenant = 1 "
                                      "AND uid = 8 AND text LIKE '%DROP TABLE%'"),
                         1);
}
END_TEST

/* Files that are not a ledger of this version: refused, and left as they were. */
static const struct {
        const char *sql, *error;
} foreign_rows[] = {
        { "CREATE TABLE x(y); PRAGMA application_id=12345", "not a ledger of tenantq" },
        { "CREATE TABLE x(y)", "not a ledger of tenantq" },
        { "PRAGMA application_id=12345", "not a ledger of tenantq" },
        { "PRAGMA application_id=1416712497; PRAGMA user_version=5; CREATE TABLE x(y)",
          "has schema version 5, this program knows 4" },
        { "PRAGMA application_id=1416712497; PRAGMA user_version=0; CREATE TABLE x(y)",
          "has schema version 0, this program knows 4" },
};

START_TEST(foreign) {
        TqLedger *l = NULL;
        char path[PATH_MAX];
        TqError err = {};

        ck_assert_int_eq(TQ_LEDGER_APPLICATION_ID, 1416712497);
        (void)snprintf(path, sizeof(path), "%s/x.db", unit_dir());
        execute(path, foreign_rows[_i].sql);
        ck_assert_int_eq(tq_ledger_open(path, boot, &l, &err), -EBADMSG);
        ck_assert_ptr_null(l);
        ck_assert_msg(strstr(err.text, foreign_rows[_i].error) != NULL, "says: %s", err.text);
        ck_assert_int_eq(query_number(path, "SELECT count(*) FROM pragma_journal_mode "
                                            "WHERE journal_mode = 'wal'"),
                         0);
        ck_assert_int_eq(
                query_number(path, "SELECT count(*) FROM sqlite_schema WHERE name = 'jobs'"), 0);
}
END_TEST

START_TEST(not_a_database) {
        char path[PATH_MAX], garbage[8192];
        TqLedger *l = NULL;
        TqError err = {};
        int fd;

        (void)snprintf(path, sizeof(path), "%s/x.db", unit_dir());
        memset(garbage, 'x', sizeof(garbage));
        fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(write(fd, garbage, sizeof(garbage)), (ssize_t)sizeof(garbage));
        (void)close(fd);
        ck_assert_int_eq(tq_ledger_open(path, boot, &l, &err), -EBADMSG);
        ck_assert_ptr_null(l);
        ck_assert_ptr_nonnull(strstr(err.text, "ledger"));
}
END_TEST

/* A file that lost its second half is not mistaken for an empty ledger. */
START_TEST(truncated) {
        FIXTURE f = fixture_new();
        TqLedger *l = NULL;
        TqError err = {};
        struct stat st;

        ck_assert_int_eq(APPLY(f.l, op_tenant(1, "acme")), 0);
        for (uint64_t job = 1; job <= 200; job++)
                ck_assert_int_eq(APPLY(f.l, op_accept(job, 1, job)), 0);
        f.l = tq_ledger_close(f.l);
        ck_assert_int_eq(stat(f.path, &st), 0);
        ck_assert_int_gt(st.st_size, 16384);
        ck_assert_int_eq(truncate(f.path, st.st_size / 2 / 4096 * 4096), 0);
        ck_assert_int_eq(tq_ledger_open(f.path, boot, &l, &err), -EBADMSG);
        ck_assert_ptr_null(l);
        ck_assert_str_ne(err.text, "");
}
END_TEST

START_TEST(no_path) {
        TqLedger *l = NULL;
        char path[PATH_MAX];
        TqError err = {};

        (void)snprintf(path, sizeof(path), "%s/missing/x.db", unit_dir());
        ck_assert_int_lt(tq_ledger_open(path, boot, &l, &err), 0);
        ck_assert_ptr_null(l);
        ck_assert_str_ne(err.text, "");
        ck_assert_ptr_null(tq_ledger_close(NULL));
}
END_TEST

/* A second one, while the first is open, is kept out. */
START_TEST(exclusive) {
        FIXTURE f = fixture_new();
        TqLedger *l = NULL;
        TqError err = {};
        int r;

        ck_assert_int_eq(APPLY(f.l, op_tenant(1, "acme")), 0);
        r = tq_ledger_open(f.path, boot, &l, &err);
        ck_assert_int_lt(r, 0);
        ck_assert_ptr_null(l);
        ck_assert_int_eq(APPLY(f.l, op_tenant(2, "globex")), 0);
}
END_TEST

/* What op_done frees. */
START_TEST(operations_own_their_strings) {
        TqLedgerOp a = { .type = TQ_LEDGER_ACCEPT }, l = { .type = TQ_LEDGER_LIMIT };
        TqLedgerOp empty = {};

        a.text = strdup("x");
        a.accept.name = strdup("x");
        a.accept.correlation_id = strdup("x");
        a.accept.labels = strdup("x");
        a.accept.spec = strdup("x");
        tq_ledger_op_done(&a);
        l.limit.name = strdup("x");
        l.limit.old_value = strdup("x");
        l.limit.new_value = strdup("x");
        l.limit.kernel = strdup("x");
        tq_ledger_op_done(&l);
        ck_assert_mem_eq(&a, &empty, sizeof(a));
        ck_assert_mem_eq(&l, &empty, sizeof(l));
        tq_ledger_op_done(&a);
}
END_TEST

/* Version 2 ----------------------------------------------------------------------------------- */

static int tell_bounds(void *userdata, const TqLedgerLive *j) {
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

static void expect_bounds(Fixture *f, const char *want) {
        TQ_BUFFER_CLEANUP TqBuffer got = {};

        ck_assert_int_eq(tq_ledger_each_live(f->l, tell_bounds, &got), 0);
        ck_assert_str_eq(tq_buffer_string(&got), want);
}

START_TEST(bounds) {
        TqLedgerOp all = op_accept(1, 1, 1), none = op_accept(2, 1, 2), max = op_accept(3, 1, 3);
        FIXTURE f = fixture_new();
        TQ_TABLE_CLEANUP TqTable t = {};

        all.accept.has_deadline = true;
        all.accept.deadline_usec = 123456;
        all.accept.after = (char *)"7 nightly";
        all.accept.runtime_usec = 90;
        all.accept.stop_usec = 10;
        all.accept.memory_bytes = 4096;
        max.accept.runtime_usec = max.accept.memory_bytes = TQ_LIMIT_MAX;
        ck_assert_int_eq(APPLY(f.l, op_tenant(1, "acme"), all, none, max), 0);
        for (int i = 0; i < 2; i++) {
                expect_bounds(&f, "1 nightly hold0 deadline123456 after 7 nightly runtime90 stop10 "
                                  "memory4096\n"
                                  "2 nightly hold0 deadline0 after - runtime0 stop0 memory0\n"
                                  "3 nightly hold0 deadline0 after - runtime18446744073709551615 "
                                  "stop0 memory18446744073709551615\n");
                reopen(&f);
        }
        ck_assert_int_eq(tq_ledger_jobs(f.l, &(TqLedgerFilter){ .tenant = 1, .limit = 9 }, &t), 0);
        ck_assert_int_eq(tq_table_integer(&t, 2, "deadline_usec", -1), 123456);
        ck_assert_str_eq(tq_table_text(&t, 2, "after"), "7 nightly");
        ck_assert_int_eq(tq_table_integer(&t, 2, "held", -1), 0);
        ck_assert_int_eq(tq_table_integer(&t, 1, "deadline_usec", -1), -1);
        ck_assert_ptr_null(tq_table_text(&t, 1, "after"));
}
END_TEST

static TqLedgerOp op_hold(uint64_t job, TqHoldLevel level) {
        TqLedgerOp op = { .type = TQ_LEDGER_HOLD, .job = job };

        op.hold.level = level;
        return op;
}

/* Somebody removes its log, or puts another file there, while it is open. */
START_TEST(log_goes) {
        FIXTURE f = fixture_new();
        char log[PATH_MAX + 8];
        struct stat st;

        (void)snprintf(log, sizeof(log), "%s-wal", f.path);
        ck_assert_int_eq(APPLY(f.l, op_tenant(1, "acme"), op_accept(1, 1, 1)), 0);
        ck_assert_int_eq(tq_ledger_check(f.l), 0);
        for (uint64_t i = 0; i < 2; i++) {
                ck_assert_int_eq(unlink(log), 0);
                if (i == 1)
                        ck_assert_int_eq(close(open(log, O_CREAT | O_WRONLY, 0600)), 0);
                ck_assert_int_eq(tq_ledger_check(f.l), 1);
                ck_assert_int_eq(stat(log, &st), 0);
                /* All that was recorded is in the database itself. */
                ck_assert_int_eq(tq_ledger_check(f.l), 0);
                ck_assert_int_eq(APPLY(f.l, op_accept(i + 2, 1, i + 2)), 0);
        }
        expect_live(&f, "1 t1 etl p-5 after77 queued attempt0 released0 none spec26\n"
                        "2 t1 etl p-5 after77 queued attempt0 released0 none spec26\n"
                        "3 t1 etl p-5 after77 queued attempt0 released0 none spec26\n");
        ck_assert_int_eq(unlink(log), 0);
        ck_assert_int_eq(tq_ledger_check(f.l), 1);
        reopen(&f);
        expect_live(&f, "1 t1 etl p-5 after77 queued attempt0 released0 none spec26\n"
                        "2 t1 etl p-5 after77 queued attempt0 released0 none spec26\n"
                        "3 t1 etl p-5 after77 queued attempt0 released0 none spec26\n");
        ck_assert_int_eq(unlink(f.path), 0);
        ck_assert_int_eq(tq_ledger_check(f.l), -ESTALE);
        ck_assert_int_eq(close(open(f.path, O_CREAT | O_WRONLY, 0600)), 0);
        ck_assert_int_eq(tq_ledger_check(f.l), -ESTALE);
}
END_TEST

static int tell_hold(void *userdata, const TqLedgerLive *j) {
        tq_buffer_printf(userdata, "%s%ju:%d", ((TqBuffer *)userdata)->size > 0 ? " " : "",
                         (uintmax_t)j->id, j->hold);
        return 0;
}

static void expect_holds(Fixture *f, const char *want) {
        TQ_BUFFER_CLEANUP TqBuffer got = {};

        ck_assert_int_eq(tq_ledger_each_live(f->l, tell_hold, &got), 0);
        ck_assert_str_eq(tq_buffer_string(&got), want);
}

/* Jobs 1 and 2 of tenant 1, 3 and 4 of tenant 2; the even ones in the queue "web". */
static void accept_four(Fixture *f) {
        ck_assert_int_eq(APPLY(f->l, op_tenant(1, "acme"), op_tenant(2, "globex")), 0);
        for (uint64_t job = 1; job <= 4; job++) {
                TqLedgerOp op = op_accept(job, job <= 2 ? 1 : 2, job);

                if (job % 2 == 0)
                        (void)snprintf(op.accept.queue, sizeof(op.accept.queue), "web");
                ck_assert_int_eq(tq_ledger_apply(f->l, &op, 1), 0);
        }
}

static const struct {
        uint64_t job;
        TqHoldLevel level;
        const char *want;
} hold_rows[] = {
        { 1, TQ_HOLD_OWN, "1:1 2:0 3:0 4:0" },
        { 4, TQ_HOLD_ADMIN, "1:0 2:0 3:0 4:2" },
        { 9, TQ_HOLD_ADMIN, "1:0 2:0 3:0 4:0" },
};

START_TEST(hold) {
        FIXTURE f = fixture_new();

        accept_four(&f);
        for (size_t i = 0; i < TQ_ELEMENTSOF(hold_rows); i++) {
                ck_assert_int_eq(APPLY(f.l, op_hold(hold_rows[i].job, hold_rows[i].level)), 0);
                expect_holds(&f, hold_rows[i].want);
                ck_assert_int_eq(APPLY(f.l, op_hold(hold_rows[i].job, TQ_HOLD_NONE)), 0);
                expect_holds(&f, "1:0 2:0 3:0 4:0");
        }
        ck_assert_int_eq(APPLY(f.l, op_hold(2, TQ_HOLD_ADMIN)), 0);
        reopen(&f);
        expect_holds(&f, "1:0 2:2 3:0 4:0");
}
END_TEST

/* Only what waits is held, and what runs no longer is. */
START_TEST(hold_ends) {
        FIXTURE f = fixture_new();

        accept_four(&f);
        for (uint64_t job = 1; job <= 4; job++)
                ck_assert_int_eq(APPLY(f.l, op_hold(job, TQ_HOLD_ADMIN)), 0);
        ck_assert_int_eq(APPLY(f.l, op_running(1, 1), op_running(2, 1), op_done(2, 1)), 0);
        expect_holds(&f, "1:0 3:2 4:2");
        ck_assert_int_eq(APPLY(f.l, op_hold(1, TQ_HOLD_OWN), op_hold(2, TQ_HOLD_OWN),
                               op_hold(3, TQ_HOLD_OWN)),
                         0);
        expect_holds(&f, "1:0 3:1 4:2");
        ck_assert_int_eq(APPLY(f.l, (TqLedgerOp){ .type = TQ_LEDGER_REQUEUE, .job = 1 }), 0);
        expect_holds(&f, "1:0 3:1 4:2");
        ck_assert_int_eq(APPLY(f.l, op_hold(1, TQ_HOLD_OWN)), 0);
        expect_holds(&f, "1:1 3:1 4:2");
}
END_TEST

static TqLedgerOp op_switch(uint32_t id, const char *queue, bool paused, bool draining) {
        TqLedgerOp op = { .type = TQ_LEDGER_SWITCH,
                          .tenant = id,
                          .uid = 8,
                          .time_usec = 9,
                          .text = (char *)"why" };

        op.hold.switches = (TqSwitches){ .is_paused = paused, .is_draining = draining };
        (void)snprintf(op.hold.queue, sizeof(op.hold.queue), "%s", queue);
        return op;
}

static int tell_switch(void *userdata, const TqLedgerSwitch *x) {
        tq_buffer_printf(userdata, "t%u %s|%s%s\n", x->tenant, x->queue,
                         x->switches.is_paused ? "paused" : "",
                         x->switches.is_draining ? "draining" : "");
        return 0;
}

static void expect_switches(Fixture *f, const char *want) {
        TQ_BUFFER_CLEANUP TqBuffer got = {};

        ck_assert_int_eq(tq_ledger_each_switch(f->l, tell_switch, &got), 0);
        ck_assert_str_eq(tq_buffer_string(&got), want);
}

START_TEST(switches) {
        FIXTURE f = fixture_new();

        expect_switches(&f, "");
        ck_assert_int_eq(APPLY(f.l, op_switch(2, "", true, true), op_switch(1, "web", false, true),
                               op_switch(1, "", true, false), op_switch(0, "", true, false),
                               op_switch(1, "etl", true, false), op_switch(3, "", false, false)),
                         0);
        expect_switches(&f, "t0 |paused\nt1 |paused\nt1 etl|paused\nt1 web|draining\n"
                            "t2 |pauseddraining\n");
        ck_assert_int_eq(APPLY(f.l, op_switch(0, "", false, false), op_switch(1, "", false, true),
                               op_switch(2, "", false, true), op_switch(1, "etl", false, false)),
                         0);
        reopen(&f);
        expect_switches(&f, "t1 |draining\nt1 web|draining\nt2 |draining\n");
        f.l = tq_ledger_close(f.l);
        ck_assert_int_eq(query_number(f.path, "SELECT count(*) FROM switches WHERE uid = 8 AND "
                                              "time_usec = 9 AND why = 'why'"),
                         6);
}
END_TEST

/* What became of it ---------------------------------------------------------------------------- */

static TqLedgerOp op_named(uint64_t job, uint32_t id, const char *name) {
        TqLedgerOp op = op_accept(job, id, job);

        op.accept.name = (char *)name;
        return op;
}

static TqLedgerOp op_ended(uint64_t job, TqVerdict v) {
        return (TqLedgerOp){ .type = TQ_LEDGER_DONE, .job = job, .attempt = 1, .verdict = v };
}

/* 1 well, 2 exit 3, 3 another tenant's, 4 cancelled, 5 runs, 6 waits, 7 another name. */
static Fixture fates(void) {
        Fixture f = fixture_new();

        ck_assert_int_eq(APPLY(f.l, op_tenant(1, "acme"), op_tenant(2, "globex"),
                               op_named(1, 1, "x"), op_named(2, 1, "x"), op_named(3, 2, "x"),
                               op_named(4, 1, "x"), op_named(5, 1, "x"), op_named(6, 1, "x"),
                               op_named(7, 1, "y"), op_running(1, 1), op_running(2, 1),
                               op_running(5, 1),
                               op_ended(1, (TqVerdict){ .outcome = TQ_OUTCOME_EXIT, .code = 0 }),
                               op_ended(2, (TqVerdict){ .outcome = TQ_OUTCOME_EXIT, .code = 3 }),
                               op_ended(3, (TqVerdict){ .outcome = TQ_OUTCOME_EXIT, .code = 0 }),
                               op_ended(4, (TqVerdict){ .outcome = TQ_OUTCOME_CANCELLED })),
                         0);
        return f;
}

static const struct {
        uint32_t tenant;
        uint64_t job;
        const char *name;
        uint64_t before, want_job;
        TqLedgerFate want;
} fate_rows[] = {
        { 1, 1, NULL, 0, 1, TQ_FATE_WELL },
        { 1, 2, NULL, 0, 2, TQ_FATE_FAILED },
        { 1, 4, NULL, 0, 4, TQ_FATE_FAILED },
        { 1, 5, NULL, 0, 5, TQ_FATE_LIVE },
        { 1, 6, NULL, 0, 6, TQ_FATE_LIVE },
        { 1, 3, NULL, 0, 0, TQ_FATE_FAILED }, /* another tenant's */
        { 2, 3, NULL, 0, 3, TQ_FATE_WELL },
        { 2, 1, NULL, 0, 0, TQ_FATE_FAILED },
        { 1, 8, NULL, 0, 0, TQ_FATE_FAILED },
        { 1, 0, "x", UINT64_MAX, 6, TQ_FATE_LIVE },
        { 1, 0, "x", 7, 6, TQ_FATE_LIVE },
        { 1, 0, "x", 6, 5, TQ_FATE_LIVE },
        { 1, 0, "x", 5, 4, TQ_FATE_FAILED },
        { 1, 0, "x", 4, 2, TQ_FATE_FAILED }, /* 3 is another tenant's */
        { 1, 0, "x", 2, 1, TQ_FATE_WELL },
        { 1, 0, "x", 1, 2, TQ_FATE_FAILED }, /* none before: the next one behind it */
        { 1, 0, "x", 0, 1, TQ_FATE_WELL },
        { 2, 0, "x", 2, 3, TQ_FATE_WELL },
        { 2, 0, "x", 3, 0, TQ_FATE_FAILED }, /* not itself */
        { 1, 0, "y", 9, 7, TQ_FATE_LIVE },
        { 2, 0, "x", 9, 3, TQ_FATE_WELL },
        { 2, 0, "y", 9, 0, TQ_FATE_FAILED },
        { 1, 0, "X", 9, 0, TQ_FATE_FAILED },
        { 1, 0, "", 9, 0, TQ_FATE_FAILED },
};

START_TEST(fate) {
        TQ_CLEANUP(fixture_done) Fixture f = fates();

        for (size_t i = 0; i < TQ_ELEMENTSOF(fate_rows); i++) {
                TqLedgerFate got = TQ_FATE_LIVE;
                uint64_t job = 99;

                ck_assert_int_eq(tq_ledger_fate(f.l, fate_rows[i].tenant, fate_rows[i].job,
                                                fate_rows[i].name, fate_rows[i].before, &job, &got),
                                 0);
                ck_assert_msg(job == fate_rows[i].want_job && got == fate_rows[i].want,
                              "row %zu: job %ju, fate %d", i, (uintmax_t)job, (int)got);
        }
}
END_TEST

/* A file of version 1 -------------------------------------------------------------------------- */

/* As that version made it. */
static const char schema_1[] =
        "CREATE TABLE tenants("
        "  id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, uid INTEGER NOT NULL,"
        "  first_seen_usec INTEGER NOT NULL) STRICT;"

        "CREATE TABLE jobs("
        "  id INTEGER PRIMARY KEY, claim INTEGER UNIQUE, tenant INTEGER NOT NULL REFERENCES "
        "tenants,"
        "  queue TEXT NOT NULL, name TEXT NOT NULL, state TEXT NOT NULL, priority INTEGER NOT NULL,"
        "  submitted_usec INTEGER NOT NULL, submitter_uid INTEGER NOT NULL,"
        "  start_after_usec INTEGER, correlation_id TEXT, labels TEXT, stop TEXT,"
        "  attempt INTEGER NOT NULL DEFAULT 0, spec BLOB NOT NULL,"
        "  outcome TEXT, level TEXT, stage TEXT, code INTEGER, verdict TEXT, ended_usec INTEGER) "
        "STRICT;"
        "CREATE INDEX jobs_by_tenant ON jobs(tenant, id);"
        "CREATE INDEX jobs_live ON jobs(id) WHERE state <> 'done';"

        "CREATE TABLE attempts("
        "  job INTEGER NOT NULL REFERENCES jobs, attempt INTEGER NOT NULL, boot BLOB NOT NULL,"
        "  released_usec INTEGER NOT NULL, started_usec INTEGER, ended_usec INTEGER, run_usec "
        "INTEGER,"
        "  verdict TEXT, cpu_usec INTEGER, memory_peak_bytes INTEGER, oom_kills INTEGER,"
        "  io_read_bytes INTEGER, io_write_bytes INTEGER, pids_peak INTEGER, pids_denied INTEGER,"
        "  dropped_bytes INTEGER, PRIMARY KEY(job, attempt)) STRICT, WITHOUT ROWID;"

        "CREATE TABLE events("
        "  id INTEGER PRIMARY KEY, time_usec INTEGER NOT NULL, kind TEXT NOT NULL, tenant INTEGER,"
        "  job INTEGER, uid INTEGER, text TEXT NOT NULL) STRICT;"

        "CREATE TABLE limits("
        "  revision INTEGER PRIMARY KEY, time_usec INTEGER NOT NULL, uid INTEGER NOT NULL,"
        "  tenant INTEGER NOT NULL REFERENCES tenants, queue TEXT NOT NULL, name TEXT NOT NULL,"
        "  old_value TEXT, new_value TEXT, kernel TEXT, why TEXT) STRICT;"
        "CREATE INDEX limits_by_name ON limits(tenant, queue, name, revision);";

static const char rows_1[] =
        "PRAGMA application_id=1416712497; PRAGMA user_version=1; PRAGMA journal_mode=WAL;"
        "INSERT INTO tenants VALUES(1, 'acme', 1001, 5), (2, 'globex', 1002, 6);"
        "INSERT INTO jobs(id, claim, tenant, queue, name, state, priority, submitted_usec,"
        " submitter_uid, start_after_usec, stop, attempt, spec, outcome, code, verdict, ended_usec)"
        " VALUES"
        "(1, 10, 1, 'etl', 'a', 'done', 0, 100, 7, NULL, NULL, 1, x'61', 'exit', 0, 'exit 0', 900),"
        "(2, 20, 1, 'etl', 'b', 'running', 3, 200, 7, NULL, NULL, 2, x'6262', NULL, NULL, NULL, "
        "NULL),"
        "(3, NULL, 2, 'web', 'c', 'queued', -4, 300, 8, 77, NULL, 0, x'636363', NULL, NULL, NULL,"
        " NULL),"
        "(4, 40, 2, 'web', 'd', 'stopping', 0, 400, 8, NULL, 'cancelled', 1, x'64', NULL, NULL, "
        "NULL, NULL);"
        "INSERT INTO attempts(job, attempt, boot, released_usec) VALUES"
        "(1, 1, x'00', 110), (2, 1, x'00', 210), (2, 2, x'00', 220), (4, 1, x'00', 410);"
        "INSERT INTO events VALUES(1, 1, 'started', NULL, NULL, 0, 'words');"
        "INSERT INTO limits VALUES(5, 1, 0, 1, '', 'cpu', NULL, '2', NULL, NULL);";

static Fixture version_1(void) {
        Fixture f = {};

        (void)snprintf(f.path, sizeof(f.path), "%s/ledger.db", unit_dir());
        execute(f.path, schema_1);
        execute(f.path, rows_1);
        return f;
}

static const char live_1[] = "2 t1 etl p3 after0 running attempt2 released220 none spec2\n"
                             "3 t2 web p-4 after77 queued attempt0 released0 none spec3\n"
                             "4 t2 web p0 after0 running attempt1 released410 cancelled spec1\n";

/* Its jobs have their bounds in the spec only. */
START_TEST(migrated) {
        TQ_CLEANUP(fixture_done) Fixture f = version_1();
        TqLedgerNumbers n;

        for (int i = 0; i < 2; i++) {
                reopen(&f);
                expect_live(&f, live_1);
                expect_bounds(&f, "2 b hold0 deadline0 after - \"bb\"\n"
                                  "3 c hold0 deadline0 after - \"ccc\"\n"
                                  "4 d hold0 deadline0 after - \"d\"\n");
                expect_limits(&f, "t1 |cpu=2 r5\n");
                expect_switches(&f, "");
                expect_jobs(&f, (TqLedgerFilter){ .tenant = -1, .limit = 10 }, "4 3 2 1");
                ck_assert_int_eq(tq_ledger_numbers(f.l, &n), 0);
                ck_assert_uint_eq(n.next_job, 5);
                ck_assert_uint_eq(n.next_claim, 41);
                ck_assert_uint_eq(n.next_tenant, 3);
                ck_assert_uint_eq(n.next_revision, 6);
        }
        f.l = tq_ledger_close(f.l);
        ck_assert_int_eq(query_number(f.path, "PRAGMA user_version"), TQ_LEDGER_VERSION);
        ck_assert_int_eq(query_number(f.path, "PRAGMA application_id"), TQ_LEDGER_APPLICATION_ID);
        ck_assert_int_eq(query_number(f.path, "SELECT count(*) FROM attempts"), 4);
        ck_assert_int_eq(query_number(f.path, "SELECT count(*) FROM events"), 1);
}
END_TEST

/* It goes on as a ledger of this version. */
START_TEST(migrated_goes_on) {
        TQ_CLEANUP(fixture_done) Fixture f = version_1();
        TqLedgerOp op = op_accept(5, 1, 50);
        TqLedgerFate got;
        uint64_t job;

        reopen(&f);
        op.accept.runtime_usec = 60;
        ck_assert_int_eq(APPLY(f.l, op, op_hold(3, TQ_HOLD_ADMIN), op_done(2, 2),
                               op_switch(1, "", true, false), op_accept(6, 1, 10)),
                         0);
        expect_bounds(&f, "3 c hold2 deadline0 after - \"ccc\"\n"
                          "4 d hold0 deadline0 after - \"d\"\n"
                          "5 nightly hold0 deadline0 after - runtime60 stop0 memory0\n");
        expect_switches(&f, "t1 |paused\n");
        ck_assert_int_eq(tq_ledger_fate(f.l, 1, 0, "a", 5, &job, &got), 0);
        ck_assert_uint_eq(job, 1);
        ck_assert_int_eq(got, TQ_FATE_WELL);
        ck_assert_int_eq(tq_ledger_fate(f.l, 1, 2, NULL, 0, &job, &got), 0);
        ck_assert_uint_eq(job, 2);
        ck_assert_int_eq(got, TQ_FATE_FAILED);
}
END_TEST

/* The same columns in the same order and the same indices as in a new one. */
START_TEST(migrated_looks_new) {
        TQ_CLEANUP(fixture_done) Fixture f = version_1();
        FIXTURE fresh = fixture_new();
        char sql[PATH_MAX + 512];

        reopen(&f);
        f.l = tq_ledger_close(f.l);
        fresh.l = tq_ledger_close(fresh.l);
#define LAYOUT(db)                                                                                 \
        "SELECT s.type, s.name, s.tbl_name, c.* FROM " db ".sqlite_schema s LEFT JOIN "            \
        "pragma_table_xinfo(s.name, '" db "') c"
        (void)snprintf(sql, sizeof(sql),
                       "ATTACH '%s' AS fresh; CREATE TEMP TABLE t(x NOT NULL);"
                       "INSERT INTO t SELECT 1 / ((SELECT count(*) FROM "
                       "(" LAYOUT("main") " EXCEPT " LAYOUT("fresh") ")) = 0);"
                                                                     "SELECT 1",
                       fresh.path);
        execute(f.path, sql);
        ck_assert_int_eq(query_number(f.path, "SELECT count(*) FROM sqlite_schema"),
                         query_number(fresh.path, "SELECT count(*) FROM sqlite_schema"));
}
END_TEST

/* What a later version wrote is left as it is. */
START_TEST(later_version) {
        FIXTURE f = fixture_new();
        TqLedger *l = NULL;
        TqError err = {};

        accept_four(&f);
        f.l = tq_ledger_close(f.l);
        execute(f.path, "PRAGMA user_version=5");
        ck_assert_int_eq(tq_ledger_open(f.path, boot, &l, &err), -EBADMSG);
        ck_assert_ptr_null(l);
        ck_assert_str_eq(err.text, "ledger: has schema version 5, this program knows 4");
        ck_assert_int_eq(query_number(f.path, "PRAGMA user_version"), 5);
        ck_assert_int_eq(query_number(f.path, "SELECT count(*) FROM jobs"), 4);
}
END_TEST

/* One that stands in the way of the new columns: nothing is changed. */
START_TEST(migration_fails) {
        TQ_CLEANUP(fixture_done) Fixture f = version_1();
        TqLedger *l = NULL;
        TqError err = {};

        execute(f.path, "CREATE TABLE switches(x)");
        ck_assert_int_lt(tq_ledger_open(f.path, boot, &l, &err), 0);
        ck_assert_ptr_null(l);
        ck_assert_msg(strstr(err.text, "bringing it to this version") != NULL, "%s", err.text);
        ck_assert_int_eq(query_number(f.path, "PRAGMA user_version"), 1);
        ck_assert_int_eq(query_number(f.path, "SELECT count(*) FROM pragma_table_info('jobs') "
                                              "WHERE name = 'held'"),
                         0);
        execute(f.path, "DROP TABLE switches");
        reopen(&f);
        expect_live(&f, live_1);
}
END_TEST

static void fill_versions(Suite *s) {
        TCase *two = unit_case(s, "version 2"), *one = unit_case(s, "version 1");

        tcase_add_test(two, bounds);
        tcase_add_test(two, log_goes);
        tcase_add_test(two, hold);
        tcase_add_test(two, hold_ends);
        tcase_add_test(two, switches);
        tcase_add_test(two, fate);
        tcase_add_test(two, later_version);
        tcase_add_test(one, migrated);
        tcase_add_test(one, migrated_goes_on);
        tcase_add_test(one, migrated_looks_new);
        tcase_add_test(one, migration_fails);
}

static void fill(Suite *s) {
        TCase *jobs = unit_case(s, "jobs"), *files = unit_case(s, "files");

        tcase_add_test(jobs, new_ledger);
        tcase_add_test(jobs, accepted);
        tcase_add_test(jobs, claim_twice);
        tcase_add_test(jobs, life);
        tcase_add_test(jobs, requeue);
        tcase_add_test(jobs, done_without_attempt);
        tcase_add_test(jobs, all_or_nothing);
        tcase_add_test(jobs, tenants);
        tcase_add_test(jobs, callback_ends_it);
        tcase_add_test(jobs, limits);
        tcase_add_test(jobs, filters);
        tcase_add_test(jobs, events);
        tcase_add_test(jobs, operations_own_their_strings);
        tcase_add_test(files, reopened);
        unit_add_rows(files, foreign, foreign_rows);
        tcase_add_test(files, not_a_database);
        tcase_add_test(files, truncated);
        tcase_add_test(files, no_path);
        tcase_add_test(files, exclusive);
        fill_versions(s);
}

int main(void) {
        return unit_main("store/ledger", fill);
}
