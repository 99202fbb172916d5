/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-event.h>

#include "engine/dispatch/feed.h"
#include "engine/dispatch/job.h"
#include "engine/dispatch/walk.h"

/* StartAfter= and Deadline= follow the clock of the day. */
typedef struct Daytime Daytime;

int daytime_new(Feed *feed, Walks *walks, Daytime **ret);
Daytime *daytime_free(Daytime *d);
/* Watches the clock from now on. */
int daytime_start(Daytime *d, sd_event *event);

/* An instant by CLOCK_BOOTTIME as CLOCK_REALTIME says it now, and back: 0 for what is past. */
uint64_t daytime_of(uint64_t boottime);
uint64_t daytime_to_boottime(uint64_t realtime);

/* j.not_before, j.has_start_by and j.start_by of an event about the job. */
void daytime_fill(const JobTimes *times, TqEvent *event);
