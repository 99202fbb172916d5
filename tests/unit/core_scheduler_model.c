/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/scheduler.h"

#include <stdio.h>

#include "unit.h"

#define SEC UINT64_C(1000000)

/* The same rules said once more, as slowly and plainly as possible: no ring, no tree, no heap, no
 * counter. After each of many random steps the two must agree: on every state and timer, on every
 * reason why a job waits, and on this, that no job waits that could start. */

#define MODEL_JOBS    96
#define MODEL_TENANTS 5
#define MODEL_QUEUES  4
#define MODEL_POOLS   3 /* [0] is the shared one */
#define MODEL_STEPS   1000000

typedef enum Phase { GONE, WAITING, STARTING, RUNNING, STOPPING } Phase;

typedef struct ModelJob {
        Phase phase;
        TqJobState place; /* of WAITING */
        TqWait placed;    /* of WAITING, but not in the line: why */
        uint64_t id, sequence;
        unsigned attempt, tenant, queue;
        int priority;
        bool is_held, is_retry, is_long; /* is_long: takes one of the slots for long jobs */
        bool is_aborted, is_killed;
        TqStopReason stop;
        uint64_t not_before, start_by, runtime, grace, memory, bytes;
        uint64_t retry_at;
        unsigned retries;
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
        unsigned starts, finishes, kills, requeues, samples, deadlines, dependencies;
        uint64_t waited[_TQ_WAIT_MAX]; /* how often each reason was seen */
} Model;

static const char *const model_queues[MODEL_QUEUES] = { "a", "b", "c", "default" };
static const char *const model_pools[MODEL_POOLS] = { TQ_POOL_SHARED, "x", "y" };

static uint64_t dice(Model *m, uint64_t n) {
        return unit_random(&m->random) % n;
}

/* The rules ----------------------------------------------------------------------------------- */

static bool holds_slot(const ModelJob *j) {
        return j->phase == STARTING || j->phase == RUNNING || j->phase == STOPPING;
}

static bool is_queued(const ModelJob *j) {
        return j->phase == WAITING && j->place == TQ_JOB_QUEUED;
}

static uint64_t bound_of(const Model *m, const ModelJob *j) {
        return TQ_MIN(j->runtime, m->tenants[j->tenant].runtime);
}

static bool is_short(const Model *m, const ModelJob *j) {
        return bound_of(m, j) <= m->host.lane_runtime_usec;
}

static bool comes_before(const ModelJob *a, const ModelJob *b) {
        return !b ||
               (a->priority != b->priority ? a->priority > b->priority : a->sequence < b->sequence);
}

static Counts count(const Model *m) {
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

static uint64_t queue_limit(const Model *m, unsigned t, unsigned queue) {
        const ModelTenant *x = &m->tenants[t];

        return x->is_configured[queue] ? x->queues[queue] : x->has_concurrency ? TQ_LIMIT_MAX : 1;
}

static uint64_t tenant_limit(const Model *m, unsigned t) {
        return m->tenants[t].has_concurrency ? m->tenants[t].concurrency : TQ_LIMIT_MAX;
}

static uint64_t pool_slots(const Model *m, unsigned pool) {
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

static bool allows_long(const Model *m, const Counts *c, unsigned pool) {
        return pool > 0 || m->host.lane_slots == 0 ||
               c->pools_long[0] < tq_sub_u64(pool_slots(m, 0), m->host.lane_slots);
}

/* Which job of a queue may start. */
static const ModelJob *head_of(const Model *m, const Counts *c, unsigned t, unsigned q) {
        const ModelJob *first = c->first[t][q];

        if (first && !is_short(m, first) && !allows_long(m, c, m->tenants[t].pool) &&
            c->first_short[t][q])
                first = c->first_short[t][q];
        return first;
}

static uint64_t free_memory(const Model *m, const Counts *c) {
        return m->host.memory_bytes == TQ_LIMIT_MAX ? TQ_LIMIT_MAX
                                                    : tq_sub_u64(m->host.memory_bytes, c->memory);
}

#define BIT(w) (UINT64_C(1) << (w))

/* What holds a queued job beside the order among tenants. */
static uint64_t reasons_of_queued(const Model *m, const Counts *c, const ModelJob *j) {
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

static uint64_t reasons_of(const Model *m, const Counts *c, const ModelJob *j) {
        const ModelTenant *t = &m->tenants[j->tenant];
        bool is_scheduled = j->place == TQ_JOB_SCHEDULED, is_unmet = j->after > 0 && !j->is_met;
        uint64_t r = 0;

        if (!m->is_open)
                r |= BIT(TQ_WAIT_RECOVERY);
        if (j->is_held)
                r |= BIT(TQ_WAIT_HELD);
        if (is_scheduled && !j->is_retry && (j->not_before > m->now || !is_unmet))
                r |= BIT(TQ_WAIT_START_AFTER);
        if (is_unmet)
                r |= BIT(TQ_WAIT_AFTER);
        if (is_scheduled && j->is_retry)
                r |= BIT(TQ_WAIT_LAUNCH_RETRY);
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
static uint64_t shortfall(const Model *m, const Counts *c, unsigned t) {
        uint64_t lacks = tq_sub_u64(m->tenants[t].reserved, c->tenants[t]);

        for (unsigned q = 0; lacks > 0 && q < MODEL_QUEUES; q++) {
                const ModelJob *head = head_of(m, c, t, q);

                if (head && reasons_of(m, c, head) == 0)
                        return lacks;
        }
        return 0;
}

static uint64_t deadline_of(const Model *m, const ModelJob *j) {
        uint64_t end = bound_of(m, j);

        if (j->phase == WAITING)
                return j->timer;
        if (j->phase == RUNNING)
                return end == TQ_LIMIT_MAX ? TQ_NEVER : j->since + end;
        return j->phase == STOPPING && !j->is_killed ? j->kill_at : TQ_NEVER;
}

static uint64_t next_sample(const Model *m, const ModelJob *j) {
        uint64_t age = m->now - j->slot_since;

        return m->now + TQ_MIN(TQ_MAX(age / 4, SEC), TQ_MAX(60 * SEC, age / 1024));
}

/* Somebody waits there for nothing but a slot or memory. */
static bool is_contended(const Model *m, const Counts *c, unsigned pool) {
        const uint64_t scarce =
                BIT(TQ_WAIT_BEHIND) | BIT(TQ_WAIT_SLOTS) | BIT(TQ_WAIT_LANE) | BIT(TQ_WAIT_MEMORY);

        for (const ModelJob *j = m->jobs; j < m->jobs + MODEL_JOBS; j++)
                if (is_queued(j) && m->tenants[j->tenant].pool == pool &&
                    !(reasons_of(m, c, j) & ~scarce))
                        return true;
        return false;
}

/* What runs is looked at while somebody competes for its slot. */
static uint64_t look_of(const Model *m, const Counts *c, const ModelJob *j) {
        bool is_watched = j->phase == RUNNING || j->phase == STOPPING;

        return is_watched && is_contended(m, c, m->tenants[j->tenant].pool) ? j->sample_at
                                                                            : TQ_NEVER;
}

static ModelJob *find(Model *m, uint64_t id) {
        for (size_t i = 0; i < MODEL_JOBS; i++)
                if (m->jobs[i].phase != GONE && m->jobs[i].id == id)
                        return &m->jobs[i];
        return NULL;
}

/* Where a job that does not run has to wait. */
static void model_wait(Model *m, ModelJob *j) {
        uint64_t from = TQ_MAX(j->not_before, j->retry_at);
        bool is_due = from <= m->now && (j->after == 0 || j->is_met);
        bool was_queued = is_queued(j);

        j->phase = WAITING;
        j->timer = TQ_MIN(from > m->now ? from : TQ_NEVER, j->start_by);
        j->place = !is_due ? TQ_JOB_SCHEDULED : j->is_held ? TQ_JOB_HELD : TQ_JOB_QUEUED;
        j->placed = j->is_held      ? TQ_WAIT_HELD
                    : j->is_retry   ? TQ_WAIT_LAUNCH_RETRY
                    : from > m->now ? TQ_WAIT_START_AFTER
                                    : TQ_WAIT_AFTER;
        if (is_due && j->sequence == 0)
                j->sequence = ++m->sequence;
        if (!is_queued(j))
                return;
        if (!was_queued)
                j->queued_since = m->now;
}

static void model_slot(Model *m, ModelJob *j, Phase phase) {
        j->is_long = !is_short(m, j);
        j->slot_since = m->now;
        j->phase = phase;
}

/* What is asked for ---------------------------------------------------------------------------- */

/* Nothing holds what starts, and nobody who has a reservation is passed. */
static void model_start(Model *m, ModelJob *j) {
        Counts c = count(m);
        uint64_t reasons = reasons_of(m, &c, j), lacks;
        unsigned pool = m->tenants[j->tenant].pool;

        unit_must(is_queued(j), "differs");
        unit_must(reasons == 0, "job %ju starts in spite of %jx", (uintmax_t)j->id,
                  (uintmax_t)reasons);
        unit_must(head_of(m, &c, j->tenant, j->queue) == j, "not the first");
        unit_must(j->start_by > m->now, "after its deadline");
        lacks = shortfall(m, &c, j->tenant);
        for (unsigned t = 0; !m->was_kept && t < MODEL_TENANTS; t++)
                if (m->tenants[t].pool == pool)
                        unit_must(shortfall(m, &c, t) <= lacks, "tenant %u was reserved more", t);
        model_slot(m, j, STARTING);
        m->starts++;
}

static void model_term(Model *m, const TqAction *a, ModelJob *j) {
        unit_must(a->stop != TQ_STOP_NONE, "differs");
        /* Adopted after it had been asked to stop: asked again. */
        if (j->phase == STOPPING)
                return;
        unit_must(j->phase == RUNNING, "differs");
        if (a->stop != TQ_STOP_CANCELLED) {
                unit_must(j->since + bound_of(m, j) <= m->now, "differs");
                unit_must(a->stop == (m->tenants[j->tenant].runtime < j->runtime
                                              ? TQ_STOP_TIMEOUT_TENANT
                                              : TQ_STOP_TIMEOUT_JOB),
                          "differs");
        }
        j->phase = STOPPING;
        j->stop = a->stop;
        j->kill_at = m->now + j->grace;
}

static void model_finish(Model *m, const TqAction *a, ModelJob *j) {
        bool is_well = a->verdict.outcome == TQ_OUTCOME_EXIT && a->verdict.code == 0;

        unit_must(a->verdict.outcome != TQ_OUTCOME_NONE, "differs");
        if (a->verdict.outcome == TQ_OUTCOME_DEPENDENCY)
                unit_must(j->has_failed, "differs");
        else if (a->verdict.outcome != TQ_OUTCOME_DEADLINE)
                unit_must(!j->has_failed, "differs");
        if (a->verdict.outcome == TQ_OUTCOME_DEADLINE)
                unit_must(j->phase == WAITING && j->start_by <= m->now, "differs");
        j->phase = GONE;
        m->finishes++;
        m->deadlines += a->verdict.outcome == TQ_OUTCOME_DEADLINE;
        m->dependencies += a->verdict.outcome == TQ_OUTCOME_DEPENDENCY;
        /* Ids grow, but their places are used again: in the order of the ids. */
        for (uint64_t last = 0;;) {
                ModelJob *next = NULL;

                for (ModelJob *o = m->jobs; o < m->jobs + MODEL_JOBS; o++)
                        if (o->phase == WAITING && o->after == j->id && !o->is_met &&
                            o->id > last && (!next || o->id < next->id))
                                next = o;
                if (!next)
                        break;
                last = next->id;
                next->is_met = is_well;
                next->has_failed = !is_well;
                if (is_well)
                        model_wait(m, next);
        }
}

static void model_action(Model *m, const TqAction *a) {
        ModelJob *j = find(m, a->job);

        unit_must(j != NULL, "action %d of an unknown job", (int)a->type);
        unit_must(a->userdata == j, "differs");
        unit_must(a->tenant == j->tenant + 1, "differs");
        unit_must(a->attempt == j->attempt, "differs");
        switch (a->type) {
        case TQ_ACTION_START:
                model_start(m, j);
                break;
        case TQ_ACTION_RUN:
                unit_must(j->phase == STARTING && !j->is_aborted, "differs");
                j->phase = RUNNING;
                j->is_retry = false;
                j->retry_at = 0;
                j->retries = 0;
                j->since = m->now;
                j->sample_at = next_sample(m, j);
                break;
        case TQ_ACTION_ABORT:
                unit_must(j->phase == STARTING && !j->is_aborted, "differs");
                j->is_aborted = true;
                j->stop = TQ_STOP_CANCELLED;
                break;
        case TQ_ACTION_TERM:
                model_term(m, a, j);
                break;
        case TQ_ACTION_KILL:
                unit_must(j->phase == STOPPING && !j->is_killed, "differs");
                unit_must(j->kill_at <= m->now, "differs");
                j->is_killed = true;
                m->kills++;
                break;
        case TQ_ACTION_SAMPLE:
                unit_must(j->phase == RUNNING || j->phase == STOPPING, "differs");
                unit_must(j->sample_at <= m->now, "too early");
                j->sample_at = next_sample(m, j);
                m->samples++;
                break;
        case TQ_ACTION_REQUEUE:
                unit_must(j->stop == TQ_STOP_NONE && holds_slot(j), "differs");
                j->attempt += j->phase != STARTING;
                model_wait(m, j);
                m->requeues++;
                break;
        default:
                unit_must(a->type == TQ_ACTION_FINISH, "differs");
                model_finish(m, a, j);
        }
}

/* Comparison ---------------------------------------------------------------------------------- */

/* A job that nothing holds but that memory is kept for another, which has waited long enough. */
static void check_kept(Model *m, const Counts *c, const ModelJob *j, const TqReason *r) {
        const ModelJob *kept = find(m, r->job);

        unit_must(kept && kept != j && is_queued(kept), "memory is kept for nobody");
        unit_must(kept->memory <= m->host.memory_bytes, "memory is kept in vain");
        unit_must(j->memory > tq_sub_u64(free_memory(m, c), kept->memory), "there is enough");
        unit_must(kept->queued_since + m->host.memory_patience_usec <= m->now, "too early");
}

/* Returns the first reason. */
static TqWait check_reasons(Model *m, const Counts *c, const ModelJob *j, const TqJob *real) {
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

static void check_job(Model *m, const Counts *c, const ModelJob *j, uint64_t waits[_TQ_WAIT_MAX]) {
        static const TqJobState states[] = { [STARTING] = TQ_JOB_STARTING,
                                             [RUNNING] = TQ_JOB_RUNNING,
                                             [STOPPING] = TQ_JOB_STOPPING };
        const TqJob *real = tq_scheduler_job(m->s, j->id);
        TqWait why;

        unit_must(real != NULL, "not there");
        unit_must(real->state == (j->phase == WAITING ? j->place : states[j->phase]), "differs");
        unit_must(real->attempt == j->attempt, "differs");
        unit_must(!j->has_failed, "what it waited for has failed");
        if (j->phase != WAITING) {
                unit_must(tq_scheduler_why(m->s, real, m->now) == TQ_WAIT_NONE, "differs");
                return;
        }
        why = check_reasons(m, c, j, real);
        waits[is_queued(j) ? why : j->placed]++;
}

static void check_tenant(const Model *m, const Counts *c, unsigned t) {
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

static void check_pools(const Model *m, const Counts *c) {
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
static void check_summary(const Model *m, const Counts *c, unsigned t, unsigned queue,
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
static void model_check(Model *m) {
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

/* Events -------------------------------------------------------------------------------------- */

/* All whose time has come, in the order of their times. */
static void model_tick(Model *m) {
        for (;;) {
                ModelJob *next = NULL;

                for (ModelJob *j = m->jobs; j < m->jobs + MODEL_JOBS; j++)
                        if (j->phase == WAITING && j->timer <= m->now && j->start_by > m->now &&
                            (!next || j->timer < next->timer ||
                             (j->timer == next->timer && j->id < next->id)))
                                next = j;
                if (!next)
                        return;
                model_wait(m, next);
        }
}

static void model_step(Model *m, TqEvent event, int want) {
        int r = tq_scheduler_step(m->s, &event, m->now, &m->actions);

        unit_must(r == want, "event %d: %d, not %d", (int)event.type, r, want);
        if (event.type == TQ_EVENT_TICK)
                model_tick(m);
        for (size_t i = 0; i < m->actions.n; i++)
                model_action(m, &m->actions.items[i]);
        m->actions.n = 0;
        m->was_kept = m->host.memory_bytes != TQ_LIMIT_MAX;
        if (event.type == TQ_EVENT_TICK)
                for (size_t i = 0; i < MODEL_JOBS; i++)
                        unit_must(m->jobs[i].phase == GONE || deadline_of(m, &m->jobs[i]) > m->now,
                                  "differs");
}

static void model_host(Model *m) {
        static const uint64_t lanes[] = { 0, 5 * SEC, 10 * SEC, 30 * SEC };
        TqHostPolicy p;

        tq_policy_init(&p);
        for (unsigned i = 1; i < MODEL_POOLS; i++) {
                m->has_pool[i] = dice(m, 2);
                if (!m->has_pool[i])
                        continue;
                (void)strcpy(p.pools[p.n_pools].name, model_pools[i]);
                p.pools[p.n_pools++].slots = dice(m, 4);
        }
        p.max_jobs = dice(m, 6) ? 7 + dice(m, 12) : TQ_LIMIT_MAX;
        p.memory_bytes = dice(m, 2) ? 6 + dice(m, 14) : TQ_LIMIT_MAX;
        p.memory_patience_usec = m->patience;
        p.lane_slots = dice(m, 2) ? dice(m, 5) : 0;
        p.lane_runtime_usec = lanes[dice(m, TQ_ELEMENTSOF(lanes))];
        p.cpus = dice(m, 2) ? 1 + dice(m, 8) : TQ_LIMIT_MAX;
        p.io_bytes_per_sec = dice(m, 2) ? 1000 : TQ_LIMIT_MAX;
        p.debt_usec = dice(m, 2) * 10 * SEC;
        p.policy = (uint32_t)(dice(m, 3) ? TQ_POLICY_FAIR : dice(m, _TQ_POLICY_MAX));
        unit_must(tq_policy_is_sane(&p), "not so");
        m->host = p;
        model_step(m, (TqEvent){ .type = TQ_EVENT_HOST, .host = &p }, 0);
}

static void set(TqLimits *l, TqKey key, uint64_t value) {
        l->set |= UINT64_C(1) << key;
        l->value[key] = value;
}

static size_t model_tenant_queues(Model *m, ModelTenant *x, TqQueueLimit *ret) {
        size_t n = 0;

        for (unsigned q = 0; q < MODEL_QUEUES; q++) {
                x->is_configured[q] = dice(m, 2);
                x->queues[q] = dice(m, 5) ? dice(m, 4) : TQ_LIMIT_MAX;
                if (!x->is_configured[q])
                        continue;
                ret[n] = (TqQueueLimit){ .set = UINT64_C(1) << TQ_KEY_CONCURRENCY,
                                         .concurrency = x->queues[q] };
                (void)strcpy(ret[n++].name, model_queues[q]);
        }
        return n;
}

static void model_tenant(Model *m, unsigned t) {
        TqQueueLimit queues[MODEL_QUEUES] = {};
        ModelTenant *x = &m->tenants[t];
        TqLimits l = {};
        size_t n = model_tenant_queues(m, x, queues);

        x->has_concurrency = dice(m, 3) > 0;
        x->concurrency = dice(m, 6) ? dice(m, 7) : TQ_LIMIT_MAX;
        x->runtime = dice(m, 2) ? (1 + dice(m, 30)) * SEC : TQ_LIMIT_MAX;
        x->enabled = dice(m, 8) > 0;
        x->reserved = dice(m, 2) ? dice(m, 4) : 0;
        do
                x->pool = dice(m, 2) ? (unsigned)dice(m, MODEL_POOLS) : 0;
        while (!m->has_pool[x->pool]);
        if (x->has_concurrency)
                set(&l, TQ_KEY_CONCURRENCY, x->concurrency);
        if (x->runtime != TQ_LIMIT_MAX || dice(m, 2))
                set(&l, TQ_KEY_RUNTIME, x->runtime);
        if (x->reserved > 0)
                set(&l, TQ_KEY_RESERVED, x->reserved);
        if (dice(m, 2))
                set(&l, TQ_KEY_WEIGHT, 1 + dice(m, 10000));
        model_step(m,
                   (TqEvent){ .type = TQ_EVENT_TENANT,
                              .tenant = t + 1,
                              .t = { .name = "t",
                                     .limits = &l,
                                     .queue_limits = queues,
                                     .n_queue_limits = n,
                                     .pool = x->pool > 0 ? model_pools[x->pool] : NULL,
                                     .enabled = x->enabled } },
                   0);
}

static void model_switch(Model *m) {
        TqEvent e = { .type = TQ_EVENT_SWITCH, .switches.is_paused = dice(m, 4) == 0 };
        unsigned t = (unsigned)dice(m, MODEL_TENANTS), q = (unsigned)dice(m, MODEL_QUEUES);
        uint64_t which = dice(m, 8);

        if (which == 0)
                m->is_paused = e.switches.is_paused;
        else
                e.tenant = t + 1;
        if (which > 0 && which < 4)
                m->tenants[t].is_paused = e.switches.is_paused;
        if (which >= 4) {
                m->tenants[t].is_queue_paused[q] = e.switches.is_paused;
                e.j.queue = model_queues[q];
        }
        model_step(m, e, 0);
}

static ModelJob *any_job(Model *m, bool with_slot) {
        size_t first = dice(m, MODEL_JOBS);

        for (size_t i = 0; i < MODEL_JOBS; i++) {
                ModelJob *j = &m->jobs[(first + i) % MODEL_JOBS];

                if (j->phase != GONE && (!with_slot || holds_slot(j)))
                        return j;
        }
        return NULL;
}

static ModelJob *any_waiting(Model *m) {
        ModelJob *j = any_job(m, false);

        return j && j->phase == WAITING ? j : NULL;
}

static ModelJob model_job(Model *m) {
        const ModelJob *other = any_job(m, false);
        ModelJob j = { .id = m->next_id++,
                       .attempt = 1,
                       .tenant = (unsigned)dice(m, MODEL_TENANTS),
                       .queue = (unsigned)dice(m, MODEL_QUEUES),
                       .priority = (int)dice(m, 5) - 2,
                       .is_held = dice(m, 20) == 0,
                       .not_before = dice(m, 4) ? 0 : m->now + dice(m, 5 * SEC),
                       .start_by = dice(m, 8) ? TQ_NEVER : m->now + 1 + dice(m, 20 * SEC),
                       .runtime = dice(m, 2) ? (1 + dice(m, 30)) * SEC : TQ_LIMIT_MAX,
                       .grace = dice(m, 4) * SEC,
                       .memory = dice(m, 3) ? dice(m, 5) : dice(m, 20),
                       .bytes = dice(m, 1000) };

        if (other && dice(m, 6) == 0) {
                j.after = other->id;
                j.tenant = other->tenant;
        }
        return j;
}

/* As if found at a start: it runs already, limits or not. */
static void model_adopted(Model *m, ModelJob *j) {
        j->is_held = false;
        j->start_by = TQ_NEVER;
        j->stop = dice(m, 2) ? TQ_STOP_CANCELLED : TQ_STOP_NONE;
        j->since = m->now - dice(m, SEC);
        j->kill_at = m->now + j->grace;
        j->attempt = 1 + (unsigned)dice(m, 3);
        model_slot(m, j, j->stop ? STOPPING : RUNNING);
        j->slot_since = j->since;
        j->sample_at = next_sample(m, j);
}

/* Another event of the same instant follows sometimes, and nothing is decided before it. */
static void model_submit(Model *m) {
        ModelJob *j = m->jobs;
        TqAfter after;
        TqEvent e;

        while (j < m->jobs + MODEL_JOBS && j->phase != GONE)
                j++;
        if (j == m->jobs + MODEL_JOBS)
                return;
        *j = model_job(m);
        if (dice(m, 40) == 0 && !j->not_before && !j->after)
                model_adopted(m, j);
        else
                model_wait(m, j);
        after = (TqAfter){ .job = j->after };
        e = (TqEvent){ .type = j->phase == WAITING ? TQ_EVENT_SUBMIT : TQ_EVENT_ADOPT,
                       .more = dice(m, 10) == 0,
                       .tenant = j->tenant + 1,
                       .job = j->id,
                       .attempt = j->attempt,
                       .j = { .queue = model_queues[j->queue],
                              .priority = j->priority,
                              .name = dice(m, 4),
                              .not_before = j->not_before,
                              .has_start_by = j->start_by != TQ_NEVER,
                              .start_by = j->start_by,
                              .runtime_usec = j->runtime,
                              .stop_usec = j->grace,
                              .memory_bytes = j->memory,
                              .spool_bytes = j->bytes,
                              .after = &after,
                              .n_after = j->after > 0,
                              .running_since = j->since,
                              .stop = j->stop,
                              .is_held = j->is_held,
                              .is_promised = dice(m, 2),
                              .userdata = j } };
        if (e.type == TQ_EVENT_SUBMIT && !e.j.is_promised && j->memory > m->host.memory_bytes) {
                m->sequence -= j->sequence > 0;
                j->phase = GONE;
                model_step(m, e, -EDQUOT);
                unit_must(m->actions.refusal.kind == TQ_REFUSAL_TOO_BIG, "differs");
        } else
                model_step(m, e, 0);
        if (e.more)
                model_step(m, (TqEvent){ .type = TQ_EVENT_TICK }, 0);
}

static void model_cancel(Model *m) {
        ModelJob *j = any_job(m, false);
        Phase before;
        bool is_refused;
        uint64_t id;

        if (!j)
                return;
        id = j->id;
        before = j->phase;
        is_refused = before == STOPPING || j->is_aborted;
        model_step(m, (TqEvent){ .type = TQ_EVENT_CANCEL, .job = id }, is_refused ? -EALREADY : 0);
        if (is_refused)
                return;
        if (before == WAITING)
                unit_must(find(m, id) == NULL, "still there");
        else if (before == STARTING)
                unit_must(j->is_aborted, "not so");
        else
                unit_must(j->phase == STOPPING, "differs");
}

static void model_hold(Model *m) {
        ModelJob *j = any_job(m, false);
        bool hold = dice(m, 3) == 0;
        int want;

        if (!j)
                return;
        want = j->phase != WAITING ? -EBUSY : j->is_held == hold ? -EALREADY : 0;
        if (want == 0) {
                j->is_held = hold;
                model_wait(m, j);
        }
        model_step(m, (TqEvent){ .type = hold ? TQ_EVENT_HOLD : TQ_EVENT_RELEASE, .job = j->id },
                   want);
}

/* What a job waits for had ended before the job came. */
static void model_after(Model *m) {
        ModelJob *j = any_waiting(m);
        TqEvent e = { .type = TQ_EVENT_AFTER, .is_met = dice(m, 2) };
        bool is_known;
        uint64_t id;

        if (!j)
                return;
        id = e.job = j->id;
        e.attempt = j->attempt;
        e.after.job = dice(m, 4) ? j->after : m->next_id + 5;
        is_known = j->after > 0 && !j->is_met && e.after.job == j->after;
        if (is_known && e.is_met) {
                j->is_met = true;
                model_wait(m, j);
        } else if (is_known)
                j->has_failed = true;
        model_step(m, e, is_known ? 0 : -ENOENT);
        unit_must(!is_known || e.is_met || !find(m, id), "what it waited for has failed");
}

static void model_used(Model *m, const ModelJob *j) {
        TqUse use = { .cpu_usec = dice(m, 30 * SEC), .io_bytes = dice(m, 1000) };

        model_step(
                m,
                (TqEvent){
                        .type = TQ_EVENT_USED, .job = j->id, .attempt = j->attempt, .use = &use },
                0);
}

static void model_launch(Model *m, ModelJob *j) {
        TqEvent e = { .type = TQ_EVENT_SPAWNED, .job = j->id, .attempt = j->attempt };
        bool is_aborted = j->is_aborted;

        if (dice(m, 6) > 0) {
                model_step(m, e, 0);
                unit_must(j->phase == (is_aborted ? STARTING : RUNNING), "differs");
                return;
        }
        e.type = TQ_EVENT_REFUSED;
        if (!is_aborted) {
                j->retry_at = m->now + TQ_MIN(SEC << TQ_MIN(j->retries, 6U), 60 * SEC);
                j->retries++;
                j->is_retry = true;
                model_wait(m, j);
        }
        model_step(m, e, 0);
        if (is_aborted)
                unit_must(find(m, e.job) == NULL, "still there");
}

static void model_end(Model *m, const ModelJob *j, TqEnd e) {
        bool repeats = e.kind == TQ_END_NEVER_STARTED && j->stop == TQ_STOP_NONE;
        uint64_t id = j->id;

        e.counters = (TqCounters){ .cpu_usec = dice(m, 4) ? dice(m, 30 * SEC) : TQ_UNKNOWN,
                                   .memory_peak_bytes = dice(m, 4) ? dice(m, 10) : TQ_UNKNOWN,
                                   .io_read_bytes = dice(m, 4) ? dice(m, 5000) : TQ_UNKNOWN };
        model_step(m,
                   (TqEvent){ .type = TQ_EVENT_ENDED, .job = id, .attempt = j->attempt, .end = &e },
                   0);
        unit_must((find(m, id) != NULL) == repeats || repeats, "differs");
}

static void model_progress(Model *m) {
        ModelJob *j = any_job(m, true);
        TqEnd e = { .kind = TQ_END_EXITED, .code = (int)dice(m, 3) };

        if (!j)
                return;
        if (dice(m, 8) == 0) {
                model_used(m, j);
                return;
        }
        if (j->phase == STARTING && dice(m, 4) > 0) {
                model_launch(m, j);
                return;
        }
        if (j->phase == STARTING)
                e.kind = dice(m, 2) ? TQ_END_NEVER_STARTED : TQ_END_SPAWN_FAILED;
        else if (dice(m, 10) == 0)
                e.kind = TQ_END_NEVER_STARTED;
        else if (dice(m, 3) == 0)
                e = (TqEnd){ .kind = TQ_END_SIGNALED, .code = 9 };
        model_end(m, j, e);
}

/* What nobody should listen to. */
static void model_noise(Model *m) {
        static const TqEventType types[] = { TQ_EVENT_SPAWNED, TQ_EVENT_REFUSED, TQ_EVENT_ENDED,
                                             TQ_EVENT_USED };
        TqEnd end = { .kind = TQ_END_EXITED };
        TqUse use = {};
        TqLimits l = {};
        ModelJob *j = any_job(m, false);
        TqEvent e = { .type = types[dice(m, TQ_ELEMENTSOF(types))],
                      .job = m->next_id + dice(m, 10),
                      .attempt = 1,
                      .end = &end,
                      .use = &use };

        if (j && dice(m, 2)) {
                e.job = j->id;
                e.attempt = j->attempt + 1 - 2 * (unsigned)dice(m, 2);
        } else if (dice(m, 4) == 0)
                e = (TqEvent){ .type = TQ_EVENT_TENANT,
                               .tenant = 1 + (uint32_t)dice(m, 10),
                               .t = { .name = "t", .limits = &l, .pool = "nowhere" } };
        model_step(m, e, -ENOENT);
}

static void model_any(Model *m) {
        uint64_t x = dice(m, 200);

        m->now += dice(m, 3) ? dice(m, SEC / 4) : 0;
        if (x < 60)
                model_submit(m);
        else if (x < 140)
                model_progress(m);
        else if (x < 150)
                model_cancel(m);
        else if (x < 178)
                model_step(m, (TqEvent){ .type = TQ_EVENT_TICK }, 0);
        else if (x < 184)
                model_hold(m);
        else if (x < 186)
                model_after(m);
        else if (x < 189)
                model_noise(m);
        else if (x < 193)
                model_switch(m);
        else if (x < 198)
                model_tenant(m, (unsigned)dice(m, MODEL_TENANTS));
        else
                model_host(m);
}

/* Ends everything: no slot, no queue, no timer may be left. */
static void model_drain(Model *m) {
        for (ModelJob *j; (j = any_job(m, false));) {
                if (holds_slot(j))
                        model_end(m, j, (TqEnd){ .kind = TQ_END_EXITED });
                else
                        model_cancel(m);
        }
        model_check(m);
        for (uint32_t t = 1; t <= MODEL_TENANTS; t++) {
                const TqTenant *real = tq_scheduler_tenant(m->s, t);
                TqLimits none = {};

                unit_must(real->running == 0 && real->waiting.jobs == 0, "differs");
                unit_must(tq_list_is_empty(&real->active), "not so");
                unit_must(tq_list_is_empty(&real->ready_queues), "not so");
                unit_must(!tq_tree_contains(&real->order), "not so");
                /* Queues that something is said about stay. */
                model_step(m,
                           (TqEvent){ .type = TQ_EVENT_TENANT,
                                      .tenant = t,
                                      .t = { .name = "t", .limits = &none, .enabled = true } },
                           0);
                for (unsigned q = 0; q < MODEL_QUEUES; q++)
                        model_step(m,
                                   (TqEvent){ .type = TQ_EVENT_SWITCH,
                                              .tenant = t,
                                              .j.queue = model_queues[q] },
                                   0);
                unit_must(real->n_queues == 0 && tq_list_is_empty(&real->queues), "not so");
        }
        unit_must(tq_scheduler_next_deadline(m->s) == TQ_NEVER, "differs");
        unit_must(tq_scheduler_memory_promised(m->s) == 0, "differs");
}

static const uint64_t seeds[] = { 1, 0xDEADBEEF,        20261120, 0x123456789ABCDEF,
                                  7, 0xFEDCBA987654321, 42,       0xA5A5A5A55A5A5A5A };

START_TEST(model) {
        Model *m = calloc(1, sizeof(*m));

        ck_assert_ptr_nonnull(m);
        m->s = tq_scheduler_new();
        ck_assert_ptr_nonnull(m->s);
        m->now = 1000 * SEC;
        m->random = seeds[_i];
        m->next_id = 1;
        m->patience = (uint64_t)_i % 3 * SEC;
        m->has_pool[0] = true;
        model_host(m);
        for (unsigned t = 0; t < MODEL_TENANTS; t++)
                model_tenant(m, t);
        for (int i = 0; i < MODEL_STEPS / (int)TQ_ELEMENTSOF(seeds); i++) {
                if (i == 200) {
                        m->is_open = true;
                        model_step(m, (TqEvent){ .type = TQ_EVENT_OPEN }, 0);
                }
                model_any(m);
                model_check(m);
        }
        model_drain(m);
        /* It was no idle walk. */
        ck_assert_uint_gt(m->starts, 5000);
        ck_assert_uint_gt(m->finishes, 5000);
        ck_assert_uint_gt(m->requeues, 100);
        ck_assert_uint_gt(m->kills, 20);
        ck_assert_uint_gt(m->samples, 100);
        ck_assert_uint_gt(m->deadlines, 100);
        ck_assert_uint_gt(m->dependencies, 100);
        for (int w = TQ_WAIT_NONE + 1; w < _TQ_WAIT_MAX; w++)
                ck_assert_msg(m->waited[w] > 10, "%s was seen %ju times",
                              tq_reason_to_string((TqWait)w), (uintmax_t)m->waited[w]);
        m->s = tq_scheduler_free(m->s);
        tq_scheduler_actions_done(&m->actions);
        free(m);
}
END_TEST

static void fill(Suite *s) {
        unit_add_rows(unit_case(s, "model"), model, seeds);
}

int main(void) {
        return unit_main("core/scheduler model", fill);
}
