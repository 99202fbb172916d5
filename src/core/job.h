/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/world.h"

/* What may happen to a job. */

/* Room, before a state changes whose action it is. */
int tq_job_reserve(TqActions *a, size_t more);
int tq_job_on_submit(TqScheduler *s, const TqEvent *e, uint64_t now, TqActions *actions);
int tq_job_on_adopt(TqScheduler *s, const TqEvent *e, uint64_t now, TqActions *actions);
int tq_job_on_tick(TqScheduler *s, uint64_t now, TqActions *actions);
int tq_job_on_event(TqScheduler *s, const TqEvent *e, uint64_t now, TqActions *actions);
void tq_job_start(TqScheduler *s, TqJob *job, uint64_t now, TqActions *actions);
void tq_job_finish_unstarted(TqScheduler *s, TqJob *job, TqOutcome outcome, TqActions *actions);
/* What ended of After= frees those that waited for it or takes them with it, and theirs. */
int tq_job_sweep(TqScheduler *s, uint64_t now, TqActions *actions);
/* The timer of a running job follows its tenant's bound. */
int tq_job_follow_runtime(TqScheduler *s, TqJob *job);
