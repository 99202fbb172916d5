/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/scheduler.h"

#include <assert.h>
#include <string.h>

#include "core/admission.h"
#include "core/charge.h"
#include "core/condition.h"
#include "core/facts.h"
#include "core/job.h"
#include "core/pool.h"
#include "core/queue.h"
#include "core/state.h"
#include "core/standing.h"
#include "core/tenant.h"
#include "core/turn.h"
#include "core/line.h"

/* What starts next, as a function of events.
 *
 * tq_scheduler_step() is the only code that changes a tenant's or a job's state. It makes no system
 * call and reads no clock, so that a test can drive a year in a second and a simulator can drive
 * the very code that the daemon runs.
 *
 * This file is the step: an event is applied, by functions that change facts and mark the tenants
 * that these are about (tq_world_touch()); then it is found out once where each of those stands;
 * then what may start does. job.c is what may happen to a job; tenant.c is what holds for tenants
 * and queues; pool.c is how many slots there are; turn.c is who is next, by tag.c and charge.c what
 * was served; standing.c is what of it outlives a restart; admission.c is who gets in; condition.c
 * is After=; explain.c says why a job waits, by asking the questions of facts.c that turn.c asks.
 */

static const char *const states[_TQ_JOB_STATE_MAX] = {
        [TQ_JOB_SCHEDULED] = "scheduled", [TQ_JOB_HELD] = "held",
        [TQ_JOB_QUEUED] = "queued",       [TQ_JOB_STARTING] = "starting",
        [TQ_JOB_RUNNING] = "running",     [TQ_JOB_STOPPING] = "stopping",
        [TQ_JOB_DONE] = "done",
};

const char *tq_scheduler_state_to_string(TqJobState s) {
        assert(s >= 0 && s < _TQ_JOB_STATE_MAX);
        return states[s];
}

const char *tq_scheduler_state_of(const TqJob *job) {
        return job->state == TQ_JOB_SCHEDULED && job->again == TQ_AGAIN_RETRY
                       ? "retrying"
                       : tq_scheduler_state_to_string(job->state);
}

/* FNV-1a (Fowler, Noll, Vo), then mixed: the low bits choose a place in a small table. */
uint64_t tq_scheduler_name(const char *name) {
        uint64_t h = UINT64_C(0xCBF29CE484222325);

        for (; *name; name++)
                h = (h ^ (unsigned char)*name) * UINT64_C(0x100000001B3);
        h ^= h >> 32;
        return TQ_MAX(h, UINT64_C(1));
}

void tq_scheduler_actions_done(TqActions *a) {
        free(a->items);
        *a = (TqActions){};
}

static int apply(TqScheduler *s, const TqEvent *e, uint64_t now, TqActions *actions) {
        switch (e->type) {
        case TQ_EVENT_HOST:
                return tq_tenant_on_host(s, e);
        case TQ_EVENT_TENANT:
                return tq_tenant_on_tenant(s, e, now);
        case TQ_EVENT_SWITCH:
                return tq_tenant_on_switch(s, e, now);
        case TQ_EVENT_STANDING:
                return tq_standing_on_event(s, e, now);
        case TQ_EVENT_SUBMIT:
                return tq_job_on_submit(s, e, now, actions);
        case TQ_EVENT_ADOPT:
                return tq_job_on_adopt(s, e, now, actions);
        case TQ_EVENT_OPEN:
        case TQ_EVENT_CLOSE:
                s->is_open = e->type == TQ_EVENT_OPEN;
                /* It may open again later: that is no return. */
                if (s->is_open && s->opened_at == 0)
                        s->opened_at = now;
                tq_standing_touch_first(s);
                tq_world_touch_all(s);
                return 0;
        case TQ_EVENT_TICK:
                return tq_job_on_tick(s, now, actions);
        default:
                return tq_job_on_event(s, e, now, actions);
        }
}

static int dispatch_pool(TqScheduler *s, TqPool *p, uint64_t now, TqActions *actions) {
        TqJob *job;

        while (tq_facts_pool_has_slot(p) && (job = tq_turn_next(s, p, now))) {
                int r = tq_state_reserve(actions, 1);

                if (p->running + 1 < p->slots)
                        tq_turn_prefetch(p, true);
                /* Its deadline may have come before anybody asked for the time. */
                if (r >= 0 && tq_model_cold(job)->start_by <= now) {
                        if (s->left == 0)
                                break;
                        s->left--;
                        tq_state_finish_unstarted(s, job, TQ_OUTCOME_DEADLINE, actions);
                        r = tq_job_sweep(s, now, actions);
                } else if (r >= 0) {
                        assert(tq_facts_may_start(s, job, now));
                        r = tq_job_start(s, job, now, actions);
                }
                tq_turn_settle(s);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* Starts what may start. */
static int dispatch(TqScheduler *s, uint64_t now, TqActions *actions) {
        bool was_kept;

        /* Once more when memory is no longer kept: pools before that job's may have left it. */
        do {
                was_kept = tq_facts_memory_is_kept(s, now);
                for (size_t i = 0; i < s->n_pools; i++) {
                        int r = dispatch_pool(s, &s->pools[i], now, actions);

                        if (r < 0)
                                return r;
                }
        } while (was_kept && !tq_facts_memory_is_kept(s, now));
        tq_turn_keep_memory(s, now);
        tq_turn_settle(s);
        return 0;
}

/* Whether anything may start at all is not a question of memory. */
static bool has_actions(const TqEvent *event) {
        return event->type != TQ_EVENT_OPEN && event->type != TQ_EVENT_CLOSE;
}

static int step(TqScheduler *s, const TqEvent *event, uint64_t now_usec, TqActions *actions) {
        int r;

        for (size_t i = 0; i < s->n_pools; i++)
                tq_turn_prefetch(&s->pools[i], false);
        /* At most two actions for one job's event: reserved first, so that no state changes whose
         * action could not be written down. */
        r = has_actions(event) ? tq_state_reserve(actions, 2) : 0;
        if (r >= 0)
                r = apply(s, event, now_usec, actions);
        if (r >= 0)
                r = tq_job_sweep(s, now_usec, actions);
        tq_turn_settle(s);
        /* Of several events of one instant, once for all of them. */
        return r < 0 || event->more ? r : dispatch(s, now_usec, actions);
}

int tq_scheduler_step(TqScheduler *s, const TqEvent *event, uint64_t now_usec, TqActions *actions) {
        int r;

        actions->refusal.kind = TQ_REFUSAL_NONE;
        s->now = now_usec;
        s->left = TQ_STEP_MOST;
        r = step(s, event, now_usec, actions);
        /* Until a step has started all that may start: one that is refused has not. */
        if (r == -ENOMEM || (r >= 0 && !event->more))
                s->lacks_memory = r < 0;
        assert(tq_list_is_empty(&s->dirty));
        return r;
}

static bool has_rest(const TqScheduler *s) {
        return !tq_list_is_empty(&s->settling) || !tq_list_is_empty(&s->doomed);
}

/* Whether a look may be what lets a job start, or keeps memory for one. Without a limit of memory
 * and lanes all who compete wait for a slot, whatever their tags. */
static bool may_look_decide(const TqScheduler *s) {
        if (s->policy.memory_bytes != TQ_LIMIT_MAX || !tq_list_is_empty(&s->unplaced) ||
            has_rest(s))
                return true;
        for (size_t i = 0; i < s->n_pools; i++) {
                const TqPool *p = &s->pools[i];

                if (p->lane_slots > 0 || (tq_facts_pool_has_slot(p) && tq_world_is_contended(p)))
                        return true;
        }
        return false;
}

void tq_scheduler_look(TqScheduler *s, uint64_t until_usec, TqMeter meter, void *userdata) {
        const TqHeapNode *node = tq_heap_top(&s->timers);

        if (may_look_decide(s))
                return;
        if (node)
                until_usec = TQ_MIN(until_usec, TQ_CONTAINER_OF(node, TqJobCold, timer)->deadline);
        tq_charge_look_until(s, until_usec, meter, userdata);
        tq_turn_settle(s);
}

uint64_t tq_scheduler_next_deadline(const TqScheduler *s) {
        const TqHeapNode *node = tq_heap_top(&s->timers);

        uint64_t next = node ? TQ_CONTAINER_OF(node, TqJobCold, timer)->deadline : TQ_NEVER;

        if (!tq_list_is_empty(&s->unplaced))
                next = TQ_MIN(next, tq_add_u64(s->now, TQ_AGAIN_USEC));
        for (size_t i = 0; i < s->n_pools; i++)
                next = TQ_MIN(next, tq_charge_next_look(&s->pools[i]));
        if (has_rest(s))
                next = TQ_MIN(next, s->now);
        if (!s->lacks_memory)
                return next;
        /* Something that was due may not have been done. */
        return next == TQ_NEVER ? tq_add_u64(s->now, TQ_AGAIN_USEC)
                                : TQ_MAX(next, tq_add_u64(s->now, TQ_AGAIN_USEC));
}

/* Views --------------------------------------------------------------------------------------- */

int tq_scheduler_would_admit(const TqScheduler *s, const TqEvent *submit, uint64_t now_usec,
                             TqRefusal *ret) {
        return tq_admission_check(s, submit, now_usec, ret);
}

int tq_scheduler_would_requeue(const TqJob *job, uint64_t now_usec) {
        return tq_job_check_requeue(job, now_usec);
}

const TqQueue *tq_scheduler_queue(const TqTenant *t, const char *name) {
        return tq_queue_find(t, name);
}

const TqJob *tq_scheduler_job(const TqScheduler *s, uint64_t id) {
        return tq_map_get(&s->jobs, id);
}

bool tq_scheduler_is_named(const TqScheduler *s, uint64_t job) {
        return tq_condition_names(s, job);
}

const TqTenant *tq_scheduler_tenant(const TqScheduler *s, uint32_t id) {
        return tq_map_get(&s->tenants, id);
}

const TqJob *tq_scheduler_next_job(const TqScheduler *s, size_t *position) {
        return tq_map_next(&s->jobs, position);
}

const TqPool *tq_scheduler_pool(const TqScheduler *s, size_t i) {
        return i < s->n_pools ? &s->pools[i] : NULL;
}

const TqJob *tq_scheduler_next(const TqScheduler *s, const TqPool *pool, uint64_t now_usec) {
        return tq_turn_peek(s, pool, now_usec);
}

const TqTenant *tq_scheduler_next_changed(TqScheduler *s) {
        TqList *first = tq_list_first(&s->changed);

        if (!first)
                return NULL;
        tq_list_unlink(first);
        return TQ_LIST_ENTRY(first, TqTenant, changed);
}

TqSwitches tq_scheduler_host_switches(const TqScheduler *s) {
        return s->switches;
}

uint64_t tq_scheduler_memory_promised(const TqScheduler *s) {
        return s->memory_promised;
}

uint64_t tq_scheduler_starting(const TqScheduler *s) {
        return s->starting;
}

uint64_t tq_scheduler_slots(const TqScheduler *s, const char *pool, uint64_t reserved) {
        const TqPool *p = tq_pool_by_name(s, pool);

        return p ? tq_limits_slots(reserved, p->slots) : 0;
}

int tq_scheduler_check_reserved(const TqScheduler *s, uint32_t tenant, const char *pool,
                                uint64_t reserved, uint64_t *ret_free) {
        const TqPool *p = tq_pool_by_name(s, pool);
        const TqTenant *t = tq_map_get(&s->tenants, tenant);
        uint64_t others;

        if (!p)
                return -ENOENT;
        others = p->reserved - (t && t->pool == p ? t->reserved : 0);
        *ret_free = p->slots == TQ_LIMIT_MAX ? TQ_LIMIT_MAX : tq_sub_u64(p->slots, others);
        return tq_limits_slots(reserved, p->slots) > *ret_free ? -EDQUOT : 0;
}

static bool due_before(const TqHeapNode *a, const TqHeapNode *b) {
        const TqJobCold *x = TQ_CONTAINER_OF(a, TqJobCold, timer);
        const TqJobCold *y = TQ_CONTAINER_OF(b, TqJobCold, timer);

        return x->deadline != y->deadline ? x->deadline < y->deadline : x->job->id < y->job->id;
}

TqScheduler *tq_scheduler_new(void) {
        TqScheduler *s = calloc(1, sizeof(*s));
        TqHostPolicy policy;

        if (!s)
                return NULL;
        s->timers.before = due_before;
        tq_list_init(&s->all);
        tq_list_init(&s->settling);
        tq_list_init(&s->doomed);
        tq_list_init(&s->unplaced);
        tq_list_init(&s->dirty);
        tq_list_init(&s->changed);
        tq_policy_init(&policy);
        (void)tq_pool_set_host(s, &policy);
        return s;
}

TqScheduler *tq_scheduler_free(TqScheduler *s) {
        size_t position = 0;
        TqJob *job;

        if (!s)
                return NULL;
        while ((job = tq_map_next(&s->jobs, &position))) {
                tq_line_remove(&job->queue->line, job);
                tq_condition_drop(s, job);
                job->queue->jobs--;
                tq_queue_release(job->queue);
                (void)tq_state_job_free(job);
        }
        tq_condition_done(s);
        TQ_LIST_FOREACH(node, &s->all)
        (void)tq_tenant_free(TQ_LIST_ENTRY(node, TqTenant, all));
        (void)tq_fair_averages_free(s->averages);
        tq_pool_done_all(s);
        tq_map_done(&s->jobs);
        tq_map_done(&s->tenants);
        tq_map_done(&s->awaited_jobs);
        tq_map_done(&s->awaited_names);
        tq_map_done(&s->named);
        tq_heap_done(&s->timers);
        free(s);
        return NULL;
}
