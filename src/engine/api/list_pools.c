/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/api/verbs.h"

/* The host and its pools: what there is, and who has it. */

static const char *state_of(const Call *c) {
        TqSwitches s = tq_scheduler_host_switches(dispatch_scheduler(c->api->dispatch));

        /* Nothing is taken or started. */
        if (commit_fault(c->api->commit))
                return commit_is_degraded(c->api->commit) ? "degraded" : "full";
        if (s.is_paused)
                return s.is_draining ? "paused, draining" : "paused";
        return s.is_draining ? "draining" : "ready";
}

/* A number without bound is left out. */
static void set(TqTable *t, size_t column, uint64_t value) {
        if (value != TQ_LIMIT_MAX)
                tq_table_set_integer(t, column, (int64_t)TQ_MIN(value, (uint64_t)INT64_MAX));
}

/* Those that there are: a scheduler's view of one that was removed stays. p NULL: of all pools. */
static uint64_t count_tenants(const Call *c, const TqPool *p) {
        const TqScheduler *scheduler = dispatch_scheduler(c->api->dispatch);
        size_t position = 0;
        uint64_t n = 0;
        const Tenant *t;

        while ((t = tenants_next(c->api->tenants, &position))) {
                const TqTenant *view = tq_scheduler_tenant(scheduler, t->id);

                n += !t->is_former && view && (!p || view->pool == p);
        }
        return n;
}

static int add_host(const Call *c, TqTable *t) {
        const TqScheduler *scheduler = dispatch_scheduler(c->api->dispatch);
        const TqHostPolicy *policy = &settings_host(c->api->settings)->policy;
        uint64_t running = 0;
        char why[160];
        const TqPool *p;
        int r;

        for (size_t i = 0; (p = tq_scheduler_pool(scheduler, i)); i++)
                running += p->running;
        r = tq_table_add_row(t);
        if (r >= 0)
                r = tq_table_set_text(t, 0, "host");
        if (r >= 0)
                r = tq_table_set_text(t, 1, state_of(c));
        if (r < 0)
                return r;
        set(t, 2, policy->max_jobs);
        set(t, 3, running);
        set(t, 6, count_tenants(c, NULL));
        set(t, 7, tq_scheduler_memory_promised(scheduler));
        set(t, 8, policy->memory_bytes);
        return commit_fault(c->api->commit)
                       ? tq_table_set_text(t, 9, commit_explain(c->api->commit, why, sizeof(why)))
                       : 0;
}

static int add_pool(const Call *c, const TqPool *p, TqTable *t) {
        int r = tq_table_add_row(t);

        if (r >= 0)
                r = tq_table_set_text(t, 0, p->name);
        if (r < 0)
                return r;
        set(t, 2, p->slots);
        set(t, 3, p->running);
        set(t, 4, p->lane_slots);
        set(t, 5, p->reserved);
        set(t, 6, count_tenants(c, p));
        return 0;
}

int verb_list_pools(Call *c) {
        static const char *const columns[] = { "pool",         "state",
                                               "slots",        "running",
                                               "lane_slots",   "reserved",
                                               "tenants",      "memory_promised_bytes",
                                               "memory_bytes", "fault" };
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
                r = add_pool(c, p, &table);
        return r < 0 ? r : call_reply_table(c, &table);
}
