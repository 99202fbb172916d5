/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/intake/take.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/format.h"
#include "base/log.h"
#include "core/trail.h"
#include "kernel/cgroup.h"

/* Whether a job that was parsed is permitted, and its being recorded and scheduled. */

#define WARN_USEC (60 * TQ_USEC_PER_SEC)

struct Takes {
        Commit *commit;
        Events *events;
        Tenants *tenants;
        Settings *settings;
        Dispatch *dispatch;
        TqMap warned; /* Tenant.id → uint64_t: when the journal was last told that a limit is near
                       */
};

int take_refuse(Answer *ret, TqControlError error) {
        ret->error = error;
        return -EBADMSG;
}

int take_fail(Answer *ret, int error) {
        ret->failure = error;
        return take_refuse(ret, TQ_CONTROL_FAILED);
}

/* Says what the tenant's jobs may ask for. */
static void refuse_profile(const Layers *layers, const char *tenant, unsigned line, TqError *err) {
        char stricter[128] = "";
        size_t used = 0;

        for (int i = 0; i < _TQ_RANK_MAX; i++) {
                const char *name = tq_profile_rank_to_string((TqProfileRank)i);

                if (strcmp(name, layers->profile) != 0 &&
                    tq_profile_permits(layers->profile, layers->rank, name) &&
                    used < sizeof(stricter))
                        used += (size_t)snprintf(stricter + used, sizeof(stricter) - used, "%s%s",
                                                 used > 0 ? ", " : "", name);
        }
        (void)tq_error_at(err, -EBADMSG, line, "Profile", "expected %s, which is tenant %s's%s%s",
                          layers->profile, tenant,
                          used > 0 ? ", or a stricter one: " : "; nothing stricter is left",
                          stricter);
}

int take_check(Takes *ts, const Submission *s, const TqJobSpec *spec, Answer *ret) {
        const TqHello *host = settings_host(ts->settings);
        char whose[TQ_TENANT_NAME_MAX + 16], why[160];
        const Layers *layers = settings_layers(ts->settings, s->tenant->id);
        TqKey key;

        if (s->is_copy && spec->has_deadline && spec->deadline_usec <= tq_clock_realtime_usec()) {
                (void)tq_error(&ret->err, -ETIME,
                               "its Deadline= has passed: hand in a job with another one");
                return take_refuse(ret, TQ_CONTROL_REFUSED);
        }
        if (!spec->has_input && s->taken) {
                (void)tq_error(
                        &ret->err, -EBADMSG,
                        "expected StandardInput=client in [Job]: the job would not read what "
                        "is given");
                return take_refuse(ret, TQ_CONTROL_INVALID);
        }
        if (spec->has_input && !s->taken) {
                (void)tq_error_at(&ret->err, -EBADMSG, spec->input_line, "StandardInput",
                                  "expected null, since nobody gives this job its input: that is "
                                  "for tenantqctl run -w -i");
                return take_refuse(ret, TQ_CONTROL_INVALID);
        }
        if (commit_fault(ts->commit)) {
                (void)tq_error(&ret->err, -EROFS, "nothing is accepted: %s",
                               commit_explain(ts->commit, why, sizeof(why)));
                return take_refuse(ret, TQ_CONTROL_REFUSED);
        }
        if (!layers) {
                (void)tq_error(&ret->err, -EAGAIN, "the tenant's limits are not known yet");
                return take_refuse(ret, TQ_CONTROL_REFUSED);
        }
        /* Its directory came back, and its file can't be read: it has none till then. */
        if (spec->profile[0] && layers->profile[0] == '\0') {
                (void)tq_error(
                        &ret->err, -EAGAIN,
                        "the tenant's profile is not known yet (tenantqctl tenants says why)");
                return take_refuse(ret, TQ_CONTROL_REFUSED);
        }
        if (spec->profile[0] && !tq_profile_permits(layers->profile, layers->rank, spec->profile)) {
                refuse_profile(layers, s->tenant->name, spec->profile_line, &ret->err);
                return take_refuse(ret, TQ_CONTROL_INVALID);
        }
        (void)snprintf(whose, sizeof(whose), "tenant %s", s->tenant->name);
        if (tq_limits_check_within(&spec->limits, &layers->effective, whose, &ret->err) >= 0 &&
            tq_cgroup_check(&spec->limits, host->controllers, &ret->err) >= 0)
                return 0;
        key = tq_limits_find(ret->err.key);
        ret->err.line = key >= 0 ? spec->limit_lines[key] : 0;
        return take_refuse(ret, TQ_CONTROL_INVALID);
}

/* What the host must have left for the job to start: its own limit. A job that names none was
 * promised nothing: its tenant's slice bounds it. */
static uint64_t promised_memory(const TqJobSpec *spec) {
        uint64_t own = tq_limits_get(&spec->limits, TQ_KEY_MEMORY, TQ_LIMIT_MAX);

        return own == TQ_LIMIT_MAX ? 0 : own;
}

static int copy_ties(Commit *c, const TqJobSpec *spec, char **ret) {
        size_t size = 1;
        char *end;

        if (spec->n_ties == 0)
                return 0;
        for (size_t i = 0; i < spec->n_ties; i++)
                size += strlen(spec->ties[i]) + 1;
        *ret = end = malloc(size);
        if (!end) {
                commit_degrade(c, -ENOMEM);
                return -ENOMEM;
        }
        for (size_t i = 0; i < spec->n_ties; i++)
                end = stpcpy(end, spec->ties[i]) + 1;
        *end = '\0';
        return 0;
}

/* A job that was recorded without its After= would start at once after a restart. */
static int copy_texts(Commit *c, const TqJobSpec *spec, bool is_copy, TqLedgerOp *op) {
        int r = commit_copy(c, spec->name, &op->accept.name);

        if (r >= 0)
                r = commit_copy(c, spec->correlation_id, &op->accept.correlation_id);
        if (r >= 0)
                r = commit_copy(c, spec->labels, &op->accept.labels);
        if (r >= 0)
                r = commit_copy(c, spec->trace_parent, &op->accept.trace_parent);
        if (r >= 0)
                r = copy_ties(c, spec, &op->accept.ties);
        if (r >= 0)
                r = commit_copy(c, spec->after, &op->accept.after);
        if (r >= 0 && !is_copy)
                r = commit_copy(c, spec->key, &op->accept.key);
        return r;
}

static int copy_retry(Commit *c, const TqJobSpec *spec, char **ret) {
        TQ_BUFFER_CLEANUP TqBuffer text = {};

        if (!spec->has_retry)
                return 0;
        tq_retry_format(&spec->retry, &text);
        if (!tq_buffer_string(&text)) {
                commit_degrade(c, -ENOMEM);
                return -ENOMEM;
        }
        return commit_copy(c, tq_buffer_string(&text), ret);
}

static int record(Takes *ts, const Submission *s, const TqJobSpec *spec, uint64_t id) {
        TqLedgerOp *op = commit_op(ts->commit, s->again > 0 ? TQ_LEDGER_REVIVE : TQ_LEDGER_ACCEPT);

        if (!op)
                return -ENOMEM;
        op->job = id;
        if (s->again > 0)
                return 0; /* the rest of it is there */
        op->tenant = s->tenant->id;
        op->uid = s->uid;
        op->accept.claim = s->claim;
        op->accept.priority = spec->priority;
        op->accept.start_after_usec = spec->start_after_usec;
        (void)snprintf(op->accept.queue, sizeof(op->accept.queue), "%s", spec->queue);
        if (copy_texts(ts->commit, spec, s->is_copy, op) < 0)
                return -ENOMEM;
        op->accept.spec = malloc(s->size + 1);
        if (!op->accept.spec) {
                commit_degrade(ts->commit, -ENOMEM);
                return -ENOMEM;
        }
        memcpy(op->accept.spec, s->data, s->size);
        op->accept.spec_size = s->size;
        op->accept.has_deadline = spec->has_deadline;
        op->accept.deadline_usec = spec->deadline_usec;
        op->accept.runtime_usec = tq_limits_get(&spec->limits, TQ_KEY_RUNTIME, TQ_LIMIT_MAX);
        op->accept.stop_usec = spec->stop_timeout_usec;
        op->accept.memory_bytes = promised_memory(spec);
        op->accept.keep_usec = spec->keep_usec;
        return copy_retry(ts->commit, spec, &op->accept.retry);
}

static int refuse_limit(const Submission *s, int error, Answer *ret) {
        char text[512];

        /* A file waits at the door. */
        if (s->claim == 0 && ret->refusal.kind == TQ_REFUSAL_DRAINING &&
            s->tenant->ending != TQ_ENDING_NONE) {
                ret->refusal = (TqRefusal){};
                (void)tq_error(
                        &ret->err, error,
                        "tenant %s is being removed or changed, and takes nothing (tenantqctl "
                        "tenants says what it waits for)",
                        s->tenant->name);
                return take_refuse(ret, TQ_CONTROL_REFUSED);
        }
        (void)tq_error(&ret->err, error, "%s",
                       tq_admit_format(&ret->refusal, s->tenant->name, text, sizeof(text)));
        return take_refuse(ret, TQ_CONTROL_LIMIT);
}

static JobTimes times_of(const TqJobSpec *spec) {
        return (JobTimes){ .start_after_usec = spec->start_after_usec,
                           .has_deadline = spec->has_deadline,
                           .deadline_usec = spec->deadline_usec };
}

static int schedule(Takes *ts, const Submission *s, TqJobSpec *spec, uint64_t id, Answer *ret) {
        Job *job = job_new(id);
        TqRetry retry = spec->retry; /* the spec may become the job's */
        TqAfter after[TQ_JOB_AFTER_MAX];
        TqEvent event = {
                .type = TQ_EVENT_SUBMIT,
                .tenant = s->tenant->id,
                .job = id,
                .attempt = s->attempt,
                .j = {
                        .priority = spec->priority,
                        .name = tq_scheduler_name(spec->name),
                        .runtime_usec = tq_limits_get(&spec->limits, TQ_KEY_RUNTIME, TQ_LIMIT_MAX),
                        .stop_usec = spec->stop_timeout_usec,
                        .memory_bytes = promised_memory(spec),
                        .spool_bytes = s->size,
                        .after = after,
                        .retry = spec->has_retry ? &retry : NULL,
                        .userdata = job,
                },
        };
        JobTimes times = times_of(spec);
        char queue[TQ_QUEUE_NAME_MAX + 1], *trail = NULL;
        const TqJob *live;
        int r;

        (void)snprintf(queue, sizeof(queue), "%s", spec->queue);
        event.j.queue = queue;
        if (job) {
                job->claim = s->claim;
                job->caller = s->claim > 0 ? TQ_CRUMB_NOBODY : s->uid;
        }
        dispatch_fill_times(&times, &event);
        r = job ? job_set_times(job, &times) : -ENOMEM;
        /* What has run has waited already. */
        if (r >= 0)
                r = afters_keep(job, s->again > 0 ? NULL : spec->after, after, &event.j.n_after);
        if (r >= 0)
                r = tq_trail_new(spec->correlation_id, spec->labels, spec->trace_parent, &trail);
        if (r >= 0)
                r = job_take_trail(job, trail);
        if (r >= 0 && s->taken)
                r = s->taken(s->taken_data, id);
        if (r >= 0)
                r = dispatch_keep_spec(ts->dispatch, job, s->tenant->id, spec);
        if (r >= 0) {
                r = dispatch_step(ts->dispatch, &event);
                ret->refusal = *dispatch_refusal(ts->dispatch);
        }
        /* The step may have ended the job (its Deadline= is past): then `job` is gone too. */
        live = tq_scheduler_job(dispatch_scheduler(ts->dispatch), id);
        if (live && job_cold(job_of(live))->after)
                afters_ask(dispatch_afters(ts->dispatch), id, s->tenant->id,
                           job_cold(job_of(live))->after);
        /* Out of memory after it was taken: it is started by the next event, or has ended, which a
         * fault of the ledger may have kept from being noted. */
        if (r >= 0 || live || dispatch_is_ending(ts->dispatch, id) || commit_fault(ts->commit))
                return 0;
        (void)job_free(job);
        if (r == -EDQUOT)
                return refuse_limit(s, r, ret);
        (void)tq_error_errno(&ret->err, r, "can't take the job");
        return r == -ENOMEM ? take_fail(ret, r) : take_refuse(ret, TQ_CONTROL_LIMIT);
}

/* Told once a minute while it lasts: a warning is of use before the limit refuses. */
static void warn(Takes *ts, const Tenant *t, const TqRefusal *near) {
        uint64_t now = tq_clock_boottime_usec(), *told;
        char text[512];

        if (near->kind != TQ_REFUSAL_NEAR)
                return;
        told = tq_map_get(&ts->warned, t->id);
        if (told && now - *told < WARN_USEC)
                return;
        if (!told) {
                told = malloc(sizeof(*told));
                if (!told || tq_map_put(&ts->warned, t->id, told) < 0) {
                        free(told);
                        return;
                }
        }
        *told = now;
        (void)tq_admit_format(near, t->name, text, sizeof(text));
        tq_log_about(LOG_WARNING, (TqLogAbout){ .tenant = t->name }, "%s", text);
        events_add_within(ts->events, tenants_budget(ts->tenants, t->id), TQ_KIND_LIMIT_NEAR, 0,
                          EVENTS_NOBODY, "%s", text);
}

static int try_job(const Takes *ts, const Submission *s, const TqJobSpec *spec, Answer *ret) {
        TqEvent event = { .type = TQ_EVENT_SUBMIT,
                          .tenant = s->tenant->id,
                          .j = { .queue = spec->queue,
                                 .priority = spec->priority,
                                 .runtime_usec =
                                         tq_limits_get(&spec->limits, TQ_KEY_RUNTIME, TQ_LIMIT_MAX),
                                 .spool_bytes = s->size,
                                 .memory_bytes = promised_memory(spec) } };
        JobTimes times = times_of(spec);
        TqAfter after[TQ_JOB_AFTER_MAX];

        dispatch_fill_times(&times, &event);
        if (spec->after && s->again == 0)
                (void)afters_parse(spec->after, after, &event.j.n_after);
        if (tq_scheduler_would_admit(dispatch_scheduler(ts->dispatch), &event,
                                     tq_clock_boottime_usec(), &ret->refusal) < 0)
                return refuse_limit(s, -EDQUOT, ret);
        ret->is_permitted = true;
        ret->would = event;
        return -EBADMSG;
}

/* Takes a parsed job: recorded before it is scheduled, since the START that may follow at once is
 * undone should the commit fail. */
int take_job(Takes *ts, const Submission *s, TqJobSpec *spec, Answer *ret) {
        TqLedgerNumbers *numbers = commit_numbers(ts->commit);
        size_t mark = commit_mark(ts->commit);
        uint64_t id = s->again > 0 ? s->again : numbers->next_job;
        int r;

        if (s->is_trial)
                return try_job(ts, s, spec, ret);
        if (record(ts, s, spec, id) < 0)
                return take_fail(ret, -ENOMEM);
        r = schedule(ts, s, spec, id, ret);
        if (r < 0) {
                commit_rewind(ts->commit, mark);
                return r;
        }
        numbers->next_job += s->again == 0;
        ret->job = id;
        warn(ts, s->tenant, &ret->refusal);
        return 0;
}

void take_describe(const Submission *s, const TqJobSpec *spec, DoorClaim *ret) {
        TqAfter after[TQ_JOB_AFTER_MAX];
        TqEvent times = {};

        *ret = (DoorClaim){ .claim = s->claim,
                            .spool_bytes = s->size,
                            .memory_bytes = promised_memory(spec) };
        (void)snprintf(ret->queue, sizeof(ret->queue), "%s", spec->queue);
        dispatch_fill_times(&(JobTimes){ .start_after_usec = spec->start_after_usec }, &times);
        ret->not_before = times.j.not_before;
        if (spec->after)
                (void)afters_parse(spec->after, after, &ret->n_after);
}

/* Life ----------------------------------------------------------------------------------------- */

int takes_new(Commit *commit, Events *events, Tenants *tenants, Settings *settings,
              Dispatch *dispatch, Takes **ret) {
        Takes *ts = calloc(1, sizeof(*ts));

        if (!ts)
                return -ENOMEM;
        *ts = (Takes){ .commit = commit,
                       .events = events,
                       .tenants = tenants,
                       .settings = settings,
                       .dispatch = dispatch };
        *ret = ts;
        return 0;
}

Takes *takes_free(Takes *ts) {
        size_t position = 0;
        uint64_t *told;

        if (!ts)
                return NULL;
        while ((told = tq_map_next(&ts->warned, &position)))
                free(told);
        tq_map_done(&ts->warned);
        free(ts);
        return NULL;
}
