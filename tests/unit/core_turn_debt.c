/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core_turn.h"

/* For how long a tenant that is ahead may be held back: the host's debt. */

/* Who has far more than its share because nobody else was there is not made to pay for all of it.
 */
START_TEST(debt_is_capped) {
        const uint64_t debt = 100 * SEC;
        SIM *s = sim_new();
        Marks m;

        s->w.host.debt_usec = debt;
        sim_open(s, 4);
        tenant(&s->w, 1, "concurrency=max weight=1");
        tenant(&s->w, 2, "concurrency=max weight=10000");
        s->tenants[1].length_usec = s->tenants[2].length_usec = 5 * SEC;
        sim_backlog(s, 1, BACKLOG);
        sim_backlog(s, 2, BACKLOG);
        sim_run(s, 1000 * SEC);
        /* From now on both count the same: what tenant 1's few jobs cost by its weight stays. */
        tenant(&s->w, 1, "concurrency=max");
        tenant(&s->w, 2, "concurrency=max");
        switches(&s->w, 1, NULL, true, false);
        sim_run(s, 10 * SEC);
        switches(&s->w, 1, NULL, false, false);
        sim_settle(s);
        ck_assert_uint_le(tag_of(&s->w, 1),
                          tq_scheduler_pool(s->w.s, 0)->vtime + debt * 1000 +
                                  tq_scheduler_tenant(s->w.s, 1)->largest_advance);
        m = sim_marks(s);
        sim_run(s, 5000 * SEC);
        ck_assert_double_gt(sim_share(s, &m, 1, 2), 0.3);
}
END_TEST

/* A debt without bound is one. */
START_TEST(debt_without_bound) {
        WORLD w = world_new();

        w.host.max_jobs = 1;
        w.host.debt_usec = UINT64_MAX / 4;
        host(&w);
        tenant(&w, 1, "concurrency=max weight=1");
        tenant(&w, 2, "concurrency=max");
        open_world(&w);
        submit(&w, 2, 1);
        submit(&w, 1, 2); /* competes while tenant 2 runs */
        submit(&w, 2, 3);
        w.now += 10 * SEC;
        end(&w, 1, 0);
        w.now += 1000 * SEC;
        end(&w, 2, 0);
        expect(&w, "start 1, finish 1 (exit 0), start 2, finish 2 (exit 0), start 3");
        submit(&w, 1, 4);
        ck_assert_uint_ge(tag_of(&w, 1), 1000 * SEC * 100 * 1000);
}
END_TEST

static void fill(Suite *s) {
        TCase *debts = unit_case(s, "debt");

        tcase_add_test(debts, debt_is_capped);
        tcase_add_test(debts, debt_without_bound);
}

int main(void) {
        return unit_main("core/turn debt", fill);
}
