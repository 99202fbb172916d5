/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/settings/layers.h"

#include <stdio.h>

#include "unit.h"

static void set(TqLimits *l, const char *name, const char *value) {
        TqError err = {};

        ck_assert_int_ge(tq_limits_set(l, name, value, TQ_SCOPE_TENANT, true, 0, &err), 0);
}

/* Which layer says what a key is. */
static const struct {
        const char *standard, *file, *live, *ceiling; /* values of concurrency; NULL: not set */
        const char *want, *source;
} rows[] = {
        { NULL, NULL, NULL, NULL, NULL, "unset" }, { "2", NULL, NULL, NULL, "2", "default" },
        { "2", "3", NULL, NULL, "3", "file" },     { "2", "3", "4", NULL, "4", "set" },
        { NULL, NULL, "4", "4", "4", "set" },      { NULL, NULL, "5", "4", "4", "ceiling" },
        { "9", NULL, NULL, "4", "4", "ceiling" },  { NULL, NULL, NULL, "4", "4", "ceiling" },
        { "2", "max", NULL, "4", "4", "ceiling" },
};

START_TEST(layers) {
        TqHello host = {};
        Layers l = {};
        TqError err = {};
        char text[TQ_VALUE_MAX];
        const char *got;

        tq_policy_init(&host.policy);
        if (rows[_i].standard)
                set(&host.defaults, "concurrency", rows[_i].standard);
        if (rows[_i].ceiling)
                set(&host.ceilings, "concurrency", rows[_i].ceiling);
        if (rows[_i].file)
                set(&l.file, "concurrency", rows[_i].file);
        if (rows[_i].live)
                set(&l.live, "concurrency", rows[_i].live);
        ck_assert_int_eq(layers_resolve(&l, &host, &l.live, &l.effective, &err), 0);
        got = layers_value(&l.effective, "concurrency", text, sizeof(text));
        if (rows[_i].want)
                ck_assert_str_eq(got, rows[_i].want);
        else
                ck_assert_ptr_null(got);
        ck_assert_str_eq(layers_source(&l, &host, TQ_KEY_CONCURRENCY), rows[_i].source);
        /* A ceiling alone doesn't say how many may run. */
        ck_assert_int_eq(layers_has_concurrency(&l, &host),
                         rows[_i].standard || rows[_i].file || rows[_i].live);
}
END_TEST

/* The CPUs of a pool are its tenants', and nobody else's. */
START_TEST(cpus_of_pools) {
        TqHello host = {};
        Layers gold = { .pool = "gold" }, other = {};
        TqError err = {};
        char text[TQ_VALUE_MAX];

        tq_policy_init(&host.policy);
        host.policy.cpus = 8;
        host.policy.n_pools = 1;
        host.policy.pools[0] = (TqPoolPolicy){ .name = "gold", .has_cpus = true, .cpus = { 0x3 } };
        ck_assert_int_eq(layers_resolve(&gold, &host, &gold.live, &gold.effective, &err), 0);
        ck_assert_str_eq(layers_value(&gold.effective, "cpus", text, sizeof(text)), "0-1");
        ck_assert_int_eq(layers_resolve(&other, &host, &other.live, &other.effective, &err), 0);
        ck_assert_str_eq(layers_value(&other.effective, "cpus", text, sizeof(text)), "2-7");
        /* The pools have all: the others must run somewhere. */
        host.policy.pools[0].cpus[0] = 0xFF;
        ck_assert_int_eq(layers_resolve(&other, &host, &other.live, &other.effective, &err), 0);
        ck_assert_ptr_null(layers_value(&other.effective, "cpus", text, sizeof(text)));
}
END_TEST

START_TEST(devices) {
        TqHello host = {};
        Layers l = {};
        TqError err = {};
        char name[64], text[TQ_VALUE_MAX];
        unsigned n = 0;

        tq_policy_init(&host.policy);
        /* As many as there is room for, and one more by the file. */
        for (; n < TQ_IO_DEVICES; n++) {
                (void)snprintf(name, sizeof(name), "io_read@8:%u", n);
                set(&l.live, name, "1M");
        }
        ck_assert_int_eq(layers_resolve(&l, &host, &l.live, &l.effective, &err), 0);
        ck_assert_str_eq(layers_value(&l.effective, "io_read@8:0", text, sizeof(text)), "1M");
        ck_assert_ptr_null(layers_value(&l.effective, "io_read@9:0", text, sizeof(text)));
        (void)snprintf(name, sizeof(name), "io_read@8:%u", n);
        set(&l.file, name, "1M");
        ck_assert_int_eq(layers_resolve(&l, &host, &l.live, &l.effective, &err), -E2BIG);
        ck_assert_ptr_nonnull(strstr(err.text, "limits with @device"));
}
END_TEST

static TqQueueLimit one(const char *key, const char *value) {
        TqQueueLimit q = {};
        TqError err = {};

        ck_assert_int_ge(tq_policy_queue_set(&q, key, value, 0, &err), 0);
        return q;
}

START_TEST(queues) {
        TqQueueLimit all[TQ_QUEUE_LIMITS], q = one("concurrency", "2");
        char text[TQ_VALUE_MAX], name[16];
        Layers l = {};

        l.file_queues[0] = one("queue_depth", "7");
        (void)snprintf(l.file_queues[0].name, sizeof(l.file_queues[0].name), "etl");
        l.n_file_queues = 1;
        ck_assert_int_eq(layers_set_queue(&l, "etl", &q), 0);
        ck_assert_int_eq(layers_queues(&l, all), 1);
        ck_assert_str_eq(layers_queue_value(&l, "etl", TQ_KEY_CONCURRENCY, text, sizeof(text)),
                         "2");
        ck_assert_str_eq(layers_queue_value(&l, "etl", TQ_KEY_QUEUE_DEPTH, text, sizeof(text)),
                         "7");
        ck_assert_ptr_null(layers_queue_value(&l, "other", TQ_KEY_CONCURRENCY, text, sizeof(text)));
        ck_assert_ptr_null(layers_queue_value(&l, "etl", -EINVAL, text, sizeof(text)));
        layers_unset_queue(&l, "etl", TQ_KEY_CONCURRENCY);
        ck_assert_uint_eq(l.n_live_queues, 0);
        ck_assert_ptr_null(layers_queue_value(&l, "etl", TQ_KEY_CONCURRENCY, text, sizeof(text)));
        layers_unset_queue(&l, "none", TQ_KEY_CONCURRENCY); /* harmless */
        /* The file's and the live ones together. */
        for (int i = 1; i < TQ_QUEUE_LIMITS; i++) {
                (void)snprintf(name, sizeof(name), "q%d", i);
                ck_assert_int_eq(layers_set_queue(&l, name, &q), 0);
        }
        ck_assert_int_eq(layers_queues(&l, all), TQ_QUEUE_LIMITS);
        ck_assert_int_eq(layers_set_queue(&l, "last", &q), 0);
        ck_assert_int_eq(layers_queues(&l, all), -E2BIG);
        ck_assert_int_eq(layers_set_queue(&l, "more", &q), -E2BIG);
}
END_TEST

static void fill(Suite *s) {
        TCase *t = unit_case(s, "layers");

        unit_add_rows(t, layers, rows);
        tcase_add_test(t, cpus_of_pools);
        tcase_add_test(t, devices);
        tcase_add_test(t, queues);
}

int main(void) {
        return unit_main("engine_layers", fill);
}
