/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core_scheduler_model_actions.h"

/* Events at random, told to the scheduler and to the model. */

/* All whose time has come, in the order of their times. */
static inline void model_tick(Model *m) {
        for (;;) {
                ModelJob *next = NULL;

                for (ModelJob *j = m->jobs; j < m->jobs + MODEL_JOBS; j++)
                        if (j->phase == WAITING && j->timer <= m->now && j->start_by > m->now &&
                            (!next || j->timer < next->timer ||
                             (j->timer == next->timer && j->id < next->id)))
                                next = j;
                if (!next)
                        return;
                model_wait(m, next);
        }
}

static inline void model_step(Model *m, TqEvent event, int want) {
        int r = tq_scheduler_step(m->s, &event, m->now, &m->actions);

        unit_must(r == want, "event %d: %d, not %d", (int)event.type, r, want);
        if (event.type == TQ_EVENT_TICK)
                model_tick(m);
        for (size_t i = 0; i < m->actions.n; i++)
                model_action(m, &m->actions.items[i]);
        m->actions.n = 0;
        m->was_kept = m->host.memory_bytes != TQ_LIMIT_MAX;
        if (event.type == TQ_EVENT_TICK)
                for (size_t i = 0; i < MODEL_JOBS; i++)
                        unit_must(m->jobs[i].phase == GONE || deadline_of(m, &m->jobs[i]) > m->now,
                                  "differs");
}

static inline void model_host(Model *m) {
        static const uint64_t lanes[] = { 0, 5 * SEC, 10 * SEC, 30 * SEC };
        TqHostPolicy p;

        tq_policy_init(&p);
        for (unsigned i = 1; i < MODEL_POOLS; i++) {
                m->has_pool[i] = dice(m, 2);
                if (!m->has_pool[i])
                        continue;
                (void)strcpy(p.pools[p.n_pools].name, model_pools[i]);
                p.pools[p.n_pools++].slots = dice(m, 4);
        }
        p.max_jobs = dice(m, 6) ? 7 + dice(m, 12) : TQ_LIMIT_MAX;
        p.memory_bytes = dice(m, 2) ? 6 + dice(m, 14) : TQ_LIMIT_MAX;
        p.memory_patience_usec = m->patience;
        p.lane_slots = dice(m, 2) ? dice(m, 5) : 0;
        p.lane_runtime_usec = lanes[dice(m, TQ_ELEMENTSOF(lanes))];
        p.cpus = dice(m, 2) ? 1 + dice(m, 8) : TQ_LIMIT_MAX;
        p.io_bytes_per_sec = dice(m, 2) ? 1000 : TQ_LIMIT_MAX;
        p.debt_usec = dice(m, 2) * 10 * SEC;
        p.policy = (uint32_t)(dice(m, 3) ? TQ_POLICY_FAIR : dice(m, _TQ_POLICY_MAX));
        unit_must(tq_policy_is_sane(&p), "not so");
        m->host = p;
        model_step(m, (TqEvent){ .type = TQ_EVENT_HOST, .host = &p }, 0);
}

static inline void set(TqLimits *l, TqKey key, uint64_t value) {
        l->set |= UINT64_C(1) << key;
        l->value[key] = value;
}

static inline size_t model_tenant_queues(Model *m, ModelTenant *x, TqQueueLimit *ret) {
        size_t n = 0;

        for (unsigned q = 0; q < MODEL_QUEUES; q++) {
                x->is_configured[q] = dice(m, 2);
                x->queues[q] = dice(m, 5) ? dice(m, 4) : TQ_LIMIT_MAX;
                if (!x->is_configured[q])
                        continue;
                ret[n] = (TqQueueLimit){ .set = UINT64_C(1) << TQ_KEY_CONCURRENCY,
                                         .concurrency = x->queues[q] };
                (void)strcpy(ret[n++].name, model_queues[q]);
        }
        return n;
}

static inline void model_tenant(Model *m, unsigned t) {
        TqQueueLimit queues[MODEL_QUEUES] = {};
        ModelTenant *x = &m->tenants[t];
        TqLimits l = {};
        size_t n = model_tenant_queues(m, x, queues);

        x->has_concurrency = dice(m, 3) > 0;
        x->concurrency = dice(m, 6) ? dice(m, 7) : TQ_LIMIT_MAX;
        x->runtime = dice(m, 2) ? (1 + dice(m, 30)) * SEC : TQ_LIMIT_MAX;
        x->enabled = dice(m, 8) > 0;
        x->reserved = dice(m, 2) ? dice(m, 4) : 0;
        do
                x->pool = dice(m, 2) ? (unsigned)dice(m, MODEL_POOLS) : 0;
        while (!m->has_pool[x->pool]);
        if (x->has_concurrency)
                set(&l, TQ_KEY_CONCURRENCY, x->concurrency);
        if (x->runtime != TQ_LIMIT_MAX || dice(m, 2))
                set(&l, TQ_KEY_RUNTIME, x->runtime);
        if (x->reserved > 0)
                set(&l, TQ_KEY_RESERVED, x->reserved);
        if (dice(m, 2))
                set(&l, TQ_KEY_WEIGHT, 1 + dice(m, 10000));
        model_step(m,
                   (TqEvent){ .type = TQ_EVENT_TENANT,
                              .tenant = t + 1,
                              .t = { .name = "t",
                                     .limits = &l,
                                     .queue_limits = queues,
                                     .n_queue_limits = n,
                                     .pool = x->pool > 0 ? model_pools[x->pool] : NULL,
                                     .enabled = x->enabled } },
                   0);
}

static inline void model_switch(Model *m) {
        TqEvent e = { .type = TQ_EVENT_SWITCH, .switches.is_paused = dice(m, 4) == 0 };
        unsigned t = (unsigned)dice(m, MODEL_TENANTS), q = (unsigned)dice(m, MODEL_QUEUES);
        uint64_t which = dice(m, 8);

        if (which == 0)
                m->is_paused = e.switches.is_paused;
        else
                e.tenant = t + 1;
        if (which > 0 && which < 4)
                m->tenants[t].is_paused = e.switches.is_paused;
        if (which >= 4) {
                m->tenants[t].is_queue_paused[q] = e.switches.is_paused;
                e.j.queue = model_queues[q];
        }
        model_step(m, e, 0);
}

static inline ModelJob *any_job(Model *m, bool with_slot) {
        size_t first = dice(m, MODEL_JOBS);

        for (size_t i = 0; i < MODEL_JOBS; i++) {
                ModelJob *j = &m->jobs[(first + i) % MODEL_JOBS];

                if (j->phase != GONE && (!with_slot || holds_slot(j)))
                        return j;
        }
        return NULL;
}

static inline ModelJob *any_waiting(Model *m) {
        ModelJob *j = any_job(m, false);

        return j && j->phase == WAITING ? j : NULL;
}

static inline void model_policy(Model *m, ModelJob *j) {
        if (dice(m, 3) > 0)
                return;
        j->policy = 1 + (unsigned)dice(m, TQ_ELEMENTSOF(model_policies));
        tq_retry_init(&j->retry);
        j->retry.max_attempts = 1 + (unsigned)dice(m, 4);
        j->retry.is_exponential = dice(m, 2);
        j->retry.delay_usec = dice(m, 2 * SEC);
        j->retry.max_delay_usec = 3 * j->retry.delay_usec;
        unit_must(tq_retry_parse_ends(model_policies[j->policy - 1].on, &j->retry.on) == 0, "");
        if (model_policies[j->policy - 1].never)
                unit_must(tq_retry_parse_ends(model_policies[j->policy - 1].never,
                                              &j->retry.never) == 0,
                          "");
}

static inline ModelJob model_job(Model *m) {
        const ModelJob *other = any_job(m, false);
        ModelJob j = { .id = m->next_id++,
                       .attempt = 1,
                       .tenant = (unsigned)dice(m, MODEL_TENANTS),
                       .queue = (unsigned)dice(m, MODEL_QUEUES),
                       .priority = (int)dice(m, 5) - 2,
                       .is_held = dice(m, 20) == 0,
                       .not_before = dice(m, 4) ? 0 : m->now + dice(m, 5 * SEC),
                       .start_by = dice(m, 8) ? TQ_NEVER : m->now + 1 + dice(m, 20 * SEC),
                       .runtime = dice(m, 2) ? (1 + dice(m, 30)) * SEC : TQ_LIMIT_MAX,
                       .grace = dice(m, 4) * SEC,
                       .memory = dice(m, 3) ? dice(m, 5) : dice(m, 20),
                       .bytes = dice(m, 1000) };

        model_policy(m, &j);
        if (other && dice(m, 6) == 0) {
                j.after = other->id;
                j.tenant = other->tenant;
        }
        return j;
}

/* As if found at a start: it runs already, limits or not. */
static inline void model_adopted(Model *m, ModelJob *j) {
        j->is_held = false;
        j->start_by = TQ_NEVER;
        j->stop = dice(m, 2) ? TQ_STOP_NONE : dice(m, 2) ? TQ_STOP_CANCELLED : TQ_STOP_REQUEUED;
        j->since = m->now - dice(m, SEC);
        j->kill_at = m->now + j->grace;
        j->attempt = 1 + (unsigned)dice(m, 3);
        j->failures = j->policy > 0 ? (unsigned)dice(m, j->attempt) : 0;
        model_slot(m, j, j->stop ? STOPPING : RUNNING);
        j->slot_since = j->since;
        j->sample_at = next_sample(m, j);
}

/* Or it waits there for its next attempt, which may have been due before. */
static inline void model_restored(Model *m, ModelJob *j) {
        if (j->policy == 0 || j->after > 0 || dice(m, 20) > 0)
                return;
        j->attempt = 2;
        j->failures = 1;
        j->again = TQ_WAIT_RETRY;
        j->again_at = m->now - SEC + dice(m, 3 * SEC);
}

/* Another event of the same instant follows sometimes, and nothing is decided before it. */
static inline void model_submit(Model *m) {
        ModelJob *j = m->jobs;
        TqAfter after;
        TqEvent e;

        while (j < m->jobs + MODEL_JOBS && j->phase != GONE)
                j++;
        if (j == m->jobs + MODEL_JOBS)
                return;
        *j = model_job(m);
        if (dice(m, 40) == 0 && !j->not_before && !j->after)
                model_adopted(m, j);
        else {
                model_restored(m, j);
                model_wait(m, j);
        }
        after = (TqAfter){ .job = j->after };
        e = (TqEvent){ .type = j->phase == WAITING ? TQ_EVENT_SUBMIT : TQ_EVENT_ADOPT,
                       .more = dice(m, 10) == 0,
                       .tenant = j->tenant + 1,
                       .job = j->id,
                       .attempt = j->attempt,
                       .j = { .queue = model_queues[j->queue],
                              .priority = j->priority,
                              .name = dice(m, 4),
                              .not_before = j->not_before,
                              .has_start_by = j->start_by != TQ_NEVER,
                              .start_by = j->start_by,
                              .runtime_usec = j->runtime,
                              .stop_usec = j->grace,
                              .memory_bytes = j->memory,
                              .spool_bytes = j->bytes,
                              .after = &after,
                              .n_after = j->after > 0,
                              .retry = j->policy > 0 ? &j->retry : NULL,
                              .failures = j->failures,
                              .again_at = j->again_at,
                              .running_since = j->since,
                              .stop = j->stop,
                              .is_held = j->is_held,
                              .is_promised = dice(m, 2),
                              .userdata = j } };
        if (e.type == TQ_EVENT_SUBMIT && !e.j.is_promised && j->memory > m->host.memory_bytes) {
                m->sequence -= j->sequence > 0;
                j->phase = GONE;
                model_step(m, e, -EDQUOT);
                unit_must(m->actions.refusal.kind == TQ_REFUSAL_TOO_BIG, "differs");
        } else
                model_step(m, e, 0);
        if (e.more)
                model_step(m, (TqEvent){ .type = TQ_EVENT_TICK }, 0);
}

static inline void model_cancel(Model *m) {
        ModelJob *j = any_job(m, false);
        Phase before;
        bool is_refused;
        uint64_t id;

        if (!j)
                return;
        id = j->id;
        before = j->phase;
        is_refused = j->is_aborted ||
                     (before == STOPPING && (j->stop == TQ_STOP_CANCELLED ||
                                             (j->policy == 0 && j->stop != TQ_STOP_REQUEUED)));
        model_step(m, (TqEvent){ .type = TQ_EVENT_CANCEL, .job = id }, is_refused ? -EALREADY : 0);
        if (is_refused)
                return;
        if (before == WAITING)
                unit_must(find(m, id) == NULL, "still there");
        else if (before == STARTING)
                unit_must(j->is_aborted, "not so");
        else
                unit_must(j->phase == STOPPING && j->stop == TQ_STOP_CANCELLED, "differs");
}

static inline void model_requeue(Model *m) {
        ModelJob *j = any_job(m, false);
        bool is_later, runs;
        int want;

        if (!j)
                return;
        is_later = j->phase == WAITING && j->again != TQ_WAIT_NONE && j->again_at > m->now;
        runs = j->phase == RUNNING || j->phase == STOPPING;
        want = j->stop == TQ_STOP_CANCELLED           ? -ECANCELED
               : is_later                             ? 0
               : !runs || j->stop == TQ_STOP_REQUEUED ? -EALREADY
               : j->start_by <= m->now                ? -ETIME
                                                      : 0;
        if (is_later) {
                j->again_at = m->now;
                model_wait(m, j);
        }
        model_step(m, (TqEvent){ .type = TQ_EVENT_REQUEUE, .job = j->id }, want);
        if (want == 0 && runs)
                unit_must(j->phase == STOPPING && j->stop == TQ_STOP_REQUEUED, "differs");
}

static inline void model_hold(Model *m) {
        ModelJob *j = any_job(m, false);
        bool hold = dice(m, 3) == 0;
        int want;

        if (!j)
                return;
        want = j->phase != WAITING ? -EBUSY : j->is_held == hold ? -EALREADY : 0;
        if (want == 0) {
                j->is_held = hold;
                model_wait(m, j);
        }
        model_step(m, (TqEvent){ .type = hold ? TQ_EVENT_HOLD : TQ_EVENT_RELEASE, .job = j->id },
                   want);
}

/* What a job waits for had ended before the job came. */
static inline void model_after(Model *m) {
        ModelJob *j = any_waiting(m);
        TqEvent e = { .type = TQ_EVENT_AFTER, .is_met = dice(m, 2) };
        bool is_known;
        uint64_t id;

        if (!j)
                return;
        id = e.job = j->id;
        e.attempt = j->attempt;
        e.after.job = dice(m, 4) ? j->after : m->next_id + 5;
        is_known = j->after > 0 && !j->is_met && e.after.job == j->after;
        if (is_known && e.is_met) {
                j->is_met = true;
                model_wait(m, j);
        } else if (is_known)
                j->has_failed = true;
        model_step(m, e, is_known ? 0 : -ENOENT);
        unit_must(!is_known || e.is_met || !find(m, id), "what it waited for has failed");
}

static inline void model_used(Model *m, const ModelJob *j) {
        TqUse use = { .cpu_usec = dice(m, 30 * SEC), .io_bytes = dice(m, 1000) };

        model_step(
                m,
                (TqEvent){
                        .type = TQ_EVENT_USED, .job = j->id, .attempt = j->attempt, .use = &use },
                0);
}

static inline void model_launch(Model *m, ModelJob *j) {
        TqEvent e = { .type = TQ_EVENT_SPAWNED, .job = j->id, .attempt = j->attempt };
        TqEnd end = { .kind = TQ_END_SPAWN_FAILED, .stage = TQ_STAGE_CLONE, .code = ENOMEM };
        bool is_aborted = j->is_aborted;

        if (dice(m, 6) > 0) {
                model_step(m, e, 0);
                unit_must(j->phase == (is_aborted ? STARTING : RUNNING), "differs");
                return;
        }
        e.type = TQ_EVENT_REFUSED;
        e.is_own = dice(m, 2);
        e.end = &end;
        if (!is_aborted && !(e.is_own && j->retries >= 4)) {
                j->again_at = m->now + TQ_MIN(SEC << TQ_MIN(j->retries, 6U), 60 * SEC);
                j->retries++;
                j->again = TQ_WAIT_LAUNCH_RETRY;
                model_wait(m, j);
        }
        model_step(m, e, 0);
        if (is_aborted)
                unit_must(find(m, e.job) == NULL, "still there");
}

static inline void model_end(Model *m, const ModelJob *j, TqEnd e) {
        bool repeats = e.kind == TQ_END_NEVER_STARTED && j->stop == TQ_STOP_NONE;
        bool fails = j->stop != TQ_STOP_REQUEUED;
        unsigned failures = j->failures;
        uint64_t id = j->id;

        e.counters = (TqCounters){ .cpu_usec = dice(m, 4) ? dice(m, 30 * SEC) : TQ_UNKNOWN,
                                   .memory_peak_bytes = dice(m, 4) ? dice(m, 10) : TQ_UNKNOWN,
                                   .io_read_bytes = dice(m, 4) ? dice(m, 5000) : TQ_UNKNOWN };
        model_step(m,
                   (TqEvent){ .type = TQ_EVENT_ENDED, .job = id, .attempt = j->attempt, .end = &e },
                   0);
        j = find(m, id);
        unit_must(repeats || !j || j->failures == failures + fails, "differs");
}

static inline void model_progress(Model *m) {
        ModelJob *j = any_job(m, true);
        TqEnd e = { .kind = TQ_END_EXITED, .code = (int)dice(m, 3) };

        if (!j)
                return;
        if (dice(m, 8) == 0) {
                model_used(m, j);
                return;
        }
        if (j->phase == STARTING && dice(m, 4) > 0) {
                model_launch(m, j);
                return;
        }
        if (j->phase == STARTING)
                e.kind = dice(m, 2) ? TQ_END_NEVER_STARTED : TQ_END_SPAWN_FAILED;
        else if (dice(m, 10) == 0)
                e.kind = TQ_END_NEVER_STARTED;
        else if (dice(m, 3) == 0)
                e = (TqEnd){ .kind = TQ_END_SIGNALED, .code = 9 };
        else if (dice(m, 10) == 0)
                e = (TqEnd){ .kind = TQ_END_UNKNOWN };
        model_end(m, j, e);
}

/* What nobody should listen to. */
static inline void model_noise(Model *m) {
        static const TqEventType types[] = { TQ_EVENT_SPAWNED, TQ_EVENT_REFUSED, TQ_EVENT_ENDED,
                                             TQ_EVENT_USED };
        TqEnd end = { .kind = TQ_END_EXITED };
        TqUse use = {};
        TqLimits l = {};
        ModelJob *j = any_job(m, false);
        TqEvent e = { .type = types[dice(m, TQ_ELEMENTSOF(types))],
                      .job = m->next_id + dice(m, 10),
                      .attempt = 1,
                      .end = &end,
                      .use = &use };

        if (j && dice(m, 2)) {
                e.job = j->id;
                e.attempt = j->attempt + 1 - 2 * (unsigned)dice(m, 2);
        } else if (dice(m, 4) == 0)
                e = (TqEvent){ .type = TQ_EVENT_TENANT,
                               .tenant = 1 + (uint32_t)dice(m, 10),
                               .t = { .name = "t", .limits = &l, .pool = "nowhere" } };
        model_step(m, e, -ENOENT);
}
