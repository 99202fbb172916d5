/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/event.h"

/* All that the scheduler knows, for its own files. */

/* After what failed for now, a launch or an allocation. */
#define TQ_AGAIN_USEC       TQ_USEC_PER_SEC
#define TQ_AGAIN_MOST_USEC  (60 * TQ_USEC_PER_SEC) /* doubling until then */
#define TQ_RETRY_LEAST_USEC UINT64_C(100000)       /* by then the attempt before is settled */
#define TQ_RETRIES_OWN      4 /* of a launch that the job's own limits may be too tight for */

struct TqScheduler {
        TqMap jobs;
        TqList unplaced; /* of TqJob.unplaced */
        TqMap tenants;
        TqList all;     /* of TqTenant.all */
        TqHeap timers;  /* of TqJob.timer by deadline */
        TqList dirty;   /* of TqTenant.dirty: to be settled before the next decision */
        TqList changed; /* of TqTenant.changed */
        bool is_open;
        uint64_t opened_at;
        TqSwitches switches; /* of the host */
        TqHostPolicy policy;
        uint64_t sequence;              /* the last one given */
        TqPool pools[2 * TQ_POOLS_MAX]; /* those of before a reload until their tenants move */
        size_t n_pools;
        uint64_t turns;           /* starts so far */
        uint64_t starting;        /* jobs in TQ_JOB_STARTING */
        TqAverages *averages;     /* of all tenants' jobs */
        uint64_t memory_promised; /* to the jobs that hold a slot */
        TqJob *kept_for;          /* who waits for memory, and shall not for ever */
        uint64_t kept_from;       /* from when on others leave it to that job */
        uint64_t now;             /* of this step */
        size_t left;              /* of TQ_STEP_MOST in this step */
        bool lacks_memory;        /* the last step did: the next one has time */
        uint64_t begun_at; /* the latest launch of those whose program is known to have begun */
        /* condition.c */
        TqMap awaited_jobs, awaited_names; /* TqAwaited */
        TqMap named;                       /* job → how many conditions, met or not, mean it */
        TqList settling;                   /* of TqAwaited: what they waited for has ended */
        TqList doomed;                     /* of TqConditions.doomed */
};

static inline bool tq_world_waits(const TqJob *job) {
        return job->state <= TQ_JOB_QUEUED;
}

/* Something about the tenant has changed: where it stands is found out anew, once, before the next
 * decision. */
static inline void tq_world_touch(TqScheduler *s, TqTenant *t) {
        if (tq_list_is_empty(&t->dirty))
                tq_list_append(&s->dirty, &t->dirty);
}

static inline void tq_world_touch_all(TqScheduler *s) {
        TQ_LIST_FOREACH(node, &s->all)
        tq_world_touch(s, TQ_LIST_ENTRY(node, TqTenant, all));
}

/* Tenants are made ready one after the other after a start: for so long each of them is there as it
 * was before. */
#define TQ_RETURN_USEC (60 * TQ_USEC_PER_SEC)

static inline bool tq_world_is_returning(const TqScheduler *s) {
        return s->now <= tq_add_u64(s->opened_at, TQ_RETURN_USEC);
}

/* Somebody could start a job, had it a slot or memory. */
static inline bool tq_world_is_contended(const TqPool *p) {
        return p->n_competing > 0;
}
