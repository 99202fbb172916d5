/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>
#include <stdio.h>

#include "sim/workload.h"
#include "unit.h"

#define SEC UINT64_C(1000000)

static TqWorkload workload_new(void) {
        TqWorkload w;

        tq_workload_init(&w);
        return w;
}

#define WORKLOAD TQ_CLEANUP(tq_workload_done) TqWorkload

static void parse_seeded(TqWorkload *w, const char *text, uint64_t seed) {
        TqError err = {};

        ck_assert_msg(tq_workload_parse(w, text, strlen(text), true, seed, &err) == 0,
                      "line %u: %s: %s", err.line, err.key, err.text);
}

static void parse(TqWorkload *w, const char *text) {
        parse_seeded(w, text, 1);
}

static void set(TqWorkload *w, const char *assignment) {
        TqError err = {};

        ck_assert_msg(tq_workload_set(w, assignment, &err) == 0, "%s: %s", assignment, err.text);
}

/* Submission keys ----------------------------------------------------------------------------- */

static const TqSimJob usual = { .run_usec = SEC, .cpu_usec = SEC, .bound_usec = TQ_LIMIT_MAX };

static void expect_job(const TqSimJob *got, const TqSimJob *want) {
        ck_assert_uint_eq(got->submit_usec, want->submit_usec);
        ck_assert_uint_eq(got->run_usec, want->run_usec);
        ck_assert_uint_eq(got->cpu_usec, want->cpu_usec);
        ck_assert_uint_eq(got->bound_usec, want->bound_usec);
        ck_assert_uint_eq(got->memory_bytes, want->memory_bytes);
        ck_assert_int_eq(got->priority, want->priority);
        ck_assert_uint_eq(got->name, tq_scheduler_name("a"));
        ck_assert_uint_eq(got->tenant, 0);
}

/* One key, and what differs from the usual job. */
static const struct {
        const char *line;
        size_t at;
        uint64_t want;
} key_rows[] = {
        { "cores=1", offsetof(TqSimJob, cpu_usec), SEC },
        { "cores=0.5", offsetof(TqSimJob, cpu_usec), SEC / 2 },
        { "cores=0", offsetof(TqSimJob, cpu_usec), 0 },
        { "cores=16", offsetof(TqSimJob, cpu_usec), 16 * SEC },
        { "cores=0.000001", offsetof(TqSimJob, cpu_usec), 1 },
        { "start=0", offsetof(TqSimJob, submit_usec), 0 },
        { "start=10min", offsetof(TqSimJob, submit_usec), 600 * SEC },
        { "start=1h 1us", offsetof(TqSimJob, submit_usec), 3600 * SEC + 1 },
        { "start=2000w", offsetof(TqSimJob, submit_usec), UINT64_C(1000000000000000) },
        { "bound=90s", offsetof(TqSimJob, bound_usec), 90 * SEC },
        { "bound=1us", offsetof(TqSimJob, bound_usec), 1 },
        { "job_memory=512M", offsetof(TqSimJob, memory_bytes), 512 << 20 },
        { "job_memory=0", offsetof(TqSimJob, memory_bytes), 0 },
        { "jobs=1", offsetof(TqSimJob, submit_usec), 0 },
        { "burst=1", offsetof(TqSimJob, submit_usec), 0 },
        { "burst=10000000", offsetof(TqSimJob, submit_usec), 0 },
        { "rate=1/h", offsetof(TqSimJob, submit_usec), 0 }, /* the first comes at once */
};

START_TEST(keys) {
        TqSimJob want = usual;
        WORKLOAD w = workload_new();
        char text[128];

        memcpy((char *)&want + key_rows[_i].at, &key_rows[_i].want, sizeof(uint64_t));
        (void)snprintf(text, sizeof(text), "[tenant a]\njobs=1\n%s\n", key_rows[_i].line);
        parse(&w, text);
        ck_assert_uint_eq(w.n_jobs, 1);
        expect_job(&w.jobs[0], &want);
}
END_TEST

START_TEST(defaults) {
        WORKLOAD w = workload_new();

        ck_assert_uint_eq(w.host.max_jobs, TQ_WORKLOAD_SLOTS);
        ck_assert_uint_eq(w.host.memory_bytes, TQ_LIMIT_MAX);
        parse(&w, "[tenant none]\n[tenant a]\njobs=3\n");
        ck_assert_uint_eq(w.n_tenants, 2);
        ck_assert_uint_eq(w.n_jobs, 3);
        ck_assert_uint_eq(w.jobs[2].tenant, 1);
        ck_assert_str_eq(w.tenants[1].name, "a");
        ck_assert_str_eq(w.tenants[1].pool, "");
        ck_assert_uint_eq(w.tenants[1].limits.set, 0);
        ck_assert_uint_eq(w.tenants[1].n_queues, 0);
        ck_assert_str_eq(w.queues[w.jobs[0].queue], TQ_QUEUE_DEFAULT);
}
END_TEST

START_TEST(priorities_and_queues) {
        WORKLOAD w = workload_new();

        parse(&w, "[tenant a]\njobs=1\npriority=-100\nqueue=etl.v2\n"
                  "[tenant b]\njobs=1\npriority=100\nqueue=default\n"
                  "[tenant c]\njobs=1\nqueue=etl.v2\n");
        ck_assert_int_eq(w.jobs[0].priority, -100);
        ck_assert_int_eq(w.jobs[1].priority, 100);
        ck_assert_int_eq(w.jobs[2].priority, 0);
        ck_assert_str_eq(w.queues[w.jobs[0].queue], "etl.v2");
        ck_assert_str_eq(w.queues[w.jobs[1].queue], "default");
        ck_assert_uint_eq(w.jobs[2].queue, w.jobs[0].queue);
        ck_assert_uint_eq(w.n_queues, 2);
}
END_TEST

/* What is drawn ------------------------------------------------------------------------------- */

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

/* Sections ------------------------------------------------------------------------------------ */

START_TEST(sections) {
        WORKLOAD w = workload_new();
        const TqSimTenant *t;

        parse(&w, "# words\n[scheduler]\nmax_jobs=8\nlane_slots=1\n[pool fast]\nslots=2\ncpus=0-1\n"
                  "[tenant acme]\nweight=300\nreserved=25%\npool=fast\nconcurrency=max\n"
                  "enqueue_rate=5/min\n[queue acme/etl]\nconcurrency=3\nqueue_depth=0\n"
                  "[queue acme/web]\n[queue acme/etl]\nenqueue_rate=1/s\n"
                  "[tenant other]\n[tenant acme]\njobs=1\nqueue_depth=7\n");
        ck_assert_uint_eq(w.host.max_jobs, 8);
        ck_assert_uint_eq(w.host.lane_slots, 1);
        ck_assert_uint_eq(w.host.n_pools, 1);
        ck_assert_uint_eq(w.host.pools[0].slots, 2);
        ck_assert_uint_eq(w.host.pools[0].cpus[0], 3);
        ck_assert_uint_eq(w.n_tenants, 2);
        t = tq_workload_find(&w, "acme");
        ck_assert_ptr_eq(t, &w.tenants[0]);
        ck_assert_str_eq(t->pool, "fast");
        ck_assert_uint_eq(t->limits.value[TQ_KEY_WEIGHT], 300);
        ck_assert_uint_eq(t->limits.value[TQ_KEY_CONCURRENCY], TQ_LIMIT_MAX);
        ck_assert_uint_eq(t->limits.value[TQ_KEY_QUEUE_DEPTH], 7);
        ck_assert_uint_eq(tq_limits_slots(t->limits.value[TQ_KEY_RESERVED], 8), 2);
        ck_assert_uint_eq(t->n_queues, 2);
        ck_assert_str_eq(t->queues[0].name, "etl");
        ck_assert_uint_eq(t->queues[0].concurrency, 3);
        ck_assert_uint_eq(t->queues[0].queue_depth, 0);
        ck_assert(t->queues[0].set & UINT64_C(1) << TQ_KEY_ENQUEUE_RATE);
        ck_assert_uint_eq(t->queues[1].set, 0);
        ck_assert_ptr_null(tq_workload_find(&w, "acm"));
        ck_assert_ptr_null(tq_workload_find(&w, ""));
}
END_TEST

/* The second text knows what the first said; only limits may stand in it. */
START_TEST(limits_only) {
        static const char text[] = "[tenant a]\nweight=7\npool=p\n[queue a/q]\nqueue_depth=1\n"
                                   "[tenant new]\nreserved=1\n";
        WORKLOAD w = workload_new();
        TqError err = {};

        parse(&w, "[tenant a]\njobs=2\nweight=2\nconcurrency=3\n");
        ck_assert_int_eq(tq_workload_parse(&w, text, sizeof(text) - 1, false, 1, &err), 0);
        ck_assert_uint_eq(w.n_jobs, 2);
        ck_assert_uint_eq(w.n_tenants, 2);
        ck_assert_uint_eq(w.tenants[0].limits.value[TQ_KEY_WEIGHT], 7);
        ck_assert_uint_eq(w.tenants[0].limits.value[TQ_KEY_CONCURRENCY], 3);
        ck_assert_uint_eq(w.tenants[0].n_queues, 1);
        ck_assert_str_eq(w.tenants[0].pool, "p");
}
END_TEST

START_TEST(limits_only_keys) {
        static const char *const keys_of_jobs[] = { "jobs",   "burst",   "rate",       "start",
                                                    "length", "cores",   "job_memory", "bound",
                                                    "queue",  "priority" };

        for (size_t i = 0; i < TQ_ELEMENTSOF(keys_of_jobs); i++) {
                WORKLOAD w = workload_new();
                TqError err = {};
                char text[64];

                (void)snprintf(text, sizeof(text), "[tenant a]\n%s=1\n", keys_of_jobs[i]);
                ck_assert_int_eq(tq_workload_parse(&w, text, strlen(text), false, 1, &err),
                                 -EBADMSG);
                ck_assert_str_eq(err.text, "belongs into a --workload file: here are limits only");
                ck_assert_uint_eq(err.line, 2);
                ck_assert_str_eq(err.key, keys_of_jobs[i]);
        }
}
END_TEST

/* More than what is allocated at first, of everything. */
START_TEST(many) {
        TQ_BUFFER_CLEANUP TqBuffer text = {};
        WORKLOAD w = workload_new();

        for (int i = 0; i < 700; i++)
                tq_buffer_printf(&text, "[tenant t%d]\njobs=2\nqueue=q%d\n[queue t%d/q]\n", i,
                                 i % 50, i);
        parse(&w, tq_buffer_string(&text));
        ck_assert_uint_eq(w.n_tenants, 700);
        ck_assert_uint_eq(w.n_jobs, 1400);
        ck_assert_uint_eq(w.n_queues, 51);
        for (uint32_t i = 0; i < 1400; i++)
                unit_must(w.jobs[i].tenant == i / 2, "job %u", i);
        ck_assert_ptr_eq(tq_workload_find(&w, "t699"), &w.tenants[699]);
        ck_assert_uint_eq(w.tenants[699].n_queues, 1);
}
END_TEST

START_TEST(queues_32) {
        TQ_BUFFER_CLEANUP TqBuffer text = {};
        WORKLOAD w = workload_new();
        TqError err = {};

        tq_buffer_printf(&text, "[tenant a]\n");
        for (int i = 0; i < TQ_QUEUE_LIMITS; i++)
                tq_buffer_printf(&text, "[queue a/q%d]\n", i);
        parse(&w, tq_buffer_string(&text));
        ck_assert_uint_eq(w.tenants[0].n_queues, TQ_QUEUE_LIMITS);
        ck_assert_int_eq(tq_workload_set(&w, "a/one.queue_depth=1", &err), -EBADMSG);
        ck_assert_str_eq(err.text, "more than 32 queues");
}
END_TEST

/* What is wrong ------------------------------------------------------------------------------- */

#define JOBS   "expected a number of jobs up to 10000000"
#define BURST  "expected a number of jobs from 1: so many come at once"
#define RATE   "expected bursts per time such as 10/s, 100/min or 5/h"
#define LENGTH "expected 30s, fixed 30s, uniform 1s 60s, "
#define CORES  "expected a number of cores such as 1 or 0.5"
#define MEMORY "expected a size such as 512M"
#define BOUND  "expected a time span: RuntimeMaxSec= of the jobs"
#define START  "expected a time span such as 10min: when the first burst comes"

/* In a tenant's section: the key's value. */
static const struct {
        const char *key, *value, *error;
} value_rows[] = {
        { "jobs", "10000001", JOBS },
        { "jobs", "-1", JOBS },
        { "jobs", "", JOBS },
        { "jobs", "max", JOBS },
        { "burst", "0", BURST },
        { "burst", "10000001", BURST },
        { "rate", "0/s", RATE },
        { "rate", "10", RATE },
        { "rate", "10/d", RATE },
        { "rate", "0.5/s", RATE },
        { "rate", "99999999999999999999/s", RATE },
        { "start", "soon", START },
        { "start", "-1s", START },
        { "length", "", LENGTH },
        { "length", "0", LENGTH },
        { "length", "0s", LENGTH },
        { "length", "fixed", LENGTH },
        { "length", "fixed 0", LENGTH },
        { "length", "fixed 1s 2s", LENGTH },
        { "length", "fixed 1s 2s 3s", LENGTH },
        { "length", "uniform 1s", LENGTH },
        { "length", "uniform 0 1s", LENGTH },
        { "length", "uniform 1s 0", LENGTH },
        { "length", "uniform 1s 2s 3s", LENGTH },
        { "length", "exponential", LENGTH },
        { "length", "exponential 30s 1", LENGTH },
        { "length", "exponential x", LENGTH },
        { "length", "lognormal 30s", LENGTH },
        { "length", "lognormal 30s 0", LENGTH },
        { "length", "lognormal 30s -1", LENGTH },
        { "length", "lognormal 30s 1s", LENGTH },
        { "length", "lognormal 30s 0.0000001", LENGTH },
        { "length", "pareto 1s", LENGTH },
        { "length", "pareto 1s 0.0", LENGTH },
        { "length", "pareto 0s 1", LENGTH },
        { "length", "Fixed 1s", LENGTH },
        { "length", "normal 1s 1", LENGTH },
        { "length", "\"fixed 1s", LENGTH },
        { "cores", "-1", CORES },
        { "cores", "1e3", CORES },
        { "cores", "0.0000001", CORES },
        { "cores", "max", CORES },
        { "job_memory", "max", MEMORY },
        { "job_memory", "-1", MEMORY },
        { "job_memory", "1.5", MEMORY },
        { "bound", "max", BOUND },
        { "bound", "", BOUND },
        { "queue", "", "expected a queue's name" },
        { "queue", "a/b", "expected a queue's name" },
        { "priority", "101", "expected a whole number from -100 to 100" },
        { "priority", "-101", "expected a whole number from -100 to 100" },
        { "priority", "+1", "expected a whole number from -100 to 100" },
        { "pool", "", "expected a pool's name" },
        { "pool", "a b", "expected a pool's name" },
        { "job", "1", "unknown key; did you mean jobs?" },
        { "lenght", "1s", "unknown key; did you mean length?" },
        { "wieght", "1", "unknown key; did you mean weight?" },
        { "nothing_like_it", "1", "unknown key" },
        { "weight", "0", "out of range: expected 1 to 10000" },
        { "weight", "10001", "out of range: expected 1 to 10000" },
        { "max_jobs", "4", "unknown key" },
};

START_TEST(bad_values) {
        WORKLOAD w = workload_new();
        TqError err = {};
        char text[128];

        (void)snprintf(text, sizeof(text), "[tenant a]\njobs=5\n\n%s=%s\n", value_rows[_i].key,
                       value_rows[_i].value);
        ck_assert_int_eq(tq_workload_parse(&w, text, strlen(text), true, 1, &err), -EBADMSG);
        ck_assert_msg(strncmp(err.text, value_rows[_i].error, strlen(value_rows[_i].error)) == 0 ||
                              strstr(err.text, value_rows[_i].error) != NULL,
                      "says: %s", err.text);
        ck_assert_str_ne(err.text, "");
        ck_assert_uint_eq(err.line, 4);
        ck_assert_str_eq(err.key, value_rows[_i].key);
        ck_assert_uint_eq(w.n_jobs, 0);
}
END_TEST

#define TARGET "expected TENANT/QUEUE with a tenant of the workload"

static const struct {
        const char *text;
        unsigned line;
        const char *key, *error;
} section_rows[] = {
        { "[tenants]\n", 1, "",
          "unknown section [tenants]; expected [scheduler], [pool NAME], [tenant NAME] or [queue "
          "TENANT/NAME]" },
        { "[host]\n", 1, "", "unknown section [host]" },
        { "[Scheduler]\n", 1, "", "unknown section [Scheduler]" },
        { "[tenant]\n", 1, "", "unknown section [tenant]" },
        { "jobs=1\n", 1, "", "key before the first [section]" },
        { "[tenant a.b]\n", 1, "", "expected [tenant NAME] with a tenant's name" },
        { "[tenant a b]\n", 1, "", "expected [tenant NAME] with a tenant's name" },
        { "[queue a/q]\n[tenant a]\n", 1, "a/q", TARGET },
        { "[tenant a]\n[queue a]\n", 2, "a", TARGET },
        { "[tenant a]\n[queue a/]\n", 2, "a/", TARGET },
        { "[tenant a]\n[queue /q]\n", 2, "/q", TARGET },
        { "[tenant a]\n[queue a/b/c]\n", 2, "a/b/c", TARGET },
        { "[tenant a]\n[queue b/q]\n", 2, "b/q", TARGET },
        { "[tenant a]\n[queue 12345678901234567890123456789012345678901234567890/q]\n", 2,
          "12345678901234567890123456789012345678901234567890/q", TARGET },
        { "[tenant a]\n[queue a/q]\nweight=1\n", 3, "weight", "is not a limit of a queue" },
        { "[tenant a]\n[queue a/q]\nqueue_depth=x\n", 3, "queue_depth", "expected" },
        { "[tenant a]\n[queue a/q]\njobs=1\n", 3, "jobs", "unknown" },
        { "[pool a]\n[pool a]\n", 2, "", "[pool a] a second time" },
        { "[pool a]\nslots=0\n", 2, "slots", "expected a number of slots" },
        { "[scheduler]\njobs=0\n", 2, "jobs", "unknown key in [scheduler]" },
        { "[tenant a]\njobs=1\n[scheduler]\nweight=1\n", 4, "weight", "unknown key in" },
};

START_TEST(bad_sections) {
        const char *text = section_rows[_i].text;
        WORKLOAD w = workload_new();
        TqError err = {};

        ck_assert_int_eq(tq_workload_parse(&w, text, strlen(text), true, 1, &err), -EBADMSG);
        ck_assert_msg(strstr(err.text, section_rows[_i].error) != NULL, "says: %s", err.text);
        ck_assert_uint_eq(err.line, section_rows[_i].line);
        ck_assert_str_eq(err.key, section_rows[_i].key);
        ck_assert_uint_eq(w.n_jobs, 0);
}
END_TEST

/* --set --------------------------------------------------------------------------------------- */

START_TEST(assignments) {
        WORKLOAD w = workload_new();
        const TqSimTenant *t = NULL;

        parse(&w, "[tenant acme]\nweight=2\n[tenant host2]\n");
        set(&w, "host.max_jobs=8");
        set(&w, "host.half_life=10min");
        set(&w, "acme.concurrency=4");
        set(&w, "acme.weight=9");
        set(&w, "acme.enqueue_rate=5/min");
        set(&w, "acme.pool=fast");
        set(&w, "host2.reserved=12.5%");
        set(&w, "acme/etl.queue_depth=10");
        set(&w, "acme/etl.concurrency=max");
        set(&w, "acme/etl.v2.concurrency=2");
        ck_assert_uint_eq(w.host.max_jobs, 8);
        ck_assert_uint_eq(w.host.half_life_usec, 600 * SEC);
        t = tq_workload_find(&w, "acme");
        ck_assert_uint_eq(t->limits.value[TQ_KEY_CONCURRENCY], 4);
        ck_assert_uint_eq(t->limits.value[TQ_KEY_WEIGHT], 9);
        ck_assert(tq_limits_has(&t->limits, TQ_KEY_ENQUEUE_RATE));
        ck_assert_str_eq(t->pool, "fast");
        ck_assert_uint_eq(t->n_queues, 2);
        ck_assert_uint_eq(t->queues[0].queue_depth, 10);
        ck_assert_uint_eq(t->queues[0].concurrency, TQ_LIMIT_MAX);
        ck_assert_str_eq(t->queues[1].name, "etl.v2");
        ck_assert_uint_eq(t->queues[1].concurrency, 2);
        ck_assert(tq_limits_has(&w.tenants[1].limits, TQ_KEY_RESERVED));
        ck_assert_uint_eq(w.n_tenants, 2);
}
END_TEST

#define FORM "expected TENANT.KEY=VALUE, TENANT/QUEUE.KEY=VALUE or host.KEY=VALUE"

static const struct {
        const char *assignment, *key, *error;
} assignment_rows[] = {
        { "", "", FORM },
        { "acme", "", FORM },
        { "acme.weight", "", FORM },
        { "acme=1", "", FORM },
        { "weight=1.5", "", FORM },
        { "=.", "", FORM },
        { "acme.0123456789012345678901234567890123456789012345678901234567890123=1", "", FORM },
        { ".weight=1", "", "\"\": the workload has no such tenant" },
        { "nobody.weight=1", "", "\"nobody\": the workload has no such tenant" },
        { "acme.etl.weight=1", "", "\"acme.etl\": the workload has no such tenant" },
        { "acme.weight=0", "weight", "out of range: expected 1 to 10000" },
        { "acme.weight=", "weight", "" },
        { "acme.wieght=1", "wieght", "did you mean weight?" },
        { "acme.jobs=1", "jobs", "unknown" },
        { "acme.=1", "", "unknown" },
        { "acme.pool=a b", "pool", "" },
        { "host.max_jobs=0", "max_jobs", "expected a whole number from 1 to 1000000, or max" },
        { "host.slots=1", "slots", "unknown key in [scheduler]" },
        { "host.weight=1", "weight", "unknown key in [scheduler]" },
        { "nobody/etl.queue_depth=1", "nobody/etl", TARGET },
        { "acme/.queue_depth=1", "acme/", TARGET },
        { "/etl.queue_depth=1", "/etl", TARGET },
        { "acme/etl.weight=1", "weight", "is not a limit of a queue" },
        { "acme/etl.queue_depth=-1", "queue_depth", "expected" },
};

START_TEST(bad_assignments) {
        WORKLOAD w = workload_new();
        TqError err = {};

        parse(&w, "[tenant acme]\nweight=5\n");
        ck_assert_int_eq(tq_workload_set(&w, assignment_rows[_i].assignment, &err), -EBADMSG);
        ck_assert_msg(strstr(err.text, assignment_rows[_i].error) != NULL, "says: %s", err.text);
        ck_assert_str_ne(err.text, "");
        ck_assert_uint_eq(err.line, 0);
        ck_assert_str_eq(err.key, assignment_rows[_i].key);
        ck_assert_uint_eq(w.tenants[0].limits.value[TQ_KEY_WEIGHT], 5);
        ck_assert_uint_eq(w.host.max_jobs, TQ_WORKLOAD_SLOTS);
        ck_assert_uint_eq(w.n_tenants, 1);
}
END_TEST

/* Its parts ----------------------------------------------------------------------------------- */

START_TEST(parts) {
        WORKLOAD w = workload_new();
        uint32_t a, b, again;

        ck_assert_int_eq(tq_workload_tenant(&w, "a", &a), 0);
        ck_assert_int_eq(tq_workload_tenant(&w, "b", &b), 0);
        ck_assert_int_eq(tq_workload_tenant(&w, "a", &again), 0);
        ck_assert_uint_eq(a, 0);
        ck_assert_uint_eq(b, 1);
        ck_assert_uint_eq(again, 0);
        ck_assert_int_eq(tq_workload_add(&w, &(TqSimJob){ .submit_usec = 2 }), 0);
        ck_assert_int_eq(tq_workload_add(&w, &(TqSimJob){ .submit_usec = 1, .run_usec = 5 }), 0);
        tq_workload_sort(&w);
        ck_assert_uint_eq(w.jobs[0].run_usec, 5);
        ck_assert_uint_eq(w.jobs[1].run_usec, 1); /* at least */
        tq_workload_done(&w);
        ck_assert_uint_eq(w.n_jobs, 0);
        tq_workload_sort(&w);
        ck_assert_ptr_null(tq_workload_find(&w, "a"));
}
END_TEST

static void fill(Suite *s) {
        TCase *jobs = unit_case(s, "jobs"), *text = unit_case(s, "text");

        unit_add_rows(jobs, keys, key_rows);
        tcase_add_test(jobs, defaults);
        tcase_add_test(jobs, priorities_and_queues);
        unit_add_rows(jobs, lengths, length_rows);
        unit_add_rows(jobs, arrivals, rate_rows);
        tcase_add_test(jobs, seeds);
        tcase_add_test(jobs, streams_are_independent);
        tcase_add_test(jobs, sorted);
        tcase_add_test(jobs, parts);
        tcase_add_test(text, sections);
        tcase_add_test(text, limits_only);
        tcase_add_test(text, limits_only_keys);
        tcase_add_test(text, many);
        tcase_add_test(text, queues_32);
        unit_add_rows(text, bad_values, value_rows);
        unit_add_rows(text, bad_sections, section_rows);
        tcase_add_test(text, assignments);
        unit_add_rows(text, bad_assignments, assignment_rows);
}

int main(void) {
        return unit_main("sim/workload", fill);
}
