/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/queue.h"

#include <stdio.h>
#include <string.h>

#include "core/facts.h"
#include "core/line.h"

/* Queues of a tenant. One exists while something is in it or said about it. */

static const TqQueueLimit *queue_limit(const TqTenant *t, const char *queue) {
        for (size_t i = 0; i < t->n_queue_limits; i++)
                if (strcmp(t->queue_limits[i].name, queue) == 0)
                        return &t->queue_limits[i];
        return NULL;
}

const TqQueue *tq_queue_find(const TqTenant *t, const char *name) {
        TQ_LIST_FOREACH(node, &t->queues) {
                const TqQueue *q = TQ_LIST_ENTRY(node, TqQueue, all);

                if (strcmp(q->name, name) == 0)
                        return q;
        }
        return NULL;
}

void tq_queue_set_limits(TqQueue *q, uint64_t now) {
        static const TqQueueLimit none;
        const TqQueueLimit *own = queue_limit(q->tenant, q->name);
        /* One at a time, unless somebody said how many jobs the tenant or the queue may run. */
        uint64_t usual = q->tenant->one_per_queue ? 1 : TQ_LIMIT_MAX;

        q->is_kept = own || q->is_paused || q->is_draining;
        own = own ? own : &none;
        q->concurrency = tq_policy_queue_get(own, TQ_KEY_CONCURRENCY, usual);
        q->depth = tq_policy_queue_get(own, TQ_KEY_QUEUE_DEPTH, TQ_LIMIT_MAX);
        tq_admit_set_rate(&q->rate, tq_policy_queue_get(own, TQ_KEY_ENQUEUE_RATE, TQ_LIMIT_MAX),
                          now);
}

int tq_queue_ensure(TqTenant *t, const char *name, uint64_t now, TqQueue **ret) {
        TqQueue *q = (TqQueue *)tq_queue_find(t, name);

        if (q) {
                *ret = q;
                return 0;
        }
        q = tq_calloc_lines(sizeof(*q));
        if (!q)
                return -ENOMEM;
        t->n_queues++;
        (void)snprintf(q->name, sizeof(q->name), "%s", name);
        q->tenant = t;
        q->rate.rate = TQ_LIMIT_MAX;
        tq_line_init(&q->line);
        tq_list_init(&q->ready);
        tq_list_append(&t->queues, &q->all);
        tq_queue_set_limits(q, now);
        *ret = q;
        return 0;
}

/* A queue exists while something is in it or said about it: names that tenants invent don't add
 * up. */
void tq_queue_release(TqQueue *q) {
        if (q->jobs > 0 || q->is_kept)
                return;
        q->tenant->n_queues--;
        tq_list_unlink(&q->ready);
        tq_list_unlink(&q->all);
        tq_line_done(&q->line);
        free(q);
}

void tq_queue_refresh(TqScheduler *s, TqQueue *q) {
        bool want = tq_facts_queue_has_room(q) && !q->is_paused && q->line.size > 0;

        if (want != !tq_list_is_empty(&q->ready)) {
                if (want)
                        tq_list_append(&q->tenant->ready_queues, &q->ready);
                else
                        tq_list_unlink(&q->ready);
        }
        /* If only for an instant: what it did not use is gone. */
        /* What tq_turn_settle() will look at. */
        __builtin_prefetch(&q->line.usual.first);
        __builtin_prefetch(&q->line.usual.jobs);
        __builtin_prefetch(&q->line.usual.returned);
        tq_tournament_prefetch(&q->tenant->pool->ready, q->tenant->player);
        q->tenant->is_idle |= q->tenant->running == 0 && tq_list_is_empty(&q->tenant->ready_queues);
        tq_world_touch(s, q->tenant);
}
