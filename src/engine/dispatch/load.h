/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/dispatch/after.h"
#include "engine/recovery/recovery.h"
#include "engine/tenants/tenants.h"
#include "ipc/link.h"

/* What the process before has died over. */
typedef struct Crash {
        uint64_t job;     /* 0: no job */
        bool is_recorded; /* else it is held as long as we live: that it did must not be forgotten
                           */
        char why[160];
} Crash;

/* What is needed to take up the jobs of the ledger. */
typedef struct Load {
        TqLink *link;
        Commit *commit;
        Tenants *tenants;
        Recovery *recovery;
        Feed *feed;
        Afters *afters;
        const Crash *crash;
        void (*quarantined)(void *data, uint32_t tenant, const Job *job, const char *why);
        void *data;
} Load;

/* All jobs of the ledger that have not ended, and then what is left of the stock, which is
 * nobody's.
 */
int load_run(Load *t);
