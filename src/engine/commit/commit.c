/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <stdio.h>
#include <sys/epoll.h>

#include "base/clock.h"
#include "base/log.h"
#include "engine/commit/commit_private.h"

/* What a turn of the loop decides is collected as changes of the ledger and effects; the changes
 * are committed in one transaction on the worker's thread, and only when that has succeeded are the
 * effects performed. While one batch is being committed the next one fills: the slower the disk,
 * the larger the batches. What nobody hurries for (the end of a job whose slot the next one has
 * already) waits for what is about to come (that the next one runs) and is committed with it.
 *
 * A commit that fails is not tried again: after a failed fsync the kernel may have dropped the
 * pages, and a second attempt would "succeed" without them. Everything is degraded from then on.
 *
 * One exception is a full disk, which SQLite meets when it writes, before anything is synced: the
 * transaction is rolled back, and is the same transaction when there is room. For that a reserve
 * (store/reserve.h) is given back to the disk: jobs that run can end. Nothing is accepted or
 * started until the reserve could be made again and a commit has succeeded. If not even the reserve
 * is enough, the batch waits, and so does all that follows it, but for what hurries. */

#define LARGE 1024 /* changes: some 20 ms */

static void record(Batch *b) {
        Commit *c = b->commit;

        /* A claim's rename out of the tenant's directory must be on the disk before the job is, or
         * a power cut could bring both back. */
        if (b->result >= 0 && b->has_claims && fsync(c->claims_fd) < 0)
                b->result = tq_errno();
        if (b->result >= 0)
                b->result = tq_ledger_check(c->ledger);
        b->has_new_log = b->result > 0;
        if (b->result < 0 || b->n_ops == 0)
                return;
        b->result = tq_ledger_apply(c->ledger, b->ops, b->n_ops);
        if (b->result != -ENOSPC)
                return;
        b->took_reserve = true;
        if (tq_reserve_release(&c->reserve))
                b->result = tq_ledger_apply(c->ledger, b->ops, b->n_ops);
}

static void on_run(TqTask *task) {
        record(TQ_CONTAINER_OF(task, Batch, task));
}

static void on_done(TqTask *task, void *userdata) {
        Batch *b = TQ_CONTAINER_OF(task, Batch, task);
        Commit *c = b->commit;

        (void)userdata;
        c->is_committing = false;
        if (b->took_reserve)
                fault_full(c);
        if (b->has_new_log)
                tq_log_about(LOG_ERR, (TqLogAbout){ .id = TQ_LOG_MADE_AGAIN },
                             "the ledger's log (%s-wal) had gone; nothing of it is lost, and it "
                             "was made again",
                             c->path);
        if (b->result == -ENOSPC && c->state == STATE_FULL) {
                c->stalled = b;
                batch_perform(b, -ENOSPC, true);
                fault_probe_later(c);
                return;
        }
        if (b->result < 0)
                commit_degrade(c, b->result);
        else if (b->is_probe && !b->took_reserve)
                fault_room(c);
        else if (b->is_probe)
                fault_probe_later(c);
        batch_perform(b, b->result, false);
        if (b->result >= 0 && c->recorded && !c->is_leaving)
                c->recorded(c->recorded_data, b->ops, b->n_ops);
        (void)batch_free(b);
        if (!c->is_leaving)
                commit_flush(c);
}

void commit_submit(Commit *c, Batch *b) {
        c->is_committing = true;
        b->took_reserve = false;
        b->result = c->state == STATE_DEGRADED ? -EIO : 0; /* record() leaves it at that */
        b->task = (TqTask){ .run = on_run, .done = on_done };
        tq_list_init(&b->task.link);
        tq_worker_submit(c->worker, &b->task, true);
}

/* Without a timer it does not wait. */
static bool waits(Commit *c, const Batch *b) {
        uint64_t now;

        if (b->is_pressing || b->n_ops == 0 || !c->is_coming || !c->is_coming(c->is_coming_data))
                return false;
        now = tq_clock_monotonic_usec();
        if (c->patient_until == 0)
                c->patient_until = tq_add_u64(now, COMMIT_PATIENCE_USEC);
        return now < c->patient_until &&
               sd_event_source_set_time(c->patience_source, c->patient_until) >= 0 &&
               sd_event_source_set_enabled(c->patience_source, SD_EVENT_ONESHOT) >= 0;
}

void commit_flush(Commit *c) {
        Batch *b = c->batch;

        if (b && c->stalled)
                batch_perform(b, -ENOSPC, true);
        if (!b || c->is_committing || c->stalled || !c->worker || waits(c, b))
                return;
        c->patient_until = 0;
        (void)sd_event_source_set_enabled(c->patience_source, SD_EVENT_OFF);
        if (c->flushing && b->n_ops > 0 && c->state == STATE_WELL)
                c->flushing(c->flushing_data);
        c->batch = NULL;
        commit_submit(c, b);
}

static int on_collect(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        Commit *c = userdata;

        (void)source;
        (void)fd;
        (void)revents;
        tq_worker_collect(c->worker);
        return 0;
}

static int on_post(sd_event_source *source, void *userdata) {
        (void)source;
        commit_flush(userdata);
        return 0;
}

static int on_patience(sd_event_source *source, uint64_t usec, void *userdata) {
        (void)source;
        (void)usec;
        commit_flush(userdata);
        return 0;
}

void commit_on_patience(Commit *c, bool (*is_coming)(void *data), void *data) {
        c->is_coming = is_coming;
        c->is_coming_data = data;
}

void commit_on_recorded(Commit *c, CommitRecorded recorded, void *data) {
        c->recorded = recorded;
        c->recorded_data = data;
}

void commit_on_flush(Commit *c, void (*flushing)(void *data), void *data) {
        c->flushing = flushing;
        c->flushing_data = data;
}

bool commit_is_large(const Commit *c) {
        return c->is_committing && c->batch && c->batch->n_ops >= LARGE;
}

bool commit_is_leaving(const Commit *c) {
        return c->is_leaving;
}

TqLedgerNumbers *commit_numbers(Commit *c) {
        return &c->numbers;
}

TqLedger *commit_ledger(Commit *c) {
        return c->ledger;
}

void commit_ask(Commit *c, TqTask *task) {
        tq_worker_submit(c->worker, task, false);
}

int commit_replace_claims(Commit *c, int fd) {
        /* In place: the worker may be using the number. */
        int r = dup3(fd, c->claims_fd, O_CLOEXEC) < 0 ? tq_errno() : 0;

        (void)tq_close(fd);
        return r;
}

/* Life ---------------------------------------------------------------------------------------- */

int commit_new(sd_event *event, const char *path, int claims_fd, Commit **ret) {
        TQ_FREE char *name = NULL;
        Commit *c = calloc(1, sizeof(*c));

        if (!c)
                return -ENOMEM;
        c->event = event;
        c->path = path;
        c->claims_fd = claims_fd;
        if (asprintf(&name, "%s-reserve", path) < 0 ||
            tq_reserve_init(&c->reserve, name, TQ_RESERVE_BYTES) < 0) {
                free(c);
                return -ENOMEM;
        }
        *ret = c;
        return 0;
}

int commit_open(Commit *c, const uint8_t boot_id[16], TqError *err) {
        int r = tq_ledger_open(c->path, boot_id, &c->ledger, err);

        if (r < 0)
                return r;
        r = tq_ledger_numbers(c->ledger, &c->numbers);
        return r < 0 ? tq_error_errno(err, r, "ledger") : 0;
}

int commit_start(Commit *c) {
        int r;

        r = tq_worker_new(NULL, &c->worker);
        if (r >= 0)
                r = sd_event_add_io(c->event, &c->worker_source, tq_worker_fd(c->worker), EPOLLIN,
                                    on_collect, c);
        if (r >= 0)
                r = sd_event_add_post(c->event, &c->post_source, on_post, c);
        if (r >= 0)
                r = sd_event_add_time(c->event, &c->probe_source, CLOCK_MONOTONIC, 0,
                                      TQ_USEC_PER_SEC / 10, fault_on_probe, c);
        if (r >= 0)
                r = sd_event_source_set_enabled(c->probe_source, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_add_time(c->event, &c->patience_source, CLOCK_MONOTONIC, 0, 1,
                                      on_patience, c);
        if (r >= 0)
                r = sd_event_source_set_enabled(c->patience_source, SD_EVENT_OFF);
        if (r < 0)
                return r;
        r = tq_reserve_make(&c->reserve);
        if (r == -ENOSPC) {
                fault_full(c);
                r = 0;
        }
        return r;
}

/* False: it is not recorded, and so nothing after it may be. */
static bool leave_batch(Commit *c, Batch *b, bool may_be) {
        bool is_recorded;

        if (!b)
                return may_be;
        b->result = -EIO;
        if (may_be && c->ledger && c->state != STATE_DEGRADED) {
                b->result = 0;
                record(b);
        }
        is_recorded = b->result >= 0;
        batch_perform(b, -ECANCELED, false);
        (void)batch_free(b);
        return is_recorded;
}

void commit_leave(Commit *c) {
        bool may_be;

        c->is_leaving = true;
        c->worker_source = sd_event_source_disable_unref(c->worker_source);
        c->post_source = sd_event_source_disable_unref(c->post_source);
        c->probe_source = sd_event_source_disable_unref(c->probe_source);
        c->patience_source = sd_event_source_disable_unref(c->patience_source);
        c->worker = tq_worker_free(c->worker);
        /* What there was no room for, then what came during the last commit. */
        may_be = leave_batch(c, c->stalled, true);
        c->stalled = NULL;
        (void)leave_batch(c, c->batch, may_be);
        c->batch = NULL;
        c->ledger = tq_ledger_close(c->ledger);
}

Commit *commit_free(Commit *c) {
        if (!c)
                return NULL;
        if (!c->is_leaving)
                commit_leave(c);
        tq_reserve_done(&c->reserve);
        free(c);
        return NULL;
}
