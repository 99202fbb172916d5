/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/scheduler.h"

#include "unit.h"

#define SEC UINT64_C(1000000)

/* The same rules said once more, as slowly and plainly as possible: no ring, no heap, no counter.
 * After each of many random steps the two must agree. */

#define MODEL_JOBS    96
#define MODEL_TENANTS 5
#define MODEL_QUEUES  4
#define MODEL_STEPS   250000

typedef enum Phase { GONE, WAITING, STARTING, RUNNING, STOPPING } Phase;

typedef struct ModelJob {
        Phase phase;
        uint64_t id;
        unsigned attempt, tenant, queue;
        int priority;
        bool is_due; /* of WAITING: its time has come */
        bool is_aborted, is_killed;
        TqStopReason stop;
        uint64_t not_before, runtime, grace, since, kill_at;
} ModelJob;

typedef struct ModelTenant {
        uint64_t concurrency; /* TQ_LIMIT_MAX */
        bool has_concurrency;
        uint64_t runtime;              /* TQ_LIMIT_MAX */
        uint64_t queues[MODEL_QUEUES]; /* the configured ones */
        bool is_configured[MODEL_QUEUES];
        bool enabled;
} ModelTenant;

typedef struct Model {
        TqScheduler *s;
        TqActions actions;
        uint64_t now;
        ModelJob jobs[MODEL_JOBS];
        ModelTenant tenants[MODEL_TENANTS];
        uint64_t next_id, random;
        bool is_open;
        unsigned starts, finishes, kills, requeues;
} Model;

static const char *const model_queues[MODEL_QUEUES] = { "a", "b", "c", "default" };

static uint64_t dice(Model *m, uint64_t n) {
        return unit_random(&m->random) % n;
}

static bool holds_slot(const ModelJob *j) {
        return j->phase == STARTING || j->phase == RUNNING || j->phase == STOPPING;
}

/* Jobs of a tenant that hold a slot; queue -1: of any. */
static uint64_t count_slots(const Model *m, unsigned t, int queue) {
        uint64_t n = 0;

        for (size_t i = 0; i < MODEL_JOBS; i++)
                n += holds_slot(&m->jobs[i]) && m->jobs[i].tenant == t &&
                     (queue < 0 || m->jobs[i].queue == (unsigned)queue);
        return n;
}

static uint64_t queue_limit(const Model *m, unsigned t, unsigned queue) {
        const ModelTenant *x = &m->tenants[t];

        return x->is_configured[queue] ? x->queues[queue] : x->has_concurrency ? TQ_LIMIT_MAX : 1;
}

static uint64_t tenant_limit(const Model *m, unsigned t) {
        return m->tenants[t].has_concurrency ? m->tenants[t].concurrency : TQ_LIMIT_MAX;
}

static uint64_t bound_of(const Model *m, const ModelJob *j) {
        return TQ_MIN(j->runtime, m->tenants[j->tenant].runtime);
}

static uint64_t deadline_of(const Model *m, const ModelJob *j) {
        if (j->phase == WAITING && !j->is_due)
                return j->not_before;
        if (j->phase == RUNNING && bound_of(m, j) != TQ_LIMIT_MAX)
                return j->since + bound_of(m, j);
        if (j->phase == STOPPING && !j->is_killed)
                return j->kill_at;
        return TQ_NEVER;
}

static ModelJob *find(Model *m, uint64_t id) {
        for (size_t i = 0; i < MODEL_JOBS; i++)
                if (m->jobs[i].phase != GONE && m->jobs[i].id == id)
                        return &m->jobs[i];
        return NULL;
}

static void model_wait(Model *m, ModelJob *j) {
        j->phase = WAITING;
        j->is_due = j->not_before <= m->now;
}

/* A START is legal if there is room and nothing of the queue comes before. */
static void model_start(Model *m, ModelJob *j) {
        unit_must(m->is_open, "not so");
        unit_must(m->tenants[j->tenant].enabled, "not so");
        unit_must(j->phase == WAITING, "differs");
        unit_must(j->is_due, "not so");
        for (size_t i = 0; i < MODEL_JOBS; i++) {
                const ModelJob *o = &m->jobs[i];

                if (o->phase == WAITING && o->is_due && o->tenant == j->tenant &&
                    o->queue == j->queue && o != j)
                        unit_must(o->priority < j->priority ||
                                          (o->priority == j->priority && o->id > j->id),
                                  "job %ju before %ju", (uintmax_t)j->id, (uintmax_t)o->id);
        }
        j->phase = STARTING;
        unit_must(count_slots(m, j->tenant, -1) <= tenant_limit(m, j->tenant), "differs");
        unit_must(count_slots(m, j->tenant, (int)j->queue) <= queue_limit(m, j->tenant, j->queue),
                  "differs");
        m->starts++;
}

static void model_action(Model *m, const TqAction *a) {
        ModelJob *j = find(m, a->job);

        unit_must(j != NULL, "action %d of an unknown job", (int)a->type);
        unit_must(a->userdata == j, "differs");
        unit_must(a->tenant == j->tenant + 1, "differs");
        unit_must(a->attempt == j->attempt, "differs");
        switch (a->type) {
        case TQ_ACTION_START:
                model_start(m, j);
                break;
        case TQ_ACTION_RUN:
                unit_must(j->phase == STARTING, "differs");
                unit_must(!j->is_aborted, "not so");
                j->phase = RUNNING;
                j->since = m->now;
                break;
        case TQ_ACTION_ABORT:
                unit_must(j->phase == STARTING, "differs");
                unit_must(!j->is_aborted, "not so");
                j->is_aborted = true;
                j->stop = TQ_STOP_CANCELLED;
                break;
        case TQ_ACTION_TERM:
                unit_must(a->stop != TQ_STOP_NONE, "differs");
                /* Adopted after it had been asked to stop: asked again. */
                if (j->phase == STOPPING)
                        break;
                unit_must(j->phase == RUNNING, "differs");
                if (a->stop != TQ_STOP_CANCELLED) {
                        unit_must(deadline_of(m, j) <= m->now, "differs");
                        unit_must(a->stop == (m->tenants[j->tenant].runtime < j->runtime
                                                      ? TQ_STOP_TIMEOUT_TENANT
                                                      : TQ_STOP_TIMEOUT_JOB),
                                  "differs");
                }
                j->phase = STOPPING;
                j->stop = a->stop;
                j->kill_at = m->now + j->grace;
                break;
        case TQ_ACTION_KILL:
                unit_must(j->phase == STOPPING, "differs");
                unit_must(!j->is_killed, "not so");
                unit_must(j->kill_at <= m->now, "differs");
                j->is_killed = true;
                m->kills++;
                break;
        case TQ_ACTION_REQUEUE:
                unit_must(j->stop == TQ_STOP_NONE, "differs");
                unit_must(holds_slot(j), "not so");
                j->attempt += j->phase != STARTING;
                model_wait(m, j);
                m->requeues++;
                break;
        default:
                unit_must(a->type == TQ_ACTION_FINISH, "differs");
                unit_must(a->verdict.outcome != TQ_OUTCOME_NONE, "differs");
                j->phase = GONE;
                m->finishes++;
        }
}

/* Nothing that may start waits. */
static void check_work_conserving(const Model *m) {
        uint64_t tenants[MODEL_TENANTS] = {}, queues[MODEL_TENANTS][MODEL_QUEUES] = {};

        for (size_t i = 0; i < MODEL_JOBS; i++) {
                const ModelJob *j = &m->jobs[i];

                tenants[j->tenant] += holds_slot(j);
                queues[j->tenant][j->queue] += holds_slot(j);
        }
        for (size_t i = 0; i < MODEL_JOBS; i++) {
                const ModelJob *j = &m->jobs[i];

                if (j->phase != WAITING || !j->is_due)
                        continue;
                unit_must(tq_scheduler_why(m->s, tq_scheduler_job(m->s, j->id)) != TQ_WAIT_NONE,
                          "job %ju waits for nothing", (uintmax_t)j->id);
                unit_must(!m->is_open || !m->tenants[j->tenant].enabled ||
                                  tenants[j->tenant] >= tenant_limit(m, j->tenant) ||
                                  queues[j->tenant][j->queue] >=
                                          queue_limit(m, j->tenant, j->queue),
                          "job %ju waits though there is room", (uintmax_t)j->id);
        }
}

/* Compares everything that can be seen. */
static void model_check(Model *m) {
        uint64_t deadline = TQ_NEVER;

        for (size_t i = 0; i < MODEL_JOBS; i++) {
                const ModelJob *j = &m->jobs[i];
                const TqJob *real;

                if (j->phase == GONE)
                        continue;
                real = tq_scheduler_job(m->s, j->id);
                unit_must(real != NULL, "not there");
                unit_must(real->state == (j->phase == WAITING
                                                  ? j->is_due ? TQ_JOB_QUEUED : TQ_JOB_SCHEDULED
                                          : j->phase == STARTING ? TQ_JOB_STARTING
                                          : j->phase == RUNNING  ? TQ_JOB_RUNNING
                                                                 : TQ_JOB_STOPPING),
                          "differs");
                unit_must(real->attempt == j->attempt, "differs");
                deadline = TQ_MIN(deadline, deadline_of(m, j));
        }
        unit_must(tq_scheduler_next_deadline(m->s) == deadline, "differs");
        check_work_conserving(m);
        for (unsigned t = 0; t < MODEL_TENANTS; t++) {
                const TqTenant *real = tq_scheduler_tenant(m->s, t + 1);
                uint64_t waiting = 0;

                for (size_t i = 0; i < MODEL_JOBS; i++)
                        waiting += m->jobs[i].phase == WAITING && m->jobs[i].tenant == t;
                unit_must(real->running == count_slots(m, t, -1), "differs");
                unit_must(real->waiting == waiting, "differs");
        }
}

static void model_step(Model *m, TqEvent event, int want) {
        int r = tq_scheduler_step(m->s, &event, m->now, &m->actions);

        unit_must(r == want, "differs");
        if (event.type == TQ_EVENT_TICK)
                for (size_t i = 0; i < MODEL_JOBS; i++)
                        if (m->jobs[i].phase == WAITING && m->jobs[i].not_before <= m->now)
                                m->jobs[i].is_due = true;
        for (size_t i = 0; i < m->actions.n; i++)
                model_action(m, &m->actions.items[i]);
        m->actions.n = 0;
        if (event.type == TQ_EVENT_TICK)
                for (size_t i = 0; i < MODEL_JOBS; i++)
                        unit_must(deadline_of(m, &m->jobs[i]) > m->now, "differs");
}

static void model_tenant(Model *m, unsigned t) {
        TqQueueLimit queues[MODEL_QUEUES] = {};
        ModelTenant *x = &m->tenants[t];
        TqLimits l = {};
        size_t n = 0;

        *x = (ModelTenant){ .has_concurrency = dice(m, 3) > 0,
                            .concurrency = dice(m, 6) ? dice(m, 7) : TQ_LIMIT_MAX,
                            .runtime = dice(m, 2) ? (1 + dice(m, 30)) * SEC : TQ_LIMIT_MAX,
                            .enabled = dice(m, 8) > 0 };
        if (x->has_concurrency) {
                l.set |= UINT64_C(1) << TQ_KEY_CONCURRENCY;
                l.value[TQ_KEY_CONCURRENCY] = x->concurrency;
        }
        if (x->runtime != TQ_LIMIT_MAX || dice(m, 2)) {
                l.set |= UINT64_C(1) << TQ_KEY_RUNTIME;
                l.value[TQ_KEY_RUNTIME] = x->runtime;
        }
        for (unsigned q = 0; q < MODEL_QUEUES; q++) {
                if (dice(m, 2))
                        continue;
                x->is_configured[q] = true;
                x->queues[q] = dice(m, 5) ? dice(m, 4) : TQ_LIMIT_MAX;
                queues[n].concurrency = x->queues[q];
                (void)strcpy(queues[n++].name, model_queues[q]);
        }
        model_step(m,
                   (TqEvent){ .type = TQ_EVENT_TENANT,
                              .tenant = t + 1,
                              .t = { .name = "t",
                                     .limits = &l,
                                     .queue_limits = queues,
                                     .n_queue_limits = n,
                                     .enabled = x->enabled } },
                   0);
}

static void model_submit(Model *m) {
        ModelJob *j = m->jobs;

        while (j < m->jobs + MODEL_JOBS && j->phase != GONE)
                j++;
        if (j == m->jobs + MODEL_JOBS)
                return;
        *j = (ModelJob){ .id = m->next_id++,
                         .attempt = 1,
                         .tenant = (unsigned)dice(m, MODEL_TENANTS),
                         .queue = (unsigned)dice(m, MODEL_QUEUES),
                         .priority = (int)dice(m, 5) - 2,
                         .not_before = dice(m, 4) ? 0 : m->now + dice(m, 5 * SEC),
                         .runtime = dice(m, 2) ? (1 + dice(m, 30)) * SEC : TQ_LIMIT_MAX,
                         .grace = dice(m, 4) * SEC };
        model_wait(m, j);
        if (dice(m, 20) == 0 && !j->not_before) {
                /* As if found at a start: it runs already, limits or not. */
                j->phase = dice(m, 2) ? RUNNING : STOPPING;
                j->stop = j->phase == STOPPING ? TQ_STOP_CANCELLED : TQ_STOP_NONE;
                j->since = m->now - dice(m, SEC);
                j->kill_at = m->now + j->grace;
                j->attempt = 1 + (unsigned)dice(m, 3);
        }
        model_step(m,
                   (TqEvent){ .type = j->phase == WAITING ? TQ_EVENT_SUBMIT : TQ_EVENT_ADOPT,
                              .tenant = j->tenant + 1,
                              .job = j->id,
                              .attempt = j->attempt,
                              .j = { .queue = model_queues[j->queue],
                                     .priority = j->priority,
                                     .not_before = j->not_before,
                                     .runtime_usec = j->runtime,
                                     .stop_usec = j->grace,
                                     .running_since = j->since,
                                     .stop = j->stop,
                                     .userdata = j } },
                   0);
}

static ModelJob *any_job(Model *m, bool with_slot) {
        size_t first = dice(m, MODEL_JOBS);

        for (size_t i = 0; i < MODEL_JOBS; i++) {
                ModelJob *j = &m->jobs[(first + i) % MODEL_JOBS];

                if (j->phase != GONE && (!with_slot || holds_slot(j)))
                        return j;
        }
        return NULL;
}

static void model_cancel(Model *m) {
        ModelJob *j = any_job(m, false);
        Phase before;
        bool is_refused;
        uint64_t id;

        if (!j)
                return;
        id = j->id;
        before = j->phase;
        is_refused = before == STOPPING || j->is_aborted;
        model_step(m, (TqEvent){ .type = TQ_EVENT_CANCEL, .job = id }, is_refused ? -EALREADY : 0);
        if (is_refused)
                return;
        if (before == WAITING)
                unit_must(find(m, id) == NULL, "still there");
        else if (before == STARTING)
                unit_must(j->is_aborted, "not so");
        else
                unit_must(j->phase == STOPPING, "differs");
}

static void model_progress(Model *m) {
        ModelJob *j = any_job(m, true);
        TqEnd end = { .kind = TQ_END_EXITED, .code = (int)dice(m, 3) };
        bool repeats;
        Phase before;
        uint64_t id;

        if (!j)
                return;
        id = j->id;
        before = j->phase;
        if (before == STARTING && dice(m, 2)) {
                bool aborted = j->is_aborted;

                model_step(m,
                           (TqEvent){ .type = TQ_EVENT_SPAWNED, .job = id, .attempt = j->attempt },
                           0);
                unit_must(j->phase == (aborted ? STARTING : RUNNING), "differs");
                return;
        }
        if (before == STARTING && dice(m, 4) == 0) {
                if (!j->is_aborted) {
                        j->not_before = m->now + SEC;
                        model_wait(m, j);
                }
                model_step(m,
                           (TqEvent){ .type = TQ_EVENT_REFUSED, .job = id, .attempt = j->attempt },
                           0);
                if (j->is_aborted)
                        unit_must(find(m, id) == NULL, "still there");
                return;
        }
        if (before == STARTING)
                end.kind = dice(m, 2) ? TQ_END_NEVER_STARTED : TQ_END_SPAWN_FAILED;
        else if (dice(m, 10) == 0)
                end.kind = TQ_END_NEVER_STARTED;
        else if (dice(m, 3) == 0)
                end = (TqEnd){ .kind = TQ_END_SIGNALED, .code = 9 };
        repeats = end.kind == TQ_END_NEVER_STARTED && j->stop == TQ_STOP_NONE;
        model_step(
                m,
                (TqEvent){ .type = TQ_EVENT_ENDED, .job = id, .attempt = j->attempt, .end = &end },
                0);
        unit_must((find(m, id) != NULL) == repeats, "differs");
}

/* What nobody should listen to. */
static void model_noise(Model *m) {
        static const TqEventType types[] = { TQ_EVENT_SPAWNED, TQ_EVENT_REFUSED, TQ_EVENT_ENDED };
        TqEnd end = { .kind = TQ_END_EXITED };
        ModelJob *j = any_job(m, false);
        TqEvent e = { .type = types[dice(m, 3)], .job = m->next_id + dice(m, 10), .attempt = 1 };

        e.end = &end;
        if (j && dice(m, 2)) {
                e.job = j->id;
                e.attempt = j->attempt + 1 - 2 * (unsigned)dice(m, 2);
        }
        model_step(m, e, -ENOENT);
}

static void model_any(Model *m) {
        uint64_t x = dice(m, 100);

        m->now += dice(m, 3) ? dice(m, SEC / 4) : 0;
        if (x < 30)
                model_submit(m);
        else if (x < 75)
                model_progress(m);
        else if (x < 80)
                model_cancel(m);
        else if (x < 95)
                model_step(m, (TqEvent){ .type = TQ_EVENT_TICK }, 0);
        else if (x < 97)
                model_noise(m);
        else
                model_tenant(m, (unsigned)dice(m, MODEL_TENANTS));
}

/* Ends everything: no slot, no queue, no timer may be left. */
static void model_drain(Model *m) {
        for (;;) {
                ModelJob *j = any_job(m, false);

                if (!j)
                        break;
                if (!holds_slot(j))
                        model_cancel(m);
                else {
                        TqEnd end = { .kind = TQ_END_EXITED };

                        model_step(m,
                                   (TqEvent){ .type = TQ_EVENT_ENDED,
                                              .job = j->id,
                                              .attempt = j->attempt,
                                              .end = &end },
                                   0);
                }
        }
        model_check(m);
        for (unsigned t = 0; t < MODEL_TENANTS; t++) {
                const TqTenant *real = tq_scheduler_tenant(m->s, t + 1);

                unit_must(real->running == 0, "differs");
                unit_must(real->waiting == 0, "differs");
                unit_must(real->n_queues == 0, "differs");
                unit_must(tq_list_is_empty(&real->active), "not so");
                unit_must(tq_list_is_empty(&real->queues), "not so");
                unit_must(tq_list_is_empty(&real->ready_queues), "not so");
        }
        unit_must(tq_scheduler_next_deadline(m->s) == TQ_NEVER, "differs");
}

static const uint64_t seeds[] = { 1, 0xDEADBEEF, 20261120, 0x123456789ABCDEF };

START_TEST(model) {
        Model *m = calloc(1, sizeof(*m));

        ck_assert_ptr_nonnull(m);
        m->s = tq_scheduler_new();
        ck_assert_ptr_nonnull(m->s);
        m->now = 1000 * SEC;
        m->random = seeds[_i];
        m->next_id = 1;
        for (unsigned t = 0; t < MODEL_TENANTS; t++)
                model_tenant(m, t);
        for (int i = 0; i < MODEL_STEPS / (int)TQ_ELEMENTSOF(seeds); i++) {
                if (i == 200) {
                        m->is_open = true;
                        model_step(m, (TqEvent){ .type = TQ_EVENT_OPEN }, 0);
                }
                model_any(m);
                model_check(m);
        }
        model_drain(m);
        /* It was no idle walk. */
        ck_assert_uint_gt(m->starts, 5000);
        ck_assert_uint_gt(m->finishes, 5000);
        ck_assert_uint_gt(m->requeues, 100);
        ck_assert_uint_gt(m->kills, 20);
        m->s = tq_scheduler_free(m->s);
        tq_scheduler_actions_done(&m->actions);
        free(m);
}
END_TEST

static void fill(Suite *s) {
        unit_add_rows(unit_case(s, "model"), model, seeds);
}

int main(void) {
        return unit_main("core/scheduler model", fill);
}
