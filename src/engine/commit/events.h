/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/admit.h"
#include "core/kinds.h"
#include "engine/commit/commit.h"

/* Rows of the ledger that say what happened, to whom, by whom and why. */
typedef struct Events Events;

#define EVENTS_NOBODY ((uid_t)-1) /* as uid: tenantq itself */

/* Rows that somebody may still cause, and those that he has caused beyond that. Embedded; changed
 * by this module only. */
#define EVENT_BUDGET_KINDS 16
typedef struct EventBudget {
        uint32_t tenant; /* 0: what concerns none */
        TqBucket tokens;
        struct {
                TqKind kind;
                uint64_t n; /* 0: this and the rest are free */
        } beyond[EVENT_BUDGET_KINDS];
        TqList link; /* of those that have counted anything */
} EventBudget;

void events_budget_init(EventBudget *b, uint32_t tenant);

int events_new(sd_event *event, Commit *commit, Events **ret);
Events *events_free(Events *e);

/* What an administrator does is always recorded. */
void events_add(Events *e, TqKind kind, uint32_t tenant, uint64_t job, uid_t uid, const char *fmt,
                ...) TQ_PRINTF(6, 7);
/* What a tenant can bring about as often as it likes (b NULL: nobody knows whose): within its
 * budget; beyond it they are counted, and the sum is a row. */
void events_add_within(Events *e, EventBudget *b, TqKind kind, uint64_t job, uid_t uid,
                       const char *fmt, ...) TQ_PRINTF(6, 7);
/* What was counted so far becomes rows: before leaving. */
void events_flush(Events *e);
