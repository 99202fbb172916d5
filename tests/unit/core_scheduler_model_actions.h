/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core_scheduler_model.h"

/* What the scheduler asks for: done to the model's jobs, if its rules allow that. */

/* Nothing holds what starts, and nobody who has a reservation is passed. */
static inline void model_start(Model *m, ModelJob *j) {
        Counts c = count(m);
        uint64_t reasons = reasons_of(m, &c, j), lacks;
        unsigned pool = m->tenants[j->tenant].pool;

        unit_must(is_queued(j), "differs");
        unit_must(reasons == 0, "job %ju starts in spite of %jx", (uintmax_t)j->id,
                  (uintmax_t)reasons);
        unit_must(head_of(m, &c, j->tenant, j->queue) == j, "not the first");
        unit_must(j->start_by > m->now, "after its deadline");
        lacks = shortfall(m, &c, j->tenant);
        for (unsigned t = 0; !m->was_kept && t < MODEL_TENANTS; t++)
                if (m->tenants[t].pool == pool)
                        unit_must(shortfall(m, &c, t) <= lacks, "tenant %u was reserved more", t);
        model_slot(m, j, STARTING);
        m->starts++;
}

static inline void model_term(Model *m, const TqAction *a, ModelJob *j) {
        unit_must(a->stop != TQ_STOP_NONE, "differs");
        /* Adopted after it had been asked to stop: asked again. Cancelled after that: there is no
         * other attempt. Requeued: there is one in any case. */
        if (j->phase == STOPPING && a->stop == j->stop)
                return;
        if (j->phase == STOPPING) {
                unit_must(a->stop == TQ_STOP_REQUEUED || j->policy > 0 ||
                                  j->stop == TQ_STOP_REQUEUED,
                          "asked twice");
                unit_must(a->stop == TQ_STOP_REQUEUED || a->stop == TQ_STOP_CANCELLED, "differs");
                unit_must(j->stop != TQ_STOP_CANCELLED, "differs");
                j->stop = a->stop;
                return;
        }
        unit_must(j->phase == RUNNING, "differs");
        if (a->stop != TQ_STOP_CANCELLED && a->stop != TQ_STOP_REQUEUED) {
                unit_must(j->since + bound_of(m, j) <= m->now, "differs");
                unit_must(a->stop == (m->tenants[j->tenant].runtime < j->runtime
                                              ? TQ_STOP_TIMEOUT_TENANT
                                              : TQ_STOP_TIMEOUT_JOB),
                          "differs");
        }
        j->phase = STOPPING;
        j->stop = a->stop;
        j->kill_at = m->now + j->grace;
}

static inline bool is_named(const ModelJob *j, const TqVerdict *v) {
        unsigned row = j->policy - 1;

        switch (v->outcome) {
        case TQ_OUTCOME_EXIT:
                return model_policies[row].exits[v->code];
        case TQ_OUTCOME_SIGNAL:
                return model_policies[row].is_killed;
        case TQ_OUTCOME_TIMEOUT:
                return model_policies[row].is_late;
        case TQ_OUTCOME_SPAWN:
                return model_policies[row].is_unlaunched;
        case TQ_OUTCOME_LOST:
                return model_policies[row].is_lost;
        default:
                return false;
        }
}

/* When the next attempt is due; 0: there is none. */
static inline uint64_t next_attempt(const Model *m, const ModelJob *j, const TqVerdict *v) {
        unsigned failures = j->failures + 1;
        uint64_t at;

        if (holds_slot(j) && j->stop == TQ_STOP_REQUEUED)
                return m->now + SEC / 10;
        if (!holds_slot(j) || j->policy == 0 || j->stop == TQ_STOP_CANCELLED ||
            failures >= j->retry.max_attempts || !is_named(j, v))
                return 0;
        at = m->now + TQ_MAX(tq_retry_delay(&j->retry, failures, j->id), SEC / 10);
        return at < j->start_by ? at : 0;
}

static inline void model_retry(Model *m, const TqAction *a, ModelJob *j) {
        uint64_t at = next_attempt(m, j, &a->verdict);

        unit_must(at > 0, "job %ju is tried again", (uintmax_t)j->id);
        unit_must(a->again_at == at, "differs");
        j->failures += j->stop != TQ_STOP_REQUEUED;
        unit_must(a->failures == j->failures, "differs");
        j->attempt++;
        j->again = TQ_WAIT_RETRY;
        j->again_at = at;
        j->retries = 0;
        j->stop = TQ_STOP_NONE;
        j->is_killed = false;
        model_wait(m, j);
        m->retries++;
        m->restarts += a->verdict.outcome == TQ_OUTCOME_REQUEUED;
}

static inline bool is_dead(const ModelJob *j, const TqVerdict *v) {
        bool is_failure = v->outcome == TQ_OUTCOME_SIGNAL || v->outcome == TQ_OUTCOME_TIMEOUT ||
                          v->outcome == TQ_OUTCOME_SPAWN ||
                          (v->outcome == TQ_OUTCOME_EXIT && v->code != 0);

        if (j->stop == TQ_STOP_CANCELLED)
                return false;
        return v->outcome == TQ_OUTCOME_LOST || (j->policy > 0 && is_failure);
}

static inline void model_finish(Model *m, const TqAction *a, ModelJob *j) {
        bool is_well = a->verdict.outcome == TQ_OUTCOME_EXIT && a->verdict.code == 0;

        unit_must(a->verdict.outcome != TQ_OUTCOME_NONE, "differs");
        unit_must(next_attempt(m, j, &a->verdict) == 0, "job %ju is not tried again",
                  (uintmax_t)j->id);
        unit_must(a->is_dead == is_dead(j, &a->verdict), "differs");
        m->dead += a->is_dead;
        if (a->verdict.outcome == TQ_OUTCOME_DEPENDENCY)
                unit_must(j->has_failed, "differs");
        else if (a->verdict.outcome != TQ_OUTCOME_DEADLINE)
                unit_must(!j->has_failed, "differs");
        if (a->verdict.outcome == TQ_OUTCOME_DEADLINE)
                unit_must(j->phase == WAITING && j->start_by <= m->now, "differs");
        j->phase = GONE;
        m->finishes++;
        m->deadlines += a->verdict.outcome == TQ_OUTCOME_DEADLINE;
        m->dependencies += a->verdict.outcome == TQ_OUTCOME_DEPENDENCY;
        /* Ids grow, but their places are used again: in the order of the ids. */
        for (uint64_t last = 0;;) {
                ModelJob *next = NULL;

                for (ModelJob *o = m->jobs; o < m->jobs + MODEL_JOBS; o++)
                        if (o->phase == WAITING && o->after == j->id && !o->is_met &&
                            o->id > last && (!next || o->id < next->id))
                                next = o;
                if (!next)
                        break;
                last = next->id;
                next->is_met = is_well;
                next->has_failed = !is_well;
                if (is_well)
                        model_wait(m, next);
        }
}

static inline void model_action(Model *m, const TqAction *a) {
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
                unit_must(j->phase == STARTING && !j->is_aborted, "differs");
                j->phase = RUNNING;
                j->again = TQ_WAIT_NONE;
                j->again_at = 0;
                j->retries = 0;
                j->since = m->now;
                j->sample_at = next_sample(m, j);
                break;
        case TQ_ACTION_ABORT:
                unit_must(j->phase == STARTING && !j->is_aborted, "differs");
                j->is_aborted = true;
                j->stop = TQ_STOP_CANCELLED;
                break;
        case TQ_ACTION_TERM:
                model_term(m, a, j);
                break;
        case TQ_ACTION_KILL:
                unit_must(j->phase == STOPPING && !j->is_killed, "differs");
                unit_must(j->kill_at <= m->now, "differs");
                j->is_killed = true;
                m->kills++;
                break;
        case TQ_ACTION_SAMPLE:
                unit_must(j->phase == RUNNING || j->phase == STOPPING, "differs");
                unit_must(j->sample_at <= m->now, "too early");
                j->sample_at = next_sample(m, j);
                m->samples++;
                break;
        case TQ_ACTION_REQUEUE:
                unit_must(j->stop == TQ_STOP_NONE && holds_slot(j), "differs");
                j->attempt += j->phase != STARTING;
                model_wait(m, j);
                m->requeues++;
                break;
        case TQ_ACTION_RETRY:
                model_retry(m, a, j);
                break;
        default:
                unit_must(a->type == TQ_ACTION_FINISH, "differs");
                model_finish(m, a, j);
        }
}
