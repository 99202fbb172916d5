/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>

#include "engine/api/question.h"
#include "engine/api/verbs.h"

/* The list of dead letters: jobs that failed for good, and that somebody has not dealt with yet. */

/* ListDead(target, before, rows): the newest first. */
int verb_list_dead(Call *c) {
        Question q = { .filter = { .tenant = call_scope(c),
                                   .queue = c->queue,
                                   .max_bytes = TQ_PAGE_BYTES },
                       .about = ABOUT_DEAD,
                       .is_paged = true };
        uint32_t limit;
        int r;

        r = sd_bus_message_read(c->message, "tu", &q.filter.before, &limit);
        if (r < 0)
                return r;
        q.filter.limit = TQ_MIN(limit, (uint32_t)TQ_PAGE_ROWS);
        return question_ask(c, &q);
}

/* ListAttempts(job) */
int verb_list_attempts(Call *c) {
        Question q = { .filter = { .job = c->job, .tenant = call_scope(c), .limit = TQ_PAGE_ROWS },
                       .about = ABOUT_ATTEMPTS };

        return c->job == 0 ? call_no_job(c) : question_ask(c, &q);
}

static void on_purged(void *data, int result) {
        Call *c = *(Call **)data;
        char why[160];

        if (result >= 0)
                (void)call_reply_empty(c);
        else if (result != -ECANCELED)
                (void)call_error(c, TQ_CONTROL_REFUSED, "it is still in the list: %s",
                                 commit_explain(c->api->commit, why, sizeof(why)));
        (void)call_free(c);
}

static int purge(const Call *c, const TqTable *row, uint32_t number) {
        uint32_t tenant = (uint32_t)tq_table_integer(row, 0, "tenant_id", 0);
        TqLedgerOp *op;
        Call *kept;
        void *data;

        (void)number;
        if (tq_table_integer(row, 0, "dead", 0) == 0)
                return call_error(c, TQ_CONTROL_INVALID, "job %" PRIu64 " is no dead letter",
                                  c->job);
        if (c->is_trial)
                return call_reply_empty(c);
        op = commit_op(c->api->commit, TQ_LEDGER_PURGE);
        kept = op ? call_keep(c) : NULL;
        data = kept ? commit_then(c->api->commit, on_purged, sizeof(Call *)) : NULL;
        if (!data) {
                (void)call_free(kept);
                return -ENOMEM;
        }
        op->job = c->job;
        *(Call **)data = kept;
        (void)call_record(c, TQ_KIND_DEAD_PURGE, tenant, c->job, "");
        return 1;
}

/* Purge(job, why, flags) */
int verb_purge(Call *c) {
        int r = call_read_intent(c);

        if (r != 0)
                return r;
        return c->live ? call_error(c, TQ_CONTROL_INVALID, "job %" PRIu64 " has not ended", c->job)
                       : question_whether_job(c, purge);
}
