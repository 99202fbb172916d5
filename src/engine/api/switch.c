/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "engine/api/verbs.h"
#include "engine/intake/intake.h"
#include "engine/settings/switches.h"

/* pause, resume and drain of a queue, a tenant or the host; hold, release and cancel of all jobs
 * there. It takes effect at once, of many jobs in parts, and the answer follows the commit of the
 * last one: how many jobs it concerned, of a pause and its like those that wait. */

typedef struct Recorded {
        Call *call;
        uint64_t n;
} Recorded;

static void on_recorded(void *data, int result) {
        const Recorded *r = data;
        Call *c = r->call;
        char why[160];

        if (result >= 0)
                (void)call_reply_number(c, r->n);
        else if (result != -ECANCELED)
                (void)call_error(c, TQ_CONTROL_REFUSED, "it holds until the next restart only: %s",
                                 commit_explain(c->api->commit, why, sizeof(why)));
        (void)call_free(c);
}

/* Takes `kept`, unless it fails. */
static int reply_when_recorded(Call *kept, uint64_t n) {
        Recorded *r = commit_then(kept->api->commit, on_recorded, sizeof(*r));

        if (!r)
                return -ENOMEM;
        *r = (Recorded){ .call = kept, .n = n };
        return 1;
}

/* Many jobs ------------------------------------------------------------------------------------ */

/* All jobs there that wait are held or released; or all that have not ended are cancelled. */
typedef struct Mass {
        Call *call;
        bool hold;
        uint64_t n;
        TqKind kind;
} Mass;

static bool is_there(const TqJob *job, const Mass *m) {
        const Call *c = m->call;

        return (!c->tenant || job->queue->tenant->id == c->tenant->id) &&
               (c->queue[0] == '\0' || strcmp(job->queue->name, c->queue) == 0);
}

static bool is_to_be_held(const TqJob *job, const void *data) {
        return is_there(job, data) && job->state <= TQ_JOB_QUEUED && !job_of(job)->is_held_by_admin;
}

static bool is_to_be_released(const TqJob *job, const void *data) {
        return is_there(job, data) && job->state <= TQ_JOB_QUEUED && job->is_held;
}

static bool is_to_be_cancelled(const TqJob *job, const void *data) {
        return is_there(job, data);
}

static void record_level(const Call *c, uint64_t job, TqHoldLevel level) {
        TqLedgerOp *op = commit_op(c->api->commit, TQ_LEDGER_HOLD);

        if (op) {
                op->job = job;
                op->hold.level = level;
        }
}

/* It is recorded that all are, and one would be left out. */
static bool is_lost(const Mass *m, int r) {
        if (r == -ENOMEM)
                commit_begin_anew(m->call->api->commit, r);
        return r == -ENOMEM;
}

/* A launch at its barrier ends without a record of its own. Should we end first, the job is found
 * held, and not started after it was said to be cancelled. */
static void cancel_one(void *data, const TqJob *job) {
        bool is_starting = job->state == TQ_JOB_STARTING;
        uint64_t id = job->id;
        Mass *m = data;
        int r;

        r = dispatch_step(m->call->api->dispatch, &(TqEvent){ .type = TQ_EVENT_CANCEL, .job = id });
        if (is_lost(m, r) || r < 0)
                return;
        m->n++;
        if (is_starting)
                record_level(m->call, id, TQ_HOLD_ADMIN);
}

static void hold_one(void *data, const TqJob *job) {
        uint64_t id = job->id;
        Mass *m = data;
        Dispatch *d = m->call->api->dispatch;
        const TqJob *live;
        int r;

        r = dispatch_step(
                d, &(TqEvent){ .type = m->hold ? TQ_EVENT_HOLD : TQ_EVENT_RELEASE, .job = id });
        /* Its owner held it already: now an administrator does. */
        if (is_lost(m, r) || (r < 0 && !(r == -EALREADY && m->hold)))
                return;
        record_level(m->call, id, m->hold ? TQ_HOLD_ADMIN : TQ_HOLD_NONE);
        live = tq_scheduler_job(dispatch_scheduler(d), id);
        if (live)
                job_set_hold(job_of(live), m->hold, true);
        m->n++;
}

static void on_all(void *data) {
        Mass *m = data;
        Call *c = m->call;
        char what[64];

        if (c->is_trial) {
                (void)call_reply_number(c, m->n);
                (void)call_free(c);
                free(m);
                return;
        }
        (void)snprintf(what, sizeof(what), "done: %" PRIu64 " job%s", m->n, m->n == 1 ? "" : "s");
        (void)call_record(c, m->kind, c->tenant ? c->tenant->id : 0, 0, what);
        if (reply_when_recorded(c, m->n) < 0) {
                (void)call_error(c, TQ_CONTROL_FAILED, "out of memory");
                (void)call_free(c);
        }
        free(m);
}

static const struct {
        TqKind kind;
        WalkFilter is_meant;
        WalkStep step;
        bool hold;
} masses[] = {
        { TQ_KIND_HOLD, is_to_be_held, hold_one, true },
        { TQ_KIND_RELEASE, is_to_be_released, hold_one, false },
        { TQ_KIND_CANCEL, is_to_be_cancelled, cancel_one, false },
};

/* What was cancelled already is not once more. */
static void count_one(void *data, const TqJob *job) {
        Mass *m = data;

        m->n += m->kind != TQ_KIND_CANCEL || job->state != TQ_JOB_STOPPING;
}

/* Recorded as it begins, since it is done in parts, and again with the number at its end. */
static int change_all(Call *c, size_t i) {
        Mass *m = calloc(1, sizeof(*m));
        int r = -ENOMEM;

        if (!m)
                return -ENOMEM;
        *m = (Mass){ .call = call_keep(c), .hold = masses[i].hold, .kind = masses[i].kind };
        if (m->call && !c->is_trial)
                r = call_record(c, m->kind, c->tenant ? c->tenant->id : 0, 0, "all jobs there");
        else if (m->call)
                r = 0;
        if (r >= 0)
                r = walks_start(dispatch_walks(c->api->dispatch), masses[i].is_meant,
                                c->is_trial ? count_one : masses[i].step, on_all, m);
        if (r < 0) {
                (void)call_free(m->call);
                free(m);
        }
        return r < 0 ? r : 1;
}

/* Switches ------------------------------------------------------------------------------------- */

static int record_switches(const Call *c, TqKind kind, TqSwitches before, TqSwitches s) {
        return call_audit(c, (AuditRow){ .kind = kind,
                                         .tenant = c->tenant ? c->tenant->id : 0,
                                         .name = "state",
                                         .old_value = switches_to_string(before),
                                         .new_value = switches_to_string(s) });
}

static uint64_t count_in(const TqScheduler *scheduler, const TqTenant *t, const char *queue) {
        const TqQueue *q = queue[0] != '\0' ? tq_scheduler_queue(t, queue) : NULL;
        uint64_t counts[_TQ_WAIT_MAX] = {}, n = 0;

        if (queue[0] == '\0')
                return t->waiting.jobs;
        if (q)
                tq_scheduler_count(scheduler, q, tq_clock_boottime_usec(), counts);
        for (int w = 0; w < _TQ_WAIT_MAX; w++)
                n += counts[w];
        return n;
}

/* Whom the switch is about: the host's are all. */
static uint64_t count_waiting(const Call *c) {
        const TqScheduler *scheduler = dispatch_scheduler(c->api->dispatch);
        const Tenant *t;
        size_t position = 0;
        uint64_t n = 0;

        while ((t = call_next_tenant(c, &position))) {
                const TqTenant *view = tq_scheduler_tenant(scheduler, t->id);

                n += view ? count_in(scheduler, view, c->queue) : 0;
        }
        return n;
}

static int set_switches(Call *c, TqKind kind, TqSwitches before, TqSwitches s) {
        uint32_t tenant = c->tenant ? c->tenant->id : 0;
        Call *kept;
        int r;

        r = dispatch_step(c->api->dispatch,
                          &(TqEvent){ .type = TQ_EVENT_SWITCH,
                                      .tenant = tenant,
                                      .j = { .queue = c->queue[0] ? c->queue : NULL },
                                      .switches = s });
        if (r >= 0)
                r = switches_record(c->api->commit, tenant, c->queue, s, c->viewer.uid, c->why);
        if (r >= 0)
                r = record_switches(c, kind, before, s);
        if (r < 0)
                return r;
        if (tenant)
                intake_room_made(c->api->intake, tenant);
        else
                intake_room_made_all(c->api->intake);
        kept = call_keep(c);
        r = kept ? reply_when_recorded(kept, count_waiting(c)) : -ENOMEM;
        if (r < 0)
                (void)call_free(kept);
        return r;
}

/* Switch(target, word, why, flags) → jobs */
int verb_switch(Call *c) {
        const TqScheduler *scheduler = dispatch_scheduler(c->api->dispatch);
        const TqTenant *view = c->tenant ? tq_scheduler_tenant(scheduler, c->tenant->id) : NULL;
        TqSwitches before = {}, s;
        const char *word;
        int r;

        r = sd_bus_message_read(c->message, "s", &word);
        if (r >= 0)
                r = call_read_intent(c);
        if (r != 0)
                return r;
        for (size_t i = 0; i < TQ_ELEMENTSOF(masses); i++)
                if (strcmp(tq_kinds[masses[i].kind].name, word) == 0)
                        return change_all(c, i);
        if (c->tenant && c->tenant->ending != TQ_ENDING_NONE && c->queue[0] == '\0')
                return call_error(
                        c, TQ_CONTROL_REFUSED,
                        "%s: what is switched off follows from what is being done with it "
                        "(tenants shows that)",
                        c->tenant->name);
        if (view || !c->tenant)
                before = switches_of(scheduler, view, c->queue);
        s = before;
        if (switches_turn(word, &s) < 0)
                return call_error(c, TQ_CONTROL_INVALID,
                                  "expected hold, release, cancel, pause, resume or drain");
        if (c->is_trial)
                return call_reply_number(c, count_waiting(c));
        return set_switches(c, tq_kinds_find(word), before, s);
}
