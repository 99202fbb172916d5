/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "world.h"

/* Who is before whom: in a queue, under each policy, and in what is said of it. */

/* Scheduled jobs join at the end when they are due; who has waited keeps its place. */
START_TEST(sequence) {
        TqEvent e = submission(1, 2);
        TqEnd never = { .kind = TQ_END_NEVER_STARTED };
        WORLD w = world_new();

        tenant(&w, 1, "concurrency=1");
        open_world(&w);
        submit(&w, 1, 1);
        e.j.not_before = w.now + SEC;
        must_step(&w, e);
        submit(&w, 1, 3);
        tick(&w, SEC);
        submit(&w, 1, 4);
        ck_assert_int_eq(end_with(&w, 1, &never), 0);
        expect(&w, "start 1, requeue 1, start 1"); /* before all that came later */
        ck_assert_int_eq(say(&w, TQ_EVENT_REFUSED, 1), 0);
        expect(&w, "start 3");
        tick(&w, SEC);
        end(&w, 3, 0);
        expect(&w, "finish 3 (exit 0), start 1");
        end(&w, 1, 0);
        end(&w, 2, 0);
        expect(&w, "finish 1 (exit 0), start 2, finish 2 (exit 0), start 4");
}
END_TEST

/* What the simulator compares with. */
static const struct {
        TqPolicy policy;
        const char *want;
} policy_rows[] = {
        { TQ_POLICY_FAIR, "start 1, start 11, start 2, start 12, start 3, start 13" },
        { TQ_POLICY_ROUND_ROBIN, "start 1, start 11, start 2, start 12, start 3, start 13" },
        { TQ_POLICY_FIFO, "start 1, start 2, start 3, start 11, start 12, start 13" },
};

START_TEST(policies) {
        WORLD w = world_new();

        w.host.max_jobs = 6;
        w.host.policy = policy_rows[_i].policy;
        host(&w);
        tenant(&w, 1, "concurrency=max");
        tenant(&w, 2, "concurrency=max");
        for (uint64_t job = 1; job <= 4; job++)
                submit(&w, 1, job);
        for (uint64_t job = 11; job <= 14; job++)
                submit(&w, 2, job);
        ck_assert_int_eq(say(&w, TQ_EVENT_CANCEL, 4), 0);
        w.actions.n = 0;
        open_world(&w);
        expect(&w, policy_rows[_i].want);
}
END_TEST

/* Who comes later is told who is before, and how many. */
START_TEST(share_reason) {
        WORLD w = world_new();

        w.host.max_jobs = 1;
        host(&w);
        for (uint32_t id = 1; id <= 3; id++)
                tenant(&w, id, "concurrency=max");
        open_world(&w);
        submit(&w, 1, 1);
        submit(&w, 1, 2);
        submit(&w, 2, 3);
        submit(&w, 3, 4);
        submit(&w, 3, 5);
        expect(&w, "start 1");
        expect_reasons(&w, 3, "slots"); /* it is the next one */
        expect_reasons(&w, 4, "slots, share");
        expect_reasons(&w, 5, "behind, slots, share");
        expect_reasons(&w, 2, "slots, share");
        ck_assert_uint_eq(reason_of(&w, 4, TQ_WAIT_SHARE).tenant, 2);
        ck_assert_uint_eq(reason_of(&w, 4, TQ_WAIT_SHARE).job, 3);
        ck_assert_uint_eq(reason_of(&w, 4, TQ_WAIT_SHARE).current, 1);
        ck_assert_uint_eq(reason_of(&w, 2, TQ_WAIT_SHARE).current, 2);
        ck_assert_uint_eq(reason_of(&w, 5, TQ_WAIT_BEHIND).current, 1);
}
END_TEST

static void fill(Suite *s) {
        TCase *order = unit_case(s, "order");

        tcase_add_test(order, sequence);
        unit_add_rows(order, policies, policy_rows);
        tcase_add_test(order, share_reason);
}

int main(void) {
        return unit_main("core/turn order", fill);
}
