/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/event.h"
#include "core/jobspec.h"

/* Why a job waits. */

/* What holds the job now, the first reason in the order of TqWait: the same function that decides.
 * now_usec: of the latest step or later. */
TqWait tq_scheduler_why(const TqScheduler *s, const TqJob *job, uint64_t now_usec);

/* All that holds the job, each with its numbers; TQ_WAIT_NONE is not among them. Returns how many.
 * Its numbers may cost a walk over tenants and the jobs before it: not for a job's path. */
size_t tq_scheduler_explain(const TqScheduler *s, const TqJob *job, uint64_t now_usec,
                            TqReason ret[_TQ_WAIT_MAX]);

/* How many jobs of a queue wait, by the first reason. O(1) but for those at its head. */
void tq_scheduler_count(const TqScheduler *s, const TqQueue *queue, uint64_t now_usec,
                        uint64_t ret[_TQ_WAIT_MAX]);

/* A job that is not there, as a submission would make it: for tq_scheduler_explain(), until the
 * scheduler's next step. None of its After= is taken as met. */
typedef struct TqImagined {
        TqJob job;
        TqJobCold cold;
        TqQueue queue; /* if there is none of that name */
        TqCondition conditions[TQ_JOB_AFTER_MAX];
} TqImagined;

/* false: there is no such tenant. */
bool tq_scheduler_imagine(const TqScheduler *s, const TqEvent *submit, uint64_t now_usec,
                          TqImagined *ret);
