/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>

#include "engine/api/verbs.h"
#include "engine/api/waiters.h"

/* A job whose processes don't die, or whose cgroup can't be removed: its slot is given back on an
 * administrator's word: Abandon(job, why, flags) */
int verb_abandon(Call *c) {
        const TqJob *job = c->live;
        int r = call_read_intent(c);

        if (r != 0)
                return r;
        if (job->state != TQ_JOB_STOPPING && !(job->state == TQ_JOB_STARTING && job->abort))
                return call_error(c, TQ_CONTROL_INVALID,
                                  "job %" PRIu64
                                  " is %s: only one that was told to stop can be given up; cancel "
                                  "it first",
                                  c->job, tq_scheduler_state_of(job));
        if (c->is_trial)
                return call_reply_empty(c);
        (void)call_record(c, TQ_KIND_ABANDON, job->queue->tenant->id, c->job, "given up");
        /* What is left of it may still run: no other attempt may follow. */
        dispatch_must(c->api->dispatch, &(TqEvent){ .type = TQ_EVENT_CANCEL, .job = c->job });
        dispatch_abandon(c->api->dispatch, job);
        return waiters_wait(c->api->waiters, c, WAIT_CANCEL);
}
