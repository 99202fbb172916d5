/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "base/clock.h"
#include "base/format.h"
#include "conf/jobfile.h"
#include "engine/engine.h"

/* Bytes → an accepted job, or a refusal with its reason. Parsing happens here, in the process that
 * can do nothing else. The same way leads in from the spool and from the control socket. */

#define CACHED_SPECS_MAX                                                                           \
        4096 /* parsed jobs kept in memory; more are read from the ledger when started */

static int refuse(TqControlError *ret, TqControlError error) {
        *ret = error;
        return -EBADMSG;
}

static int check(Engine *e, const Submission *s, const TqJobSpec *spec, Answer *ret) {
        char whose[TQ_TENANT_NAME_MAX + 16], why[160];

        if (e->is_degraded) {
                (void)tq_error(&ret->err, -EROFS, "nothing is accepted: %s",
                               engine_unrecorded(e, why, sizeof(why)));
                return refuse(&ret->error, TQ_CONTROL_REFUSED);
        }
        (void)snprintf(whose, sizeof(whose), "tenant %s", s->tenant->name);
        if (tq_limits_check_within(&spec->limits, &s->tenant->effective, whose, &ret->err) < 0 ||
            tq_cgroup_check(&spec->limits, e->controllers, &ret->err) < 0) {
                TqKey key = tq_limits_find(ret->err.key);

                ret->err.line = key >= 0 ? spec->limit_lines[key] : 0;
                return refuse(&ret->error, TQ_CONTROL_INVALID);
        }
        return 0;
}

static char *copy_or_null(const char *s) {
        return s ? strdup(s) : NULL;
}

/* What the host must have left for the job to start: its own limit. A job that names none was
 * promised nothing: its tenant's slice bounds it. */
static uint64_t promised_memory(const TqJobSpec *spec) {
        uint64_t own = tq_limits_get(&spec->limits, TQ_KEY_MEMORY, TQ_LIMIT_MAX);

        return own == TQ_LIMIT_MAX ? 0 : own;
}

static int record(Engine *e, const Submission *s, const TqJobSpec *spec, uint64_t id) {
        TqLedgerOp *op = batch_op(e, TQ_LEDGER_ACCEPT);

        if (!op)
                return -ENOMEM;
        op->job = id;
        op->tenant = s->tenant->id;
        op->uid = s->uid;
        op->accept.claim = s->claim;
        op->accept.priority = spec->priority;
        op->accept.start_after_usec = spec->start_after_usec;
        (void)snprintf(op->accept.queue, sizeof(op->accept.queue), "%s", spec->queue);
        op->accept.name = strdup(spec->name);
        op->accept.correlation_id = copy_or_null(spec->correlation_id);
        op->accept.labels = copy_or_null(spec->labels);
        op->accept.spec = malloc(s->size + 1);
        if (!op->accept.name || !op->accept.spec) {
                engine_degrade(e, -ENOMEM);
                return -ENOMEM;
        }
        memcpy(op->accept.spec, s->data, s->size);
        op->accept.spec_size = s->size;
        op->accept.has_deadline = spec->has_deadline;
        op->accept.deadline_usec = spec->deadline_usec;
        op->accept.after = copy_or_null(spec->after);
        op->accept.runtime_usec = tq_limits_get(&spec->limits, TQ_KEY_RUNTIME, TQ_LIMIT_MAX);
        op->accept.stop_usec = spec->stop_timeout_usec;
        op->accept.memory_bytes = promised_memory(spec);
        return 0;
}

static int keep_spec(Engine *e, EngineJob *job, TqJobSpec *spec) {
        if (e->n_cached_specs >= CACHED_SPECS_MAX)
                return 0;
        job->spec = malloc(sizeof(*spec));
        if (!job->spec)
                return -ENOMEM;
        *job->spec = *spec;
        *spec = (TqJobSpec){};
        e->n_cached_specs++;
        return 0;
}

static int schedule(Engine *e, const Submission *s, TqJobSpec *spec, uint64_t id, Answer *ret) {
        EngineJob *job = dispatch_job_new(id);
        TqAfter after[TQ_JOB_AFTER_MAX];
        TqEvent event = {
                .type = TQ_EVENT_SUBMIT,
                .tenant = s->tenant->id,
                .job = id,
                .j = {
                        .priority = spec->priority,
                        .name = tq_scheduler_name(spec->name),
                        .runtime_usec = tq_limits_get(&spec->limits, TQ_KEY_RUNTIME, TQ_LIMIT_MAX),
                        .stop_usec = spec->stop_timeout_usec,
                        .memory_bytes = promised_memory(spec),
                        .spool_bytes = s->size,
                        .after = after,
                        .userdata = job,
                },
        };
        char queue[TQ_QUEUE_NAME_MAX + 1], text[512];
        const TqJob *live;
        int r;

        (void)snprintf(queue, sizeof(queue), "%s", spec->queue);
        event.j.queue = queue;
        if (job) {
                job->start_after_usec = spec->start_after_usec;
                job->has_deadline = spec->has_deadline;
                job->deadline_usec = spec->deadline_usec;
                daytime_fill(job, &event);
        }
        r = job ? after_keep(job, spec->after, after, &event.j.n_after) : -ENOMEM;
        if (r >= 0)
                r = keep_spec(e, job, spec);
        e->submitting = id;
        if (r >= 0)
                r = dispatch_step(e, &event);
        ret->refusal = e->actions.refusal;
        /* The step may have ended the job (its Deadline= is past): then `job` is gone too. */
        live = tq_scheduler_job(e->scheduler, id);
        if (live && ((EngineJob *)live->userdata)->after)
                after_ask(e, id, s->tenant->id, ((EngineJob *)live->userdata)->after);
        /* Out of memory after it was taken: it is started by the next event. */
        if (r >= 0 || live || e->submitting == 0)
                return 0;
        (void)dispatch_job_free(e, job);
        if (r == -EDQUOT)
                (void)tq_error(&ret->err, r, "%s",
                               tq_admit_format(&ret->refusal, s->tenant->name, text, sizeof(text)));
        else
                (void)tq_error_errno(&ret->err, r, "can't take the job");
        return refuse(&ret->error, TQ_CONTROL_LIMIT);
}

/* Told once a minute while it lasts: a warning is of use before the limit refuses. */
static void warn(Engine *e, EngineTenant *t, const TqRefusal *near) {
        uint64_t now = tq_clock_boottime_usec();
        char text[512];

        if (near->kind != TQ_REFUSAL_NEAR || now - t->warned_usec < 60 * TQ_USEC_PER_SEC)
                return;
        t->warned_usec = now;
        (void)tq_admit_format(near, t->name, text, sizeof(text));
        engine_say(SD_WARNING, "%s", text);
        batch_event_of(e, t, "limit-near", 0, BATCH_NOBODY, "%s", text);
}

/* Takes a parsed job: recorded before it is scheduled, since the START that may follow at once is
 * undone should the commit fail. */
static int take(Engine *e, const Submission *s, TqJobSpec *spec, Answer *ret) {
        uint64_t id = e->numbers.next_job;
        size_t n_ops = e->batch ? e->batch->n_ops : 0;
        Effect *effect;
        int r;

        r = record(e, s, spec, id);
        if (r < 0)
                return refuse(&ret->error, TQ_CONTROL_FAILED);
        r = schedule(e, s, spec, id, ret);
        if (r < 0) {
                /* Undo the record of this turn: nothing was added after it. */
                while (e->batch->n_ops > n_ops)
                        tq_ledger_op_done(&e->batch->ops[--e->batch->n_ops]);
                return r;
        }
        e->numbers.next_job++;
        ret->job = id;
        effect = batch_effect(e, s->call ? EFFECT_SUBMITTED : EFFECT_CLAIM);
        if (effect) {
                effect->job = s->call ? id : s->claim;
                effect->call = sd_bus_message_ref(s->call);
                effect->refusal = ret->refusal;
                effect->tenant = s->tenant->id;
        }
        warn(e, s->tenant, &ret->refusal);
        return 0;
}

int intake_submit(Engine *e, const Submission *s, Answer *ret) {
        TqJobSpec spec;
        int r;

        r = tq_jobfile_parse(s->data, s->size, &spec, NULL, NULL, &ret->err);
        if (r < 0)
                return refuse(&ret->error, TQ_CONTROL_INVALID);
        r = check(e, s, &spec, ret);
        if (r >= 0)
                r = take(e, s, &spec, ret);
        tq_jobspec_done(&spec);
        return r;
}

/* on_full=hold, and drain: the files stay where they are until there is room ------------------- */

#define RETRY_LEAST_USEC (100 * TQ_USEC_PER_MSEC)
#define RETRY_MOST_USEC  (60 * TQ_USEC_PER_SEC)

static void arm_full(Engine *e);

static void take_again(Engine *e, EngineTenant *t) {
        TqMessage m = { .attempt = { .tenant = t->handle } };

        t->is_full = false;
        t->took_usec = tq_clock_boottime_usec();
        e->n_full--;
        (void)tq_channel_send(e->channel, TQ_MESSAGE_TAKE, &m, NULL, 0, -EBADF);
}

static int on_full_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        uint64_t now = tq_clock_boottime_usec();
        Engine *e = userdata;
        size_t position = 0;
        EngineTenant *t;

        (void)source;
        (void)usec;
        while ((t = tq_map_next(&e->tenants, &position)))
                if (t->is_full && t->retry_at <= now)
                        take_again(e, t);
        arm_full(e);
        return 0;
}

/* To the first tenant that is to be looked at again. */
static void arm_full(Engine *e) {
        uint64_t next = TQ_NEVER;
        size_t position = 0;
        const EngineTenant *t;

        while (e->n_full > 0 && (t = tq_map_next(&e->tenants, &position)))
                if (t->is_full)
                        next = TQ_MIN(next, t->retry_at);
        if (!e->full_timer && next != TQ_NEVER)
                (void)sd_event_add_time(e->event, &e->full_timer, CLOCK_BOOTTIME, next, 10000,
                                        on_full_timer, e);
        else if (e->full_timer) {
                (void)sd_event_source_set_time(e->full_timer, next);
                (void)sd_event_source_set_enabled(
                        e->full_timer, next == TQ_NEVER ? SD_EVENT_OFF : SD_EVENT_ONESHOT);
        }
}

static void hold_claim(Engine *e, const TqClaimMessage *m, EngineTenant *t,
                       const TqRefusal *refusal) {
        uint64_t delay = TQ_MAX(refusal->retry_usec, RETRY_LEAST_USEC);
        uint64_t now = tq_clock_boottime_usec();
        TqMessage answer = {
                .claim_done = { .claim = m->claim,
                                .is_held = 1,
                                .is_queues = refusal->queue[0] != '\0' && !e->is_degraded },
        };
        char text[512];

        (void)tq_channel_send(e->channel, TQ_MESSAGE_CLAIM_DONE, &answer, NULL, 0, -EBADF);
        if (!e->is_degraded && (t->told_usec == 0 || now - t->told_usec > RETRY_MOST_USEC)) {
                batch_event_of(e, t, "files-held", 0, BATCH_NOBODY, "%s",
                               tq_admit_format(refusal, t->name, text, sizeof(text)));
                t->told_usec = now;
        }
        /* Files of one look that are held together count once. */
        if (!t->is_full) {
                t->hold_delay = TQ_MIN(TQ_MAX(delay, t->hold_delay * 2), RETRY_MOST_USEC);
                t->retry_at = TQ_NEVER;
                e->n_full++;
        }
        t->is_full = true;
        /* What is being drained says itself when it takes jobs again; a broken disk needs a
         * restart. */
        if (refusal->kind != TQ_REFUSAL_DRAINING && !e->is_degraded)
                t->retry_at = TQ_MIN(t->retry_at, tq_add_u64(now, t->hold_delay));
        arm_full(e);
}

/* Many ends at once are one reason to look again. */
void intake_has_room(Engine *e, EngineTenant *t) {
        uint64_t next;

        if (!t || !t->is_full)
                return;
        t->hold_delay = 0;
        next = tq_add_u64(t->took_usec, RETRY_LEAST_USEC);
        if (t->took_usec > 0 && tq_clock_boottime_usec() < next) {
                t->retry_at = TQ_MIN(t->retry_at, next);
                arm_full(e);
        } else
                take_again(e, t);
}

/* What is being drained will take them later; else on_full= decides. */
static bool is_held(const EngineTenant *t, const TqRefusal *refusal) {
        return refusal->kind == TQ_REFUSAL_DRAINING ||
               (t->holds_when_full &&
                (refusal->kind == TQ_REFUSAL_LIMIT || refusal->kind == TQ_REFUSAL_QUEUES ||
                 refusal->kind == TQ_REFUSAL_AFTER));
}

/* The spool ----------------------------------------------------------------------------------- */

static void reject_claim(Engine *e, const TqClaimMessage *m, const char *reason) {
        TqMessage answer = { .claim_done = { .claim = m->claim } };

        (void)tq_channel_send(e->channel, TQ_MESSAGE_CLAIM_DONE, &answer, reason, strlen(reason),
                              -EBADF);
        intake_refused(e, m, reason);
}

void intake_refused(Engine *e, const TqClaimMessage *m, const char *reason) {
        EngineTenant *t = tq_map_get(&e->handles, m->tenant);
        char name[512], text[1024];

        (void)tq_format_utf8(m->name, name, sizeof(name));
        (void)tq_format_utf8(reason, text, sizeof(text));
        batch_event_of(e, t, "refused", 0, m->uid, "%s: %s", name, text);
}

static void accepted_before(Engine *e, const TqClaimMessage *m) {
        TqMessage answer = { .claim_done = { .claim = m->claim, .is_accepted = 1 } };

        (void)tq_channel_send(e->channel, TQ_MESSAGE_CLAIM_DONE, &answer, NULL, 0, -EBADF);
}

void intake_claim(Engine *e, const TqClaimMessage *m, const char *data, size_t size) {
        Submission s = {
                .tenant = tq_map_get(&e->handles, m->tenant),
                .uid = m->uid,
                .claim = m->claim,
                .data = data,
                .size = size,
        };
        Answer a = {};
        char text[1024];

        /* What is switched off concerns also what an earlier engine did not answer. */
        if (m->is_recovered && !e->has_switches && switches_load(e) < 0)
                engine_say(SD_ERR, "what is paused or drained can't be read from the ledger");
        if (!s.tenant) {
                reject_claim(e, m, "the tenant is not known");
                return;
        }
        /* Handed over once already, and the answer was lost with the process that waited for it.
         * Only asked while stock is taken, when the worker does not run yet. */
        if (m->is_recovered && tq_ledger_has_claim(e->ledger, m->claim) > 0) {
                accepted_before(e, m);
                return;
        }
        if (intake_submit(e, &s, &a) < 0) {
                if (e->is_degraded || is_held(s.tenant, &a.refusal)) {
                        hold_claim(e, m, s.tenant, &a.refusal);
                        return;
                }
                reject_claim(e, m, tq_error_format(&a.err, text, sizeof(text)));
        }
}
