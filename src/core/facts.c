/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/facts.h"
#include "core/line.h"

bool tq_facts_tenant_has_room(const TqTenant *t) {
        return t->running < t->concurrency;
}

bool tq_facts_queue_has_room(const TqQueue *q) {
        return q->running < q->concurrency;
}

bool tq_facts_pool_has_slot(const TqPool *p) {
        return p->running < p->slots;
}

bool tq_facts_allows_long(const TqPool *p) {
        return p->lane_slots == 0 || p->running_long < tq_sub_u64(p->slots, p->lane_slots);
}

bool tq_facts_is_short(const TqScheduler *s, const TqJob *job) {
        return job->is_short || job->queue->tenant->runtime <= s->policy.lane_runtime_usec;
}

TqJob *tq_facts_head_of(const TqScheduler *s, const TqQueue *q, bool allows_long) {
        TqJob *job = tq_line_first(&q->line, false);

        if (job && !allows_long && !tq_facts_is_short(s, job))
                job = tq_line_first(&q->line, true);
        return job;
}

TqJob *tq_facts_head(const TqScheduler *s, const TqQueue *q) {
        return tq_facts_head_of(s, q, tq_facts_allows_long(q->tenant->pool));
}

/* Memory ----------------------------------------------------------------------------------------
 */

uint64_t tq_facts_free_memory(const TqScheduler *s) {
        return s->policy.memory_bytes == TQ_LIMIT_MAX
                       ? TQ_LIMIT_MAX
                       : tq_sub_u64(s->policy.memory_bytes, s->memory_promised);
}

bool tq_facts_is_kept_for_reason(const TqScheduler *s) {
        const TqJob *job = s->kept_for;

        return s->policy.memory_bytes != TQ_LIMIT_MAX &&
               job->queue->tenant->stand != TQ_STAND_OUT && !tq_list_is_empty(&job->queue->ready) &&
               tq_facts_head(s, job->queue) == job && job->memory_bytes <= s->policy.memory_bytes;
}

bool tq_facts_memory_is_kept(const TqScheduler *s, uint64_t now) {
        return s->kept_for && now >= s->kept_from && tq_facts_is_kept_for_reason(s);
}

uint64_t tq_facts_memory_for_others(const TqScheduler *s, uint64_t now) {
        uint64_t free = tq_facts_free_memory(s);

        return tq_facts_memory_is_kept(s, now) ? tq_sub_u64(free, s->kept_for->memory_bytes) : free;
}

bool tq_facts_may_have(const TqScheduler *s, const TqJob *job, uint64_t now) {
        return job == s->kept_for || job->memory_bytes <= tq_facts_memory_for_others(s, now);
}

bool tq_facts_may_start(const TqScheduler *s, const TqJob *job, uint64_t now) {
        const TqTenant *t = job->queue->tenant;
        const TqQueue *q = job->queue;

        return s->is_open && !s->switches.is_paused && t->enabled && !t->is_paused &&
               tq_facts_tenant_has_room(t) && !q->is_paused && tq_facts_queue_has_room(q) &&
               job->state == TQ_JOB_QUEUED && !job->is_held && tq_facts_pool_has_slot(t->pool) &&
               (tq_facts_allows_long(t->pool) || tq_facts_is_short(s, job)) &&
               job->memory_bytes <= tq_facts_free_memory(s) && tq_facts_may_have(s, job, now);
}
