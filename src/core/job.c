/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/job.h"

#include "core/admission.h"
#include "core/attempt.h"
#include "core/charge.h"
#include "core/condition.h"
#include "core/queue.h"
#include "core/state.h"

/* What may happen to a job: it comes, is held, cancelled, due; what happens to an attempt of it
 * stands in attempt.c, and what follows from a state in state.c. */

static void on_met(TqScheduler *s, TqJob *job, uint64_t now) {
        if (tq_world_waits(job))
                (void)tq_state_place(s, job, now);
}

int tq_job_sweep(TqScheduler *s, uint64_t now, TqActions *actions) {
        for (; s->left > 0; s->left--) {
                TqList *node = tq_list_first(&s->doomed);
                TqJob *met = NULL;
                int r;

                if (!node && !tq_condition_next(s, &met))
                        break;
                if (met)
                        on_met(s, met, now);
                if (!node)
                        continue;
                r = tq_state_reserve(actions, 2);
                if (r < 0)
                        return r;
                tq_state_finish_unstarted(s, TQ_LIST_ENTRY(node, TqJobCold, after.doomed)->job,
                                          TQ_OUTCOME_DEPENDENCY, actions);
        }
        return 0;
}

static void set_times(TqJobCold *cold, const TqEvent *e) {
        cold->not_before = e->j.not_before;
        cold->start_by = e->j.has_start_by ? e->j.start_by : TQ_NEVER;
}

/* What of it is more than a place in the line. */
static int set_cold(TqJob *job, const TqEvent *e) {
        int r;

        if (e->type == TQ_EVENT_SUBMIT && !e->j.is_held && !e->j.has_start_by && !e->j.retry &&
            e->j.not_before == 0 && e->j.again_at == 0 && e->j.failures == 0 && e->j.n_after == 0)
                return 0;
        r = tq_state_ensure_cold(job);
        if (r < 0)
                return r;
        set_times(job->cold, e);
        job->cold->failures = e->j.failures;
        job->cold->again_at = e->j.again_at;
        if (!e->j.retry)
                return 0;
        job->cold->retry = malloc(sizeof(*e->j.retry));
        if (!job->cold->retry)
                return -ENOMEM;
        *job->cold->retry = *e->j.retry;
        return 0;
}

static int job_new(TqScheduler *s, const TqEvent *e, uint64_t now, TqJob **ret) {
        TqTenant *t = tq_map_get(&s->tenants, e->tenant);
        TqJob *job;
        int r;

        if (!t)
                return -ENOENT;
        job = calloc(1, sizeof(*job));
        if (!job)
                return -ENOMEM;
        *job = (TqJob){
                .id = e->job,
                .state = TQ_JOB_DONE,
                .attempt = TQ_MAX(e->attempt, 1U),
                .priority = e->j.priority,
                .name = e->j.name,
                .is_held = e->j.is_held,
                .is_short = e->j.runtime_usec <= s->policy.lane_runtime_usec,
                .runtime_usec = e->j.runtime_usec,
                .stop_usec = e->j.stop_usec,
                .memory_bytes = e->j.memory_bytes,
                .spool_bytes = (uint32_t)TQ_MIN(e->j.spool_bytes, (uint64_t)UINT32_MAX),
                .again = e->j.again_at > 0 ? TQ_AGAIN_RETRY : TQ_AGAIN_NOT,
                .userdata = e->j.userdata,
        };
        tq_list_init(&job->waiting);
        r = set_cold(job, e);
        if (r >= 0)
                r = tq_queue_ensure(t, e->j.queue, now, &job->queue);
        if (r >= 0)
                r = tq_map_put(&s->jobs, job->id, job);
        if (r >= 0)
                job->queue->jobs++;
        if (r < 0) {
                if (job->queue)
                        tq_queue_release(job->queue);
                (void)tq_state_job_free(job);
                return r;
        }
        *ret = job;
        return 0;
}

int tq_job_on_submit(TqScheduler *s, const TqEvent *e, uint64_t now, TqActions *actions) {
        TqJob *job;
        int r;

        if (tq_map_get(&s->jobs, e->job))
                return -EEXIST;
        r = tq_admission_check(s, e, now, &actions->refusal);
        if (r < 0)
                return r;
        r = job_new(s, e, now, &job);
        if (r < 0)
                return r;
        r = tq_condition_add(s, job, e->j.after, e->j.n_after);
        if (r >= 0)
                r = tq_condition_expect(s, job);
        if (r >= 0)
                r = tq_state_place(s, job, now);
        if (r < 0) {
                tq_state_free(s, job);
                return r;
        }
        tq_condition_named(s, job);
        if (!e->j.is_promised)
                tq_admission_take(job, now, &actions->refusal);
        return 0;
}

int tq_job_on_adopt(TqScheduler *s, const TqEvent *e, uint64_t now, TqActions *actions) {
        TqJob *job;
        int r;

        r = job_new(s, e, now, &job);
        if (r < 0)
                return r;
        job->cold->running_since = e->j.running_since;
        job->stop = e->j.stop;
        tq_charge_adopt(s, job, now);
        r = job->stop == TQ_STOP_NONE ? tq_attempt_follow_runtime(s, job)
                                      : tq_attempt_follow_stop(s, job, now);
        if (r >= 0)
                r = tq_charge_watch(job, now);
        if (r >= 0)
                r = tq_state_set(s, job,
                                 job->stop == TQ_STOP_NONE ? TQ_JOB_RUNNING : TQ_JOB_STOPPING);
        if (r < 0) {
                tq_charge_unwatch(job);
                tq_state_free(s, job);
                return r;
        }
        /* Recorded, but perhaps not sent before the restart. */
        if (job->stop != TQ_STOP_NONE)
                tq_state_act(actions, TQ_ACTION_TERM, job);
        return 0;
}

/* The clock of the day was set: StartAfter= and Deadline= mean other instants now. */
static int on_times(TqScheduler *s, TqJob *job, const TqEvent *e, uint64_t now) {
        int r;

        if (!tq_world_waits(job))
                return 0;
        r = tq_state_ensure_cold(job);
        if (r < 0)
                return r;
        set_times(job->cold, e);
        return tq_state_place(s, job, now);
}

static int on_cancel(TqScheduler *s, TqJob *job, uint64_t now, TqActions *actions) {
        switch (job->state) {
        case TQ_JOB_SCHEDULED:
        case TQ_JOB_HELD:
        case TQ_JOB_QUEUED:
                tq_state_finish_unstarted(s, job, TQ_OUTCOME_CANCELLED, actions);
                return 0;
        case TQ_JOB_STARTING:
                if (job->abort)
                        return -EALREADY;
                job->stop = TQ_STOP_CANCELLED;
                job->abort = true;
                tq_state_act(actions, TQ_ACTION_ABORT, job);
                return 0;
        case TQ_JOB_RUNNING:
                tq_attempt_stop(s, job, TQ_STOP_CANCELLED, now, actions);
                return 0;
        case TQ_JOB_STOPPING:
                /* What it is stopped for might have been followed by another attempt. */
                if (job->stop == TQ_STOP_CANCELLED ||
                    (!job->cold->retry && job->stop != TQ_STOP_REQUEUED))
                        return -EALREADY;
                job->stop = TQ_STOP_CANCELLED;
                tq_state_act(actions, TQ_ACTION_TERM, job);
                return 0;
        default:
                return -EALREADY;
        }
}

int tq_job_check_requeue(const TqJob *job, uint64_t now) {
        const TqJobCold *cold = tq_model_cold(job);
        bool waits = job->again != TQ_AGAIN_NOT && cold->again_at > now;

        if (job->stop == TQ_STOP_CANCELLED)
                return -ECANCELED;
        if (job->state == TQ_JOB_SCHEDULED && waits)
                return 0;
        if ((job->state != TQ_JOB_RUNNING && job->state != TQ_JOB_STOPPING) ||
            job->stop == TQ_STOP_REQUEUED)
                return -EALREADY;
        /* The next attempt has to begin in time, when this one has had its time to end. */
        if (cold->start_by <= tq_add_u64(now, job->state == TQ_JOB_RUNNING ? job->stop_usec : 0))
                return -ETIME;
        /* Its attempts are kept as long as it is: there must be an end. */
        return job->attempt >= TQ_RETRY_ATTEMPTS_MAX ? -E2BIG : 0;
}

static int on_requeue(TqScheduler *s, TqJob *job, uint64_t now, TqActions *actions) {
        int r = tq_job_check_requeue(job, now);

        if (r < 0)
                return r;
        if (tq_world_waits(job)) {
                job->cold->again_at = now;
                return tq_state_place(s, job, now);
        }
        if (job->state == TQ_JOB_RUNNING)
                tq_attempt_stop(s, job, TQ_STOP_REQUEUED, now, actions);
        else {
                job->stop = TQ_STOP_REQUEUED;
                tq_state_act(actions, TQ_ACTION_TERM, job);
        }
        return 0;
}

static int on_hold(TqScheduler *s, TqJob *job, bool hold, uint64_t now) {
        int r;

        if (!tq_world_waits(job))
                return -EBUSY;
        if (job->is_held == hold)
                return -EALREADY;
        r = tq_state_ensure_cold(job);
        if (r < 0)
                return r;
        job->is_held = hold;
        if (!hold)
                job->cold->crashes = job->cold->failed_launches = 0;
        return tq_state_place(s, job, now);
}

static int on_after(TqScheduler *s, TqJob *job, const TqEvent *e, uint64_t now) {
        int r = e->instead > 0 ? tq_condition_name_is(s, job, &e->after, e->instead)
                : e->is_none   ? tq_condition_name_is_free(job, &e->after)
                               : tq_condition_settle(s, job, &e->after, e->is_met, e->met_by);

        if (r >= 0 && tq_model_cold(job)->after.n_unmet == 0)
                on_met(s, job, now);
        return r;
}

static int on_due(TqScheduler *s, TqJob *job, uint64_t now, TqActions *actions) {
        switch (job->state) {
        case TQ_JOB_SCHEDULED:
        case TQ_JOB_HELD:
        case TQ_JOB_QUEUED:
                if (job->cold->start_by <= now) {
                        tq_state_finish_unstarted(s, job, TQ_OUTCOME_DEADLINE, actions);
                        return 0;
                }
                return tq_state_place(s, job, now);
        case TQ_JOB_RUNNING:
                tq_attempt_time_out(s, job, now, actions);
                return 0;
        case TQ_JOB_STOPPING:
                tq_state_act(actions, TQ_ACTION_KILL, job);
                (void)tq_state_timer(s, job, TQ_NEVER);
                return 0;
        default:
                (void)tq_state_timer(s, job, TQ_NEVER);
                return 0;
        }
}

static int look(TqScheduler *s, uint64_t now, TqActions *actions) {
        for (size_t i = 0; i < s->n_pools; i++)
                for (;;) {
                        int r = tq_state_reserve(actions, 1);
                        TqJob *job = r < 0 ? NULL : tq_charge_look(s, &s->pools[i], now);

                        if (r < 0)
                                return r;
                        if (!job)
                                break;
                        tq_state_act(actions, TQ_ACTION_SAMPLE, job);
                }
        return 0;
}

int tq_job_on_tick(TqScheduler *s, uint64_t now, TqActions *actions) {
        TqHeapNode *node;
        TqList *first;

        while ((first = tq_list_first(&s->unplaced))) {
                int r = tq_state_place(s, TQ_LIST_ENTRY(first, TqJobCold, unplaced)->job, now);

                if (r < 0)
                        return r;
        }
        for (; s->left > 0 && (node = tq_heap_top(&s->timers)); s->left--) {
                TqJob *job = TQ_CONTAINER_OF(node, TqJobCold, timer)->job;
                int r;

                if (job->cold->deadline > now)
                        break;
                r = tq_state_reserve(actions, 2);
                if (r >= 0)
                        r = on_due(s, job, now, actions);
                if (r < 0)
                        return r;
        }
        return look(s, now, actions);
}

static bool is_of_attempt(TqEventType type) {
        return type == TQ_EVENT_SPAWNED || type == TQ_EVENT_USED || type == TQ_EVENT_ENDED ||
               type == TQ_EVENT_REFUSED || type == TQ_EVENT_STALLED;
}

int tq_job_on_event(TqScheduler *s, const TqEvent *e, uint64_t now, TqActions *actions) {
        TqJob *job = tq_map_get(&s->jobs, e->job);

        if (!job)
                return -ENOENT;
        /* What an earlier attempt still has to say concerns nobody. */
        if (is_of_attempt(e->type) && e->attempt != job->attempt)
                return -ENOENT;
        switch (e->type) {
        case TQ_EVENT_SPAWNED:
                return tq_attempt_spawned(s, job, now, actions);
        case TQ_EVENT_USED:
                return tq_attempt_used(s, job, e->use, now);
        case TQ_EVENT_ENDED:
                return tq_attempt_ended(s, job, e->end, now, actions);
        case TQ_EVENT_REFUSED:
                return tq_attempt_refused(s, job, e, now, actions);
        case TQ_EVENT_STALLED:
                if (job->state == TQ_JOB_RUNNING)
                        tq_attempt_stop(s, job,
                                        e->level == TQ_LEVEL_JOB ? TQ_STOP_STALLED_JOB
                                                                 : TQ_STOP_STALLED_TENANT,
                                        now, actions);
                return 0;
        case TQ_EVENT_TIMES:
                return on_times(s, job, e, now);
        case TQ_EVENT_AFTER:
                return on_after(s, job, e, now);
        case TQ_EVENT_HOLD:
                return on_hold(s, job, true, now);
        case TQ_EVENT_RELEASE:
                return on_hold(s, job, false, now);
        case TQ_EVENT_REQUEUE:
                return on_requeue(s, job, now, actions);
        default:
                return on_cancel(s, job, now, actions);
        }
}

int tq_job_start(TqScheduler *s, TqJob *job, uint64_t now, TqActions *actions) {
        int r = tq_state_ensure_cold(job);

        if (r < 0)
                return r;
        tq_state_act(actions, TQ_ACTION_START, job);
        tq_charge_start(s, job, now);
        (void)tq_state_timer(s, job, TQ_NEVER);
        /* To the end of its tenant's ring, if it stays in it at all. */
        tq_list_unlink(&job->queue->ready);
        return tq_state_set(s, job, TQ_JOB_STARTING);
}
