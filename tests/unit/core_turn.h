/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/heap.h"
#include "world.h"

/* A world in virtual time, for the tests of whose turn it is: jobs start, hold their slot for as
 * long as they are made to last, and end with the counters that they would have. */

#define SIM_TENANTS 128

typedef struct SimTenant {
        uint64_t length_usec;  /* of a job */
        uint64_t spread_usec;  /* and up to so much more, at random */
        uint64_t cpu_permille; /* of one CPU while it runs */
        uint64_t memory_bytes;
        uint64_t backlog; /* jobs that are kept waiting: each start brings another */
        const char *queue;
        uint64_t runtime_usec; /* RuntimeMaxSec=; 0: none */
        uint64_t name;
        uint64_t used_usec; /* slot time of jobs that have ended */
        uint64_t running, running_since_sum;
        uint64_t started, ended;
        uint64_t first_start, worst_wait;
        uint64_t most_running;
} SimTenant;

typedef struct SimJob {
        uint64_t id;
        uint32_t tenant;
        unsigned attempt;
        uint64_t submitted, start, end, cpu_permille;
        TqHeapNode node;
        struct SimJob *next; /* of the free ones */
} SimJob;

typedef struct Sim {
        World w;
        SimTenant tenants[SIM_TENANTS + 1]; /* [0] is nobody */
        TqHeap ends;
        SimJob *free;
        uint64_t next_id, random;
        uint64_t samples;
} Sim;

static inline bool ends_before(const TqHeapNode *a, const TqHeapNode *b) {
        const SimJob *x = TQ_CONTAINER_OF(a, SimJob, node), *y = TQ_CONTAINER_OF(b, SimJob, node);

        return x->end != y->end ? x->end < y->end : x->id < y->id;
}

static inline Sim *sim_new(void) {
        Sim *s = calloc(1, sizeof(*s));

        ck_assert_ptr_nonnull(s);
        s->w = world_new();
        s->ends.before = ends_before;
        s->random = 88172645463325252;
        return s;
}

static inline void sim_free(Sim **s) {
        size_t position = 0;
        const TqJob *job;
        SimJob *j;

        while ((job = tq_scheduler_next_job((*s)->w.s, &position)))
                free(job->userdata);
        world_done(&(*s)->w);
        while ((j = (*s)->free)) {
                (*s)->free = j->next;
                free(j);
        }
        tq_heap_done(&(*s)->ends);
        free(*s);
        *s = NULL;
}

#define SIM TQ_CLEANUP(sim_free) Sim

static inline uint64_t sim_submit(Sim *s, uint32_t id) {
        SimTenant *t = &s->tenants[id];
        TqEvent e = submission(id, ++s->next_id);
        SimJob *j = s->free;

        if (j)
                s->free = j->next;
        else
                j = calloc(1, sizeof(*j));
        *j = (SimJob){ .id = e.job, .tenant = id, .submitted = s->w.now };
        e.j.queue = t->queue ? t->queue : "q";
        e.j.name = t->name;
        e.j.memory_bytes = t->memory_bytes;
        e.j.runtime_usec = t->runtime_usec ? t->runtime_usec : TQ_LIMIT_MAX;
        e.j.is_promised = true;
        e.j.userdata = j;
        e.more = s->w.actions.n > 0;
        must_step(&s->w, e);
        return e.job;
}

static inline void sim_started(Sim *s, SimJob *j) {
        SimTenant *t = &s->tenants[j->tenant];
        uint64_t wait = s->w.now - j->submitted;

        j->start = s->w.now;
        j->cpu_permille = t->cpu_permille;
        j->end = s->w.now + t->length_usec +
                 (t->spread_usec > 0 ? unit_random(&s->random) % t->spread_usec : 0);
        if (t->started++ == 0)
                t->first_start = s->w.now;
        t->worst_wait = TQ_MAX(t->worst_wait, wait);
        t->running++;
        t->most_running = TQ_MAX(t->most_running, t->running);
        t->running_since_sum += s->w.now;
        unit_must(tq_heap_insert(&s->ends, &j->node) == 0, "no memory");
        if (t->backlog > 0)
                sim_submit(s, j->tenant);
}

static inline void sim_ended(Sim *s, SimJob *j) {
        SimTenant *t = &s->tenants[j->tenant];

        t->running--;
        t->running_since_sum -= j->start;
        t->used_usec += s->w.now - j->start;
        t->ended++;
        j->next = s->free;
        s->free = j;
}

/* Does what was asked for; what follows from that is appended and done too. */
static inline void sim_settle(Sim *s) {
        for (size_t i = 0; i < s->w.actions.n; i++) {
                TqAction a = s->w.actions.items[i];
                SimJob *j = a.userdata;
                TqUse use;

                switch (a.type) {
                case TQ_ACTION_START:
                        j->attempt = a.attempt;
                        must_step(&s->w, (TqEvent){ .type = TQ_EVENT_SPAWNED,
                                                    .more = true,
                                                    .job = a.job,
                                                    .attempt = a.attempt });
                        sim_started(s, j);
                        break;
                case TQ_ACTION_SAMPLE:
                        s->samples++;
                        use = (TqUse){ .cpu_usec = (s->w.now - j->start) * j->cpu_permille / 1000 };
                        must_step(&s->w, (TqEvent){ .type = TQ_EVENT_USED,
                                                    .more = true,
                                                    .job = a.job,
                                                    .attempt = a.attempt,
                                                    .use = &use });
                        break;
                case TQ_ACTION_FINISH:
                        sim_ended(s, j);
                        break;
                default:
                        break;
                }
        }
        s->w.actions.n = 0;
        must_step(&s->w, (TqEvent){ .type = TQ_EVENT_TICK });
        if (s->w.actions.n > 0)
                sim_settle(s);
}

static inline void sim_end(Sim *s, SimJob *j) {
        TqEnd e = { .kind = TQ_END_EXITED };

        tq_heap_remove(&s->ends, &j->node);
        e.counters.cpu_usec = (s->w.now - j->start) * j->cpu_permille / 1000;
        e.counters.memory_peak_bytes = s->tenants[j->tenant].memory_bytes;
        must_step(&s->w, (TqEvent){ .type = TQ_EVENT_ENDED,
                                    .more = true,
                                    .job = j->id,
                                    .attempt = j->attempt,
                                    .end = &e });
}

/* Lets the time pass. */
static inline void sim_run(Sim *s, uint64_t for_usec) {
        uint64_t until = s->w.now + for_usec;

        sim_settle(s);
        for (;;) {
                TqHeapNode *node = tq_heap_top(&s->ends);
                uint64_t at = tq_scheduler_next_deadline(s->w.s);

                if (node)
                        at = TQ_MIN(at, TQ_CONTAINER_OF(node, SimJob, node)->end);
                if (at > until)
                        break;
                s->w.now = at;
                while ((node = tq_heap_top(&s->ends)) &&
                       TQ_CONTAINER_OF(node, SimJob, node)->end <= at)
                        sim_end(s, TQ_CONTAINER_OF(node, SimJob, node));
                sim_settle(s);
        }
        s->w.now = until;
}

static inline void sim_backlog(Sim *s, uint32_t id, uint64_t n) {
        s->tenants[id].backlog = n;
        for (uint64_t i = 0; i < n; i++)
                sim_submit(s, id);
        sim_settle(s);
}

/* Slot time so far, of jobs that run too. */
static inline double sim_use(const Sim *s, uint32_t id) {
        const SimTenant *t = &s->tenants[id];

        return (double)(t->used_usec + t->running * s->w.now - t->running_since_sum);
}

typedef struct Marks {
        double use[SIM_TENANTS + 1];
} Marks;

static inline Marks sim_marks(const Sim *s) {
        Marks m;

        for (uint32_t i = 0; i <= SIM_TENANTS; i++)
                m.use[i] = sim_use(s, i);
        return m;
}

/* The tenant's part of what tenants 1 … n have used since. */
static inline double sim_share(const Sim *s, const Marks *since, uint32_t id, uint32_t n) {
        double all = 0;

        for (uint32_t i = 1; i <= n; i++)
                all += sim_use(s, i) - since->use[i];
        return (sim_use(s, id) - since->use[id]) / all;
}

static inline void sim_open(Sim *s, uint64_t slots) {
        s->w.host.max_jobs = slots;
        host(&s->w);
        open_world(&s->w);
}

#define BACKLOG 40 /* more than there are slots: nobody runs out of jobs when many end at once */
