/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/api/verbs.h"

/* The host and its pools: what there is, and who has it. */

static const char *state_of(const Call *c) {
        TqSwitches s = tq_scheduler_host_switches(dispatch_scheduler(c->api->dispatch));

        if (commit_fault(c->api->commit))
                return "degraded"; /* nothing is recorded, taken or started */
        if (s.is_paused)
                return s.is_draining ? "paused, draining" : "paused";
        return s.is_draining ? "draining" : "ready";
}

/* A number without bound is left out. */
static void set(TqTable *t, size_t column, uint64_t value) {
        if (value != TQ_LIMIT_MAX)
                tq_table_set_integer(t, column, (int64_t)TQ_MIN(value, (uint64_t)INT64_MAX));
}

static int add_host(const Call *c, TqTable *t) {
        const TqScheduler *scheduler = dispatch_scheduler(c->api->dispatch);
        const TqHostPolicy *policy = &settings_host(c->api->settings)->policy;
        uint64_t running = 0, tenants = 0;
        const TqPool *p;
        int r;

        for (size_t i = 0; (p = tq_scheduler_pool(scheduler, i)); i++) {
                running += p->running;
                tenants += p->n_tenants;
        }
        r = tq_table_add_row(t);
        if (r >= 0)
                r = tq_table_set_text(t, 0, "host");
        if (r >= 0)
                r = tq_table_set_text(t, 1, state_of(c));
        if (r < 0)
                return r;
        set(t, 2, policy->max_jobs);
        set(t, 3, running);
        set(t, 6, tenants);
        set(t, 7, tq_scheduler_memory_promised(scheduler));
        set(t, 8, policy->memory_bytes);
        return 0;
}

static int add_pool(const TqPool *p, TqTable *t) {
        int r = tq_table_add_row(t);

        if (r >= 0)
                r = tq_table_set_text(t, 0, p->name);
        if (r < 0)
                return r;
        set(t, 2, p->slots);
        set(t, 3, p->running);
        set(t, 4, p->lane_slots);
        set(t, 5, p->reserved);
        set(t, 6, p->n_tenants);
        return 0;
}

int verb_list_pools(Call *c) {
        static const char *const columns[] = { "pool",        "state",
                                               "slots",       "running",
                                               "lane_slots",  "reserved",
                                               "tenants",     "memory_promised_bytes",
                                               "memory_bytes" };
        const TqScheduler *scheduler = dispatch_scheduler(c->api->dispatch);
        TQ_TABLE_CLEANUP TqTable table = {};
        const TqPool *p;
        int r;

        r = tq_table_add_columns(&table, columns, TQ_ELEMENTSOF(columns));
        /* Who has how much of the host is the administrator's to know. */
        if (r >= 0 && c->viewer.is_admin)
                r = add_host(c, &table);
        for (size_t i = 0; r >= 0 && c->viewer.is_admin && (p = tq_scheduler_pool(scheduler, i));
             i++)
                r = add_pool(p, &table);
        return r < 0 ? r : call_reply_table(c, &table);
}
