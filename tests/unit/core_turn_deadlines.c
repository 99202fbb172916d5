/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "world.h"

/* Deadlines: a job that still waits when it should have started ends. */

static TqEvent due_by(uint32_t id, uint64_t job, uint64_t start_by) {
        TqEvent e = submission(id, job);

        e.j.has_start_by = true;
        e.j.start_by = start_by;
        return e;
}

START_TEST(deadline) {
        TqEvent e = submission(1, 3);
        WORLD w = world_new();

        tenant(&w, 1, "concurrency=1");
        open_world(&w);
        must_step(&w, due_by(1, 1, w.now + 5 * SEC)); /* starts at once */
        must_step(&w, due_by(1, 2, w.now + 5 * SEC));
        e.j.has_start_by = true;
        e.j.start_by = w.now + 6 * SEC; /* before it may start at all */
        e.j.not_before = w.now + 7 * SEC;
        must_step(&w, e);
        must_step(&w, due_by(1, 4, w.now + 8 * SEC));
        ck_assert_int_eq(say(&w, TQ_EVENT_HOLD, 4), 0);
        expect(&w, "start 1");
        ck_assert_uint_eq(tq_scheduler_next_deadline(w.s), w.now + 5 * SEC);
        tick(&w, 5 * SEC - 1);
        expect(&w, "");
        tick(&w, 1);
        expect(&w, "finish 2 (deadline)");
        tick(&w, SEC);
        expect(&w, "finish 3 (deadline)");
        tick(&w, 2 * SEC);
        expect(&w, "finish 4 (deadline)");
        ck_assert_int_eq(state_of(&w, 1), TQ_JOB_STARTING); /* what has started is not asked */
        ck_assert_uint_eq(tq_scheduler_next_deadline(w.s), TQ_NEVER);
}
END_TEST

/* Between both its start must lie, and the timer asks for the first, then for the other. */
START_TEST(deadline_after_start) {
        TqEvent e = due_by(1, 2, 0);
        WORLD w = world_new();

        tenant(&w, 1, "concurrency=1");
        open_world(&w);
        submit(&w, 1, 1);
        e.j.not_before = w.now + 2 * SEC;
        e.j.has_start_by = true;
        e.j.start_by = w.now + 4 * SEC;
        must_step(&w, e);
        expect(&w, "start 1");
        ck_assert_uint_eq(tq_scheduler_next_deadline(w.s), w.now + 2 * SEC);
        tick(&w, 2 * SEC);
        ck_assert_uint_eq(tq_scheduler_next_deadline(w.s), w.now + 2 * SEC);
        expect_reasons(&w, 2, "tenant-concurrency");
        tick(&w, 2 * SEC);
        expect(&w, "finish 2 (deadline)");
}
END_TEST

/* A slot that becomes free when the deadline is past, before anybody asked for the time. */
START_TEST(deadline_without_tick) {
        WORLD w = world_new();

        tenant(&w, 1, "concurrency=1");
        open_world(&w);
        submit(&w, 1, 1);
        must_step(&w, due_by(1, 2, w.now + 5 * SEC));
        submit(&w, 1, 3);
        expect(&w, "start 1");
        w.now += 6 * SEC;
        end(&w, 1, 0);
        expect(&w, "finish 1 (exit 0), finish 2 (deadline), start 3");
}
END_TEST

/* Who is put back after a launch that did not come off is asked again. */
START_TEST(deadline_after_requeue) {
        WORLD w = world_new();

        tenant(&w, 1, "concurrency=1");
        open_world(&w);
        must_step(&w, due_by(1, 1, w.now + 5 * SEC));
        expect(&w, "start 1");
        ck_assert_uint_eq(tq_scheduler_next_deadline(w.s), TQ_NEVER);
        ck_assert_int_eq(say(&w, TQ_EVENT_REFUSED, 1), 0);
        ck_assert_uint_eq(tq_scheduler_next_deadline(w.s), w.now + SEC);
        w.now += 5 * SEC;
        tick(&w, 0);
        expect(&w, "finish 1 (deadline)");
}
END_TEST

static void fill(Suite *s) {
        TCase *deadlines = unit_case(s, "deadlines");

        tcase_add_test(deadlines, deadline);
        tcase_add_test(deadlines, deadline_after_start);
        tcase_add_test(deadlines, deadline_without_tick);
        tcase_add_test(deadlines, deadline_after_requeue);
}

int main(void) {
        return unit_main("core/turn deadlines", fill);
}
