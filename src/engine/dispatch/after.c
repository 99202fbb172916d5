/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/dispatch/after.h"

#include <string.h>

#include "base/parse.h"

/* The scheduler knows only the jobs that have not ended; the ledger is asked once, after the commit
 * that accepts the job, so that nothing that was accepted before it is missed. A name means the
 * latest job of that name that the tenant handed in before; if there is none yet, the first one to
 * come. One inquiry of a tenant is with the worker at a time, so that others' have their turn. */

/* One word of After= and what the ledger says about it. */
typedef struct Fate {
        TqAfter after;
        char *name; /* NULL: by number */
        uint64_t job;
        TqLedgerFate fate;
} Fate;

#define TRIES     4 /* at once */
#define LATE_USEC TQ_USEC_PER_SEC

typedef struct Inquiry {
        TqTask task;
        TqList link; /* in its tenant's line */
        Afters *afters;
        uint64_t job;
        uint32_t tenant;
        Fate fates[TQ_JOB_AFTER_MAX];
        size_t n;
        unsigned tries;
        int result;
} Inquiry;

/* A tenant's inquiries. */
typedef struct Line {
        TqList waiting; /* of Inquiry.link */
        bool is_asking;
} Line;

struct Afters {
        Commit *commit;
        Feed *feed;
        TqMap lines; /* tenant → Line, while there is anything in it */
        TqList late; /* of Inquiry.link: asked again when the timer goes off */
        sd_event_source *timer;
};

static int on_late(sd_event_source *source, uint64_t usec, void *userdata);

int afters_new(sd_event *event, Commit *commit, Feed *feed, Afters **ret) {
        Afters *a = calloc(1, sizeof(*a));
        int r;

        if (!a)
                return -ENOMEM;
        a->commit = commit;
        a->feed = feed;
        tq_list_init(&a->late);
        r = sd_event_add_time(event, &a->timer, CLOCK_BOOTTIME, 0, 0, on_late, a);
        if (r >= 0)
                r = sd_event_source_set_enabled(a->timer, SD_EVENT_OFF);
        if (r < 0) {
                (void)afters_free(a);
                return r;
        }
        *ret = a;
        return 0;
}

static Inquiry *inquiry_free(Inquiry *q) {
        if (!q)
                return NULL;
        tq_list_unlink(&q->link);
        for (size_t i = 0; i < q->n; i++)
                free(q->fates[i].name);
        free(q);
        return NULL;
}

Afters *afters_free(Afters *a) {
        size_t position = 0;
        Line *line;

        if (!a)
                return NULL;
        (void)sd_event_source_disable_unref(a->timer);
        TQ_LIST_FOREACH(node, &a->late)
        (void)inquiry_free(TQ_LIST_ENTRY(node, Inquiry, link));
        while ((line = tq_map_next(&a->lines, &position))) {
                TQ_LIST_FOREACH(node, &line->waiting)
                (void)inquiry_free(TQ_LIST_ENTRY(node, Inquiry, link));
                free(line);
        }
        tq_map_done(&a->lines);
        free(a);
        return NULL;
}

int afters_parse(const char *after, TqAfter ret[TQ_JOB_AFTER_MAX], size_t *ret_n) {
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

int afters_keep(Job *job, const char *after, TqAfter *ret, size_t *ret_n) {
        *ret_n = 0;
        if (!after)
                return 0;
        if (!job_ensure_cold(job))
                return -ENOMEM;
        job->cold->after = strdup(after);
        return job->cold->after ? afters_parse(after, ret, ret_n) : -ENOMEM;
}

static Inquiry *inquiry_new(Afters *a, uint64_t job, uint32_t tenant, const char *after) {
        TQ_FREE char **words = NULL;
        TqAfter parsed[TQ_JOB_AFTER_MAX];
        Inquiry *q = calloc(1, sizeof(*q));
        size_t n;

        if (!q)
                return NULL;
        tq_list_init(&q->link);
        q->afters = a;
        q->job = job;
        q->tenant = tenant;
        if (tq_parse_words(after, TQ_JOB_AFTER_MAX, &words, &n) < 0 ||
            afters_parse(after, parsed, &n) < 0)
                return inquiry_free(q);
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
        TqLedger *ledger = commit_ledger(q->afters->commit);
        int r = 0;

        for (size_t i = 0; r >= 0 && i < q->n; i++) {
                Fate *f = &q->fates[i];

                r = tq_ledger_fate(ledger, q->tenant, f->after.job, f->name, q->job, &f->job,
                                   &f->fate);
        }
        return r;
}

/* *ret_again: one of the names has come since the ledger was asked. */
static int tell(Afters *a, const Inquiry *q, bool *ret_again) {
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
                event.met_by = f->job;
                r = feed_step(a->feed, &event);
                if (r == -EAGAIN)
                        *ret_again = true;
                if (r == -ENOENT || r == -EAGAIN)
                        r = 0; /* settled meanwhile, or the job has gone */
                if (r < 0)
                        break;
        }
        return r;
}

/* Whether a job that the ledger calls live has ended, which is not recorded yet: its end may not
 * have been heard. */
static bool has_ended_since(const Afters *a, const Inquiry *q) {
        for (size_t i = 0; i < q->n; i++)
                if (q->fates[i].job > 0 && q->fates[i].fate == TQ_FATE_LIVE &&
                    !tq_scheduler_job(feed_scheduler(a->feed), q->fates[i].job))
                        return true;
        return false;
}

/* The worker's part --------------------------------------------------------------------------- */

static Line *line_ensure(Afters *a, uint32_t tenant) {
        Line *line = tq_map_get(&a->lines, tenant);

        if (line)
                return line;
        line = calloc(1, sizeof(*line));
        if (!line)
                return NULL;
        tq_list_init(&line->waiting);
        if (tq_map_put(&a->lines, tenant, line) < 0) {
                free(line);
                return NULL;
        }
        return line;
}

static void on_run(TqTask *task) {
        Inquiry *q = TQ_CONTAINER_OF(task, Inquiry, task);

        q->result = look_up(q);
}

static void on_done(TqTask *task, void *userdata);

static void ask_next(Afters *a, uint32_t tenant, Line *line) {
        TqList *first = tq_list_first(&line->waiting);
        Inquiry *q = first ? TQ_LIST_ENTRY(first, Inquiry, link) : NULL;

        if (line->is_asking)
                return;
        if (!q) {
                (void)tq_map_remove(&a->lines, tenant);
                free(line);
                return;
        }
        line->is_asking = true;
        tq_list_unlink(&q->link);
        q->task = (TqTask){ .run = on_run, .done = on_done };
        tq_list_init(&q->task.link);
        commit_ask(a->commit, &q->task);
}

static void on_wanted(void *data, int result) {
        Inquiry *q = *(Inquiry **)data;
        Afters *a = q->afters;
        Line *line;

        if (result < 0 || commit_is_leaving(a->commit)) {
                (void)inquiry_free(q);
                return;
        }
        line = line_ensure(a, q->tenant);
        if (!line) {
                (void)inquiry_free(q);
                commit_degrade(a->commit, -ENOMEM);
                return;
        }
        tq_list_append(&line->waiting, &q->link);
        ask_next(a, q->tenant, line);
}

static void ask(Afters *a, Inquiry *q) {
        void *data = commit_then(a->commit, on_wanted, sizeof(Inquiry *));

        if (data)
                *(Inquiry **)data = q;
        else
                (void)inquiry_free(q);
}

static int on_late(sd_event_source *source, uint64_t usec, void *userdata) {
        Afters *a = userdata;

        (void)source;
        (void)usec;
        TQ_LIST_FOREACH(node, &a->late) {
                tq_list_unlink(node);
                ask(a, TQ_LIST_ENTRY(node, Inquiry, link));
        }
        return 0;
}

/* After the commit that says how it ended, or who comes next. One whose launch is still leaving
 * after a restart may take its time. */
static void ask_again(Afters *a, Inquiry *q) {
        bool is_armed;

        if (q->tries++ < TRIES) {
                ask(a, q);
                return;
        }
        is_armed = !tq_list_is_empty(&a->late);
        tq_list_append(&a->late, &q->link);
        if (is_armed)
                return;
        if (sd_event_source_set_time_relative(a->timer, LATE_USEC) < 0 ||
            sd_event_source_set_enabled(a->timer, SD_EVENT_ONESHOT) < 0)
                commit_degrade(a->commit, -ENOMEM);
}

static void on_done(TqTask *task, void *userdata) {
        Inquiry *q = TQ_CONTAINER_OF(task, Inquiry, task);
        Afters *a = q->afters;
        Line *line = tq_map_get(&a->lines, q->tenant);
        bool is_leaving = commit_is_leaving(a->commit), again = false;

        (void)userdata;
        line->is_asking = false;
        if (!is_leaving)
                ask_next(a, q->tenant, line);
        if (q->result < 0)
                commit_degrade(a->commit, q->result);
        else if (!is_leaving)
                again = has_ended_since(a, q);
        if (q->result >= 0 && !is_leaving && !again)
                again = tell(a, q, &again) < 0 || again; /* for want of memory */
        if (again)
                ask_again(a, q);
        else
                (void)inquiry_free(q);
}

void afters_ask(Afters *a, uint64_t job, uint32_t tenant, const char *after) {
        Inquiry *q = inquiry_new(a, job, tenant, after);

        if (!q)
                commit_degrade(a->commit, -ENOMEM);
        else
                ask(a, q);
}

int afters_settle_now(Afters *a, uint64_t job, uint32_t tenant, const char *after) {
        Inquiry *q = inquiry_new(a, job, tenant, after);
        bool again;
        int r;

        if (!q)
                return -ENOMEM;
        r = look_up(q);
        /* What ran has ended meanwhile, and was taken up before this one, or will be after it. */
        again = r >= 0 && has_ended_since(a, q);
        if (r >= 0 && !again)
                r = tell(a, q, &again);
        if (r >= 0 && again)
                ask(a, q);
        else
                (void)inquiry_free(q);
        return r;
}
