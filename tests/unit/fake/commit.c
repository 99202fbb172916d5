/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "base/clock.h"
#include "fake/fake.h"
#include "unit.h"

#define MOST 1024

struct Commit {
        TqLedgerOp ops[MOST];
        size_t n_ops;
        struct {
                CommitEffect effect;
                _Alignas(max_align_t) char data[COMMIT_DATA_MAX];
        } effects[MOST];
        size_t n_effects;
        TqTask *tasks[MOST];
        size_t n_tasks;
        TqLedgerNumbers numbers;
        int error;
        void (*degraded)(void *data);
        void *degraded_data;
        void (*flushing)(void *data);
        void *flushing_data;
};

static Commit only = {
        .numbers = { .next_job = 1, .next_claim = 1, .next_revision = 1, .next_tenant = 1 }
};

Commit *fake_commit(void) {
        return &only;
}

int commit_new(sd_event *event, const char *path, int claims_fd, Commit **ret) {
        (void)event;
        (void)path;
        (void)claims_fd;
        *ret = &only;
        return 0;
}

Commit *commit_free(Commit *c) {
        (void)c;
        return NULL;
}

TqLedgerOp *commit_op(Commit *c, TqLedgerOpType type) {
        ck_assert_uint_lt(c->n_ops, MOST);
        c->ops[c->n_ops] = (TqLedgerOp){ .type = type,
                                         .time_usec = tq_clock_realtime_usec(),
                                         .boottime_usec = tq_clock_boottime_usec() };
        return &c->ops[c->n_ops++];
}

TqLedgerOp *commit_op_patient(Commit *c, TqLedgerOpType type) {
        return commit_op(c, type);
}

void commit_on_patience(Commit *c, bool (*is_coming)(void *data), void *data) {
        (void)c;
        (void)is_coming;
        (void)data;
}

unsigned fake_no_copy;

int commit_copy(Commit *c, const char *text, char **ret) {
        bool fails = text && fake_no_copy > 0 && --fake_no_copy == 0;

        *ret = text && !fails ? strdup(text) : NULL;
        if (!fails)
                return 0;
        commit_degrade(c, -ENOMEM);
        return -ENOMEM;
}

void *commit_then(Commit *c, CommitEffect effect, size_t size) {
        ck_assert_uint_lt(c->n_effects, MOST);
        ck_assert_uint_le(size, COMMIT_DATA_MAX);
        c->effects[c->n_effects].effect = effect;
        memset(c->effects[c->n_effects].data, 0, COMMIT_DATA_MAX);
        return c->effects[c->n_effects++].data;
}

void *commit_then_hurry(Commit *c, CommitEffect effect, size_t size) {
        return commit_then(c, effect, size);
}

void commit_sync_claims(Commit *c) {
        (void)c;
}

size_t commit_mark(const Commit *c) {
        return c->n_ops;
}

size_t commit_piece(const Commit *c) {
        return commit_mark(c) > 0 ? 16 : 64;
}

void commit_rewind(Commit *c, size_t mark) {
        while (c->n_ops > mark)
                tq_ledger_op_done(&c->ops[--c->n_ops]);
}

bool commit_is_large(const Commit *c) {
        (void)c;
        return false;
}

bool commit_is_leaving(const Commit *c) {
        (void)c;
        return false;
}

TqLedgerNumbers *commit_numbers(Commit *c) {
        return &c->numbers;
}

TqLedger *fake_ledger;

TqLedger *commit_ledger(Commit *c) {
        (void)c;
        return fake_ledger;
}

void commit_ask(Commit *c, TqTask *task) {
        ck_assert_uint_lt(c->n_tasks, MOST);
        c->tasks[c->n_tasks++] = task;
}

void commit_on_change(Commit *c, void (*changed)(void *data), void *data) {
        c->degraded = changed;
        c->degraded_data = data;
}

void commit_on_flush(Commit *c, void (*flushing)(void *data), void *data) {
        c->flushing = flushing;
        c->flushing_data = data;
}

void fake_flush(void) {
        if (only.flushing && only.n_ops > 0)
                only.flushing(only.flushing_data);
}

/* Nothing goes on with it, as with one that has gone. */
void commit_begin_anew(Commit *c, int error) {
        commit_degrade(c, error);
}

void commit_degrade(Commit *c, int error) {
        if (c->error != 0)
                return;
        c->error = error;
        if (c->degraded)
                c->degraded(c->degraded_data);
}

bool commit_is_degraded(const Commit *c) {
        return c->error != 0;
}

const char *commit_fault(const Commit *c) {
        return c->error != 0 ? "a fault" : NULL;
}

const char *commit_mend(const Commit *c) {
        (void)c;
        return "mend it";
}

const char *commit_explain(const Commit *c, char *buf, size_t size) {
        (void)c;
        (void)snprintf(buf, size, "a fault: mend it");
        return buf;
}

size_t fake_n_ops(void) {
        return only.n_ops;
}

const TqLedgerOp *fake_op(size_t i) {
        ck_assert_uint_lt(i, only.n_ops);
        return &only.ops[i];
}

void fake_commit_all(int result) {
        if (result < 0)
                commit_degrade(&only, result);
        for (size_t i = 0; i < only.n_effects; i++)
                only.effects[i].effect(only.effects[i].data, result);
        while (only.n_ops > 0)
                tq_ledger_op_done(&only.ops[--only.n_ops]);
        only.n_effects = 0;
}

void fake_work(bool with_run) {
        for (size_t i = 0; i < only.n_tasks; i++) {
                if (with_run)
                        only.tasks[i]->run(only.tasks[i]);
                only.tasks[i]->done(only.tasks[i], NULL);
        }
        only.n_tasks = 0;
}
