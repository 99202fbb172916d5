/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "world.h"

/* What the administrator changes under a backlog: the number of slots, pauses, and holds. */

START_TEST(max_jobs_changes) {
        WORLD w = world_new();

        w.host.max_jobs = 2;
        host(&w);
        tenant(&w, 1, "concurrency=max");
        open_world(&w);
        for (uint64_t job = 1; job <= 9; job++)
                submit(&w, 1, job);
        expect(&w, "start 1, start 2");
        w.host.max_jobs = 4;
        host(&w);
        expect(&w, "start 3, start 4");
        w.host.max_jobs = 1;
        host(&w);
        for (uint64_t job = 1; job <= 3; job++)
                end(&w, job, 0);
        expect(&w, "finish 1 (exit 0), finish 2 (exit 0), finish 3 (exit 0)");
        w.host.max_jobs = 0;
        host(&w);
        end(&w, 4, 0);
        expect(&w, "finish 4 (exit 0)");
        expect_reasons(&w, 5, "slots");
        w.host.max_jobs = TQ_LIMIT_MAX;
        host(&w);
        expect(&w, "start 5, start 6, start 7, start 8, start 9");
}
END_TEST

START_TEST(pauses) {
        static const struct {
                uint32_t tenant;
                const char *queue, *reason;
        } rows[] = { { 0, NULL, "host-paused" },
                     { 1, NULL, "tenant-paused" },
                     { 1, "q", "queue-paused" } };
        WORLD w = world_new();

        tenant(&w, 1, "concurrency=1");
        open_world(&w);
        submit(&w, 1, 1);
        expect(&w, "start 1");
        for (uint64_t i = 0; i < TQ_ELEMENTSOF(rows); i++) {
                switches(&w, rows[i].tenant, rows[i].queue, true, false);
                submit(&w, 1, i + 2); /* it takes jobs */
                end(&w, i + 1, 0);    /* what runs goes on */
                w.actions.n = 0;
                expect_reasons(&w, i + 2, rows[i].reason);
                tick(&w, 1000 * SEC);
                expect(&w, "");
                switches(&w, rows[i].tenant, rows[i].queue, false, false);
                ck_assert_int_eq(state_of(&w, i + 2), TQ_JOB_STARTING);
        }
        switches(&w, 0, NULL, true, true);
        ck_assert(tq_scheduler_host_switches(w.s).is_paused);
        ck_assert(tq_scheduler_host_switches(w.s).is_draining);
        ck_assert_int_eq(step(&w, (TqEvent){ .type = TQ_EVENT_SWITCH, .tenant = 9 }), -ENOENT);
}
END_TEST

/* A queue that is switched stays without jobs; one that is switched back goes. */
START_TEST(pause_of_an_empty_queue) {
        WORLD w = world_new();

        tenant(&w, 1, "concurrency=max");
        open_world(&w);
        switches(&w, 1, "etl", true, false);
        ck_assert_ptr_nonnull(tq_scheduler_queue(tq_scheduler_tenant(w.s, 1), "etl"));
        tenant(&w, 1, "concurrency=max");
        ck_assert(tq_scheduler_queue(tq_scheduler_tenant(w.s, 1), "etl")->is_paused);
        switches(&w, 1, "etl", false, false);
        ck_assert_ptr_null(tq_scheduler_queue(tq_scheduler_tenant(w.s, 1), "etl"));
        switches(&w, 1, "etl", false, false);
        ck_assert_uint_eq(tq_scheduler_tenant(w.s, 1)->n_queues, 0);
}
END_TEST

/* Held jobs keep their places, and those behind them do not wait. */
START_TEST(hold) {
        TqEvent e = submission(1, 5);
        WORLD w = world_new();

        tenant(&w, 1, "concurrency=1");
        open_world(&w);
        for (uint64_t job = 1; job <= 4; job++)
                submit(&w, 1, job);
        expect(&w, "start 1");
        ck_assert_int_eq(say(&w, TQ_EVENT_HOLD, 1), -EBUSY);
        ck_assert_int_eq(say(&w, TQ_EVENT_RELEASE, 1), -EBUSY);
        ck_assert_int_eq(say(&w, TQ_EVENT_RELEASE, 2), -EALREADY);
        ck_assert_int_eq(say(&w, TQ_EVENT_HOLD, 2), 0);
        ck_assert_int_eq(say(&w, TQ_EVENT_HOLD, 2), -EALREADY);
        ck_assert_int_eq(say(&w, TQ_EVENT_HOLD, 99), -ENOENT);
        ck_assert_int_eq(state_of(&w, 2), TQ_JOB_HELD);
        ck_assert_uint_eq(tq_scheduler_tenant(w.s, 1)->waiting.held, 1);
        expect_reasons(&w, 2, "held, tenant-concurrency");
        end(&w, 1, 0);
        expect(&w, "finish 1 (exit 0), start 3");
        ck_assert_int_eq(say(&w, TQ_EVENT_RELEASE, 2), 0);
        expect_reasons(&w, 4, "tenant-concurrency, behind");
        end(&w, 3, 0);
        expect(&w, "finish 3 (exit 0), start 2"); /* before 4 */
        e.j.is_held = true;
        must_step(&w, e);
        submit(&w, 1, 6);
        end(&w, 2, 0);
        end(&w, 4, 0);
        expect(&w, "finish 2 (exit 0), start 4, finish 4 (exit 0), start 6");
        ck_assert_int_eq(say(&w, TQ_EVENT_CANCEL, 5), 0);
        expect(&w, "finish 5 (cancelled)");
        ck_assert_uint_eq(tq_scheduler_tenant(w.s, 1)->waiting.held, 0);
}
END_TEST

START_TEST(hold_of_a_scheduled_job) {
        TqEvent e = submission(1, 1);
        WORLD w = world_new();

        tenant(&w, 1, "concurrency=max");
        open_world(&w);
        e.j.not_before = w.now + 5 * SEC;
        must_step(&w, e);
        ck_assert_int_eq(say(&w, TQ_EVENT_HOLD, 1), 0);
        ck_assert_int_eq(state_of(&w, 1), TQ_JOB_SCHEDULED);
        expect_reasons(&w, 1, "held, start-after");
        tick(&w, 5 * SEC);
        expect(&w, "");
        ck_assert_int_eq(state_of(&w, 1), TQ_JOB_HELD);
        ck_assert_uint_eq(tq_scheduler_next_deadline(w.s), TQ_NEVER);
        ck_assert_int_eq(say(&w, TQ_EVENT_RELEASE, 1), 0);
        expect(&w, "start 1");
}
END_TEST

static void fill(Suite *s) {
        TCase *changes = unit_case(s, "changes");

        tcase_add_test(changes, max_jobs_changes);
        tcase_add_test(changes, pauses);
        tcase_add_test(changes, pause_of_an_empty_queue);
        tcase_add_test(changes, hold);
        tcase_add_test(changes, hold_of_a_scheduled_job);
}

int main(void) {
        return unit_main("core/turn switches", fill);
}
