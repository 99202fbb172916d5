/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/tenant.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "core/attempt.h"
#include "core/charge.h"
#include "core/pool.h"
#include "core/queue.h"
#include "core/line.h"

/* Tenants and their queues, and the events that change what holds for them: limits, weights, pools,
 * and what is switched off. All of it takes effect on the backlog at once, since nothing of it was
 * worked out ahead: a tenant stands where tq_turn_settle() puts it now. */

/* Tenants ------------------------------------------------------------------------------------- */

TqTenant *tq_tenant_free(TqTenant *t) {
        if (!t)
                return NULL;
        TQ_LIST_FOREACH(node, &t->queues) {
                TqQueue *q = TQ_LIST_ENTRY(node, TqQueue, all);

                q->is_kept = false;
                tq_queue_release(q);
        }
        (void)tq_fair_averages_free(t->averages);
        tq_list_unlink(&t->dirty);
        tq_list_unlink(&t->changed);
        free(t->queue_limits);
        free(t);
        return NULL;
}

static TqTenant *tenant_new(TqScheduler *s, uint32_t id) {
        TqTenant *t = tq_calloc_lines(sizeof(*t));

        if (!t)
                return NULL;
        t->id = id;
        t->weight = TQ_WEIGHT_DEFAULT;
        t->usage = t->history = TQ_HISTORY_NONE;
        t->is_idle = true;
        t->rate.rate = TQ_LIMIT_MAX;
        tq_list_init(&t->active);
        tq_list_init(&t->dirty);
        tq_list_init(&t->changed);
        tq_list_init(&t->queues);
        tq_list_init(&t->ready_queues);
        if (tq_map_put(&s->tenants, id, t) < 0)
                return tq_tenant_free(t);
        tq_list_append(&s->all, &t->all);
        return t;
}

/* Events: the host and tenants ---------------------------------------------------------------- */

/* Where the backlog stands depends on what counts as short. */
static void sort_lanes(TqScheduler *s) {
        size_t position = 0;
        TqJob *job;

        while ((job = tq_map_next(&s->jobs, &position)))
                job->is_short = job->runtime_usec <= s->policy.lane_runtime_usec;
        TQ_LIST_FOREACH(node, &s->all) {
                TqTenant *t = TQ_LIST_ENTRY(node, TqTenant, all);

                TQ_LIST_FOREACH(at, &t->queues)
                tq_line_sort_lanes(&TQ_LIST_ENTRY(at, TqQueue, all)->line);
        }
}

int tq_tenant_on_host(TqScheduler *s, const TqEvent *e) {
        uint64_t lane = s->policy.lane_runtime_usec;
        int r;

        r = tq_pool_set_host(s, e->host);
        if (r < 0)
                return r;
        if (s->policy.lane_runtime_usec != lane)
                sort_lanes(s);
        TQ_LIST_FOREACH(node, &s->all) {
                TqTenant *t = TQ_LIST_ENTRY(node, TqTenant, all);

                tq_pool_set_reserved(t, tq_limits_get(&t->limits, TQ_KEY_RESERVED, 0));
                tq_world_touch(s, t);
        }
        return 0;
}

static int tenant_set_queues(TqTenant *t, const TqEvent *e, uint64_t now) {
        TqQueueLimit *copy = NULL;
        size_t n = e->t.n_queue_limits;
        int r = 0;

        if (n > 0) {
                copy = malloc(n * sizeof(*copy));
                if (!copy)
                        return -ENOMEM;
                memcpy(copy, e->t.queue_limits, n * sizeof(*copy));
        }
        free(t->queue_limits);
        t->queue_limits = copy;
        t->n_queue_limits = n;
        for (size_t i = 0; r >= 0 && i < n; i++) {
                TqQueue *q;

                r = tq_queue_ensure(t, copy[i].name, now, &q);
        }
        return r;
}

static void tenant_set_limits(TqTenant *t, const TqLimits *l, uint64_t now) {
        t->limits = *l;
        t->concurrency = tq_limits_get(l, TQ_KEY_CONCURRENCY, TQ_LIMIT_MAX);
        t->runtime = tq_limits_get(l, TQ_KEY_RUNTIME, TQ_LIMIT_MAX);
        tq_charge_settle(t, now);
        t->weight = (uint32_t)tq_limits_get(l, TQ_KEY_WEIGHT, TQ_WEIGHT_DEFAULT);
        tq_pool_set_reserved(t, tq_limits_get(l, TQ_KEY_RESERVED, 0));
        tq_admit_set_rate(&t->rate, tq_limits_get(l, TQ_KEY_ENQUEUE_RATE, TQ_LIMIT_MAX), now);
}

int tq_tenant_on_tenant(TqScheduler *s, const TqEvent *e, uint64_t now) {
        TqTenant *t = tq_map_get(&s->tenants, e->tenant);
        TqPool *pool = tq_pool_by_name(s, e->t.pool);
        int r;

        assert(e->t.n_queue_limits <= TQ_QUEUE_LIMITS);
        if (!pool)
                return -ENOENT;
        if (!t)
                t = tenant_new(s, e->tenant);
        if (!t)
                return -ENOMEM;
        (void)snprintf(t->name, sizeof(t->name), "%s", e->t.name);
        t->one_per_queue = e->t.one_per_queue || !tq_limits_has(e->t.limits, TQ_KEY_CONCURRENCY);
        r = tq_pool_move(t, pool, now);
        if (r < 0 && !t->pool) {
                (void)tq_map_remove(&s->tenants, t->id);
                tq_list_unlink(&t->all);
                (void)tq_tenant_free(t);
                return r;
        }
        /* Whatever fails from here on leaves it changed, and it is settled as it is then. */
        tq_world_touch(s, t);
        if (r < 0)
                return r;
        t->enabled = e->t.enabled;
        tenant_set_limits(t, e->t.limits, now);
        r = tenant_set_queues(t, e, now);
        if (r < 0)
                return r;
        TQ_LIST_FOREACH(node, &t->queues) {
                TqQueue *q = TQ_LIST_ENTRY(node, TqQueue, all);

                tq_queue_set_limits(q, now);
                tq_queue_refresh(s, q);
                tq_queue_release(q);
        }
        TQ_LIST_FOREACH(node, &t->active) {
                TqJob *job = TQ_LIST_ENTRY(node, TqJobCold, active)->job;

                r = job->state == TQ_JOB_RUNNING ? tq_attempt_follow_runtime(s, job) : 0;
                if (r < 0)
                        return r;
        }
        return 0;
}

int tq_tenant_on_switch(TqScheduler *s, const TqEvent *e, uint64_t now) {
        TqTenant *t = tq_map_get(&s->tenants, e->tenant);
        TqQueue *q;
        int r;

        if (e->tenant == 0) {
                s->switches = e->switches;
                tq_world_touch_all(s);
                return 0;
        }
        if (!t)
                return -ENOENT;
        if (!e->j.queue || e->j.queue[0] == '\0') {
                t->is_paused = e->switches.is_paused;
                t->is_draining = e->switches.is_draining;
                tq_world_touch(s, t);
                return 0;
        }
        r = tq_queue_ensure(t, e->j.queue, now, &q);
        if (r < 0)
                return r;
        q->is_paused = e->switches.is_paused;
        q->is_draining = e->switches.is_draining;
        tq_queue_set_limits(q, now);
        tq_queue_refresh(s, q);
        tq_queue_release(q);
        return 0;
}
