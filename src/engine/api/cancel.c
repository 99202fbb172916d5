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
                                 "could not be recorded: after a restart the job is as it was; %s",
                                 commit_explain(c->api->commit, why, sizeof(why)));
        (void)call_free(c);
}

int verb_cancel(Call *c) {
        uint32_t tenant = c->live->tenant->id;
        /* A launch at its barrier is recorded nowhere yet: the answer is its end, since a crash
         * before that would start the job after all. */
        bool is_starting = c->live->state == TQ_JOB_STARTING;
        Call *kept;
        void *data;
        int r;

        r = dispatch_step(c->api->dispatch, &(TqEvent){ .type = TQ_EVENT_CANCEL, .job = c->job });
        if (r < 0 && r != -EALREADY)
                return r;
        /* Only what changed something; the second time it does not. */
        if (r >= 0)
                call_event(c, "cancel", tenant, c->job, "cancelled by user %u", c->viewer.uid);
        if (is_starting)
                return waiters_wait(c->api->waiters, c, WAIT_CANCEL);
        kept = call_keep(c);
        data = kept ? commit_then(c->api->commit, on_recorded, sizeof(Call *)) : NULL;
        if (!data) {
                (void)call_free(kept);
                return -ENOMEM;
        }
        *(Call **)data = kept;
        return 1;
}
