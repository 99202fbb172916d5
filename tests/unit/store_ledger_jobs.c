/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store_ledger.h"

/* Jobs in the ledger: accepted, run, done, and found again; all of a transaction, or none. */

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
                op_limit(1, "", "cpu", "2", 1),
                op_audit(1, 1, "", "cpu", NULL, "2", 1),
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

/* What op_done frees. */
START_TEST(operations_own_their_strings) {
        TqLedgerOp a = { .type = TQ_LEDGER_ACCEPT }, l = { .type = TQ_LEDGER_LIMIT };
        TqLedgerOp u = { .type = TQ_LEDGER_AUDIT }, empty = {};

        a.text = strdup("x");
        a.accept.name = strdup("x");
        a.accept.correlation_id = strdup("x");
        a.accept.labels = strdup("x");
        a.accept.trace_parent = strdup("x");
        a.accept.ties = strdup("x");
        a.accept.spec = strdup("x");
        tq_ledger_op_done(&a);
        l.limit.name = strdup("x");
        l.limit.value = strdup("x");
        l.limit.back = strdup("x");
        tq_ledger_op_done(&l);
        u.audit.session = strdup("x");
        u.audit.sudo_user = strdup("x");
        u.audit.name = strdup("x");
        u.audit.old_value = strdup("x");
        u.audit.old_set = strdup("x");
        u.audit.new_value = strdup("x");
        u.audit.kernel = strdup("x");
        u.audit.about = strdup("x");
        tq_ledger_op_done(&u);
        ck_assert_mem_eq(&u, &empty, sizeof(u));
        ck_assert_mem_eq(&a, &empty, sizeof(a));
        ck_assert_mem_eq(&l, &empty, sizeof(l));
        tq_ledger_op_done(&a);
}
END_TEST

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

static void fill(Suite *s) {
        TCase *jobs = unit_case(s, "jobs");

        tcase_add_test(jobs, bounds);
        tcase_add_test(jobs, accepted);
        tcase_add_test(jobs, claim_twice);
        tcase_add_test(jobs, life);
        tcase_add_test(jobs, requeue);
        tcase_add_test(jobs, done_without_attempt);
        tcase_add_test(jobs, all_or_nothing);
        tcase_add_test(jobs, filters);
        tcase_add_test(jobs, operations_own_their_strings);
}

int main(void) {
        return unit_main("store/ledger jobs", fill);
}
