/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "engine/engine.h"
#include "engine/walk.h"

/* hold and release of jobs; pause, resume and drain of a queue, a tenant or the host. Each is
 * recorded and stands until it is taken back, over restarts too. It takes effect at once and is
 * recorded in the same turn, many jobs in parts: the answer follows the commit of the last one. */

/* What a verb does to the switches of its target. */
static const struct {
        const char *word;
        bool pauses, drains, resumes;
} verbs[] = {
        { "pause", true, false, false },
        { "drain", false, true, false },
        { "resume", false, false, true },
};

static const char *no_queue(const char *queue) {
        return queue[0] != '\0' ? queue : NULL;
}

static TqSwitches switches_of(const Engine *e, const EngineTenant *t, const char *queue) {
        const TqTenant *view = t ? tq_scheduler_tenant(e->scheduler, t->id) : NULL;
        const TqQueue *q;

        if (!t)
                return tq_scheduler_host_switches(e->scheduler);
        if (!view)
                return (TqSwitches){};
        if (!no_queue(queue))
                return (TqSwitches){ .is_paused = view->is_paused,
                                     .is_draining = view->is_draining };
        q = tq_scheduler_queue(view, queue);
        return q ? (TqSwitches){ .is_paused = q->is_paused, .is_draining = q->is_draining }
                 : (TqSwitches){};
}

static int load_switch(void *userdata, const TqLedgerSwitch *row) {
        Engine *e = userdata;
        int r = dispatch_step(e, &(TqEvent){ .type = TQ_EVENT_SWITCH,
                                             .tenant = row->tenant,
                                             .j = { .queue = no_queue(row->queue) },
                                             .switches = row->switches });

        return r == -ENOENT ? 0 : r;
}

int switches_load(Engine *e) {
        e->has_switches = true;
        return tq_ledger_each_switch(e->ledger, load_switch, e);
}

/* The answer: how many jobs it concerned. */
typedef struct Pending {
        sd_bus_message *call;
        uint64_t n;
} Pending;

static void on_recorded(Engine *e, void *data, int result) {
        Pending *p = data;
        char why[160];

        if (result < 0)
                (void)verbs_reply_error(p->call, TQ_CONTROL_REFUSED,
                                        "it holds until the next restart only: %s",
                                        engine_unrecorded(e, why, sizeof(why)));
        else
                (void)sd_bus_reply_method_return(
                        p->call, strcmp(sd_bus_message_get_member(p->call), "Hold") == 0 ? "" : "t",
                        p->n);
        (void)sd_bus_message_unref(p->call);
        free(p);
}

static int reply_when_recorded(Engine *e, sd_bus_message *call, uint64_t n) {
        Pending *p = calloc(1, sizeof(*p));
        Effect *effect = p ? batch_effect(e, EFFECT_CALLBACK) : NULL;

        if (!effect) {
                free(p);
                return -ENOMEM;
        }
        *p = (Pending){ .call = sd_bus_message_ref(call), .n = n };
        effect->callback = on_recorded;
        effect->data = p;
        return 1;
}

static void note_holder(Engine *e, uint64_t id, bool is_admin) {
        const TqJob *job = tq_scheduler_job(e->scheduler, id);

        if (job)
                ((EngineJob *)job->userdata)->is_held_by_admin = is_admin;
}

/* One job ------------------------------------------------------------------------------------- */

int switches_on_hold(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Connection *c = userdata;
        Engine *e = c->engine;
        const TqJob *job;
        TqLedgerOp *op;
        uint32_t tenant;
        uint64_t id;
        const char *why;
        int hold, r;

        (void)error;
        r = sd_bus_message_read(m, "tbs", &id, &hold, &why);
        if (r < 0)
                return r;
        job = verbs_live_job(c, m, id, &r);
        if (!job)
                return r;
        tenant = job->tenant->id;
        if (!hold && !c->is_admin && ((EngineJob *)job->userdata)->is_held_by_admin)
                return verbs_reply_error(m, TQ_CONTROL_DENIED, "an administrator holds job %llu",
                                         (unsigned long long)id);
        r = dispatch_step(e,
                          &(TqEvent){ .type = hold ? TQ_EVENT_HOLD : TQ_EVENT_RELEASE, .job = id });
        if (r == -EBUSY)
                return verbs_reply_error(m, TQ_CONTROL_INVALID,
                                         "job %llu has started; cancel ends it",
                                         (unsigned long long)id);
        if (r == -EALREADY)
                return verbs_reply_error(m, TQ_CONTROL_INVALID,
                                         hold ? "job %llu is held already" : "job %llu is not held",
                                         (unsigned long long)id);
        if (r < 0)
                return r;
        if (c->is_admin)
                batch_event(e, hold ? "hold" : "release", tenant, id, c->uid, "by user %u%s%.200s",
                            c->uid, why[0] ? ": " : "", why);
        else
                batch_event_of(e, tq_map_get(&e->tenants, tenant), hold ? "hold" : "release", id,
                               c->uid, "by user %u%s%.200s", c->uid, why[0] ? ": " : "", why);
        op = batch_op(e, TQ_LEDGER_HOLD);
        if (!op)
                return -ENOMEM;
        op->job = id;
        op->hold.level = !hold ? TQ_HOLD_NONE : c->is_admin ? TQ_HOLD_ADMIN : TQ_HOLD_OWN;
        note_holder(e, id, hold && c->is_admin);
        return reply_when_recorded(e, m, 1);
}

/* Queues, tenants, the host ------------------------------------------------------------------- */

/* All jobs there that wait are held or released; or all that have not ended are cancelled. */
typedef struct Mass {
        sd_bus_message *call;
        uint32_t tenant; /* 0: the host's */
        char queue[TQ_QUEUE_NAME_MAX + 1];
        bool hold;
        uint64_t n;
        const char *word; /* of the event that is recorded in the end */
        char *target, *why;
        uid_t uid;
} Mass;

static bool is_there(const TqJob *job, const Mass *m) {
        return (m->tenant == 0 || job->tenant->id == m->tenant) &&
               (!no_queue(m->queue) || strcmp(job->queue->name, m->queue) == 0);
}

static bool is_to_be_held(const TqJob *job, const void *data) {
        return is_there(job, data) && job->state <= TQ_JOB_QUEUED &&
               !((EngineJob *)job->userdata)->is_held_by_admin;
}

static bool is_to_be_released(const TqJob *job, const void *data) {
        return is_there(job, data) && job->state <= TQ_JOB_QUEUED && job->is_held;
}

static bool is_to_be_cancelled(const TqJob *job, const void *data) {
        return is_there(job, data);
}

/* A launch at its barrier ends without a record of its own. Should we end first, the job is found
 * held, and not started after it was said to be cancelled. */
static void cancel_one(Engine *e, const TqJob *job, void *data) {
        bool is_starting = job->state == TQ_JOB_STARTING;
        uint64_t id = job->id;
        TqLedgerOp *op;

        if (dispatch_step(e, &(TqEvent){ .type = TQ_EVENT_CANCEL, .job = id }) < 0)
                return;
        ((Mass *)data)->n++;
        op = is_starting ? batch_op(e, TQ_LEDGER_HOLD) : NULL;
        if (op) {
                op->job = id;
                op->hold.level = TQ_HOLD_ADMIN;
        }
}

static void hold_one(Engine *e, const TqJob *job, void *data) {
        Mass *h = data;
        uint64_t id = job->id;
        TqLedgerOp *op;
        int r;

        r = dispatch_step(
                e, &(TqEvent){ .type = h->hold ? TQ_EVENT_HOLD : TQ_EVENT_RELEASE, .job = id });
        /* Its owner held it already: now an administrator does. */
        if (r < 0 && !(r == -EALREADY && h->hold))
                return;
        op = batch_op(e, TQ_LEDGER_HOLD);
        if (!op)
                return;
        op->job = id;
        op->hold.level = h->hold ? TQ_HOLD_ADMIN : TQ_HOLD_NONE;
        note_holder(e, id, h->hold);
        h->n++;
}

static void on_all(Engine *e, void *data) {
        Mass *h = data;

        batch_event(e, h->word, h->tenant, 0, h->uid, "%s by user %u: %" PRIu64 " jobs%s%s",
                    h->target, h->uid, h->n, h->why ? ": " : "", h->why ? h->why : "");
        if (reply_when_recorded(e, h->call, h->n) < 0)
                (void)verbs_reply_error(h->call, TQ_CONTROL_FAILED, "out of memory");
        (void)sd_bus_message_unref(h->call);
        free(h->target);
        free(h->why);
        free(h);
}

static const struct {
        const char *word;
        WalkFilter is_meant;
        WalkStep step;
        bool hold;
} masses[] = {
        { "hold", is_to_be_held, hold_one, true },
        { "release", is_to_be_released, hold_one, false },
        { "cancel", is_to_be_cancelled, cancel_one, false },
};

static int change_all(Connection *c, sd_bus_message *call, const EngineTenant *t, const char *queue,
                      size_t i, const char *target, const char *why) {
        Mass *m = calloc(1, sizeof(*m));
        int r;

        if (!m)
                return -ENOMEM;
        *m = (Mass){ .call = sd_bus_message_ref(call),
                     .tenant = t ? t->id : 0,
                     .hold = masses[i].hold,
                     .word = masses[i].word,
                     .target = strdup(target),
                     .why = why[0] != '\0' ? strdup(why) : NULL,
                     .uid = c->uid };
        (void)snprintf(m->queue, sizeof(m->queue), "%s", queue);
        r = m->target ? walk_start(c->engine, masses[i].is_meant, masses[i].step, on_all, m)
                      : -ENOMEM;
        if (r < 0) {
                (void)sd_bus_message_unref(m->call);
                free(m->target);
                free(m->why);
                free(m);
        }
        return r < 0 ? r : 1;
}

static int set_switch(Connection *c, sd_bus_message *m, const EngineTenant *t, const char *queue,
                      size_t verb, const char *why) {
        Engine *e = c->engine;
        TqSwitches s = switches_of(e, t, queue);
        const TqTenant *view = t ? tq_scheduler_tenant(e->scheduler, t->id) : NULL;
        size_t position = 0;
        EngineTenant *each;
        TqLedgerOp *op;
        int r;

        s.is_paused = (s.is_paused || verbs[verb].pauses) && !verbs[verb].resumes;
        s.is_draining = (s.is_draining || verbs[verb].drains) && !verbs[verb].resumes;
        r = dispatch_step(e, &(TqEvent){ .type = TQ_EVENT_SWITCH,
                                         .tenant = t ? t->id : 0,
                                         .j = { .queue = no_queue(queue) },
                                         .switches = s });
        if (r < 0)
                return r;
        op = batch_op(e, TQ_LEDGER_SWITCH);
        if (!op)
                return -ENOMEM;
        op->tenant = t ? t->id : 0;
        (void)snprintf(op->hold.queue, sizeof(op->hold.queue), "%s", queue);
        op->uid = c->uid;
        op->text = why[0] != '\0' ? strdup(why) : NULL;
        op->hold.switches = s;
        engine_touch_status(e);
        while ((each = tq_map_next(&e->tenants, &position)))
                intake_has_room(e, each);
        return reply_when_recorded(e, m, view ? view->waiting.jobs : 0);
}

/* The kind outlives the message: a word of ours, never one of the caller's. */
static void note(Connection *c, const char *kind, const EngineTenant *t, const char *target,
                 const char *why) {
        batch_event(c->engine, kind, t ? t->id : 0, 0, c->uid, "%s by user %u%s%s", target, c->uid,
                    why[0] ? ": " : "", why);
}

/* Switch(target, verb, why) → jobs: of hold, release and cancel those concerned, else those that
 * wait. */
int switches_on_set(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const char *target, *word, *why;
        char queue[TQ_QUEUE_NAME_MAX + 1] = "";
        Connection *c = userdata;
        EngineTenant *t = NULL;
        int r;

        (void)error;
        r = sd_bus_message_read(m, "sss", &target, &word, &why);
        if (r < 0)
                return r;
        if (!c->is_admin)
                return verbs_reply_error(m, TQ_CONTROL_DENIED,
                                         "only root and the group tenantq-admin may do this");
        if (strcmp(target, "host") != 0) {
                r = verbs_find_target(c, target, &t, queue);
                if (r < 0)
                        return verbs_reply_target(m, r, target);
        }
        for (size_t i = 0; i < TQ_ELEMENTSOF(masses); i++) {
                if (strcmp(masses[i].word, word) != 0)
                        continue;
                return change_all(c, m, t, queue, i, target, why);
        }
        for (size_t i = 0; i < TQ_ELEMENTSOF(verbs); i++) {
                if (strcmp(verbs[i].word, word) != 0)
                        continue;
                note(c, verbs[i].word, t, target, why);
                return set_switch(c, m, t, queue, i, why);
        }
        return verbs_reply_error(m, TQ_CONTROL_INVALID,
                                 "expected hold, release, cancel, pause, resume or drain");
}
