/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <systemd/sd-daemon.h>

#include "base/clock.h"
#include "engine/engine.h"

/* Record before effect. What a turn of the loop decides is collected as changes of the ledger and
 * effects; the changes are committed in one transaction on the worker's thread, and only when that
 * has succeeded are the effects performed. While one batch is being committed the next one fills:
 * the slower the disk, the larger the batches.
 *
 * A commit that fails is not tried again: after a failed fsync the kernel may have dropped the
 * pages, and a second attempt would "succeed" without them. The engine is degraded from then on. */

#define LARGE 1024 /* changes: some 20 ms */

static Batch *batch_free(Batch *b) {
        if (!b)
                return NULL;
        for (size_t i = 0; i < b->n_ops; i++)
                tq_ledger_op_done(&b->ops[i]);
        for (size_t i = 0; i < b->n_effects; i++)
                (void)sd_bus_message_unref(b->effects[i].call);
        free(b->ops);
        free(b->effects);
        free(b);
        return NULL;
}

static Batch *current(Engine *e) {
        if (!e->batch) {
                e->batch = calloc(1, sizeof(*e->batch));
                if (e->batch)
                        e->batch->engine = e;
        }
        return e->batch;
}

/* Room for one more item in a growing array. */
static bool make_room(void **items, size_t n, size_t *allocated, size_t size) {
        size_t more = TQ_MAX(*allocated * 2, (size_t)32);
        void *bigger;

        if (n < *allocated)
                return true;
        bigger = realloc(*items, more * size);
        if (!bigger)
                return false;
        *items = bigger;
        *allocated = more;
        return true;
}

TqLedgerOp *batch_op(Engine *e, TqLedgerOpType type) {
        Batch *b = current(e);
        TqLedgerOp *op;

        if (!b || !make_room((void **)&b->ops, b->n_ops, &b->allocated_ops, sizeof(*b->ops))) {
                engine_degrade(e, -ENOMEM);
                return NULL;
        }
        op = &b->ops[b->n_ops++];
        *op = (TqLedgerOp){ .type = type,
                            .time_usec = tq_clock_realtime_usec(),
                            .boottime_usec = tq_clock_boottime_usec() };
        return op;
}

Effect *batch_effect(Engine *e, EffectType type) {
        Batch *b = current(e);
        Effect *effect;

        if (!b || !make_room((void **)&b->effects, b->n_effects, &b->allocated_effects,
                             sizeof(*b->effects))) {
                engine_degrade(e, -ENOMEM);
                return NULL;
        }
        effect = &b->effects[b->n_effects++];
        *effect = (Effect){ .type = type };
        b->has_claims |= type == EFFECT_CLAIM;
        return effect;
}

static void perform(Engine *e, Effect *effect, int result) {
        const EngineTenant *tenant;
        TqMessage m = {};
        char why[160];

        if (effect->type == EFFECT_CALLBACK) {
                effect->callback(e, effect->data, result);
                return;
        }
        if (result < 0) {
                /* Running jobs are supervised to their end, also when that can't be written down.
                 */
                if (effect->type == EFFECT_ATTEMPT &&
                    (effect->message == TQ_MESSAGE_TERM || effect->message == TQ_MESSAGE_KILL))
                        dispatch_send(e, effect->message, effect->handle, effect->job,
                                      effect->attempt);
                if (effect->type == EFFECT_ATTEMPT && effect->message == TQ_MESSAGE_RELEASE)
                        dispatch_send(e, TQ_MESSAGE_ABORT, effect->handle, effect->job,
                                      effect->attempt);
                if (effect->type == EFFECT_SUBMITTED)
                        (void)verbs_reply_error(effect->call, TQ_CONTROL_REFUSED,
                                                "nothing was accepted: %s",
                                                engine_unrecorded(e, why, sizeof(why)));
                return;
        }
        switch (effect->type) {
        case EFFECT_CLAIM:
                m.claim_done = (TqClaimDoneMessage){ .claim = effect->job, .is_accepted = 1 };
                (void)tq_channel_send(e->channel, TQ_MESSAGE_CLAIM_DONE, &m, NULL, 0, -EBADF);
                break;
        case EFFECT_ATTEMPT:
                if (effect->message == TQ_MESSAGE_RELEASE)
                        control_job_started(e, effect->job);
                dispatch_send(e, effect->message, effect->handle, effect->job, effect->attempt);
                break;
        case EFFECT_SUBMITTED:
                tenant = tq_map_get(&e->tenants, effect->tenant);
                (void)verbs_reply_submitted(effect->call, tenant ? tenant->name : "", effect->job,
                                            &effect->refusal);
                break;
        case EFFECT_ENDED:
                (void)tq_map_remove(&e->ending, effect->job);
                control_job_ended(e, effect->job);
                break;
        default:
                break;
        }
}

static void on_run(TqTask *task) {
        Batch *b = TQ_CONTAINER_OF(task, Batch, task);

        /* A claim's rename out of the tenant's directory must be on the disk before the job is, or
         * a power cut could bring both back. */
        if (b->result >= 0 && b->has_claims && fsync(b->engine->claims_fd) < 0)
                b->result = tq_errno();
        if (b->result >= 0)
                b->result = tq_ledger_check(b->engine->ledger);
        b->has_new_log = b->result > 0;
        if (b->result >= 0 && b->n_ops > 0)
                b->result = tq_ledger_apply(b->engine->ledger, b->ops, b->n_ops);
}

static void on_done(TqTask *task, void *userdata) {
        Batch *b = TQ_CONTAINER_OF(task, Batch, task);
        Engine *e = userdata;

        e->is_committing = false;
        if (b->has_new_log)
                engine_say(SD_ERR,
                           "the ledger's log (%s-wal) had gone; nothing of it is lost, and "
                           "it was made again",
                           e->ledger_path);
        if (b->result < 0)
                engine_degrade(e, b->result);
        for (size_t i = 0; i < b->n_effects; i++)
                perform(e, &b->effects[i], b->result);
        (void)batch_free(b);
        if (!e->is_leaving)
                batch_flush(e);
}

void batch_flush(Engine *e) {
        Batch *b = e->batch;

        if (!b || e->is_committing || !e->worker)
                return;
        e->batch = NULL;
        e->is_committing = true;
        b->task = (TqTask){ .run = on_run, .done = on_done };
        tq_list_init(&b->task.link);
        if (e->is_degraded)
                b->result = -EIO; /* on_run leaves it at that */
        tq_worker_submit(e->worker, &b->task, true);
}

bool batch_is_large(const Engine *e) {
        return e->is_committing && e->batch && e->batch->n_ops >= LARGE;
}

static int on_collect(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        Engine *e = userdata;

        (void)source;
        (void)fd;
        (void)revents;
        tq_worker_collect(e->worker);
        return 0;
}

static int on_post(sd_event_source *source, void *userdata) {
        Engine *e = userdata;

        (void)source;
        batch_flush(e);
        dispatch_arm(e);
        return 0;
}

int batch_start(Engine *e) {
        int r;

        r = tq_worker_new(e, &e->worker);
        if (r >= 0)
                r = sd_event_add_io(e->event, NULL, tq_worker_fd(e->worker), EPOLLIN, on_collect,
                                    e);
        if (r >= 0)
                r = sd_event_add_post(e->event, NULL, on_post, e);
        return r;
}
