/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core_turn.h"

/* Who comes back has saved up nothing, be it that it was idle, slept or was kept out by its own
 * limit; and those who were ahead of the others meanwhile don't become its time. */

/* The first tenant hands in some long jobs, waits until all have ended, and does so again: while
 * it has none waiting its debt stays. The others keep short ones waiting. */
static const struct {
        uint64_t slots, jobs, others;
        const char *limits; /* of the others */
        double want;
} loop_rows[] = {
        { 1, 1, 1, "", 0.5 },
        { 2, 2, 1, "", 0.5 },
        { 2, 2, 2, "", 1 / 3.0 },
        { 4, 4, 4, "", 0.2 },
        { 4, 4, 2, "concurrency=2", 1 / 3.0 },
        { 4, 4, 2, "concurrency=max", 1 / 3.0 },
};

START_TEST(submits_and_waits) {
        uint32_t n = 1 + (uint32_t)loop_rows[_i].others;
        SIM *s = sim_new();
        Marks m;

        sim_open(s, loop_rows[_i].slots);
        for (uint32_t id = 1; id <= n; id++) {
                tenant(&s->w, id, id == 1 ? "concurrency=max" : loop_rows[_i].limits);
                s->tenants[id].length_usec = (id == 1 ? 200 : 2) * SEC;
                if (id > 1)
                        sim_backlog(s, id, 5);
        }
        m = sim_marks(s);
        for (int seconds = 0; seconds < 100000; seconds++) {
                const TqTenant *t = tq_scheduler_tenant(s->w.s, 1);

                for (uint64_t i = 0; t->running + t->waiting.jobs == 0 || i > 0; i++) {
                        if (i == loop_rows[_i].jobs)
                                break;
                        sim_submit(s, 1);
                }
                sim_run(s, SEC);
        }
        ck_assert_double_eq_tol(sim_share(s, &m, 1, n), loop_rows[_i].want, 0.03);
}
END_TEST

/* A tenant with a job that sleeps is not idle, and has saved up nothing for all that. */
START_TEST(sleeper_saves_nothing) {
        SIM *s = sim_new();
        Marks m;

        sim_open(s, 4);
        tenant(&s->w, 1, "concurrency=max");
        tenant(&s->w, 2, "concurrency=3");
        s->tenants[1].length_usec = 200000 * SEC;
        sim_submit(s, 1);
        s->tenants[2].length_usec = 10 * SEC;
        sim_backlog(s, 2, BACKLOG);
        sim_run(s, 43201 * SEC);
        s->tenants[1].length_usec = 10 * SEC;
        sim_backlog(s, 1, BACKLOG);
        m = sim_marks(s);
        sim_run(s, 200 * SEC);
        ck_assert_double_eq_tol(sim_share(s, &m, 2, 2), 0.5, 0.06);
        m = sim_marks(s);
        sim_run(s, 2000 * SEC);
        ck_assert_double_eq_tol(sim_share(s, &m, 2, 2), 0.5, 0.01);
}
END_TEST

/* Who was idle has saved nothing: it gets its share from now on, at once, and no more. */
START_TEST(idle_returns) {
        SIM *s = sim_new();
        Marks m;

        sim_open(s, 4);
        for (uint32_t id = 1; id <= 2; id++) {
                tenant(&s->w, id, "concurrency=max");
                s->tenants[id].length_usec = 4 * SEC;
                s->tenants[id].spread_usec = SEC;
        }
        sim_backlog(s, 2, BACKLOG);
        sim_run(s, 100 * SEC);
        s->tenants[2].backlog = 0;
        sim_backlog(s, 1, BACKLOG);
        sim_run(s, 100000 * SEC); /* a day alone */
        ck_assert_uint_eq(s->tenants[2].running, 0);
        m = sim_marks(s);
        sim_backlog(s, 2, BACKLOG);
        sim_run(s, 60 * SEC);
        ck_assert_double_eq_tol(sim_share(s, &m, 2, 2), 0.5, 0.07);
        ck_assert_uint_le(s->tenants[2].most_running, 4);
        m = sim_marks(s);
        sim_run(s, 1000 * SEC);
        ck_assert_double_eq_tol(sim_share(s, &m, 2, 2), 0.5, 0.01);
}
END_TEST

/* What a job used before others came is not held against its tenant, and what it uses since is:
 * nobody who comes finds the slots paid for in advance. */
START_TEST(long_job_alone) {
        SIM *s = sim_new();
        Marks m;

        sim_open(s, 3);
        tenant(&s->w, 1, "concurrency=max");
        tenant(&s->w, 2, "concurrency=max");
        s->tenants[1].length_usec = 40000 * SEC;
        sim_submit(s, 1);
        sim_run(s, 10000 * SEC);
        s->tenants[1].length_usec = s->tenants[2].length_usec = 10 * SEC;
        sim_backlog(s, 1, BACKLOG);
        sim_backlog(s, 2, BACKLOG);
        m = sim_marks(s);
        sim_run(s, 200 * SEC);
        ck_assert_double_eq_tol(sim_share(s, &m, 2, 2), 0.5, 0.05);
        m = sim_marks(s);
        sim_run(s, 2000 * SEC);
        ck_assert_double_eq_tol(sim_share(s, &m, 2, 2), 0.5, 0.01);
}
END_TEST

/* Nor has who did not want more than its own limit lets it have. */
START_TEST(own_limit_saves_nothing) {
        SIM *s = sim_new();
        Marks m;

        sim_open(s, 4);
        tenant(&s->w, 1, "concurrency=max");
        tenant(&s->w, 2, "concurrency=1");
        for (uint32_t id = 1; id <= 2; id++) {
                s->tenants[id].length_usec = 4 * SEC;
                s->tenants[id].spread_usec = SEC;
                sim_backlog(s, id, BACKLOG);
        }
        sim_run(s, 100 * SEC);
        m = sim_marks(s);
        sim_run(s, 20000 * SEC);
        ck_assert_double_eq_tol(sim_share(s, &m, 2, 2), 0.25, 0.005);
        tenant(&s->w, 2, "concurrency=max");
        m = sim_marks(s);
        sim_run(s, 100 * SEC);
        ck_assert_double_eq_tol(sim_share(s, &m, 2, 2), 0.5, 0.07);
}
END_TEST

/* Who uses its reservation is far ahead of the others' virtual time; that must not become the time
 * of those that come back. */
START_TEST(reservation_of_another) {
        SIM *s = sim_new();
        Marks m;

        sim_open(s, 4);
        tenant(&s->w, 1, "concurrency=max reserved=3");
        tenant(&s->w, 2, "concurrency=max");
        tenant(&s->w, 3, "concurrency=1");
        for (uint32_t id = 1; id <= 3; id++) {
                s->tenants[id].length_usec = 10 * SEC;
                s->tenants[id].spread_usec = SEC;
                sim_backlog(s, id, BACKLOG);
        }
        sim_run(s, 1000 * SEC);
        m = sim_marks(s);
        sim_run(s, 10000 * SEC);
        ck_assert_double_eq_tol(sim_share(s, &m, 1, 3), 0.75, 0.005);
        ck_assert_double_eq_tol(sim_share(s, &m, 2, 3), 0.125, 0.01);
        ck_assert_double_eq_tol(sim_share(s, &m, 3, 3), 0.125, 0.01);
}
END_TEST

/* The same with the lane: short jobs pass others there, whose time it is not. */
START_TEST(lane_of_another) {
        SIM *s = sim_new();
        Marks m;

        s->w.host.lane_slots = 2;
        s->w.host.lane_runtime_usec = 5 * SEC;
        sim_open(s, 4);
        tenant(&s->w, 1, "concurrency=max");
        tenant(&s->w, 2, "concurrency=max");
        tenant(&s->w, 3, "concurrency=1");
        s->tenants[1].length_usec = SEC;
        s->tenants[1].runtime_usec = 2 * SEC;
        s->tenants[2].length_usec = s->tenants[3].length_usec = 10 * SEC;
        sim_backlog(s, 1, BACKLOG);
        sim_backlog(s, 2, BACKLOG);
        sim_run(s, 1000 * SEC);
        sim_backlog(s, 3, BACKLOG);
        m = sim_marks(s);
        sim_run(s, 10000 * SEC);
        ck_assert_double_eq_tol(sim_share(s, &m, 2, 3), 0.25, 0.02);
        ck_assert_double_eq_tol(sim_share(s, &m, 3, 3), 0.25, 0.02);
}
END_TEST

/* And with memory: small jobs pass big ones. */
START_TEST(memory_of_another) {
        SIM *s = sim_new();
        Marks m;

        s->w.host.memory_bytes = 8 * MIB;
        sim_open(s, 8);
        tenant(&s->w, 1, "concurrency=max");
        tenant(&s->w, 2, "concurrency=max");
        tenant(&s->w, 3, "concurrency=1");
        s->tenants[1].length_usec = 3 * SEC;
        s->tenants[1].memory_bytes = MIB / 4;
        for (uint32_t id = 2; id <= 3; id++) {
                s->tenants[id].length_usec = 10 * SEC;
                s->tenants[id].memory_bytes = 6 * MIB;
        }
        sim_backlog(s, 1, BACKLOG);
        sim_backlog(s, 2, BACKLOG);
        sim_run(s, 1000 * SEC);
        sim_backlog(s, 3, BACKLOG);
        m = sim_marks(s);
        sim_run(s, 10000 * SEC);
        ck_assert_double_eq_tol(sim_share(s, &m, 2, 3), sim_share(s, &m, 3, 3), 0.01);
        ck_assert_double_ge(sim_share(s, &m, 3, 3), 0.05);
}
END_TEST

static void fill(Suite *s) {
        TCase *returns = unit_case(s, "returns");

        unit_add_rows(returns, submits_and_waits, loop_rows);
        tcase_add_test(returns, sleeper_saves_nothing);
        tcase_add_test(returns, idle_returns);
        tcase_add_test(returns, long_job_alone);
        tcase_add_test(returns, own_limit_saves_nothing);
        tcase_add_test(returns, reservation_of_another);
        tcase_add_test(returns, lane_of_another);
        tcase_add_test(returns, memory_of_another);
}

int main(void) {
        return unit_main("core/turn returns", fill);
}
