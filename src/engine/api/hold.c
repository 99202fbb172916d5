/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>

#include "engine/api/verbs.h"

/* hold and release of one job. It takes effect at once and is recorded in the same turn. */

static void on_recorded(void *data, int result) {
        Call *c = *(Call **)data;
        char why[160];

        if (result >= 0)
                (void)call_reply_empty(c);
        else if (result != -ECANCELED)
                (void)call_error(c, TQ_CONTROL_REFUSED, "it holds until the next restart only: %s",
                                 commit_explain(c->api->commit, why, sizeof(why)));
        (void)call_free(c);
}

static int refuse(const Call *c, int error, bool hold) {
        if (error == -EBUSY)
                return call_error(c, TQ_CONTROL_INVALID,
                                  "job %" PRIu64 " has started; cancel ends it", c->job);
        if (error == -EALREADY)
                return call_error(c, TQ_CONTROL_INVALID,
                                  hold ? "job %" PRIu64 " is held already"
                                       : "job %" PRIu64 " is not held",
                                  c->job);
        return error;
}

static int record(Call *c, bool hold) {
        TqLedgerOp *op = commit_op(c->api->commit, TQ_LEDGER_HOLD);
        Call *kept = op ? call_keep(c) : NULL;
        void *data = kept ? commit_then(c->api->commit, on_recorded, sizeof(Call *)) : NULL;

        if (!data) {
                (void)call_free(kept);
                return -ENOMEM;
        }
        *(Call **)data = kept;
        op->job = c->job;
        op->hold.level = !hold ? TQ_HOLD_NONE : c->viewer.is_admin ? TQ_HOLD_ADMIN : TQ_HOLD_OWN;
        return 1;
}

/* Hold(job, hold, why, flags) */
int verb_hold(Call *c) {
        uint32_t tenant = c->live->queue->tenant->id;
        Job *job = job_of(c->live);
        int hold, r;

        r = sd_bus_message_read(c->message, "b", &hold);
        if (r >= 0)
                r = call_read_intent(c);
        if (r != 0)
                return r;
        if (!hold && !c->viewer.is_admin && job->is_held_by_admin)
                return call_error(c, TQ_CONTROL_DENIED, "an administrator holds job %" PRIu64,
                                  c->job);
        if (c->is_trial && c->live->state > TQ_JOB_QUEUED)
                return refuse(c, -EBUSY, hold);
        if (c->is_trial)
                return c->live->is_held == hold ? refuse(c, -EALREADY, hold) : call_reply_empty(c);
        r = dispatch_step(
                c->api->dispatch,
                &(TqEvent){ .type = hold ? TQ_EVENT_HOLD : TQ_EVENT_RELEASE, .job = c->job });
        if (r < 0)
                return refuse(c, r, hold);
        (void)call_record(c, hold ? TQ_KIND_HOLD : TQ_KIND_RELEASE, tenant, c->job, "");
        /* A release may have ended it: its Deadline= is past. */
        job = job_of(tq_scheduler_job(dispatch_scheduler(c->api->dispatch), c->job));
        if (job)
                job_set_hold(job, hold, c->viewer.is_admin);
        return record(c, hold);
}
