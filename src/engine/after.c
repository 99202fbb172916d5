/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/parse.h"
#include "engine/engine.h"

/* After=: which jobs are meant, and what became of those that have ended. The scheduler knows only
 * the jobs that have not; the ledger is asked once, after the commit that accepts the job, so that
 * nothing that was accepted before it is missed. A name means the latest job of that name that the
 * tenant handed in before; if there is none yet, the first one to come. */

static int parse(const char *after, TqAfter *ret, size_t *ret_n) {
        TQ_FREE char **words = NULL;
        size_t n;
        int r;

        r = tq_parse_words(after, TQ_JOB_AFTER_MAX, &words, &n);
        if (r < 0)
                return r;
        for (size_t i = 0; i < n; i++) {
                uint64_t job;

                if (tq_parse_u64_in(words[i], 1, INT64_MAX, &job) >= 0)
                        ret[i] = (TqAfter){ .job = job };
                else
                        ret[i] = (TqAfter){ .name = tq_scheduler_name(words[i]) };
        }
        *ret_n = n;
        return 0;
}

int after_keep(EngineJob *job, const char *after, TqAfter *ret, size_t *ret_n) {
        *ret_n = 0;
        if (!after)
                return 0;
        job->after = strdup(after);
        return job->after ? parse(after, ret, ret_n) : -ENOMEM;
}

/* One word of After= and what the ledger says about it. */
typedef struct Fate {
        TqAfter after;
        char *name; /* NULL: by number */
        uint64_t job;
        TqLedgerFate fate;
} Fate;

typedef struct Inquiry {
        TqTask task;
        TqList link; /* in its tenant's inquiries */
        Engine *engine;
        uint64_t job;
        uint32_t tenant;
        Fate fates[TQ_JOB_AFTER_MAX];
        size_t n;
        int result;
} Inquiry;

static Inquiry *inquiry_free(Inquiry *q) {
        for (size_t i = 0; q && i < q->n; i++)
                free(q->fates[i].name);
        free(q);
        return NULL;
}

static Inquiry *inquiry_new(Engine *e, uint64_t job, uint32_t tenant, const char *after) {
        TQ_FREE char **words = NULL;
        TqAfter parsed[TQ_JOB_AFTER_MAX];
        Inquiry *q = calloc(1, sizeof(*q));
        size_t n;

        if (!q || tq_parse_words(after, TQ_JOB_AFTER_MAX, &words, &n) < 0 ||
            parse(after, parsed, &n) < 0)
                return inquiry_free(q);
        tq_list_init(&q->link);
        q->engine = e;
        q->job = job;
        q->tenant = tenant;
        for (size_t i = 0; i < n; i++) {
                q->fates[i].after = parsed[i];
                q->fates[i].name = parsed[i].job > 0 ? NULL : strdup(words[i]);
                q->n++;
                if (parsed[i].job == 0 && !q->fates[i].name)
                        return inquiry_free(q);
        }
        return q;
}

static int look_up(Inquiry *q) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < q->n; i++) {
                Fate *f = &q->fates[i];

                r = tq_ledger_fate(q->engine->ledger, q->tenant, f->after.job, f->name, q->job,
                                   &f->job, &f->fate);
        }
        return r;
}

/* *ret_again: one of the names has come since the ledger was asked. */
static int tell(Engine *e, const Inquiry *q, bool *ret_again) {
        int r = 0;

        *ret_again = false;
        for (size_t i = 0; i < q->n; i++) {
                const Fate *f = &q->fates[i];
                TqEvent event = { .type = TQ_EVENT_AFTER, .job = q->job, .after = f->after };

                /* A number that the tenant never had can't end well; a name may still come. */
                event.is_none = f->job == 0 && f->name;
                if (f->job > 0 && f->fate == TQ_FATE_LIVE && f->job != q->job) {
                        if (!f->name)
                                continue; /* its end will be heard */
                        event.instead = f->job;
                }
                event.is_met = f->job > 0 && f->fate == TQ_FATE_WELL;
                r = dispatch_step(e, &event);
                if (r == -EAGAIN)
                        *ret_again = true;
                if (r == -ENOENT || r == -EAGAIN)
                        r = 0; /* settled meanwhile, or the job has gone */
                if (r < 0)
                        break;
        }
        return r;
}

static void on_run(TqTask *task) {
        Inquiry *q = TQ_CONTAINER_OF(task, Inquiry, task);

        q->result = look_up(q);
}

/* Whether a job that was live when the ledger was asked has ended since: its end was not heard. */
static bool has_ended_since(const Engine *e, const Inquiry *q) {
        for (size_t i = 0; i < q->n; i++)
                if (q->fates[i].job > 0 && q->fates[i].name && q->fates[i].fate == TQ_FATE_LIVE &&
                    !tq_scheduler_job(e->scheduler, q->fates[i].job))
                        return true;
        return false;
}

static void on_wanted(Engine *e, void *data, int result);

static void ask_next(Engine *e, EngineTenant *t);

static void ask(Engine *e, Inquiry *q) {
        Effect *effect = batch_effect(e, EFFECT_CALLBACK);

        if (!effect) {
                (void)inquiry_free(q);
                return;
        }
        effect->callback = on_wanted;
        effect->data = q;
}

static void on_done(TqTask *task, void *userdata) {
        Inquiry *q = TQ_CONTAINER_OF(task, Inquiry, task);
        Engine *e = userdata;
        EngineTenant *t = tq_map_get(&e->tenants, q->tenant);
        bool again = false;

        t->is_inquiring = false;
        if (!e->is_leaving)
                ask_next(e, t);
        if (q->result < 0)
                engine_degrade(e, q->result);
        else if (!e->is_leaving)
                again = has_ended_since(e, q);
        if (q->result >= 0 && !e->is_leaving && !again)
                (void)tell(e, q, &again);
        if (again)
                ask(e, q); /* after the commit that says how, or who */
        else
                (void)inquiry_free(q);
}

static void on_wanted(Engine *e, void *data, int result) {
        Inquiry *q = data;
        EngineTenant *t = tq_map_get(&e->tenants, q->tenant);

        if (result < 0 || e->is_leaving) {
                (void)inquiry_free(q);
                return;
        }
        tq_list_append(&t->inquiries, &q->link);
        ask_next(e, t);
}

static void ask_next(Engine *e, EngineTenant *t) {
        TqList *first = tq_list_first(&t->inquiries);
        Inquiry *q = first ? TQ_LIST_ENTRY(first, Inquiry, link) : NULL;

        if (!q || t->is_inquiring)
                return;
        t->is_inquiring = true;
        tq_list_unlink(&q->link);
        q->task = (TqTask){ .run = on_run, .done = on_done };
        tq_list_init(&q->task.link);
        tq_worker_submit(e->worker, &q->task, false);
}

void after_ask(Engine *e, uint64_t job, uint32_t tenant, const char *after) {
        Inquiry *q = inquiry_new(e, job, tenant, after);

        if (!q)
                engine_degrade(e, -ENOMEM);
        else
                ask(e, q);
}

int after_settle_now(Engine *e, uint64_t job, uint32_t tenant, const char *after) {
        Inquiry *q = inquiry_new(e, job, tenant, after);
        bool again;
        int r;

        if (!q)
                return -ENOMEM;
        r = look_up(q);
        /* Nothing comes while stock is taken. */
        if (r >= 0)
                r = tell(e, q, &again);
        (void)inquiry_free(q);
        return r;
}
