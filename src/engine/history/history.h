/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-event.h>

#include "engine/settings/settings.h"

/* What has ended is forgotten in the end: jobs with their attempts by age and by number, events
 * too, as [history] of tenantq.conf says. Output is the supervisor's. */
typedef struct History History;

/* scheduler: read only. */
int history_new(sd_event *event, Commit *commit, const Tenants *tenants, const Settings *settings,
                const TqScheduler *scheduler, History **ret);
History *history_free(History *h);

/* From now on: all are looked at soon, and again each hour. */
void history_start(History *h);
/* It goes with a commit that is not done yet: it can't be taken up again. */
bool history_is_forgetting(const History *h, uint64_t job);
/* One of its jobs has ended: it is looked at when there are many. */
void history_job_ended(History *h, uint32_t tenant);
/* The settings are others. */
void history_look(History *h);
