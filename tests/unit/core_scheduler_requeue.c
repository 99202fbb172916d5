/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core_scheduler.h"

#include "core/world.h"

/* Requeueing a job in each of its states. */

/* Job 1, which has one attempt by its file, runs in a tenant with one slot. */
static World running(void) {
        World w = world_new();

        tenant_full(&w, 1, "1", "100s", NULL, 0, true);
        open_world(&w);
        submit_to(&w, 1, 1, "q");
        ck_assert_int_eq(say_of(&w, TQ_EVENT_SPAWNED, 1, 1), 0);
        expect_attempts(&w, "start 1.1, run 1.1");
        return w;
}

static int requeue(World *w, uint64_t job) {
        int would = tq_scheduler_would_requeue(tq_scheduler_job(w->s, job), w->now);
        int r = say_of(w, TQ_EVENT_REQUEUE, job, 0);

        ck_assert_int_eq(r, would);
        return r;
}

/* However its attempt ends: it is promised that there is another one. */
static const struct {
        TqEnd end;
        const char *said;
} ends[] = {
        { { .kind = TQ_END_SIGNALED, .code = 15 }, "retry 1.1 (requeued)" },
        { { .kind = TQ_END_SIGNALED, .code = 9 }, "retry 1.1 (requeued)" },
        { { .kind = TQ_END_EXITED, .code = 1 }, "retry 1.1 (requeued)" },
        { { .kind = TQ_END_EXITED, .code = 0 }, "retry 1.1 (exit 0)" },
        { { .kind = TQ_END_UNKNOWN }, "retry 1.1 (requeued)" },
        { { .kind = TQ_END_NEVER_STARTED }, "retry 1.1 (requeued)" },
        { { .kind = TQ_END_CRASHED, .code = 11 }, "retry 1.1 (requeued)" },
        { { .kind = TQ_END_SPAWN_FAILED, .stage = TQ_STAGE_EXEC, .code = ETXTBSY },
          "retry 1.1 (spawn (exec: Text file busy))" },
        { { .kind = TQ_END_SIGNALED, .code = 9, .counters.oom_kills = 1 },
          "retry 1.1 (oom (none))" },
};

START_TEST(runs) {
        WORLD w = running();

        ck_assert_int_eq(requeue(&w, 1), 0);
        expect_attempts(&w, "term 1.1 (requeued)");
        ck_assert_int_eq(requeue(&w, 1), -EALREADY);
        ck_assert_int_eq(step(&w, (TqEvent){ .type = TQ_EVENT_ENDED,
                                             .job = 1,
                                             .attempt = 1,
                                             .end = &ends[_i].end }),
                         0);
        ck_assert_uint_eq(w.actions.items[0].failures, 0);
        ck_assert_uint_eq(w.actions.items[0].again_at, w.now + TQ_RETRY_LEAST_USEC);
        expect_attempts(&w, ends[_i].said);
        tick(&w, TQ_RETRY_LEAST_USEC - 1);
        expect_attempts(&w, "");
        tick(&w, 1);
        expect_attempts(&w, "start 1.2");
        /* The next attempt is as the first one would have been. */
        ck_assert_int_eq(say_of(&w, TQ_EVENT_SPAWNED, 1, 2), 0);
        ck_assert_uint_eq(tq_scheduler_next_deadline(w.s), w.now + 100 * SEC);
        ck_assert_int_eq(end_as(&w, 1, 2, TQ_END_EXITED, 3), 0);
        expect_attempts(&w, "run 1.2, finish 1.2 (exit 3)");
}
END_TEST

/* It gets the time of TimeoutStopSec= and no more. */
START_TEST(killed) {
        WORLD w = running();

        ck_assert_int_eq(requeue(&w, 1), 0);
        tick(&w, 10 * SEC);
        expect_attempts(&w, "term 1.1 (requeued), kill 1.1");
        ck_assert_int_eq(end_as(&w, 1, 1, TQ_END_SIGNALED, 9), 0);
        expect_attempts(&w, "retry 1.1 (requeued)");
}
END_TEST

/* One that is stopped for its time begins anew all the same. */
START_TEST(stops) {
        WORLD w = running();

        tick(&w, 100 * SEC);
        tick(&w, 9 * SEC);
        ck_assert_int_eq(requeue(&w, 1), 0);
        expect_attempts(&w, "term 1.1 (timeout-tenant), term 1.1 (requeued)");
        tick(&w, SEC);
        expect_attempts(&w, "kill 1.1");
        ck_assert_int_eq(end_as(&w, 1, 1, TQ_END_SIGNALED, 9), 0);
        expect_attempts(&w, "retry 1.1 (requeued)");
}
END_TEST

/* A cancel wins, whichever comes first. */
START_TEST(cancelled) {
        WORLD w = running();

        if (_i == 0)
                ck_assert_int_eq(requeue(&w, 1), 0);
        ck_assert_int_eq(say_of(&w, TQ_EVENT_CANCEL, 1, 0), 0);
        ck_assert_int_eq(requeue(&w, 1), -ECANCELED);
        expect_attempts(&w, _i == 0 ? "term 1.1 (requeued), term 1.1 (cancelled)"
                                    : "term 1.1 (cancelled)");
        ck_assert_int_eq(end_as(&w, 1, 1, TQ_END_SIGNALED, 15), 0);
        expect_attempts(&w, "finish 1.1 (cancelled)");
}
END_TEST

START_TEST(cancelled_while_it_starts) {
        WORLD w = world_new();

        tenant_of(&w, 1, "1");
        open_world(&w);
        submit_to(&w, 1, 1, "q");
        ck_assert_int_eq(requeue(&w, 1), -EALREADY);
        ck_assert_int_eq(say_of(&w, TQ_EVENT_CANCEL, 1, 0), 0);
        ck_assert_int_eq(requeue(&w, 1), -ECANCELED);
        expect_attempts(&w, "start 1.1, abort 1.1");
}
END_TEST

/* What waits begins anyway, when its turn or its time comes; */
START_TEST(waits) {
        WORLD w = running();
        TqEvent e = submission_to(1, 3, "q");

        submit_to(&w, 1, 2, "q");
        ck_assert_int_eq(requeue(&w, 2), -EALREADY);
        ck_assert_int_eq(say_of(&w, TQ_EVENT_HOLD, 2, 0), 0);
        ck_assert_int_eq(requeue(&w, 2), -EALREADY);
        e.j.not_before = w.now + SEC;
        ck_assert_int_eq(step(&w, e), 0);
        ck_assert_int_eq(requeue(&w, 3), -EALREADY);
        expect_attempts(&w, "");
        ck_assert_int_eq(say_of(&w, TQ_EVENT_REQUEUE, 99, 0), -ENOENT);
}
END_TEST

/* but what waits for another attempt, or another launch, has it at once. */
START_TEST(due_at_once) {
        TqEnd busy = { .kind = TQ_END_SPAWN_FAILED, .stage = TQ_STAGE_EXEC, .code = ETXTBSY };
        TqEvent e = submission_to(1, 2, "q");
        TqRetry retry;
        WORLD w = running();

        tq_retry_init(&retry);
        retry.max_attempts = 2;
        tq_retry_set_failures(&retry.on);
        e.j.retry = &retry;
        ck_assert_int_eq(end_as(&w, 1, 1, TQ_END_EXITED, 0), 0);
        ck_assert_int_eq(step(&w, e), 0);
        ck_assert_int_eq(say_of(&w, TQ_EVENT_SPAWNED, 2, 1), 0);
        ck_assert_int_eq(end_as(&w, 2, 1, TQ_END_EXITED, 1), 0);
        expect_attempts(&w, "finish 1.1 (exit 0), start 2.1, run 2.1, retry 2.1 (exit 1)");
        ck_assert_int_eq(requeue(&w, 2), 0);
        expect_attempts(&w, "start 2.2");
        ck_assert_int_eq(requeue(&w, 2), -EALREADY);
        ck_assert_int_eq(step(&w, (TqEvent){ .type = TQ_EVENT_SPAWNED, .job = 2, .attempt = 2 }),
                         0);
        ck_assert_int_eq(
                step(&w, (TqEvent){ .type = TQ_EVENT_ENDED, .job = 2, .attempt = 2, .end = &busy }),
                0);
        expect_attempts(&w, "run 2.2, requeue 2.2");
        ck_assert_int_eq(why(&w, 2), TQ_WAIT_LAUNCH_RETRY);
        ck_assert_int_eq(requeue(&w, 2), 0);
        expect_attempts(&w, "start 2.3");
}
END_TEST

/* Held, it is due and stays held. */
START_TEST(due_and_held) {
        TqEvent e = submission_to(1, 1, "q");
        WORLD w = world_new();

        tenant_of(&w, 1, "1");
        open_world(&w);
        e.attempt = 2;
        e.j.again_at = w.now + SEC;
        e.j.is_held = true;
        ck_assert_int_eq(step(&w, e), 0);
        expect_reasons(&w, 1, "held, retry");
        ck_assert_int_eq(requeue(&w, 1), 0);
        expect_reasons(&w, 1, "held");
        expect_attempts(&w, "");
}
END_TEST

/* One that could not begin before its Deadline= goes on. */
START_TEST(deadline) {
        TqEvent e = submission_to(1, 1, "q");
        WORLD w = world_new();

        tenant_of(&w, 1, "1");
        open_world(&w);
        e.j.has_start_by = true;
        e.j.start_by = w.now + SEC;
        e.j.stop_usec = SEC / 2;
        ck_assert_int_eq(step(&w, e), 0);
        ck_assert_int_eq(say_of(&w, TQ_EVENT_SPAWNED, 1, 1), 0);
        tick(&w, SEC / 2 - (uint64_t)_i);
        ck_assert_int_eq(requeue(&w, 1), _i == 0 ? -ETIME : 0);
        if (_i == 0)
                return;
        /* It passes meanwhile: that is its end then. */
        tick(&w, SEC);
        ck_assert_int_eq(end_as(&w, 1, 1, TQ_END_SIGNALED, 15), 0);
        tick(&w, TQ_RETRY_LEAST_USEC);
        expect_attempts(&w,
                        "start 1.1, run 1.1, term 1.1 (requeued), kill 1.1, retry 1.1 (requeued), "
                        "finish 1.2 (deadline)");
}
END_TEST

START_TEST(attempts) {
        TqEvent e = submission_to(1, 1, "q");
        WORLD w = world_new();

        tenant_of(&w, 1, "1");
        e.type = TQ_EVENT_ADOPT;
        e.attempt = TQ_RETRY_ATTEMPTS_MAX - (unsigned)_i;
        ck_assert_int_eq(step(&w, e), 0);
        ck_assert_int_eq(requeue(&w, 1), _i == 0 ? -E2BIG : 0);
}
END_TEST

/* After a restart it is asked to stop again, and the next attempt follows. */
START_TEST(adopted) {
        TqEvent e = submission_to(1, 1, "q");
        WORLD w = world_new();

        tenant_of(&w, 1, "1");
        e.type = TQ_EVENT_ADOPT;
        e.attempt = 1;
        e.j.stop = TQ_STOP_REQUEUED;
        ck_assert_int_eq(step(&w, e), 0);
        ck_assert_int_eq(requeue(&w, 1), -EALREADY);
        ck_assert_int_eq(end_as(&w, 1, 1, _i == 0 ? TQ_END_UNKNOWN : TQ_END_SIGNALED, 15), 0);
        open_world(&w);
        tick(&w, TQ_RETRY_LEAST_USEC);
        expect_attempts(&w, "term 1.1 (requeued), retry 1.1 (requeued), start 1.2");
}
END_TEST

static void fill(Suite *s) {
        TCase *all = unit_case(s, "requeue");

        unit_add_rows(all, runs, ends);
        tcase_add_test(all, killed);
        tcase_add_test(all, stops);
        tcase_add_loop_test(all, cancelled, 0, 2);
        tcase_add_test(all, cancelled_while_it_starts);
        tcase_add_test(all, waits);
        tcase_add_test(all, due_at_once);
        tcase_add_test(all, due_and_held);
        tcase_add_loop_test(all, deadline, 0, 2);
        tcase_add_loop_test(all, attempts, 0, 2);
        tcase_add_loop_test(all, adopted, 0, 2);
}

int main(void) {
        return unit_main("core/scheduler requeue", fill);
}
