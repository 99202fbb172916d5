/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core_scheduler.h"

/* What is tried again, when, and how often: launches that did not come off, and attempts that
 * failed. */

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

/* What the host or the configuration lacks before the job is looked at is waited for without end,
 * at most a minute each time; and that does not use up what a program that is busy gets. */
START_TEST(launch_fails_for_long) {
        static const TqStage stages[] = { TQ_STAGE_SANDBOX,      TQ_STAGE_NETWORK, TQ_STAGE_HELPER,
                                          TQ_STAGE_SURROUNDINGS, TQ_STAGE_SANDBOX, TQ_STAGE_SANDBOX,
                                          TQ_STAGE_SANDBOX,      TQ_STAGE_SANDBOX };
        static const unsigned seconds[] = { 1, 2, 4, 8, 16, 32, 60, 60 };
        unsigned attempt = 1;
        WORLD w = world_new();

        tenant_of(&w, 1, "1");
        open_world(&w);
        submit_to(&w, 1, 1, "q");
        for (; attempt <= TQ_ELEMENTSOF(seconds); attempt++) {
                TqEnd end = { .kind = TQ_END_SPAWN_FAILED,
                              .stage = stages[attempt - 1],
                              .code = attempt % 2 ? ENOENT : EADDRNOTAVAIL };

                must_step(&w, (TqEvent){ .type = TQ_EVENT_SPAWNED, .job = 1, .attempt = attempt });
                must_step(&w, (TqEvent){ .type = TQ_EVENT_ENDED,
                                         .job = 1,
                                         .attempt = attempt,
                                         .end = &end });
                ck_assert_int_eq(why(&w, 1), TQ_WAIT_LAUNCH_RETRY);
                ck_assert_uint_eq(tq_scheduler_next_deadline(w.s),
                                  w.now + seconds[attempt - 1] * SEC);
                tick(&w, seconds[attempt - 1] * SEC);
        }
        /* Of the job's own limits, perhaps: with a bound, and from the beginning. */
        for (unsigned i = 0; i < 5; i++, attempt++) {
                TqEnd end = { .kind = TQ_END_SPAWN_FAILED,
                              .stage = TQ_STAGE_SANDBOX,
                              .code = i % 2 ? EAGAIN : ENOMEM };

                must_step(&w, (TqEvent){ .type = TQ_EVENT_SPAWNED, .job = 1, .attempt = attempt });
                w.actions.n = 0;
                must_step(&w, (TqEvent){ .type = TQ_EVENT_ENDED,
                                         .job = 1,
                                         .attempt = attempt,
                                         .end = &end });
                ck_assert_int_eq(w.actions.items[0].type,
                                 i < 4 ? TQ_ACTION_REQUEUE : TQ_ACTION_FINISH);
                tick(&w, (UINT64_C(1) << i) * SEC);
        }
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

/* Attempts that failed ------------------------------------------------------------------------- */

/* Three attempts, a second apart. */
static TqRetry policy(const char *on, const char *never) {
        TqRetry r;

        tq_retry_init(&r);
        r.max_attempts = 3;
        r.is_exponential = false;
        r.delay_usec = SEC;
        if (on)
                ck_assert_int_eq(tq_retry_parse_ends(on, &r.on), 0);
        else
                tq_retry_set_failures(&r.on);
        if (never)
                ck_assert_int_eq(tq_retry_parse_ends(never, &r.never), 0);
        return r;
}

static TqEvent submission_with(uint64_t job, const TqRetry *r) {
        TqEvent e = submission_to(1, job, "q");

        e.j.retry = r;
        return e;
}

/* Job 1 of a tenant with one slot, in its first attempt. */
static World world_with(const TqRetry *r) {
        World w = world_new();

        tenant_of(&w, 1, "1");
        open_world(&w);
        ck_assert_int_eq(step(&w, submission_with(1, r)), 0);
        ck_assert_int_eq(say_of(&w, TQ_EVENT_SPAWNED, 1, 1), 0);
        expect_attempts(&w, "start 1.1, run 1.1");
        return w;
}

static void again(World *w, const TqRetry *r, unsigned attempt) {
        char want[64];

        tick(w, tq_retry_delay(r, tq_scheduler_job(w->s, 1)->cold->failures, 1) - 1);
        expect_attempts(w, "");
        tick(w, 1);
        (void)snprintf(want, sizeof(want), "start 1.%u", attempt);
        expect_attempts(w, want);
}

/* It gives its slot back, waits, and has another attempt, until there is none left. */
START_TEST(three_attempts) {
        TqRetry r = policy(NULL, NULL), given = r;
        WORLD w = world_with(&given);
        const TqJob *job = tq_scheduler_job(w.s, 1);

        given = (TqRetry){}; /* it has a copy */
        ck_assert_str_eq(tq_scheduler_state_of(job), "running");
        submit_to(&w, 1, 2, "q");
        ck_assert_int_eq(end_as(&w, 1, 1, TQ_END_EXITED, 7), 0);
        ck_assert_int_eq(w.actions.items[0].type, TQ_ACTION_RETRY);
        ck_assert_uint_eq(w.actions.items[0].failures, 1);
        ck_assert_uint_eq(w.actions.items[0].again_at, w.now + tq_retry_delay(&r, 1, 1));
        ck_assert(!w.actions.items[0].is_dead);
        expect_attempts(&w, "retry 1.1 (exit 7), start 2.1");
        ck_assert_int_eq(state_of(&w, 1), TQ_JOB_SCHEDULED);
        ck_assert_str_eq(tq_scheduler_state_of(job), "retrying");
        expect_reasons(&w, 1, "retry, tenant-concurrency");
        ck_assert_uint_eq(reason_of(&w, 1, TQ_WAIT_RETRY).current, 1);
        ck_assert_uint_eq(reason_of(&w, 1, TQ_WAIT_RETRY).maximum, 3);
        ck_assert_uint_eq(reason_of(&w, 1, TQ_WAIT_RETRY).until_usec,
                          w.now + tq_retry_delay(&r, 1, 1));
        end(&w, 2, 0);
        expect_attempts(&w, "finish 2.1 (exit 0)");
        again(&w, &r, 2);
        ck_assert_str_eq(tq_scheduler_state_of(job), "starting");
        /* What the first attempt still has to say concerns nobody. */
        ck_assert_int_eq(end_as(&w, 1, 1, TQ_END_EXITED, 7), -ENOENT);
        ck_assert_int_eq(say_of(&w, TQ_EVENT_SPAWNED, 1, 2), 0);
        ck_assert_int_eq(end_as(&w, 1, 2, TQ_END_SIGNALED, 11), 0);
        ck_assert_uint_eq(w.actions.items[1].failures, 2);
        expect_attempts(&w, "run 1.2, retry 1.2 (signal 11 (SEGV))");
        again(&w, &r, 3);
        ck_assert_int_eq(say_of(&w, TQ_EVENT_SPAWNED, 1, 3), 0);
        ck_assert_int_eq(end_as(&w, 1, 3, TQ_END_EXITED, 1), 0);
        ck_assert(w.actions.items[1].is_dead);
        expect_attempts(&w, "run 1.3, finish 1.3 (exit 1)");
        ck_assert_ptr_null(tq_scheduler_job(w.s, 1));
        ck_assert_uint_eq(tq_scheduler_next_deadline(w.s), TQ_NEVER);
}
END_TEST

/* The second attempt ends well, and only then what waited for the job may start. */
START_TEST(ends_well) {
        TqRetry r = policy(NULL, NULL);
        WORLD w = world_with(&r);
        TqAfter after = { .job = 1 };
        TqEvent e = submission_to(1, 2, "q");

        e.j.after = &after;
        e.j.n_after = 1;
        ck_assert_int_eq(step(&w, e), 0);
        ck_assert_int_eq(end_as(&w, 1, 1, TQ_END_EXITED, 1), 0);
        expect_attempts(&w, "retry 1.1 (exit 1)");
        again(&w, &r, 2);
        ck_assert_int_eq(say_of(&w, TQ_EVENT_SPAWNED, 1, 2), 0);
        ck_assert_int_eq(end_as(&w, 1, 2, TQ_END_EXITED, 0), 0);
        ck_assert(!w.actions.items[1].is_dead);
        expect_attempts(&w, "run 1.2, finish 1.2 (exit 0), start 2.1");
}
END_TEST

static const struct {
        const char *on, *never;
        TqEnd end;
        bool repeats;
} end_rows[] = {
        { NULL, NULL, { .kind = TQ_END_EXITED, .code = 1 }, true },
        { NULL, "1", { .kind = TQ_END_EXITED, .code = 1 }, false },
        { NULL, "1", { .kind = TQ_END_EXITED, .code = 2 }, true },
        { "75", NULL, { .kind = TQ_END_EXITED, .code = 75 }, true },
        { "75", NULL, { .kind = TQ_END_EXITED, .code = 76 }, false },
        { "SEGV", NULL, { .kind = TQ_END_SIGNALED, .code = 11 }, true },
        { "SEGV", NULL, { .kind = TQ_END_SIGNALED, .code = 9 }, false },
        { "oom", NULL, { .kind = TQ_END_SIGNALED, .code = 9, .counters.oom_kills = 1 }, true },
        { "KILL", NULL, { .kind = TQ_END_SIGNALED, .code = 9, .counters.oom_kills = 1 }, false },
        { "seccomp", NULL, { .kind = TQ_END_SIGNALED, .code = 31 }, true },
        { "spawn", NULL, { .kind = TQ_END_SPAWN_FAILED, .stage = TQ_STAGE_EXEC, .code = 2 }, true },
        { "exit", NULL, { .kind = TQ_END_SPAWN_FAILED, .stage = TQ_STAGE_EXEC, .code = 2 }, false },
        { NULL, NULL, { .kind = TQ_END_UNKNOWN }, false },
        { "lost", NULL, { .kind = TQ_END_UNKNOWN }, true },
        { "lost", NULL, { .kind = TQ_END_INTERRUPTED }, true },
};

START_TEST(ends) {
        TqRetry r = policy(end_rows[_i].on, end_rows[_i].never);
        WORLD w = world_with(&r);

        ck_assert_int_eq(end_with(&w, 1, &end_rows[_i].end), 0);
        ck_assert_uint_eq(w.actions.n, 1);
        ck_assert_int_eq(w.actions.items[0].type,
                         end_rows[_i].repeats ? TQ_ACTION_RETRY : TQ_ACTION_FINISH);
        ck_assert_int_eq(w.actions.items[0].is_dead, !end_rows[_i].repeats);
}
END_TEST

/* Without a policy a job has one attempt, and only what nobody can know is a dead letter. */
START_TEST(no_policy) {
        WORLD w = world_with(NULL);

        ck_assert_int_eq(end_as(&w, 1, 1, TQ_END_EXITED, 1), 0);
        ck_assert(!w.actions.items[0].is_dead);
        expect_attempts(&w, "finish 1.1 (exit 1)");
        submit_to(&w, 1, 2, "q");
        ck_assert_int_eq(say_of(&w, TQ_EVENT_SPAWNED, 2, 1), 0);
        ck_assert_int_eq(end_as(&w, 2, 1, TQ_END_UNKNOWN, 0), 0);
        ck_assert(w.actions.items[2].is_dead);
        expect_attempts(&w, "start 2.1, run 2.1, finish 2.1 (lost)");
}
END_TEST

/* A job that is cancelled has no other attempt: neither while it runs, whatever it ends with, */
START_TEST(cancelled_while_it_runs) {
        static const TqEnd endings[] = {
                { .kind = TQ_END_SIGNALED, .code = 15 },
                { .kind = TQ_END_EXITED, .code = 1 },
                { .kind = TQ_END_SIGNALED, .code = 9, .counters.oom_kills = 1 },
                { .kind = TQ_END_UNKNOWN },
        };
        TqRetry r = policy("exit signal oom lost", NULL);
        WORLD w = world_with(&r);

        ck_assert_int_eq(say_of(&w, TQ_EVENT_CANCEL, 1, 0), 0);
        expect_attempts(&w, "term 1.1 (cancelled)");
        ck_assert_int_eq(say_of(&w, TQ_EVENT_CANCEL, 1, 0), -EALREADY);
        ck_assert_int_eq(end_with(&w, 1, &endings[_i]), 0);
        expect_attempts(&w, _i == 2 ? "finish 1.1 (oom (none))" : "finish 1.1 (cancelled)");
}
END_TEST

/* nor while it waits, */
START_TEST(cancelled_while_it_waits) {
        TqRetry r = policy(NULL, NULL);
        WORLD w = world_with(&r);

        ck_assert_int_eq(end_as(&w, 1, 1, TQ_END_EXITED, 1), 0);
        ck_assert_int_eq(say_of(&w, TQ_EVENT_CANCEL, 1, 0), 0);
        ck_assert(!w.actions.items[1].is_dead);
        expect_attempts(&w, "retry 1.1 (exit 1), finish 1.2 (cancelled)");
        ck_assert_uint_eq(tq_scheduler_next_deadline(w.s), TQ_NEVER);
}
END_TEST

/* nor while it is stopped for something else; then it is too late for one without a policy. */
START_TEST(cancelled_while_it_stops) {
        TqRetry r = policy(NULL, NULL);
        WORLD w = world_new();

        tenant_full(&w, 1, "2", "10s", NULL, 0, true);
        open_world(&w);
        ck_assert_int_eq(step(&w, submission_with(1, &r)), 0);
        submit_to(&w, 1, 2, "q");
        for (uint64_t job = 1; job <= 2; job++)
                ck_assert_int_eq(say_of(&w, TQ_EVENT_SPAWNED, job, 1), 0);
        expect_attempts(&w, "start 1.1, start 2.1, run 1.1, run 2.1");
        tick(&w, 10 * SEC);
        expect_attempts(&w, "term 1.1 (timeout-tenant), term 2.1 (timeout-tenant)");
        tick(&w, 9 * SEC);
        ck_assert_int_eq(say_of(&w, TQ_EVENT_CANCEL, 2, 0), -EALREADY);
        ck_assert_int_eq(say_of(&w, TQ_EVENT_CANCEL, 1, 0), 0);
        expect_attempts(&w, "term 1.1 (cancelled)");
        ck_assert_int_eq(say_of(&w, TQ_EVENT_CANCEL, 1, 0), -EALREADY);
        /* It has no more time than it had. */
        tick(&w, SEC);
        expect_attempts(&w, "kill 1.1, kill 2.1");
        ck_assert_int_eq(end_as(&w, 1, 1, TQ_END_SIGNALED, 9), 0);
        expect_attempts(&w, "finish 1.1 (cancelled)");
}
END_TEST

/* A timeout is a failure like another; the next attempt has all its time. */
START_TEST(timeout) {
        TqRetry r = policy("timeout", NULL);
        WORLD w = world_new();

        tenant_full(&w, 1, "1", "10s", NULL, 0, true);
        open_world(&w);
        ck_assert_int_eq(step(&w, submission_with(1, &r)), 0);
        ck_assert_int_eq(say_of(&w, TQ_EVENT_SPAWNED, 1, 1), 0);
        tick(&w, 10 * SEC);
        tick(&w, 10 * SEC);
        ck_assert_int_eq(end_as(&w, 1, 1, TQ_END_SIGNALED, 9), 0);
        expect_attempts(&w, "start 1.1, run 1.1, term 1.1 (timeout-tenant), kill 1.1, "
                            "retry 1.1 (timeout (tenant))");
        again(&w, &r, 2);
        ck_assert_int_eq(say_of(&w, TQ_EVENT_SPAWNED, 1, 2), 0);
        ck_assert_uint_eq(tq_scheduler_next_deadline(w.s), w.now + 10 * SEC);
        ck_assert_int_eq(end_as(&w, 1, 2, TQ_END_SIGNALED, 9), 0);
        expect_attempts(&w, "run 1.2, finish 1.2 (signal 9 (KILL))");
}
END_TEST

/* There is no attempt that could not begin before the Deadline=. */
START_TEST(deadline) {
        TqRetry r = policy(NULL, NULL);
        uint64_t delay = tq_retry_delay(&r, 1, 1);
        WORLD w = world_new();
        TqEvent e = submission_with(1, &r);

        tenant_of(&w, 1, "1");
        open_world(&w);
        e.j.has_start_by = true;
        e.j.start_by = w.now + delay + (uint64_t)_i;
        ck_assert_int_eq(step(&w, e), 0);
        ck_assert_int_eq(say_of(&w, TQ_EVENT_SPAWNED, 1, 1), 0);
        ck_assert_int_eq(end_as(&w, 1, 1, TQ_END_EXITED, 1), 0);
        if (_i == 0) {
                ck_assert(w.actions.items[2].is_dead);
                expect_attempts(&w, "start 1.1, run 1.1, finish 1.1 (exit 1)");
                return;
        }
        expect_attempts(&w, "start 1.1, run 1.1, retry 1.1 (exit 1)");
        again(&w, &r, 2);
}
END_TEST

/* It passes all the same when the job may not start by then. */
START_TEST(deadline_while_it_waits) {
        TqRetry r = policy(NULL, NULL);
        WORLD w = world_new();
        TqEvent e = submission_with(1, &r);

        tenant_of(&w, 1, "1");
        open_world(&w);
        e.j.has_start_by = true;
        e.j.start_by = w.now + 5 * SEC;
        ck_assert_int_eq(step(&w, e), 0);
        ck_assert_int_eq(say_of(&w, TQ_EVENT_SPAWNED, 1, 1), 0);
        ck_assert_int_eq(end_as(&w, 1, 1, TQ_END_EXITED, 1), 0);
        switches(&w, 1, NULL, true, false);
        expect_attempts(&w, "start 1.1, run 1.1, retry 1.1 (exit 1)");
        tick(&w, 5 * SEC - 1);
        expect_attempts(&w, "");
        tick(&w, 1);
        expect_attempts(&w, "finish 1.2 (deadline)");
}
END_TEST

/* By then the attempt before is settled. */
START_TEST(at_least_a_moment) {
        TqRetry soon = policy(NULL, NULL);
        WORLD w = world_new();

        soon.delay_usec = 0;
        tenant_of(&w, 1, "1");
        open_world(&w);
        ck_assert_int_eq(step(&w, submission_with(1, &soon)), 0);
        ck_assert_int_eq(end_as(&w, 1, 1, TQ_END_EXITED, 1), 0);
        expect_attempts(&w, "start 1.1, retry 1.1 (exit 1)");
        ck_assert_uint_eq(tq_scheduler_next_deadline(w.s), w.now + SEC / 10);
}
END_TEST

/* A launch that failed for now is no attempt, but has a number if it was recorded. */
START_TEST(launches_in_between) {
        TqEnd host = { .kind = TQ_END_SPAWN_FAILED, .stage = TQ_STAGE_SANDBOX, .code = ENOENT };
        TqRetry r = policy(NULL, NULL);
        WORLD w = world_with(&r);

        ck_assert_int_eq(end_as(&w, 1, 1, TQ_END_EXITED, 1), 0);
        expect_attempts(&w, "retry 1.1 (exit 1)");
        again(&w, &r, 2);
        ck_assert_int_eq(say_of(&w, TQ_EVENT_REFUSED, 1, 2), 0);
        ck_assert_int_eq(why(&w, 1), TQ_WAIT_LAUNCH_RETRY);
        ck_assert_str_eq(tq_scheduler_state_of(tq_scheduler_job(w.s, 1)), "scheduled");
        tick(&w, SEC);
        ck_assert_int_eq(say_of(&w, TQ_EVENT_SPAWNED, 1, 2), 0);
        ck_assert_int_eq(end_with(&w, 1, &host), 0);
        expect_attempts(&w, "start 1.2, run 1.2, requeue 1.2");
        tick(&w, SEC);
        ck_assert_int_eq(end_as(&w, 1, 3, TQ_END_NEVER_STARTED, 0), 0);
        expect_attempts(&w, "start 1.3, requeue 1.3, start 1.3");
        ck_assert_uint_eq(tq_scheduler_job(w.s, 1)->cold->failures, 1);
        ck_assert_int_eq(say_of(&w, TQ_EVENT_SPAWNED, 1, 3), 0);
        ck_assert_int_eq(end_as(&w, 1, 3, TQ_END_EXITED, 1), 0);
        ck_assert_uint_eq(w.actions.items[1].failures, 2);
        expect_attempts(&w, "run 1.3, retry 1.3 (exit 1)");
        again(&w, &r, 4);
        ck_assert_int_eq(say_of(&w, TQ_EVENT_SPAWNED, 1, 4), 0);
        ck_assert_int_eq(end_as(&w, 1, 4, TQ_END_EXITED, 1), 0);
        expect_attempts(&w, "run 1.4, finish 1.4 (exit 1)");
}
END_TEST

/* A launch that fails for good is one, recorded as running or not; and the next attempt has as many
 * launches as the first. */
START_TEST(launches_for_good) {
        TqEnd none = { .kind = TQ_END_SPAWN_FAILED, .stage = TQ_STAGE_CLONE, .code = ENOENT };
        TqEnd own = { .kind = TQ_END_SPAWN_FAILED, .stage = TQ_STAGE_CLONE, .code = ENOMEM };
        TqEvent refused_event = {
                .type = TQ_EVENT_REFUSED, .job = 1, .attempt = 2, .end = &own, .is_own = true
        };
        TqRetry r = policy("spawn", NULL);
        WORLD w = world_new();

        tenant_of(&w, 1, "1");
        open_world(&w);
        ck_assert_int_eq(step(&w, submission_with(1, &r)), 0);
        ck_assert_int_eq(end_with(&w, 1, &none), 0);
        expect_attempts(&w, "start 1.1, retry 1.1 (spawn (clone: No such file or directory))");
        again(&w, &r, 2);
        for (; refused_event.attempt <= 3; refused_event.attempt++) {
                for (unsigned i = 0; i < 4; i++) {
                        ck_assert_int_eq(step(&w, refused_event), 0);
                        tick(&w, (UINT64_C(1) << i) * SEC);
                        w.actions.n = 0;
                }
                ck_assert_int_eq(step(&w, refused_event), 0);
                if (refused_event.attempt == 2) {
                        expect_attempts(&w, "retry 1.2 (spawn (clone: Cannot allocate memory))");
                        again(&w, &r, 3);
                }
        }
        ck_assert(w.actions.items[0].is_dead);
        expect_attempts(&w, "finish 1.3 (spawn (clone: Cannot allocate memory))");
}
END_TEST

/* Held while it waits: it stays held when its time has come. */
START_TEST(held) {
        TqRetry r = policy(NULL, NULL);
        WORLD w = world_with(&r);

        ck_assert_int_eq(end_as(&w, 1, 1, TQ_END_EXITED, 1), 0);
        ck_assert_int_eq(say_of(&w, TQ_EVENT_HOLD, 1, 0), 0);
        expect_reasons(&w, 1, "held, retry");
        tick(&w, tq_retry_delay(&r, 1, 1));
        ck_assert_int_eq(state_of(&w, 1), TQ_JOB_HELD);
        ck_assert_str_eq(tq_scheduler_state_of(tq_scheduler_job(w.s, 1)), "held");
        expect_reasons(&w, 1, "held");
        ck_assert_int_eq(say_of(&w, TQ_EVENT_RELEASE, 1, 0), 0);
        expect_attempts(&w, "retry 1.1 (exit 1), start 1.2");
}
END_TEST

/* After a restart: one that runs and is lost, */
START_TEST(adopted) {
        TqRetry r = policy(_i == 0 ? "lost" : NULL, NULL);
        TqEvent e = submission_with(1, &r);
        WORLD w = world_new();

        tenant_of(&w, 1, "1");
        e.type = TQ_EVENT_ADOPT;
        e.attempt = 4;
        e.j.failures = 1;
        e.j.running_since = w.now - SEC;
        ck_assert_int_eq(step(&w, e), 0);
        ck_assert_int_eq(end_as(&w, 1, 4, TQ_END_UNKNOWN, 0), 0);
        ck_assert_int_eq(w.actions.items[0].is_dead, _i == 1);
        expect_attempts(&w, _i == 0 ? "retry 1.4 (lost)" : "finish 1.4 (lost)");
        if (_i == 1)
                return;
        open_world(&w);
        ck_assert_uint_eq(tq_scheduler_job(w.s, 1)->cold->failures, 2);
        tick(&w, tq_retry_delay(&r, 2, 1));
        expect_attempts(&w, "start 1.5");
}
END_TEST

/* and one that waits for its next attempt. */
START_TEST(restored) {
        TqRetry r = policy(NULL, NULL);
        TqEvent e = submission_with(1, &r);
        WORLD w = world_new();

        tenant_of(&w, 1, "1");
        e.attempt = 2;
        e.j.failures = 1;
        e.j.is_promised = true;
        e.j.again_at = w.now + 3 * SEC;
        ck_assert_int_eq(step(&w, e), 0);
        open_world(&w);
        ck_assert_str_eq(tq_scheduler_state_of(tq_scheduler_job(w.s, 1)), "retrying");
        expect_reasons(&w, 1, "retry");
        tick(&w, 3 * SEC - 1);
        expect_attempts(&w, "");
        tick(&w, 1);
        expect_attempts(&w, "start 1.2");
}
END_TEST

static void fill_attempts(TCase *attempts) {
        tcase_add_test(attempts, three_attempts);
        tcase_add_test(attempts, ends_well);
        unit_add_rows(attempts, ends, end_rows);
        tcase_add_test(attempts, no_policy);
        tcase_add_loop_test(attempts, cancelled_while_it_runs, 0, 4);
        tcase_add_test(attempts, cancelled_while_it_waits);
        tcase_add_test(attempts, cancelled_while_it_stops);
        tcase_add_test(attempts, timeout);
        tcase_add_loop_test(attempts, deadline, 0, 2);
        tcase_add_test(attempts, deadline_while_it_waits);
        tcase_add_test(attempts, at_least_a_moment);
        tcase_add_test(attempts, launches_in_between);
        tcase_add_test(attempts, launches_for_good);
        tcase_add_test(attempts, held);
        tcase_add_loop_test(attempts, adopted, 0, 2);
        tcase_add_test(attempts, restored);
}

static void fill(Suite *s) {
        TCase *retries = unit_case(s, "retries");

        tcase_add_test(retries, launch_fails_for_long);

        tcase_add_test(retries, never_started);
        tcase_add_test(retries, requeue_takes_the_timer_back);
        tcase_add_test(retries, exec_fails_for_now);
        tcase_add_test(retries, refused);
        tcase_add_test(retries, refused_for_long);
        tcase_add_test(retries, refused_by_itself);
        fill_attempts(unit_case(s, "attempts"));
}

int main(void) {
        return unit_main("core/scheduler retries", fill);
}
