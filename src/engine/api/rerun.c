/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <string.h>

#include "core/retry.h"
#include "engine/api/question.h"
#include "engine/api/submitted.h"
#include "engine/api/verbs.h"
#include "engine/history/history.h"

/* What was handed in once is taken from the ledger and handed in again: as a new job (Rerun), or as
 * the next attempts of a dead letter (Revive): METHOD(job, why, flags). */

typedef enum Again { AGAIN_NEW, AGAIN_REVIVED } Again;

/* The ledger has the job. Meanwhile it may have got another state: what is not live now, and was
 * dead when the ledger was asked behind all commits, is dead. */
static int submit(const Call *c, const TqTable *row, uint32_t again) {
        const char *spec = tq_table_text(row, 0, "spec"), *state = tq_table_text(row, 0, "state");
        Submission s = {
                .tenant = tenants_get(c->api->tenants,
                                      (uint32_t)tq_table_integer(row, 0, "tenant_id", 0)),
                .uid = c->viewer.uid,
                .is_copy = true,
                .is_trial = c->is_trial,
                .data = spec,
                .size = spec ? strlen(spec) : 0,
        };
        bool lives = tq_scheduler_job(dispatch_scheduler(c->api->dispatch), c->job) ||
                     dispatch_is_ending(c->api->dispatch, c->job) || !state ||
                     strcmp(state, "done") != 0;

        if (!s.tenant || !spec)
                return call_no_job(c);
        if (lives)
                return call_error(c, TQ_CONTROL_INVALID, "job %" PRIu64 " has not ended", c->job);
        if (again == AGAIN_REVIVED) {
                if (history_is_forgetting(c->api->history, c->job))
                        return call_no_job(c);
                if (tq_table_integer(row, 0, "dead", 0) == 0)
                        return call_error(c, TQ_CONTROL_INVALID,
                                          "job %" PRIu64 " is no dead letter (rerun hands in a "
                                          "copy of any job)",
                                          c->job);
                s.again = c->job;
                s.attempt = (unsigned)tq_table_integer(row, 0, "attempt", 0) + 1;
                /* Its attempts are kept as long as it is: there must be an end. */
                if (s.attempt - 1 > TQ_RETRY_ATTEMPTS_MAX)
                        return call_error(c, TQ_CONTROL_REFUSED,
                                          "job %" PRIu64 " has had %u attempts: rerun hands in a "
                                          "copy of it",
                                          c->job, s.attempt - 1);
        }
        return submitted_take(c, &s, again == AGAIN_REVIVED ? TQ_KIND_DEAD_RETRY : TQ_KIND_RERUN);
}

static int ask(Call *c, Again again) {
        Question q = {
                .filter = { .job = c->job, .tenant = call_scope(c), .limit = 1, .with_spec = true },
                .is_about_one = true,
                .then = submit,
                .number = again,
        };
        int r = call_read_intent(c);

        if (r != 0)
                return r;
        if (c->live)
                return call_error(c, TQ_CONTROL_INVALID, "job %" PRIu64 " has not ended", c->job);
        return c->job == 0 ? call_no_job(c) : question_ask(c, &q);
}

int verb_rerun(Call *c) {
        return ask(c, AGAIN_NEW);
}

int verb_revive(Call *c) {
        return ask(c, AGAIN_REVIVED);
}
