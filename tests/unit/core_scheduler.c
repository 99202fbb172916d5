/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "world.h"

/* What may happen to a job, in every order: with the numbers of attempts and the queues. */

static TqLimits limits_of(const char *concurrency, const char *runtime) {
        TqLimits l = {};

        if (concurrency)
                ck_assert_int_eq(tq_limits_set(&l, "concurrency", concurrency, TQ_SCOPE_TENANT,
                                               true, 0, NULL),
                                 0);
        if (runtime)
                ck_assert_int_eq(
                        tq_limits_set(&l, "runtime", runtime, TQ_SCOPE_TENANT, true, 0, NULL), 0);
        return l;
}

static TqQueueLimit queue_of(const char *name, uint64_t concurrency) {
        TqQueueLimit q = { .set = UINT64_C(1) << TQ_KEY_CONCURRENCY, .concurrency = concurrency };

        (void)snprintf(q.name, sizeof(q.name), "%s", name);
        return q;
}

static void tenant_full(World *w, uint32_t id, const char *concurrency, const char *runtime,
                        const TqQueueLimit *queues, size_t n_queues, bool enabled) {
        TqLimits l = limits_of(concurrency, runtime);

        ck_assert_int_eq(step(w, (TqEvent){ .type = TQ_EVENT_TENANT,
                                            .tenant = id,
                                            .t = { .name = "acme",
                                                   .limits = &l,
                                                   .queue_limits = queues,
                                                   .n_queue_limits = n_queues,
                                                   .enabled = enabled } }),
                         0);
}

static void tenant_of(World *w, uint32_t id, const char *concurrency) {
        tenant_full(w, id, concurrency, NULL, NULL, 0, true);
}

static TqEvent submission_to(uint32_t id, uint64_t job, const char *queue) {
        TqEvent e = submission(id, job);

        e.j.queue = queue;
        return e;
}

static void submit_to(World *w, uint32_t id, uint64_t job, const char *queue) {
        ck_assert_int_eq(step(w, submission_to(id, job, queue)), 0);
}

static int say_of(World *w, TqEventType type, uint64_t job, unsigned attempt) {
        return step(w, (TqEvent){ .type = type, .job = job, .attempt = attempt });
}

static int end_as(World *w, uint64_t job, unsigned attempt, TqEndKind kind, int code) {
        TqEnd end = { .kind = kind, .code = code, .stage = TQ_STAGE_EXEC };

        if (kind != TQ_END_SPAWN_FAILED)
                end.stage = TQ_STAGE_NONE;
        return step(
                w,
                (TqEvent){ .type = TQ_EVENT_ENDED, .job = job, .attempt = attempt, .end = &end });
}

/* Compares what was asked for since the last call: "start 1.1, run 2.1, term 3.1 (cancelled),
 * finish 4.2 (exit 0)". */
static void expect_attempts_at(World *w, int line, const char *want) {
        TQ_BUFFER_CLEANUP TqBuffer got = {};

        for (size_t i = 0; i < w->actions.n; i++) {
                const TqAction *a = &w->actions.items[i];
                char verdict[128];

                tq_buffer_printf(&got, "%s%s %ju.%u", i > 0 ? ", " : "", world_action(a->type),
                                 (uintmax_t)a->job, a->attempt);
                if (a->type == TQ_ACTION_TERM)
                        tq_buffer_printf(&got, " (%s)", tq_verdict_stop_to_string(a->stop));
                if (a->type == TQ_ACTION_FINISH)
                        tq_buffer_printf(&got, " (%s)",
                                         tq_verdict_format(&a->verdict, verdict, sizeof(verdict)));
        }
        ck_assert_msg(strcmp(tq_buffer_string(&got), want) == 0, "line %d: \"%s\", expected \"%s\"",
                      line, got.data, want);
        w->actions.n = 0;
}

#define expect_attempts(w, want) expect_attempts_at(w, __LINE__, want)

static TqWait why(const World *w, uint64_t job) {
        const TqJob *j = tq_scheduler_job(w->s, job);

        ck_assert_ptr_nonnull(j);
        return tq_scheduler_why(w->s, j, w->now);
}

static uint64_t concurrency_of(const World *w, uint32_t id, const char *queue) {
        const TqQueue *q = tq_scheduler_queue(tq_scheduler_tenant(w->s, id), queue);

        ck_assert_ptr_nonnull(q);
        return q->concurrency;
}

static size_t queues_of(const World *w, uint32_t id) {
        return tq_scheduler_tenant(w->s, id)->n_queues;
}

/* Words --------------------------------------------------------------------------------------- */

START_TEST(words) {
        static const char *const states[] = { "scheduled", "held",     "queued", "starting",
                                              "running",   "stopping", "done" };
        static const char *const waits[] = {
                "none",
                "recovery",
                "held",
                "start-after",
                "after",
                "launch-retry",
                "tenant-disabled",
                "host-paused",
                "tenant-paused",
                "queue-paused",
                "tenant-concurrency",
                "queue-concurrency",
                "behind",
                "slots",
                "lane",
                "memory",
                "memory-kept",
                "share",
        };

        ck_assert_uint_eq(TQ_ELEMENTSOF(states), _TQ_JOB_STATE_MAX);
        ck_assert_uint_eq(TQ_ELEMENTSOF(waits), _TQ_WAIT_MAX);
        for (size_t i = 0; i < TQ_ELEMENTSOF(states); i++)
                ck_assert_str_eq(tq_scheduler_state_to_string((TqJobState)i), states[i]);
        for (size_t i = 0; i < TQ_ELEMENTSOF(waits); i++) {
                ck_assert_str_eq(tq_reason_to_string((TqWait)i), waits[i]);
                ck_assert_uint_gt(strlen(tq_reason_waits[i].help), 5);
        }
}
END_TEST

/* The life of a job --------------------------------------------------------------------------- */

START_TEST(one_job) {
        WORLD w = world_new();
        int userdata;
        TqEvent e = submission_to(1, 7, "default");

        tenant_of(&w, 1, NULL);
        open_world(&w);
        e.j.userdata = &userdata;
        ck_assert_int_eq(step(&w, e), 0);
        ck_assert_int_eq(state_of(&w, 7), TQ_JOB_STARTING);
        ck_assert_ptr_eq(w.actions.items[0].userdata, &userdata);
        ck_assert_uint_eq(w.actions.items[0].tenant, 1);
        expect_attempts(&w, "start 7.1");
        ck_assert_int_eq(say_of(&w, TQ_EVENT_SPAWNED, 7, 1), 0);
        expect_attempts(&w, "run 7.1");
        ck_assert_int_eq(state_of(&w, 7), TQ_JOB_RUNNING);
        ck_assert_uint_eq(tq_scheduler_job(w.s, 7)->running_since, w.now);
        ck_assert_uint_eq(tq_scheduler_tenant(w.s, 1)->running, 1);
        ck_assert_uint_eq(tq_scheduler_tenant(w.s, 1)->waiting.jobs, 0);
        ck_assert_uint_eq(tq_scheduler_next_deadline(w.s), TQ_NEVER);
        ck_assert_int_eq(end_as(&w, 7, 1, TQ_END_EXITED, 3), 0);
        expect_attempts(&w, "finish 7.1 (exit 3)");
        ck_assert_ptr_null(tq_scheduler_job(w.s, 7));
        ck_assert_uint_eq(tq_scheduler_tenant(w.s, 1)->running, 0);
        ck_assert_uint_eq(queues_of(&w, 1), 0);
}
END_TEST

START_TEST(closed_until_open) {
        WORLD w = world_new();

        tenant_of(&w, 1, NULL);
        submit_to(&w, 1, 1, "a");
        submit_to(&w, 1, 2, "b");
        expect_attempts(&w, "");
        ck_assert_int_eq(why(&w, 1), TQ_WAIT_RECOVERY);
        ck_assert_int_eq(state_of(&w, 1), TQ_JOB_QUEUED);
        ck_assert_uint_eq(tq_scheduler_tenant(w.s, 1)->waiting.jobs, 2);
        open_world(&w);
        expect_attempts(&w, "start 1.1, start 2.1");
}
END_TEST

START_TEST(unknown) {
        WORLD w = world_new();

        open_world(&w);
        ck_assert_int_eq(step(&w, submission_to(1, 1, "q")), -ENOENT);
        tenant_of(&w, 1, NULL);
        submit_to(&w, 1, 1, "q");
        ck_assert_int_eq(step(&w, submission_to(1, 1, "q")), -EEXIST);
        ck_assert_int_eq(step(&w, submission_to(1, 1, "another")), -EEXIST);
        ck_assert_uint_eq(queues_of(&w, 1), 1);
        expect_attempts(&w, "start 1.1");
        ck_assert_int_eq(say_of(&w, TQ_EVENT_SPAWNED, 2, 1), -ENOENT);
        ck_assert_int_eq(say_of(&w, TQ_EVENT_CANCEL, 2, 1), -ENOENT);
        ck_assert_int_eq(end_as(&w, 2, 1, TQ_END_EXITED, 0), -ENOENT);
        ck_assert_ptr_null(tq_scheduler_tenant(w.s, 2));
        expect_attempts(&w, "");
}
END_TEST

/* What an attempt says that is not the one under way is not heard. */
START_TEST(stale_attempts) {
        WORLD w = world_new();

        tenant_of(&w, 1, NULL);
        open_world(&w);
        submit_to(&w, 1, 1, "q");
        ck_assert_int_eq(say_of(&w, TQ_EVENT_SPAWNED, 1, 1), 0);
        ck_assert_int_eq(end_as(&w, 1, 1, TQ_END_NEVER_STARTED, 0), 0);
        expect_attempts(&w, "start 1.1, run 1.1, requeue 1.1, start 1.2");
        ck_assert_int_eq(say_of(&w, TQ_EVENT_SPAWNED, 1, 1), -ENOENT);
        ck_assert_int_eq(end_as(&w, 1, 1, TQ_END_EXITED, 0), -ENOENT);
        ck_assert_int_eq(say_of(&w, TQ_EVENT_REFUSED, 1, 1), -ENOENT);
        ck_assert_int_eq(say_of(&w, TQ_EVENT_SPAWNED, 1, 3), -ENOENT);
        ck_assert_int_eq(say_of(&w, TQ_EVENT_SPAWNED, 1, 0), -ENOENT);
        expect_attempts(&w, "");
        ck_assert_int_eq(state_of(&w, 1), TQ_JOB_STARTING);
        ck_assert_int_eq(say_of(&w, TQ_EVENT_SPAWNED, 1, 2), 0);
        ck_assert_int_eq(say_of(&w, TQ_EVENT_SPAWNED, 1, 2), 0); /* said twice: nothing more */
        ck_assert_int_eq(say_of(&w, TQ_EVENT_REFUSED, 1, 2), 0); /* of a running one: nonsense */
        expect_attempts(&w, "run 1.2");
        ck_assert_int_eq(state_of(&w, 1), TQ_JOB_RUNNING);
}
END_TEST

/* An event of a job that waits changes nothing; an end is of a launch that nobody knows of. */
START_TEST(events_of_waiting_jobs) {
        WORLD w = world_new();

        tenant_of(&w, 1, "0");
        open_world(&w);
        submit_to(&w, 1, 1, "q");
        ck_assert_int_eq(say_of(&w, TQ_EVENT_SPAWNED, 1, 1), 0);
        ck_assert_int_eq(end_as(&w, 1, 1, TQ_END_EXITED, 0), -ENOENT);
        ck_assert_int_eq(say_of(&w, TQ_EVENT_REFUSED, 1, 1), 0);
        expect_attempts(&w, "");
        ck_assert_int_eq(state_of(&w, 1), TQ_JOB_QUEUED);
        ck_assert_uint_eq(tq_scheduler_tenant(w.s, 1)->running, 0);
        ck_assert_uint_eq(tq_scheduler_tenant(w.s, 1)->waiting.jobs, 1);
}
END_TEST

START_TEST(spawn_failed) {
        WORLD w = world_new();

        tenant_of(&w, 1, NULL);
        open_world(&w);
        submit_to(&w, 1, 1, "q");
        submit_to(&w, 1, 2, "q");
        ck_assert_int_eq(end_as(&w, 1, 1, TQ_END_SPAWN_FAILED, ENOENT), 0);
        expect_attempts(
                &w, "start 1.1, finish 1.1 (spawn (exec: No such file or directory)), start 2.1");
        ck_assert_int_eq(say_of(&w, TQ_EVENT_SPAWNED, 2, 1), 0);
        ck_assert_int_eq(end_as(&w, 2, 1, TQ_END_SPAWN_FAILED, EACCES), 0);
        expect_attempts(&w, "run 2.1, finish 2.1 (spawn (exec: Permission denied))");
}
END_TEST

/* The barrier was never released: it is tried again, by the same number if that was never recorded.
 */
START_TEST(never_started) {
        WORLD w = world_new();

        tenant_of(&w, 1, NULL);
        open_world(&w);
        submit_to(&w, 1, 1, "q");
        ck_assert_int_eq(end_as(&w, 1, 1, TQ_END_NEVER_STARTED, 0), 0);
        expect_attempts(&w, "start 1.1, requeue 1.1, start 1.1");
        ck_assert_int_eq(say_of(&w, TQ_EVENT_SPAWNED, 1, 1), 0);
        ck_assert_int_eq(end_as(&w, 1, 1, TQ_END_NEVER_STARTED, 0), 0);
        expect_attempts(&w, "run 1.1, requeue 1.1, start 1.2");
        ck_assert_int_eq(say_of(&w, TQ_EVENT_SPAWNED, 1, 2), 0);
        ck_assert_int_eq(say_of(&w, TQ_EVENT_CANCEL, 1, 0), 0);
        ck_assert_int_eq(end_as(&w, 1, 2, TQ_END_NEVER_STARTED, 0), 0);
        expect_attempts(&w, "run 1.2, term 1.2 (cancelled), finish 1.2 (cancelled)");
}
END_TEST

/* A runtime's clock does not run on while the job waits again. */
START_TEST(requeue_takes_the_timer_back) {
        WORLD w = world_new();

        tenant_full(&w, 1, "1", "10s", NULL, 0, true);
        open_world(&w);
        submit_to(&w, 1, 1, "q");
        ck_assert_int_eq(say_of(&w, TQ_EVENT_SPAWNED, 1, 1), 0);
        ck_assert_uint_eq(tq_scheduler_next_deadline(w.s), w.now + 10 * SEC);
        ck_assert_int_eq(end_as(&w, 1, 1, TQ_END_NEVER_STARTED, 0), 0);
        ck_assert_uint_eq(tq_scheduler_next_deadline(w.s), TQ_NEVER);
        expect_attempts(&w, "start 1.1, run 1.1, requeue 1.1, start 1.2");
        tick(&w, 60 * SEC);
        expect_attempts(&w, "");
}
END_TEST

/* A program that can't be executed for now has not begun: it is tried again, with a bound. */
START_TEST(exec_fails_for_now) {
        WORLD w = world_new();
        TqEnd busy = { .kind = TQ_END_SPAWN_FAILED, .stage = TQ_STAGE_EXEC, .code = ETXTBSY };
        TqEnd none = { .kind = TQ_END_SPAWN_FAILED, .stage = TQ_STAGE_EXEC, .code = ENOENT };

        tenant(&w, 1, "concurrency=1");
        open_world(&w);
        submit(&w, 1, 1);
        expect_attempts(&w, "start 1.1");
        for (unsigned attempt = 1; attempt <= 4; attempt++) {
                char want[64];

                must_step(&w, (TqEvent){ .type = TQ_EVENT_SPAWNED, .job = 1, .attempt = attempt });
                w.actions.n = 0;
                must_step(&w, (TqEvent){ .type = TQ_EVENT_ENDED,
                                         .job = 1,
                                         .attempt = attempt,
                                         .end = &busy });
                (void)snprintf(want, sizeof(want), "requeue 1.%u", attempt);
                expect_attempts(&w, want);
                ck_assert_uint_eq(tq_scheduler_next_deadline(w.s), w.now + (SEC << (attempt - 1)));
                tick(&w, SEC << (attempt - 1));
                (void)snprintf(want, sizeof(want), "start 1.%u", attempt + 1);
                expect_attempts(&w, want);
        }
        must_step(&w, (TqEvent){ .type = TQ_EVENT_SPAWNED, .job = 1, .attempt = 5 });
        w.actions.n = 0;
        must_step(&w, (TqEvent){ .type = TQ_EVENT_ENDED, .job = 1, .attempt = 5, .end = &busy });
        ck_assert_uint_eq(w.actions.n, 1);
        ck_assert_int_eq(w.actions.items[0].type, TQ_ACTION_FINISH);
        ck_assert_int_eq(w.actions.items[0].verdict.outcome, TQ_OUTCOME_SPAWN);
        /* What does not pass is a verdict at once. */
        w.actions.n = 0;
        submit(&w, 1, 2);
        must_step(&w, (TqEvent){ .type = TQ_EVENT_SPAWNED, .job = 2, .attempt = 1 });
        w.actions.n = 0;
        must_step(&w, (TqEvent){ .type = TQ_EVENT_ENDED, .job = 2, .attempt = 1, .end = &none });
        ck_assert_int_eq(w.actions.items[0].type, TQ_ACTION_FINISH);
}
END_TEST

/* Refused for now: again after a second, the slot is free meanwhile. */
START_TEST(refused) {
        WORLD w = world_new();

        tenant_of(&w, 1, "1");
        open_world(&w);
        submit_to(&w, 1, 1, "q");
        submit_to(&w, 1, 2, "q");
        expect_attempts(&w, "start 1.1");
        ck_assert_int_eq(say_of(&w, TQ_EVENT_REFUSED, 1, 1), 0);
        expect_attempts(&w, "start 2.1");
        ck_assert_int_eq(state_of(&w, 1), TQ_JOB_SCHEDULED);
        ck_assert_int_eq(why(&w, 1), TQ_WAIT_LAUNCH_RETRY);
        ck_assert_uint_eq(tq_scheduler_next_deadline(w.s), w.now + SEC);
        ck_assert_int_eq(say_of(&w, TQ_EVENT_REFUSED, 2, 1), 0);
        expect_attempts(&w, "");
        tick(&w, SEC - 1);
        expect_attempts(&w, "");
        tick(&w, 1);
        expect_attempts(&w, "start 1.1");
        ck_assert_int_eq(state_of(&w, 2), TQ_JOB_QUEUED);
        ck_assert_int_eq(end_as(&w, 1, 1, TQ_END_EXITED, 0), 0);
        expect_attempts(&w, "finish 1.1 (exit 0), start 2.1");
}
END_TEST

/* What the host lacks is waited for, for longer each time, at most a minute. */
START_TEST(refused_for_long) {
        static const unsigned seconds[] = { 1, 2, 4, 8, 16, 32, 60, 60, 60 };
        WORLD w = world_new();

        tenant_of(&w, 1, "1");
        open_world(&w);
        submit_to(&w, 1, 1, "q");
        expect_attempts(&w, "start 1.1");
        for (size_t i = 0; i < TQ_ELEMENTSOF(seconds); i++) {
                ck_assert_int_eq(say_of(&w, TQ_EVENT_REFUSED, 1, 1), 0);
                ck_assert_uint_eq(tq_scheduler_next_deadline(w.s), w.now + seconds[i] * SEC);
                tick(&w, seconds[i] * SEC);
                expect_attempts(&w, "start 1.1");
        }
        /* One that worked begins anew. */
        ck_assert_int_eq(say_of(&w, TQ_EVENT_SPAWNED, 1, 1), 0);
        ck_assert_int_eq(end_as(&w, 1, 1, TQ_END_NEVER_STARTED, 0), 0);
        expect_attempts(&w, "run 1.1, requeue 1.1, start 1.2");
        ck_assert_int_eq(say_of(&w, TQ_EVENT_REFUSED, 1, 2), 0);
        ck_assert_uint_eq(tq_scheduler_next_deadline(w.s), w.now + SEC);
}
END_TEST

/* What may be the job's own limits is tried five times, and then is its verdict. */
START_TEST(refused_by_itself) {
        TqEnd end = { .kind = TQ_END_SPAWN_FAILED, .stage = TQ_STAGE_CLONE, .code = ENOMEM };
        TqEvent e = {
                .type = TQ_EVENT_REFUSED, .job = 1, .attempt = 1, .end = &end, .is_own = true
        };
        WORLD w = world_new();

        tenant_of(&w, 1, "1");
        open_world(&w);
        submit_to(&w, 1, 1, "q");
        expect_attempts(&w, "start 1.1");
        for (unsigned i = 0; i < 4; i++) {
                ck_assert_int_eq(step(&w, e), 0);
                expect_attempts(&w, "");
                tick(&w, (UINT64_C(1) << i) * SEC);
                expect_attempts(&w, "start 1.1");
        }
        ck_assert_int_eq(step(&w, e), 0);
        expect_attempts(&w, "finish 1.1 (spawn (clone: Cannot allocate memory))");
}
END_TEST

/* The clock of the day is set: the same time is another instant. */
START_TEST(clock_set) {
        TqEvent e = submission_to(1, 1, "q");
        TqEvent times = { .type = TQ_EVENT_TIMES, .job = 1 };
        WORLD w = world_new();

        tenant_of(&w, 1, "1");
        open_world(&w);
        e.j.not_before = w.now + 30 * SEC;
        must_step(&w, e);
        times.j.not_before = w.now + 50 * SEC; /* back by 20 s */
        must_step(&w, times);
        tick(&w, 49 * SEC);
        expect_attempts(&w, "");
        times.j.not_before = 0; /* forward */
        must_step(&w, times);
        expect_attempts(&w, "start 1.1");
        must_step(&w, times); /* of one that has started: nothing */
        /* A deadline that has come by that, and one at the very beginning of time. */
        for (uint64_t job = 2; job < 4; job++) {
                e = submission_to(1, job, "q");
                e.j.has_start_by = true;
                e.j.start_by = job == 2 ? w.now + SEC : 0;
                must_step(&w, e);
        }
        times.job = 2;
        times.j.has_start_by = true;
        times.j.start_by = 0;
        must_step(&w, times);
        tick(&w, 0);
        expect_attempts(&w, "finish 2.1 (deadline), finish 3.1 (deadline)");
        times.job = 4;
        ck_assert_int_eq(step(&w, times), -ENOENT);
}
END_TEST

/* Limits -------------------------------------------------------------------------------------- */

/* Of six jobs, two in each of three queues, so many start. queue "a" has a limit of its own. */
static const struct {
        const char *tenant;
        uint64_t queue_a; /* 0 … ; UINT64_MAX - 1: not configured */
        const char *start;
        TqWait why_2, why_6;
} concurrency_rows[] = {
        { NULL, UINT64_MAX - 1, "start 1.1, start 3.1, start 5.1", TQ_WAIT_QUEUE_CONCURRENCY,
          TQ_WAIT_QUEUE_CONCURRENCY },
        { "0", UINT64_MAX - 1, "", TQ_WAIT_TENANT_CONCURRENCY, TQ_WAIT_TENANT_CONCURRENCY },
        { "1", UINT64_MAX - 1, "start 1.1", TQ_WAIT_TENANT_CONCURRENCY,
          TQ_WAIT_TENANT_CONCURRENCY },
        { "5", UINT64_MAX - 1, "start 1.1, start 2.1, start 3.1, start 4.1, start 5.1",
          TQ_WAIT_NONE, TQ_WAIT_TENANT_CONCURRENCY },
        { "6", UINT64_MAX - 1, "start 1.1, start 2.1, start 3.1, start 4.1, start 5.1, start 6.1",
          TQ_WAIT_NONE, TQ_WAIT_NONE },
        { "max", UINT64_MAX - 1, "start 1.1, start 2.1, start 3.1, start 4.1, start 5.1, start 6.1",
          TQ_WAIT_NONE, TQ_WAIT_NONE },
        { "6", 1, "start 1.1, start 3.1, start 4.1, start 5.1, start 6.1",
          TQ_WAIT_QUEUE_CONCURRENCY, TQ_WAIT_NONE },
        { "2", 1, "start 1.1, start 3.1", TQ_WAIT_TENANT_CONCURRENCY, TQ_WAIT_TENANT_CONCURRENCY },
        { "6", 0, "start 3.1, start 4.1, start 5.1, start 6.1", TQ_WAIT_QUEUE_CONCURRENCY,
          TQ_WAIT_NONE },
        { NULL, 2, "start 1.1, start 2.1, start 3.1, start 5.1", TQ_WAIT_NONE,
          TQ_WAIT_QUEUE_CONCURRENCY },
        { NULL, TQ_LIMIT_MAX, "start 1.1, start 2.1, start 3.1, start 5.1", TQ_WAIT_NONE,
          TQ_WAIT_QUEUE_CONCURRENCY },
};

START_TEST(concurrency) {
        TqQueueLimit a = queue_of("a", concurrency_rows[_i].queue_a);
        size_t n = a.concurrency == UINT64_MAX - 1 ? 0 : 1;
        WORLD w = world_new();

        tenant_full(&w, 1, concurrency_rows[_i].tenant, NULL, &a, n, true);
        open_world(&w);
        for (uint64_t job = 1; job <= 6; job++)
                submit_to(&w, 1, job, job <= 2 ? "a" : job <= 4 ? "b" : "c");
        expect_attempts(&w, concurrency_rows[_i].start);
        ck_assert_int_eq(why(&w, 2), concurrency_rows[_i].why_2);
        ck_assert_int_eq(why(&w, 6), concurrency_rows[_i].why_6);
        ck_assert_uint_eq(queues_of(&w, 1), 3);
}
END_TEST

START_TEST(limit_of_a_queue) {
        TqQueueLimit limits[] = { queue_of("a", 3), queue_of("b", 0) };
        WORLD w = world_new();

        tenant_full(&w, 1, NULL, NULL, limits, 2, true);
        submit_to(&w, 1, 1, "c");
        ck_assert_uint_eq(concurrency_of(&w, 1, "a"), 3);
        ck_assert_uint_eq(concurrency_of(&w, 1, "b"), 0);
        ck_assert_uint_eq(concurrency_of(&w, 1, "c"), 1);
        submit_to(&w, 1, 2, "b");
        tenant_full(&w, 1, "5", NULL, limits, 1, true);
        ck_assert_uint_eq(concurrency_of(&w, 1, "a"), 3);
        ck_assert_uint_eq(concurrency_of(&w, 1, "b"), TQ_LIMIT_MAX);
        ck_assert_uint_eq(concurrency_of(&w, 1, "c"), TQ_LIMIT_MAX);
        ck_assert_ptr_null(tq_scheduler_queue(tq_scheduler_tenant(w.s, 1), "d"));
        /* A queue that nothing is said about any more goes when its last job does. */
        ck_assert_int_eq(say_of(&w, TQ_EVENT_CANCEL, 2, 0), 0);
        ck_assert_ptr_null(tq_scheduler_queue(tq_scheduler_tenant(w.s, 1), "b"));
        ck_assert_uint_eq(queues_of(&w, 1), 2);
}
END_TEST

/* Limits of one tenant are nothing to another. */
START_TEST(tenants_are_apart) {
        WORLD w = world_new();

        tenant_of(&w, 1, "1");
        tenant_of(&w, 2, "2");
        open_world(&w);
        for (uint64_t job = 1; job <= 4; job++) {
                submit_to(&w, 1, job, "q");
                submit_to(&w, 2, job + 10, "q");
        }
        expect_attempts(&w, "start 1.1, start 11.1, start 12.1");
        ck_assert_int_eq(end_as(&w, 11, 1, TQ_END_EXITED, 0), 0);
        expect_attempts(&w, "finish 11.1 (exit 0), start 13.1");
        ck_assert_uint_eq(tq_scheduler_tenant(w.s, 1)->running, 1);
        ck_assert_uint_eq(tq_scheduler_tenant(w.s, 2)->running, 2);
}
END_TEST

/* Tenants take turns, and so do a tenant's queues. */
START_TEST(turns) {
        WORLD w = world_new();

        tenant_of(&w, 1, "4");
        tenant_of(&w, 2, "2");
        for (uint64_t job = 1; job <= 4; job++)
                submit_to(&w, 1, job, job <= 2 ? "a" : "b");
        for (uint64_t job = 11; job <= 14; job++)
                submit_to(&w, 2, job, "q");
        expect_attempts(&w, "");
        open_world(&w);
        expect_attempts(&w, "start 1.1, start 11.1, start 3.1, start 12.1, start 2.1, start 4.1");
}
END_TEST

START_TEST(order_in_a_queue) {
        static const int priorities[] = { 0, 5, -100, 5, 100, 0, -1 };
        WORLD w = world_new();

        tenant_of(&w, 1, "1");
        for (uint64_t i = 0; i < TQ_ELEMENTSOF(priorities); i++) {
                TqEvent e = submission_to(1, 10 + i, "q");

                e.j.priority = priorities[i];
                ck_assert_int_eq(step(&w, e), 0);
        }
        ck_assert_int_eq(why(&w, 14), TQ_WAIT_RECOVERY);
        open_world(&w);
        expect_attempts(&w, "start 14.1");
        for (size_t i = 0; i < TQ_ELEMENTSOF(priorities); i++) {
                static const uint64_t order[] = { 14, 11, 13, 10, 15, 16, 12 };

                ck_assert_int_eq(state_of(&w, order[i]), TQ_JOB_STARTING);
                ck_assert_int_eq(end_as(&w, order[i], 1, TQ_END_EXITED, 0), 0);
        }
        ck_assert_uint_eq(queues_of(&w, 1), 0);
}
END_TEST

START_TEST(behind) {
        WORLD w = world_new();

        tenant_full(&w, 1, "5", NULL, NULL, 0, false);
        submit_to(&w, 1, 1, "q");
        submit_to(&w, 1, 2, "q");
        open_world(&w);
        expect_attempts(&w, "");
        ck_assert_int_eq(why(&w, 1), TQ_WAIT_TENANT_DISABLED);
        tenant_full(&w, 1, "5", NULL, NULL, 0, true);
        expect_attempts(&w, "start 1.1, start 2.1");
        tenant_full(&w, 1, "5", NULL, NULL, 0, false);
        submit_to(&w, 1, 3, "q");
        ck_assert_int_eq(end_as(&w, 1, 1, TQ_END_EXITED, 0), 0);
        expect_attempts(&w, "finish 1.1 (exit 0)");
        ck_assert_int_eq(why(&w, 3), TQ_WAIT_TENANT_DISABLED);
        tenant_full(&w, 1, "5", NULL, NULL, 0, true);
        expect_attempts(&w, "start 3.1");
}
END_TEST

/* Raising starts what waits at once; lowering ends nothing and starts nothing until there is room.
 */
START_TEST(limits_change_under_a_backlog) {
        WORLD w = world_new();

        tenant_of(&w, 1, "2");
        open_world(&w);
        for (uint64_t job = 1; job <= 9; job++)
                submit_to(&w, 1, job, "q");
        expect_attempts(&w, "start 1.1, start 2.1");
        tenant_of(&w, 1, "5");
        expect_attempts(&w, "start 3.1, start 4.1, start 5.1");
        tenant_of(&w, 1, "1");
        expect_attempts(&w, "");
        ck_assert_uint_eq(tq_scheduler_tenant(w.s, 1)->running, 5);
        for (uint64_t job = 1; job <= 4; job++)
                ck_assert_int_eq(end_as(&w, job, 1, TQ_END_EXITED, 0), 0);
        expect_attempts(&w,
                        "finish 1.1 (exit 0), finish 2.1 (exit 0), finish 3.1 (exit 0), finish 4.1 "
                        "(exit 0)");
        ck_assert_int_eq(end_as(&w, 5, 1, TQ_END_EXITED, 0), 0);
        expect_attempts(&w, "finish 5.1 (exit 0), start 6.1");
        tenant_of(&w, 1, "0");
        ck_assert_int_eq(end_as(&w, 6, 1, TQ_END_EXITED, 0), 0);
        expect_attempts(&w, "finish 6.1 (exit 0)");
        tenant_of(&w, 1, "max");
        expect_attempts(&w, "start 7.1, start 8.1, start 9.1");
}
END_TEST

START_TEST(queue_limits_change_under_a_backlog) {
        TqQueueLimit q = queue_of("q", 1);
        WORLD w = world_new();

        tenant_full(&w, 1, NULL, NULL, &q, 1, true);
        open_world(&w);
        for (uint64_t job = 1; job <= 5; job++)
                submit_to(&w, 1, job, "q");
        expect_attempts(&w, "start 1.1");
        q.concurrency = 3;
        tenant_full(&w, 1, NULL, NULL, &q, 1, true);
        expect_attempts(&w, "start 2.1, start 3.1");
        q.concurrency = 2;
        tenant_full(&w, 1, NULL, NULL, &q, 1, true);
        ck_assert_int_eq(end_as(&w, 1, 1, TQ_END_EXITED, 0), 0);
        expect_attempts(&w, "finish 1.1 (exit 0)");
        ck_assert_int_eq(end_as(&w, 2, 1, TQ_END_EXITED, 0), 0);
        expect_attempts(&w, "finish 2.1 (exit 0), start 4.1");
        /* Back to what anybody gets. */
        tenant_full(&w, 1, NULL, NULL, NULL, 0, true);
        expect_attempts(&w, "");
        tenant_full(&w, 1, "3", NULL, NULL, 0, true);
        expect_attempts(&w, "start 5.1");
}
END_TEST

START_TEST(too_many_queues) {
        WORLD w = world_new();
        char name[16];

        tenant_of(&w, 1, "0");
        open_world(&w);
        for (int i = 0; i < TQ_QUEUES_MAX; i++) {
                (void)snprintf(name, sizeof(name), "q%d", i);
                submit_to(&w, 1, (uint64_t)i + 1, name);
        }
        ck_assert_int_eq(step(&w, submission_to(1, 1000, "one-more")), -EDQUOT);
        ck_assert_int_eq(w.actions.refusal.kind, TQ_REFUSAL_QUEUES);
        ck_assert_uint_eq(w.actions.refusal.maximum, TQ_QUEUES_MAX);
        ck_assert_ptr_null(tq_scheduler_job(w.s, 1000));
        ck_assert_int_eq(step(&w, submission_to(1, 1000, "q0")), 0);
        ck_assert_int_eq(say_of(&w, TQ_EVENT_CANCEL, 2, 0), 0);
        ck_assert_int_eq(step(&w, submission_to(1, 1001, "one-more")), 0);
        ck_assert_uint_eq(queues_of(&w, 1), TQ_QUEUES_MAX);
}
END_TEST

/* Time ---------------------------------------------------------------------------------------- */

START_TEST(start_after) {
        WORLD w = world_new();
        TqEvent e = submission_to(1, 1, "q");

        tenant_of(&w, 1, "1");
        open_world(&w);
        e.j.not_before = w.now + 5 * SEC;
        ck_assert_int_eq(step(&w, e), 0);
        expect_attempts(&w, "");
        ck_assert_int_eq(state_of(&w, 1), TQ_JOB_SCHEDULED);
        ck_assert_int_eq(why(&w, 1), TQ_WAIT_START_AFTER);
        ck_assert_uint_eq(tq_scheduler_tenant(w.s, 1)->waiting.jobs, 1);
        ck_assert_uint_eq(tq_scheduler_next_deadline(w.s), w.now + 5 * SEC);
        tick(&w, 5 * SEC - 1);
        expect_attempts(&w, "");
        tick(&w, 1);
        expect_attempts(&w, "start 1.1");
        ck_assert_uint_eq(tq_scheduler_next_deadline(w.s), TQ_NEVER);
        /* A time that is past is now. */
        e = submission_to(1, 2, "q");
        e.j.not_before = w.now;
        ck_assert_int_eq(step(&w, e), 0);
        ck_assert_int_eq(state_of(&w, 2), TQ_JOB_QUEUED);
        e.job = 3;
        e.j.not_before = w.now + 1;
        ck_assert_int_eq(step(&w, e), 0);
        ck_assert_int_eq(state_of(&w, 3), TQ_JOB_SCHEDULED);
        e.job = 4;
        e.j.not_before = UINT64_MAX - 1;
        ck_assert_int_eq(step(&w, e), 0);
        ck_assert_int_eq(state_of(&w, 4), TQ_JOB_SCHEDULED);
}
END_TEST

/* A queue stays while a job of it waits for its time, though nothing of it runs or is queued. */
START_TEST(queue_of_a_scheduled_job) {
        WORLD w = world_new();
        TqEvent e = submission_to(1, 2, "q");

        tenant_of(&w, 1, "1");
        open_world(&w);
        submit_to(&w, 1, 1, "q");
        e.j.not_before = w.now + 5 * SEC;
        ck_assert_int_eq(step(&w, e), 0);
        e.job = 3;
        ck_assert_int_eq(step(&w, e), 0);
        ck_assert_int_eq(end_as(&w, 1, 1, TQ_END_EXITED, 0), 0);
        expect_attempts(&w, "start 1.1, finish 1.1 (exit 0)");
        ck_assert_uint_eq(queues_of(&w, 1), 1);
        ck_assert_int_eq(say_of(&w, TQ_EVENT_CANCEL, 3, 0), 0);
        ck_assert_uint_eq(queues_of(&w, 1), 1);
        expect_attempts(&w, "finish 3.1 (cancelled)");
        tick(&w, 5 * SEC);
        expect_attempts(&w, "start 2.1");
        ck_assert_int_eq(end_as(&w, 2, 1, TQ_END_EXITED, 0), 0);
        expect_attempts(&w, "finish 2.1 (exit 0)");
        ck_assert_uint_eq(queues_of(&w, 1), 0);
}
END_TEST

/* The same at the end: scheduled jobs share a queue. */
START_TEST(free_with_scheduled_jobs) {
        World w = world_new();
        TqEvent e = submission_to(1, 1, "q");

        tenant_of(&w, 1, "1");
        for (e.job = 1; e.job <= 5; e.job++) {
                e.j.not_before = w.now + e.job * SEC;
                ck_assert_int_eq(step(&w, e), 0);
        }
        submit_to(&w, 1, 6, "q");
        ck_assert_uint_eq(queues_of(&w, 1), 1);
        world_done(&w);
}
END_TEST

/* The tighter bound ends it, and is named. NULL: unlimited. */
static const struct {
        uint64_t job;
        const char *tenant;
        uint64_t after; /* TQ_NEVER: it is never ended */
        const char *term;
} runtime_rows[] = {
        { TQ_LIMIT_MAX, NULL, TQ_NEVER, "" },
        { TQ_LIMIT_MAX, "max", TQ_NEVER, "" },
        { 5 * SEC, NULL, 5 * SEC, "term 1.1 (timeout-job)" },
        { 5 * SEC, "max", 5 * SEC, "term 1.1 (timeout-job)" },
        { 5 * SEC, "5s", 5 * SEC, "term 1.1 (timeout-job)" },
        { 5 * SEC, "6s", 5 * SEC, "term 1.1 (timeout-job)" },
        { 5 * SEC, "4s", 4 * SEC, "term 1.1 (timeout-tenant)" },
        { TQ_LIMIT_MAX, "4s", 4 * SEC, "term 1.1 (timeout-tenant)" },
        { 1, NULL, 1, "term 1.1 (timeout-job)" },
        { UINT64_MAX / 4, "1us", 1, "term 1.1 (timeout-tenant)" },
};

START_TEST(runtime) {
        TqEvent e = submission_to(1, 1, "q");
        WORLD w = world_new();
        uint64_t started;

        tenant_full(&w, 1, "1", runtime_rows[_i].tenant, NULL, 0, true);
        open_world(&w);
        e.j.runtime_usec = runtime_rows[_i].job;
        e.j.stop_usec = 3 * SEC;
        ck_assert_int_eq(step(&w, e), 0);
        tick(&w, 100 * SEC); /* what it waits at the barrier does not count */
        ck_assert_int_eq(say_of(&w, TQ_EVENT_SPAWNED, 1, 1), 0);
        expect_attempts(&w, "start 1.1, run 1.1");
        started = w.now;
        if (runtime_rows[_i].after == TQ_NEVER) {
                ck_assert_uint_eq(tq_scheduler_next_deadline(w.s), TQ_NEVER);
                tick(&w, UINT64_C(1) << 60);
                expect_attempts(&w, "");
                return;
        }
        ck_assert_uint_eq(tq_scheduler_next_deadline(w.s), started + runtime_rows[_i].after);
        tick(&w, runtime_rows[_i].after - 1);
        expect_attempts(&w, "");
        tick(&w, 1);
        expect_attempts(&w, runtime_rows[_i].term);
        ck_assert_int_eq(state_of(&w, 1), TQ_JOB_STOPPING);
        ck_assert_uint_eq(tq_scheduler_next_deadline(w.s), w.now + 3 * SEC);
        tick(&w, 3 * SEC - 1);
        expect_attempts(&w, "");
        tick(&w, 1);
        expect_attempts(&w, "kill 1.1");
        ck_assert_uint_eq(tq_scheduler_next_deadline(w.s), TQ_NEVER);
        /* The slot is free when the cgroup is empty, not when the kill was sent. */
        ck_assert_uint_eq(tq_scheduler_tenant(w.s, 1)->running, 1);
        ck_assert_int_eq(end_as(&w, 1, 1, TQ_END_SIGNALED, 9), 0);
        expect_attempts(&w,
                        runtime_rows[_i].term[10] == 't' && strstr(runtime_rows[_i].term, "tenant")
                                ? "finish 1.1 (timeout (tenant))"
                                : "finish 1.1 (timeout (job))");
}
END_TEST

/* A runtime that a tenant is given while its jobs run counts from their start. */
START_TEST(runtime_changes) {
        WORLD w = world_new();
        uint64_t started;

        tenant_full(&w, 1, "2", NULL, NULL, 0, true);
        open_world(&w);
        submit_to(&w, 1, 1, "q");
        ck_assert_int_eq(say_of(&w, TQ_EVENT_SPAWNED, 1, 1), 0);
        expect_attempts(&w, "start 1.1, run 1.1");
        started = w.now;
        w.now += 5 * SEC;
        tenant_full(&w, 1, "2", "20s", NULL, 0, true);
        ck_assert_uint_eq(tq_scheduler_next_deadline(w.s), started + 20 * SEC);
        tenant_full(&w, 1, "2", "max", NULL, 0, true);
        ck_assert_uint_eq(tq_scheduler_next_deadline(w.s), TQ_NEVER);
        tenant_full(&w, 1, "2", "3s", NULL, 0, true);
        ck_assert_uint_eq(tq_scheduler_next_deadline(w.s), started + 3 * SEC);
        tick(&w, 0);
        expect_attempts(&w, "term 1.1 (timeout-tenant)");
        /* Who is being stopped is stopped, whatever the limit is now. */
        tenant_full(&w, 1, "2", "max", NULL, 0, true);
        ck_assert_uint_eq(tq_scheduler_next_deadline(w.s), w.now + 10 * SEC);
}
END_TEST

START_TEST(no_grace) {
        TqEvent e = submission_to(1, 1, "q");
        WORLD w = world_new();

        tenant_of(&w, 1, "1");
        open_world(&w);
        e.j.stop_usec = 0;
        e.j.runtime_usec = SEC;
        ck_assert_int_eq(step(&w, e), 0);
        ck_assert_int_eq(say_of(&w, TQ_EVENT_SPAWNED, 1, 1), 0);
        expect_attempts(&w, "start 1.1, run 1.1");
        tick(&w, SEC);
        expect_attempts(&w, "term 1.1 (timeout-job), kill 1.1");
        tick(&w, SEC);
        expect_attempts(&w, "");
}
END_TEST

/* Many deadlines at once, each in its place. */
START_TEST(timers_in_order) {
        static const uint64_t seconds[] = { 5, 1, 9, 3, 3, 7, 2 };
        WORLD w = world_new();

        tenant_of(&w, 1, "max");
        open_world(&w);
        for (uint64_t i = 0; i < TQ_ELEMENTSOF(seconds); i++) {
                TqEvent e = submission_to(1, i + 1, "q");

                e.j.runtime_usec = seconds[i] * SEC;
                ck_assert_int_eq(step(&w, e), 0);
                ck_assert_int_eq(say_of(&w, TQ_EVENT_SPAWNED, i + 1, 1), 0);
        }
        w.actions.n = 0;
        tick(&w, SEC);
        expect_attempts(&w, "term 2.1 (timeout-job)");
        tick(&w, 4 * SEC);
        expect_attempts(&w,
                        "term 7.1 (timeout-job), term 4.1 (timeout-job), term 5.1 (timeout-job), "
                        "term 1.1 (timeout-job)");
        ck_assert_int_eq(end_as(&w, 6, 1, TQ_END_EXITED, 0), 0);
        w.actions.n = 0;
        tick(&w, 5 * SEC);
        expect_attempts(&w, "term 3.1 (timeout-job)");
}
END_TEST

/* Cancel -------------------------------------------------------------------------------------- */

START_TEST(cancel_waiting) {
        TqEvent e = submission_to(1, 2, "q");
        WORLD w = world_new();

        tenant_of(&w, 1, "0");
        open_world(&w);
        submit_to(&w, 1, 1, "q");
        e.j.not_before = w.now + SEC;
        ck_assert_int_eq(step(&w, e), 0);
        ck_assert_int_eq(say_of(&w, TQ_EVENT_CANCEL, 1, 0), 0);
        ck_assert_int_eq(say_of(&w, TQ_EVENT_CANCEL, 2, 99), 0); /* the attempt is not asked */
        expect_attempts(&w, "finish 1.1 (cancelled), finish 2.1 (cancelled)");
        ck_assert_uint_eq(tq_scheduler_tenant(w.s, 1)->waiting.jobs, 0);
        ck_assert_uint_eq(tq_scheduler_next_deadline(w.s), TQ_NEVER);
        ck_assert_int_eq(say_of(&w, TQ_EVENT_CANCEL, 1, 0), -ENOENT);
}
END_TEST

START_TEST(cancel_starting) {
        WORLD w = world_new();

        tenant_of(&w, 1, "1");
        open_world(&w);
        submit_to(&w, 1, 1, "q");
        submit_to(&w, 1, 2, "q");
        ck_assert_int_eq(say_of(&w, TQ_EVENT_CANCEL, 1, 0), 0);
        expect_attempts(&w, "start 1.1, abort 1.1");
        ck_assert_int_eq(say_of(&w, TQ_EVENT_CANCEL, 1, 0), -EALREADY);
        ck_assert_int_eq(state_of(&w, 1), TQ_JOB_STARTING); /* holds its slot until it is gone */
        ck_assert_int_eq(say_of(&w, TQ_EVENT_SPAWNED, 1, 1), 0);
        expect_attempts(&w, ""); /* too late: not released */
        ck_assert_int_eq(end_as(&w, 1, 1, TQ_END_NEVER_STARTED, 0), 0);
        expect_attempts(&w, "finish 1.1 (cancelled), start 2.1");
}
END_TEST

/* Cancelled while it starts, and then the launch is refused for now: it is not tried again. */
START_TEST(cancel_starting_then_refused) {
        WORLD w = world_new();

        tenant_of(&w, 1, "1");
        open_world(&w);
        submit_to(&w, 1, 1, "q");
        submit_to(&w, 1, 2, "q");
        ck_assert_int_eq(say_of(&w, TQ_EVENT_CANCEL, 1, 0), 0);
        expect_attempts(&w, "start 1.1, abort 1.1");
        ck_assert_int_eq(say_of(&w, TQ_EVENT_REFUSED, 1, 1), 0);
        expect_attempts(&w, "finish 1.1 (cancelled), start 2.1");
        ck_assert_ptr_null(tq_scheduler_job(w.s, 1));
}
END_TEST

START_TEST(cancel_starting_then_spawn_failed) {
        WORLD w = world_new();

        tenant_of(&w, 1, "1");
        open_world(&w);
        submit_to(&w, 1, 1, "q");
        ck_assert_int_eq(say_of(&w, TQ_EVENT_CANCEL, 1, 0), 0);
        ck_assert_int_eq(end_as(&w, 1, 1, TQ_END_SPAWN_FAILED, ENOENT), 0);
        expect_attempts(
                &w, "start 1.1, abort 1.1, finish 1.1 (spawn (exec: No such file or directory))");
}
END_TEST

START_TEST(cancel_running) {
        WORLD w = world_new();

        tenant_full(&w, 1, "1", "60s", NULL, 0, true);
        open_world(&w);
        submit_to(&w, 1, 1, "q");
        submit_to(&w, 1, 2, "q");
        ck_assert_int_eq(say_of(&w, TQ_EVENT_SPAWNED, 1, 1), 0);
        ck_assert_int_eq(say_of(&w, TQ_EVENT_CANCEL, 1, 0), 0);
        expect_attempts(&w, "start 1.1, run 1.1, term 1.1 (cancelled)");
        ck_assert_int_eq(state_of(&w, 1), TQ_JOB_STOPPING);
        ck_assert_int_eq(say_of(&w, TQ_EVENT_CANCEL, 1, 0), -EALREADY);
        ck_assert_uint_eq(tq_scheduler_next_deadline(w.s), w.now + 10 * SEC);
        tick(&w, 10 * SEC);
        expect_attempts(&w, "kill 1.1");
        ck_assert_int_eq(say_of(&w, TQ_EVENT_CANCEL, 1, 0), -EALREADY);
        tick(&w, 100 * SEC);
        expect_attempts(&w, "");
        ck_assert_int_eq(end_as(&w, 1, 1, TQ_END_SIGNALED, 9), 0);
        expect_attempts(&w, "finish 1.1 (cancelled), start 2.1");
}
END_TEST

/* Recovery ------------------------------------------------------------------------------------ */

START_TEST(adopt) {
        TqEvent e = submission_to(1, 5, "q");
        WORLD w = world_new();

        tenant_full(&w, 1, "2", "10s", NULL, 0, true);
        e.type = TQ_EVENT_ADOPT;
        e.attempt = 3;
        e.j.running_since = w.now - 4 * SEC;
        ck_assert_int_eq(step(&w, e), 0);
        ck_assert_int_eq(step(&w, e), -EEXIST);
        ck_assert_int_eq(state_of(&w, 5), TQ_JOB_RUNNING);
        ck_assert_uint_eq(tq_scheduler_next_deadline(w.s), w.now + 6 * SEC);
        e.job = 6;
        e.j.stop = TQ_STOP_CANCELLED;
        ck_assert_int_eq(step(&w, e), 0);
        ck_assert_int_eq(state_of(&w, 6), TQ_JOB_STOPPING);
        submit_to(&w, 1, 7, "q");
        expect_attempts(&w, "term 6.3 (cancelled)"); /* recorded, but perhaps never sent */
        open_world(&w);
        expect_attempts(&w, ""); /* both slots are held */
        ck_assert_uint_eq(tq_scheduler_tenant(w.s, 1)->running, 2);
        ck_assert_int_eq(end_as(&w, 5, 1, TQ_END_EXITED, 0), -ENOENT);
        ck_assert_int_eq(end_as(&w, 5, 3, TQ_END_EXITED, 0), 0);
        expect_attempts(&w, "finish 5.3 (exit 0), start 7.1");
        tick(&w, 10 * SEC);
        expect_attempts(&w, "kill 6.3");
        ck_assert_int_eq(end_as(&w, 6, 3, TQ_END_SIGNALED, 9), 0);
        expect_attempts(&w, "finish 6.3 (cancelled)");
}
END_TEST

/* More may run than is allowed now: they are left alone. */
START_TEST(adopt_above_the_limit) {
        TqEvent e = submission_to(1, 0, "q");
        WORLD w = world_new();

        tenant_of(&w, 1, "1");
        e.type = TQ_EVENT_ADOPT;
        e.attempt = 1;
        e.j.running_since = w.now;
        for (e.job = 1; e.job <= 3; e.job++)
                ck_assert_int_eq(step(&w, e), 0);
        submit_to(&w, 1, 4, "q");
        open_world(&w);
        ck_assert_uint_eq(tq_scheduler_tenant(w.s, 1)->running, 3);
        for (uint64_t job = 1; job <= 2; job++)
                ck_assert_int_eq(end_as(&w, job, 1, TQ_END_EXITED, 0), 0);
        expect_attempts(&w, "finish 1.1 (exit 0), finish 2.1 (exit 0)");
        ck_assert_int_eq(end_as(&w, 3, 1, TQ_END_UNKNOWN, 0), 0);
        expect_attempts(&w, "finish 3.1 (lost), start 4.1");
        ck_assert_int_eq(step(&w, (TqEvent){ .type = TQ_EVENT_ADOPT,
                                             .tenant = 9,
                                             .job = 99,
                                             .j = { .queue = "q" } }),
                         -ENOENT);
}
END_TEST

START_TEST(walk) {
        WORLD w = world_new();
        size_t position = 0;
        uint64_t sum = 0;
        const TqJob *j;

        tenant_of(&w, 1, "5");
        for (uint64_t job = 1; job <= 100; job++)
                submit_to(&w, 1, job, "q");
        while ((j = tq_scheduler_next_job(w.s, &position)))
                sum += j->id;
        ck_assert_uint_eq(sum, 5050);
        ck_assert_ptr_null(tq_scheduler_free(NULL));
}
END_TEST

static void fill(Suite *s) {
        TCase *life = unit_case(s, "life"), *limits = unit_case(s, "limits");
        TCase *times = unit_case(s, "times"), *cancel = unit_case(s, "cancel");
        TCase *recovery = unit_case(s, "recovery");

        tcase_add_test(life, words);
        tcase_add_test(life, one_job);
        tcase_add_test(life, closed_until_open);
        tcase_add_test(life, unknown);
        tcase_add_test(life, stale_attempts);
        tcase_add_test(life, events_of_waiting_jobs);
        tcase_add_test(life, spawn_failed);
        tcase_add_test(life, never_started);
        tcase_add_test(life, requeue_takes_the_timer_back);
        tcase_add_test(life, exec_fails_for_now);
        tcase_add_test(life, refused);
        tcase_add_test(life, refused_for_long);
        tcase_add_test(life, refused_by_itself);
        tcase_add_test(life, clock_set);
        unit_add_rows(limits, concurrency, concurrency_rows);
        tcase_add_test(limits, limit_of_a_queue);
        tcase_add_test(limits, tenants_are_apart);
        tcase_add_test(limits, turns);
        tcase_add_test(limits, order_in_a_queue);
        tcase_add_test(limits, behind);
        tcase_add_test(limits, limits_change_under_a_backlog);
        tcase_add_test(limits, queue_limits_change_under_a_backlog);
        tcase_add_test(limits, too_many_queues);
        tcase_add_test(times, start_after);
        tcase_add_test(times, queue_of_a_scheduled_job);
        tcase_add_test(times, free_with_scheduled_jobs);
        unit_add_rows(times, runtime, runtime_rows);
        tcase_add_test(times, runtime_changes);
        tcase_add_test(times, no_grace);
        tcase_add_test(times, timers_in_order);
        tcase_add_test(cancel, cancel_waiting);
        tcase_add_test(cancel, cancel_starting);
        tcase_add_test(cancel, cancel_starting_then_refused);
        tcase_add_test(cancel, cancel_starting_then_spawn_failed);
        tcase_add_test(cancel, cancel_running);
        tcase_add_test(recovery, adopt);
        tcase_add_test(recovery, adopt_above_the_limit);
        tcase_add_test(recovery, walk);
}

int main(void) {
        return unit_main("core/scheduler", fill);
}
