/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/clock.h"
#include "engine/engine.h"

/* Questions to the ledger: asked by the worker, so that nothing waits for the disk, and answered
 * with what the scheduler knows about the present. Lists come in pages of bounded rows and bytes,
 * so that no question keeps the worker from the next commit for long. */

static void on_question_run(TqTask *task) {
        Question *q = TQ_CONTAINER_OF(task, Question, task);

        if (q->ids)
                q->result = tq_ledger_jobs_of(q->engine->ledger, q->ids, &q->n_looked,
                                              q->filter.max_bytes, &q->table);
        else
                q->result = (q->wants_events ? tq_ledger_events : tq_ledger_jobs)(
                        q->engine->ledger, &q->filter, &q->table);
}

/* The ledger knows what was promised; what a job does at this moment, and why it waits, the
 * scheduler. */
static void add_present(Engine *e, TqTable *t) {
        ssize_t reason = tq_table_find(t, "wait_reason"), state = tq_table_find(t, "state");

        for (size_t row = 0; reason >= 0 && state >= 0 && row < t->n_rows; row++) {
                uint64_t id = (uint64_t)tq_table_integer(t, row, "job", 0);
                const TqJob *job = tq_scheduler_job(e->scheduler, id);
                TqWait why;

                /* An ended job stays ended: the scheduler has forgotten it by then. */
                if (!job)
                        continue;
                (void)tq_table_put_text(t, row, (size_t)state,
                                        tq_scheduler_state_to_string(job->state));
                why = tq_scheduler_why(e->scheduler, job, tq_clock_boottime_usec());
                if (why != TQ_WAIT_NONE)
                        (void)tq_table_put_text(t, row, (size_t)reason, tq_reason_to_string(why));
        }
}

/* A name that has another owner now: whose it was is told apart. */
static void name_former(Engine *e, TqTable *t) {
        ssize_t name = tq_table_find(t, "tenant");
        char title[TQ_TENANT_TITLE_MAX];

        for (size_t row = 0; name >= 0 && row < t->n_rows; row++) {
                const EngineTenant *tenant =
                        tq_map_get(&e->tenants, (uint64_t)tq_table_integer(t, row, "tenant_id", 0));

                if (tenant && tenant->is_former)
                        (void)tq_table_put_text(t, row, (size_t)name, tenants_title(tenant, title));
        }
}

/* Where the rest begins; 0: there is none. A page that is full may be followed by an empty one. */
static uint64_t next_page(const Question *q) {
        const char *key = q->wants_events ? "event" : "job";

        /* One that is not in the ledger yet has no row. */
        if (q->ids)
                return q->n_looked < q->n_ids || q->n_ids == q->filter.limit
                               ? q->ids[q->n_looked - 1]
                               : 0;
        if (q->table.n_rows == 0 || (q->table.n_rows < q->filter.limit && !q->table.is_cut))
                return 0;
        return (uint64_t)tq_table_integer(&q->table, q->table.n_rows - 1, key, 0);
}

static void on_question_done(TqTask *task, void *userdata) {
        Question *q = TQ_CONTAINER_OF(task, Question, task);
        Engine *e = userdata;
        int r;

        if (q->result < 0)
                r = verbs_reply_error(q->call, TQ_CONTROL_FAILED, "the ledger can't be read: %s",
                                      strerror(-q->result));
        else if (q->wants_one && q->table.n_rows == 0)
                r = verbs_no_job(q->call, q->filter.job);
        else if (q->then)
                r = q->then(q);
        else {
                add_present(e, &q->table);
                name_former(e, &q->table);
                r = q->wants_page ? tq_control_reply_page(q->call, &q->table, next_page(q))
                                  : tq_control_reply_table(q->call, &q->table);
        }
        if (r < 0)
                (void)verbs_reply_error(q->call, TQ_CONTROL_FAILED, "%s", strerror(-r));
        tq_table_done(&q->table);
        (void)sd_bus_message_unref(q->call);
        control_has_asked(e, q->uid);
        free(q->ids);
        free(q);
}

static int submit(Connection *c, sd_bus_message *call, const Question *template) {
        Question *q = malloc(sizeof(*q));

        if (!q) {
                free(template->ids);
                return -ENOMEM;
        }
        *q = *template;
        q->task = (TqTask){ .run = on_question_run, .done = on_question_done };
        q->engine = c->engine;
        q->connection = c->id;
        q->uid = c->uid;
        q->call = sd_bus_message_ref(call);
        /* One of a user at a time: the next call of any of his connections waits for it. */
        c->caller->is_asking = true;
        tq_list_init(&q->task.link);
        tq_worker_submit(c->engine->worker, &q->task, false);
        return 1;
}

int question_ask(Connection *c, sd_bus_message *call, const Question *template) {
        return submit(c, call, template);
}

static Question about_job(uint64_t job, int64_t tenant) {
        return (Question){
                .filter = { .job = job, .tenant = tenant, .limit = 1, .with_spec = true },
                .wants_one = true,
        };
}

/* To those who waited: their number is bounded where they began to wait. */
int question_reply_job(Connection *c, sd_bus_message *call, uint64_t job, int64_t tenant) {
        Question q = about_job(job, tenant);

        return submit(c, call, &q);
}

int question_ask_about_job(Connection *c, sd_bus_message *call, uint64_t job, int64_t tenant) {
        Question q = about_job(job, tenant);

        /* To the filter it would mean any. */
        if (job == 0)
                return verbs_no_job(call, job);
        return question_ask(c, call, &q);
}
