/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <string.h>

#include "engine/engine.h"

/* hold and release of jobs; pause, resume and drain of a queue, a tenant or the host. Each is
 * recorded and stands until it is taken back, over restarts too. It takes effect at once and is
 * recorded in the same turn: the answer follows the commit. */

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

        (void)e;
        if (result < 0)
                (void)verbs_reply_error(p->call, TQ_CONTROL_REFUSED,
                                        "the ledger could not be written: it holds until the "
                                        "next restart only");
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

static TqLedgerOp *op_about(Engine *e, TqLedgerOpType type, const EngineTenant *t,
                            const char *queue) {
        TqLedgerOp *op = batch_op(e, type);

        if (!op)
                return NULL;
        op->tenant = t ? t->id : 0;
        (void)snprintf(op->hold.queue, sizeof(op->hold.queue), "%s", queue);
        return op;
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

static bool is_meant(const TqJob *job, const EngineTenant *t, const char *queue, bool hold) {
        return (!t || job->tenant->id == t->id) &&
               (!no_queue(queue) || strcmp(job->queue->name, queue) == 0) &&
               job->state <= TQ_JOB_QUEUED && job->is_held != hold;
}

/* All jobs that wait there now. Their numbers come first: releasing one may start and end others.
 */
static int by_number(const void *a, const void *b) {
        uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

        return (x > y) - (x < y);
}

static int hold_all(Engine *e, const EngineTenant *t, const char *queue, bool hold,
                    uint64_t *ret_n) {
        size_t position = 0, n = 0, allocated = 0;
        TQ_FREE uint64_t *ids = NULL;
        const TqJob *job;

        while ((job = tq_scheduler_next_job(e->scheduler, &position))) {
                if (!is_meant(job, t, queue, hold))
                        continue;
                if (n == allocated) {
                        uint64_t *bigger;

                        allocated = TQ_MAX(allocated * 2, (size_t)256);
                        bigger = realloc(ids, allocated * sizeof(*ids));
                        if (!bigger)
                                return -ENOMEM;
                        ids = bigger;
                }
                ids[n++] = job->id;
        }
        *ret_n = 0;
        /* In their order: a queue takes each at its end, and who never queued keeps its turn. */
        if (n > 1)
                qsort(ids, n, sizeof(*ids), by_number);
        for (size_t i = 0; i < n; i++) {
                note_holder(e, ids[i], hold);
                *ret_n += dispatch_step(e,
                                        &(TqEvent){ .type = hold ? TQ_EVENT_HOLD : TQ_EVENT_RELEASE,
                                                    .job = ids[i] }) >= 0;
        }
        return 0;
}

static int set_hold(Connection *c, sd_bus_message *m, const EngineTenant *t, const char *queue,
                    bool hold) {
        Engine *e = c->engine;
        TqLedgerOp *op;
        uint64_t n;
        int r;

        r = hold_all(e, t, queue, hold, &n);
        if (r < 0)
                return r;
        op = op_about(e, TQ_LEDGER_HOLD, t, queue);
        if (!op)
                return -ENOMEM;
        op->hold.level = hold ? TQ_HOLD_ADMIN : TQ_HOLD_NONE;
        return reply_when_recorded(e, m, n);
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
        op = op_about(e, TQ_LEDGER_SWITCH, t, queue);
        if (!op)
                return -ENOMEM;
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

/* Switch(target, verb, why) → jobs: of hold and release those concerned, else those that wait. */
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
        if (strcmp(word, "hold") == 0 || strcmp(word, "release") == 0) {
                note(c, word[0] == 'h' ? "hold" : "release", t, target, why);
                return set_hold(c, m, t, queue, word[0] == 'h');
        }
        for (size_t i = 0; i < TQ_ELEMENTSOF(verbs); i++) {
                if (strcmp(verbs[i].word, word) != 0)
                        continue;
                note(c, verbs[i].word, t, target, why);
                return set_switch(c, m, t, queue, i, why);
        }
        return verbs_reply_error(m, TQ_CONTROL_INVALID,
                                 "expected hold, release, pause, resume or drain");
}
