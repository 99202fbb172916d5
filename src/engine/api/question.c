/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/api/question.h"

#include <string.h>

#include "base/clock.h"
#include "core/trail.h"

/* Asked by the worker and answered with what the scheduler knows about the present. Lists come in
 * pages of bounded rows and bytes, so that no question keeps the worker from the next commit for
 * long. */

typedef struct Asked {
        TqTask task;
        Question q;
        Call *call;
        TqLedger *ledger;
        size_t n_looked; /* of q.ids: those that the answer is about */
        TqTable table;
        int result;
} Asked;

static void on_run(TqTask *task) {
        static int (*const ask[])(TqLedger *, const TqLedgerFilter *, TqTable *) = {
                [ABOUT_JOBS] = tq_ledger_jobs,         [ABOUT_DEAD] = tq_ledger_dead,
                [ABOUT_ATTEMPTS] = tq_ledger_attempts, [ABOUT_EVENTS] = tq_ledger_events,
                [ABOUT_AUDIT] = tq_ledger_audit,       [ABOUT_LIMITS_AT] = tq_ledger_limits_at,
                [ABOUT_POLICIES] = tq_ledger_policies, [ABOUT_LINEAGE] = tq_ledger_lineage,
        };
        Asked *a = TQ_CONTAINER_OF(task, Asked, task);

        if (a->q.ids)
                a->result = tq_ledger_jobs_of(a->ledger, a->q.ids, &a->n_looked,
                                              a->q.filter.max_bytes, &a->table);
        else
                a->result = ask[a->q.about](a->ledger, &a->q.filter, &a->table);
}

/* The ledger knows what was promised; what a job does at this moment, and why it waits, the
 * scheduler. */
static void add_present(const Dispatch *dispatch, bool is_full, TqTable *t) {
        ssize_t reason = tq_table_find(t, "wait_reason"), state = tq_table_find(t, "state");
        ssize_t verdict = tq_table_find(t, "verdict");
        const TqScheduler *scheduler = dispatch_scheduler(dispatch);

        for (size_t row = 0; reason >= 0 && state >= 0 && verdict >= 0 && row < t->n_rows; row++) {
                uint64_t id = (uint64_t)tq_table_integer(t, row, "job", 0);
                const TqJob *job = tq_scheduler_job(scheduler, id);
                const char *judged = job || !is_full ? NULL : dispatch_verdict(dispatch, id);
                TqWait why;

                /* Its end is not in the ledger yet, and may not be for long. */
                if (judged) {
                        (void)tq_table_put_text(t, row, (size_t)state, "ending");
                        (void)tq_table_put_text(t, row, (size_t)verdict, judged);
                }
                /* An ended job stays ended: the scheduler has forgotten it by then. */
                if (!job)
                        continue;
                (void)tq_table_put_text(t, row, (size_t)state, tq_scheduler_state_of(job));
                why = tq_scheduler_why(scheduler, job, tq_clock_boottime_usec());
                if (why != TQ_WAIT_NONE)
                        (void)tq_table_put_text(t, row, (size_t)reason, tq_reason_to_string(why));
        }
}

/* A name that has another owner now: whose it was is told apart. */
static void name_former(const Tenants *tenants, TqTable *t) {
        ssize_t name = tq_table_find(t, "tenant");
        char title[TQ_TENANT_TITLE_MAX];

        for (size_t row = 0; name >= 0 && row < t->n_rows; row++) {
                const Tenant *tenant =
                        tenants_get(tenants, (uint32_t)tq_table_integer(t, row, "tenant_id", 0));

                if (tenant && tenant->is_former)
                        (void)tq_table_put_text(t, row, (size_t)name, tenants_title(tenant, title));
        }
}

/* Where the rest begins; 0: there is none. A page that is full may be followed by an empty one. */
static uint64_t next_page(const Asked *a) {
        const char *key = a->q.about == ABOUT_EVENTS     ? "event"
                          : a->q.about == ABOUT_AUDIT    ? "audit"
                          : a->q.about == ABOUT_POLICIES ? "policy"
                                                         : "job";

        /* One that is not in the ledger yet has no row. */
        if (a->q.ids && a->n_looked == a->q.n_ids && a->q.n_ids < a->q.filter.limit)
                return 0;
        if (a->q.ids)
                return a->q.is_by_place ? a->q.place + a->n_looked : a->q.ids[a->n_looked - 1];
        if (a->table.n_rows == 0 || (a->table.n_rows < a->q.filter.limit && !a->table.is_cut))
                return 0;
        return (uint64_t)tq_table_integer(&a->table, a->table.n_rows - 1, key, 0);
}

static int answer(Asked *a) {
        const Call *c = a->call;

        if (a->q.about == ABOUT_LIMITS_AT && (a->result == -ENOENT || a->result == -ESTALE))
                return call_error(c, TQ_CONTROL_NOT_FOUND,
                                  a->result == -ENOENT
                                          ? "no such revision of %s (limits history %s)"
                                          : "what came after that revision of %s is not known any "
                                            "more: audit_age= of [history] (limits history %s)",
                                  c->tenant->name, c->tenant->name);
        if (a->q.about == ABOUT_LINEAGE && a->result == -ENOENT)
                return a->q.filter.job > 0
                               ? call_no_job(c)
                               : call_error(c, TQ_CONTROL_NOT_FOUND,
                                            "no job of %s is called that, or has that in Parent=, "
                                            "Inputs= or Outputs=",
                                            c->tenant->name);
        if (a->result < 0)
                return call_error(c, TQ_CONTROL_FAILED, "the ledger can't be read: %s",
                                  tq_ledger_why(a->result));
        if (a->q.is_about_one && a->table.n_rows == 0)
                return call_no_job(c);
        if (a->q.then && a->q.is_about_one && !c->trail)
                (void)tq_trail_new(tq_table_text(&a->table, 0, "correlation_id"),
                                   tq_table_text(&a->table, 0, "labels"),
                                   tq_table_text(&a->table, 0, "trace_parent"), &a->call->trail);
        if (a->q.then)
                return a->q.then(c, &a->table, a->q.number);
        add_present(c->api->dispatch, commit_fault(c->api->commit), &a->table);
        name_former(c->api->tenants, &a->table);
        return a->q.is_paged ? tq_control_reply_page(c->message, &a->table, next_page(a))
                             : tq_control_reply_table(c->message, &a->table);
}

static void on_done(TqTask *task, void *userdata) {
        Asked *a = TQ_CONTAINER_OF(task, Asked, task);
        int r = answer(a);

        (void)userdata;
        if (r < 0)
                (void)call_error(a->call, TQ_CONTROL_FAILED, "%s", strerror(-r));
        connections_has_asked(a->call->api->connections, a->call->viewer.uid);
        tq_table_done(&a->table);
        (void)call_free(a->call);
        free(a->q.ids);
        free(a);
}

static int submit(const Call *c, Connection *connection, const Question *q) {
        Asked *a = calloc(1, sizeof(*a));
        Call *kept = a ? call_keep(c) : NULL;

        if (!kept) {
                free(a);
                free(q->ids);
                return -ENOMEM;
        }
        a->q = *q;
        /* The call itself may be gone when the worker asks. */
        if (q->filter.queue)
                a->q.filter.queue = kept->queue;
        a->call = kept;
        a->ledger = commit_ledger(c->api->commit);
        a->n_looked = q->n_ids;
        a->task = (TqTask){ .run = on_run, .done = on_done };
        tq_list_init(&a->task.link);
        /* One of a user at a time: the next call of any of his connections waits for it. */
        connection_asks(connection);
        commit_ask(c->api->commit, &a->task);
        return 1;
}

int question_ask(Call *c, const Question *q) {
        return submit(c, c->connection, q);
}

static Question about_job(const Call *c) {
        return (Question){
                .filter = { .job = c->job, .tenant = call_scope(c), .limit = 1, .with_spec = true },
                .is_about_one = true,
        };
}

int question_ask_about_job(Call *c) {
        Question q = about_job(c);

        /* To the filter it would mean any. */
        return c->job == 0 ? call_no_job(c) : submit(c, c->connection, &q);
}

int question_whether_job(Call *c, int (*then)(const Call *c, const TqTable *t, uint32_t number)) {
        Question q = about_job(c);

        q.then = then;
        return c->job == 0 ? call_no_job(c) : submit(c, c->connection, &q);
}

int question_ask_later(const Call *kept, Connection *connection) {
        Question q = about_job(kept);

        return submit(kept, connection, &q);
}
