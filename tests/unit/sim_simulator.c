/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim/simulator.h"

#include <math.h>
#include <stdio.h>

#include "unit.h"

typedef struct Run {
        TqWorkload w;
        TqSimReport report;
} Run;

static void run_done(Run *r) {
        tq_workload_done(&r->w);
        tq_sim_report_done(&r->report);
}

#define RUN TQ_CLEANUP(run_done) Run

static void read_workload(Run *r, const char *text) {
        TqError err = {};

        tq_workload_init(&r->w);
        ck_assert_msg(tq_workload_parse(&r->w, text, strlen(text), true, 1, &err) == 0,
                      "line %u: %s: %s", err.line, err.key, err.text);
}

static Run run(const char *text, TqPolicy policy) {
        TqError err = {};
        Run r = {};

        read_workload(&r, text);
        ck_assert_msg(tq_sim_run(&r.w, policy, &r.report, &err) == 0, "%s", err.text);
        ck_assert_uint_eq(r.report.n_tenants, r.w.n_tenants);
        ck_assert_uint_eq(r.report.jobs, r.w.n_jobs);
        return r;
}

/* Seconds to a microsecond, or parts to a millionth. */
static void expect_near(double got, double want) {
        ck_assert_double_le(fabs(got - want), 1e-6 * fmax(1, fabs(want)));
}

static void expect_within(double got, double want, double part) {
        ck_assert_msg(fabs(got - want) <= part * want, "%f, expected %f", got, want);
}

static void expect_waits(const TqSimResult *t, uint64_t started, double p50, double p95,
                         double p99) {
        ck_assert_uint_eq(t->started, started);
        expect_near(t->wait_p50_s, p50);
        expect_near(t->wait_p95_s, p95);
        expect_near(t->wait_p99_s, p99);
}

/* By hand ------------------------------------------------------------------------------------- */

/* One slot, a's jobs at 0 and 1 for 4 s each, b's at 1 and 2 for 2 s, c's at 20 for half a second:
 * a 0-4, a 4-8, b 8-10, b 10-12, c 20-20.5. */
#define FIVE                                                                                       \
        "[scheduler]\nmax_jobs=1\n"                                                                \
        "[tenant a]\njobs=1\nlength=4s\n[tenant a]\njobs=1\nlength=4s\nstart=1s\n"                 \
        "[tenant b]\njobs=1\nlength=2s\nstart=1s\n[tenant b]\njobs=1\nlength=2s\nstart=2s\n"       \
        "[tenant c]\njobs=1\nlength=500ms\nstart=20s\n"

START_TEST(fifo) {
        RUN r = run(FIVE, TQ_POLICY_FIFO);
        const TqSimResult *t = r.report.tenants;

        for (uint32_t i = 0; i < 3; i++) {
                ck_assert_uint_eq(t[i].tenant, i);
                ck_assert_uint_eq(t[i].jobs, i < 2 ? 2 : 1);
                ck_assert_uint_eq(t[i].refused, 0);
        }
        expect_waits(&t[0], 2, 0, 3, 3);
        expect_waits(&t[1], 2, 7, 8, 8);
        expect_waits(&t[2], 1, 0, 0, 0);
        expect_near(t[0].slowdown_mean, (1 + 7.0 / 4) / 2);
        expect_near(t[0].slowdown_p99, 7.0 / 4);
        expect_near(t[1].slowdown_mean, (4.5 + 5) / 2);
        expect_near(t[1].slowdown_p99, 5);
        expect_near(t[2].slowdown_mean, 1); /* (0 + 1) / 1: a run counts as a second at least */
        expect_near(r.report.makespan_s, 20.5);
        expect_near(r.report.idle_while_eligible_s, 0);
        ck_assert_uint_eq(r.report.decisions, 5);
        ck_assert_double_gt(r.report.decision_ns_median, 0);
}
END_TEST

/* The same jobs: b comes first once a has had its turn. */
START_TEST(round_robin_and_fair) {
        static const TqPolicy policies[] = { TQ_POLICY_ROUND_ROBIN, TQ_POLICY_FAIR };

        for (size_t i = 0; i < TQ_ELEMENTSOF(policies); i++) {
                RUN r = run(FIVE, policies[i]);

                /* a 0-4, b 4-6, then either. */
                ck_assert_double_ge(r.report.tenants[1].wait_p50_s, 3 - 1e-6);
                ck_assert_double_le(r.report.tenants[1].wait_p50_s, 4 + 1e-6);
                expect_near(r.report.makespan_s, 20.5);
                expect_near(r.report.idle_while_eligible_s, 0);
                ck_assert_uint_eq(r.report.decisions, 5);
        }
}
END_TEST

/* A hundred jobs of 1 s at once: waits of 0 … 99 s, and the nearest rank of them. */
START_TEST(percentiles) {
        RUN r = run("[scheduler]\nmax_jobs=1\n[tenant a]\njobs=100\n", TQ_POLICY_FIFO);
        const TqSimResult *t = &r.report.tenants[0];

        expect_waits(t, 100, 49, 94, 98);
        expect_near(t->slowdown_mean, 50.5);
        expect_near(t->slowdown_p99, 99);
        expect_near(r.report.makespan_s, 100);
        expect_near(t->use, 100); /* nobody competed: of all the time */
        expect_near(t->share, 1);
        expect_near(t->entitlement, 1);
        expect_near(t->fairness, -1);
        expect_near(r.report.jain, 1);
        expect_near(r.report.jain_weighted, 1);
        ck_assert_uint_eq(r.report.share_error_tenant, TQ_SIM_NOBODY);
}
END_TEST

START_TEST(makespan_from_the_first_submission) {
        RUN r = run("[scheduler]\nmax_jobs=1\n[tenant a]\njobs=2\nstart=1h\nlength=3s\n",
                    TQ_POLICY_FAIR);

        expect_near(r.report.makespan_s, 6);
}
END_TEST

START_TEST(nothing) {
        RUN r = run("[tenant a]\n", TQ_POLICY_FAIR);
        RUN none = run("", TQ_POLICY_FAIR);

        expect_waits(&r.report.tenants[0], 0, 0, 0, 0);
        expect_near(r.report.tenants[0].slowdown_mean, 0);
        expect_near(r.report.tenants[0].share, 0);
        expect_near(r.report.makespan_s, 0);
        expect_near(r.report.jain, 1);
        expect_near(r.report.jain_weighted, 1);
        expect_near(r.report.share_error_max, 0);
        ck_assert_uint_eq(r.report.share_error_tenant, TQ_SIM_NOBODY);
        ck_assert_uint_eq(r.report.decisions, 0);
        ck_assert_uint_eq(none.report.n_tenants, 0);
}
END_TEST

/* Shares -------------------------------------------------------------------------------------- */

static void expect_share(const Run *r, size_t i, double want, double part) {
        const TqSimResult *t = &r->report.tenants[i];

        expect_within(t->share, want, part);
        expect_within(t->entitlement, want, part);
        expect_within(t->fairness, 1, part);
}

START_TEST(short_against_long) {
        RUN r = run("[scheduler]\nmax_jobs=4\n[tenant short]\njobs=10000\nlength=2s\n"
                    "[tenant long]\njobs=100\nlength=200s\n",
                    TQ_POLICY_FAIR);

        expect_share(&r, 0, 0.5, 0.01);
        expect_share(&r, 1, 0.5, 0.01);
        ck_assert_double_ge(r.report.jain, 0.9999);
        expect_near(r.report.idle_while_eligible_s, 0);
        ck_assert_uint_eq(r.report.decisions, 10100);
}
END_TEST

/* Taking turns job by job gives nearly all to the long ones. */
START_TEST(short_against_long_round_robin) {
        RUN r = run("[scheduler]\nmax_jobs=4\n[tenant short]\njobs=10000\nlength=2s\n"
                    "[tenant long]\njobs=100\nlength=200s\n",
                    TQ_POLICY_ROUND_ROBIN);

        ck_assert_double_le(r.report.tenants[0].share, 0.1);
        ck_assert_double_le(r.report.tenants[0].fairness, 0.2);
        ck_assert_double_le(r.report.jain, 0.7);
}
END_TEST

/* One slot, jobs of 1 s, by turns: a at 0, 2 … 10, b at 1, 3 … 9; c comes at 10.5 and has the next
 * turn, at 11. Then b at 12, 14 … 40, a at 13, 15 … 39. Two or more compete from 0 to 39. Meanwhile
 * each of a and b has had 6 + 13 = 5 + 14 = 19 s of what those who compete used together: 10.5 s
 * for two, half a second for three, nothing while c ran, 27 s for two. So a and b were entitled
 * to 5.25
 * + 1/6 + 13.5 = 227/12, and c to 1/6 of which it had nothing. */
START_TEST(a_moment) {
        RUN r = run("[scheduler]\nmax_jobs=1\n[tenant a]\njobs=20\n[tenant b]\njobs=20\n"
                    "[tenant c]\njobs=1\nstart=10500ms\n",
                    TQ_POLICY_ROUND_ROBIN);

        expect_near(r.report.tenants[0].fairness, 228.0 / 227);
        expect_near(r.report.tenants[1].fairness, 228.0 / 227);
        expect_near(r.report.tenants[2].fairness, 0);
        expect_near(r.report.tenants[2].wait_p50_s, 0.5);
        expect_near(r.report.jain, 4.0 / 6); /* (2 x)² / (3 · 2 x²) */
        /* (19 + 19)² / ((2 · 227/12 + 1/6) · 2 · 19² / (227/12)) = 38 / (2 · 361 · 12 / 227) */
        expect_near(r.report.jain_weighted, 38.0 * 227 / (2 * 361 * 12));
        /* c competed for half a second, and its job takes one. */
        expect_near(r.report.share_error_max, 1.0 / 227);
        ck_assert_uint_le(r.report.share_error_tenant, 1);
}
END_TEST

/* One slot, the oldest job first: all of a's jobs of 2 s, while b, which weighs three times as
 * much, has to wait with one of 1 s. They compete until the last of a's starts. */
static const struct {
        int jobs;
        uint32_t tenant;
        double error;
} error_rows[] = {
        { 5, TQ_SIM_NOBODY, 0 }, /* for 8 s: neither for ten lengths */
        { 6, 1, 1 },             /* for 10 s: b, which had nothing */
        { 10, 1, 1 },            /* for 18 s */
        { 11, 0, 3 },            /* for 20 s: a too, which had 20 s of 20 and not 5 */
};

START_TEST(share_errors) {
        double seconds = 2.0 * (error_rows[_i].jobs - 1);
        char text[128];

        (void)snprintf(text, sizeof(text),
                       "[scheduler]\nmax_jobs=1\n[tenant a]\njobs=%d\nlength=2s\n"
                       "[tenant b]\nweight=300\njobs=1\n",
                       error_rows[_i].jobs);
        {
                RUN r = run(text, TQ_POLICY_FIFO);

                expect_near(r.report.makespan_s, seconds + 3);
                expect_near(r.report.tenants[0].fairness, 4);
                expect_near(r.report.tenants[1].fairness, 0);
                ck_assert_uint_eq(r.report.share_error_tenant, error_rows[_i].tenant);
                expect_near(r.report.share_error_max, error_rows[_i].error);
                expect_near(r.report.jain, 0.5);
                /* s² / (s · s² / (s / 4)): who had all was entitled to a quarter. */
                expect_near(r.report.jain_weighted, 0.25);
        }
}
END_TEST

/* A job that is stopped is as long as it ran: 10 s of waiting are ten lengths of the bound of 1 s,
 * and not of the 100 s that it asked for. */
START_TEST(share_error_of_stopped_jobs) {
        RUN r = run("[scheduler]\nmax_jobs=1\n[tenant a]\njobs=6\nlength=2s\n"
                    "[tenant b]\njobs=1\nlength=100s\nbound=1s\n",
                    TQ_POLICY_FIFO);

        expect_near(r.report.makespan_s, 13);
        ck_assert_uint_eq(r.report.share_error_tenant, 1);
        expect_near(r.report.share_error_max, 1);
}
END_TEST

START_TEST(weights) {
        RUN r = run("[scheduler]\nmax_jobs=4\n[tenant one]\njobs=4000\nlength=5s\nweight=100\n"
                    "[tenant three]\njobs=4000\nlength=5s\nweight=300\n",
                    TQ_POLICY_FAIR);

        expect_share(&r, 0, 0.25, 0.01);
        expect_share(&r, 1, 0.75, 0.01);
        ck_assert_double_ge(r.report.jain, 0.9999);
        expect_near(r.report.idle_while_eligible_s, 0);
}
END_TEST

START_TEST(fifty_tenants) {
        TQ_BUFFER_CLEANUP TqBuffer text = {};

        tq_buffer_printf(&text, "[scheduler]\nmax_jobs=16\n");
        for (int i = 0; i < 50; i++)
                tq_buffer_printf(&text, "[tenant t%d]\njobs=%d\nlength=%s\n", i, i % 2 ? 400 : 100,
                                 i % 2 ? "exponential 5s" : "uniform 10s 30s");
        {
                RUN r = run(tq_buffer_string(&text), TQ_POLICY_FAIR);

                ck_assert_double_ge(r.report.jain, 0.99);
                expect_near(r.report.idle_while_eligible_s, 0);
                ck_assert_uint_eq(r.report.decisions, 12500);
        }
}
END_TEST

/* Two cores for a slot are twice its use. */
START_TEST(cores) {
        RUN r = run("[scheduler]\nmax_jobs=4\n[tenant a]\njobs=2000\ncores=2\n"
                    "[tenant b]\njobs=2000\n",
                    TQ_POLICY_FAIR);

        expect_within(r.report.tenants[0].share, 0.5, 0.02);
        ck_assert_double_gt(r.report.tenants[0].wait_p50_s, r.report.tenants[1].wait_p50_s);
}
END_TEST

START_TEST(repeatable) {
        static const char text[] = "[scheduler]\nmax_jobs=3\n"
                                   "[tenant a]\njobs=300\nlength=pareto 1s 1.2\nrate=1/s\n"
                                   "[tenant b]\njobs=300\nlength=exponential 3s\nrate=1/s\n";

        for (int i = 0; i < _TQ_POLICY_MAX; i++) {
                RUN a = run(text, (TqPolicy)i);
                RUN b = run(text, (TqPolicy)i);

                ck_assert_mem_eq(a.report.tenants, b.report.tenants, 2 * sizeof(TqSimResult));
                ck_assert(a.report.makespan_s == b.report.makespan_s);
                ck_assert(a.report.jain == b.report.jain);
                ck_assert(a.report.jain_weighted == b.report.jain_weighted);
                ck_assert(a.report.share_error_max == b.report.share_error_max);
                expect_near(a.report.idle_while_eligible_s, 0);
        }
}
END_TEST

/* Limits -------------------------------------------------------------------------------------- */

/* One runs and two wait; the others are refused. */
START_TEST(queue_depth) {
        RUN r = run("[scheduler]\nmax_jobs=1\n[tenant a]\nqueue_depth=2\njobs=1\n"
                    "[tenant a]\njobs=9\nstart=500ms\n[tenant b]\njobs=1\nstart=5s\n",
                    TQ_POLICY_FAIR);

        ck_assert_uint_eq(r.report.tenants[0].jobs, 10);
        ck_assert_uint_eq(r.report.tenants[0].refused, 7);
        expect_waits(&r.report.tenants[0], 3, 0.5, 1.5, 1.5);
        ck_assert_uint_eq(r.report.tenants[1].refused, 0);
        expect_waits(&r.report.tenants[1], 1, 0, 0, 0);
        expect_near(r.report.makespan_s, 6);
}
END_TEST

START_TEST(queue_depth_of_a_queue) {
        RUN r = run("[scheduler]\nmax_jobs=1\n[tenant a]\njobs=4\nqueue=etl\nlength=1s\n"
                    "[tenant a]\njobs=4\n[queue a/etl]\nqueue_depth=0\n",
                    TQ_POLICY_FAIR);

        ck_assert_uint_eq(r.report.tenants[0].refused, 4);
        ck_assert_uint_eq(r.report.tenants[0].started, 4);
}
END_TEST

/* A tenant is not bound to one job at a time unless it says so; what a limit keeps waiting is not
 * eligible, so the idle slots are nobody's fault. */
START_TEST(concurrency) {
        RUN r = run("[scheduler]\nmax_jobs=4\n[tenant a]\njobs=4\n", TQ_POLICY_FAIR);
        RUN two =
                run("[scheduler]\nmax_jobs=4\n[tenant a]\njobs=4\nconcurrency=2\n", TQ_POLICY_FAIR);
        RUN queue = run("[scheduler]\nmax_jobs=4\n[tenant a]\njobs=4\n"
                        "[queue a/default]\nconcurrency=1\n",
                        TQ_POLICY_FAIR);

        expect_near(r.report.makespan_s, 1);
        expect_near(two.report.makespan_s, 2);
        expect_near(two.report.idle_while_eligible_s, 0);
        expect_near(queue.report.makespan_s, 4);
        expect_near(queue.report.idle_while_eligible_s, 0);
}
END_TEST

/* The job's own bound, and the tenant's; a job that ends before is left alone. */
START_TEST(bounds) {
        static const struct {
                const char *keys;
                double makespan_s;
        } rows[] = {
                { "length=10s\n", 20 },
                { "length=10s\nbound=3s\n", 6 },
                { "length=10s\nruntime=2s\n", 4 },
                { "length=10s\nbound=3s\nruntime=2s\n", 4 },
                { "length=10s\nbound=1s\nruntime=2s\n", 2 },
                { "length=10s\nbound=11s\n", 20 },
        };

        for (size_t i = 0; i < TQ_ELEMENTSOF(rows); i++) {
                char text[128];

                (void)snprintf(text, sizeof(text),
                               "[scheduler]\nmax_jobs=1\n[tenant a]\njobs=2\n%s", rows[i].keys);
                {
                        RUN r = run(text, TQ_POLICY_FAIR);

                        expect_near(r.report.makespan_s, rows[i].makespan_s);
                        expect_waits(&r.report.tenants[0], 2, 0, rows[i].makespan_s / 2,
                                     rows[i].makespan_s / 2);
                }
        }
}
END_TEST

START_TEST(priorities) {
        RUN r = run("[scheduler]\nmax_jobs=1\n[tenant a]\njobs=1\n"
                    "[tenant a]\njobs=1\nlength=10s\nstart=100ms\npriority=-5\n"
                    "[tenant a]\njobs=1\nlength=2s\nstart=200ms\npriority=5\n",
                    TQ_POLICY_FAIR);

        /* 0-1, 1-3, 3-13 */
        expect_waits(&r.report.tenants[0], 3, 0.8, 2.9, 2.9);
        expect_near(r.report.makespan_s, 13);
}
END_TEST

START_TEST(memory) {
        RUN r = run("[scheduler]\nmax_jobs=4\nmemory=4G\n[tenant a]\njobs=4\njob_memory=2G\n",
                    TQ_POLICY_FAIR);

        expect_near(r.report.makespan_s, 2);
        expect_near(r.report.idle_while_eligible_s, 0);
}
END_TEST

/* Pools --------------------------------------------------------------------------------------- */

/* Three of four slots are the pool's, whatever else waits. */
START_TEST(pools) {
        RUN r = run("[scheduler]\nmax_jobs=4\n[pool fast]\nslots=3\n"
                    "[tenant a]\njobs=30\n[tenant b]\njobs=30\npool=fast\n"
                    "[tenant c]\njobs=10\npool=shared\n",
                    TQ_POLICY_FAIR);

        expect_near(r.report.makespan_s, 40);
        expect_waits(&r.report.tenants[1], 30, 4, 9, 9);
        expect_near(r.report.idle_while_eligible_s, 0);
        expect_near(r.report.tenants[1].fairness, -1); /* alone in its pool */
        /* a and c compete for the one slot while both wait. */
        expect_within(r.report.tenants[2].fairness, 1, 0.1);
        expect_within(r.report.tenants[0].fairness, 1, 0.1);
}
END_TEST

/* Two of four slots come first, however little the tenant weighs. */
START_TEST(reserved) {
#define TWO                                                                                        \
        "[scheduler]\nmax_jobs=4\n[tenant a]\nweight=10000\njobs=400\nlength=10s\n"                \
        "[tenant b]\nweight=1\njobs=100\nlength=10s\n"
        RUN r = run(TWO "reserved=50%\n", TQ_POLICY_FAIR);
        RUN none = run(TWO, TQ_POLICY_FAIR);

        expect_near(r.report.tenants[0].share, 0.5);
        expect_near(r.report.tenants[1].wait_p99_s, 490); /* two at a time: 98 are before it */
        expect_near(r.report.idle_while_eligible_s, 0);
        ck_assert_double_ge(none.report.tenants[0].share, 0.98);
        ck_assert_double_ge(none.report.tenants[1].wait_p50_s, 900);
}
END_TEST

static const struct {
        const char *text, *error;
} bad_rows[] = {
        { "[tenant a]\njobs=1\npool=none\n", "tenant a: there is no pool \"none\"" },
        { "[pool p]\nslots=1\n[tenant a]\npool=P\n", "tenant a: there is no pool \"P\"" },
        { "[scheduler]\nmax_jobs=4\n[tenant a]\nreserved=5\n",
          "tenant a: reserved: only 4 slots are left to reserve" },
        { "[scheduler]\nmax_jobs=4\n[tenant a]\nreserved=3\n[tenant b]\nreserved=50%\njobs=1\n",
          "tenant b: reserved: only 1 slots are left to reserve" },
        { "[scheduler]\nmax_jobs=4\n[pool p]\nslots=2\n[tenant a]\nreserved=3\npool=p\n",
          "tenant a: reserved: only 2 slots are left to reserve" },
        { "[scheduler]\nmax_jobs=4\n[pool p]\nslots=2\n[tenant a]\nreserved=3\n",
          "tenant a: reserved: only 2 slots are left to reserve" },
};

START_TEST(bad) {
        TqError err = {};
        RUN r = {};

        read_workload(&r, bad_rows[_i].text);
        ck_assert_int_eq(tq_sim_run(&r.w, TQ_POLICY_FAIR, &r.report, &err), -EBADMSG);
        ck_assert_str_eq(err.text, bad_rows[_i].error);
        ck_assert_ptr_null(r.report.tenants);
}
END_TEST

static void fill(Suite *s) {
        TCase *by_hand = unit_case(s, "by hand"), *shares = unit_case(s, "shares"),
              *limits = unit_case(s, "limits"), *pool_case = unit_case(s, "pools");

        tcase_add_test(by_hand, fifo);
        tcase_add_test(by_hand, round_robin_and_fair);
        tcase_add_test(by_hand, percentiles);
        tcase_add_test(by_hand, makespan_from_the_first_submission);
        tcase_add_test(by_hand, nothing);
        tcase_add_test(shares, short_against_long);
        tcase_add_test(shares, short_against_long_round_robin);
        tcase_add_test(shares, a_moment);
        unit_add_rows(shares, share_errors, error_rows);
        tcase_add_test(shares, share_error_of_stopped_jobs);
        tcase_add_test(shares, weights);
        tcase_add_test(shares, fifty_tenants);
        tcase_add_test(shares, cores);
        tcase_add_test(shares, repeatable);
        tcase_add_test(limits, queue_depth);
        tcase_add_test(limits, queue_depth_of_a_queue);
        tcase_add_test(limits, concurrency);
        tcase_add_test(limits, bounds);
        tcase_add_test(limits, priorities);
        tcase_add_test(limits, memory);
        tcase_add_test(pool_case, pools);
        tcase_add_test(pool_case, reserved);
        unit_add_rows(pool_case, bad, bad_rows);
}

int main(void) {
        return unit_main("sim/simulator", fill);
}
