/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core_limits.h"

/* The table of limits: their names, where each may stand, and that each can be unset. */

START_TEST(table) {
        const TqKeyRow *row = &tq_limits_keys[_i];

        ck_assert_ptr_nonnull(row->name);
        ck_assert_int_eq(tq_limits_find(row->name), _i);
        ck_assert_uint_ne(row->scopes, 0);
        ck_assert_uint_le(row->min, row->max);
        ck_assert_msg(row->help && row->help[0], "%s has no help", row->name);
        /* Who enforces it: the kernel by a file with a default to go back to, or the engine. */
        if (row->attribute) {
                ck_assert_ptr_nonnull(row->controller);
                ck_assert_ptr_nonnull(row->unset_text);
        }
        ck_assert(!row->has_device || (row->controller && strcmp(row->controller, "io") == 0));
        for (int i = 0; i < _i; i++)
                ck_assert_str_ne(tq_limits_keys[i].name, row->name);
}
END_TEST

static const struct {
        const char *name, *nearest;
} nearest_rows[] = {
        { "memmory", "memory" }, { "memory_hig", "memory_high" }, { "TaskMax", "TasksMax" },
        { "pid", "pids" },       { "runtme", "runtime" },         { "qqqqqq", NULL },
};

START_TEST(nearest) {
        const char *got = tq_limits_nearest(nearest_rows[_i].name);

        if (nearest_rows[_i].nearest) {
                ck_assert_ptr_nonnull(got);
                ck_assert_str_eq(got, nearest_rows[_i].nearest);
        } else
                ck_assert_ptr_null(got);
}
END_TEST

static const struct {
        const char *name, *value;
        unsigned scopes; /* where it may stand */
        bool has_effect;
} scope_rows[] = {
        { "cpu", "1", TENANT | JOB, true },
        { "cpu_weight", "1", TENANT | JOB, true },
        { "cpu_burst", "0", TENANT | JOB, false },
        { "cpus", "0", TENANT | JOB, true },
        { "memory", "1G", TENANT | JOB, true },
        { "memory_high", "1G", TENANT | JOB, true },
        { "memory_low", "1G", TENANT | JOB, true },
        { "swap", "1G", TENANT | JOB, true },
        { "pids", "2", TENANT | JOB, true },
        { "io_read", "2", TENANT | JOB, true },
        { "io_write", "2", TENANT | JOB, true },
        { "io_riops", "2", TENANT | JOB, true },
        { "io_wiops", "2", TENANT | JOB, true },
        { "io_weight", "1", TENANT | JOB, true },
        { "concurrency", "1", TENANT | QUEUE, true },
        { "enqueue_rate", "1/s", TENANT | QUEUE, true },
        { "queue_depth", "1", TENANT | QUEUE, true },
        { "scheduled_jobs", "1", TENANT, true },
        { "spool_bytes", "1", TENANT, true },
        { "weight", "1", TENANT, true },
        { "reserved", "1", TENANT, true },
        { "runtime", "1s", TENANT | JOB, true },
};

START_TEST(scopes) {
        static const struct {
                unsigned scope;
                const char *text;
        } all[] = { { TENANT, "is not a limit of a tenant" },
                    { QUEUE, "is not a limit of a queue" },
                    { JOB, "is not a limit of a job" } };

        for (size_t i = 0; i < TQ_ELEMENTSOF(all); i++) {
                TqError err = {}, inert = {};
                TqLimits l = {};
                int r = tq_limits_set(&l, scope_rows[_i].name, scope_rows[_i].value, all[i].scope,
                                      true, 3, &err);

                if (!(scope_rows[_i].scopes & all[i].scope)) {
                        ck_assert_int_eq(r, -EBADMSG);
                        ck_assert_str_eq(err.text, all[i].text);
                        ck_assert_str_eq(err.key, scope_rows[_i].name);
                        continue;
                }
                ck_assert_msg(r == 0, "%s: %s", scope_rows[_i].name, err.text);
                l = (TqLimits){};
                r = tq_limits_set(&l, scope_rows[_i].name, scope_rows[_i].value, all[i].scope,
                                  false, 3, &inert);
                ck_assert_int_eq(r, scope_rows[_i].has_effect ? 0 : -EBADMSG);
                if (!scope_rows[_i].has_effect) {
                        ck_assert_ptr_nonnull(strstr(inert.text, "not enforced by this version"));
                        ck_assert_uint_eq(l.set, 0);
                }
        }
}
END_TEST

START_TEST(every_key_has_a_scope_row) {
        ck_assert_uint_eq(TQ_ELEMENTSOF(scope_rows), _TQ_KEY_MAX);
        for (size_t i = 0; i < TQ_ELEMENTSOF(scope_rows); i++)
                ck_assert_int_eq(tq_limits_find(scope_rows[i].name), (int)i);
}
END_TEST

START_TEST(unset_each) {
        static const TqLimits empty;
        TqLimits l = {};

        ck_assert_int_eq(tq_limits_set(&l, scope_rows[_i].name, scope_rows[_i].value,
                                       scope_rows[_i].scopes & -scope_rows[_i].scopes, true, 0,
                                       NULL),
                         0);
        ck_assert(tq_limits_has(&l, (TqKey)_i));
        ck_assert_int_eq(tq_limits_unset(&l, scope_rows[_i].name, NULL), 0);
        ck_assert(!tq_limits_has(&l, (TqKey)_i));
        /* limits.h: compared as bytes. */
        ck_assert_mem_eq(&l, &empty, sizeof(l));
}
END_TEST

START_TEST(unset_names) {
        TqLimits l = LIMITS("memory", "1G");
        char text[TQ_VALUE_MAX];
        TqError err = {};

        ck_assert_int_eq(tq_limits_unset(&l, "memry", &err), -EBADMSG);
        ck_assert_str_eq(err.text, "unknown limit; did you mean memory?");
        ck_assert_str_eq(tq_limits_format(&l, TQ_KEY_MEMORY, text, sizeof(text)), "1G");
        ck_assert_int_eq(tq_limits_unset(&l, "MemoryMax", NULL), 0);
        ck_assert_str_eq(tq_limits_format(&l, TQ_KEY_MEMORY, text, sizeof(text)), "unset");
        ck_assert_int_eq(tq_limits_unset(&l, "memory@/dev/vda", NULL), -EBADMSG);
}
END_TEST

static void fill(Suite *s) {
        TCase *keys = unit_case(s, "keys");

        tcase_add_loop_test(keys, table, 0, _TQ_KEY_MAX);
        unit_add_rows(keys, nearest, nearest_rows);
        unit_add_rows(keys, scopes, scope_rows);
        tcase_add_test(keys, every_key_has_a_scope_row);
        unit_add_rows(keys, unset_each, scope_rows);
        tcase_add_test(keys, unset_names);
}

int main(void) {
        return unit_main("core/limits keys", fill);
}
