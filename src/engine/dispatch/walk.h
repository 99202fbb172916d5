/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/scheduler.h"

/* Something is done with each of many jobs, in parts. */
typedef struct Walks Walks;

typedef bool (*WalkFilter)(const TqJob *job, const void *data);
typedef void (*WalkStep)(void *data, const TqJob *job);
typedef void (*WalkEnd)(void *data);

int walks_new(const TqScheduler *scheduler, Walks **ret);
/* Those under way are not ended. */
Walks *walks_free(Walks *w);

/* step() for each job that is meant now and still there then, by number; then end(), which is the
 * last that is heard of data. -ENOMEM: nothing is done, and end() is not called. */
int walks_start(Walks *w, WalkFilter is_meant, WalkStep step, WalkEnd end, void *data);
/* A part of the oldest one. */
void walks_go_on(Walks *w);
bool walks_are_under_way(const Walks *w);
