/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/standing.h"
#include "core_turn.h"

/* A restart of the scheduler of a Sim: what would be in the ledger goes over to a new one. */

typedef struct KeptStanding {
        TqStanding standing; /* owns the averages */
        TqPoolStanding pool;
        uint64_t at;
        bool is_kept;
} KeptStanding;

typedef struct KeptAll {
        KeptStanding tenants[SIM_TENANTS + 1]; /* [0]: the host */
        uint64_t pool_at;
        TqPoolStanding pool;
} KeptAll;

static inline void kept_done(KeptAll **k) {
        for (uint32_t i = 0; i <= SIM_TENANTS; i++)
                (void)tq_fair_averages_free((TqAverages *)(*k)->tenants[i].standing.averages);
        free(*k);
        *k = NULL;
}

#define KEPT TQ_CLEANUP(kept_done) KeptAll

static inline KeptAll *kept_new(void) {
        KeptAll *k = calloc(1, sizeof(*k));

        ck_assert_ptr_nonnull(k);
        return k;
}

/* As the engine writes it: a tenant (0: the host), and its pool with it. */
static inline void keep(KeptAll *k, const World *w, uint32_t id) {
        const TqTenant *t = tq_scheduler_tenant(w->s, id);
        KeptStanding *to = &k->tenants[id];

        (void)tq_fair_averages_free((TqAverages *)to->standing.averages);
        to->standing = id == 0 ? tq_standing_of_host(w->s) : tq_standing_of(w->s, t, w->now);
        if (to->standing.averages)
                to->standing.averages = tq_fair_copy(to->standing.averages);
        to->standing.pool = NULL; /* the shared one */
        to->at = w->now;
        to->is_kept = true;
        k->pool = tq_standing_of_pool(tq_scheduler_pool(w->s, 0), w->now);
        k->pool.name = "shared";
        k->pool_at = w->now;
}

static inline void keep_all(KeptAll *k, const World *w, uint32_t n) {
        for (uint32_t id = 0; id <= n; id++)
                keep(k, w, id);
}

static inline void give_back(World *w, const KeptAll *k) {
        TqPoolStanding p = k->pool;

        p.age_usec = w->now - k->pool_at;
        if (p.name)
                must_step(w, (TqEvent){ .type = TQ_EVENT_STANDING, .pool_standing = &p });
        for (uint32_t id = 0; id <= SIM_TENANTS; id++) {
                TqStanding standing = k->tenants[id].standing;

                standing.age_usec = w->now - k->tenants[id].at;
                if (k->tenants[id].is_kept)
                        must_step(w, (TqEvent){ .type = TQ_EVENT_STANDING,
                                                .tenant = id,
                                                .standing = &standing });
        }
}

static inline int by_id(const void *a, const void *b) {
        const TqJob *x = *(const TqJob *const *)a, *y = *(const TqJob *const *)b;

        return x->id < y->id ? -1 : 1;
}

static inline void take_up(World *w, const TqJob *j) {
        TqEvent e = submission(j->queue->tenant->id, j->id);

        e.type = j->state == TQ_JOB_RUNNING ? TQ_EVENT_ADOPT : TQ_EVENT_SUBMIT;
        e.attempt = j->attempt;
        e.j.queue = j->queue->name;
        e.j.name = j->name;
        e.j.memory_bytes = j->memory_bytes;
        e.j.runtime_usec = j->runtime_usec;
        e.j.running_since = tq_model_cold(j)->running_since;
        e.j.is_promised = true;
        e.j.userdata = j->userdata;
        must_step(w, e);
}

/* kept NULL: all is forgotten. */
static inline void sim_restart(Sim *s, const KeptAll *kept, uint32_t n) {
        const TqJob *jobs[4096], *j;
        World old = s->w;
        size_t position = 0, n_jobs = 0;

        s->w.s = tq_scheduler_new();
        s->w.actions = (TqActions){};
        host(&s->w);
        for (uint32_t id = 1; id <= n; id++) {
                const TqTenant *t = tq_scheduler_tenant(old.s, id);

                must_step(&s->w, (TqEvent){ .type = TQ_EVENT_TENANT,
                                            .tenant = id,
                                            .t = { .name = t->name,
                                                   .limits = &t->limits,
                                                   .enabled = true } });
        }
        if (kept)
                give_back(&s->w, kept);
        while ((j = tq_scheduler_next_job(old.s, &position))) {
                ck_assert_uint_lt(n_jobs, TQ_ELEMENTSOF(jobs));
                jobs[n_jobs++] = j;
        }
        qsort(jobs, n_jobs, sizeof(*jobs), by_id);
        for (size_t i = 0; i < n_jobs; i++)
                take_up(&s->w, jobs[i]);
        world_done(&old);
        open_world(&s->w);
}
