/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/recovery/recovery.h"

#include <stdio.h>

/*   ledger     stock      what follows
 *   running    lives      adopted
 *   running    ended      adopted, then ended: the verdict of its record
 *   running    nothing    lost: the host went down, or its record did
 *   queued     nothing    queued
 *   queued     ended      a launch that was never released: queued, its record forgotten
 *   queued     lives      the same, still leaving: aborted, queued when it has gone
 *   done, none any        a launch that nobody recorded: aborted, forgotten
 *
 * "running" was committed before the barrier was released, so a queued job's launch has not
 * executed anything, and a running one's may have; its record tells (tests/models/start.pml). */

/* A queued job that waits for an old launch to leave. */
typedef struct Deferred {
        TqEvent event;
        TqRetry retry;
        char queue[TQ_QUEUE_NAME_MAX + 1];
} Deferred;

struct Recovery {
        TqMap stock;     /* job → StockItem */
        TqMap deferred;  /* job → Deferred */
        Deferred latest; /* the one that was let go */
};

int recovery_new(Recovery **ret) {
        *ret = calloc(1, sizeof(**ret));
        return *ret ? 0 : -ENOMEM;
}

Recovery *recovery_free(Recovery *r) {
        size_t position = 0;
        void *item;

        if (!r)
                return NULL;
        while ((item = tq_map_next(&r->stock, &position)))
                free(item);
        position = 0;
        while ((item = tq_map_next(&r->deferred, &position)))
                free(item);
        tq_map_done(&r->stock);
        tq_map_done(&r->deferred);
        free(r);
        return NULL;
}

int recovery_note(Recovery *r, uint64_t job, unsigned attempt, uint32_t handle, const TqEnd *end) {
        StockItem *item = calloc(1, sizeof(*item));
        int error;

        if (!item)
                return -ENOMEM;
        *item = (StockItem){
                .job = job, .attempt = attempt, .handle = handle, .has_ended = end != NULL
        };
        if (end)
                item->end = *end;
        error = tq_map_put(&r->stock, job, item);
        if (error < 0)
                free(item);
        return error;
}

StockItem *recovery_take(Recovery *r, uint64_t job) {
        return tq_map_remove(&r->stock, job);
}

StockItem *recovery_take_rest(Recovery *r) {
        size_t position = 0;
        const StockItem *item = tq_map_next(&r->stock, &position);

        return item ? tq_map_remove(&r->stock, item->job) : NULL;
}

RecoveryFate recovery_decide(bool was_running, unsigned attempt, const StockItem *item) {
        if (was_running && (!item || item->attempt != attempt))
                return RECOVERY_LOST;
        if (was_running)
                return item->has_ended ? RECOVERY_END : RECOVERY_ADOPT;
        if (!item)
                return RECOVERY_QUEUE;
        return item->has_ended ? RECOVERY_FORGET : RECOVERY_DEFER;
}

int recovery_defer(Recovery *r, const TqEvent *event) {
        Deferred *h = calloc(1, sizeof(*h));
        int error;

        if (!h)
                return -ENOMEM;
        h->event = *event;
        (void)snprintf(h->queue, sizeof(h->queue), "%s", event->j.queue);
        /* It had been launched. */
        if (event->j.retry)
                h->retry = *event->j.retry;
        h->event.j.after = NULL;
        h->event.j.n_after = 0;
        error = tq_map_put(&r->deferred, event->job, h);
        if (error < 0)
                free(h);
        return error;
}

bool recovery_is_deferred(const Recovery *r, uint64_t job) {
        return tq_map_get(&r->deferred, job);
}

bool recovery_let_go(Recovery *r, uint64_t job, TqEvent *ret) {
        Deferred *h = tq_map_remove(&r->deferred, job);

        if (!h)
                return false;
        r->latest = *h;
        free(h);
        *ret = r->latest.event;
        ret->j.queue = r->latest.queue;
        if (ret->j.retry)
                ret->j.retry = &r->latest.retry;
        return true;
}
