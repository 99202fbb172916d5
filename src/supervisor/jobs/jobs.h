/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "supervisor/output/output.h"

/* Attempts: launches of jobs, from a process at its barrier to what became of it. */
typedef struct Jobs Jobs;

/* gone: told when the last launch that no engine knows has left. */
int jobs_new(sd_event *event, const Host *host, Own *own, Tenants *tenants, const Slices *slices,
             Output *output, TqLink *link, void (*gone)(void *data), void *data, Jobs **ret);
Jobs *jobs_free(Jobs *j);

/* Whether an attempt is known, and may still write its output. */
bool jobs_is_live(const Jobs *j, uint64_t job, unsigned attempt);

/* At start: leaves and result records → attempts. Negative errno. */
int jobs_take_stock(Jobs *j);
/* The engine is gone: nothing unreleased will be, and nothing is told until jobs_tell(). */
void jobs_orphan(Jobs *j);
bool jobs_have_orphans(const Jobs *j);
/* Tells the engine all there is; ends are told as they come from here on. */
void jobs_tell(Jobs *j);
/* The directory of records is another one. */
int jobs_move_results(Jobs *j);
/* The tenant's limits are others: those that run are watched for what follows (stall.c). */
void jobs_hear_limits(Jobs *j, const Tenant *t);
/* Keeps what running jobs have used, in case they and their cgroups are gone before the next
 * tenantqd comes: when the host is shut down they are. */
void jobs_leave(Jobs *j);
