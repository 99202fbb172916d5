/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <string.h>

#include "base/clock.h"
#include "engine/commit/commit_private.h"

/* What a turn of the loop puts down: changes of the ledger, and effects that follow them. */

#define PIECE       16 /* jobs that are forgotten with a commit of others, */
#define PIECE_ALONE 64 /* and with one that nobody waits for */

Batch *batch_free(Batch *b) {
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

TqLedgerOp *commit_op_patient(Commit *c, TqLedgerOpType type) {
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

TqLedgerOp *commit_op(Commit *c, TqLedgerOpType type) {
        TqLedgerOp *op = commit_op_patient(c, type);

        if (op)
                c->batch->is_pressing = true;
        return op;
}

int commit_copy(Commit *c, const char *text, char **ret) {
        *ret = text ? strdup(text) : NULL;
        if (*ret || !text)
                return 0;
        commit_degrade(c, -ENOMEM);
        return -ENOMEM;
}

static void *then(Commit *c, CommitEffect effect, size_t size, bool hurries) {
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
        e->hurries = hurries;
        memset(e->data, 0, size);
        return e->data;
}

void *commit_then(Commit *c, CommitEffect effect, size_t size) {
        return then(c, effect, size, false);
}

void *commit_then_hurry(Commit *c, CommitEffect effect, size_t size) {
        return then(c, effect, size, true);
}

void commit_sync_claims(Commit *c) {
        if (c->batch)
                c->batch->has_claims = true;
}

size_t commit_mark(const Commit *c) {
        return c->batch ? c->batch->n_ops : 0;
}

size_t commit_piece(const Commit *c) {
        return commit_mark(c) > 0 ? PIECE : PIECE_ALONE;
}

void commit_rewind(Commit *c, size_t mark) {
        while (c->batch && c->batch->n_ops > mark)
                tq_ledger_op_done(&c->batch->ops[--c->batch->n_ops]);
}

void batch_perform(Batch *b, int result, bool only_hurried) {
        for (size_t i = 0; i < b->n_effects; i++) {
                Effect *e = &b->effects[i];
                CommitEffect effect = e->perform;

                if (!effect || (only_hurried && !e->hurries))
                        continue;
                e->perform = NULL;
                effect(e->data, TQ_MIN(result, 0));
        }
}
