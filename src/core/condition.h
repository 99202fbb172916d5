/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/world.h"

/* After=: who waits for whom. */

/* One that has conditions has what is cold. */
int tq_condition_add(TqScheduler *s, TqJob *job, const TqAfter *after, size_t n);
void tq_condition_drop(TqScheduler *s, TqJob *job);
/* A job has ended: those that waited for it are settled, by tq_condition_next(). */
void tq_condition_ended(TqScheduler *s, const TqJob *job, bool is_well);
/* Settles one condition of those: its job is doomed, or *ret is it if this was its last one, else
 * NULL. False: there is none. */
bool tq_condition_next(TqScheduler *s, TqJob **ret);
void tq_condition_done(TqScheduler *s); /* when there are no jobs any more */
/* One condition of one job is settled, by what became of the job `by` (0: of none). -ENOENT: it has
 * no such. */
int tq_condition_settle(TqScheduler *s, TqJob *job, const TqAfter *after, bool is_met, uint64_t by);
/* Whether a job that has not ended waits, or has waited, for that one. */
bool tq_condition_names(const TqScheduler *s, uint64_t job);
/* A name turns out to be that job's, which has not ended. */
int tq_condition_name_is(TqScheduler *s, TqJob *job, const TqAfter *after, uint64_t job_id);
/* Nobody has it so far: the next job that comes with it is meant. -EAGAIN: one has come meanwhile.
 */
int tq_condition_name_is_free(const TqJob *job, const TqAfter *after);
/* A job comes: room for those that wait for its name. 0 or -ENOMEM. */
int tq_condition_expect(TqScheduler *s, const TqJob *job);
/* It has come: they wait for its number now. */
void tq_condition_named(TqScheduler *s, const TqJob *job);
