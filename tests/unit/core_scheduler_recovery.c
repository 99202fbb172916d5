/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core_scheduler.h"

/* Jobs that run already when the scheduler begins. */

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

static void fill(Suite *s) {
        TCase *recovery = unit_case(s, "recovery");

        tcase_add_test(recovery, adopt);
        tcase_add_test(recovery, adopt_above_the_limit);
}

int main(void) {
        return unit_main("core/scheduler recovery", fill);
}
