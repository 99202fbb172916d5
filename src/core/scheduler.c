/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/scheduler.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* What starts next, as a function of events.
 *
 * tq_scheduler_step() is the only code that changes a tenant's or a job's state. It makes no system
 * call and reads no clock, so that a test can drive a year in a second and a simulator can drive
 * the very code that the daemon runs.
 *
 * A job holds a slot from the moment it is launched until the supervisor says that its cgroup is
 * empty and gone: exactly while it is in its tenant's `active` list. Only set_state() moves it in
 * or out, so a slot can't be lost by a forgotten decrement; after a restart the list is rebuilt
 * from the cgroups.
 *
 * Eligibility is kept as two rings: a queue is in its tenant's ring while it has a waiting job and
 * room, a tenant is in the scheduler's ring while it has such a queue and room. refresh() is the
 * one place that decides both, from the facts alone, after every change. dispatch() takes tenants
 * from the ring in turn; a decision costs O(log n) in the jobs of one queue and nothing in tenants
 * or in jobs elsewhere. */

struct TqScheduler {
        TqMap jobs;
        TqMap tenants;
        TqList ready;  /* of TqTenant.ready */
        TqList all;    /* of TqTenant.all */
        TqHeap timers; /* of TqJob.timer by deadline */
        bool is_open;
};

static const char *const states[_TQ_JOB_STATE_MAX] = {
        [TQ_JOB_SCHEDULED] = "scheduled", [TQ_JOB_QUEUED] = "queued",
        [TQ_JOB_STARTING] = "starting",   [TQ_JOB_RUNNING] = "running",
        [TQ_JOB_STOPPING] = "stopping",   [TQ_JOB_DONE] = "done",
};

static const char *const waits[_TQ_WAIT_MAX] = {
        [TQ_WAIT_NONE] = "none",
        [TQ_WAIT_RECOVERY] = "recovery",
        [TQ_WAIT_TENANT_DISABLED] = "tenant-disabled",
        [TQ_WAIT_TENANT_CONCURRENCY] = "tenant-concurrency",
        [TQ_WAIT_QUEUE_CONCURRENCY] = "queue-concurrency",
        [TQ_WAIT_BEHIND] = "behind",
        [TQ_WAIT_START_AFTER] = "start-after",
        [TQ_WAIT_LAUNCH_RETRY] = "launch-retry",
};

const char *tq_scheduler_state_to_string(TqJobState s) {
        assert(s >= 0 && s < _TQ_JOB_STATE_MAX);
        return states[s];
}

const char *tq_scheduler_wait_to_string(TqWait w) {
        assert(w >= 0 && w < _TQ_WAIT_MAX);
        return waits[w];
}

static bool holds_slot(TqJobState s) {
        return s == TQ_JOB_STARTING || s == TQ_JOB_RUNNING || s == TQ_JOB_STOPPING;
}

static bool waits_before(const TqHeapNode *a, const TqHeapNode *b) {
        const TqJob *x = TQ_CONTAINER_OF(a, TqJob, waiting),
                    *y = TQ_CONTAINER_OF(b, TqJob, waiting);

        return x->priority != y->priority ? x->priority > y->priority : x->id < y->id;
}

static bool due_before(const TqHeapNode *a, const TqHeapNode *b) {
        const TqJob *x = TQ_CONTAINER_OF(a, TqJob, timer), *y = TQ_CONTAINER_OF(b, TqJob, timer);

        return x->deadline != y->deadline ? x->deadline < y->deadline : x->id < y->id;
}

/* Eligibility --------------------------------------------------------------------------------- */

static bool tenant_has_room(const TqTenant *t) {
        return t->running < tq_limits_get(&t->limits, TQ_KEY_CONCURRENCY, TQ_LIMIT_MAX);
}

static bool queue_has_room(const TqQueue *q) {
        return q->running < q->concurrency;
}

/* Why nothing of this queue starts, in the order in which the scopes are asked. */
static TqWait why_queue(const TqScheduler *s, const TqQueue *q) {
        if (!s->is_open)
                return TQ_WAIT_RECOVERY;
        if (!q->tenant->enabled)
                return TQ_WAIT_TENANT_DISABLED;
        if (!tenant_has_room(q->tenant))
                return TQ_WAIT_TENANT_CONCURRENCY;
        if (!queue_has_room(q))
                return TQ_WAIT_QUEUE_CONCURRENCY;
        return TQ_WAIT_NONE;
}

TqWait tq_scheduler_why(const TqScheduler *s, const TqJob *job) {
        TqWait w;

        if (job->state == TQ_JOB_SCHEDULED)
                return job->is_retry ? TQ_WAIT_LAUNCH_RETRY : TQ_WAIT_START_AFTER;
        if (job->state != TQ_JOB_QUEUED)
                return TQ_WAIT_NONE;
        w = why_queue(s, job->queue);
        if (w == TQ_WAIT_NONE && tq_heap_top(&job->queue->waiting) != &job->waiting)
                w = TQ_WAIT_BEHIND;
        return w;
}

uint64_t tq_scheduler_queue_limit(const TqTenant *t, const char *queue) {
        for (size_t i = 0; i < t->n_queue_limits; i++)
                if (strcmp(t->queue_limits[i].name, queue) == 0)
                        return t->queue_limits[i].concurrency;
        /* One at a time, unless somebody said how many jobs the tenant may run. */
        return tq_limits_has(&t->limits, TQ_KEY_CONCURRENCY) ? TQ_LIMIT_MAX : 1;
}

static void refresh_tenant(TqScheduler *s, TqTenant *t) {
        bool want = s->is_open && t->enabled && tenant_has_room(t) &&
                    !tq_list_is_empty(&t->ready_queues);

        if (want == !tq_list_is_empty(&t->ready))
                return;
        if (want)
                tq_list_append(&s->ready, &t->ready);
        else
                tq_list_unlink(&t->ready);
}

static void refresh(TqScheduler *s, TqQueue *q) {
        bool want = queue_has_room(q) && q->waiting.size > 0;

        if (want != !tq_list_is_empty(&q->ready)) {
                if (want)
                        tq_list_append(&q->tenant->ready_queues, &q->ready);
                else
                        tq_list_unlink(&q->ready);
        }
        refresh_tenant(s, q->tenant);
}

/* Objects ------------------------------------------------------------------------------------- */

static int queue_get(TqTenant *t, const char *name, bool is_promised, TqQueue **ret) {
        TqQueue *q;

        TQ_LIST_FOREACH(node, &t->queues) {
                q = TQ_LIST_ENTRY(node, TqQueue, all);
                if (strcmp(q->name, name) == 0) {
                        *ret = q;
                        return 0;
                }
        }
        /* Bounds the walk above, and the jobs that a tenant runs at once by inventing queues. */
        if (t->n_queues >= TQ_QUEUES_MAX && !is_promised)
                return -EDQUOT;
        q = calloc(1, sizeof(*q));
        if (!q)
                return -ENOMEM;
        t->n_queues++;
        (void)snprintf(q->name, sizeof(q->name), "%s", name);
        q->tenant = t;
        q->waiting.before = waits_before;
        q->concurrency = tq_scheduler_queue_limit(t, name);
        tq_list_init(&q->ready);
        tq_list_append(&t->queues, &q->all);
        *ret = q;
        return 0;
}

/* A queue exists while something is in it: names that tenants invent don't add up. */
static void queue_release(TqQueue *q) {
        if (q->jobs > 0)
                return;
        q->tenant->n_queues--;
        tq_list_unlink(&q->ready);
        tq_list_unlink(&q->all);
        tq_heap_done(&q->waiting);
        free(q);
}

static TqTenant *tenant_new(TqScheduler *s, uint32_t id) {
        TqTenant *t = calloc(1, sizeof(*t));

        if (!t)
                return NULL;
        t->id = id;
        tq_list_init(&t->active);
        tq_list_init(&t->queues);
        tq_list_init(&t->ready_queues);
        tq_list_init(&t->ready);
        if (tq_map_put(&s->tenants, id, t) < 0) {
                free(t);
                return NULL;
        }
        tq_list_append(&s->all, &t->all);
        return t;
}

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

/* Moves a job between states and keeps what follows from the state: who waits, who holds a slot. */
static int set_state(TqScheduler *s, TqJob *job, TqJobState state) {
        TqTenant *t = job->tenant;
        bool had = holds_slot(job->state), has = holds_slot(state);
        int r;

        if (state == TQ_JOB_QUEUED && job->state != TQ_JOB_QUEUED) {
                r = tq_heap_insert(&job->queue->waiting, &job->waiting);
                if (r < 0)
                        return r;
        } else if (state != TQ_JOB_QUEUED)
                tq_heap_remove(&job->queue->waiting, &job->waiting);

        if (has && !had) {
                tq_list_append(&t->active, &job->active);
                t->running++;
                job->queue->running++;
        } else if (had && !has) {
                tq_list_unlink(&job->active);
                t->running--;
                job->queue->running--;
        }
        t->waiting += (uint64_t)(state <= TQ_JOB_QUEUED);
        t->waiting -= (uint64_t)(job->state <= TQ_JOB_QUEUED);
        job->state = state;
        refresh(s, job->queue);
        return 0;
}

static void job_free(TqScheduler *s, TqJob *job) {
        TqQueue *q = job->queue;

        (void)tq_map_remove(&s->jobs, job->id);
        tq_heap_remove(&s->timers, &job->timer);
        free(job);
        q->jobs--;
        queue_release(q);
}

/* Actions ------------------------------------------------------------------------------------- */

void tq_scheduler_actions_done(TqActions *a) {
        free(a->items);
        *a = (TqActions){};
}

static int reserve(TqActions *a, size_t more) {
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
        act(actions, TQ_ACTION_FINISH, job)->verdict = *verdict;
        (void)set_state(s, job, TQ_JOB_DONE);
        job_free(s, job);
}

/* Events -------------------------------------------------------------------------------------- */

static uint64_t runtime_of(const TqJob *job, TqStopReason *ret_reason) {
        uint64_t bound = tq_limits_get(&job->tenant->limits, TQ_KEY_RUNTIME, TQ_LIMIT_MAX);

        *ret_reason = bound < job->runtime_usec ? TQ_STOP_TIMEOUT_TENANT : TQ_STOP_TIMEOUT_JOB;
        return TQ_MIN(bound, job->runtime_usec);
}

static uint64_t runtime_deadline(const TqJob *job) {
        TqStopReason reason;
        uint64_t bound = runtime_of(job, &reason);

        return bound == TQ_LIMIT_MAX ? TQ_NEVER : tq_add_u64(job->running_since, bound);
}

static int on_tenant(TqScheduler *s, const TqEvent *e) {
        TqTenant *t = tq_map_get(&s->tenants, e->tenant);

        assert(e->t.n_queue_limits <= TQ_QUEUE_LIMITS);
        if (!t)
                t = tenant_new(s, e->tenant);
        if (!t)
                return -ENOMEM;
        (void)snprintf(t->name, sizeof(t->name), "%s", e->t.name);
        t->limits = *e->t.limits;
        t->enabled = e->t.enabled;
        t->n_queue_limits = e->t.n_queue_limits;
        if (e->t.n_queue_limits > 0)
                memcpy(t->queue_limits, e->t.queue_limits,
                       e->t.n_queue_limits * sizeof(*t->queue_limits));
        TQ_LIST_FOREACH(node, &t->queues) {
                TqQueue *q = TQ_LIST_ENTRY(node, TqQueue, all);

                q->concurrency = tq_scheduler_queue_limit(t, q->name);
                refresh(s, q);
        }
        TQ_LIST_FOREACH(node, &t->active) {
                TqJob *job = TQ_LIST_ENTRY(node, TqJob, active);
                int r = job->state == TQ_JOB_RUNNING ? timer_set(s, job, runtime_deadline(job)) : 0;

                if (r < 0)
                        return r;
        }
        refresh_tenant(s, t);
        return 0;
}

static int job_new(TqScheduler *s, const TqEvent *e, TqJob **ret) {
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
                .not_before = e->j.not_before,
                .runtime_usec = e->j.runtime_usec,
                .stop_usec = e->j.stop_usec,
                .userdata = e->j.userdata,
        };
        tq_list_init(&job->active);
        r = queue_get(t, e->j.queue, e->j.is_promised || e->type == TQ_EVENT_ADOPT, &job->queue);
        if (r >= 0)
                r = tq_map_put(&s->jobs, job->id, job);
        if (r >= 0)
                job->queue->jobs++;
        if (r < 0) {
                if (job->queue)
                        queue_release(job->queue);
                free(job);
                return r;
        }
        *ret = job;
        return 0;
}

static int wait_until_due(TqScheduler *s, TqJob *job, uint64_t now) {
        int r;

        if (job->not_before <= now)
                return set_state(s, job, TQ_JOB_QUEUED);
        r = timer_set(s, job, job->not_before);
        return r < 0 ? r : set_state(s, job, TQ_JOB_SCHEDULED);
}

static int on_submit(TqScheduler *s, const TqEvent *e, uint64_t now) {
        TqJob *job;
        int r;

        r = job_new(s, e, &job);
        if (r < 0)
                return r;
        r = wait_until_due(s, job, now);
        if (r < 0)
                job_free(s, job);
        return r;
}

static int on_adopt(TqScheduler *s, const TqEvent *e, uint64_t now, TqActions *actions) {
        TqJob *job;
        int r;

        r = job_new(s, e, &job);
        if (r < 0)
                return r;
        job->running_since = e->j.running_since;
        job->stop = e->j.stop;
        r = timer_set(s, job,
                      job->stop == TQ_STOP_NONE ? runtime_deadline(job)
                                                : tq_add_u64(now, job->stop_usec));
        if (r >= 0)
                r = set_state(s, job, job->stop == TQ_STOP_NONE ? TQ_JOB_RUNNING : TQ_JOB_STOPPING);
        if (r < 0) {
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
        r = timer_set(s, job, runtime_deadline(job));
        if (r < 0)
                return r;
        act(actions, TQ_ACTION_RUN, job);
        return set_state(s, job, TQ_JOB_RUNNING);
}

static bool is_safe_to_repeat(const TqJob *job, const TqEnd *end) {
        return end->kind == TQ_END_NEVER_STARTED && job->stop == TQ_STOP_NONE;
}

static int on_ended(TqScheduler *s, TqJob *job, const TqEnd *end, uint64_t now,
                    TqActions *actions) {
        TqVerdict verdict;

        /* Nothing of it runs: this is the end of a launch that nobody recorded. */
        if (!holds_slot(job->state))
                return -ENOENT;
        if (is_safe_to_repeat(job, end)) {
                /* An attempt that was recorded as running is never reused, not even its number. */
                act(actions, TQ_ACTION_REQUEUE, job);
                if (job->state != TQ_JOB_STARTING)
                        job->attempt++;
                (void)timer_set(s, job, TQ_NEVER);
                job->abort = false;
                return wait_until_due(s, job, now);
        }
        verdict = tq_verdict_judge(end, job->stop);
        finish(s, job, &verdict, actions);
        return 0;
}

#define RETRY_USEC TQ_USEC_PER_SEC

static int on_refused(TqScheduler *s, TqJob *job, uint64_t now, TqActions *actions) {
        TqVerdict cancelled = { .outcome = TQ_OUTCOME_CANCELLED };

        if (job->state != TQ_JOB_STARTING)
                return 0;
        if (job->stop != TQ_STOP_NONE) {
                finish(s, job, &cancelled, actions);
                return 0;
        }
        job->abort = false;
        job->is_retry = true;
        job->not_before = tq_add_u64(now, RETRY_USEC);
        return wait_until_due(s, job, now);
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
        TqVerdict cancelled = { .outcome = TQ_OUTCOME_CANCELLED };

        switch (job->state) {
        case TQ_JOB_SCHEDULED:
        case TQ_JOB_QUEUED:
                finish(s, job, &cancelled, actions);
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

static int on_due(TqScheduler *s, TqJob *job, uint64_t now, TqActions *actions) {
        TqStopReason reason;
        int r;

        switch (job->state) {
        case TQ_JOB_SCHEDULED:
                r = set_state(s, job, TQ_JOB_QUEUED);
                if (r < 0)
                        return r;
                (void)timer_set(s, job, TQ_NEVER);
                return 0;
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

static int on_tick(TqScheduler *s, uint64_t now, TqActions *actions) {
        TqHeapNode *node;

        while ((node = tq_heap_top(&s->timers))) {
                TqJob *job = TQ_CONTAINER_OF(node, TqJob, timer);
                int r;

                if (job->deadline > now)
                        break;
                r = reserve(actions, 2);
                if (r >= 0)
                        r = on_due(s, job, now, actions);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int on_job(TqScheduler *s, const TqEvent *e, uint64_t now, TqActions *actions) {
        TqJob *job = tq_map_get(&s->jobs, e->job);

        if (!job)
                return -ENOENT;
        /* What an earlier attempt still has to say concerns nobody. */
        if (e->type != TQ_EVENT_CANCEL && e->attempt != job->attempt)
                return -ENOENT;
        switch (e->type) {
        case TQ_EVENT_SPAWNED:
                return on_spawned(s, job, now, actions);
        case TQ_EVENT_ENDED:
                return on_ended(s, job, e->end, now, actions);
        case TQ_EVENT_REFUSED:
                return on_refused(s, job, now, actions);
        default:
                return on_cancel(s, job, now, actions);
        }
}

static int apply(TqScheduler *s, const TqEvent *e, uint64_t now, TqActions *actions) {
        switch (e->type) {
        case TQ_EVENT_TENANT:
                return on_tenant(s, e);
        case TQ_EVENT_SUBMIT:
                return on_submit(s, e, now);
        case TQ_EVENT_ADOPT:
                return on_adopt(s, e, now, actions);
        case TQ_EVENT_OPEN:
                s->is_open = true;
                TQ_LIST_FOREACH(node, &s->all)
                refresh_tenant(s, TQ_LIST_ENTRY(node, TqTenant, all));
                return 0;
        case TQ_EVENT_TICK:
                return on_tick(s, now, actions);
        default:
                return on_job(s, e, now, actions);
        }
}

/* Starts what may start: one job of the tenant whose turn it is, then the next tenant. */
static int dispatch(TqScheduler *s, TqActions *actions) {
        TqList *node;

        while ((node = tq_list_first(&s->ready))) {
                TqTenant *t = TQ_LIST_ENTRY(node, TqTenant, ready);
                TqQueue *q = TQ_LIST_ENTRY(tq_list_first(&t->ready_queues), TqQueue, ready);
                TqJob *job = TQ_CONTAINER_OF(tq_heap_top(&q->waiting), TqJob, waiting);
                int r;

                assert(tq_scheduler_why(s, job) == TQ_WAIT_NONE);
                r = reserve(actions, 1);
                if (r < 0)
                        return r;
                act(actions, TQ_ACTION_START, job);
                /* To the end of both rings, if they stay in them at all. */
                tq_list_unlink(&t->ready);
                tq_list_unlink(&q->ready);
                (void)set_state(s, job, TQ_JOB_STARTING);
        }
        return 0;
}

int tq_scheduler_step(TqScheduler *s, const TqEvent *event, uint64_t now_usec, TqActions *actions) {
        int r;

        /* At most two actions for one job's event: reserved first, so that no state changes whose
         * action could not be written down. */
        r = reserve(actions, 2);
        if (r < 0)
                return r;
        r = apply(s, event, now_usec, actions);
        if (r < 0)
                return r;
        return dispatch(s, actions);
}

uint64_t tq_scheduler_next_deadline(const TqScheduler *s) {
        const TqHeapNode *node = tq_heap_top(&s->timers);

        return node ? TQ_CONTAINER_OF(node, TqJob, timer)->deadline : TQ_NEVER;
}

const TqJob *tq_scheduler_job(const TqScheduler *s, uint64_t id) {
        return tq_map_get(&s->jobs, id);
}

const TqTenant *tq_scheduler_tenant(const TqScheduler *s, uint32_t id) {
        return tq_map_get(&s->tenants, id);
}

const TqJob *tq_scheduler_next_job(const TqScheduler *s, size_t *position) {
        return tq_map_next(&s->jobs, position);
}

TqScheduler *tq_scheduler_new(void) {
        TqScheduler *s = calloc(1, sizeof(*s));

        if (!s)
                return NULL;
        s->timers.before = due_before;
        tq_list_init(&s->ready);
        tq_list_init(&s->all);
        return s;
}

TqScheduler *tq_scheduler_free(TqScheduler *s) {
        size_t position = 0;
        TqJob *job;

        if (!s)
                return NULL;
        while ((job = tq_map_next(&s->jobs, &position))) {
                tq_heap_remove(&job->queue->waiting, &job->waiting);
                job->queue->jobs--;
                queue_release(job->queue);
                free(job);
        }
        TQ_LIST_FOREACH(node, &s->all)
        free(TQ_LIST_ENTRY(node, TqTenant, all));
        tq_map_done(&s->jobs);
        tq_map_done(&s->tenants);
        tq_heap_done(&s->timers);
        free(s);
        return NULL;
}
