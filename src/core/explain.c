/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/explain.h"

#include <stdio.h>

#include "core/facts.h"
#include "core/line.h"
#include "core/queue.h"
#include "core/turn.h"

/* Why a job waits. Each reason is the negation of one condition of starting, asked of the same
 * functions that choose the next job; dispatch_pool() asserts that what it starts has none. */

/* Others that start before it, were all of them possible. */
static bool comes_later(const TqScheduler *s, const TqJob *job, uint64_t now, TqReason *r) {
        const TqTenant *t = job->queue->tenant;
        const TqJob *next;

        if (t->stand == TQ_STAND_OUT || tq_list_is_empty(&job->queue->ready))
                return false; /* another reason says why */
        next = tq_turn_peek(s, t->pool, now);
        /* Of its own queue it is behind, which another reason says. */
        if (!next || next->queue == job->queue)
                return false;
        /* Nobody passes it whose turn is later; one that fits may pass one that does not. */
        if (next->queue->tenant != t && tq_turn_before(t, next->queue->tenant) &&
            next != s->kept_for)
                return false;
        r->job = next->id;
        r->tenant = next->queue->tenant->id;
        return true;
}

/* Tenants that compete and come before. */
static uint64_t ahead_of(const TqTenant *t) {
        const TqPool *p = t->pool;
        uint64_t n = 0;

        for (uint32_t i = 0; t->stand != TQ_STAND_OUT && i < p->n_players; i++)
                n += p->players[i].tenant && p->players[i].tenant->stand != TQ_STAND_OUT &&
                     tq_turn_before(p->players[i].tenant, t);
        return n;
}

/* It stands in no line, but behind all of its level. */
static bool is_imagined(const TqJob *job) {
        return job->sequence == UINT64_MAX;
}

/* Who is first of those that wait: one that may start, if there is such. */
static const TqJob *front_of(const TqScheduler *s, const TqQueue *q) {
        const TqJob *job = tq_facts_head(s, q);

        return job ? job : tq_line_first(&q->line, false);
}

static bool is_behind(const TqScheduler *s, const TqJob *job, TqReason *r) {
        const TqJob *first = front_of(s, job->queue);

        if (is_imagined(job) && tq_line_position(&job->queue->line, job, 1) == 0)
                return false;
        /* A long job that only the lane passes has the lane as its reason. */
        if (!first || first == job || tq_line_first(&job->queue->line, false) == job)
                return false;
        r->job = first->id;
        return true;
}

/* Those from BEHIND on: only asked of a job that is queued, since where another would stand is not
 * known. */
static bool holds_in_turn(const TqScheduler *s, const TqJob *job, TqWait w, uint64_t now,
                          TqReason *r) {
        const TqPool *p = job->queue->tenant->pool;

        switch (w) {
        case TQ_WAIT_BEHIND:
                return is_behind(s, job, r);
        case TQ_WAIT_SLOTS:
                r->current = p->running;
                r->maximum = p->slots;
                return !tq_facts_pool_has_slot(p);
        case TQ_WAIT_LANE:
                r->current = p->running_long;
                r->maximum = tq_sub_u64(p->slots, p->lane_slots);
                return !tq_facts_allows_long(p) && !tq_facts_is_short(s, job);
        case TQ_WAIT_MEMORY:
                r->current = job->memory_bytes;
                r->maximum = tq_facts_free_memory(s);
                return job->memory_bytes > tq_facts_free_memory(s);
        case TQ_WAIT_MEMORY_KEPT:
                if (!tq_facts_memory_is_kept(s, now) || s->kept_for == job)
                        return false;
                r->job = s->kept_for->id;
                r->tenant = s->kept_for->queue->tenant->id;
                return !tq_facts_may_have(s, job, now);
        case TQ_WAIT_SHARE:
                return comes_later(s, job, now, r);
        default:
                return false;
        }
}

/* Asked in the order of TqWait. */
static bool holds(const TqScheduler *s, const TqJob *job, TqWait w, uint64_t now, TqReason *r) {
        const TqTenant *t = job->queue->tenant;
        const TqQueue *q = job->queue;
        const TqJobCold *cold = tq_model_cold(job);

        switch (w) {
        case TQ_WAIT_RECOVERY:
                return !s->is_open;
        case TQ_WAIT_HELD:
                return job->is_held;
        case TQ_WAIT_START_AFTER:
                r->until_usec = cold->not_before;
                return job->state == TQ_JOB_SCHEDULED && job->again == TQ_AGAIN_NOT &&
                       (cold->not_before > now || cold->after.n_unmet == 0);
        case TQ_WAIT_AFTER:
                r->current = cold->after.n - cold->after.n_unmet;
                r->maximum = cold->after.n;
                for (size_t i = 0; i < cold->after.n; i++)
                        if (!cold->after.items[i].is_met) {
                                r->job = cold->after.items[i].after.job;
                                break;
                        }
                return cold->after.n_unmet > 0;
        case TQ_WAIT_LAUNCH_RETRY:
                r->until_usec = cold->again_at;
                return job->state == TQ_JOB_SCHEDULED && job->again == TQ_AGAIN_LAUNCH;
        case TQ_WAIT_RETRY:
                r->until_usec = cold->again_at;
                r->current = cold->failures;
                r->maximum = cold->retry ? cold->retry->max_attempts : 1;
                return job->state == TQ_JOB_SCHEDULED && job->again == TQ_AGAIN_RETRY;
        case TQ_WAIT_TENANT_DISABLED:
                return !t->enabled;
        case TQ_WAIT_HOST_PAUSED:
                return s->switches.is_paused;
        case TQ_WAIT_TENANT_PAUSED:
                return t->is_paused;
        case TQ_WAIT_QUEUE_PAUSED:
                return q->is_paused;
        case TQ_WAIT_TENANT_CONCURRENCY:
                r->current = t->running;
                r->maximum = t->concurrency;
                return !tq_facts_tenant_has_room(t);
        case TQ_WAIT_QUEUE_CONCURRENCY:
                r->current = q->running;
                r->maximum = q->concurrency;
                return !tq_facts_queue_has_room(q);
        default:
                return job->state == TQ_JOB_QUEUED && holds_in_turn(s, job, w, now, r);
        }
}

TqWait tq_scheduler_why(const TqScheduler *s, const TqJob *job, uint64_t now_usec) {
        TqReason r = {};

        if (!tq_world_waits(job))
                return TQ_WAIT_NONE;
        for (int w = TQ_WAIT_NONE + 1; w < _TQ_WAIT_MAX; w++)
                if (holds(s, job, (TqWait)w, now_usec, &r))
                        return (TqWait)w;
        return TQ_WAIT_NONE;
}

#define POSITION_MAX 100000 /* of the walk; more are shown as that many */

size_t tq_scheduler_explain(const TqScheduler *s, const TqJob *job, uint64_t now_usec,
                            TqReason ret[_TQ_WAIT_MAX]) {
        size_t n = 0;

        if (!tq_world_waits(job))
                return 0;
        for (int w = TQ_WAIT_NONE + 1; w < _TQ_WAIT_MAX; w++) {
                TqReason r = { .wait = (TqWait)w };

                if (!holds(s, job, (TqWait)w, now_usec, &r))
                        continue;
                if (w == TQ_WAIT_BEHIND)
                        r.current = tq_line_position(&job->queue->line, job, POSITION_MAX);
                if (w == TQ_WAIT_SHARE)
                        r.current = ahead_of(job->queue->tenant);
                ret[n++] = r;
        }
        return n;
}

bool tq_scheduler_imagine(const TqScheduler *s, const TqEvent *submit, uint64_t now_usec,
                          TqImagined *ret) {
        TqTenant *t = tq_map_get(&s->tenants, submit->tenant);
        bool waits = submit->j.not_before > now_usec || submit->j.n_after > 0;
        TqQueue *q;

        if (!t)
                return false;
        *ret = (TqImagined){};
        q = (TqQueue *)tq_queue_find(t, submit->j.queue);
        if (!q) {
                q = &ret->queue;
                q->tenant = t;
                q->rate.rate = TQ_LIMIT_MAX;
                (void)snprintf(q->name, sizeof(q->name), "%s", submit->j.queue);
                tq_list_init(&q->ready);
                tq_line_init(&q->line);
                tq_queue_set_limits(q, now_usec);
        }
        ret->job = (TqJob){
                .queue = q,
                .state = waits ? TQ_JOB_SCHEDULED : TQ_JOB_QUEUED,
                .priority = submit->j.priority,
                .cold = &ret->cold,
                .sequence = UINT64_MAX,
                .is_short = submit->j.runtime_usec <= s->policy.lane_runtime_usec,
                .memory_bytes = submit->j.memory_bytes,
        };
        ret->cold = (TqJobCold){
                .job = &ret->job,
                .not_before = submit->j.not_before,
                .start_by = submit->j.has_start_by ? submit->j.start_by : TQ_NEVER,
                .after = { .items = ret->conditions,
                           .n = submit->j.n_after,
                           .n_unmet = submit->j.n_after },
        };
        return true;
}

void tq_scheduler_count(const TqScheduler *s, const TqQueue *queue, uint64_t now_usec,
                        uint64_t ret[_TQ_WAIT_MAX]) {
        const TqJob *first = front_of(s, queue);
        TqWait why;

        for (size_t w = 0; w < TQ_ELEMENTSOF(queue->placed); w++)
                ret[w] += queue->placed[w];
        if (!first)
                return;
        /* What holds the first that could start; those behind it share all that is asked before
         * "behind", and are behind otherwise. */
        why = tq_scheduler_why(s, first, now_usec);
        ret[why]++;
        ret[why < TQ_WAIT_BEHIND && why != TQ_WAIT_NONE ? why : TQ_WAIT_BEHIND] +=
                queue->line.size - 1;
}
