/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/commit/commit.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <fcntl.h>

#include "base/clock.h"
#include "base/log.h"

/* What a turn of the loop decides is collected as changes of the ledger and effects; the changes
 * are committed in one transaction on the worker's thread, and only when that has succeeded are the
 * effects performed. While one batch is being committed the next one fills: the slower the disk,
 * the larger the batches.
 *
 * A commit that fails is not tried again: after a failed fsync the kernel may have dropped the
 * pages, and a second attempt would "succeed" without them. Everything is degraded from then on. */

#define LARGE 1024 /* changes: some 20 ms */

typedef struct Effect {
        CommitEffect perform;
        _Alignas(max_align_t) char data[COMMIT_DATA_MAX];
} Effect;

typedef struct Batch {
        TqTask task;
        Commit *commit;
        TqLedgerOp *ops;
        size_t n_ops, allocated_ops;
        Effect *effects;
        size_t n_effects, allocated_effects;
        bool has_claims;  /* their renames must be durable first */
        bool has_new_log; /* somebody had removed the ledger's */
        int result;
} Batch;

struct Commit {
        sd_event *event;
        const char *path;
        int claims_fd;
        TqLedger *ledger;
        TqLedgerNumbers numbers;
        TqWorker *worker;
        sd_event_source *worker_source, *post_source;
        Batch *batch; /* of this turn */
        bool is_committing, is_degraded, is_leaving;
        int error; /* is_degraded: negative errno */
        void (*degraded)(void *data);
        void *degraded_data;
};

static Batch *batch_free(Batch *b) {
        if (!b)
                return NULL;
        for (size_t i = 0; i < b->n_ops; i++)
                tq_ledger_op_done(&b->ops[i]);
        free(b->ops);
        free(b->effects);
        free(b);
        return NULL;
}

static Batch *current(Commit *c) {
        if (!c->batch) {
                c->batch = calloc(1, sizeof(*c->batch));
                if (c->batch)
                        c->batch->commit = c;
        }
        return c->batch;
}

/* Room for one more item in a growing array. */
static bool make_room(void **items, size_t n, size_t *allocated, size_t size) {
        size_t more = TQ_MAX(*allocated * 2, (size_t)32);
        void *bigger;

        if (n < *allocated)
                return true;
        bigger = realloc(*items, more * size);
        if (!bigger)
                return false;
        *items = bigger;
        *allocated = more;
        return true;
}

TqLedgerOp *commit_op(Commit *c, TqLedgerOpType type) {
        Batch *b = current(c);
        TqLedgerOp *op;

        if (!b || !make_room((void **)&b->ops, b->n_ops, &b->allocated_ops, sizeof(*b->ops))) {
                commit_degrade(c, -ENOMEM);
                return NULL;
        }
        op = &b->ops[b->n_ops++];
        *op = (TqLedgerOp){ .type = type,
                            .time_usec = tq_clock_realtime_usec(),
                            .boottime_usec = tq_clock_boottime_usec() };
        return op;
}

int commit_copy(Commit *c, const char *text, char **ret) {
        *ret = text ? strdup(text) : NULL;
        if (*ret || !text)
                return 0;
        commit_degrade(c, -ENOMEM);
        return -ENOMEM;
}

void *commit_then(Commit *c, CommitEffect effect, size_t size) {
        Batch *b = current(c);
        Effect *e;

        assert(size <= COMMIT_DATA_MAX);
        if (!b || !make_room((void **)&b->effects, b->n_effects, &b->allocated_effects,
                             sizeof(*b->effects))) {
                commit_degrade(c, -ENOMEM);
                return NULL;
        }
        e = &b->effects[b->n_effects++];
        e->perform = effect;
        memset(e->data, 0, size);
        return e->data;
}

void commit_sync_claims(Commit *c) {
        if (c->batch)
                c->batch->has_claims = true;
}

size_t commit_mark(const Commit *c) {
        return c->batch ? c->batch->n_ops : 0;
}

void commit_rewind(Commit *c, size_t mark) {
        while (c->batch && c->batch->n_ops > mark)
                tq_ledger_op_done(&c->batch->ops[--c->batch->n_ops]);
}

/* Committing ---------------------------------------------------------------------------------- */

static void record(Batch *b) {
        Commit *c = b->commit;

        /* A claim's rename out of the tenant's directory must be on the disk before the job is, or
         * a power cut could bring both back. */
        if (b->result >= 0 && b->has_claims && fsync(c->claims_fd) < 0)
                b->result = tq_errno();
        if (b->result >= 0)
                b->result = tq_ledger_check(c->ledger);
        b->has_new_log = b->result > 0;
        if (b->result >= 0 && b->n_ops > 0)
                b->result = tq_ledger_apply(c->ledger, b->ops, b->n_ops);
}

static void on_run(TqTask *task) {
        record(TQ_CONTAINER_OF(task, Batch, task));
}

static void flush(Commit *c);

static void perform(Batch *b, int result) {
        for (size_t i = 0; i < b->n_effects; i++)
                b->effects[i].perform(b->effects[i].data, TQ_MIN(result, 0));
}

static void on_done(TqTask *task, void *userdata) {
        Batch *b = TQ_CONTAINER_OF(task, Batch, task);
        Commit *c = b->commit;

        (void)userdata;
        c->is_committing = false;
        if (b->has_new_log)
                tq_log_about(LOG_ERR, (TqLogAbout){ .id = TQ_LOG_MADE_AGAIN },
                             "the ledger's log (%s-wal) had gone; nothing of it is lost, and it "
                             "was made again",
                             c->path);
        if (b->result < 0)
                commit_degrade(c, b->result);
        perform(b, b->result);
        (void)batch_free(b);
        if (!c->is_leaving)
                flush(c);
}

static void flush(Commit *c) {
        Batch *b = c->batch;

        if (!b || c->is_committing || !c->worker)
                return;
        c->batch = NULL;
        c->is_committing = true;
        b->task = (TqTask){ .run = on_run, .done = on_done };
        tq_list_init(&b->task.link);
        if (c->is_degraded)
                b->result = -EIO; /* record() leaves it at that */
        tq_worker_submit(c->worker, &b->task, true);
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
        flush(userdata);
        return 0;
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

/* Degraded ------------------------------------------------------------------------------------ */

/* What ended the recording, and what somebody can do. */
typedef struct Degradation {
        int error; /* 0: any other */
        const char *what, *mend;
} Degradation;

static const Degradation *degradation_of(const Commit *c) {
        static const Degradation all[] = {
                { -ENOMEM, "memory ran out", "give tenantq memory, then restart it" },
                { -ESTALE, "the ledger's file was removed or replaced",
                  "bring it back, from a backup if need be, then restart tenantq" },
                { 0, "the ledger could not be written", "mend the disk, then restart tenantq" },
        };
        const Degradation *d = all;

        while (d->error != 0 && d->error != c->error)
                d++;
        return d;
}

void commit_on_degraded(Commit *c, void (*degraded)(void *data), void *data) {
        c->degraded = degraded;
        c->degraded_data = data;
}

void commit_degrade(Commit *c, int error) {
        const Degradation *d;

        if (c->is_degraded)
                return;
        c->is_degraded = true;
        c->error = error;
        d = degradation_of(c);
        tq_log_about(LOG_CRIT, (TqLogAbout){ .id = TQ_LOG_DEGRADED },
                     "DEGRADED: %s (%s). Nothing is accepted or started any more; running jobs go "
                     "on. %c%s",
                     d->what, strerror(-error), toupper(d->mend[0]), d->mend + 1);
        if (c->degraded)
                c->degraded(c->degraded_data);
}

const char *commit_fault(const Commit *c) {
        return c->is_degraded ? degradation_of(c)->what : NULL;
}

const char *commit_explain(const Commit *c, char *buf, size_t size) {
        const Degradation *d = degradation_of(c);

        (void)snprintf(buf, size, "%s: %s", d->what, d->mend);
        return buf;
}

/* Life ---------------------------------------------------------------------------------------- */

int commit_new(sd_event *event, const char *path, int claims_fd, Commit **ret) {
        Commit *c = calloc(1, sizeof(*c));

        if (!c)
                return -ENOMEM;
        c->event = event;
        c->path = path;
        c->claims_fd = claims_fd;
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
        return r;
}

void commit_leave(Commit *c) {
        c->is_leaving = true;
        c->worker_source = sd_event_source_disable_unref(c->worker_source);
        c->post_source = sd_event_source_disable_unref(c->post_source);
        c->worker = tq_worker_free(c->worker);
        /* What came during the last commit. */
        if (c->batch && c->ledger && !c->is_degraded)
                record(c->batch);
        if (c->batch)
                perform(c->batch, -ECANCELED);
        c->batch = batch_free(c->batch);
        c->ledger = tq_ledger_close(c->ledger);
}

Commit *commit_free(Commit *c) {
        if (!c)
                return NULL;
        if (!c->is_leaving)
                commit_leave(c);
        free(c);
        return NULL;
}
