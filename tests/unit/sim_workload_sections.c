/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "sim_workload.h"

/* The sections of a workload: the host, pools, tenants, queues. */

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

static void fill(Suite *s) {
        TCase *text = unit_case(s, "text");

        tcase_add_test(text, sections);
        tcase_add_test(text, limits_only);
        tcase_add_test(text, limits_only_keys);
        tcase_add_test(text, many);
        tcase_add_test(text, queues_32);
}

int main(void) {
        return unit_main("sim/workload sections", fill);
}
