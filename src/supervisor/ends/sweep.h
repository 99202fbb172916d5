/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-event.h>

#include "supervisor/ends/tree.h"
#include "supervisor/host/own.h"

/* What may take long, by a process of its own that nobody waits for. It ends with us. */
typedef struct Sweep Sweep;

typedef enum SweepKind { SWEEP_COUNT, SWEEP_REMOVE, SWEEP_GIVE } SweepKind;

typedef struct SweepOrder {
        SweepKind kind;
        const char *name; /* the tenant's */
        const char *spool, *logs;
        uid_t from, to; /* GIVE */
        gid_t gid;
} SweepOrder;

typedef struct SweepFound {
        TreeFound spool, logs;
} SweepFound;

/* error: negative errno, found is nothing then. The sweep is over. */
typedef void (*SweepDone)(void *data, int error, const SweepFound *found);

int sweep_start(sd_event *event, const Own *own, const SweepOrder *o, SweepDone done, void *data,
                Sweep **ret);
Sweep *sweep_free(Sweep *s);
