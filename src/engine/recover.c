/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "base/clock.h"
#include "conf/jobfile.h"
#include "engine/engine.h"

/* After a start: the ledger says what was promised, the supervisor says what is (cgroups) and what
 * ended (result records), and the scheduler is fed the difference.
 *
 *   ledger     stock      what follows
 *   running    lives      adopted
 *   running    ended      adopted, then ended: the verdict of its record
 *   running    nothing    lost: the host went down, or its record did
 *   queued     nothing    queued
 *   queued     ended      a launch that was never released: queued
 *   queued     lives      the same, still leaving: aborted, queued when it has gone
 *   done, none any        a launch that nobody recorded: aborted, forgotten
 *
 * "running" was committed before the barrier was released, so a queued job's launch has not
 * executed anything, and a running one's may have; its record tells (models: start protocol). */

typedef struct StockItem {
        uint64_t job;
        unsigned attempt;
        uint32_t handle;
        bool has_ended;
        TqEnd end;
} StockItem;

/* A queued job that waits for an old launch to leave. */
typedef struct Held {
        TqEvent event;
        char queue[TQ_QUEUE_NAME_MAX + 1];
} Held; /* its After= was met: it had been launched */

int recover_note(Engine *e, uint64_t job, unsigned attempt, uint32_t handle, const TqEnd *end) {
        StockItem *item = calloc(1, sizeof(*item));

        if (!item)
                return -ENOMEM;
        *item = (StockItem){
                .job = job, .attempt = attempt, .handle = handle, .has_ended = end != NULL
        };
        if (end)
                item->end = *end;
        /* A launch whose acceptance was never committed: its number is not given away again. */
        e->numbers.next_job = TQ_MAX(e->numbers.next_job, job + 1);
        if (tq_map_put(&e->stock, job, item) < 0) {
                free(item);
                return -ENOMEM;
        }
        return 0;
}

/* What of the job file the scheduler needs. A stored file that no longer parses (an older version
 * took it) ends as a launch failure, not as a lost job. */
static void read_bounds(const TqLedgerLive *row, TqEvent *event) {
        TqJobSpec spec = {};

        event->j.runtime_usec = row->has_bounds ? row->runtime_usec : TQ_LIMIT_MAX;
        event->j.stop_usec = row->has_bounds ? row->stop_usec : TQ_JOB_STOP_USEC;
        event->j.memory_bytes = row->memory_bytes;
        if (row->has_bounds ||
            tq_jobfile_parse(row->spec, row->spec_size, &spec, NULL, NULL, NULL) < 0)
                return;
        event->j.runtime_usec = tq_limits_get(&spec.limits, TQ_KEY_RUNTIME, TQ_LIMIT_MAX);
        event->j.stop_usec = spec.stop_timeout_usec;
        tq_jobspec_done(&spec);
}

static int recover_running(Engine *e, const TqLedgerLive *row, TqEvent *event,
                           const StockItem *item) {
        TqEnd unknown = { .kind = TQ_END_UNKNOWN };
        int r;

        memset(&unknown.counters, 0xFF, sizeof(unknown.counters));
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
        ((EngineJob *)event->j.userdata)->is_sent = true;
        r = dispatch_step(e, event);
        if (r < 0)
                return r;
        if (item && !item->has_ended && item->attempt == row->attempt)
                return 0;
        return dispatch_step(
                e,
                &(TqEvent){ .type = TQ_EVENT_ENDED,
                            .job = row->id,
                            .attempt = row->attempt,
                            .end = item && item->attempt == row->attempt ? &item->end : &unknown });
}

static int hold(Engine *e, const TqEvent *event, const StockItem *item) {
        Held *held = calloc(1, sizeof(*held));

        if (!held)
                return -ENOMEM;
        held->event = *event;
        (void)snprintf(held->queue, sizeof(held->queue), "%s", event->j.queue);
        held->event.j.queue = held->queue;
        held->event.j.after = NULL;
        held->event.j.n_after = 0;
        if (tq_map_put(&e->aborting, event->job, held) < 0) {
                free(held);
                return -ENOMEM;
        }
        dispatch_send(e, TQ_MESSAGE_ABORT, item->handle, item->job, item->attempt);
        return 0;
}

/* No row stops a start: one that this program would not have written is left as it is. */
static int leave(Engine *e, const TqLedgerLive *row, EngineJob *job, const StockItem *item,
                 int error) {
        if (error == -ENOMEM || tq_scheduler_job(e->scheduler, row->id))
                return error;
        engine_say(SD_ERR, "job %" PRIu64 " of the ledger can't be taken up (%s); it is left there",
                   row->id, strerror(-error));
        /* What may have run is left to a start that understands its row, with its record. */
        if (item && !row->was_running)
                dispatch_send(e, item->has_ended ? TQ_MESSAGE_ACK : TQ_MESSAGE_ABORT, item->handle,
                              item->job, item->attempt);
        (void)dispatch_job_free(e, job);
        return 0;
}

static int on_live(void *userdata, const TqLedgerLive *row) {
        Engine *e = userdata;
        StockItem *item = tq_map_remove(&e->stock, row->id);
        EngineJob *job = dispatch_job_new(row->id);
        TqAfter after[TQ_JOB_AFTER_MAX];
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
        int r = job ? 0 : -ENOMEM;

        /* What runs has waited already. */
        if (r >= 0 && !row->was_running)
                r = after_keep(job, row->after, after, &event.j.n_after);
        if (r < 0) {
                r = job ? leave(e, row, job, item, r) : r;
                free(item);
                return r;
        }
        job->start_after_usec = row->start_after_usec;
        job->has_deadline = row->has_deadline;
        job->deadline_usec = row->deadline_usec;
        daytime_fill(job, &event);
        job->is_held_by_admin = row->hold == TQ_HOLD_ADMIN;
        read_bounds(row, &event);
        if (row->was_running)
                r = recover_running(e, row, &event, item);
        else if (item && !item->has_ended)
                r = hold(e, &event, item);
        else {
                if (item)
                        dispatch_send(e, TQ_MESSAGE_ACK, item->handle, item->job, item->attempt);
                r = dispatch_step(e, &event);
                if (r >= 0 && row->after)
                        r = after_settle_now(e, row->id, row->tenant, row->after);
        }
        if (r < 0)
                r = leave(e, row, job, item, r);
        free(item);
        return r;
}

int recover_settle(Engine *e) {
        size_t position = 0;
        StockItem *item;
        int r;

        r = tq_ledger_each_live(e->ledger, on_live, e);
        if (r < 0)
                return r;
        /* What is left is in nobody's ledger. */
        while ((item = tq_map_next(&e->stock, &position))) {
                dispatch_send(e, item->has_ended ? TQ_MESSAGE_ACK : TQ_MESSAGE_ABORT, item->handle,
                              item->job, item->attempt);
                free(item);
        }
        tq_map_done(&e->stock);
        return 0;
}

/* The end of a launch that recovery aborted: true if that is what it was. */
bool recover_on_ended(Engine *e, const TqEndedMessage *m) {
        Held *held = tq_map_remove(&e->aborting, m->job);

        if (!held)
                return false;
        dispatch_send(e, TQ_MESSAGE_ACK, m->tenant, m->job, m->attempt);
        (void)dispatch_step(e, &held->event);
        free(held);
        return true;
}
