/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core_turn.h"

/* Jobs that wait for memory: whom they let pass, and when it is kept for them. */

static TqEvent sized(uint32_t id, uint64_t job, uint64_t memory) {
        TqEvent e = submission(id, job);

        e.j.memory_bytes = memory;
        return e;
}

START_TEST(memory) {
        WORLD w = world_new();

        w.host.max_jobs = 8;
        w.host.memory_bytes = 10;
        host(&w);
        tenant(&w, 1, "concurrency=max");
        tenant(&w, 2, "concurrency=max");
        open_world(&w);
        must_step(&w, sized(1, 1, 6));
        must_step(&w, sized(1, 2, 5));
        must_step(&w, sized(1, 3, 1)); /* of the same queue: it stays behind */
        expect(&w, "start 1");
        ck_assert_uint_eq(tq_scheduler_memory_promised(w.s), 6);
        expect_reasons(&w, 2, "memory");
        ck_assert_uint_eq(reason_of(&w, 2, TQ_WAIT_MEMORY).current, 5);
        ck_assert_uint_eq(reason_of(&w, 2, TQ_WAIT_MEMORY).maximum, 4);
        expect_reasons(&w, 3, "behind");
        must_step(&w, sized(2, 4, 4)); /* another's fits */
        must_step(&w, sized(2, 5, 1));
        must_step(&w, sized(2, 6, 0));
        expect(&w, "start 4");
        expect_reasons(&w, 5, "memory");
        end(&w, 4, 0);
        expect(&w, "finish 4 (exit 0), start 5, start 6");
        end(&w, 1, 0);
        expect(&w, "finish 1 (exit 0), start 2, start 3");
        w.host.memory_bytes = 1; /* less than runs: nothing ends */
        host(&w);
        must_step(&w, sized(2, 7, 1));
        expect(&w, "");
        expect_reasons(&w, 7, "memory");
        w.host.memory_bytes = TQ_LIMIT_MAX;
        host(&w);
        expect(&w, "start 7");
}
END_TEST

/* After the host's patience memory is left free for who has waited, though others would fit. */
START_TEST(memory_is_kept) {
        WORLD w = world_new();

        w.host.max_jobs = 8;
        w.host.memory_bytes = 10;
        w.host.memory_patience_usec = 5 * SEC;
        host(&w);
        for (uint32_t id = 1; id <= 3; id++)
                tenant(&w, id, "concurrency=max");
        open_world(&w);
        must_step(&w, sized(1, 1, 4));
        must_step(&w, sized(1, 2, 4));
        must_step(&w, sized(2, 3, 9));
        expect(&w, "start 1, start 2");
        w.now += 5 * SEC - 1;
        must_step(&w, sized(3, 4, 1));
        expect(&w, "start 4");
        w.now++;
        must_step(&w, sized(3, 5, 1));
        must_step(&w, sized(3, 6, 0));
        expect(&w, "");
        expect_reasons(&w, 5, "memory-kept");
        ck_assert_uint_eq(reason_of(&w, 5, TQ_WAIT_MEMORY_KEPT).job, 3);
        ck_assert_uint_eq(reason_of(&w, 5, TQ_WAIT_MEMORY_KEPT).tenant, 2);
        expect_reasons(&w, 3, "memory");
        end(&w, 1, 0);
        end(&w, 4, 0);
        expect(&w, "finish 1 (exit 0), finish 4 (exit 0)");
        end(&w, 2, 0);
        expect(&w, "finish 2 (exit 0), start 3, start 5, start 6");
}
END_TEST

/* Why it is kept may end by itself; then others start in that step. */
static const char *const kept_ends[] = { "pause", "cancel", "hold", "limit", "host" };

START_TEST(memory_is_kept_no_longer) {
        WORLD w = world_new();

        w.host.max_jobs = 8;
        w.host.memory_bytes = 10;
        w.host.memory_patience_usec = 5 * SEC;
        host(&w);
        for (uint32_t id = 1; id <= 3; id++)
                tenant(&w, id, "concurrency=max");
        open_world(&w);
        must_step(&w, sized(3, 1, 8));
        must_step(&w, sized(1, 2, 5));
        tick(&w, 6 * SEC);
        must_step(&w, sized(2, 3, 2));
        expect(&w, "start 1");
        expect_reasons(&w, 3, "memory-kept");
        switch (_i) {
        case 0:
                switches(&w, 1, NULL, true, false);
                break;
        case 1:
                ck_assert_int_eq(say(&w, TQ_EVENT_CANCEL, 2), 0);
                w.actions.items[0] = w.actions.items[w.actions.n - 1];
                w.actions.n = 1;
                break;
        case 2:
                ck_assert_int_eq(say(&w, TQ_EVENT_HOLD, 2), 0);
                break;
        case 3:
                tenant(&w, 1, "concurrency=0");
                break;
        default:
                w.host.memory_bytes = TQ_LIMIT_MAX;
                host(&w);
                ck_assert_int_eq(w.actions.items[0].job, 2);
                w.actions.items[0] = w.actions.items[1];
                w.actions.n--;
        }
        expect(&w, "start 3");
}
END_TEST

/* A big job is not starved by small ones, even if these take every slot that becomes free. */
static const uint64_t small_bytes[] = { MIB / 8, MIB / 2, MIB };

START_TEST(big_is_not_starved) {
        SIM *s = sim_new();

        s->w.host.memory_bytes = 8 * MIB;
        s->w.host.memory_patience_usec = 60 * SEC;
        sim_open(s, 8);
        for (uint32_t id = 1; id <= 3; id++)
                tenant(&s->w, id, "concurrency=max");
        for (uint32_t id = 1; id <= 2; id++) {
                s->tenants[id].length_usec = 10 * SEC;
                s->tenants[id].spread_usec = 10 * SEC;
                s->tenants[id].memory_bytes = small_bytes[_i];
                sim_backlog(s, id, BACKLOG);
        }
        sim_run(s, 500 * SEC);
        s->tenants[3].length_usec = 10 * SEC;
        s->tenants[3].memory_bytes = 7 * MIB + MIB / 2;
        sim_submit(s, 3);
        /* Its turn, its patience, and the longest job that holds what it needs. */
        sim_run(s, (20 + 60 + 20) * SEC);
        ck_assert_uint_eq(s->tenants[3].started, 1);
}
END_TEST

/* A job of another pool than the one that memory is kept for does not wait for nothing. */
START_TEST(memory_and_pools) {
        WORLD w = world_new();

        w.host.max_jobs = 8;
        w.host.memory_bytes = 10;
        w.host.memory_patience_usec = 5 * SEC;
        pool(&w, "p", "4");
        host(&w);
        tenant(&w, 1, "concurrency=max");
        tenant_with(&w, 2, "concurrency=max", "p", NULL, 0);
        open_world(&w);
        must_step(&w, sized(1, 1, 8));
        must_step(&w, sized(2, 2, 5));
        tick(&w, 6 * SEC);
        must_step(&w, sized(1, 3, 2));
        expect(&w, "start 1");
        expect_reasons(&w, 3, "memory-kept");
        end(&w, 1, 0);
        w.actions.n = 0;
        ck_assert_int_eq(state_of(&w, 2), TQ_JOB_STARTING);
        ck_assert_int_eq(state_of(&w, 3), TQ_JOB_STARTING);
}
END_TEST

static void fill(Suite *s) {
        TCase *memories = unit_case(s, "memory");

        tcase_add_test(memories, memory);
        tcase_add_test(memories, memory_is_kept);
        unit_add_rows(memories, memory_is_kept_no_longer, kept_ends);
        unit_add_rows(memories, big_is_not_starved, small_bytes);
        tcase_add_test(memories, memory_and_pools);
}

int main(void) {
        return unit_main("core/turn memory", fill);
}
