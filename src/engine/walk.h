/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/scheduler.h"

/* Something is done with each of many jobs, in parts. */

typedef struct Engine Engine;
typedef struct Walk Walk;

typedef bool (*WalkFilter)(const TqJob *job, const void *data);
typedef void (*WalkStep)(Engine *e, const TqJob *job, void *data);
typedef void (*WalkEnd)(Engine *e, void *data);

/* step() for each job that is meant now and still there then, by number; then end(), which is the
 * last that is heard of data. -ENOMEM: nothing is done, and end() is not called. */
int walk_start(Engine *e, WalkFilter is_meant, WalkStep step, WalkEnd end, void *data);
/* A part of the oldest one. */
void walk_go_on(Engine *e);
bool walk_is_under_way(const Engine *e);
