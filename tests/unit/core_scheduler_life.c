/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core_scheduler.h"

/* The life of a job from its submission to its verdict, and what is not heard meanwhile. */

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
                "retry",
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
        ck_assert_uint_eq(tq_scheduler_job(w.s, 7)->cold->running_since, w.now);
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
        TCase *life = unit_case(s, "life");

        tcase_add_test(life, words);
        tcase_add_test(life, one_job);
        tcase_add_test(life, closed_until_open);
        tcase_add_test(life, unknown);
        tcase_add_test(life, stale_attempts);
        tcase_add_test(life, events_of_waiting_jobs);
        tcase_add_test(life, spawn_failed);
        tcase_add_test(life, walk);
}

int main(void) {
        return unit_main("core/scheduler life", fill);
}
