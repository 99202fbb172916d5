/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "engine/api/question.h"
#include "engine/api/verbs.h"

/* A job that runs begins anew, as the same one, whatever its file says of retries: it is stopped as
 * cancel does, and that another attempt follows is the reason to stop that is recorded before the
 * signal. One that waits for its next attempt has it at once. */

static int refuse(const Call *c, int error) {
        const char *state = tq_scheduler_state_of(c->live);

        switch (error) {
        case -ECANCELED:
                return call_error(c, TQ_CONTROL_REFUSED, "job %" PRIu64 " is being cancelled",
                                  c->job);
        case -EALREADY:
                if (c->live->stop == TQ_STOP_REQUEUED)
                        return call_error(c, TQ_CONTROL_INVALID,
                                          "job %" PRIu64 " is being requeued already", c->job);
                return call_error(c, TQ_CONTROL_INVALID,
                                  "job %" PRIu64 " is %s: there is nothing to requeue (tenantqctl "
                                  "explain says what it waits for)",
                                  c->job, state);
        case -ETIME:
                return call_error(
                        c, TQ_CONTROL_REFUSED,
                        "job %" PRIu64 " could not start again before its Deadline=", c->job);
        case -E2BIG:
                return call_error(c, TQ_CONTROL_REFUSED,
                                  "job %" PRIu64 " has had %u attempts: cancel it, and rerun hands "
                                  "in a copy of it",
                                  c->job, c->live->attempt);
        default:
                return error;
        }
}

/* Not live: it has ended, or waits for an old launch to leave. */
static int not_live(const Call *c, const TqTable *row, uint32_t number) {
        const char *state = tq_table_text(row, 0, "state");

        (void)number;
        if (state && strcmp(state, "queued") == 0)
                return call_error(c, TQ_CONTROL_INVALID,
                                  "job %" PRIu64 " is queued: there is nothing to requeue", c->job);
        return call_error(c, TQ_CONTROL_INVALID,
                          "job %" PRIu64 " has ended; tenantqctl rerun %" PRIu64
                          " hands in a copy of it",
                          c->job, c->job);
}

static void on_recorded(void *data, int result) {
        Call *c = *(Call **)data;
        char why[160];

        if (result >= 0)
                (void)call_reply_empty(c);
        else if (result != -ECANCELED)
                (void)call_error(c, TQ_CONTROL_REFUSED,
                                 "could not be recorded: after a restart the job may not be tried "
                                 "again; %s",
                                 commit_explain(c->api->commit, why, sizeof(why)));
        (void)call_free(c);
}

/* That a running one is stopped, and why, dispatch records. */
static int record(const Call *c, bool is_due_now) {
        TqLedgerOp *op = is_due_now ? commit_op(c->api->commit, TQ_LEDGER_DUE) : NULL;
        Call *kept = op || !is_due_now ? call_keep(c) : NULL;
        void *data = kept ? commit_then(c->api->commit, on_recorded, sizeof(Call *)) : NULL;

        if (!data) {
                (void)call_free(kept);
                return -ENOMEM;
        }
        *(Call **)data = kept;
        if (op) {
                op->job = c->job;
                op->again_usec = tq_clock_realtime_usec();
        }
        return 1;
}

/* Requeue(job, why, flags) */
int verb_requeue(Call *c) {
        const TqJob *job = c->live;
        const Tenant *t = job ? tenants_get(c->api->tenants, job->queue->tenant->id) : NULL;
        bool waits = job && job->state == TQ_JOB_SCHEDULED;
        int r = call_read_intent(c);

        if (r != 0)
                return r;
        if (!job)
                return question_whether_job(c, not_live);
        if (t && t->ending != TQ_ENDING_NONE)
                return call_error(c, TQ_CONTROL_REFUSED,
                                  "tenant %s is being removed or changed: its jobs begin no more "
                                  "(tenantqctl tenants says what it waits for)",
                                  t->name);
        r = tq_scheduler_would_requeue(job, tq_clock_boottime_usec());
        if (r < 0)
                return refuse(c, r);
        if (job_of(job)->had_input)
                return call_error(c, TQ_CONTROL_INVALID,
                                  "job %" PRIu64 " reads what a client gives it, once "
                                  "(StandardInput=client): it can't begin anew",
                                  c->job);
        if (c->is_trial)
                return call_reply_empty(c);
        (void)call_record(c, TQ_KIND_REQUEUE, job->queue->tenant->id, c->job, "requeued");
        r = dispatch_step(c->api->dispatch, &(TqEvent){ .type = TQ_EVENT_REQUEUE, .job = c->job });
        return r < 0 ? refuse(c, r) : record(c, waits);
}
