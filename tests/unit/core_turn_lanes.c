/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "world.h"

/* The lane: slots that long jobs leave to short ones. */

static TqEvent bounded(uint32_t id, uint64_t job, uint64_t runtime_sec) {
        TqEvent e = submission(id, job);

        e.j.runtime_usec = runtime_sec * SEC;
        return e;
}

START_TEST(lane) {
        WORLD w = world_new();

        w.host.max_jobs = 4;
        w.host.lane_slots = 2;
        w.host.lane_runtime_usec = 60 * SEC;
        host(&w);
        tenant(&w, 1, "concurrency=max");
        tenant(&w, 2, "concurrency=max runtime=60s"); /* all of its jobs are short */
        open_world(&w);
        for (uint64_t job = 1; job <= 3; job++)
                submit(&w, 1, job);
        must_step(&w, bounded(1, 4, 61));
        expect(&w, "start 1, start 2"); /* the others would be for long ones */
        expect_reasons(&w, 3, "lane");
        expect_reasons(&w, 4, "behind, lane");
        ck_assert_uint_eq(reason_of(&w, 3, TQ_WAIT_LANE).current, 2);
        ck_assert_uint_eq(reason_of(&w, 3, TQ_WAIT_LANE).maximum, 2);
        must_step(&w, bounded(1, 5, 60)); /* passes those before it */
        submit(&w, 2, 6);
        expect(&w, "start 5, start 6");
        expect_reasons(&w, 3, "slots, lane");
        must_step(&w, bounded(1, 7, 1));
        end(&w, 5, 0);
        expect(&w, "finish 5 (exit 0), start 7");
        end(&w, 1, 0); /* a slot for long ones: in the line's order */
        expect(&w, "finish 1 (exit 0), start 3");
        end(&w, 7, 0);
        expect(&w, "finish 7 (exit 0)");
        expect_reasons(&w, 4, "lane");
}
END_TEST

/* Short ones may have every slot. */
START_TEST(lane_is_no_limit_for_short) {
        WORLD w = world_new();

        w.host.max_jobs = 3;
        w.host.lane_slots = slots_of("34%"); /* rounded up: 2 */
        host(&w);
        tenant(&w, 1, "concurrency=max");
        open_world(&w);
        ck_assert_uint_eq(tq_scheduler_pool(w.s, 0)->lane_slots, 2);
        for (uint64_t job = 1; job <= 4; job++)
                must_step(&w, bounded(1, job, 10));
        expect(&w, "start 1, start 2, start 3");
        ck_assert_uint_eq(tq_scheduler_pool(w.s, 0)->running_long, 0);
        expect_reasons(&w, 4, "slots");
}
END_TEST

/* In a queue of long jobs only, each says so, and all of them are counted. */
START_TEST(lane_counts) {
        uint64_t counts[_TQ_WAIT_MAX] = {};
        WORLD w = world_new();

        w.host.max_jobs = 2;
        w.host.lane_slots = 2;
        host(&w);
        tenant(&w, 1, "concurrency=max");
        open_world(&w);
        for (uint64_t job = 1; job <= 3; job++)
                submit(&w, 1, job);
        expect(&w, "");
        expect_reasons(&w, 1, "lane");
        expect_reasons(&w, 3, "behind, lane");
        tq_scheduler_count(w.s, tq_scheduler_job(w.s, 1)->queue, w.now, counts);
        ck_assert_uint_eq(counts[TQ_WAIT_LANE], 1);
        ck_assert_uint_eq(counts[TQ_WAIT_BEHIND], 2);
}
END_TEST

/* What is short changes on a backlog, and the line keeps its order. */
START_TEST(lane_changes) {
        enum { N = 20000 };
        WORLD w = world_new();

        w.host.max_jobs = 1;
        w.host.lane_slots = 1;
        w.host.lane_runtime_usec = 10 * SEC;
        host(&w);
        tenant(&w, 1, "concurrency=max");
        open_world(&w);
        for (uint64_t job = 1; job <= N; job++)
                must_step(&w, bounded(1, job, 20 + job % 40));
        expect(&w, "");
        w.host.lane_runtime_usec = 40 * SEC;
        host(&w);
        for (uint64_t job = 1; job <= 100; job++) {
                if (20 + job % 40 > 40)
                        continue;
                ck_assert_uint_eq(w.actions.items[w.actions.n - 1].job, job);
                end(&w, job, 0);
        }
        w.host.lane_slots = 0;
        w.host.max_jobs = 2;
        w.actions.n = 0;
        host(&w);
        expect(&w, "start 21");
}
END_TEST

static void fill(Suite *s) {
        TCase *lanes = unit_case(s, "lanes");

        tcase_add_test(lanes, lane);
        tcase_add_test(lanes, lane_is_no_limit_for_short);
        tcase_add_test(lanes, lane_counts);
        tcase_add_test(lanes, lane_changes);
}

int main(void) {
        return unit_main("core/turn lanes", fill);
}
