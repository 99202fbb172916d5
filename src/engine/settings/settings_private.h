/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/settings/live.h"
#include "engine/settings/settings.h"
#include "kernel/slice.h"

/* What settings.c and change.c share. */

/* What a slice had used at some time, the last ones in turn (drift.c). */
typedef struct CpuMark {
        uint64_t usec; /* CLOCK_BOOTTIME */
        TqCgroupCpu cpu;
} CpuMark;

#define CPU_MARKS 8

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
        LiveLimits live;
        uint64_t look_usec; /* CLOCK_BOOTTIME; its slice is looked at from then */
        CpuMark cpu_marks[CPU_MARKS];
        size_t n_cpu_marks;         /* that were ever made */
        uint64_t revision;          /* of the last change of its limits; 0: none */
        void (*parked)(void *data); /* a change that waits for the APPLY */
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
        TqMap all;             /* Tenant.id → TenantSettings */
        TqList in_want;        /* of TenantSettings.share */
        const void *reserving; /* the change, or unit, that changes reservations; NULL: none */
        size_t n_reserving;
        const void *policy; /* the unit that is to become one; NULL: none */
        LiveDue due;
        /* One that is looked after was recorded (rollout.c). */
        void (*rollout_begun)(void *data, const Tenant *t, const TqLedgerRollout *row);
        void *rollout_data;
        void (*changed)(void *data, const Tenant *t);
        void *changed_data;
};

TenantSettings *settings_ensure(Settings *s,
                                const Tenant *t); /* made if need be; NULL: no memory */
/* Whether its pool exists and has room for its reservation, when others are to have `ahead` slots
 * more of it: -EBADMSG with err. */
int settings_check_share(const TenantSettings *ts, const TqLimits *limits, int64_t ahead,
                         TqError *err);
/* Asks the supervisor to apply these (how: a TqApplyHow), and notes the answer: then `answered`
 * hears of it. -ENOMEM. */
int settings_ask_apply(TenantSettings *ts, const TqLimits *limits, TqApplyHow how,
                       TqLinkAnswered answered, void *data);
/* The slice holds what the answer says. */
void settings_has_applied(TenantSettings *ts, const char *values, size_t size);
