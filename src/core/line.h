/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/model.h"

/* The jobs that wait in a queue: by priority, and among equals in the order in which they could
 * first have started (TqJob.sequence). The first of all and the first short one are found at once,
 * however many wait. */

void tq_line_init(TqLine *l);
void tq_line_done(TqLine *l);
/* 0 or -ENOMEM. O(1) for a job that comes last or first, else O(log size). */
int tq_line_insert(TqLine *l, TqJob *job);
/* Does nothing if the job is in no line. O(1), or O(log size) of one that came between others. */
void tq_line_remove(TqLine *l, TqJob *job);
/* Who comes first: of all, or of the short ones. NULL: nobody. Looks at no job's memory. */
TqJob *tq_line_first(const TqLine *l, bool short_only);
/* The jobs' is_short has changed: each goes to the lane that it now belongs to. O(size), if
 * none came between others. */
void tq_line_sort_lanes(TqLine *l);
/* The first jobs in their order, at most max; how many. */
size_t tq_line_head(const TqLine *l, size_t max, const TqJob *ret[]);
/* How many come before a job that waits in this line; counts no further than max. */
uint64_t tq_line_position(const TqLine *l, const TqJob *job, uint64_t max);
