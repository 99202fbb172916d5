/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core_scheduler_model.h"

/* The comparison of the scheduler with the model: of everything that can be seen. */

/* A job that nothing holds but that memory is kept for another, which has waited long enough. */
static inline void check_kept(Model *m, const Counts *c, const ModelJob *j, const TqReason *r) {
        const ModelJob *kept = find(m, r->job);

        unit_must(kept && kept != j && is_queued(kept), "memory is kept for nobody");
        unit_must(kept->memory <= m->host.memory_bytes, "memory is kept in vain");
        unit_must(j->memory > tq_sub_u64(free_memory(m, c), kept->memory), "there is enough");
        unit_must(kept->queued_since + m->host.memory_patience_usec <= m->now, "too early");
}

/* Returns the first reason. */
static inline TqWait check_reasons(Model *m, const Counts *c, const ModelJob *j,
                                   const TqJob *real) {
        const uint64_t others = BIT(TQ_WAIT_MEMORY_KEPT) | BIT(TQ_WAIT_SHARE);
        uint64_t want = reasons_of(m, c, j), got = 0;
        TqReason reasons[_TQ_WAIT_MAX];
        size_t n = tq_scheduler_explain(m->s, real, m->now, reasons);

        unit_must(n > 0, "job %ju waits for nothing", (uintmax_t)j->id);
        for (size_t i = 0; i < n; i++) {
                got |= BIT(reasons[i].wait);
                m->waited[reasons[i].wait]++;
                if (reasons[i].wait == TQ_WAIT_MEMORY_KEPT)
                        check_kept(m, c, j, &reasons[i]);
        }
        unit_must((got & ~others) == want, "job %ju: %jx, not %jx", (uintmax_t)j->id,
                  (uintmax_t)(got & ~others), (uintmax_t)want);
        /* Nothing that may start waits. */
        unit_must(want != 0 || got & BIT(TQ_WAIT_MEMORY_KEPT),
                  "job %ju waits though it could start", (uintmax_t)j->id);
        return reasons[0].wait;
}

static inline void check_job(Model *m, const Counts *c, const ModelJob *j,
                             uint64_t waits[_TQ_WAIT_MAX]) {
        static const TqJobState states[] = { [STARTING] = TQ_JOB_STARTING,
                                             [RUNNING] = TQ_JOB_RUNNING,
                                             [STOPPING] = TQ_JOB_STOPPING };
        const TqJob *real = tq_scheduler_job(m->s, j->id);
        TqWait why;

        unit_must(real != NULL, "not there");
        unit_must(real->state == (j->phase == WAITING ? j->place : states[j->phase]), "differs");
        unit_must(real->attempt == j->attempt, "differs");
        unit_must(tq_model_cold(real)->failures == j->failures, "differs");
        unit_must(!j->has_failed, "what it waited for has failed");
        if (j->phase != WAITING) {
                unit_must(tq_scheduler_why(m->s, real, m->now) == TQ_WAIT_NONE, "differs");
                return;
        }
        why = check_reasons(m, c, j, real);
        waits[is_queued(j) ? why : j->placed]++;
}

static inline void check_tenant(const Model *m, const Counts *c, unsigned t) {
        const TqTenant *real = tq_scheduler_tenant(m->s, t + 1);
        TqWaiting w = {};

        for (const ModelJob *j = m->jobs; j < m->jobs + MODEL_JOBS; j++) {
                if (j->phase != WAITING || j->tenant != t)
                        continue;
                w.jobs++;
                w.bytes += j->bytes;
                w.held += j->place == TQ_JOB_HELD;
                w.scheduled += j->place == TQ_JOB_SCHEDULED;
        }
        unit_must(real->running == c->tenants[t], "differs");
        unit_must(memcmp(&real->waiting, &w, sizeof(w)) == 0, "differs");
        unit_must(strcmp(real->pool->name, model_pools[m->tenants[t].pool]) == 0, "differs");
        unit_must(real->reserved == m->tenants[t].reserved, "differs");
}

static inline void check_pools(const Model *m, const Counts *c) {
        unsigned seen = 0;

        for (size_t i = 0; i < MODEL_POOLS + 1; i++) {
                const TqPool *real = tq_scheduler_pool(m->s, i);

                for (unsigned p = 0; real && p < MODEL_POOLS; p++) {
                        if (strcmp(real->name, model_pools[p]) != 0)
                                continue;
                        seen |= 1U << p;
                        unit_must(real->slots == pool_slots(m, p), "differs");
                        unit_must(real->running == c->pools[p], "differs");
                        unit_must(real->running_long == c->pools_long[p], "differs");
                }
        }
        for (unsigned p = 0; p < MODEL_POOLS; p++)
                unit_must(seen >> p & 1 || !m->has_pool[p], "pool %u is not there", p);
        unit_must(tq_scheduler_memory_promised(m->s) == c->memory, "differs");
}

/* The summary of each queue is that of its jobs: of those in the line by their first reason, of the
 * others by why they are not in it. Of those that only the lane passes it says "behind", which is
 * not worth a walk. */
static inline void check_summary(const Model *m, const Counts *c, unsigned t, unsigned queue,
                                 const uint64_t want[_TQ_WAIT_MAX]) {
        const TqTenant *tenant = tq_scheduler_tenant(m->s, t + 1);
        const TqQueue *q = tq_scheduler_queue(tenant, model_queues[queue]);
        uint64_t got[_TQ_WAIT_MAX] = {};

        if (q)
                tq_scheduler_count(m->s, q, m->now, got);
        if (head_of(m, c, t, queue) != c->first[t][queue])
                return;
        for (int w = 0; w < _TQ_WAIT_MAX; w++)
                unit_must(got[w] == want[w], "queue %s: %ju of %s, not %ju", model_queues[queue],
                          (uintmax_t)got[w], tq_reason_to_string((TqWait)w), (uintmax_t)want[w]);
}

/* Compares everything that can be seen. */
static inline void model_check(Model *m) {
        uint64_t waits[MODEL_TENANTS][MODEL_QUEUES][_TQ_WAIT_MAX] = {};
        uint64_t deadline = TQ_NEVER;
        Counts c = count(m);

        for (const ModelJob *j = m->jobs; j < m->jobs + MODEL_JOBS; j++) {
                if (j->phase == GONE)
                        continue;
                check_job(m, &c, j, waits[j->tenant][j->queue]);
                deadline = TQ_MIN(deadline, TQ_MIN(deadline_of(m, j), look_of(m, &c, j)));
        }
        unit_must(tq_scheduler_next_deadline(m->s) == deadline, "differs");
        check_pools(m, &c);
        for (unsigned t = 0; t < MODEL_TENANTS; t++) {
                check_tenant(m, &c, t);
                for (unsigned q = 0; q < MODEL_QUEUES; q++)
                        check_summary(m, &c, t, q, waits[t][q]);
        }
}
