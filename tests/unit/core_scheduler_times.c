/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core_scheduler.h"

/* Times: when a job may start, how long it may run, and how long it is given to stop. */

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

static void fill(Suite *s) {
        TCase *times = unit_case(s, "times");

        tcase_add_test(times, clock_set);
        tcase_add_test(times, start_after);
        tcase_add_test(times, queue_of_a_scheduled_job);
        tcase_add_test(times, free_with_scheduled_jobs);
        unit_add_rows(times, runtime, runtime_rows);
        tcase_add_test(times, runtime_changes);
        tcase_add_test(times, no_grace);
        tcase_add_test(times, timers_in_order);
}

int main(void) {
        return unit_main("core/scheduler times", fill);
}
