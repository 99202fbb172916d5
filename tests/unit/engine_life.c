/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <sqlite3.h>
#include <stdio.h>

#include "engine_place.h"

/* The life of a job through intake and dispatch: what is said to the supervisor, what is recorded,
 * and which of the two comes first. */

#define COPIES_MOST 6 /* of a job's texts, and one more */

static Place *place(const char *limits_text, bool waits_when_full) {
        Place *p = place_closed(limits_text, waits_when_full);

        ck_assert_int_eq(dispatch_open(p->dispatch), 0);
        return p;
}

static void claim(uint64_t number, const char *file) {
        TqMessage m = { .claim = { .claim = number, .tenant = HANDLE, .uid = 1001 } };

        (void)snprintf(m.claim.name, sizeof(m.claim.name), "a.job");
        ck_assert_int_eq(fake_hear(TQ_MESSAGE_CLAIM, &m, file, strlen(file)), 0);
}

static void done(uint64_t number, TqClaimOutcome outcome) {
        const TqMessage *m = fake_said_type(TQ_MESSAGE_CLAIM_DONE);

        ck_assert_uint_eq(m->claim_done.claim, number);
        ck_assert_uint_eq(m->claim_done.outcome, outcome);
}

static void attempt(TqMessageType type, uint64_t job, unsigned n) {
        const TqMessage *m = fake_said_type(type);

        ck_assert_uint_eq(m->attempt.job, job);
        ck_assert_uint_eq(m->attempt.attempt, n);
        ck_assert_uint_eq(m->attempt.tenant, HANDLE);
}

static void hear_attempt(TqMessageType type, uint64_t job, unsigned n) {
        TqMessage m = { .attempt = { .job = job, .attempt = n, .tenant = HANDLE } };

        ck_assert_int_eq(fake_hear(type, &m, NULL, 0), 0);
}

static void hear_end(uint64_t job, unsigned n, TqEndKind kind, int code) {
        TqMessage m = { .ended = { .job = job,
                                   .attempt = n,
                                   .tenant = HANDLE,
                                   .end = { .kind = kind, .code = code } } };

        ck_assert_int_eq(fake_hear(TQ_MESSAGE_ENDED, &m, NULL, 0), 0);
}

#define FILE_OF(lines) "[Job]\nExecStart=/bin/true\n" lines

/* A first job that starts, as far as its barrier. */
static void start_first(void) {
        claim(1, FILE_OF());
        ck_assert_uint_eq(fake_said_type(TQ_MESSAGE_START)->start.job, 1);
        fake_commit_all(0);
        done(1, TQ_CLAIM_ACCEPTED);
}

/* Accepted once it is committed; released once RUNNING is; forgotten once its verdict is. */
START_TEST(whole) {
        Place *p = place("concurrency=1", false);
        const TqMessage *m;

        claim(5, FILE_OF("Queue=etl\nPriority=3\n"));
        ck_assert_int_eq(fake_op(0)->type, TQ_LEDGER_ACCEPT);
        ck_assert_uint_eq(fake_op(0)->accept.claim, 5);
        ck_assert_str_eq(fake_op(0)->accept.queue, "etl");
        ck_assert_int_eq(fake_op(0)->accept.priority, 3);
        /* A launch needs no record: it stands at its barrier, and can be undone. */
        m = fake_said_type(TQ_MESSAGE_START);
        ck_assert_uint_eq(m->start.job, 1);
        ck_assert_uint_eq(m->start.attempt, 1);
        ck_assert_uint_eq(m->start.tenant, HANDLE);
        ck_assert_uint_eq(m->start.owner, 3);
        fake_said_nothing();
        fake_commit_all(0);
        done(5, TQ_CLAIM_ACCEPTED);
        hear_attempt(TQ_MESSAGE_SPAWNED, 1, 1);
        ck_assert_int_eq(fake_op(0)->type, TQ_LEDGER_RUNNING);
        fake_said_nothing();
        fake_commit_all(0);
        ck_assert_uint_eq(p->started, 1);
        attempt(TQ_MESSAGE_RELEASE, 1, 1);
        hear_end(1, 1, TQ_END_EXITED, 3);
        ck_assert_int_eq(fake_op(0)->type, TQ_LEDGER_DONE);
        ck_assert_int_eq(fake_op(0)->verdict.outcome, TQ_OUTCOME_EXIT);
        ck_assert_int_eq(fake_op(0)->verdict.code, 3);
        fake_said_nothing();
        ck_assert(dispatch_is_ending(p->dispatch, 1));
        fake_commit_all(0);
        attempt(TQ_MESSAGE_ACK, 1, 1);
        ck_assert_uint_eq(p->ended, 1);
        ck_assert(!dispatch_is_ending(p->dispatch, 1));
        ck_assert_ptr_null(tq_scheduler_job(feed_scheduler(p->feed), 1));
        fake_said_nothing();
}
END_TEST

/* What can't be recorded as running is not released but undone; its file is not answered for. */
START_TEST(commit_fails) {
        (void)place("concurrency=1", false);
        start_first();
        hear_attempt(TQ_MESSAGE_SPAWNED, 1, 1);
        fake_commit_all(-EIO);
        attempt(TQ_MESSAGE_ABORT, 1, 1);
        fake_said_nothing();
        claim(2, FILE_OF());
        fake_commit_all(-EIO);
        for (const FakeMessage *said; (said = fake_said());)
                ck_assert(said->m.header.type != TQ_MESSAGE_CLAIM_DONE ||
                          said->m.claim_done.outcome == TQ_CLAIM_WAITS);
}
END_TEST

/* Each text can't be copied once: what is recorded is the whole job, or nothing any more. A job
 * without its After= would start at once after a restart. */
START_TEST(copies_fail) {
        Place *p = place("concurrency=1", false);
        bool is_last = _i + 1 == COPIES_MOST;

        fake_no_copy = (unsigned)_i + 1;
        claim(1, FILE_OF("Name=report\nAfter=other\nCorrelationId=7f3a\nLabels=a=b\n"
                         "TraceParent=00-00000000000000000000000000000a00-00b0000000000000-01\n"
                         "Parent=7\nInputs=x y\n"));
        ck_assert_uint_eq(fake_no_copy, is_last ? 1 : 0);
        ck_assert(!commit_fault(fake_commit()) == is_last);
        ck_assert(!tq_scheduler_job(feed_scheduler(p->feed), 1) == !is_last);
        if (!is_last)
                return;
        ck_assert_str_eq(fake_op(0)->accept.name, "report");
        ck_assert_str_eq(fake_op(0)->accept.after, "other");
        ck_assert_str_eq(fake_op(0)->accept.correlation_id, "7f3a");
        ck_assert_ptr_nonnull(fake_op(0)->accept.labels);
        ck_assert_ptr_nonnull(fake_op(0)->accept.trace_parent);
        ck_assert_mem_eq(fake_op(0)->accept.ties, "p7\0ix\0iy\0", 10);
        ck_assert_mem_eq(job_of(tq_scheduler_job(feed_scheduler(p->feed), 1))->cold->trail,
                         "TENANTQ_CORRELATION_ID=7f3a\0"
                         "TENANTQ_TRACE_ID=00000000000000000000000000000a00\0"
                         "TENANTQ_LABEL=a=b\0",
                         97);
}
END_TEST

static const struct {
        const char *limits, *file, *says;
} refusals[] = {
        { "concurrency=1", "[Job]\n", "ExecStart" },
        { "concurrency=1", "nonsense", NULL },
        { "concurrency=1", "", NULL },
        { "concurrency=1 memory=64M", FILE_OF("[Limits]\nmemory=65M\n"), "memory" },
        { "concurrency=1 queue_depth=0", FILE_OF(), "queue_depth" },
};

/* A refusal is answered at once, with its reason, and makes no job. */
START_TEST(refused) {
        Place *p = place(refusals[_i].limits, false);
        const FakeMessage *said;

        claim(9, refusals[_i].file);
        said = fake_said();
        ck_assert_ptr_nonnull(said);
        ck_assert_uint_eq(said->m.header.type, TQ_MESSAGE_CLAIM_DONE);
        ck_assert_uint_eq(said->m.claim_done.outcome, TQ_CLAIM_REFUSED);
        ck_assert_uint_gt(said->size, 0);
        if (refusals[_i].says)
                ck_assert_msg(strstr(said->blob, refusals[_i].says), "%s", said->blob);
        fake_said_nothing();
        ck_assert_ptr_null(tq_scheduler_job(feed_scheduler(p->feed), 1));
        for (size_t i = 0; i < fake_n_ops(); i++)
                ck_assert_int_ne(fake_op(i)->type, TQ_LEDGER_ACCEPT);
}
END_TEST

/* on_full=wait: the file waits at the door, and comes again when a job of the queue has started. */
START_TEST(at_the_door) {
        Place *p = place("concurrency=1", true);

        start_first();
        claim(2, FILE_OF("Queue=small\n")); /* waits in the queue */
        fake_commit_all(0);
        done(2, TQ_CLAIM_ACCEPTED);
        claim(3, FILE_OF("Queue=small\n"));
        done(3, TQ_CLAIM_WAITS);
        claim(4, FILE_OF("Queue=other\n"));
        fake_commit_all(0);
        done(4, TQ_CLAIM_ACCEPTED); /* a full queue keeps no other from taking */
        fake_said_nothing();
        ck_assert_uint_eq(intake_waiting(p->intake, 1), 1);
        hear_attempt(TQ_MESSAGE_SPAWNED, 1, 1);
        fake_commit_all(0);
        attempt(TQ_MESSAGE_RELEASE, 1, 1);
        hear_end(1, 1, TQ_END_EXITED, 0);
        ck_assert_uint_eq(fake_said_type(TQ_MESSAGE_CLAIM_AGAIN)->number.cookie, 3);
        ck_assert_uint_eq(fake_said_type(TQ_MESSAGE_START)->start.job, 2);
        fake_commit_all(0);
        attempt(TQ_MESSAGE_ACK, 1, 1);
        claim(3, FILE_OF("Queue=small\n"));
        ck_assert_uint_eq(intake_waiting(p->intake, 1), 0);
        fake_commit_all(0);
        done(3, TQ_CLAIM_ACCEPTED);
        fake_said_nothing();
}
END_TEST

/* A launch that failed for now is tried again; one that failed for good is the job's verdict. */
START_TEST(launch_fails) {
        Place *p = place("concurrency=1", false);
        TqMessage m = { .attempt = { .job = 1,
                                     .attempt = 1,
                                     .tenant = HANDLE,
                                     .stage = TQ_STAGE_CGROUP,
                                     .error = EMFILE,
                                     .is_temporary = 1 } };

        start_first();
        ck_assert_int_eq(fake_hear(TQ_MESSAGE_START_FAILED, &m, NULL, 0), 0);
        fake_said_nothing();
        ck_assert_str_ne(p->t->launch_note, "");
        fake_now += 10 * SEC;
        fake_run(p->loop);
        /* It was never recorded as running, so it has the same number. */
        ck_assert_uint_eq(fake_said_type(TQ_MESSAGE_START)->start.attempt, 1);
        m.attempt.is_temporary = 0;
        m.attempt.stage = TQ_STAGE_EXEC;
        m.attempt.error = ENOENT;
        ck_assert_int_eq(fake_hear(TQ_MESSAGE_START_FAILED, &m, NULL, 0), 0);
        ck_assert_int_eq(fake_op(fake_n_ops() - 1)->type, TQ_LEDGER_DONE);
        ck_assert_int_eq(fake_op(fake_n_ops() - 1)->verdict.outcome, TQ_OUTCOME_SPAWN);
        ck_assert_int_eq(fake_op(fake_n_ops() - 1)->verdict.code, ENOENT);
}
END_TEST

/* A job of the ledger that is launched again is read from there. That the supervisor has gone in
 * between is no fault of the job, and neither is a ledger that can't be read. */
START_TEST(launched_again) {
        static const uint8_t boot[16] = { 1 };
        Place *p = place("concurrency=1", false);
        char path[200];

        (void)snprintf(path, sizeof(path), "%s/ledger.db", unit_dir());
        ck_assert_int_eq(tq_ledger_open(path, boot, &fake_ledger, NULL), 0);
        ck_assert_int_eq(tq_ledger_apply(fake_ledger,
                                         &(TqLedgerOp){ .type = TQ_LEDGER_TENANT,
                                                        .tenant = 1,
                                                        .text = (char *)"acme",
                                                        .uid = 1001 },
                                         1),
                         0);
        claim(1, FILE_OF());
        if (_i == 0)
                ck_assert_int_eq(tq_ledger_apply(fake_ledger, fake_op(0), 1), 0);
        fake_commit_all(0);
        hear_attempt(TQ_MESSAGE_SPAWNED, 1, 1);
        fake_commit_all(0);
        hear_end(1, 1, TQ_END_NEVER_STARTED, 0);
        fake_commit_all(0);
        while (fake_said())
                ;
        ck_assert_int_eq(tq_scheduler_job(feed_scheduler(p->feed), 1)->state, TQ_JOB_STARTING);
        fake_link_error = _i == 0 ? -EPIPE : 0;
        ck_assert_ptr_nonnull(freopen("/dev/null", "w", stderr));
        fake_work(true);
        for (size_t i = 0; i < fake_n_ops(); i++)
                ck_assert_int_ne(fake_op(i)->type, TQ_LEDGER_DONE);
        ck_assert_int_eq(tq_scheduler_job(feed_scheduler(p->feed), 1)->state, TQ_JOB_STARTING);
        ck_assert_int_eq(commit_fault(fake_commit()) != NULL, _i == 1);
        fake_ledger = tq_ledger_close(fake_ledger);
}
END_TEST

static const char *open_ledger(void) {
        static const uint8_t boot[16] = { 1 };
        static char path[200];
        TqLedgerOp op = {
                .type = TQ_LEDGER_TENANT, .tenant = 1, .text = (char *)"acme", .uid = 1001
        };

        (void)snprintf(path, sizeof(path), "%s/ledger.db", unit_dir());
        ck_assert_int_eq(tq_ledger_open(path, boot, &fake_ledger, NULL), 0);
        ck_assert_int_eq(tq_ledger_apply(fake_ledger, &op, 1), 0);
        return path;
}

/* As the process before has left it. */
static void in_ledger(uint64_t job) {
        static char spec[] = FILE_OF();
        TqLedgerOp op = { .type = TQ_LEDGER_ACCEPT,
                          .job = job,
                          .tenant = 1,
                          .accept = { .queue = "q",
                                      .name = (char *)"x",
                                      .runtime_usec = TQ_LIMIT_MAX,
                                      .spec = spec,
                                      .spec_size = sizeof(spec) - 1 } };

        ck_assert_int_eq(tq_ledger_apply(fake_ledger, &op, 1), 0);
}

/* The process before has died over a job: the second time it is held, before it is read. Another
 * one is not. */
START_TEST(crashed_over) {
        Place *p = place("concurrency=5", false);
        const TqJob *live;

        ck_assert_ptr_nonnull(freopen("/dev/null", "w", stderr));
        (void)open_ledger();
        in_ledger(1);
        in_ledger(2);
        for (int i = 0; i < _i; i++)
                dispatch_note_crash(p->dispatch, 1, 11);
        ck_assert_int_eq(dispatch_load(p->dispatch), 0);
        live = tq_scheduler_job(feed_scheduler(p->feed), 1);
        ck_assert_int_eq(live->state, _i >= 2 ? TQ_JOB_HELD : TQ_JOB_STARTING);
        ck_assert_int_eq(job_of(live)->is_held_by_admin, _i >= 2);
        ck_assert_uint_eq(p->quarantined, _i >= 2 ? 1 : 0);
        if (_i >= 2)
                ck_assert_ptr_nonnull(
                        strstr(job_cold(job_of(live))->quarantine, "(signal 11, SEGV)"));
        else
                ck_assert_ptr_null(job_cold(job_of(live))->quarantine);
        ck_assert_int_eq(tq_scheduler_job(feed_scheduler(p->feed), 2)->state, TQ_JOB_STARTING);
        ck_assert_uint_eq(fake_crumb.kind, TQ_CRUMB_NONE);
        fake_ledger = tq_ledger_close(fake_ledger);
}
END_TEST

/* That it can't be counted is no reason to die of it for ever. */
START_TEST(crashed_over_unrecorded) {
        Place *p = place("concurrency=5", false);
        const char *path;
        sqlite3 *db;

        ck_assert_ptr_nonnull(freopen("/dev/null", "w", stderr));
        path = open_ledger();
        in_ledger(1);
        /* What is written fails, what is read does not. */
        fake_ledger = tq_ledger_close(fake_ledger);
        ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
        ck_assert_int_eq(sqlite3_exec(db,
                                      "CREATE TRIGGER t BEFORE UPDATE ON jobs BEGIN SELECT "
                                      "raise(ABORT, 'no'); END",
                                      NULL, NULL, NULL),
                         SQLITE_OK);
        ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
        ck_assert_int_eq(tq_ledger_open(path, (const uint8_t[16]){ 1 }, &fake_ledger, NULL), 0);
        dispatch_note_crash(p->dispatch, 1, 11);
        ck_assert_int_eq(dispatch_load(p->dispatch), 0);
        ck_assert_int_eq(tq_scheduler_job(feed_scheduler(p->feed), 1)->state, TQ_JOB_HELD);
        ck_assert_uint_eq(p->quarantined, 1);
        fake_ledger = tq_ledger_close(fake_ledger);
}
END_TEST

/* Its launch crashes twice, and another's does not: held, recorded, told. */
START_TEST(launch_crashes) {
        Place *p = place("concurrency=5", false);
        const TqJob *live;

        start_first();
        hear_attempt(TQ_MESSAGE_SPAWNED, 1, 1);
        fake_commit_all(0);
        attempt(TQ_MESSAGE_RELEASE, 1, 1);
        hear_end(1, 1, TQ_END_CRASHED, 11);
        fake_commit_all(0);
        attempt(TQ_MESSAGE_ACK, 1, 1);
        ck_assert_str_ne(p->t->launch_note, "");
        fake_now += 1;
        claim(2, FILE_OF());
        ck_assert_uint_eq(fake_said_type(TQ_MESSAGE_START)->start.job, 2);
        fake_commit_all(0);
        done(2, TQ_CLAIM_ACCEPTED);
        hear_attempt(TQ_MESSAGE_SPAWNED, 2, 1);
        fake_commit_all(0);
        attempt(TQ_MESSAGE_RELEASE, 2, 1);
        hear_end(2, 1, TQ_END_EXITED, 0);
        fake_commit_all(0);
        attempt(TQ_MESSAGE_ACK, 2, 1);
        live = tq_scheduler_job(feed_scheduler(p->feed), 1);
        ck_assert_int_eq(live->state, TQ_JOB_SCHEDULED);
        fake_now += SEC;
        fake_run(p->loop);
        /* It is read from the ledger again, which is not this test's. */
        ck_assert_int_eq(live->state, TQ_JOB_STARTING);
        fake_commit_all(0);
        hear_end(1, 2, TQ_END_CRASHED, 11);
        ck_assert_int_eq(live->state, TQ_JOB_HELD);
        ck_assert(job_of(live)->is_held_by_admin);
        ck_assert_uint_eq(p->quarantined, 1);
        ck_assert_int_eq(fake_op(0)->type, TQ_LEDGER_REQUEUE);
        ck_assert_int_eq(fake_op(1)->type, TQ_LEDGER_QUARANTINE);
        ck_assert_ptr_nonnull(strstr(fake_op(1)->text, "signal 11"));
        ck_assert_str_eq(job_cold(job_of(live))->quarantine, fake_op(1)->text);
}
END_TEST

static void on_answer(void *data, Answer *a) {
        *(Answer *)data = *a;
}

static Answer handed_in(const Place *p, uid_t uid, uint64_t number) {
        Submission s = { .tenant = p->t,
                         .uid = uid,
                         .claim = number,
                         .data = FILE_OF(),
                         .size = strlen(FILE_OF()) };
        Answer a = {};

        intake_submit(p->intake, &s, on_answer, &a);
        return a;
}

/* From whom is barred nothing is taken by the control socket, for as long as that was said; his
 * files are, one by one. */
START_TEST(barred) {
        Place *p = place("concurrency=5", false);
        uid_t uid = (uid_t)_i;

        ck_assert_int_eq(intake_bar(p->intake, uid, fake_now + 1), 0);
        ck_assert_int_eq(intake_bar(p->intake, uid, fake_now + 2), 0);
        fake_now += 1;
        ck_assert_int_eq(handed_in(p, uid, 0).error, TQ_CONTROL_REFUSED);
        ck_assert_uint_gt(handed_in(p, uid + 1, 0).job, 0);
        ck_assert_uint_gt(handed_in(p, uid, 4).job, 0);
        fake_now += 1;
        ck_assert_uint_gt(handed_in(p, uid, 0).job, 0);
        ck_assert_uint_eq(fake_crumb.kind, TQ_CRUMB_NONE);
}
END_TEST

/* What an older launch says of a job concerns nobody, and is not left unanswered. */
START_TEST(of_another_attempt) {
        Place *p = place("concurrency=1", false);

        start_first();
        hear_attempt(TQ_MESSAGE_SPAWNED, 1, 9);
        ck_assert_uint_eq(fake_n_ops(), 0);
        hear_end(77, 1, TQ_END_EXITED, 0);
        attempt(TQ_MESSAGE_ACK, 77, 1);
        ck_assert_int_eq(tq_scheduler_job(feed_scheduler(p->feed), 1)->state, TQ_JOB_STARTING);
        fake_said_nothing();
}
END_TEST

/* Its time is over: recorded, then asked, then made to. */
START_TEST(runs_too_long) {
        Place *p = place("concurrency=1", false);

        claim(1, FILE_OF("RuntimeMaxSec=5\nTimeoutStopSec=2\n"));
        fake_commit_all(0);
        (void)fake_said();
        (void)fake_said();
        hear_attempt(TQ_MESSAGE_SPAWNED, 1, 1);
        fake_commit_all(0);
        attempt(TQ_MESSAGE_RELEASE, 1, 1);
        fake_now += 5 * SEC;
        fake_run(p->loop);
        ck_assert_int_eq(fake_op(0)->type, TQ_LEDGER_STOP);
        ck_assert_int_eq(fake_op(0)->stop, TQ_STOP_TIMEOUT_JOB);
        fake_said_nothing();
        fake_commit_all(0);
        attempt(TQ_MESSAGE_TERM, 1, 1);
        fake_now += 2 * SEC;
        fake_run(p->loop);
        fake_commit_all(0);
        attempt(TQ_MESSAGE_KILL, 1, 1);
        hear_end(1, 1, TQ_END_SIGNALED, 9);
        ck_assert_int_eq(fake_op(0)->verdict.outcome, TQ_OUTCOME_TIMEOUT);
}
END_TEST

static void fill(Suite *s) {
        TCase *t = unit_case(s, "life");

        tcase_add_test(t, whole);
        tcase_add_test(t, commit_fails);
        tcase_add_loop_test(t, copies_fail, 0, COPIES_MOST);
        unit_add_rows(t, refused, refusals);
        tcase_add_test(t, at_the_door);
        tcase_add_test(t, launch_fails);
        tcase_add_loop_test(t, launched_again, 0, 2);
        tcase_add_loop_test(t, crashed_over, 0, 4);
        tcase_add_test(t, crashed_over_unrecorded);
        tcase_add_test(t, launch_crashes);
        tcase_add_loop_test(t, barred, 0, 2);
        tcase_add_test(t, of_another_attempt);
        tcase_add_test(t, runs_too_long);
}

int main(void) {
        return unit_main("engine_life", fill);
}
