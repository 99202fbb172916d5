/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>
#include <stdio.h>

#include "sim_workload.h"

/* What is drawn at random: lengths and arrivals, by the seed and by nothing else. */

/* The lengths of 10000 jobs: least, most, mean and median, in seconds, within a part. */
static const struct {
        const char *length;
        double least, most, mean, median, within;
} length_rows[] = {
        { "30s", 30, 30, 30, 30, 0 },
        { "1min 30s", 90, 90, 90, 90, 0 },
        { "fixed 30s", 30, 30, 30, 30, 0 },
        { "fixed 500ms", 0.5, 0.5, 0.5, 0.5, 0 },
        { "uniform 10s 60s", 10, 60, 35, 35, 0.02 },
        { "uniform 60s 10s", 10, 60, 35, 35, 0.02 },
        { "uniform 10s 10s", 10, 10, 10, 10, 0 },
        { "exponential 30s", 1e-6, 1e9, 30, 20.79, 0.05 },   /* median: mean × ln 2 */
        { "lognormal 30s 0.5", 1e-6, 1e9, 33.99, 30, 0.05 }, /* mean: × exp(σ²/2) */
        { "lognormal 30s 0.000001", 29.99, 30.01, 30, 30, 0.001 },
        { "pareto 10s 3", 10, 1e9, 15, 12.6, 0.05 },  /* mean: α/(α − 1), median: 2^(1/α) */
        { "pareto 10s 0.001", 10, 1e9, 5e8, 1e9, 1 }, /* cut at thirty years */
        { "lognormal 30s 1000000", 9e-7, 1e9, 5e8, 5e8, 1 },
};

static int by_length(const void *a, const void *b) {
        const TqSimJob *x = a, *y = b;

        return (x->run_usec > y->run_usec) - (x->run_usec < y->run_usec);
}

START_TEST(lengths) {
        double within = length_rows[_i].within, sum = 0;
        WORKLOAD w = workload_new();
        char text[128];

        (void)snprintf(text, sizeof(text), "[tenant a]\njobs=10000\nlength=%s\n",
                       length_rows[_i].length);
        parse_seeded(&w, text, 42);
        ck_assert_uint_eq(w.n_jobs, 10000);
        for (size_t i = 0; i < w.n_jobs; i++) {
                const TqSimJob *j = &w.jobs[i];
                double seconds = (double)j->run_usec / 1e6;

                unit_must(seconds >= length_rows[_i].least && seconds <= length_rows[_i].most,
                          "%f s", seconds);
                unit_must(j->cpu_usec == j->run_usec, "job %zu keeps its core busy", i);
                sum += seconds;
        }
        ck_assert_double_le(fabs(sum / 1e4 - length_rows[_i].mean),
                            within * length_rows[_i].mean + 1e-6);
        qsort(w.jobs, w.n_jobs, sizeof(*w.jobs), by_length);
        ck_assert_double_le(fabs((double)w.jobs[5000].run_usec / 1e6 - length_rows[_i].median),
                            within * length_rows[_i].median + 1e-6);
}
END_TEST

/* Bursts come together, and as often as the rate says on average. */
static const struct {
        const char *rate;
        double apart_s;
} rate_rows[] = {
        { "10/s", 0.1 },
        { "100/min", 0.6 },
        { "5/h", 720 },
        { "1/s", 1 },
};

START_TEST(arrivals) {
        WORKLOAD w = workload_new();
        double squares = 0, mean;
        char text[128];

        (void)snprintf(text, sizeof(text), "[tenant a]\njobs=12000\nburst=3\nstart=5s\nrate=%s\n",
                       rate_rows[_i].rate);
        parse(&w, text);
        ck_assert_uint_eq(w.n_jobs, 12000);
        ck_assert_uint_eq(w.jobs[0].submit_usec, 5 * SEC);
        for (size_t i = 0; i < w.n_jobs; i++) {
                uint64_t gap = i == 0 ? 0 : w.jobs[i].submit_usec - w.jobs[i - 1].submit_usec;
                bool is_first = i % 3 == 0;

                unit_must(is_first || gap == 0, "job %zu comes apart from its burst", i);
                squares += (double)gap / 1e6 * (double)gap / 1e6;
        }
        mean = (double)(w.jobs[11999].submit_usec - 5 * SEC) / 1e6 / 3999;
        ck_assert_double_le(fabs(mean - rate_rows[_i].apart_s), 0.05 * rate_rows[_i].apart_s);
        /* Exponential: the mean square is twice the square of the mean. */
        ck_assert_double_le(fabs(squares / 3999 / (2 * mean * mean) - 1), 0.1);
}
END_TEST

static void expect_same(const TqWorkload *a, const TqWorkload *b, bool same) {
        bool is_same = a->n_jobs == b->n_jobs;

        for (size_t i = 0; is_same && i < a->n_jobs; i++)
                is_same = a->jobs[i].submit_usec == b->jobs[i].submit_usec &&
                          a->jobs[i].run_usec == b->jobs[i].run_usec;
        ck_assert_msg(is_same == same, "they are%s the same", same ? " not" : "");
}

#define STREAM "jobs=50\nlength=exponential 30s\nrate=1/s\n"

START_TEST(seeds) {
        WORKLOAD a = workload_new(), b = workload_new(), c = workload_new(), d = workload_new();
        WORKLOAD e = workload_new();
        static const char text[] = "[tenant a]\n" STREAM "[tenant b]\n" STREAM;

        parse_seeded(&a, text, 7);
        parse_seeded(&b, text, 7);
        parse_seeded(&c, text, 8);
        parse_seeded(&d, text, 0);
        parse_seeded(&e,
                     "[scheduler]\nmax_jobs=2\n[tenant z]\nweight=9\n" STREAM "[tenant b]\n" STREAM
                     "concurrency=2\n",
                     7);
        expect_same(&a, &b, true);
        expect_same(&a, &c, false);
        expect_same(&a, &d, false);
        expect_same(&a, &e, true); /* neither limits nor names change what is drawn */
}
END_TEST

/* A change of one stream does not change the other's jobs. */
START_TEST(streams_are_independent) {
        WORKLOAD a = workload_new(), b = workload_new();
        size_t i = 0, k = 0, n = 0;

        parse(&a, "[tenant a]\n" STREAM "[tenant b]\n" STREAM);
        parse(&b, "[tenant a]\njobs=9\nlength=pareto 1s 2\n[tenant b]\n" STREAM);
        for (;; i++, k++, n++) {
                while (i < a.n_jobs && a.jobs[i].tenant != 1)
                        i++;
                while (k < b.n_jobs && b.jobs[k].tenant != 1)
                        k++;
                if (i == a.n_jobs || k == b.n_jobs)
                        break;
                ck_assert_uint_eq(a.jobs[i].submit_usec, b.jobs[k].submit_usec);
                ck_assert_uint_eq(a.jobs[i].run_usec, b.jobs[k].run_usec);
        }
        ck_assert_uint_eq(n, 50);
        /* Two streams of the same kind are not alike. */
        ck_assert_uint_ne(a.jobs[0].run_usec, a.jobs[1].run_usec);
}
END_TEST

START_TEST(sorted) {
        WORKLOAD w = workload_new();

        parse(&w, "[tenant a]\njobs=2\nstart=20s\n[tenant b]\njobs=2\nstart=10s\n"
                  "[tenant a]\njobs=1\nstart=10s\n[tenant c]\njobs=500\nrate=10/s\n");
        for (size_t i = 1; i < w.n_jobs; i++)
                unit_must(w.jobs[i - 1].submit_usec <= w.jobs[i].submit_usec, "job %zu", i);
        ck_assert_uint_eq(w.n_jobs, 505);
        ck_assert_uint_eq(w.n_tenants, 3);
        /* Those of one instant as the file has them. */
        for (size_t i = 0; i < w.n_jobs; i++)
                if (w.jobs[i].tenant == 0 && w.jobs[i].submit_usec == 10 * SEC)
                        ck_assert_uint_eq(w.jobs[i - 1].tenant, 1);
}
END_TEST

static void fill(Suite *s) {
        TCase *drawn = unit_case(s, "drawn");

        unit_add_rows(drawn, lengths, length_rows);
        unit_add_rows(drawn, arrivals, rate_rows);
        tcase_add_test(drawn, seeds);
        tcase_add_test(drawn, streams_are_independent);
        tcase_add_test(drawn, sorted);
}

int main(void) {
        return unit_main("sim/workload drawn", fill);
}
