/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>

#include "engine/api/verbs.h"
#include "engine/api/waiters.h"

/* A job whose processes don't die, or whose cgroup can't be removed: its slot is given back on an
 * administrator's word. */
int verb_abandon(Call *c) {
        const TqJob *job = c->live;

        if (job->state != TQ_JOB_STOPPING && !(job->state == TQ_JOB_STARTING && job->abort))
                return call_error(c, TQ_CONTROL_INVALID,
                                  "job %" PRIu64
                                  " is %s: only one that was told to stop can be given up; cancel "
                                  "it first",
                                  c->job, tq_scheduler_state_to_string(job->state));
        call_event(c, "abandon", job->tenant->id, c->job, "given up by user %u", c->viewer.uid);
        dispatch_abandon(c->api->dispatch, job);
        return waiters_wait(c->api->waiters, c, WAIT_CANCEL);
}
