/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/commit/commit.h"
#include "store/reserve.h"

/* What the files of this room share. */

#define COMMIT_PATIENCE_USEC (2 * TQ_USEC_PER_MSEC)

typedef struct Effect {
        CommitEffect perform; /* NULL: it was */
        bool hurries;
        _Alignas(max_align_t) char data[COMMIT_DATA_MAX];
} Effect;

typedef struct Batch {
        TqTask task;
        Commit *commit;
        TqLedgerOp *ops;
        size_t n_ops, allocated_ops;
        Effect *effects;
        size_t n_effects, allocated_effects;
        bool is_pressing;  /* not all of it is patient */
        bool has_claims;   /* their renames must be durable first */
        bool has_new_log;  /* somebody had removed the ledger's */
        bool took_reserve; /* the disk is full */
        bool is_probe;     /* whether it is not any more: ends with our own row */
        int result;
} Batch;

typedef enum State {
        STATE_WELL,
        STATE_FULL,
        STATE_DEGRADED,
} State;

struct Commit {
        sd_event *event;
        const char *path;
        int claims_fd;
        TqLedger *ledger;
        TqLedgerNumbers numbers;
        TqWorker *worker;
        sd_event_source *worker_source, *post_source;
        Batch *batch;   /* of this turn */
        Batch *stalled; /* that there was no room for; nothing is committed before it */
        TqReserve reserve;
        sd_event_source *probe_source;
        TqTask probe;
        bool is_probing; /* the worker has it */
        int probe_result;
        uint64_t full_since;
        bool is_committing, is_leaving;
        State state;
        int error; /* STATE_DEGRADED: negative errno */
        void (*changed)(void *data);
        void *changed_data;
        CommitRecorded recorded;
        void *recorded_data;
        bool (*is_coming)(void *data);
        void *is_coming_data;
        sd_event_source *patience_source;
        uint64_t patient_until; /* CLOCK_MONOTONIC; 0: nothing waits */
        void (*flushing)(void *data);
        void *flushing_data;
};

/* batch.c */
Batch *batch_free(Batch *b);
/* Those effects that were not performed yet; of a batch that waits, only what hurries. */
void batch_perform(Batch *b, int result, bool only_hurried);

/* fault.c */
/* The disk is full: from now on it is asked from time to time whether it still is. */
void fault_full(Commit *c);
/* What fault_full() began is over: a commit that says so has succeeded without the reserve. */
void fault_room(Commit *c);
void fault_probe_later(Commit *c);
int fault_on_probe(sd_event_source *source, uint64_t usec, void *userdata);

/* commit.c */
void commit_submit(Commit *c, Batch *b);
void commit_flush(Commit *c);
