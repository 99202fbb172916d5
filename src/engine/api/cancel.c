/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/api/verbs.h"
#include "engine/api/waiters.h"

static void on_recorded(void *data, int result) {
        Call *c = *(Call **)data;
        char why[160];

        if (result >= 0)
                (void)call_reply_empty(c);
        else if (result != -ECANCELED)
                (void)call_error(c, TQ_CONTROL_REFUSED,
                                 "could not be recorded: a job that runs is stopped, but after a "
                                 "restart it may be tried again, and one that waits is as it was; "
                                 "%s",
                                 commit_explain(c->api->commit, why, sizeof(why)));
        (void)call_free(c);
}

/* Cancel(job, why, flags) */
int verb_cancel(Call *c) {
        uint32_t tenant = c->live->queue->tenant->id;
        /* A launch at its barrier is recorded nowhere yet: the answer is its end, since a crash
         * before that would start the job after all. */
        bool is_starting = c->live->state == TQ_JOB_STARTING;
        char why[160];
        Call *kept;
        void *data;
        int r = call_read_intent(c);

        if (r != 0)
                return r;
        if (c->is_trial && commit_fault(c->api->commit))
                return call_error(c, TQ_CONTROL_REFUSED, "it could not be recorded: %s",
                                  commit_explain(c->api->commit, why, sizeof(why)));
        if (c->is_trial)
                return call_reply_empty(c);
        r = dispatch_step(c->api->dispatch, &(TqEvent){ .type = TQ_EVENT_CANCEL, .job = c->job });
        if (r < 0 && r != -EALREADY)
                return r;
        /* Only what changed something; the second time it does not. */
        if (r >= 0)
                (void)call_record(c, TQ_KIND_CANCEL, tenant, c->job, "cancelled");
        if (is_starting)
                return waiters_wait(c->api->waiters, c, WAIT_CANCEL);
        /* Asked again, while nothing is recorded: the answers would pile up. */
        if (r == -EALREADY && commit_fault(c->api->commit))
                return call_error(c, TQ_CONTROL_REFUSED, "it is cancelled, but not recorded: %s",
                                  commit_explain(c->api->commit, why, sizeof(why)));
        kept = call_keep(c);
        data = kept ? commit_then(c->api->commit, on_recorded, sizeof(Call *)) : NULL;
        if (!data) {
                (void)call_free(kept);
                return -ENOMEM;
        }
        *(Call **)data = kept;
        return 1;
}
