/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "base/clock.h"
#include "conf/jobfile.h"
#include "engine/engine.h"
#include "engine/walk.h"

/* Feeds the scheduler and carries out what it decides. An action that only prepares (START, ABORT)
 * is sent at once: a launch waits at its barrier and can be undone. Everything else is written to
 * the batch, and its effect follows the commit. */

EngineJob *dispatch_job_new(uint64_t id) {
        EngineJob *job = calloc(1, sizeof(*job));

        if (job)
                job->id = id;
        return job;
}

static void drop_spec(Engine *e, EngineJob *job) {
        if (!job->spec)
                return;
        tq_jobspec_done(job->spec);
        free(job->spec);
        job->spec = NULL;
        e->n_cached_specs--;
}

EngineJob *dispatch_job_free(Engine *e, EngineJob *job) {
        if (!job)
                return NULL;
        drop_spec(e, job);
        free(job->after);
        free(job);
        return NULL;
}

void dispatch_send(Engine *e, TqMessageType type, uint32_t handle, uint64_t job, unsigned attempt) {
        TqMessage m = { .attempt = { .job = job, .attempt = attempt, .tenant = handle } };

        (void)tq_channel_send(e->channel, type, &m, NULL, 0, -EBADF);
}

/* Starting ------------------------------------------------------------------------------------ */

static void never_started(Engine *e, uint64_t job, unsigned attempt, TqEndKind kind, TqStage stage,
                          int error) {
        TqEnd end = { .kind = kind, .stage = stage, .code = error };

        memset(&end.counters, 0xFF, sizeof(end.counters));
        (void)dispatch_step(
                e,
                &(TqEvent){ .type = TQ_EVENT_ENDED, .job = job, .attempt = attempt, .end = &end });
}

static int send_start(Engine *e, EngineJob *job, const EngineTenant *t, unsigned attempt) {
        TQ_BUFFER_CLEANUP TqBuffer body = {};
        TqMessage m = {
                .start = { .job = job->id,
                           .attempt = attempt,
                           .tenant = t->handle,
                           .owner = t->owner,
                           .limits = job->spec->limits },
        };
        int r;

        r = tq_jobspec_encode(job->spec,
                              &(TqJobIdentity){
                                      .id = job->id,
                                      .attempt = attempt,
                                      .tenant = t->name,
                                      .user = t->user[0] ? t->user : NULL,
                                      .home = t->home[0] ? t->home : NULL,
                              },
                              &body);
        if (r < 0)
                return r;
        job->is_sent = true;
        return tq_channel_send(e->channel, TQ_MESSAGE_START, &m, body.data, body.size, -EBADF);
}

/* Reading a job back from the ledger, when its parsed form is not in memory. */
typedef struct SpecTask {
        TqTask task;
        Engine *engine;
        uint64_t job;
        unsigned attempt;
        char *data;
        size_t size;
        int result;
} SpecTask;

static void on_spec_run(TqTask *task) {
        SpecTask *st = TQ_CONTAINER_OF(task, SpecTask, task);

        st->result = tq_ledger_spec(st->engine->ledger, st->job, &st->data, &st->size);
}

static void on_spec_done(TqTask *task, void *userdata) {
        SpecTask *st = TQ_CONTAINER_OF(task, SpecTask, task);
        Engine *e = userdata;
        const TqJob *j = tq_scheduler_job(e->scheduler, st->job);
        EngineJob *job = j ? j->userdata : NULL;
        TqJobSpec spec = {};
        TqError err = {};
        int r = st->result;

        /* It may have been cancelled meanwhile; and when we are leaving, the next engine starts it.
         */
        if (!e->is_leaving && job && j->state == TQ_JOB_STARTING && j->attempt == st->attempt &&
            !j->abort && !job->is_sent) {
                if (r >= 0)
                        r = tq_jobfile_parse(st->data, st->size, &spec, NULL, NULL, &err);
                if (r >= 0 && !job->spec) {
                        job->spec = malloc(sizeof(spec));
                        if (job->spec) {
                                *job->spec = spec;
                                e->n_cached_specs++;
                        } else {
                                tq_jobspec_done(&spec);
                                r = -ENOMEM;
                        }
                }
                if (r >= 0)
                        r = send_start(e, job, tq_map_get(&e->tenants, j->tenant->id), st->attempt);
                if (r < 0)
                        never_started(e, st->job, st->attempt, TQ_END_SPAWN_FAILED, TQ_STAGE_PLAN,
                                      -r);
        }
        free(st->data);
        free(st);
}

static void on_spec_wanted(Engine *e, void *data, int result) {
        SpecTask *st = data;

        if (result < 0 || e->is_leaving)
                free(st);
        else
                tq_worker_submit(e->worker, &st->task, false);
}

static void on_start(Engine *e, const TqAction *a) {
        EngineJob *job = a->userdata;
        Effect *effect;
        SpecTask *st;
        int r;

        job->is_sent = false;
        if (job->spec) {
                r = send_start(e, job, tq_map_get(&e->tenants, a->tenant), a->attempt);
                /* -EPIPE: the supervisor is gone, and so are we in a moment. */
                if (r < 0 && r != -EPIPE)
                        engine_degrade(e, r);
                return;
        }
        st = calloc(1, sizeof(*st));
        effect = st ? batch_effect(e, EFFECT_CALLBACK) : NULL;
        if (!effect) {
                free(st);
                engine_degrade(e, -ENOMEM);
                return;
        }
        *st = (SpecTask){ .task = { .run = on_spec_run, .done = on_spec_done },
                          .engine = e,
                          .job = a->job,
                          .attempt = a->attempt };
        tq_list_init(&st->task.link);
        /* After the commit of this turn, which may be the one that accepts the job. */
        effect->callback = on_spec_wanted;
        effect->data = st;
}

/* Actions ------------------------------------------------------------------------------------- */

static uint32_t handle_of(Engine *e, uint32_t tenant) {
        const EngineTenant *t = tq_map_get(&e->tenants, tenant);

        return t ? t->handle : 0;
}

static void effect_attempt(Engine *e, TqMessageType message, const TqAction *a) {
        Effect *effect = batch_effect(e, EFFECT_ATTEMPT);

        if (!effect)
                return;
        effect->message = message;
        effect->job = a->job;
        effect->attempt = a->attempt;
        effect->handle = handle_of(e, a->tenant);
}

static TqLedgerOp *op_for(Engine *e, TqLedgerOpType type, const TqAction *a) {
        TqLedgerOp *op = batch_op(e, type);

        if (op) {
                op->job = a->job;
                op->attempt = a->attempt;
                op->tenant = a->tenant;
                op->stop = a->stop;
        }
        return op;
}

static void on_finish(Engine *e, const TqAction *a) {
        TqLedgerOp *op = op_for(e, TQ_LEDGER_DONE, a);
        Effect *effect;

        if (op)
                op->verdict = a->verdict;
        effect_attempt(e, TQ_MESSAGE_ACK, a);
        intake_has_room(e, tq_map_get(&e->tenants, a->tenant));
        tenants_job_ended(e, tq_map_get(&e->tenants, a->tenant));
        effect = batch_effect(e, EFFECT_ENDED);
        if (effect) {
                effect->job = a->job;
                (void)tq_map_put(&e->ending, a->job, e);
        }
        if (e->submitting == a->job)
                e->submitting = 0;
        /* The one whose launch failed: others that fail say so again. */
        if (((EngineJob *)a->userdata)->failed_stage != TQ_STAGE_NONE)
                tenants_note_launch(e, tq_map_get(&e->tenants, a->tenant), NULL);
        (void)dispatch_job_free(e, a->userdata);
}

static void on_abort(Engine *e, const TqAction *a) {
        const EngineJob *job = a->userdata;

        if (job->is_sent)
                dispatch_send(e, TQ_MESSAGE_ABORT, handle_of(e, a->tenant), a->job, a->attempt);
        else
                never_started(e, a->job, a->attempt, TQ_END_NEVER_STARTED, TQ_STAGE_NONE, 0);
}

static void carry_out(Engine *e, const TqAction *a) {
        switch (a->type) {
        case TQ_ACTION_START:
                on_start(e, a);
                intake_has_room(e, tq_map_get(&e->tenants, a->tenant));
                break;
        case TQ_ACTION_SAMPLE:
                dispatch_send(e, TQ_MESSAGE_SAMPLE, handle_of(e, a->tenant), a->job, a->attempt);
                break;
        case TQ_ACTION_RUN:
                (void)op_for(e, TQ_LEDGER_RUNNING, a);
                effect_attempt(e, TQ_MESSAGE_RELEASE, a);
                /* A job that runs is started again only when it provably never ran: rare enough to
                 * be read from the ledger then. */
                drop_spec(e, a->userdata);
                break;
        case TQ_ACTION_ABORT:
                on_abort(e, a);
                break;
        case TQ_ACTION_TERM:
                (void)op_for(e, TQ_LEDGER_STOP, a);
                effect_attempt(e, TQ_MESSAGE_TERM, a);
                break;
        case TQ_ACTION_KILL:
                effect_attempt(e, TQ_MESSAGE_KILL, a);
                break;
        case TQ_ACTION_REQUEUE:
                (void)op_for(e, TQ_LEDGER_REQUEUE, a);
                effect_attempt(e, TQ_MESSAGE_ACK, a);
                break;
        case TQ_ACTION_FINISH:
                on_finish(e, a);
                break;
        default:
                break;
        }
}

int dispatch_step(Engine *e, const TqEvent *event) {
        /* An action may cause the next event, so each call has its own list. */
        TqActions actions = e->actions;
        int r;

        e->actions = (TqActions){};
        actions.n = 0;
        r = tq_scheduler_step(e->scheduler, event, tq_clock_boottime_usec(), &actions);
        for (size_t i = 0; i < actions.n; i++)
                carry_out(e, &actions.items[i]);
        tq_scheduler_actions_done(&e->actions);
        e->actions = actions;
        if (actions.n > 0)
                engine_touch_status(e);
        if (r == -ENOMEM)
                engine_say(SD_ERR, "out of memory; an event waits for the next one");
        return r;
}

/* What is left to be done of the scheduler's last step, and of what concerns many jobs. */
static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        Engine *e = userdata;

        (void)source;
        (void)usec;
        e->armed = TQ_NEVER; /* it was a single shot */
        (void)dispatch_step(e, &(TqEvent){ .type = TQ_EVENT_TICK });
        walk_go_on(e);
        return 0;
}

static uint64_t next_turn(const Engine *e) {
        uint64_t next = tq_scheduler_next_deadline(e->scheduler), now;

        if (walk_is_under_way(e))
                next = 0;
        if (next == TQ_NEVER || !batch_is_large(e))
                return next;
        /* Who waits for a commit is not to wait for all that can be done meanwhile: the end of the
         * one that is under way brings us here again. */
        now = tq_clock_boottime_usec();
        return next <= now ? TQ_NEVER : next;
}

/* One timer, set to what is due next; off when nothing is. Among the callers, so that neither they
 * nor what is done in parts keep the other waiting. */
void dispatch_arm(Engine *e) {
        uint64_t next = next_turn(e);

        if (next == e->armed)
                return;
        e->armed = next;
        if (next == TQ_NEVER) {
                if (e->timer)
                        (void)sd_event_source_set_enabled(e->timer, SD_EVENT_OFF);
                return;
        }
        if (!e->timer) {
                if (sd_event_add_time(e->event, &e->timer, CLOCK_BOOTTIME, next, 1000, on_timer,
                                      e) >= 0)
                        (void)sd_event_source_set_priority(e->timer, CONTROL_PRIORITY);
                return;
        }
        (void)sd_event_source_set_time(e->timer, next);
        (void)sd_event_source_set_enabled(e->timer, SD_EVENT_ONESHOT);
}
