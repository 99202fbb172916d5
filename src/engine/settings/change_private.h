/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/settings/change.h"
#include "engine/settings/settings_private.h"

/* What the files of a change share: change.c (its life), change_items.c (what is asked for, and
 * what became of it), change_check.c (whether it may be). */

typedef struct Assignment {
        char *name;                        /* KEY or KEY@DEVICE */
        char *old_value, *new_value;       /* what holds, and is to be set; NULL: unset */
        LiveLimit *live;                   /* as it will be; NULL: not made yet, or in place */
        bool is_unchanged;                 /* it stands so already */
        char queue[TQ_QUEUE_NAME_MAX + 1]; /* empty: the tenant's own */
        uint64_t until_usec;
        char *back;
} Assignment;

struct Change {
        TenantSettings *ts;
        ChangeRequest request; /* with copies of its texts */
        Origin origin;
        TqLimits asked;         /* what the change sets */
        TqLimits before, after; /* effective */
        Layers layers;          /* as they will be */
        Assignment *items;
        size_t n;
        char **wanted; /* QUEUE/NAME */
        size_t n_wanted;
        int64_t more_slots;      /* that it reserves */
        uint64_t revision;       /* 0: none yet */
        TqLedgerRollout rollout; /* once it is recorded; of no span: it is not looked after */
        bool is_reserving;       /* it changes a reservation */
        ChangeDone done;
        void *data;
};

/* change_check.c: against the files and the host, as they are now. -EBADMSG with err. */
int change_check(Change *c, TqError *err);
/* Whether it leaves to what runs what it has: -EBUSY with err. */
int change_check_running(const Change *c, TqError *err);
bool change_reserves_anew(const Change *c);
/* Others of its unit are told what it reserves. */
void change_reserve(Change *c);
