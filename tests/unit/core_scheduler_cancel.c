/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core_scheduler.h"

/* Cancelling a job in each of its states. */

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

/* Somebody else found that it gets nowhere: once, and not of an earlier attempt. */
START_TEST(stalled) {
        TqEvent e = { .type = TQ_EVENT_STALLED, .job = 1, .attempt = 2, .level = TQ_LEVEL_JOB };
        WORLD w = world_new();

        tenant_of(&w, 1, "1");
        open_world(&w);
        submit_to(&w, 1, 1, "q");
        e.attempt = 1;
        ck_assert_int_eq(step(&w, e), 0); /* it has not been released: nothing to end */
        expect_attempts(&w, "start 1.1");
        ck_assert_int_eq(say_of(&w, TQ_EVENT_SPAWNED, 1, 1), 0);
        e.attempt = 2;
        ck_assert_int_eq(step(&w, e), -ENOENT);
        e.attempt = 1;
        ck_assert_int_eq(step(&w, e), 0);
        expect_attempts(&w, "run 1.1, term 1.1 (stalled-job)");
        e.level = TQ_LEVEL_TENANT;
        ck_assert_int_eq(step(&w, e), 0);
        expect_attempts(&w, "");
        ck_assert_int_eq(end_as(&w, 1, 1, TQ_END_SIGNALED, 9), 0);
        expect_attempts(&w, "finish 1.1 (stalled (job))");
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

static void fill(Suite *s) {
        TCase *cancel = unit_case(s, "cancel");

        tcase_add_test(cancel, cancel_waiting);
        tcase_add_test(cancel, cancel_starting);
        tcase_add_test(cancel, cancel_starting_then_refused);
        tcase_add_test(cancel, cancel_starting_then_spawn_failed);
        tcase_add_test(cancel, cancel_running);
        tcase_add_test(cancel, stalled);
}

int main(void) {
        return unit_main("core/scheduler cancel", fill);
}
