/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/event.h"

/* What of a tenant's and a pool's standing outlives a restart: the essay is in standing.c. */

const char *tq_presence_to_string(TqPresence p);
TqPresence tq_presence_from_string(const char *s);

/* As it is now; pool and averages are the scheduler's. */
TqStanding tq_standing_of(const TqScheduler *s, const TqTenant *t, uint64_t now_usec);
TqStanding tq_standing_of_host(const TqScheduler *s);
TqPoolStanding tq_standing_of_pool(const TqPool *p, uint64_t now_usec);

/* For core/scheduler.c: the event, and those who go on competing, when it opens. */
int tq_standing_on_event(TqScheduler *s, const TqEvent *e, uint64_t now);
void tq_standing_touch_first(TqScheduler *s);
