/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core_scheduler.h"

/* Launches that did not come off: which are tried again, when, and how often. */

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

static void fill(Suite *s) {
        TCase *retries = unit_case(s, "retries");

        tcase_add_test(retries, launch_fails_for_long);

        tcase_add_test(retries, never_started);
        tcase_add_test(retries, requeue_takes_the_timer_back);
        tcase_add_test(retries, exec_fails_for_now);
        tcase_add_test(retries, refused);
        tcase_add_test(retries, refused_for_long);
        tcase_add_test(retries, refused_by_itself);
}

int main(void) {
        return unit_main("core/scheduler retries", fill);
}
