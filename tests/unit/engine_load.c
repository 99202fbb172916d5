/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "engine_place.h"

/* Jobs of the ledger at a start, with what the supervisor has found: what is asked for and
 * recorded, when an attempt is lost or failed before. */

#define JOB 5

/* The tenant's ledger: JOB, with these words of its retries and these changes. */
static void ledger(const char *retry, const TqLedgerOp *ops, size_t n) {
        static const uint8_t boot[16] = { 1 };
        static char spec[] = "[Job]\nExecStart=/bin/true\n";
        const TqLedgerOp first[] = {
                { .type = TQ_LEDGER_TENANT, .tenant = 1, .text = (char *)"acme", .uid = 1001 },
                { .type = TQ_LEDGER_ACCEPT,
                  .job = JOB,
                  .tenant = 1,
                  .accept = { .queue = "q",
                              .name = (char *)"n",
                              .retry = (char *)retry,
                              .runtime_usec = TQ_LIMIT_MAX,
                              .spec = spec,
                              .spec_size = sizeof(spec) - 1 } },
        };
        char path[200];

        (void)snprintf(path, sizeof(path), "%s/ledger.db", unit_dir());
        ck_assert_int_eq(tq_ledger_open(path, boot, &fake_ledger, NULL), 0);
        ck_assert_int_eq(tq_ledger_apply(fake_ledger, first, TQ_ELEMENTSOF(first)), 0);
        ck_assert_int_eq(tq_ledger_apply(fake_ledger, ops, n), 0);
}

static const char three[] = "attempts=3 backoff=fixed delay_usec=1000000 max_usec=1000000 "
                            "on=lost,exit";
static const TqLedgerOp second_runs[] = {
        { .type = TQ_LEDGER_RUNNING, .job = JOB, .attempt = 1 },
        { .type = TQ_LEDGER_RETRY,
          .job = JOB,
          .attempt = 1,
          .failures = 1,
          .again_usec = 5,
          .verdict = { .outcome = TQ_OUTCOME_EXIT, .code = 3 } },
        { .type = TQ_LEDGER_RUNNING, .job = JOB, .attempt = 2 },
};

static const TqJob *job(const Place *p) {
        return tq_scheduler_job(feed_scheduler(p->feed), JOB);
}

static void attempt(TqMessageType type, unsigned n) {
        const TqMessage *m = fake_said_type(type);

        ck_assert_uint_eq(m->attempt.job, JOB);
        ck_assert_uint_eq(m->attempt.attempt, n);
        ck_assert_uint_eq(m->attempt.tenant, HANDLE);
}

static const struct {
        bool has_policy;
        enum { NOTHING, OTHER_LIVES, OTHER_ENDED } stock;
} lost_rows[] = {
        { true, NOTHING },  { true, OTHER_LIVES },  { true, OTHER_ENDED },
        { false, NOTHING }, { false, OTHER_LIVES }, { false, OTHER_ENDED },
};

/* Of the attempt that ran nobody knows anything. A launch of another one that nobody recorded is
 * not left unanswered. */
START_TEST(lost) {
        TqEnd end = { .kind = TQ_END_NEVER_STARTED };
        Place *p = place_closed("concurrency=1", false);
        const TqLedgerOp *op;

        ledger(lost_rows[_i].has_policy ? three : NULL, second_runs, TQ_ELEMENTSOF(second_runs));
        if (lost_rows[_i].stock != NOTHING)
                ck_assert_int_eq(recovery_note(p->recovery, JOB, 3, HANDLE,
                                               lost_rows[_i].stock == OTHER_ENDED ? &end : NULL),
                                 0);
        ck_assert_int_eq(dispatch_load(p->dispatch), 0);
        if (lost_rows[_i].stock == OTHER_LIVES)
                attempt(TQ_MESSAGE_ABORT, 3);
        if (lost_rows[_i].stock == OTHER_ENDED)
                attempt(TQ_MESSAGE_ACK, 3);
        fake_said_nothing();
        op = fake_op(0);
        ck_assert_int_eq(op->type, lost_rows[_i].has_policy ? TQ_LEDGER_RETRY : TQ_LEDGER_DONE);
        ck_assert_uint_eq(op->attempt, 2);
        ck_assert_int_eq(op->verdict.outcome, TQ_OUTCOME_LOST);
        ck_assert_int_eq(op->is_dead, !lost_rows[_i].has_policy);
        ck_assert_uint_eq(op->failures, lost_rows[_i].has_policy ? 2 : 0);
        fake_commit_all(0);
        attempt(TQ_MESSAGE_ACK, 2);
        fake_ledger = tq_ledger_close(fake_ledger);
        if (!lost_rows[_i].has_policy) {
                ck_assert_ptr_null(job(p));
                return;
        }
        ck_assert_uint_eq(job(p)->attempt, 3);
        ck_assert_uint_eq(job(p)->cold->failures, 2);
        ck_assert_str_eq(tq_scheduler_state_of(job(p)), "retrying");
}
END_TEST

static const struct {
        uint64_t later; /* by the clock of the day, before the start */
        uint64_t want;  /* how long it still waits; 0: not at all */
} waiting_rows[] = {
        { 700000, 700000 },
        { 0, 0 },
        /* The clock was set back by an hour: no longer than its file says. */
        { 3600 * SEC, SEC },
};

/* It waits for its next attempt, and what is left of the time. */
START_TEST(waits) {
        TqLedgerOp ops[2] = { second_runs[0], second_runs[1] };
        uint64_t until = waiting_rows[_i].want;
        Place *p = place_closed("concurrency=1", false);
        TqRetry r;

        ck_assert_int_eq(tq_retry_parse(three, &r), 0);
        if (until == SEC)
                until = tq_retry_delay(&r, 1, JOB);
        ops[1].again_usec = FAKE_EPOCH + fake_now + waiting_rows[_i].later;
        ledger(three, ops, 2);
        ck_assert_int_eq(dispatch_load(p->dispatch), 0);
        fake_ledger = tq_ledger_close(fake_ledger);
        ck_assert_uint_eq(fake_n_ops(), 0);
        fake_said_nothing();
        ck_assert_uint_eq(job(p)->attempt, 2);
        ck_assert_uint_eq(job(p)->cold->failures, 1);
        ck_assert_uint_eq(job(p)->cold->retry->max_attempts, 3);
        ck_assert_str_eq(tq_scheduler_state_of(job(p)), until > 0 ? "retrying" : "queued");
        ck_assert_uint_eq(job(p)->cold->again_at, until > 0 ? fake_now + until : 1);
        ck_assert_str_eq(((const Job *)job(p)->userdata)->cold->failed_as, "exit 3");
}
END_TEST

/* Its first attempt failed, which is recorded; that its record was read, is not. */
START_TEST(not_acknowledged) {
        TqEnd end = { .kind = TQ_END_EXITED, .code = 3 };
        Place *p = place_closed("concurrency=1", false);

        ledger(three, second_runs, 2);
        ck_assert_int_eq(recovery_note(p->recovery, JOB, 1, HANDLE, &end), 0);
        ck_assert_int_eq(dispatch_load(p->dispatch), 0);
        fake_ledger = tq_ledger_close(fake_ledger);
        attempt(TQ_MESSAGE_ACK, 1);
        fake_said_nothing();
        ck_assert_uint_eq(fake_n_ops(), 0);
        ck_assert_uint_eq(job(p)->attempt, 2);
        ck_assert_uint_eq(job(p)->cold->failures, 1);
}
END_TEST

/* A launch of its second attempt still leaves: it has its retries when that has gone. */
START_TEST(deferred) {
        TqMessage m = { .ended = { .job = JOB,
                                   .attempt = 2,
                                   .tenant = HANDLE,
                                   .end = { .kind = TQ_END_NEVER_STARTED } } };
        Place *p = place_closed("concurrency=1", false);

        ledger(three, second_runs, 2);
        ck_assert_int_eq(recovery_note(p->recovery, JOB, 2, HANDLE, NULL), 0);
        ck_assert_int_eq(dispatch_load(p->dispatch), 0);
        fake_ledger = tq_ledger_close(fake_ledger);
        attempt(TQ_MESSAGE_ABORT, 2);
        ck_assert_ptr_null(job(p));
        ck_assert_int_eq(dispatch_open(p->dispatch), 0);
        ck_assert_int_eq(fake_hear(TQ_MESSAGE_ENDED, &m, NULL, 0), 0);
        attempt(TQ_MESSAGE_ACK, 2);
        ck_assert_uint_eq(job(p)->attempt, 2);
        ck_assert_uint_eq(job(p)->cold->failures, 1);
        ck_assert_uint_eq(job(p)->cold->retry->max_attempts, 3);
        ck_assert_uint_eq(job(p)->cold->retry->delay_usec, SEC);
}
END_TEST

static void fill(Suite *s) {
        TCase *t = unit_case(s, "load");

        unit_add_rows(t, lost, lost_rows);
        unit_add_rows(t, waits, waiting_rows);
        tcase_add_test(t, not_acknowledged);
        tcase_add_test(t, deferred);
}

int main(void) {
        return unit_main("engine_load", fill);
}
