/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store_ledger.h"

/* Jobs with more than one attempt, and dead letters. */

static TqLedgerOp op_retry(uint64_t job, unsigned attempt, unsigned failures, uint64_t again) {
        TqLedgerOp op = op_done(job, attempt);

        op.type = TQ_LEDGER_RETRY;
        op.failures = failures;
        op.again_usec = again;
        return op;
}

static TqLedgerOp op_dead(uint64_t job, unsigned attempt) {
        TqLedgerOp op = op_done(job, attempt);

        op.is_dead = true;
        return op;
}

static TqLedgerOp op_of(TqLedgerOpType type, uint64_t job) {
        return (TqLedgerOp){ .type = type, .job = job };
}

static TqLedgerOp op_accept_with(uint64_t job, const char *retry) {
        TqLedgerOp op = op_accept(job, 1, job);

        op.accept.retry = (char *)retry;
        return op;
}

static int tell_retry(void *userdata, const TqLedgerLive *j) {
        tq_buffer_printf(userdata, "%ju %s attempt%u stop %s retry %s failures%u at%ju last %s\n",
                         (uintmax_t)j->id, j->was_running ? "running" : "queued", j->attempt,
                         tq_verdict_stop_to_string(j->stop), j->retry ? j->retry : "-", j->failures,
                         (uintmax_t)j->retry_usec, j->verdict ? j->verdict : "-");
        return 0;
}

static void expect_retries(Fixture *f, const char *want) {
        TQ_BUFFER_CLEANUP TqBuffer got = {};

        ck_assert_int_eq(tq_ledger_each_live(f->l, tell_retry, &got), 0);
        ck_assert_str_eq(tq_buffer_string(&got), want);
}

/* "ATTEMPT VERDICT, …" */
static void expect_attempts_of(Fixture *f, TqLedgerFilter filter, const char *want) {
        TQ_BUFFER_CLEANUP TqBuffer got = {};
        TQ_TABLE_CLEANUP TqTable t = {};

        ck_assert_int_eq(tq_ledger_attempts(f->l, &filter, &t), 0);
        for (size_t i = 0; i < t.n_rows; i++) {
                const char *verdict = tq_table_text(&t, i, "verdict");

                tq_buffer_printf(&got, "%s%jd %s", i > 0 ? ", " : "",
                                 (intmax_t)tq_table_integer(&t, i, "attempt", -1),
                                 verdict ? verdict : "-");
        }
        ck_assert_str_eq(tq_buffer_string(&got), want);
}

static void expect_dead(Fixture *f, TqLedgerFilter filter, const char *want) {
        TQ_BUFFER_CLEANUP TqBuffer got = {};
        TQ_TABLE_CLEANUP TqTable t = {};

        ck_assert_int_eq(tq_ledger_dead(f->l, &filter, &t), 0);
        for (size_t i = 0; i < t.n_rows; i++) {
                ck_assert_int_eq(tq_table_integer(&t, i, "dead", -1), 1);
                tq_buffer_printf(&got, "%s%jd", i > 0 ? " " : "",
                                 (intmax_t)tq_table_integer(&t, i, "job", -1));
        }
        ck_assert_str_eq(tq_buffer_string(&got), want);
}

#define OF(j) ((TqLedgerFilter){ .job = (j), .tenant = -1, .limit = 100 })

START_TEST(retry) {
        FIXTURE f = fixture_new();
        TqLedgerOp stop = op_of(TQ_LEDGER_STOP, 7);
        TQ_TABLE_CLEANUP TqTable t = {};

        stop.stop = TQ_STOP_TIMEOUT_JOB;
        ck_assert_int_eq(APPLY(f.l, op_tenant(1, "acme"), op_accept_with(7, "attempts=3 on=exit")),
                         0);
        expect_retries(&f,
                       "7 queued attempt0 stop none retry attempts=3 on=exit failures0 at0 last "
                       "-\n");
        ck_assert_int_eq(APPLY(f.l, op_running(7, 1), stop, op_retry(7, 1, 1, 5000)), 0);
        for (int i = 0; i < 2; i++) {
                expect_retries(&f, "7 queued attempt1 stop none retry attempts=3 on=exit failures1 "
                                   "at5000 last exit 3\n");
                reopen(&f);
        }
        ck_assert_int_eq(tq_ledger_jobs(f.l, &(TqLedgerFilter){ .job = 7, .tenant = 1 }, &t), 0);
        ck_assert_str_eq(tq_table_text(&t, 0, "state"), "queued");
        ck_assert_int_eq(tq_table_integer(&t, 0, "failures", -1), 1);
        ck_assert_int_eq(tq_table_integer(&t, 0, "retry_usec", -1), 5000);
        ck_assert_int_eq(tq_table_integer(&t, 0, "dead", -1), 0);
        ck_assert_ptr_null(tq_table_text(&t, 0, "outcome"));
        /* The next one runs: nothing is due any more, and the failures stay. */
        ck_assert_int_eq(APPLY(f.l, op_running(7, 2)), 0);
        expect_retries(&f, "7 running attempt2 stop none retry attempts=3 on=exit failures1 at0 "
                           "last -\n");
        ck_assert_int_eq(APPLY(f.l, op_of(TQ_LEDGER_REQUEUE, 7)), 0);
        expect_retries(&f, "7 queued attempt2 stop none retry attempts=3 on=exit failures1 at0 "
                           "last -\n");
        ck_assert_int_eq(APPLY(f.l, op_running(7, 3), op_done(7, 3)), 0);
        expect_retries(&f, "");
        expect_attempts_of(&f, OF(7), "1 exit 3, 2 -, 3 exit 3");
}
END_TEST

/* A launch that was never released has its row too, and its number is not used again. */
/* One that waits for its next attempt is due earlier; nothing else is. */
START_TEST(due_earlier) {
        TqLedgerOp due = { .type = TQ_LEDGER_DUE, .job = 7, .again_usec = 3000 };
        FIXTURE f = fixture_new();

        ck_assert_int_eq(APPLY(f.l, op_tenant(1, "acme"), op_accept_with(7, "x"), due), 0);
        expect_retries(&f, "7 queued attempt0 stop none retry x failures0 at0 last -\n");
        ck_assert_int_eq(APPLY(f.l, op_running(7, 1), due), 0);
        expect_retries(&f, "7 running attempt1 stop none retry x failures0 at0 last -\n");
        ck_assert_int_eq(APPLY(f.l, op_retry(7, 1, 1, 5000), due), 0);
        for (int i = 0; i < 2; i++) {
                expect_retries(
                        &f, "7 queued attempt1 stop none retry x failures1 at3000 last exit 3\n");
                reopen(&f);
        }
}
END_TEST

/* Why it was stopped says that another attempt follows. */
START_TEST(requeued) {
        TqLedgerOp stop = { .type = TQ_LEDGER_STOP, .job = 7, .stop = TQ_STOP_REQUEUED };
        FIXTURE f = fixture_new();

        ck_assert_int_eq(
                APPLY(f.l, op_tenant(1, "acme"), op_accept_with(7, NULL), op_running(7, 1), stop),
                0);
        reopen(&f);
        expect_retries(&f, "7 running attempt1 stop requeued retry - failures0 at0 last -\n");
        ck_assert_int_eq(APPLY(f.l, op_retry(7, 1, 0, 5000)), 0);
        reopen(&f);
        expect_retries(&f, "7 queued attempt1 stop none retry - failures0 at5000 last exit 3\n");
}
END_TEST

START_TEST(retry_of_a_launch) {
        FIXTURE f = fixture_new();

        ck_assert_int_eq(
                APPLY(f.l, op_tenant(1, "acme"), op_accept_with(7, "x"), op_retry(7, 1, 1, 5000)),
                0);
        expect_retries(&f, "7 queued attempt1 stop none retry x failures1 at5000 last exit 3\n");
        ck_assert_int_eq(APPLY(f.l, op_running(7, 1)), -EEXIST);
        ck_assert_int_eq(APPLY(f.l, op_running(7, 2), op_retry(7, 2, 2, 6000)), 0);
        expect_retries(&f, "7 queued attempt2 stop none retry x failures2 at6000 last exit 3\n");
        expect_attempts_of(&f, OF(7), "1 exit 3, 2 exit 3");
        /* Cancelled while it waits: there was no third one. */
        ck_assert_int_eq(APPLY(f.l, (TqLedgerOp){ .type = TQ_LEDGER_DONE,
                                                  .job = 7,
                                                  .attempt = 3,
                                                  .stop = TQ_STOP_CANCELLED,
                                                  .verdict = { .outcome = TQ_OUTCOME_CANCELLED } }),
                         0);
        expect_attempts_of(&f, OF(7), "1 exit 3, 2 exit 3");
}
END_TEST

START_TEST(revive) {
        FIXTURE f = fixture_new();
        TQ_TABLE_CLEANUP TqTable dead = {}, alive = {};

        ck_assert_int_eq(APPLY(f.l, op_tenant(1, "acme"), op_accept_with(7, "x"), op_running(7, 1),
                               op_retry(7, 1, 1, 5000), op_running(7, 2), op_dead(7, 2)),
                         0);
        ck_assert_int_eq(tq_ledger_jobs(f.l, &(TqLedgerFilter){ .job = 7, .tenant = 1 }, &dead), 0);
        ck_assert_int_eq(tq_table_integer(&dead, 0, "dead", -1), 1);
        ck_assert_int_eq(tq_table_integer(&dead, 0, "failures", -1), 1);
        expect_dead(&f, OF(0), "7");
        ck_assert_int_eq(APPLY(f.l, op_of(TQ_LEDGER_REVIVE, 7)), 0);
        /* With all its attempts before it, and their numbers after those that were. */
        expect_retries(&f, "7 queued attempt2 stop none retry x failures0 at0 last exit 3\n");
        expect_dead(&f, OF(0), "");
        ck_assert_int_eq(tq_ledger_jobs(f.l, &(TqLedgerFilter){ .job = 7, .tenant = 1 }, &alive),
                         0);
        ck_assert_ptr_null(tq_table_text(&alive, 0, "outcome"));
        ck_assert_ptr_null(tq_table_text(&alive, 0, "verdict"));
        ck_assert_int_eq(tq_table_integer(&alive, 0, "ended_usec", -1), -1);
        ck_assert_int_eq(tq_table_integer(&alive, 0, "code", -1), -1);
        ck_assert_int_eq(tq_table_integer(&alive, 0, "submitted_usec", -1), 1000007);
        ck_assert_str_eq(tq_table_text(&alive, 0, "correlation_id"), "req-1");
        ck_assert_int_eq(APPLY(f.l, op_running(7, 3), op_dead(7, 3)), 0);
        expect_attempts_of(&f, OF(7), "1 exit 3, 2 exit 3, 3 exit 3");
        expect_dead(&f, OF(0), "7");
}
END_TEST

/* Two who deal with one letter at once: it is tried again, whoever came first. What lives is not
 * begun anew. */
START_TEST(revive_or_purge) {
        FIXTURE f = fixture_new();

        ck_assert_int_eq(APPLY(f.l, op_tenant(1, "acme"), op_accept_with(7, "x"), op_running(7, 1),
                               op_dead(7, 1)),
                         0);
        if (_i == 0)
                ck_assert_int_eq(APPLY(f.l, op_of(TQ_LEDGER_PURGE, 7), op_of(TQ_LEDGER_REVIVE, 7)),
                                 0);
        else
                ck_assert_int_eq(APPLY(f.l, op_of(TQ_LEDGER_REVIVE, 7), op_of(TQ_LEDGER_PURGE, 7)),
                                 0);
        expect_retries(&f, "7 queued attempt1 stop none retry x failures0 at0 last exit 3\n");
        ck_assert_int_eq(APPLY(f.l, op_running(7, 2), op_of(TQ_LEDGER_REVIVE, 7)), 0);
        expect_retries(&f, "7 running attempt2 stop none retry x failures0 at0 last -\n");
        expect_dead(&f, OF(0), "");
}
END_TEST

/* Out of the list; all else of it stays. */
START_TEST(purge) {
        FIXTURE f = fixture_new();
        TQ_TABLE_CLEANUP TqTable t = {};

        ck_assert_int_eq(APPLY(f.l, op_tenant(1, "acme"), op_accept_with(7, "x"), op_running(7, 1),
                               op_dead(7, 1), op_of(TQ_LEDGER_PURGE, 7)),
                         0);
        expect_dead(&f, OF(0), "");
        expect_attempts_of(&f, OF(7), "1 exit 3");
        ck_assert_int_eq(tq_ledger_jobs(f.l, &(TqLedgerFilter){ .job = 7, .tenant = 1 }, &t), 0);
        ck_assert_str_eq(tq_table_text(&t, 0, "verdict"), "exit 3");
        ck_assert_int_eq(tq_table_integer(&t, 0, "dead", -1), 0);
}
END_TEST

/* By tenant and queue, the newest first, in pages. */
START_TEST(dead_list) {
        FIXTURE f = fixture_new();

        accept_four(&f);
        for (uint64_t job = 1; job <= 4; job++)
                ck_assert_int_eq(APPLY(f.l, op_running(job, 1), op_dead(job, 1)), 0);
        ck_assert_int_eq(APPLY(f.l, op_accept(5, 1, 5), op_running(5, 1), op_done(5, 1),
                               op_accept(6, 1, 6), op_running(6, 1)),
                         0);
        for (int i = 0; i < 2; i++) {
                expect_dead(&f, (TqLedgerFilter){ .tenant = -1, .limit = 10 }, "4 3 2 1");
                expect_dead(&f, (TqLedgerFilter){ .tenant = -1, .limit = 2 }, "4 3");
                expect_dead(&f, (TqLedgerFilter){ .tenant = -1, .limit = 2, .before = 3 }, "2 1");
                expect_dead(&f, (TqLedgerFilter){ .tenant = 1, .limit = 10 }, "2 1");
                expect_dead(&f, (TqLedgerFilter){ .tenant = 1, .queue = "", .limit = 10 }, "2 1");
                expect_dead(&f, (TqLedgerFilter){ .tenant = 1, .queue = "web", .limit = 10 }, "2");
                expect_dead(&f, (TqLedgerFilter){ .tenant = 2, .queue = "etl", .limit = 10 }, "3");
                expect_dead(&f, (TqLedgerFilter){ .tenant = 2, .queue = "none", .limit = 10 }, "");
                expect_dead(&f, (TqLedgerFilter){ .tenant = 2, .limit = 10, .before = 4 }, "3");
                expect_dead(&f, (TqLedgerFilter){ .tenant = 3, .limit = 10 }, "");
                reopen(&f);
        }
}
END_TEST

/* Of a job of one's own; the last ones, in their order. */
START_TEST(attempts) {
        FIXTURE f = fixture_new();
        TQ_TABLE_CLEANUP TqTable t = {};

        accept_four(&f);
        for (unsigned n = 1; n <= 4; n++)
                ck_assert_int_eq(APPLY(f.l, op_running(1, n), op_retry(1, n, n, 5)), 0);
        ck_assert_int_eq(APPLY(f.l, op_running(1, 5), op_running(3, 1)), 0);
        expect_attempts_of(&f, OF(1), "1 exit 3, 2 exit 3, 3 exit 3, 4 exit 3, 5 -");
        expect_attempts_of(&f, (TqLedgerFilter){ .job = 1, .tenant = 1, .limit = 2 },
                           "4 exit 3, 5 -");
        expect_attempts_of(&f, (TqLedgerFilter){ .job = 1, .tenant = 1, .limit = 2, .before = 4 },
                           "2 exit 3, 3 exit 3");
        expect_attempts_of(&f, (TqLedgerFilter){ .job = 1, .tenant = 2, .limit = 9 }, "");
        expect_attempts_of(&f, OF(2), "");
        expect_attempts_of(&f, OF(3), "1 -");
        expect_attempts_of(&f, OF(99), "");
        ck_assert_int_eq(
                tq_ledger_attempts(f.l, &(TqLedgerFilter){ .job = 1, .tenant = 1, .limit = 9 }, &t),
                0);
        ck_assert_int_eq(tq_table_integer(&t, 0, "job", -1), 1);
        ck_assert_int_eq(tq_table_integer(&t, 0, "released_usec", -1), 2000001);
        ck_assert_int_eq(tq_table_integer(&t, 0, "started_usec", -1), 3000000);
        ck_assert_int_eq(tq_table_integer(&t, 0, "ended_usec", -1), 4000000);
        ck_assert_int_eq(tq_table_integer(&t, 0, "run_usec", -1), 999);
        ck_assert_int_eq(tq_table_integer(&t, 0, "cpu_usec", -1), 1);
        ck_assert_int_eq(tq_table_integer(&t, 0, "dropped_bytes", -1), 12);
        ck_assert_int_eq(tq_table_integer(&t, 0, "io_read_bytes", -7), -7);
}
END_TEST

/* What waits for a job by After= waits on while it is tried again. */
START_TEST(fate) {
        FIXTURE f = fixture_new();
        TqLedgerFate got;
        uint64_t job;

        ck_assert_int_eq(APPLY(f.l, op_tenant(1, "acme"), op_accept_with(7, "x"), op_running(7, 1),
                               op_retry(7, 1, 1, 5)),
                         0);
        ck_assert_int_eq(tq_ledger_fate(f.l, 1, 7, NULL, 0, &job, &got), 0);
        ck_assert_int_eq(got, TQ_FATE_LIVE);
        ck_assert_int_eq(APPLY(f.l, op_running(7, 2), op_dead(7, 2)), 0);
        ck_assert_int_eq(tq_ledger_fate(f.l, 1, 7, NULL, 0, &job, &got), 0);
        ck_assert_int_eq(got, TQ_FATE_FAILED);
        ck_assert_int_eq(APPLY(f.l, op_of(TQ_LEDGER_REVIVE, 7)), 0);
        ck_assert_int_eq(tq_ledger_fate(f.l, 1, 7, NULL, 0, &job, &got), 0);
        ck_assert_int_eq(got, TQ_FATE_LIVE);
}
END_TEST

static void fill(Suite *s) {
        TCase *retries = unit_case(s, "attempts"), *letters = unit_case(s, "dead letters");

        tcase_add_test(retries, retry);
        tcase_add_test(retries, due_earlier);
        tcase_add_test(retries, requeued);
        tcase_add_test(retries, retry_of_a_launch);
        tcase_add_test(retries, attempts);
        tcase_add_test(retries, fate);
        tcase_add_test(letters, revive);
        tcase_add_loop_test(letters, revive_or_purge, 0, 2);
        tcase_add_test(letters, purge);
        tcase_add_test(letters, dead_list);
}

int main(void) {
        return unit_main("store/ledger attempts", fill);
}
