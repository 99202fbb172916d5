/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/history/history.h"

#include <string.h>

#include "base/clock.h"

/* One tenant after the other: its jobs are counted, some thousand at a time, which says by how much
 * they are more than are to be kept; then read from the oldest on, some hundred at a time, and
 * those that may go are forgotten, a few with each commit. In between the worker does what others
 * wait for: no commit of a job waits for more than one such piece. Events come last.
 *
 * The oldest are those that came first: by number, for which there is an index anyhow. So one that
 * came early and ran long goes before one that came later and ended earlier. */

#define FIRST_USEC (180 * TQ_USEC_PER_SEC) /* nothing of it is urgent */
#define AGAIN_USEC (3600 * TQ_USEC_PER_SEC)
#define COUNT_MOST 4096
#define MANY       1000 /* jobs that have ended since it was looked at last, or a tenth of all */

typedef struct Entry {
        uint32_t tenant;
        uint64_t ended; /* jobs, since it was looked at last */
        uint64_t jobs;  /* that jobs= is about, when they were counted last */
        TqList due;     /* in History.due */
} Entry;

typedef enum Step { STEP_COUNT, STEP_READ, STEP_FORGET, STEP_LOG } Step;

/* What is forgotten from its beginning. */
typedef enum Log { LOG_EVENTS = 1, LOG_AUDIT = 2 } Log;

struct History {
        sd_event *event;
        Commit *commit;
        const Tenants *tenants;
        const Settings *settings;
        const TqScheduler *scheduler;
        TqMap entries;    /* tenant → Entry */
        uint64_t counted; /* Σ of Entry.jobs */
        TqList due;
        sd_event_source *hourly, *pace;
        bool is_started;
        unsigned logs_due; /* bits of Log */
        Log log;           /* that is looked at */

        /* What is under way. */
        bool is_busy;
        TqTask task;
        Step step;
        uint32_t tenant;
        bool is_stale; /* what was counted and read: it is to be done again */
        uint64_t cursor;
        TqLedgerAmount sum[2], excess[2]; /* as TqLedgerOldCount.may */
        TqLedgerOld old;
        TqLedgerOldCount count;
        TqLedgerOldJob jobs[TQ_LEDGER_OLD_MOST];
        size_t n_jobs, next_job;
        size_t going_from, going_to; /* of them, with a commit that is not done */
        int result;
};

static const TqRetention *retention(const History *h) {
        return &settings_host(h->settings)->retention;
}

static uint64_t before(uint64_t now, uint64_t age) {
        return tq_sub_u64(now, age);
}

static Entry *entry_of(History *h, uint32_t tenant) {
        Entry *e = tq_map_get(&h->entries, tenant);

        if (e)
                return e;
        e = calloc(1, sizeof(*e));
        if (!e)
                return NULL;
        *e = (Entry){ .tenant = tenant };
        tq_list_init(&e->due);
        if (tq_map_put(&h->entries, tenant, e) < 0) {
                free(e);
                return NULL;
        }
        return e;
}

/* Without memory it is looked at the next time. */
static void make_due(History *h, uint32_t tenant) {
        Entry *e = entry_of(h, tenant);

        if (e && tq_list_is_empty(&e->due))
                tq_list_append(&h->due, &e->due);
}

/* Of a tenant's ended jobs, how many are kept: what all together may keep is shared so that who has
 * most gives first. */
static uint64_t allowance(const History *h) {
        const TqRetention *r = retention(h);
        TQ_FREE uint64_t *jobs = NULL;
        size_t position = 0, n = 0;
        const Entry *e;

        /* Asked for each tenant: all are looked at only where there is something to share. */
        if (h->counted > r->jobs_total)
                jobs = calloc(h->entries.size + 1, sizeof(*jobs));
        if (!jobs)
                return r->jobs;
        while ((e = tq_map_next(&h->entries, &position)))
                if (!tenants_get(h->tenants, e->tenant)->is_removed)
                        jobs[n++] = e->jobs;
        return TQ_MIN(r->jobs, tq_retention_allowance(jobs, n, r->jobs_total));
}

/* What of it goes is from before. */
static uint64_t log_before(const History *h) {
        const TqRetention *r = retention(h);

        return before(tq_clock_realtime_usec(),
                      h->log == LOG_EVENTS ? r->events_age_usec : r->audit_age_usec);
}

/* Steps: on the worker ------------------------------------------------------------------------- */

static void on_run(TqTask *task) {
        History *h = TQ_CONTAINER_OF(task, History, task);
        TqLedger *l = commit_ledger(h->commit);

        if (h->step == STEP_COUNT)
                h->result = tq_ledger_count_old(l, &h->old, COUNT_MOST, &h->count);
        else if (h->step == STEP_READ)
                h->result = tq_ledger_old_jobs(l, &h->old, h->jobs, &h->n_jobs);
        else if (h->log == LOG_EVENTS)
                h->result = tq_ledger_has_old_events(l, log_before(h), retention(h)->events);
        else
                h->result = tq_ledger_has_old_audit(l, log_before(h));
}

static void next(History *h);

static void go_on(History *h) {
        if (sd_event_source_set_time_relative(h->pace, COMMIT_PACE_USEC) < 0 ||
            sd_event_source_set_enabled(h->pace, SD_EVENT_ONESHOT) < 0)
                h->is_busy = false;
}

static void end_tenant(History *h) {
        h->tenant = 0;
        go_on(h);
}

static void on_counted(History *h) {
        const TqRetention *r = retention(h);
        Entry *e = entry_of(h, h->tenant);

        for (size_t i = 0; i < TQ_ELEMENTSOF(h->sum); i++) {
                h->sum[i].jobs += h->count.may[i].jobs;
                h->sum[i].bytes += h->count.may[i].bytes;
        }
        h->cursor = h->count.last;
        if (h->count.rows == COUNT_MOST) {
                go_on(h);
                return;
        }
        if (e) {
                h->counted += h->sum[0].jobs - e->jobs;
                e->jobs = h->sum[0].jobs;
        }
        h->excess[0].jobs = tq_sub_u64(h->sum[0].jobs, allowance(h));
        h->excess[1].jobs = tq_sub_u64(h->sum[1].jobs, r->jobs_kept);
        for (size_t i = 0; i < TQ_ELEMENTSOF(h->sum); i++)
                h->excess[i].bytes = tq_sub_u64(h->sum[i].bytes, r->jobs_bytes);
        h->cursor = 0;
        h->step = STEP_READ;
        go_on(h);
}

static bool is_over_age(const History *h, const TqLedgerOldJob *job) {
        return job->ended_usec > 0 &&
               job->ended_usec < before(h->old.now_usec, retention(h)->jobs_age_usec);
}

static bool is_too_much(const TqLedgerAmount *excess) {
        return excess->jobs > 0 || excess->bytes > 0;
}

static bool goes(const History *h, const TqLedgerOldJob *job) {
        return job->may_go &&
               (is_too_much(&h->excess[job->is_kept]) || (!job->is_kept && is_over_age(h, job)));
}

/* What came after that can't have ended before. */
static bool is_at_end(const History *h) {
        return h->n_jobs < TQ_LEDGER_OLD_MOST ||
               (!is_too_much(&h->excess[0]) && !is_too_much(&h->excess[1]) &&
                h->jobs[h->n_jobs - 1].submitted_usec >=
                        before(h->old.now_usec, retention(h)->jobs_age_usec));
}

static void on_forgotten(void *data, int result) {
        History *h = *(History **)data;

        h->going_from = h->going_to = 0;
        if (result >= 0)
                go_on(h);
        else
                h->is_busy = false; /* the ledger has other troubles */
}

/* Some of those that were read. */
static void forget_some(History *h) {
        size_t n = 0, most = commit_piece(h->commit);

        h->going_from = h->next_job;
        for (; h->next_job < h->n_jobs && n < most; h->next_job++) {
                TqLedgerOldJob *job = &h->jobs[h->next_job];
                TqLedgerAmount *excess;
                TqLedgerOp *op;

                job->may_go = goes(h, job) && !tq_scheduler_is_named(h->scheduler, job->job);
                if (!job->may_go)
                        continue;
                op = commit_op(h->commit, TQ_LEDGER_FORGET);
                if (!op)
                        return;
                op->job = job->job;
                op->forget.ended_usec = job->ended_usec;
                excess = &h->excess[job->is_kept];
                excess->jobs = tq_sub_u64(excess->jobs, 1);
                excess->bytes = tq_sub_u64(excess->bytes, job->bytes);
                n += 1 + job->attempts / TQ_LEDGER_ATTEMPTS_A_JOB;
        }
        h->going_to = h->next_job;
        if (n > 0) {
                History **data = commit_then(h->commit, on_forgotten, sizeof(h));

                if (data)
                        *data = h;
                return;
        }
        if (is_at_end(h)) {
                end_tenant(h);
                return;
        }
        h->cursor = h->jobs[h->n_jobs - 1].job;
        h->step = STEP_READ;
        go_on(h);
}

static void on_log(History *h) {
        TqLedgerOp *op;
        History **data;

        if (h->result == 0) {
                h->logs_due &= ~(unsigned)h->log;
                go_on(h);
                return;
        }
        op = commit_op(h->commit,
                       h->log == LOG_EVENTS ? TQ_LEDGER_FORGET_EVENTS : TQ_LEDGER_FORGET_AUDIT);
        data = op ? commit_then(h->commit, on_forgotten, sizeof(h)) : NULL;
        if (!data)
                return;
        op->forget.before_usec = log_before(h);
        op->forget.most = retention(h)->events;
        *data = h;
}

static void on_done(TqTask *task, void *userdata) {
        History *h = TQ_CONTAINER_OF(task, History, task);

        (void)userdata;
        if (commit_is_leaving(h->commit))
                return;
        if (h->result < 0) {
                /* Whoever needs the ledger will say so. */
                h->is_busy = false;
                return;
        }
        if (h->step == STEP_COUNT)
                on_counted(h);
        else if (h->step == STEP_LOG)
                on_log(h);
        else {
                h->next_job = 0;
                h->step = STEP_FORGET;
                forget_some(h);
        }
}

static void ask(History *h) {
        h->task = (TqTask){ .run = on_run, .done = on_done };
        tq_list_init(&h->task.link);
        commit_ask(h->commit, &h->task);
}

/* Steps: on the loop --------------------------------------------------------------------------- */

static bool begin_tenant(History *h) {
        TqList *first = tq_list_first(&h->due);
        Entry *e = first ? TQ_LIST_ENTRY(first, Entry, due) : NULL;

        if (!e)
                return false;
        tq_list_unlink(first);
        e->ended = 0;
        h->tenant = e->tenant;
        return true;
}

static void begin_to_count(History *h) {
        h->is_stale = false;
        h->step = STEP_COUNT;
        h->cursor = 0;
        memset(h->sum, 0, sizeof(h->sum));
}

static void next(History *h) {
        uint64_t now = tq_clock_realtime_usec();

        h->is_busy = true;
        if (h->tenant == 0) {
                if (!begin_tenant(h)) {
                        h->step = STEP_LOG;
                        h->is_busy = h->logs_due != 0;
                        h->log = h->logs_due & LOG_EVENTS ? LOG_EVENTS : LOG_AUDIT;
                        if (h->is_busy)
                                ask(h);
                        return;
                }
                h->is_stale = true;
        }
        if (h->is_stale)
                begin_to_count(h);
        if (h->step == STEP_FORGET) {
                forget_some(h);
                return;
        }
        h->old = (TqLedgerOld){
                .tenant = h->tenant,
                .after = h->cursor,
                .now_usec = now,
                .keep_usec = retention(h)->keep_usec,
                .dead_before_usec = before(now, retention(h)->dead_age_usec),
                .key_before_usec = before(now, retention(h)->key_window_usec),
        };
        ask(h);
}

static int on_pace(sd_event_source *source, uint64_t usec, void *userdata) {
        History *h = userdata;

        (void)source;
        (void)usec;
        if (commit_fault(h->commit))
                h->is_busy = false;
        else
                next(h);
        return 0;
}

static void begin(History *h) {
        if (!h->is_busy && h->is_started) {
                /* What it had read when it was interrupted may not be so any more. */
                h->is_stale = true;
                h->is_busy = true;
                go_on(h);
        }
}

bool history_is_forgetting(const History *h, uint64_t job) {
        for (size_t i = h->going_from; i < h->going_to; i++)
                if (h->jobs[i].job == job)
                        return h->jobs[i].may_go;
        return false;
}

static void look(History *h) {
        size_t position = 0;
        const Tenant *t;

        while ((t = tenants_next(h->tenants, &position)))
                make_due(h, t->id);
        h->logs_due = LOG_EVENTS | LOG_AUDIT;
        begin(h);
}

void history_look(History *h) {
        h->is_stale = true;
        look(h);
}

static int on_hour(sd_event_source *source, uint64_t usec, void *userdata) {
        (void)usec;
        look(userdata);
        (void)sd_event_source_set_time_relative(source, AGAIN_USEC);
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

void history_job_ended(History *h, uint32_t tenant) {
        Entry *e = entry_of(h, tenant);

        if (!e || ++e->ended < TQ_MAX((uint64_t)MANY, TQ_MIN(retention(h)->jobs, e->jobs) / 10))
                return;
        make_due(h, tenant);
        begin(h);
}

/* Life ----------------------------------------------------------------------------------------- */

void history_start(History *h) {
        h->is_started = true;
        if (sd_event_source_set_time_relative(h->hourly, FIRST_USEC) >= 0)
                (void)sd_event_source_set_enabled(h->hourly, SD_EVENT_ONESHOT);
}

static int add_timer(History *h, uint64_t accuracy, sd_event_time_handler_t handler,
                     sd_event_source **ret) {
        int r = sd_event_add_time(h->event, ret, CLOCK_BOOTTIME, 0, accuracy, handler, h);

        if (r >= 0)
                r = sd_event_source_set_priority(*ret, SD_EVENT_PRIORITY_IDLE);
        return r < 0 ? r : sd_event_source_set_enabled(*ret, SD_EVENT_OFF);
}

int history_new(sd_event *event, Commit *commit, const Tenants *tenants, const Settings *settings,
                const TqScheduler *scheduler, History **ret) {
        History *h = calloc(1, sizeof(*h));
        int r;

        if (!h)
                return -ENOMEM;
        *h = (History){ .event = event,
                        .commit = commit,
                        .tenants = tenants,
                        .settings = settings,
                        .scheduler = scheduler };
        tq_list_init(&h->due);
        r = add_timer(h, TQ_USEC_PER_SEC, on_hour, &h->hourly);
        if (r >= 0)
                r = add_timer(h, TQ_USEC_PER_MSEC, on_pace, &h->pace);
        if (r < 0) {
                (void)history_free(h);
                return r;
        }
        *ret = h;
        return 0;
}

History *history_free(History *h) {
        size_t position = 0;
        Entry *e;

        if (!h)
                return NULL;
        (void)sd_event_source_disable_unref(h->hourly);
        (void)sd_event_source_disable_unref(h->pace);
        while ((e = tq_map_next(&h->entries, &position)))
                free(e);
        tq_map_done(&h->entries);
        free(h);
        return NULL;
}
