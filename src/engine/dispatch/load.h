/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/dispatch/after.h"
#include "engine/recovery/recovery.h"
#include "engine/tenants/tenants.h"
#include "ipc/link.h"

/* What is needed to take up the jobs of the ledger. */
typedef struct Load {
        TqLink *link;
        Commit *commit;
        Tenants *tenants;
        Recovery *recovery;
        Feed *feed;
        Afters *afters;
        Specs *specs;
} Load;

/* All jobs of the ledger that have not ended, and then what is left of the stock, which is
 * nobody's.
 */
int load_run(Load *t);
