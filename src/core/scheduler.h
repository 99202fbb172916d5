/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/event.h"
#include "core/explain.h"

/* The one mutator. See the essay in scheduler.c. */

const char *tq_scheduler_state_to_string(TqJobState s);
/* The state of a job as it is shown: one that is scheduled for its next attempt is `retrying`. */
const char *tq_scheduler_state_of(const TqJob *job);

/* NULL when out of memory. A new scheduler is closed: it starts nothing before TQ_EVENT_OPEN. Until
 * TQ_EVENT_HOST the host is without limits. */
TqScheduler *tq_scheduler_new(void);
/* The jobs' userdata must have been taken care of (tq_scheduler_next_job). Returns NULL. */
TqScheduler *tq_scheduler_free(TqScheduler *s);

/* Applies one event at CLOCK_BOOTTIME now_usec and appends what is to be done to *actions, in
 * order. 0; -ENOENT (no such tenant, pool or job: nothing changed); -EDQUOT (SUBMIT: a limit
 * refuses it, see actions->refusal); -EEXIST (SUBMIT of a known job); -EALREADY (CANCEL of one that
 * is already stopping, HOLD of a held one, RELEASE of one that is not, REQUEUE of one that begins
 * anyway); -ECANCELED (REQUEUE of one that is being cancelled), -ETIME (or whose start_by is past),
 * -E2BIG (or that has had TQ_RETRY_ATTEMPTS_MAX attempts); -EBUSY (HOLD of one that has started);
 * -EAGAIN (AFTER with is_none: one came meanwhile, look again); -ENOMEM (nothing changed, except
 * that a job may start later than it could). */
int tq_scheduler_step(TqScheduler *s, const TqEvent *event, uint64_t now_usec, TqActions *actions);

/* Takes at once, without TICK, SAMPLE and USED for each, all looks at running jobs that are due
 * before until_usec and before anything else: for a simulation, which can say at any time what a
 * job had used at an earlier one. The meter is asked in the order of time. Nothing else may happen
 * before until_usec, and TQ_EVENT_TICK is due as ever for what tq_scheduler_next_deadline() says
 * then. Takes none where a look may let somebody start: with a limit of memory, with a lane, or
 * after a step with `more`.
 *
 * Uses that grow evenly lead to the same tags as looks one by one, but for the rounding of a use
 * where the host's `debt` stops a tag, or in where virtual time begins anew. */
void tq_scheduler_look(TqScheduler *s, uint64_t until_usec, TqMeter meter, void *userdata);

/* When TQ_EVENT_TICK is next needed (CLOCK_BOOTTIME usec), or TQ_NEVER. Not after the latest step:
 * at once, since that left a rest (TQ_STEP_MOST). */
uint64_t tq_scheduler_next_deadline(const TqScheduler *s);

/* The job that would start next in a pool, were a slot free; NULL: none could. */
const TqJob *tq_scheduler_next(const TqScheduler *s, const TqPool *pool, uint64_t now_usec);

/* How many slots a reservation (as the key's value) is in that pool; 0 if there is none. */
uint64_t tq_scheduler_slots(const TqScheduler *s, const char *pool, uint64_t reserved);
/* Whether the tenant could have this reservation (as the key's value) in that pool: the slots that
 * the others leave are in *ret_free. -ENOENT: no such pool. */
int tq_scheduler_check_reserved(const TqScheduler *s, uint32_t tenant, const char *pool,
                                uint64_t reserved, uint64_t *ret_free);

/* Whether a SUBMIT (tenant, j.queue, j.spool_bytes, j.memory_bytes, j.not_before, j.n_after) would
 * be taken: 0, or -EDQUOT with *ret. Changes nothing. */
int tq_scheduler_would_admit(const TqScheduler *s, const TqEvent *submit, uint64_t now_usec,
                             TqRefusal *ret);

/* Whether a job could be requeued: as REQUEUE would return. Changes nothing. */
int tq_scheduler_would_requeue(const TqJob *job, uint64_t now_usec);

/* What jobs are averaged by and After= waits for: a hash of a name. */
uint64_t tq_scheduler_name(const char *name);

/* Borrowed views. */
const TqJob *tq_scheduler_job(const TqScheduler *s, uint64_t id);
/* Whether After= of a job that has not ended means that one, which may have ended. */
bool tq_scheduler_is_named(const TqScheduler *s, uint64_t job);
const TqTenant *tq_scheduler_tenant(const TqScheduler *s, uint32_t id);
const TqQueue *tq_scheduler_queue(const TqTenant *t, const char *name);
const TqJob *tq_scheduler_next_job(const TqScheduler *s, size_t *position);
const TqPool *tq_scheduler_pool(const TqScheduler *s, size_t i); /* NULL: no more */
/* The next tenant that something has changed about since it was named here last, once; NULL: no
 * more. For who writes down tq_standing_of(). */
const TqTenant *tq_scheduler_next_changed(TqScheduler *s);
TqSwitches tq_scheduler_host_switches(const TqScheduler *s);
uint64_t tq_scheduler_memory_promised(const TqScheduler *s);
uint64_t
tq_scheduler_starting(const TqScheduler *s); /* jobs that are launched and do not run yet */
