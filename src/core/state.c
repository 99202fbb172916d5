/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/state.h"

#include <assert.h>

#include "core/charge.h"
#include "core/condition.h"
#include "core/line.h"
#include "core/pool.h"
#include "core/queue.h"
#include "core/turn.h"

/* A job holds a slot from the moment it is launched until the supervisor says that its cgroup is
 * empty and gone: exactly while it is in its tenant's `active` list. Only tq_state_set() moves it
 * in or out, so a slot can't be lost by a forgotten decrement; after a restart the list is rebuilt
 * from the cgroups. */

bool tq_state_holds_slot(TqJobState s) {
        return s == TQ_JOB_STARTING || s == TQ_JOB_RUNNING || s == TQ_JOB_STOPPING;
}

int tq_state_ensure_cold(TqJob *job) {
        TqJobCold *cold;

        if (job->cold)
                return 0;
        /* Each start needs one: malloc() has the last that were freed at hand, calloc() does not.
         */
        cold = malloc(sizeof(*cold));
        if (!cold)
                return -ENOMEM;
        *cold = (TqJobCold){ .job = job, .start_by = TQ_NEVER };
        tq_list_init(&cold->active);
        tq_charge_job_init(&cold->charge);
        tq_list_init(&cold->after.doomed);
        tq_list_init(&cold->unplaced);
        job->cold = cold;
        return 0;
}

/* Whoever waits for another time than its place in the line has what is cold: nothing is set
 * without it. */
int tq_state_timer(TqScheduler *s, TqJob *job, uint64_t deadline) {
        if (deadline == TQ_NEVER) {
                if (job->cold)
                        tq_heap_remove(&s->timers, &job->cold->timer);
                return 0;
        }
        job->cold->deadline = deadline;
        if (!tq_heap_contains(&job->cold->timer))
                return tq_heap_insert(&s->timers, &job->cold->timer);
        tq_heap_update(&s->timers, &job->cold->timer);
        return 0;
}

/* Moves a job between states and keeps what follows from the state: who waits, who holds a slot. */
int tq_state_set(TqScheduler *s, TqJob *job, TqJobState state) {
        TqWaiting *w = &job->queue->tenant->waiting;
        bool had = tq_state_holds_slot(job->state), has = tq_state_holds_slot(state);
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
        s->starting +=
                (uint64_t)(state == TQ_JOB_STARTING) - (uint64_t)(job->state == TQ_JOB_STARTING);
        w->jobs += (uint64_t)waits - (uint64_t)waited;
        w->bytes += (uint64_t)job->spool_bytes * waits - (uint64_t)job->spool_bytes * waited;
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
int tq_state_place(TqScheduler *s, TqJob *job, uint64_t now) {
        const TqJobCold *cold = tq_model_cold(job);
        uint64_t from = TQ_MAX(cold->not_before, job->again != TQ_AGAIN_NOT ? cold->again_at : 0);
        bool is_due = from <= now && cold->after.n_unmet == 0;
        uint64_t due = from > now ? from : TQ_NEVER;
        int r;

        if (job->cold)
                tq_list_unlink(&job->cold->unplaced);
        r = tq_state_timer(s, job, TQ_MIN(due, cold->start_by));
        if (r >= 0) {
                /* Its place counts from when it could first have started, held or not. */
                if (is_due && job->sequence == 0)
                        job->sequence = ++s->sequence;
                job->placed = job->is_held                    ? TQ_WAIT_HELD
                              : job->again == TQ_AGAIN_LAUNCH ? TQ_WAIT_LAUNCH_RETRY
                              : job->again == TQ_AGAIN_RETRY  ? TQ_WAIT_RETRY
                              : due != TQ_NEVER               ? TQ_WAIT_START_AFTER
                                                              : TQ_WAIT_AFTER;
                r = tq_state_set(s, job,
                                 !is_due        ? TQ_JOB_SCHEDULED
                                 : job->is_held ? TQ_JOB_HELD
                                                : TQ_JOB_QUEUED);
        }
        /* One without what is cold comes only now, and is refused. */
        if (r < 0 && job->cold)
                tq_list_append(&s->unplaced, &job->cold->unplaced);
        return r;
}

int tq_state_reserve(TqActions *a, size_t more) {
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
TqAction *tq_state_act(TqActions *a, TqActionType type, const TqJob *job) {
        TqAction *action = &a->items[a->n++];

        assert(a->n <= a->allocated);
        *action = (TqAction){
                .type = type,
                .job = job->id,
                .tenant = job->queue->tenant->id,
                .attempt = job->attempt,
                .stop = job->stop,
                .userdata = job->userdata,
        };
        return action;
}

TqJob *tq_state_job_free(TqJob *job) {
        if (job->cold)
                free(job->cold->retry);
        free(job->cold);
        free(job);
        return NULL;
}

void tq_state_free(TqScheduler *s, TqJob *job) {
        TqQueue *q = job->queue;

        (void)tq_map_remove(&s->jobs, job->id);
        (void)tq_state_timer(s, job, TQ_NEVER);
        tq_condition_drop(s, job);
        if (job->cold)
                tq_list_unlink(&job->cold->unplaced);
        (void)tq_state_job_free(job);
        q->jobs--;
        tq_queue_release(q);
}

void tq_state_finish(TqScheduler *s, TqJob *job, const TqVerdict *verdict, TqActions *actions) {
        TqAction *a = tq_state_act(actions, TQ_ACTION_FINISH, job);

        a->verdict = *verdict;
        a->is_dead = job->stop != TQ_STOP_CANCELLED &&
                     tq_retry_is_dead(tq_model_cold(job)->retry, verdict);
        (void)tq_state_set(s, job, TQ_JOB_DONE);
        tq_condition_ended(s, job, tq_verdict_is_well(verdict));
        tq_state_free(s, job);
}

void tq_state_finish_unstarted(TqScheduler *s, TqJob *job, TqOutcome outcome, TqActions *actions) {
        TqVerdict verdict = { .outcome = outcome };

        tq_state_finish(s, job, &verdict, actions);
}
