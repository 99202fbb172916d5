/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/dispatch/load.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "conf/jobfile.h"
#include "core/trail.h"
#include "engine/dispatch/daytime.h"

/* After a start each job of the ledger becomes one of the scheduler's, in the way that
 * recovery_decide() says. No row stops a start: one that this program would not have written is
 * left as it is. */

/* What of the job file the scheduler needs. A stored file that no longer parses (an older version
 * took it) ends as a launch failure, not as a lost job. */
static void parse_bounds(const TqLedgerLive *row, TqEvent *event) {
        TqJobSpec spec = {};

        if (tq_jobfile_parse(row->spec, row->spec_size, &spec, NULL, NULL, NULL) < 0)
                return;
        event->j.runtime_usec = tq_limits_get(&spec.limits, TQ_KEY_RUNTIME, TQ_LIMIT_MAX);
        event->j.stop_usec = spec.stop_timeout_usec;
        tq_jobspec_done(&spec);
}

static void read_bounds(const TqLedgerLive *row, TqEvent *event) {
        event->j.runtime_usec = row->has_bounds ? row->runtime_usec : TQ_LIMIT_MAX;
        event->j.stop_usec = row->has_bounds ? row->stop_usec : TQ_JOB_STOP_USEC;
        event->j.memory_bytes = row->memory_bytes;
        /* What has crashed us so often is read no more, whatever has become of it since. */
        if (!row->has_bounds && row->crashes < TQ_CRASHES_MOST)
                parse_bounds(row, event);
}

/* It runs, or did. end NULL: it lives. */
static int adopt(Load *t, const TqLedgerLive *row, TqEvent *event, const TqEnd *end) {
        int r;

        event->type = TQ_EVENT_ADOPT;
        event->attempt = row->attempt;
        event->j.stop = row->stop;
        /* By the clock that durations are measured with; of another boot, or written by an older
         * version, as near as the clock of the day tells. */
        event->j.running_since =
                row->has_boottime
                        ? row->released_boottime_usec
                        : tq_sub_u64(tq_clock_boottime_usec(),
                                     tq_sub_u64(tq_clock_realtime_usec(), row->released_usec));
        ((Job *)event->j.userdata)->is_sent = true;
        r = feed_step(t->feed, event);
        if (r < 0 || !end)
                return r;
        return feed_step(t->feed, &(TqEvent){ .type = TQ_EVENT_ENDED,
                                              .job = row->id,
                                              .attempt = row->attempt,
                                              .end = end });
}

static void send(Load *t, TqMessageType type, const StockItem *item) {
        (void)tq_link_send_attempt(t->link, type, item->handle, item->job, item->attempt);
}

static int queue(Load *t, const TqLedgerLive *row, const TqEvent *event) {
        int r = feed_step(t->feed, event);

        return r >= 0 && row->after && row->attempt == 0
                       ? afters_settle_now(t->afters, row->id, row->tenant, row->after)
                       : r;
}

/* How often it may be tried, and when it is next. A clock that was set back makes it wait no longer
 * than its file says. */
static int read_retry(const TqLedgerLive *row, Job *job, TqEvent *event, TqRetry *ret) {
        uint64_t now = tq_clock_boottime_usec(), most;
        int r;

        event->j.failures = row->failures;
        if (!row->retry)
                return 0;
        r = tq_retry_parse(row->retry, ret);
        if (r < 0)
                return r;
        event->j.retry = ret;
        if (row->was_running || row->retry_usec == 0)
                return 0;
        most = tq_add_u64(now, tq_retry_delay(ret, row->failures, row->id));
        event->j.again_at = TQ_MAX(TQ_MIN(daytime_to_boottime(row->retry_usec), most), UINT64_C(1));
        if (!row->verdict)
                return 0;
        if (!job_ensure_cold(job))
                return -ENOMEM;
        job->cold->failed_as = strdup(row->verdict);
        return job->cold->failed_as ? 0 : -ENOMEM;
}

static int follow(Load *t, const TqLedgerLive *row, TqEvent *event, const StockItem *item) {
        TqEnd unknown = { .kind = TQ_END_UNKNOWN };
        int r;

        switch (recovery_decide(row->was_running, row->attempt, item)) {
        case RECOVERY_ADOPT:
                return adopt(t, row, event, NULL);
        case RECOVERY_END:
                return adopt(t, row, event, &item->end);
        case RECOVERY_LOST:
                memset(&unknown.counters, 0xFF, sizeof(unknown.counters));
                /* Of another attempt than the ledger's: a launch that nobody recorded. */
                if (item)
                        send(t, item->has_ended ? TQ_MESSAGE_ACK : TQ_MESSAGE_ABORT, item);
                return adopt(t, row, event, &unknown);
        case RECOVERY_DEFER:
                r = recovery_defer(t->recovery, event);
                if (r >= 0)
                        send(t, TQ_MESSAGE_ABORT, item);
                return r;
        case RECOVERY_FORGET:
                send(t, TQ_MESSAGE_ACK, item);
                return queue(t, row, event);
        default:
                return queue(t, row, event);
        }
}

static int leave(Load *t, const TqLedgerLive *row, Job *job, const StockItem *item, int error) {
        if (error == -ENOMEM || tq_scheduler_job(feed_scheduler(t->feed), row->id))
                return error;
        tq_log_about(LOG_ERR, (TqLogAbout){ .job = row->id, .trail = job_cold(job)->trail },
                     "job %" PRIu64 " of the ledger can't be taken up (%s); it is left there",
                     row->id, strerror(-error));
        /* What may have run is left to a start that understands its row, with its record. */
        if (item && !row->was_running)
                send(t, item->has_ended ? TQ_MESSAGE_ACK : TQ_MESSAGE_ABORT, item);
        (void)job_free(job);
        return 0;
}

/* Why it is held, and that it is. */
static int read_quarantine(const Load *t, const TqLedgerLive *row, Job *job, TqEvent *event) {
        bool is_culprit = t->crash->job == row->id;
        const char *why = row->quarantine;

        if (is_culprit && !t->crash->is_recorded && !row->was_running)
                why = t->crash->why;
        if (!why)
                return 0;
        if (is_culprit)
                t->quarantined(t->data, row->tenant, job, why);
        event->j.is_held = job->is_held_by_admin = true;
        if (!job_ensure_cold(job))
                return -ENOMEM;
        job->cold->quarantine = strdup(why);
        return job->cold->quarantine ? 0 : -ENOMEM;
}

static int take_up(Load *t, const TqLedgerLive *row) {
        TQ_FREE StockItem *item = recovery_take(t->recovery, row->id);
        Job *job = job_new(row->id);
        JobTimes times = { .start_after_usec = row->start_after_usec,
                           .has_deadline = row->has_deadline,
                           .deadline_usec = row->deadline_usec };
        TqAfter after[TQ_JOB_AFTER_MAX];
        char *trail = NULL;
        TqRetry retry;
        TqEvent event = {
                .type = TQ_EVENT_SUBMIT,
                .tenant = row->tenant,
                .job = row->id,
                .attempt = row->attempt + 1,
                .j = { .queue = row->queue,
                       .priority = row->priority,
                       .name = tq_scheduler_name(row->name),
                       .spool_bytes = row->spec_size,
                       .is_held = row->hold != TQ_HOLD_NONE,
                       .after = after,
                       .userdata = job,
                       .is_promised = true },
        };
        int r;

        if (!job)
                return -ENOMEM;
        /* What has run has waited already. */
        r = row->attempt > 0 ? 0 : afters_keep(job, row->after, after, &event.j.n_after);
        if (r >= 0)
                r = tq_trail_new(row->correlation_id, row->labels, row->trace_parent, &trail);
        if (r >= 0)
                r = job_take_trail(job, trail);
        if (r >= 0)
                r = job_set_times(job, &times);
        if (r >= 0) {
                job->is_held_by_admin = row->hold == TQ_HOLD_ADMIN;
                r = read_quarantine(t, row, job, &event);
        }
        if (r >= 0) {
                daytime_fill(&times, &event);
                read_bounds(row, &event);
                r = read_retry(row, job, &event, &retry);
        }
        if (r >= 0)
                r = follow(t, row, &event, item);
        return r < 0 ? leave(t, row, job, item, r) : 0;
}

static int on_live(void *userdata, const TqLedgerLive *row) {
        Load *t = userdata;
        TqCrumb *crumb = tq_link_crumb(t->link);
        TqCrumb before = tq_crumb_leave(
                crumb,
                (TqCrumb){ .kind = TQ_CRUMB_JOB, .number = row->id, .uid = TQ_CRUMB_NOBODY });
        int r = take_up(t, row);

        tq_crumb_put_back(crumb, before);
        return r;
}

int load_run(Load *t) {
        StockItem *item;
        int r;

        r = tq_ledger_each_live(commit_ledger(t->commit), on_live, t);
        /* What is left is in nobody's ledger. */
        while (r >= 0 && (item = recovery_take_rest(t->recovery))) {
                send(t, item->has_ended ? TQ_MESSAGE_ACK : TQ_MESSAGE_ABORT, item);
                free(item);
        }
        return r;
}
