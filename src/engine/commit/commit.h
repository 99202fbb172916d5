/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-event.h>

#include "store/ledger.h"
#include "store/worker.h"

/* Record before effect: changes of the ledger are collected over a turn of the loop and committed
 * together, and what they allow is done only then. Knows nobody's vocabulary. */
typedef struct Commit Commit;

/* Called once, on the loop's thread. 0: what was put down in its turn is committed. Negative errno:
 * it is not, and never will be; -ECANCELED: we leave, and nobody is told whether it was. -ENOSPC,
 * to what hurries: it is not yet. */
typedef void (*CommitEffect)(void *data, int result);

/* path: the ledger's, borrowed. claims_fd: the directory whose renames come before the jobs that
 * they are about. */
int commit_new(sd_event *event, const char *path, int claims_fd, Commit **ret);
Commit *commit_free(Commit *c);

/* Opens the ledger. */
int commit_open(Commit *c, const uint8_t boot_id[16], TqError *err);
/* From now on changes are committed: by the worker, which has the ledger to itself. */
int commit_start(Commit *c);
/* Commits what there is, closes the ledger. Effects get -ECANCELED. */
void commit_leave(Commit *c);

/* One more change, to be filled in. NULL: out of memory, and nothing is recorded any more. */
TqLedgerOp *commit_op(Commit *c, TqLedgerOpType type);
/* The same, of what may wait some moments for another one, if that is about to come: one commit. */
TqLedgerOp *commit_op_patient(Commit *c, TqLedgerOpType type);
void commit_on_patience(Commit *c, bool (*is_coming)(void *data), void *data);
/* A text of such a change; NULL stays NULL. 0, or -ENOMEM as above. */
int commit_copy(Commit *c, const char *text, char **ret);
/* One more effect, with `size` zeroed bytes that are valid until the next call. NULL as above. */
#define COMMIT_DATA_MAX 64
void *commit_then(Commit *c, CommitEffect effect, size_t size);
/* The same, of what can't wait until the disk has room again. */
void *commit_then_hurry(Commit *c, CommitEffect effect, size_t size);
/* The renames out of tenants' directories are made durable before this turn's changes. */
void commit_sync_claims(Commit *c);

/* Told before a commit that has changes is begun: what need not be durable may be added to it. */
void commit_on_flush(Commit *c, void (*flushing)(void *data), void *data);
/* Told what was committed, behind the effects. */
typedef void (*CommitRecorded)(void *data, const TqLedgerOp *ops, size_t n);
void commit_on_recorded(Commit *c, CommitRecorded recorded, void *data);

/* Takes back the changes since mark(): for what turns out to change nothing. */
size_t commit_mark(const Commit *c);
void commit_rewind(Commit *c, size_t mark);

/* How many jobs may be forgotten with what is being collected: fewer if others wait for it. What is
 * done in pieces leaves COMMIT_PACE_USEC between two of them. */
#define COMMIT_PACE_USEC (10 * TQ_USEC_PER_MSEC)
size_t commit_piece(const Commit *c);

bool commit_is_large(const Commit *c); /* one is under way, and the next one will be long already */
bool commit_is_leaving(const Commit *c);

/* The numbers that are given out next: whoever takes one counts it up. */
TqLedgerNumbers *commit_numbers(Commit *c);
TqLedger *commit_ledger(Commit *c); /* for the loop before start(), then for the worker's tasks */
void commit_ask(Commit *c, TqTask *task);     /* for the worker, behind the commits */
int commit_replace_claims(Commit *c, int fd); /* another directory of claims; takes fd */

/* Degraded: a commit failed, and nothing is recorded any more. Full: the disk is; what ends is
 * recorded from a reserve, or when there is room, and then all goes on. Told at each change. */
void commit_on_change(Commit *c, void (*changed)(void *data), void *data);
void commit_degrade(Commit *c, int error);
/* What has happened can't be taken in: the engine ends, and the next one is told everything. */
void commit_begin_anew(Commit *c, int error);
bool commit_is_degraded(const Commit *c); /* for good; else a fault passes */
/* What happened, in some words; NULL: all is well. Nothing is to be accepted or started then. */
const char *commit_fault(const Commit *c);
/* Of a degraded one: what to do, and what happened, too. Returns buf. */
const char *commit_mend(const Commit *c);
const char *commit_explain(const Commit *c, char *buf, size_t size);
