/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/intake/intake.h"

#include <stdio.h>

#include "fake/fake.h"
#include "world.h"

/* The life of a job through intake and dispatch: what is said to the supervisor, what is recorded,
 * and which of the two comes first. */

#define HANDLE      7
#define COPIES_MOST 5 /* of a job's texts, and one more */

typedef struct Place {
        sd_event *loop;
        Events *events;
        Tenants *tenants;
        Settings *settings;
        Recovery *recovery;
        Feed *feed;
        Dispatch *dispatch;
        Intake *intake;
        const Tenant *t;
        uint64_t started, ended;
} Place;

static void on_started(void *data, uint64_t job) {
        ((Place *)data)->started = job;
}

static void on_ended(void *data, uint64_t job) {
        ((Place *)data)->ended = job;
}

static void on_room(void *data, uint32_t id) {
        intake_room_made(((Place *)data)->intake, id);
}

static void on_change(void *data, const Tenant *t) {
        dispatch_tell_tenant(((Place *)data)->dispatch, t);
}

static void applied(void) {
        fake_answer(fake_said_type(TQ_MESSAGE_APPLY)->apply.cookie, 0, NULL, 0);
}

static Place *place(const char *limits_text, bool waits_when_full) {
        static Place p;
        DispatchHooks hooks = { &p, on_started, on_ended, on_room };
        TqTenantMessage m = { .tenant = HANDLE,
                              .uid = 1001,
                              .owner = 3,
                              .is_enabled = 1,
                              .waits_when_full = waits_when_full,
                              .name = "acme" };
        TqHello host = {};
        TqLink *link;

        m.limits = limits(limits_text);
        m.queues[m.n_queues++] = queue_limits("small", "queue_depth=1");
        tq_policy_init(&host.policy);
        ck_assert_int_eq(tq_link_new(NULL, NULL, NULL, &link), 0);
        ck_assert_int_ge(sd_event_new(&p.loop), 0);
        ck_assert_int_eq(events_new(p.loop, fake_commit(), &p.events), 0);
        ck_assert_int_eq(tenants_new(fake_commit(), p.events, &p.tenants), 0);
        ck_assert_int_eq(feed_new(&p.feed), 0);
        ck_assert_int_eq(
                settings_new(link, fake_commit(), p.tenants, feed_scheduler(p.feed), &p.settings),
                0);
        ck_assert_int_eq(recovery_new(&p.recovery), 0);
        ck_assert_int_eq(dispatch_new(p.loop, link, fake_commit(), p.tenants, p.settings,
                                      p.recovery, p.feed, &hooks, &p.dispatch),
                         0);
        ck_assert_int_eq(intake_new(p.loop, link, fake_commit(), p.events, p.tenants, p.settings,
                                    p.dispatch, &p.intake),
                         0);
        settings_on_change(p.settings, on_change, &p);
        settings_hear_host(p.settings, &host);
        ck_assert_int_eq(dispatch_tell_host(p.dispatch), 0);
        ck_assert_int_eq(tenants_hear(p.tenants, &m, &p.t), 0);
        ck_assert_int_eq(settings_hear(p.settings, p.t, &m), 0);
        applied();
        ck_assert_int_eq(dispatch_open(p.dispatch), 0);
        fake_commit_all(0);
        return &p;
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
        claim(1, FILE_OF("Name=report\nAfter=other\nCorrelationId=7f3a\nLabels=a=b\n"));
        ck_assert_uint_eq(fake_no_copy, is_last ? 1 : 0);
        ck_assert(!commit_fault(fake_commit()) == is_last);
        ck_assert(!tq_scheduler_job(feed_scheduler(p->feed), 1) == !is_last);
        if (!is_last)
                return;
        ck_assert_str_eq(fake_op(0)->accept.name, "report");
        ck_assert_str_eq(fake_op(0)->accept.after, "other");
        ck_assert_str_eq(fake_op(0)->accept.correlation_id, "7f3a");
        ck_assert_ptr_nonnull(fake_op(0)->accept.labels);
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
        tcase_add_test(t, of_another_attempt);
        tcase_add_test(t, runs_too_long);
}

int main(void) {
        return unit_main("engine_life", fill);
}
