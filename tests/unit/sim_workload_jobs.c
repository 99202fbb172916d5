/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "sim_workload.h"

/* The jobs of a workload: what each key says of them, and what holds without. */

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
        TCase *jobs = unit_case(s, "jobs");

        unit_add_rows(jobs, keys, key_rows);
        tcase_add_test(jobs, defaults);
        tcase_add_test(jobs, priorities_and_queues);
        tcase_add_test(jobs, parts);
}

int main(void) {
        return unit_main("sim/workload jobs", fill);
}
