/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/settings/settings.h"
#include "kernel/slice.h"

/* What settings.c and change.c share. */

/* A revision of the ledger that this version does not understand, or that is not possible any more.
 */
typedef struct LimitFault {
        TqList link;
        char *queue, *name; /* as they were recorded */
        char text[256];
} LimitFault;

typedef struct TenantSettings {
        Settings *settings;
        const Tenant *tenant;
        Layers layers;
        bool waits_when_full;
        bool is_applied;                       /* its slice has its limits */
        bool is_applying;                      /* an APPLY is not answered: at most one at a time */
        bool must_apply;                       /* what is to be applied has changed since */
        bool is_changing;                      /* a change of its limits is under way */
        bool is_blocked;                       /* jobs of a former owner still run in its slice */
        char apply_fault[TQ_MESSAGE_TEXT_MAX]; /* its limits can't be applied */
        char said_fault[TQ_MESSAGE_TEXT_MAX];  /* the one that was logged: it is tried again */
        char share_fault[TQ_MESSAGE_TEXT_MAX]; /* its pool or reservation can't be had */
        TqList share;                          /* among those with a share_fault */
        TqList faults;                         /* of LimitFault */
        void (*parked)(void *data);            /* a change that waits for the APPLY */
        void *parked_data;
        TqSliceValue kernel[TQ_ATTRS_MAX]; /* what the slice holds */
        size_t n_kernel;
} TenantSettings;

struct Settings {
        TqLink *link;
        Commit *commit;
        Tenants *tenants;
        const TqScheduler *scheduler;
        TqHello host;
        TqMap all;         /* Tenant.id → TenantSettings */
        TqList in_want;    /* of TenantSettings.share */
        bool is_reserving; /* a change of a reservation is under way */
        void (*changed)(void *data, const Tenant *t);
        void *changed_data;
};

TenantSettings *settings_ensure(Settings *s,
                                const Tenant *t); /* made if need be; NULL: no memory */
/* Whether its pool exists and has room for its reservation: -EBADMSG with err. */
int settings_check_share(const TenantSettings *ts, const TqLimits *limits, TqError *err);
/* Asks the supervisor to apply these, and notes the answer: then `answered` hears of it. -ENOMEM.
 */
int settings_ask_apply(TenantSettings *ts, const TqLimits *limits, TqLinkAnswered answered,
                       void *data);
/* The slice holds what the answer says. */
void settings_has_applied(TenantSettings *ts, const char *values, size_t size);
bool settings_has_limit_fault(const TenantSettings *ts, const char *queue, const char *name);
void settings_mend_limit(TenantSettings *ts, const char *queue, const char *name);
