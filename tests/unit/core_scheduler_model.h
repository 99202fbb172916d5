/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/scheduler.h"
#include "unit.h"

/* The same rules said once more, as slowly and plainly as possible: no ring, no tree, no heap, no
 * counter. Here are the jobs, the tenants, and what holds or lets start a job;
 * core_scheduler_model_actions.h does what the scheduler asks for, if the rules allow it,
 * core_scheduler_model_check.h compares, core_scheduler_model_events.h tells both what happens, and
 * core_scheduler_model.c makes it happen. */

#define SEC UINT64_C(1000000)

#define MODEL_JOBS    96
#define MODEL_TENANTS 5
#define MODEL_QUEUES  4
#define MODEL_POOLS   3 /* [0] is the shared one */

typedef enum Phase { GONE, WAITING, STARTING, RUNNING, STOPPING } Phase;

typedef struct ModelJob {
        Phase phase;
        TqJobState place; /* of WAITING */
        TqWait placed;    /* of WAITING, but not in the line: why */
        uint64_t id, sequence;
        unsigned attempt, tenant, queue;
        int priority;
        bool is_held, is_long; /* is_long: takes one of the slots for long jobs */
        bool is_aborted, is_killed;
        TqStopReason stop;
        uint64_t not_before, start_by, runtime, grace, memory, bytes;
        TqWait again; /* LAUNCH_RETRY, RETRY: what it waits for until again_at; NONE */
        uint64_t again_at;
        unsigned retries, failures;
        unsigned policy; /* of model_policies, from 1; 0: one attempt */
        TqRetry retry;
        uint64_t timer; /* of WAITING */
        uint64_t since, slot_since, kill_at, sample_at, queued_since;
        uint64_t after; /* the job that it waits for; 0: none */
        bool is_met, has_failed;
} ModelJob;

typedef struct ModelTenant {
        uint64_t concurrency; /* TQ_LIMIT_MAX */
        bool has_concurrency;
        uint64_t runtime;              /* TQ_LIMIT_MAX */
        uint64_t queues[MODEL_QUEUES]; /* the configured ones */
        bool is_configured[MODEL_QUEUES];
        bool is_queue_paused[MODEL_QUEUES];
        bool enabled, is_paused;
        uint64_t reserved;
        unsigned pool;
} ModelTenant;

/* Counted anew for each comparison. */
typedef struct Counts {
        uint64_t tenants[MODEL_TENANTS], queues[MODEL_TENANTS][MODEL_QUEUES];
        uint64_t pools[MODEL_POOLS], pools_long[MODEL_POOLS];
        uint64_t memory;
        const ModelJob *first[MODEL_TENANTS][MODEL_QUEUES]; /* that is queued */
        const ModelJob *first_short[MODEL_TENANTS][MODEL_QUEUES];
} Counts;

typedef struct Model {
        TqScheduler *s;
        TqActions actions;
        TqHostPolicy host;
        bool has_pool[MODEL_POOLS];
        uint64_t now;
        ModelJob jobs[MODEL_JOBS];
        ModelTenant tenants[MODEL_TENANTS];
        uint64_t next_id, random, sequence, patience;
        bool is_open, is_paused, was_kept; /* was_kept: memory was limited before this event */
        unsigned starts, finishes, kills, requeues, retries, dead, samples, deadlines, dependencies;
        unsigned restarts;
        uint64_t waited[_TQ_WAIT_MAX]; /* how often each reason was seen */
} Model;

static const char *const model_queues[MODEL_QUEUES] = { "a", "b", "c", "default" };
static const char *const model_pools[MODEL_POOLS] = { TQ_POOL_SHARED, "x", "y" };

static inline uint64_t dice(Model *m, uint64_t n) {
        return unit_random(&m->random) % n;
}

/* Ends that are repeated: as they are written, and of each that the model knows. */
static const struct {
        const char *on, *never; /* NULL: none */
        bool exits[3], is_killed, is_late, is_unlaunched, is_lost;
} model_policies[] = {
        { "exit signal timeout spawn", NULL, { false, true, true }, true, true, true, false },
        { "1 KILL", NULL, { false, true, false }, true, false, false, false },
        { "exit,timeout,spawn,lost", "2", { false, true, false }, false, true, true, true },
};

/* The rules ----------------------------------------------------------------------------------- */

static inline bool holds_slot(const ModelJob *j) {
        return j->phase == STARTING || j->phase == RUNNING || j->phase == STOPPING;
}

static inline bool is_queued(const ModelJob *j) {
        return j->phase == WAITING && j->place == TQ_JOB_QUEUED;
}

static inline uint64_t bound_of(const Model *m, const ModelJob *j) {
        return TQ_MIN(j->runtime, m->tenants[j->tenant].runtime);
}

static inline bool is_short(const Model *m, const ModelJob *j) {
        return bound_of(m, j) <= m->host.lane_runtime_usec;
}

static inline bool comes_before(const ModelJob *a, const ModelJob *b) {
        return !b ||
               (a->priority != b->priority ? a->priority > b->priority : a->sequence < b->sequence);
}

static inline Counts count(const Model *m) {
        Counts c = {};

        for (const ModelJob *j = m->jobs; j < m->jobs + MODEL_JOBS; j++) {
                const ModelJob **first = &c.first[j->tenant][j->queue];
                const ModelJob **first_short = &c.first_short[j->tenant][j->queue];
                unsigned pool = m->tenants[j->tenant].pool;

                if (is_queued(j) && comes_before(j, *first))
                        *first = j;
                if (is_queued(j) && j->runtime <= m->host.lane_runtime_usec &&
                    comes_before(j, *first_short))
                        *first_short = j;
                if (!holds_slot(j))
                        continue;
                c.tenants[j->tenant]++;
                c.queues[j->tenant][j->queue]++;
                c.pools[pool]++;
                c.pools_long[pool] += j->is_long;
                c.memory += j->memory;
        }
        return c;
}

static inline uint64_t queue_limit(const Model *m, unsigned t, unsigned queue) {
        const ModelTenant *x = &m->tenants[t];

        return x->is_configured[queue] ? x->queues[queue] : x->has_concurrency ? TQ_LIMIT_MAX : 1;
}

static inline uint64_t tenant_limit(const Model *m, unsigned t) {
        return m->tenants[t].has_concurrency ? m->tenants[t].concurrency : TQ_LIMIT_MAX;
}

static inline uint64_t pool_slots(const Model *m, unsigned pool) {
        uint64_t slots = m->host.max_jobs;

        if (!m->has_pool[pool])
                return 0;
        for (uint32_t i = 0; i < m->host.n_pools; i++) {
                if (strcmp(m->host.pools[i].name, model_pools[pool]) == 0)
                        return m->host.pools[i].slots;
                if (slots != TQ_LIMIT_MAX)
                        slots -= m->host.pools[i].slots;
        }
        return slots;
}

static inline bool allows_long(const Model *m, const Counts *c, unsigned pool) {
        return pool > 0 || m->host.lane_slots == 0 ||
               c->pools_long[0] < tq_sub_u64(pool_slots(m, 0), m->host.lane_slots);
}

/* Which job of a queue may start. */
static inline const ModelJob *head_of(const Model *m, const Counts *c, unsigned t, unsigned q) {
        const ModelJob *first = c->first[t][q];

        if (first && !is_short(m, first) && !allows_long(m, c, m->tenants[t].pool) &&
            c->first_short[t][q])
                first = c->first_short[t][q];
        return first;
}

static inline uint64_t free_memory(const Model *m, const Counts *c) {
        return m->host.memory_bytes == TQ_LIMIT_MAX ? TQ_LIMIT_MAX
                                                    : tq_sub_u64(m->host.memory_bytes, c->memory);
}

#define BIT(w) (UINT64_C(1) << (w))

/* What holds a queued job beside the order among tenants. */
static inline uint64_t reasons_of_queued(const Model *m, const Counts *c, const ModelJob *j) {
        unsigned pool = m->tenants[j->tenant].pool;
        const ModelJob *head = head_of(m, c, j->tenant, j->queue);
        uint64_t r = 0;

        if (j != head && j != c->first[j->tenant][j->queue])
                r |= BIT(TQ_WAIT_BEHIND);
        if (c->pools[pool] >= pool_slots(m, pool))
                r |= BIT(TQ_WAIT_SLOTS);
        if (!is_short(m, j) && !allows_long(m, c, pool))
                r |= BIT(TQ_WAIT_LANE);
        if (j->memory > free_memory(m, c))
                r |= BIT(TQ_WAIT_MEMORY);
        return r;
}

static inline uint64_t reasons_of(const Model *m, const Counts *c, const ModelJob *j) {
        const ModelTenant *t = &m->tenants[j->tenant];
        bool is_scheduled = j->place == TQ_JOB_SCHEDULED, is_unmet = j->after > 0 && !j->is_met;
        uint64_t r = 0;

        if (!m->is_open)
                r |= BIT(TQ_WAIT_RECOVERY);
        if (j->is_held)
                r |= BIT(TQ_WAIT_HELD);
        if (is_scheduled && j->again == TQ_WAIT_NONE && (j->not_before > m->now || !is_unmet))
                r |= BIT(TQ_WAIT_START_AFTER);
        if (is_unmet)
                r |= BIT(TQ_WAIT_AFTER);
        if (is_scheduled && j->again != TQ_WAIT_NONE)
                r |= BIT(j->again);
        if (!t->enabled)
                r |= BIT(TQ_WAIT_TENANT_DISABLED);
        if (m->is_paused)
                r |= BIT(TQ_WAIT_HOST_PAUSED);
        if (t->is_paused)
                r |= BIT(TQ_WAIT_TENANT_PAUSED);
        if (t->is_queue_paused[j->queue])
                r |= BIT(TQ_WAIT_QUEUE_PAUSED);
        if (c->tenants[j->tenant] >= tenant_limit(m, j->tenant))
                r |= BIT(TQ_WAIT_TENANT_CONCURRENCY);
        if (c->queues[j->tenant][j->queue] >= queue_limit(m, j->tenant, j->queue))
                r |= BIT(TQ_WAIT_QUEUE_CONCURRENCY);
        return is_queued(j) ? r | reasons_of_queued(m, c, j) : r;
}

/* Slots that were reserved for the tenant and that it does not have, if it could start a job. */
static inline uint64_t shortfall(const Model *m, const Counts *c, unsigned t) {
        uint64_t lacks = tq_sub_u64(m->tenants[t].reserved, c->tenants[t]);

        for (unsigned q = 0; lacks > 0 && q < MODEL_QUEUES; q++) {
                const ModelJob *head = head_of(m, c, t, q);

                if (head && reasons_of(m, c, head) == 0)
                        return lacks;
        }
        return 0;
}

static inline uint64_t deadline_of(const Model *m, const ModelJob *j) {
        uint64_t end = bound_of(m, j);

        if (j->phase == WAITING)
                return j->timer;
        if (j->phase == RUNNING)
                return end == TQ_LIMIT_MAX ? TQ_NEVER : j->since + end;
        return j->phase == STOPPING && !j->is_killed ? j->kill_at : TQ_NEVER;
}

static inline uint64_t next_sample(const Model *m, const ModelJob *j) {
        uint64_t age = m->now - j->slot_since;

        return m->now + TQ_MIN(TQ_MAX(age / 4, SEC), TQ_MAX(60 * SEC, age / 1024));
}

/* Somebody waits there for nothing but a slot or memory. */
static inline bool is_contended(const Model *m, const Counts *c, unsigned pool) {
        const uint64_t scarce =
                BIT(TQ_WAIT_BEHIND) | BIT(TQ_WAIT_SLOTS) | BIT(TQ_WAIT_LANE) | BIT(TQ_WAIT_MEMORY);

        for (const ModelJob *j = m->jobs; j < m->jobs + MODEL_JOBS; j++)
                if (is_queued(j) && m->tenants[j->tenant].pool == pool &&
                    !(reasons_of(m, c, j) & ~scarce))
                        return true;
        return false;
}

/* What runs is looked at while somebody competes for its slot. */
static inline uint64_t look_of(const Model *m, const Counts *c, const ModelJob *j) {
        bool is_watched = j->phase == RUNNING || j->phase == STOPPING;

        return is_watched && is_contended(m, c, m->tenants[j->tenant].pool) ? j->sample_at
                                                                            : TQ_NEVER;
}

static inline ModelJob *find(Model *m, uint64_t id) {
        for (size_t i = 0; i < MODEL_JOBS; i++)
                if (m->jobs[i].phase != GONE && m->jobs[i].id == id)
                        return &m->jobs[i];
        return NULL;
}

/* Where a job that does not run has to wait. */
static inline void model_wait(Model *m, ModelJob *j) {
        uint64_t from = TQ_MAX(j->not_before, j->again_at);
        bool is_due = from <= m->now && (j->after == 0 || j->is_met);
        bool was_queued = is_queued(j);

        j->phase = WAITING;
        j->timer = TQ_MIN(from > m->now ? from : TQ_NEVER, j->start_by);
        j->place = !is_due ? TQ_JOB_SCHEDULED : j->is_held ? TQ_JOB_HELD : TQ_JOB_QUEUED;
        j->placed = j->is_held                 ? TQ_WAIT_HELD
                    : j->again != TQ_WAIT_NONE ? j->again
                    : from > m->now            ? TQ_WAIT_START_AFTER
                                               : TQ_WAIT_AFTER;
        if (is_due && j->sequence == 0)
                j->sequence = ++m->sequence;
        if (!is_queued(j))
                return;
        if (!was_queued)
                j->queued_since = m->now;
}

static inline void model_slot(Model *m, ModelJob *j, Phase phase) {
        j->is_long = !is_short(m, j);
        j->slot_since = m->now;
        j->phase = phase;
}
