/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <string.h>

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

static int check(Engine *e, const Submission *s, const TqJobSpec *spec, TqControlError *ret_error,
                 TqError *err) {
        char whose[TQ_TENANT_NAME_MAX + 16];

        if (e->is_degraded) {
                (void)tq_error(err, -EROFS,
                               "the ledger can't be written; tenantq accepts nothing until it is "
                               "restarted on a disk that works");
                return refuse(ret_error, TQ_CONTROL_REFUSED);
        }
        (void)snprintf(whose, sizeof(whose), "tenant %s", s->tenant->name);
        if (tq_limits_check_within(&spec->limits, &s->tenant->effective, whose, err) < 0 ||
            tq_cgroup_check(&spec->limits, e->controllers, err) < 0) {
                TqKey key = tq_limits_find(err->key);

                err->line = key >= 0 ? spec->limit_lines[key] : 0;
                return refuse(ret_error, TQ_CONTROL_INVALID);
        }
        return 0;
}

static char *copy_or_null(const char *s) {
        return s ? strdup(s) : NULL;
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
        return 0;
}

/* StartAfter= is a time of day; the scheduler counts from boot, so that a clock that jumps starts
 * nothing early. */
static uint64_t to_boottime(uint64_t realtime) {
        uint64_t now = tq_clock_realtime_usec();

        return realtime <= now ? 0 : tq_add_u64(tq_clock_boottime_usec(), realtime - now);
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

static int schedule(Engine *e, const Submission *s, TqJobSpec *spec, uint64_t id,
                    TqControlError *ret_error, TqError *err) {
        EngineJob *job = dispatch_job_new(id);
        TqEvent event = {
                .type = TQ_EVENT_SUBMIT,
                .tenant = s->tenant->id,
                .job = id,
                .j = {
                        .priority = spec->priority,
                        .not_before = to_boottime(spec->start_after_usec),
                        .runtime_usec = tq_limits_get(&spec->limits, TQ_KEY_RUNTIME, TQ_LIMIT_MAX),
                        .stop_usec = spec->stop_timeout_usec,
                        .userdata = job,
                },
        };
        char queue[TQ_QUEUE_NAME_MAX + 1];
        int r;

        (void)snprintf(queue, sizeof(queue), "%s", spec->queue);
        event.j.queue = queue;
        r = job ? keep_spec(e, job, spec) : -ENOMEM;
        if (r >= 0)
                r = dispatch_step(e, &event);
        /* Out of memory after it was taken: it is started by the next event. */
        if (r >= 0 || tq_scheduler_job(e->scheduler, id))
                return 0;
        (void)dispatch_job_free(e, job);
        if (r == -EDQUOT)
                (void)tq_error_at(
                        err, r, 0, "Queue",
                        "the tenant already has jobs in %d queues; use one of them, or try "
                        "again when one is empty",
                        TQ_QUEUES_MAX);
        else
                (void)tq_error_errno(err, r, "can't take the job");
        return refuse(ret_error, TQ_CONTROL_REFUSED);
}

int intake_submit(Engine *e, const Submission *s, TqControlError *ret_error, TqError *err) {
        TqJobSpec spec;
        uint64_t id;
        int r;

        r = tq_jobfile_parse(s->data, s->size, &spec, NULL, NULL, err);
        if (r < 0)
                return refuse(ret_error, TQ_CONTROL_INVALID);
        r = check(e, s, &spec, ret_error, err);
        if (r >= 0) {
                Effect *effect;

                id = e->numbers.next_job;
                /* Recorded before it is scheduled: the START that may follow at once is undone
                 * should the commit fail. */
                r = record(e, s, &spec, id);
                if (r < 0) {
                        *ret_error = TQ_CONTROL_FAILED;
                } else {
                        e->numbers.next_job++;
                        r = schedule(e, s, &spec, id, ret_error, err);
                        if (r < 0)
                                /* Undo the record of this turn: it is the newest change. */
                                tq_ledger_op_done(&e->batch->ops[--e->batch->n_ops]);
                }
                effect = r >= 0 ? batch_effect(e, s->call ? EFFECT_SUBMITTED : EFFECT_CLAIM) : NULL;
                if (effect) {
                        effect->job = s->call ? id : s->claim;
                        effect->call = sd_bus_message_ref(s->call);
                }
        }
        tq_jobspec_done(&spec);
        return r < 0 ? r : 0;
}

/* The spool ----------------------------------------------------------------------------------- */

static void reject_claim(Engine *e, const TqClaimMessage *m, const EngineTenant *t,
                         const char *reason) {
        TqMessage answer = { .claim_done = { .claim = m->claim } };

        (void)tq_channel_send(e->channel, TQ_MESSAGE_CLAIM_DONE, &answer, reason, strlen(reason),
                              -EBADF);
        intake_refused(e, m, reason);
        (void)t;
}

void intake_refused(Engine *e, const TqClaimMessage *m, const char *reason) {
        const EngineTenant *t = tq_map_get(&e->handles, m->tenant);
        char name[512], text[1024];

        (void)tq_format_escape(m->name, name, sizeof(name));
        (void)tq_format_escape(reason, text, sizeof(text));
        batch_event(e, "refused", t ? t->id : 0, 0, m->uid, "%s: %s", name, text);
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
        TqControlError error;
        TqError err = {};
        char text[1024], shown[1200];

        if (!s.tenant) {
                reject_claim(e, m, NULL, "the tenant is not known");
                return;
        }
        /* Handed over once already, and the answer was lost with the process that waited for it.
         * Only asked while stock is taken, when the worker does not run yet. */
        if (m->is_recovered && tq_ledger_has_claim(e->ledger, m->claim) > 0) {
                accepted_before(e, m);
                return;
        }
        if (intake_submit(e, &s, &error, &err) < 0) {
                (void)tq_error_format(&err, text, sizeof(text));
                (void)tq_format_escape(text, shown, sizeof(shown));
                reject_claim(e, m, s.tenant, shown);
        }
}
