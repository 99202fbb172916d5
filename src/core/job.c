/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/job.h"

#include <assert.h>

#include "core/admission.h"
#include "core/charge.h"
#include "core/condition.h"
#include "core/pool.h"
#include "core/queue.h"
#include "core/turn.h"
#include "core/line.h"

/* What may happen to a job.
 *
 * A job holds a slot from the moment it is launched until the supervisor says that its cgroup is
 * empty and gone: exactly while it is in its tenant's `active` list. Only set_state() moves it in
 * or out, so a slot can't be lost by a forgotten decrement; after a restart the list is rebuilt
 * from the cgroups. */

static bool holds_slot(TqJobState s) {
        return s == TQ_JOB_STARTING || s == TQ_JOB_RUNNING || s == TQ_JOB_STOPPING;
}

/* Jobs ---------------------------------------------------------------------------------------- */

static int timer_set(TqScheduler *s, TqJob *job, uint64_t deadline) {
        if (deadline == TQ_NEVER) {
                tq_heap_remove(&s->timers, &job->timer);
                return 0;
        }
        job->deadline = deadline;
        if (!tq_heap_contains(&job->timer))
                return tq_heap_insert(&s->timers, &job->timer);
        tq_heap_update(&s->timers, &job->timer);
        return 0;
}

static uint64_t runtime_of(const TqJob *job, TqStopReason *ret_reason) {
        uint64_t bound = job->tenant->runtime;

        *ret_reason = bound < job->runtime_usec ? TQ_STOP_TIMEOUT_TENANT : TQ_STOP_TIMEOUT_JOB;
        return TQ_MIN(bound, job->runtime_usec);
}

static uint64_t runtime_deadline(const TqJob *job) {
        TqStopReason reason;
        uint64_t bound = runtime_of(job, &reason);

        return bound == TQ_LIMIT_MAX ? TQ_NEVER : tq_add_u64(job->running_since, bound);
}

int tq_job_follow_runtime(TqScheduler *s, TqJob *job) {
        return timer_set(s, job, runtime_deadline(job));
}

/* Moves a job between states and keeps what follows from the state: who waits, who holds a slot. */
static int set_state(TqScheduler *s, TqJob *job, TqJobState state) {
        TqWaiting *w = &job->tenant->waiting;
        bool had = holds_slot(job->state), has = holds_slot(state);
        bool waited = tq_world_waits(job), waits = state <= TQ_JOB_QUEUED, changes;
        int r;

        if (state == TQ_JOB_QUEUED && job->state != TQ_JOB_QUEUED) {
                r = tq_line_insert(&job->queue->line, job);
                if (r < 0)
                        return r;
        } else if (state != TQ_JOB_QUEUED) {
                tq_line_remove(&job->queue->line, job);
                if (s->kept_for == job && state == TQ_JOB_STARTING)
                        s->kept_for = NULL;
                else if (s->kept_for == job)
                        tq_turn_give_up_memory(s);
        }
        if (has && !had)
                tq_pool_take_slot(s, job);
        else if (had && !has)
                tq_pool_give_slot(s, job);
        if (waited && job->state != TQ_JOB_QUEUED)
                job->queue->placed[job->counted]--;
        if (waits && state != TQ_JOB_QUEUED)
                job->queue->placed[job->counted = job->placed]++;
        w->jobs += (uint64_t)waits - (uint64_t)waited;
        w->bytes += (waits ? job->spool_bytes : 0) - (waited ? job->spool_bytes : 0);
        w->scheduled +=
                (uint64_t)(state == TQ_JOB_SCHEDULED) - (uint64_t)(job->state == TQ_JOB_SCHEDULED);
        w->held += (uint64_t)(state == TQ_JOB_HELD) - (uint64_t)(job->state == TQ_JOB_HELD);
        /* Running or being stopped makes no difference to who may start. */
        changes = had != has || state == TQ_JOB_QUEUED || job->state == TQ_JOB_QUEUED;
        job->state = state;
        if (changes)
                tq_queue_refresh(s, job->queue);
        return 0;
}

/* Puts a job that does not run where it has to wait. Out of memory, it is tried again: nobody else
 * would, since what the job waited for has come. */
static int place(TqScheduler *s, TqJob *job, uint64_t now) {
        uint64_t from = TQ_MAX(job->not_before, job->is_retry ? job->retry_at : 0);
        bool is_due = from <= now && job->after.n_unmet == 0;
        uint64_t due = from > now ? from : TQ_NEVER;
        int r;

        tq_list_unlink(&job->unplaced);
        r = timer_set(s, job, TQ_MIN(due, job->start_by));
        if (r >= 0) {
                /* Its place counts from when it could first have started, held or not. */
                if (is_due && job->sequence == 0)
                        job->sequence = ++s->sequence;
                job->placed = job->is_held      ? TQ_WAIT_HELD
                              : job->is_retry   ? TQ_WAIT_LAUNCH_RETRY
                              : due != TQ_NEVER ? TQ_WAIT_START_AFTER
                                                : TQ_WAIT_AFTER;
                r = set_state(s, job,
                              !is_due        ? TQ_JOB_SCHEDULED
                              : job->is_held ? TQ_JOB_HELD
                                             : TQ_JOB_QUEUED);
        }
        if (r < 0)
                tq_list_append(&s->unplaced, &job->unplaced);
        return r;
}

static void on_met(TqScheduler *s, TqJob *job, uint64_t now) {
        if (tq_world_waits(job))
                (void)place(s, job, now);
}

static void job_free(TqScheduler *s, TqJob *job) {
        TqQueue *q = job->queue;

        (void)tq_map_remove(&s->jobs, job->id);
        tq_heap_remove(&s->timers, &job->timer);
        tq_condition_drop(s, job);
        tq_list_unlink(&job->unplaced);
        free(job);
        q->jobs--;
        tq_queue_release(q);
}

/* Actions ------------------------------------------------------------------------------------- */

int tq_job_reserve(TqActions *a, size_t more) {
        size_t n = TQ_MAX(a->allocated * 2, a->n + more + 16);
        TqAction *items;

        if (a->n + more <= a->allocated)
                return 0;
        items = realloc(a->items, n * sizeof(*items));
        if (!items)
                return -ENOMEM;
        a->items = items;
        a->allocated = n;
        return 0;
}

/* Room was reserved before the state changed. */
static TqAction *act(TqActions *a, TqActionType type, const TqJob *job) {
        TqAction *action = &a->items[a->n++];

        assert(a->n <= a->allocated);
        *action = (TqAction){
                .type = type,
                .job = job->id,
                .tenant = job->tenant->id,
                .attempt = job->attempt,
                .stop = job->stop,
                .userdata = job->userdata,
        };
        return action;
}

static void finish(TqScheduler *s, TqJob *job, const TqVerdict *verdict, TqActions *actions) {
        bool is_well = verdict->outcome == TQ_OUTCOME_EXIT && verdict->code == 0;

        act(actions, TQ_ACTION_FINISH, job)->verdict = *verdict;
        (void)set_state(s, job, TQ_JOB_DONE);
        tq_condition_ended(s, job, is_well);
        job_free(s, job);
}

void tq_job_finish_unstarted(TqScheduler *s, TqJob *job, TqOutcome outcome, TqActions *actions) {
        TqVerdict verdict = { .outcome = outcome };

        finish(s, job, &verdict, actions);
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
                r = tq_job_reserve(actions, 2);
                if (r < 0)
                        return r;
                tq_job_finish_unstarted(s, TQ_LIST_ENTRY(node, TqJob, after.doomed),
                                        TQ_OUTCOME_DEPENDENCY, actions);
        }
        return 0;
}

/* Events: jobs -------------------------------------------------------------------------------- */

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
                .tenant = t,
                .state = TQ_JOB_DONE,
                .attempt = TQ_MAX(e->attempt, 1U),
                .priority = e->j.priority,
                .name = e->j.name,
                .is_held = e->j.is_held,
                .is_short = e->j.runtime_usec <= s->policy.lane_runtime_usec,
                .not_before = e->j.not_before,
                .start_by = e->j.has_start_by ? e->j.start_by : TQ_NEVER,
                .runtime_usec = e->j.runtime_usec,
                .stop_usec = e->j.stop_usec,
                .memory_bytes = e->j.memory_bytes,
                .spool_bytes = e->j.spool_bytes,
                .userdata = e->j.userdata,
        };
        tq_list_init(&job->active);
        tq_charge_job_init(&job->charge);
        tq_list_init(&job->waiting);
        tq_list_init(&job->after.doomed);
        tq_list_init(&job->unplaced);
        r = tq_queue_ensure(t, e->j.queue, now, &job->queue);
        if (r >= 0)
                r = tq_map_put(&s->jobs, job->id, job);
        if (r >= 0)
                job->queue->jobs++;
        if (r < 0) {
                if (job->queue)
                        tq_queue_release(job->queue);
                free(job);
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
                r = place(s, job, now);
        if (r < 0) {
                job_free(s, job);
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
        job->running_since = e->j.running_since;
        job->stop = e->j.stop;
        tq_charge_adopt(s, job, now);
        r = job->stop == TQ_STOP_NONE ? tq_job_follow_runtime(s, job)
                                      : timer_set(s, job, tq_add_u64(now, job->stop_usec));
        if (r >= 0)
                r = tq_charge_watch(job, now);
        if (r >= 0)
                r = set_state(s, job, job->stop == TQ_STOP_NONE ? TQ_JOB_RUNNING : TQ_JOB_STOPPING);
        if (r < 0) {
                tq_charge_unwatch(job);
                job_free(s, job);
                return r;
        }
        /* Recorded, but perhaps not sent before the restart. */
        if (job->stop != TQ_STOP_NONE)
                act(actions, TQ_ACTION_TERM, job);
        return 0;
}

static int on_spawned(TqScheduler *s, TqJob *job, uint64_t now, TqActions *actions) {
        int r;

        if (job->state != TQ_JOB_STARTING || job->abort)
                return 0;
        job->running_since = now;
        job->is_retry = false;
        job->retries = 0;
        r = tq_job_follow_runtime(s, job);
        if (r >= 0)
                r = tq_charge_watch(job, now);
        if (r < 0)
                return r;
        act(actions, TQ_ACTION_RUN, job);
        return set_state(s, job, TQ_JOB_RUNNING);
}

static int on_used(TqScheduler *s, TqJob *job, const TqUse *use, uint64_t now) {
        TqUse seen = *use;

        if (!holds_slot(job->state))
                return -ENOENT;
        seen.slot_usec = tq_sub_u64(now, job->charge.slot_since);
        tq_charge_seen(s, job, &seen, now);
        return 0;
}

static uint64_t known(uint64_t counter) {
        return counter == TQ_UNKNOWN ? 0 : counter;
}

static void charge_end(TqScheduler *s, TqJob *job, const TqCounters *c, uint64_t now) {
        TqUse use = { .slot_usec = TQ_MAX(tq_sub_u64(now, job->charge.slot_since), UINT64_C(1)) };

        if (c) {
                use.cpu_usec = known(c->cpu_usec);
                use.memory_bytes = known(c->memory_peak_bytes);
                use.io_bytes = tq_add_u64(known(c->io_read_bytes), known(c->io_write_bytes));
        }
        use.memory_bytes = TQ_MAX(use.memory_bytes, job->memory_bytes);
        tq_charge_end(s, job, &use, now, c != NULL);
}

static bool is_safe_to_repeat(const TqJob *job, const TqEnd *end) {
        return end->kind == TQ_END_NEVER_STARTED && job->stop == TQ_STOP_NONE;
}

/* When a launch is tried again that has failed n times before. */
static uint64_t retry_at(uint64_t now, unsigned n) {
        return tq_add_u64(now, TQ_MIN(TQ_RETRY_USEC << TQ_MIN(n, 6U), TQ_RETRY_MOST_USEC));
}

/* The launch failed before anything of the job was looked at; unless its own limits may be too
 * tight for that. */
static bool is_hosts(const TqEnd *end) {
        return tq_verdict_is_before_job((TqStage)end->stage) && end->code != ENOMEM &&
               end->code != EAGAIN;
}

/* The program has not begun: nothing of the job has run, and what stood in the way may pass. */
static bool may_pass(const TqJob *job, const TqEnd *end) {
        if (end->kind != TQ_END_SPAWN_FAILED || job->stop != TQ_STOP_NONE)
                return false;
        return is_hosts(end) ||
               (job->failed_execs < TQ_RETRIES_OWN &&
                (end->code == ETXTBSY || end->code == ESTALE || tq_errno_is_shortage(-end->code)));
}

static int on_ended(TqScheduler *s, TqJob *job, const TqEnd *end, uint64_t now,
                    TqActions *actions) {
        bool passes = may_pass(job, end);
        TqVerdict verdict;

        /* Nothing of it runs: this is the end of a launch that nobody recorded. */
        if (!holds_slot(job->state))
                return -ENOENT;
        if (passes) {
                job->is_retry = true;
                job->retry_at =
                        retry_at(now, is_hosts(end) ? job->failed_launches++ : job->failed_execs++);
        }
        if (is_safe_to_repeat(job, end) || passes) {
                /* An attempt that was recorded as running is never reused, not even its number. */
                act(actions, TQ_ACTION_REQUEUE, job);
                if (job->state != TQ_JOB_STARTING)
                        job->attempt++;
                (void)timer_set(s, job, TQ_NEVER);
                job->abort = false;
                charge_end(s, job, NULL, now);
                return place(s, job, now);
        }
        charge_end(s, job, end->kind == TQ_END_SPAWN_FAILED ? NULL : &end->counters, now);
        verdict = tq_verdict_judge(end, job->stop);
        finish(s, job, &verdict, actions);
        return 0;
}

/* What the host lacks for now is waited for, less and less impatiently; what the job's own limits
 * may be too tight for is tried a few times and is its verdict then. */
static int on_refused(TqScheduler *s, TqJob *job, const TqEvent *e, uint64_t now,
                      TqActions *actions) {
        TqVerdict verdict;

        if (job->state != TQ_JOB_STARTING)
                return 0;
        charge_end(s, job, NULL, now);
        if (job->stop != TQ_STOP_NONE) {
                tq_job_finish_unstarted(s, job, TQ_OUTCOME_CANCELLED, actions);
                return 0;
        }
        if (e->is_own && job->retries >= TQ_RETRIES_OWN) {
                verdict = tq_verdict_judge(e->end, job->stop);
                finish(s, job, &verdict, actions);
                return 0;
        }
        job->abort = false;
        job->is_retry = true;
        job->retry_at = retry_at(now, job->retries++);
        return place(s, job, now);
}

/* The clock of the day was set: StartAfter= and Deadline= mean other instants now. */
static int on_times(TqScheduler *s, TqJob *job, const TqEvent *e, uint64_t now) {
        if (!tq_world_waits(job))
                return 0;
        job->not_before = e->j.not_before;
        job->start_by = e->j.has_start_by ? e->j.start_by : TQ_NEVER;
        return place(s, job, now);
}

static void stop(TqScheduler *s, TqJob *job, TqStopReason reason, uint64_t now,
                 TqActions *actions) {
        job->stop = reason;
        act(actions, TQ_ACTION_TERM, job);
        /* The job is in the heap or the heap has just grown by others: on -ENOMEM the KILL would be
         * missing, so send it at once. */
        if (timer_set(s, job, tq_add_u64(now, job->stop_usec)) < 0)
                act(actions, TQ_ACTION_KILL, job);
        (void)set_state(s, job, TQ_JOB_STOPPING);
}

static int on_cancel(TqScheduler *s, TqJob *job, uint64_t now, TqActions *actions) {
        switch (job->state) {
        case TQ_JOB_SCHEDULED:
        case TQ_JOB_HELD:
        case TQ_JOB_QUEUED:
                tq_job_finish_unstarted(s, job, TQ_OUTCOME_CANCELLED, actions);
                return 0;
        case TQ_JOB_STARTING:
                if (job->abort)
                        return -EALREADY;
                job->stop = TQ_STOP_CANCELLED;
                job->abort = true;
                act(actions, TQ_ACTION_ABORT, job);
                return 0;
        case TQ_JOB_RUNNING:
                stop(s, job, TQ_STOP_CANCELLED, now, actions);
                return 0;
        default:
                return -EALREADY;
        }
}

static int on_hold(TqScheduler *s, TqJob *job, bool hold, uint64_t now) {
        if (!tq_world_waits(job))
                return -EBUSY;
        if (job->is_held == hold)
                return -EALREADY;
        job->is_held = hold;
        return place(s, job, now);
}

static int on_after(TqScheduler *s, TqJob *job, const TqEvent *e, uint64_t now) {
        int r = e->instead > 0 ? tq_condition_name_is(s, job, &e->after, e->instead)
                : e->is_none   ? tq_condition_name_is_free(job, &e->after)
                               : tq_condition_settle(s, job, &e->after, e->is_met);

        if (r >= 0 && job->after.n_unmet == 0)
                on_met(s, job, now);
        return r;
}

static int on_due(TqScheduler *s, TqJob *job, uint64_t now, TqActions *actions) {
        TqStopReason reason;

        switch (job->state) {
        case TQ_JOB_SCHEDULED:
        case TQ_JOB_HELD:
        case TQ_JOB_QUEUED:
                if (job->start_by <= now) {
                        tq_job_finish_unstarted(s, job, TQ_OUTCOME_DEADLINE, actions);
                        return 0;
                }
                return place(s, job, now);
        case TQ_JOB_RUNNING:
                (void)runtime_of(job, &reason);
                stop(s, job, reason, now, actions);
                return 0;
        case TQ_JOB_STOPPING:
                act(actions, TQ_ACTION_KILL, job);
                (void)timer_set(s, job, TQ_NEVER);
                return 0;
        default:
                (void)timer_set(s, job, TQ_NEVER);
                return 0;
        }
}

static int look(TqScheduler *s, uint64_t now, TqActions *actions) {
        for (size_t i = 0; i < s->n_pools; i++)
                for (;;) {
                        int r = tq_job_reserve(actions, 1);
                        TqJob *job = r < 0 ? NULL : tq_charge_look(s, &s->pools[i], now);

                        if (r < 0)
                                return r;
                        if (!job)
                                break;
                        act(actions, TQ_ACTION_SAMPLE, job);
                }
        return 0;
}

int tq_job_on_tick(TqScheduler *s, uint64_t now, TqActions *actions) {
        TqHeapNode *node;
        TqList *first;

        while ((first = tq_list_first(&s->unplaced))) {
                int r = place(s, TQ_LIST_ENTRY(first, TqJob, unplaced), now);

                if (r < 0)
                        return r;
        }
        for (; s->left > 0 && (node = tq_heap_top(&s->timers)); s->left--) {
                TqJob *job = TQ_CONTAINER_OF(node, TqJob, timer);
                int r;

                if (job->deadline > now)
                        break;
                r = tq_job_reserve(actions, 2);
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
                return on_spawned(s, job, now, actions);
        case TQ_EVENT_USED:
                return on_used(s, job, e->use, now);
        case TQ_EVENT_ENDED:
                return on_ended(s, job, e->end, now, actions);
        case TQ_EVENT_REFUSED:
                return on_refused(s, job, e, now, actions);
        case TQ_EVENT_STALLED:
                if (job->state == TQ_JOB_RUNNING)
                        stop(s, job,
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
        default:
                return on_cancel(s, job, now, actions);
        }
}

void tq_job_start(TqScheduler *s, TqJob *job, uint64_t now, TqActions *actions) {
        act(actions, TQ_ACTION_START, job);
        tq_charge_start(s, job, now);
        (void)timer_set(s, job, TQ_NEVER);
        /* To the end of its tenant's ring, if it stays in it at all. */
        tq_list_unlink(&job->queue->ready);
        (void)set_state(s, job, TQ_JOB_STARTING);
}
