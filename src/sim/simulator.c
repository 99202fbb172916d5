/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim/simulator.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* A discrete-event simulation: the next thing that happens is a submission, the end of a job or a
 * deadline of the scheduler, and what happens at the same instant is told to the scheduler before
 * it decides (TqEvent.more).
 *
 * What a tenant has used is integrated lazily: rates change only when a job starts or ends, so a
 * tenant's account is settled then, and a step costs what happens in it. Virtual time as in fluid
 * fair queueing gives the entitlement: Account.virtual is ∫ (what the competing tenants use
 * together) / (their weights), so a tenant that competes is entitled to its weight times the
 * difference. */

#define EPOCH (UINT64_C(1) << 45) /* where the virtual clock starts: a year after boot */

typedef struct Running {
        TqHeapNode node;
        uint64_t end_usec;
        uint64_t start_usec;
        uint32_t job; /* index */
        bool is_stopped;
        double rate; /* slots' worth of dominant use */
} Running;

typedef struct Account {
        bool competes;
        double rate;                                    /* of its running jobs */
        double clock, virtual;                          /* of its pool when it was last settled */
        double use, entitled;                           /* while its pool was contended */
        double competed_use, competed_part, competed_s; /* while it competed itself */
        double whole_use;
        double ran_s; /* of its jobs that ended */
        uint64_t ended;
        double weight;
        size_t pool;
        TqList noted; /* something about it has happened at this instant */
} Account;

/* Integrals of one pool. */
typedef struct PoolAccount {
        uint64_t competing; /* tenants */
        double weights, rate_competing;
        double clock;   /* seconds while contended */
        double virtual; /* see above */
        double whole;   /* seconds altogether */
} PoolAccount;

typedef struct Simulation {
        const TqWorkload *w;
        TqHostPolicy host;
        TqScheduler *s;
        TqActions actions;
        uint64_t now;
        size_t next_submission;
        TqHeap ends;
        Running *running; /* one for each job: it is written when the job starts */
        uint64_t *waits;  /* usec; UINT64_MAX: refused or never started */
        Account *accounts;
        TqList noted; /* of Account.noted */
        double *whole_clock;
        PoolAccount pools[TQ_POOLS_MAX];
        float *costs; /* ns of each decision */
        size_t n_costs;
        uint64_t last_end;
        double idle;
        TqSimReport report;
} Simulation;

static bool ends_before(const TqHeapNode *a, const TqHeapNode *b) {
        const Running *x = TQ_CONTAINER_OF(a, Running, node),
                      *y = TQ_CONTAINER_OF(b, Running, node);

        return x->end_usec != y->end_usec ? x->end_usec < y->end_usec : x->job < y->job;
}

/* Accounts ------------------------------------------------------------------------------------ */

static void settle(Simulation *m, uint32_t tenant) {
        Account *a = &m->accounts[tenant];
        const PoolAccount *p = &m->pools[a->pool];
        double seconds = p->clock - a->clock, fluid = p->virtual - a->virtual;
        double part = a->competes ? a->weight * fluid : a->rate * seconds;

        a->use += a->rate * seconds;
        a->entitled += part;
        if (a->competes) {
                a->competed_use += a->rate * seconds;
                a->competed_part += part;
                a->competed_s += seconds;
        }
        a->whole_use += a->rate * (p->whole - m->whole_clock[tenant]);
        m->whole_clock[tenant] = p->whole;
        a->clock = p->clock;
        a->virtual = p->virtual;
}

static void change_rate(Simulation *m, uint32_t tenant, double by) {
        Account *a = &m->accounts[tenant];

        settle(m, tenant);
        a->rate = TQ_MAX(a->rate + by, 0.0);
        if (a->competes)
                m->pools[a->pool].rate_competing += by;
}

/* Whether the tenant waits for a slot that another one has. */
static void watch(Simulation *m, uint32_t tenant) {
        const TqTenant *t = tq_scheduler_tenant(m->s, tenant + 1);
        Account *a = &m->accounts[tenant];
        PoolAccount *p = &m->pools[a->pool];
        bool competes = t->stand != TQ_STAND_OUT;

        if (competes == a->competes)
                return;
        settle(m, tenant);
        a->competes = competes;
        p->competing += competes ? 1 : (uint64_t)-1;
        p->weights += competes ? a->weight : -a->weight;
        p->rate_competing += competes ? a->rate : -a->rate;
        if (p->competing == 0)
                p->weights = p->rate_competing = 0;
}

/* Where it stands is known once the instant is decided. */
static void note(Simulation *m, uint32_t tenant) {
        Account *a = &m->accounts[tenant];

        if (tq_list_is_empty(&a->noted))
                tq_list_append(&m->noted, &a->noted);
}

static void watch_noted(Simulation *m) {
        TQ_LIST_FOREACH(node, &m->noted) {
                tq_list_unlink(node);
                watch(m, (uint32_t)(TQ_LIST_ENTRY(node, Account, noted) - m->accounts));
        }
}

static void pass_time(Simulation *m, uint64_t until) {
        double seconds = (double)(until - m->now) / 1e6;

        for (size_t i = 0; i < TQ_POOLS_MAX; i++) {
                const TqPool *pool = tq_scheduler_pool(m->s, i);
                PoolAccount *p = &m->pools[i];

                if (!pool)
                        break;
                p->whole += seconds;
                if (p->competing >= 2) {
                        p->clock += seconds;
                        p->virtual += seconds * p->rate_competing / p->weights;
                }
                if (pool->running < pool->slots && tq_scheduler_next(m->s, pool, m->now))
                        m->idle += seconds * (double)(pool->slots - pool->running);
        }
        m->now = until;
}

/* Events -------------------------------------------------------------------------------------- */

static double rate_of(const TqSimJob *job, const TqPool *pool) {
        TqUse use = { .slot_usec = job->run_usec,
                      .cpu_usec = job->cpu_usec,
                      .memory_bytes = job->memory_bytes };

        return (double)tq_fair_charge(&use, &pool->capacity) / 1e3 / (double)job->run_usec *
               (double)pool->slots;
}

/* What the job has used by now: in each second of its run as much. */
static TqUse use_of(const Simulation *m, uint32_t index) {
        const TqSimJob *job = &m->w->jobs[index];
        double part = (double)(m->now - m->running[index].start_usec) / (double)job->run_usec;

        return (TqUse){
                .cpu_usec = (uint64_t)((double)job->cpu_usec * TQ_MIN(part, 1.0)),
                .memory_bytes = job->memory_bytes,
        };
}

static int tell(Simulation *m, TqEvent *e, bool more);

static int on_start(Simulation *m, uint32_t index) {
        const TqSimJob *job = &m->w->jobs[index];
        const TqTenant *t = tq_scheduler_tenant(m->s, job->tenant + 1);
        Running *r = &m->running[index];
        int error;

        *r = (Running){ .start_usec = m->now,
                        .end_usec = m->now + job->run_usec,
                        .job = index,
                        .rate = rate_of(job, t->pool) };
        m->waits[index] = m->now - EPOCH - job->submit_usec;
        change_rate(m, job->tenant, r->rate);
        note(m, job->tenant);
        error = tq_heap_insert(&m->ends, &r->node);
        return error < 0 ? error
                         : tell(m,
                                &(TqEvent){ .type = TQ_EVENT_SPAWNED,
                                            .job = (uint64_t)index + 1,
                                            .attempt = 1 },
                                true);
}

static int answer(Simulation *m, uint64_t job) {
        TqUse use = use_of(m, (uint32_t)(job - 1));
        TqEvent e = { .type = TQ_EVENT_USED, .job = job, .attempt = 1, .use = &use };

        return tell(m, &e, true);
}

static int carry_out(Simulation *m, const TqAction *a) {
        uint32_t index = (uint32_t)(a->job - 1);
        Running *r = &m->running[index];

        switch (a->type) {
        case TQ_ACTION_START:
                return on_start(m, index);
        case TQ_ACTION_TERM:
                /* A job ends when it is asked to. */
                r->end_usec = m->now;
                r->is_stopped = true;
                tq_heap_update(&m->ends, &r->node);
                return 0;
        case TQ_ACTION_SAMPLE:
                return answer(m, a->job);
        default:
                return 0;
        }
}

static double ns_between(const struct timespec *a, const struct timespec *b) {
        return (double)(b->tv_sec - a->tv_sec) * 1e9 + (double)(b->tv_nsec - a->tv_nsec);
}

/* A step that decides: what its starts cost is kept. */
static int decide(Simulation *m, const TqEvent *e) {
        size_t first = m->actions.n, starts = 0;
        struct timespec before, after;
        int r;

        (void)clock_gettime(CLOCK_MONOTONIC, &before);
        r = tq_scheduler_step(m->s, e, m->now, &m->actions);
        (void)clock_gettime(CLOCK_MONOTONIC, &after);
        for (size_t i = first; i < m->actions.n; i++)
                starts += m->actions.items[i].type == TQ_ACTION_START;
        if (starts > 0)
                m->costs[m->n_costs++] = (float)ns_between(&before, &after) / (float)starts;
        m->report.decisions += starts;
        return r;
}

/* One event and what follows from it. `more`: nothing is decided yet. */
static int tell(Simulation *m, TqEvent *e, bool more) {
        size_t first = m->actions.n, end;
        int r, error = 0;

        e->more = more;
        r = more ? tq_scheduler_step(m->s, e, m->now, &m->actions) : decide(m, e);
        end = m->actions.n;
        /* An action may lead to the next event, whose actions come after these and are gone when it
         * returns. */
        for (size_t i = first; error >= 0 && i < end; i++) {
                TqAction action = m->actions.items[i]; /* the list may move */

                error = carry_out(m, &action);
        }
        m->actions.n = first;
        return error < 0 ? error : r;
}

static int on_submission(Simulation *m) {
        uint32_t index = (uint32_t)m->next_submission++;
        const TqSimJob *job = &m->w->jobs[index];
        int r;

        r = tell(m,
                 &(TqEvent){
                         .type = TQ_EVENT_SUBMIT,
                         .tenant = job->tenant + 1,
                         .job = (uint64_t)index + 1,
                         .j = { .queue = m->w->queues[job->queue],
                                .priority = job->priority,
                                .name = job->name,
                                .runtime_usec = job->bound_usec,
                                .memory_bytes = job->memory_bytes },
                 },
                 true);
        m->waits[index] = UINT64_MAX;
        if (r == -EDQUOT) {
                m->report.tenants[job->tenant].refused++;
                return 0;
        }
        note(m, job->tenant);
        return r;
}

static int on_end(Simulation *m, Running *r) {
        const TqSimJob *job = &m->w->jobs[r->job];
        TqUse use = use_of(m, r->job);
        TqEnd end = { .kind = r->is_stopped ? TQ_END_SIGNALED : TQ_END_EXITED,
                      .counters = { .cpu_usec = use.cpu_usec,
                                    .memory_peak_bytes = use.memory_bytes } };
        int error;

        tq_heap_remove(&m->ends, &r->node);
        m->last_end = m->now;
        m->accounts[job->tenant].ran_s += (double)(m->now - r->start_usec) / 1e6;
        m->accounts[job->tenant].ended++;
        change_rate(m, job->tenant, -r->rate);
        error = tell(m,
                     &(TqEvent){ .type = TQ_EVENT_ENDED,
                                 .job = (uint64_t)r->job + 1,
                                 .attempt = 1,
                                 .end = &end },
                     true);
        note(m, job->tenant);
        return error;
}

/* When the workload is next heard of. */
static uint64_t next_change(const Simulation *m) {
        const TqHeapNode *first = tq_heap_top(&m->ends);
        uint64_t at = TQ_NEVER;

        if (first)
                at = TQ_CONTAINER_OF(first, Running, node)->end_usec;
        if (m->next_submission < m->w->n_jobs)
                at = TQ_MIN(at, EPOCH + m->w->jobs[m->next_submission].submit_usec);
        return at;
}

/* The integrals are added up in the same steps as if each look were an instant of its own, which it
 * is where memory or a lane is scarce. */
static TqUse meter(void *userdata, const TqJob *job, uint64_t now_usec) {
        Simulation *m = userdata;

        if (now_usec > m->now)
                pass_time(m, now_usec);
        return use_of(m, (uint32_t)(job->id - 1));
}

static uint64_t next_instant(Simulation *m) {
        uint64_t at = next_change(m);

        tq_scheduler_look(m->s, at, meter, m);
        return TQ_MIN(at, tq_scheduler_next_deadline(m->s));
}

static int step(Simulation *m) {
        TqHeapNode *first;
        int r;

        r = tell(m, &(TqEvent){ .type = TQ_EVENT_TICK }, true);
        while (r >= 0 && (first = tq_heap_top(&m->ends)) &&
               TQ_CONTAINER_OF(first, Running, node)->end_usec <= m->now)
                r = on_end(m, TQ_CONTAINER_OF(first, Running, node));
        while (r >= 0 && m->next_submission < m->w->n_jobs &&
               EPOCH + m->w->jobs[m->next_submission].submit_usec <= m->now)
                r = on_submission(m);
        if (r >= 0)
                r = tell(m, &(TqEvent){ .type = TQ_EVENT_TICK }, false);
        watch_noted(m);
        return r;
}

/* What came of it ----------------------------------------------------------------------------- */

static int by_value(const void *a, const void *b) {
        double x = *(const double *)a, y = *(const double *)b;

        return (x > y) - (x < y);
}

static int by_float(const void *a, const void *b) {
        float x = *(const float *)a, y = *(const float *)b;

        return (x > y) - (x < y);
}

/* The nearest rank. */
static double percentile(const double *sorted, size_t n, double p) {
        size_t rank = (size_t)ceil(p * (double)n);

        return n == 0 ? 0 : sorted[TQ_MIN(TQ_MAX(rank, (size_t)1), n) - 1];
}

static void measure_waits(const Simulation *m, TqSimResult *t, const uint32_t *jobs, size_t n,
                          double *scratch) {
        double sum = 0;

        t->jobs = n;
        for (size_t i = 0; i < n; i++)
                if (m->waits[jobs[i]] != UINT64_MAX)
                        scratch[t->started++] = (double)m->waits[jobs[i]] / 1e6;
        qsort(scratch, t->started, sizeof(*scratch), by_value);
        t->wait_p50_s = percentile(scratch, t->started, 0.50);
        t->wait_p95_s = percentile(scratch, t->started, 0.95);
        t->wait_p99_s = percentile(scratch, t->started, 0.99);
        n = 0;
        for (size_t i = 0; i < t->jobs; i++) {
                double run = TQ_MAX((double)m->w->jobs[jobs[i]].run_usec / 1e6, 1.0);

                if (m->waits[jobs[i]] == UINT64_MAX)
                        continue;
                scratch[n] = ((double)m->waits[jobs[i]] / 1e6 + run) / run;
                sum += scratch[n++];
        }
        qsort(scratch, n, sizeof(*scratch), by_value);
        t->slowdown_mean = n > 0 ? sum / (double)n : 0;
        t->slowdown_p99 = percentile(scratch, n, 0.99);
}

/* Jobs by tenant, by counting: first[t] … first[t + 1]. */
static int sort_by_tenant(const TqWorkload *w, uint32_t **ret_jobs, size_t **ret_first) {
        size_t *first = calloc(w->n_tenants + 2, sizeof(*first));
        uint32_t *jobs = malloc((w->n_jobs + 1) * sizeof(*jobs));

        if (!first || !jobs) {
                free(first);
                free(jobs);
                return -ENOMEM;
        }
        for (size_t i = 0; i < w->n_jobs; i++)
                first[w->jobs[i].tenant + 2]++;
        for (size_t t = 2; t <= w->n_tenants + 1; t++)
                first[t] += first[t - 1];
        for (size_t i = 0; i < w->n_jobs; i++)
                jobs[first[w->jobs[i].tenant + 1]++] = (uint32_t)i;
        *ret_jobs = jobs;
        *ret_first = first;
        return 0;
}

/* Jain, Chiu, Hawe, "A quantitative measure of fairness", 1984. */
static double jain_of(const TqSimReport *r) {
        double sum = 0, squares = 0;
        size_t n = 0;

        for (size_t i = 0; i < r->n_tenants; i++) {
                double x = r->tenants[i].fairness;

                if (x < 0)
                        continue;
                sum += x;
                squares += x * x;
                n++;
        }
        return n < 2 || squares <= 0 ? 1.0 : sum * sum / ((double)n * squares);
}

/* The same with each ratio x of use over entitlement counted by its entitlement e, in slot-seconds:
 * (Σ e x)² / (Σ e · Σ e x²). Who competed for a moment counts for a moment. */
static double jain_by_entitlement(const Simulation *m) {
        double use = 0, entitled = 0, squares = 0;
        size_t n = 0;

        for (size_t i = 0; i < m->report.n_tenants; i++) {
                const Account *a = &m->accounts[i];

                if (a->competed_part <= 0)
                        continue;
                use += a->competed_use;
                entitled += a->competed_part;
                squares += a->competed_use * a->competed_use / a->competed_part;
                n++;
        }
        return n < 2 || squares <= 0 ? 1.0 : use * use / (entitled * squares);
}

/* For a job more or less the scheduler is not to blame: of few jobs that is much. */
static bool is_judged(const Account *a) {
        return a->competed_part > 0 && a->ended > 0 &&
               a->competed_s >= TQ_SIM_JUDGED_LENGTHS * a->ran_s / (double)a->ended;
}

static void measure_errors(Simulation *m) {
        TqSimReport *r = &m->report;

        r->share_error_tenant = TQ_SIM_NOBODY;
        for (uint32_t i = 0; i < r->n_tenants; i++) {
                double error = fabs(r->tenants[i].fairness - 1);

                if (!is_judged(&m->accounts[i]) ||
                    (r->share_error_tenant != TQ_SIM_NOBODY && error <= r->share_error_max))
                        continue;
                r->share_error_max = error;
                r->share_error_tenant = i;
        }
}

static void measure_shares(Simulation *m) {
        double use = 0, whole = 0, entitled = 0;

        for (uint32_t i = 0; i < m->report.n_tenants; i++) {
                settle(m, i);
                use += m->accounts[i].use;
                entitled += m->accounts[i].entitled;
                whole += m->accounts[i].whole_use;
        }
        for (size_t i = 0; i < m->report.n_tenants; i++) {
                const Account *a = &m->accounts[i];
                TqSimResult *t = &m->report.tenants[i];

                t->use = use > 0 ? a->use : a->whole_use;
                t->share = use > 0 ? a->use / use : whole > 0 ? a->whole_use / whole : 0;
                t->entitlement = entitled > 0 ? a->entitled / entitled : t->share;
                t->fairness = a->competed_part > 0 ? a->competed_use / a->competed_part : -1;
        }
        m->report.jain = jain_of(&m->report);
        m->report.jain_weighted = jain_by_entitlement(m);
        measure_errors(m);
}

static int measure(Simulation *m) {
        TQ_FREE double *scratch = malloc((m->w->n_jobs + 1) * sizeof(*scratch));
        TQ_FREE uint32_t *jobs = NULL;
        TQ_FREE size_t *first = NULL;
        int r;

        r = scratch ? sort_by_tenant(m->w, &jobs, &first) : -ENOMEM;
        if (r < 0)
                return r;
        for (size_t t = 0; t < m->w->n_tenants; t++)
                measure_waits(m, &m->report.tenants[t], jobs + first[t], first[t + 1] - first[t],
                              scratch);
        measure_shares(m);
        m->report.jobs = m->w->n_jobs;
        m->report.idle_while_eligible_s = m->idle;
        if (m->w->n_jobs > 0)
                m->report.makespan_s =
                        (double)tq_sub_u64(m->last_end, EPOCH + m->w->jobs[0].submit_usec) / 1e6;
        qsort(m->costs, m->n_costs, sizeof(*m->costs), by_float);
        if (m->n_costs > 0)
                m->report.decision_ns_median = (double)m->costs[(m->n_costs - 1) / 2];
        return 0;
}

/* Setting up ---------------------------------------------------------------------------------- */

static int add_tenant(Simulation *m, uint32_t i, TqError *err) {
        const TqSimTenant *t = &m->w->tenants[i];
        TqLimits limits = t->limits;
        uint64_t left;
        int r;

        /* In a workload who says nothing about it is not bound to one job at a time: the slots are
         * what is competed for. */
        if (!m->w->one_per_queue && !tq_limits_has(&limits, TQ_KEY_CONCURRENCY)) {
                limits.set |= UINT64_C(1) << TQ_KEY_CONCURRENCY;
                limits.value[TQ_KEY_CONCURRENCY] = TQ_LIMIT_MAX;
        }
        r = tq_scheduler_check_reserved(m->s, i + 1, t->pool,
                                        tq_limits_get(&limits, TQ_KEY_RESERVED, 0), &left);
        if (r == -ENOENT)
                return tq_error(err, -EBADMSG, "tenant %s: there is no pool \"%s\"", t->name,
                                t->pool);
        if (r == -EDQUOT)
                return tq_error(err, -EBADMSG,
                                "tenant %s: reserved: only %" PRIu64 " slots are left to reserve",
                                t->name, left);
        r = tell(m,
                 &(TqEvent){ .type = TQ_EVENT_TENANT,
                             .tenant = i + 1,
                             .t = { .name = t->name,
                                    .limits = &limits,
                                    .queue_limits = t->queues,
                                    .n_queue_limits = t->n_queues,
                                    .pool = t->pool,
                                    .enabled = true } },
                 true);
        if (r < 0)
                return r;
        m->accounts[i].weight = (double)tq_limits_get(&limits, TQ_KEY_WEIGHT, TQ_WEIGHT_DEFAULT);
        for (size_t k = 0; tq_scheduler_pool(m->s, k); k++)
                if (tq_scheduler_pool(m->s, k) == tq_scheduler_tenant(m->s, i + 1)->pool)
                        m->accounts[i].pool = k;
        return 0;
}

static int set_up(Simulation *m, TqPolicy policy, TqError *err) {
        size_t n = m->w->n_jobs + 1, t = m->w->n_tenants + 1;
        int r;

        m->host = m->w->host;
        m->host.policy = (uint32_t)policy;
        /* A core for each slot, unless the workload knows better. */
        if (m->host.cpus == TQ_LIMIT_MAX)
                m->host.cpus = m->host.max_jobs;
        m->now = EPOCH;
        m->ends.before = ends_before;
        m->s = tq_scheduler_new();
        m->running = malloc(n * sizeof(*m->running));
        m->waits = malloc(n * sizeof(*m->waits));
        m->costs = malloc(n * sizeof(*m->costs));
        m->accounts = calloc(t, sizeof(*m->accounts));
        m->whole_clock = calloc(t, sizeof(*m->whole_clock));
        m->report.tenants = calloc(t, sizeof(*m->report.tenants));
        if (!m->s || !m->running || !m->waits || !m->costs || !m->accounts || !m->whole_clock ||
            !m->report.tenants)
                return -ENOMEM;
        tq_list_init(&m->noted);
        for (size_t i = 0; i < m->w->n_tenants; i++)
                tq_list_init(&m->accounts[i].noted);
        m->report.n_tenants = m->w->n_tenants;
        r = tell(m, &(TqEvent){ .type = TQ_EVENT_HOST, .host = &m->host }, true);
        for (uint32_t i = 0; r >= 0 && i < m->w->n_tenants; i++) {
                m->report.tenants[i].tenant = i;
                r = add_tenant(m, i, err);
        }
        return r < 0 ? r : tell(m, &(TqEvent){ .type = TQ_EVENT_OPEN }, true);
}

static void done(Simulation *m) {
        m->s = tq_scheduler_free(m->s);
        tq_scheduler_actions_done(&m->actions);
        tq_heap_done(&m->ends);
        free(m->running);
        free(m->waits);
        free(m->costs);
        free(m->accounts);
        free(m->whole_clock);
        tq_sim_report_done(&m->report);
}

void tq_sim_report_done(TqSimReport *r) {
        free(r->tenants);
        *r = (TqSimReport){};
}

int tq_sim_run(const TqWorkload *w, TqPolicy policy, TqSimReport *ret, TqError *err) {
        Simulation m = { .w = w };
        uint64_t at;
        int r;

        r = set_up(&m, policy, err);
        while (r >= 0 && (at = next_instant(&m)) != TQ_NEVER) {
                pass_time(&m, at);
                r = step(&m);
        }
        if (r >= 0)
                r = measure(&m);
        if (r >= 0) {
                *ret = m.report;
                m.report = (TqSimReport){};
        } else if (r == -ENOMEM)
                (void)tq_error_errno(err, r, "can't simulate");
        done(&m);
        return r;
}
