/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim_workload.h"

/* --set: what is changed of a workload in one word. */

static void set(TqWorkload *w, const char *assignment) {
        TqError err = {};

        ck_assert_msg(tq_workload_set(w, assignment, &err) == 0, "%s: %s", assignment, err.text);
}

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

static void fill(Suite *s) {
        TCase *sets = unit_case(s, "set");

        tcase_add_test(sets, assignments);
        unit_add_rows(sets, bad_assignments, assignment_rows);
}

int main(void) {
        return unit_main("sim/workload set", fill);
}
