/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core_turn.h"

/* What each gets of the slots while all have jobs waiting: by weight, whatever the jobs' lengths
 * and the tenants' own limits are, and from when on a change counts. */

/* (Jain, Chiu, Hawe 1984) */
static double sim_jain(const Sim *s, const Marks *since, uint32_t n) {
        double sum = 0, squares = 0;

        for (uint32_t i = 1; i <= n; i++) {
                double x = sim_use(s, i) - since->use[i];

                sum += x;
                squares += x * x;
        }
        return sum * sum / (n * squares);
}

/* Two tenants with backlogs, of which the first wants so much. Ten jobs of the second one fit a
 * window; in a window it may be ahead by the jobs that it has under way. */
static const struct {
        const char *limits[2];
        uint64_t length[2], spread_percent, slots;
        double want, window;
} share_rows[] = {
        { { "weight=100", "weight=100" }, { 2, 200 }, 0, 4, 0.5, 0.03 },
        { { "weight=100", "weight=300" }, { 2, 200 }, 0, 4, 0.25, 0.03 },
        { { "weight=300", "weight=100" }, { 2, 200 }, 0, 4, 0.75, 0.03 },
        { { "weight=100", "weight=300" }, { 200, 2 }, 0, 4, 0.25, 0.03 },
        { { "weight=1", "weight=10000" }, { 10, 10 }, 0, 4, 1 / 10001.0, 0.001 },
        { { "weight=100", "weight=100" }, { 2, 200 }, 0, 1, 0.5, 0.001 },
        { { "weight=100", "weight=100" }, { 2, 200 }, 0, 5, 0.5, 0.03 },
        { { "weight=100", "weight=100" }, { 2, 200 }, 0, 16, 0.5, 0.06 },
        { { "weight=100", "weight=300" }, { 2, 200 }, 50, 4, 0.25, 0.06 },
        { { "weight=100", "weight=100" }, { 2, 200 }, 100, 4, 0.5, 0.09 },
        { { "weight=200", "weight=100" }, { 1, 1 }, 100, 3, 2 / 3.0, 0.06 },
};

START_TEST(shares) {
        uint64_t longer = TQ_MAX(share_rows[_i].length[0], share_rows[_i].length[1]) * SEC;
        SIM *s = sim_new();
        Marks start;

        sim_open(s, share_rows[_i].slots);
        for (uint32_t id = 1; id <= 2; id++) {
                SimTenant *t = &s->tenants[id];
                char text[64];

                (void)snprintf(text, sizeof(text), "concurrency=max %s",
                               share_rows[_i].limits[id - 1]);
                tenant(&s->w, id, text);
                t->length_usec = share_rows[_i].length[id - 1] * SEC;
                t->spread_usec = t->length_usec * share_rows[_i].spread_percent / 100;
                sim_backlog(s, id, BACKLOG);
        }
        sim_run(s, 10 * longer);
        start = sim_marks(s);
        for (int i = 0; i < 40; i++) {
                Marks m = sim_marks(s);

                sim_run(s, 10 * longer);
                ck_assert_double_eq_tol(sim_share(s, &m, 1, 2), share_rows[_i].want,
                                        share_rows[_i].window);
        }
        ck_assert_double_eq_tol(sim_share(s, &start, 1, 2), share_rows[_i].want, 0.003);
}
END_TEST

/* A hundred of equal weight whose jobs last from one second to ten minutes. */
static const char *const crowds[] = { "concurrency=max", "", "concurrency=2", "weight=7" };

START_TEST(crowd) {
        static const uint64_t lengths[] = { 1, 3, 10, 30, 100, 300 };
        SIM *s = sim_new();
        Marks m;

        sim_open(s, 16);
        for (uint32_t id = 1; id <= 100; id++) {
                tenant(&s->w, id, crowds[_i]);
                s->tenants[id].length_usec = lengths[id % TQ_ELEMENTSOF(lengths)] * SEC;
                s->tenants[id].spread_usec = s->tenants[id].length_usec;
                sim_backlog(s, id, 3);
        }
        sim_run(s, 1000 * SEC);
        m = sim_marks(s);
        sim_run(s, 60000 * SEC);
        ck_assert_double_ge(sim_jain(s, &m, 100), 0.99);
        for (uint32_t id = 1; id <= 100; id++)
                ck_assert_double_eq_tol(sim_share(s, &m, id, 100), 0.01, 0.001);
}
END_TEST

/* A tenant that runs one job at a time leaves the competition with each start and comes back with
 * each end: that neither costs nor gains anything. */
static const struct {
        const char *limits[3];
        uint64_t length[3], slots;
        double want[3];
} one_by_one_rows[] = {
        { { "", "" }, { 2, 200 }, 1, { 0.5, 0.5 } },
        { { "", "concurrency=max" }, { 2, 200 }, 1, { 0.5, 0.5 } },
        { { "concurrency=max", "" }, { 2, 200 }, 1, { 0.5, 0.5 } },
        { { "", "", "concurrency=max" }, { 2, 50, 10 }, 2, { 1 / 3.0, 1 / 3.0, 1 / 3.0 } },
        { { "weight=300", "" }, { 2, 200 }, 1, { 0.75, 0.25 } },
        { { "", "", "" }, { 1000, 1, 1 }, 2, { 1 / 3.0, 1 / 3.0, 1 / 3.0 } },
        { { "concurrency=2", "" }, { 300, 3 }, 2, { 0.5, 0.5 } },
        { { "concurrency=2", "weight=300" }, { 300, 1 }, 2, { 0.5, 0.5 } },
        { { "concurrency=4", "concurrency=3" }, { 300, 3 }, 4, { 0.5, 0.5 } },
        { { "concurrency=2", "concurrency=2" }, { 300, 3 }, 3, { 0.5, 0.5 } },
        { { "concurrency=2", "concurrency=2", "concurrency=2" },
          { 300, 30, 3 },
          5,
          { 1 / 3.0, 1 / 3.0, 1 / 3.0 } },
};

START_TEST(one_by_one) {
        uint32_t n = one_by_one_rows[_i].limits[2] ? 3 : 2;
        SIM *s = sim_new();
        Marks m;

        sim_open(s, one_by_one_rows[_i].slots);
        for (uint32_t id = 1; id <= n; id++) {
                tenant(&s->w, id, one_by_one_rows[_i].limits[id - 1]);
                s->tenants[id].length_usec = one_by_one_rows[_i].length[id - 1] * SEC;
                sim_backlog(s, id, 5);
        }
        sim_run(s, 2000 * SEC);
        m = sim_marks(s);
        sim_run(s, 100000 * SEC);
        for (uint32_t id = 1; id <= n; id++)
                ck_assert_double_eq_tol(sim_share(s, &m, id, n), one_by_one_rows[_i].want[id - 1],
                                        0.015);
}
END_TEST

/* What each should have of the slots: in proportion to the weights, but to nobody more than its
 * limit, and what that leaves again by weight (max-min fairness). */
static void fill_by_weight(const double *weight, const double *limit, uint32_t n, double slots,
                           double *ret) {
        bool is_full[SIM_TENANTS] = {};
        double left = slots, weights;

        for (bool again = true; again;) {
                weights = 0;
                again = false;
                for (uint32_t i = 0; i < n; i++)
                        weights += is_full[i] ? 0 : weight[i];
                for (uint32_t i = 0; i < n && !again; i++)
                        if (!is_full[i] && left * weight[i] / weights >= limit[i]) {
                                is_full[i] = again = true;
                                ret[i] = limit[i];
                                left -= limit[i];
                        }
        }
        for (uint32_t i = 0; i < n; i++)
                if (!is_full[i])
                        ret[i] = left * weight[i] / weights;
}

#define WORLDS 32

/* Any weights, any limits of their own, any lengths: over a day each gets what it should. */
START_TEST(any_world) {
        static const uint64_t lengths[] = { 1, 3, 10, 30, 100, 300, 1000 };
        static const unsigned weights[] = { 50, 100, 100, 200, 400 };
        uint64_t random = 0x9E3779B97F4A7C15 * (uint64_t)(_i + 1);
        uint64_t slots = 1 + unit_random(&random) % 8;
        uint32_t n = 2 + (uint32_t)(unit_random(&random) % 5);
        double weight[8], limit[8], want[8], all = 0;
        SIM *s = sim_new();
        Marks m;

        sim_open(s, slots);
        for (uint32_t i = 0; i < n; i++) {
                unsigned w = weights[unit_random(&random) % TQ_ELEMENTSOF(weights)];
                uint64_t most = 1 + unit_random(&random) % (slots + 1);
                char text[64];

                weight[i] = w;
                limit[i] = (double)TQ_MIN(most, slots);
                (void)snprintf(text, sizeof(text), "weight=%u concurrency=%ju", w, (uintmax_t)most);
                tenant(&s->w, i + 1, text);
                s->tenants[i + 1].length_usec =
                        lengths[unit_random(&random) % TQ_ELEMENTSOF(lengths)] * SEC;
                s->tenants[i + 1].spread_usec = s->tenants[i + 1].length_usec / 2 + 1;
                sim_backlog(s, i + 1, 12);
        }
        fill_by_weight(weight, limit, n, (double)slots, want);
        for (uint32_t i = 0; i < n; i++)
                all += want[i];
        sim_run(s, 5000 * SEC);
        m = sim_marks(s);
        sim_run(s, 100000 * SEC);
        for (uint32_t i = 0; i < n; i++)
                ck_assert_double_eq_tol(sim_share(s, &m, i + 1, n), want[i] / all, 0.02);
}
END_TEST

/* However many one tenant has waiting, another's first job starts when the next slot is free. */
START_TEST(flood) {
        const uint64_t slots = 8, length = 100 * SEC;
        SIM *s = sim_new();

        sim_open(s, slots);
        tenant(&s->w, 1, "concurrency=max");
        tenant(&s->w, 2, "concurrency=max");
        s->tenants[1].length_usec = length;
        s->tenants[2].length_usec = length;
        for (int i = 0; i < 100000; i++)
                sim_submit(s, 1);
        sim_run(s, 1000 * length + length / 2);
        ck_assert_uint_eq(s->tenants[1].running, slots);
        sim_submit(s, 2);
        sim_run(s, length);
        ck_assert_uint_eq(s->tenants[2].started, 1);
        ck_assert_uint_le(s->tenants[2].worst_wait, length);
        ck_assert_uint_eq(s->tenants[1].running, slots - 1);
}
END_TEST

/* With as many CPUs as slots, who sleeps and who burns one CPU hold as many slots; who burns two at
 * once holds half as many. */
static const struct {
        uint64_t cpu_permille, cpus;
        double want;
} burner_rows[] = {
        { 0, 4, 0.5 },    { 1000, 4, 0.5 },     { 500, 4, 0.5 },      { 2000, 4, 1 / 3.0 },
        { 1000, 8, 0.5 }, { 4000, 8, 1 / 3.0 }, { 1000, 2, 1 / 3.0 }, { 8000, TQ_LIMIT_MAX, 0.5 },
};

START_TEST(burner) {
        SIM *s = sim_new();
        Marks m;

        s->w.host.cpus = burner_rows[_i].cpus;
        sim_open(s, 4);
        for (uint32_t id = 1; id <= 2; id++) {
                tenant(&s->w, id, "concurrency=max");
                s->tenants[id].length_usec = 20 * SEC;
                s->tenants[id].spread_usec = 5 * SEC;
                s->tenants[id].cpu_permille = id == 2 ? burner_rows[_i].cpu_permille : 0;
                sim_backlog(s, id, BACKLOG);
        }
        sim_run(s, 500 * SEC);
        m = sim_marks(s);
        sim_run(s, 20000 * SEC);
        ck_assert_double_eq_tol(sim_share(s, &m, 2, 2), burner_rows[_i].want, 0.01);
}
END_TEST

/* What a job has used so far was charged by what held then: a new weight, more slots or another
 * pool don't price ten hours anew. */
static const struct {
        const char *before, *after;
        uint64_t slots;
        bool moves;
        double want; /* of the tenant that changes, in the hour after it */
} reprice_rows[] = {
        { "concurrency=max", "concurrency=max weight=200", 4, false, 2 / 3.0 },
        { "concurrency=max weight=1", "concurrency=max", 4, false, 0.5 },
        { "concurrency=max weight=200", "concurrency=max", 4, false, 0.5 },
        { "concurrency=max", "concurrency=max", 8, false, 0.5 },
        { "concurrency=max", "concurrency=max", 4, true, 0.5 },
};

START_TEST(nothing_is_priced_anew) {
        SIM *s = sim_new();
        Marks m;

        pool(&s->w, "x", "2");
        sim_open(s, 6);
        tenant_with(&s->w, 1, reprice_rows[_i].before, reprice_rows[_i].moves ? "x" : NULL, NULL,
                    0);
        tenant(&s->w, 2, "concurrency=max");
        s->tenants[1].length_usec = 38000 * SEC;
        s->tenants[2].length_usec = 10 * SEC;
        sim_submit(s, 1);
        sim_submit(s, 1);
        s->tenants[1].length_usec = 10 * SEC;
        sim_settle(s);
        sim_backlog(s, 2, BACKLOG);
        sim_backlog(s, 1, BACKLOG);
        sim_run(s, 36000 * SEC);
        if (reprice_rows[_i].slots != 4) {
                s->w.host.max_jobs = 2 + reprice_rows[_i].slots;
                host(&s->w);
        }
        tenant(&s->w, 1, reprice_rows[_i].after);
        sim_run(s, 10 * SEC);
        m = sim_marks(s);
        sim_run(s, 3600 * SEC);
        ck_assert_double_eq_tol(sim_share(s, &m, 1, 2), reprice_rows[_i].want, 0.03);
}
END_TEST

/* A new weight counts from now on. */
START_TEST(weight_changes) {
        SIM *s = sim_new();
        Marks m;

        sim_open(s, 4);
        for (uint32_t id = 1; id <= 2; id++) {
                tenant(&s->w, id, "concurrency=max");
                s->tenants[id].length_usec = 5 * SEC;
                sim_backlog(s, id, BACKLOG);
        }
        sim_run(s, 5000 * SEC);
        tenant(&s->w, 2, "concurrency=max weight=300");
        m = sim_marks(s);
        sim_run(s, 1000 * SEC);
        ck_assert_double_eq_tol(sim_share(s, &m, 2, 2), 0.75, 0.01);
        tenant(&s->w, 1, "concurrency=max weight=900");
        m = sim_marks(s);
        sim_run(s, 1000 * SEC);
        ck_assert_double_eq_tol(sim_share(s, &m, 1, 2), 0.75, 0.01);
}
END_TEST

static void fill(Suite *s) {
        TCase *of_two = unit_case(s, "shares");

        unit_add_rows(of_two, shares, share_rows);
        unit_add_rows(of_two, crowd, crowds);
        unit_add_rows(of_two, one_by_one, one_by_one_rows);
        tcase_add_test(of_two, flood);
        unit_add_rows(of_two, burner, burner_rows);
        tcase_add_test(of_two, weight_changes);
        unit_add_rows(of_two, nothing_is_priced_anew, reprice_rows);
        tcase_add_loop_test(of_two, any_world, 0, WORLDS);
}

int main(void) {
        return unit_main("core/turn shares", fill);
}
