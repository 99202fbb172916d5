/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/intake/intake.h"
#include "engine/settings/files.h"

/* What an end has to do with. */
typedef struct Ends Ends;

typedef struct EndsRooms {
        sd_event *event;
        TqLink *link;
        Commit *commit;
        Tenants *tenants;
        Settings *settings;
        Files *files;
        Dispatch *dispatch;
        Intake *intake;
} EndsRooms;

/* Called once. result: 0, or a negative errno with a text: -EEXIST, -EBUSY, -ENOENT, -EINVAL: it is
 * not to be; -ENODATA: it lacks nothing but root's order; others: it could not be done. */
typedef void (*EndsDone)(void *data, int result, const char *text);

/* Jobs of all who have had the name. */
typedef struct EndsLeft {
        uint64_t running, waiting, of_former; /* the last: that wait */
} EndsLeft;

EndsLeft ends_left(const Ends *e, const Tenant *t);

typedef struct EndOrder {
        TqLedgerEnding what; /* REMOVE, CANCEL, RENAME, CHOWN */
        const char *to, *why;
        uid_t uid;
        const Origin *origin; /* NULL: not known */
        bool is_trial;        /* only whether it could be done */
} EndOrder;
