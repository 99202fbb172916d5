/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/scheduler.h"

/* After a start: the ledger says what was promised, the supervisor says what is (cgroups) and what
 * has ended (result records). What follows is decided here, for one job at a time, and done by
 * whoever asks. */
typedef struct Recovery Recovery;

/* What the supervisor has found of one launch. */
typedef struct StockItem {
        uint64_t job;
        unsigned attempt;
        uint32_t handle; /* the supervisor's, of the tenant; 0: unknown */
        bool has_ended;
        TqEnd end;
} StockItem;

int recovery_new(Recovery **ret);
Recovery *recovery_free(Recovery *r);

/* Taking stock: end NULL if it lives. -ENOMEM. */
int recovery_note(Recovery *r, uint64_t job, unsigned attempt, uint32_t handle, const TqEnd *end);
/* What was found of a job; NULL: nothing. The caller frees. */
StockItem *recovery_take(Recovery *r, uint64_t job);
/* Any that nobody has taken; NULL: none is left. The caller frees. */
StockItem *recovery_take_rest(Recovery *r);

typedef enum RecoveryFate {
        RECOVERY_ADOPT,  /* it runs */
        RECOVERY_END,    /* it ran, and has ended as its record says */
        RECOVERY_LOST,   /* it ran; what became of it nobody knows */
        RECOVERY_QUEUE,  /* it waits */
        RECOVERY_FORGET, /* it waits; a launch of it that was never released has left a record */
        RECOVERY_DEFER,  /* it waits, until an old launch of it that still leaves has gone */
} RecoveryFate;

/* Of a job that has not ended, of the attempt that the ledger knows as its last. */
RecoveryFate recovery_decide(bool was_running, unsigned attempt, const StockItem *item);

/* Jobs that are deferred: the event is copied, its After= is met. -ENOMEM. */
int recovery_defer(Recovery *r, const TqEvent *event);
bool recovery_is_deferred(const Recovery *r, uint64_t job);
/* It need not wait any more: true, with its event, which is valid until the next call. */
bool recovery_let_go(Recovery *r, uint64_t job, TqEvent *ret);
