/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/scheduler.h"

/* What the scheduler's files share. */

/* After what failed for now, a launch or an allocation. */
#define TQ_RETRY_USEC      TQ_USEC_PER_SEC
#define TQ_RETRY_MOST_USEC (60 * TQ_USEC_PER_SEC) /* doubling until then */
#define TQ_RETRIES_OWN     4 /* of a launch that the job's own limits may be too tight for */

struct TqScheduler {
        TqMap jobs;
        TqList unplaced; /* of TqJob.unplaced */
        TqMap tenants;
        TqList all;    /* of TqTenant.all */
        TqHeap timers; /* of TqJob.timer by deadline */
        bool is_open;
        TqSwitches switches; /* of the host */
        TqHostPolicy policy;
        uint64_t sequence;              /* the last one given */
        TqPool pools[2 * TQ_POOLS_MAX]; /* those of before a reload until their tenants move */
        size_t n_pools;
        uint64_t turns;           /* starts so far */
        TqAverages *averages;     /* of all tenants' jobs */
        uint64_t memory_promised; /* to the jobs that hold a slot */
        const TqJob *kept_for;    /* who waits for memory, and shall not for ever */
        uint64_t kept_from;       /* from when on others leave it to that job */
        uint64_t now;             /* of this step */
        size_t left;              /* of TQ_STEP_MOST in this step */
        bool lacks_memory;        /* the last step did: the next one has time */
        /* condition.c */
        TqMap awaited_jobs, awaited_names; /* TqAwaited */
        TqList settling;                   /* of TqAwaited: what they waited for has ended */
        TqList doomed;                     /* of TqJob.doomed */
};

static inline bool tq_scheduler_is_waiting(const TqJob *job) {
        return job->state <= TQ_JOB_QUEUED;
}

/* job.c: what may happen to a job. */
int tq_job_reserve(TqActions *a, size_t more); /* room, before a state changes whose action it is */
int tq_job_on_submit(TqScheduler *s, const TqEvent *e, uint64_t now, TqActions *actions);
int tq_job_on_adopt(TqScheduler *s, const TqEvent *e, uint64_t now, TqActions *actions);
int tq_job_on_tick(TqScheduler *s, uint64_t now, TqActions *actions);
int tq_job_on_event(TqScheduler *s, const TqEvent *e, uint64_t now, TqActions *actions);
void tq_job_start(TqScheduler *s, TqJob *job, uint64_t now, TqActions *actions);
void tq_job_finish_unstarted(TqScheduler *s, TqJob *job, TqOutcome outcome, TqActions *actions);
/* What ended of After= frees those that waited for it or takes them with it, and theirs. */
int tq_job_sweep(TqScheduler *s, uint64_t now, TqActions *actions);
/* The timer of a running job follows its tenant's bound. */
int tq_job_follow_runtime(TqScheduler *s, TqJob *job);

/* tenant.c: tenants, their queues, and what concerns them. */
int tq_tenant_queue_get(TqTenant *t, const char *name, uint64_t now, TqQueue **ret);
void tq_tenant_queue_release(TqQueue *q); /* frees it if nothing needs it */
TqTenant *tq_tenant_free(TqTenant *t);
void tq_tenant_refresh_all(TqScheduler *s);
int tq_tenant_on_host(TqScheduler *s, const TqEvent *e);
int tq_tenant_on_tenant(TqScheduler *s, const TqEvent *e, uint64_t now);
int tq_tenant_on_switch(TqScheduler *s, const TqEvent *e, uint64_t now);

/* pool.c: slots, and whose they are. */
/* -ENOSPC: too many pools, with those that still have tenants; nothing changed. */
int tq_pool_set_host(TqScheduler *s, const TqHostPolicy *policy);
void tq_pool_done_all(TqScheduler *s);
TqPool *tq_pool_by_name(const TqScheduler *s, const char *name); /* NULL: not configured */
/* -ENOMEM: it stays where it is, and out. */
int tq_pool_move(TqTenant *t, TqPool *pool, uint64_t now);
void tq_pool_set_reserved(TqTenant *t, uint64_t reserved);
void tq_pool_take_slot(TqScheduler *s, TqJob *job);
void tq_pool_give_slot(TqScheduler *s, TqJob *job);
bool tq_pool_has_slot(const TqPool *p);
bool tq_pool_allows_long(const TqPool *p); /* a job that is not short may have the next one */

/* turn.c: whose turn it is. */
void tq_turn_init(TqPool *p);
/* Whoever changes a tag says so, unless refresh() follows before anything else. */
void tq_turn_tag_has_moved(TqTenant *t);
void tq_turn_refresh(TqScheduler *s, TqQueue *q);
void tq_turn_refresh_tenant(TqScheduler *s, TqTenant *t);
void tq_turn_leave(TqTenant *t);
/* What a tenant that competes is ahead by more than the host allows is forgotten. */
void tq_turn_cap_debt(const TqScheduler *s, TqTenant *t);
/* The job that starts next in this pool were a slot free, or NULL. Parks those whose job does not
 * fit: how they are found, not who is next. */
TqJob *tq_turn_next(const TqScheduler *s, TqPool *p, uint64_t now);
/* Somebody could start a job, had it a slot or memory. */
bool tq_turn_is_contended(const TqPool *p);
/* Asks the memory for what the next start will look at. */
void tq_turn_prefetch(const TqPool *p, bool next_but_one);
/* The job that memory was kept for does not start: its tenant pays for what others left to it. */
void tq_turn_give_up_memory(TqScheduler *s);
/* Remembers who can't start for want of memory; after the starts of a step. */
void tq_turn_keep_memory(TqScheduler *s, uint64_t now);
/* A tenant starts a job: virtual time passes. */
void tq_turn_pass_time(TqTenant *t);
/* Facts that both deciding and explaining ask. */
bool tq_turn_tenant_has_room(const TqTenant *t);
bool tq_turn_queue_has_room(const TqQueue *q);
bool tq_turn_is_short(const TqScheduler *s, const TqJob *job);
uint64_t tq_turn_free_memory(const TqScheduler *s);
bool tq_turn_may_have(const TqScheduler *s, const TqJob *job, uint64_t now);
bool tq_turn_memory_is_kept(const TqScheduler *s, uint64_t now);
TqJob *tq_turn_head(const TqScheduler *s, const TqQueue *q); /* the one that may start */
bool tq_turn_before(const TqTenant *a, const TqTenant *b);   /* neither OUT */

/* charge.c */
void tq_charge_init(TqPool *p);
/* Charges: at the start by estimate, meanwhile by what was seen, in the end by what it was. A use
 * is of the whole job so far. */
void tq_charge_start(TqScheduler *s, TqJob *job, uint64_t now);
/* It runs already: what it used so far is not charged. */
void tq_charge_adopt(TqScheduler *s, TqJob *job, uint64_t now);
void tq_charge_seen(TqScheduler *s, TqJob *job, const TqUse *use, uint64_t now);
void tq_charge_end(TqScheduler *s, TqJob *job, const TqUse *use, uint64_t now, bool is_typical);
/* Jobs that run are looked at, from now on until unwatch(), while somebody competes in their pool.
 * 0 or -ENOMEM. */
int tq_charge_watch(TqJob *job, uint64_t now);
void tq_charge_unwatch(TqJob *job);
/* The tenant leaves its pool for that one. */
void tq_charge_move(TqTenant *t, TqPool *to);
/* A weight or a capacity is about to change: what was used until now is charged by the old one. */
void tq_charge_settle(TqTenant *t, uint64_t now);
/* When a job of the pool is looked at next, or TQ_NEVER. */
uint64_t tq_charge_next_look(const TqPool *p);
/* A job that is to be looked at now, each once; then NULL. */
TqJob *tq_charge_look(TqScheduler *s, TqPool *p, uint64_t now);
/* All that are to be looked at before that time, by what the meter says. */
void tq_charge_look_until(TqScheduler *s, uint64_t until, TqMeter meter, void *userdata);

/* condition.c: After=. */
int tq_condition_add(TqScheduler *s, TqJob *job, const TqAfter *after, size_t n);
void tq_condition_drop(TqScheduler *s, TqJob *job);
/* A job has ended: those that waited for it are settled, by tq_condition_next(). */
void tq_condition_ended(TqScheduler *s, const TqJob *job, bool is_well);
/* Settles one condition of those: its job is doomed, or *ret is it if this was its last one, else
 * NULL. False: there is none. */
bool tq_condition_next(TqScheduler *s, TqJob **ret);
void tq_condition_done(TqScheduler *s); /* when there are no jobs any more */
/* One condition of one job is settled. -ENOENT: it has no such. */
int tq_condition_settle(TqScheduler *s, TqJob *job, const TqAfter *after, bool is_met);
/* A name turns out to be that job's, which has not ended. */
int tq_condition_name_is(TqScheduler *s, TqJob *job, const TqAfter *after, uint64_t job_id);
/* Nobody has it so far: the next job that comes with it is meant. -EAGAIN: one has come meanwhile.
 */
int tq_condition_name_is_free(TqJob *job, const TqAfter *after);
/* A job comes: room for those that wait for its name. 0 or -ENOMEM. */
int tq_condition_expect(TqScheduler *s, const TqJob *job);
/* It has come: they wait for its number now. */
void tq_condition_named(TqScheduler *s, const TqJob *job);

/* admission.c: whether a submission is taken; -EDQUOT with *ret. Changes nothing. */
int tq_admission_check(const TqScheduler *s, const TqEvent *e, uint64_t now, TqRefusal *ret);
/* It was taken: tokens are spent, and *ret says if a limit is near. */
void tq_admission_take(TqJob *job, uint64_t now, TqRefusal *ret);
