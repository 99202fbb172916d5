/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/commit/commit.h"
#include "engine/dispatch/feed.h"
#include "engine/dispatch/job.h"
#include "engine/tenants/tenants.h"
#include "ipc/link.h"

/* From the scheduler's START to the supervisor's: with the job's command, which may have to be read
 * back from the ledger; and the way back, ABORT. */
typedef struct Starts Starts;

/* What brings a job its input, which goes with its START; the caller's. Negative: nobody does. */
typedef int (*StartInput)(void *data, uint64_t job);

int starts_new(TqLink *link, Commit *commit, Tenants *tenants, Feed *feed, StartInput input,
               void *data, Starts **ret);
Starts *starts_free(Starts *s);

/* job_keep_spec(), which ends before these do. */
int starts_keep_spec(Starts *s, Job *job, uint32_t tenant, TqJobSpec *spec, bool must);
void starts_start(Starts *s, const TqAction *a);
void starts_abort(Starts *s, const TqAction *a);
