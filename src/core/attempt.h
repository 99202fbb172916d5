/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/world.h"

/* An attempt of a job. */

int tq_attempt_spawned(TqScheduler *s, TqJob *job, uint64_t now, TqActions *actions);
int tq_attempt_used(TqScheduler *s, TqJob *job, const TqUse *use, uint64_t now);
/* -ENOENT: nothing of it runs. */
int tq_attempt_ended(TqScheduler *s, TqJob *job, const TqEnd *end, uint64_t now,
                     TqActions *actions);
/* tenantqd could not launch it. */
int tq_attempt_refused(TqScheduler *s, TqJob *job, const TqEvent *e, uint64_t now,
                       TqActions *actions);
/* SIGTERM now, SIGKILL after the job's grace. */
void tq_attempt_stop(TqScheduler *s, TqJob *job, TqStopReason reason, uint64_t now,
                     TqActions *actions);
/* Its time is over: stopped for that. */
void tq_attempt_time_out(TqScheduler *s, TqJob *job, uint64_t now, TqActions *actions);
/* The timer of a running job follows its tenant's bound. */
int tq_attempt_follow_runtime(TqScheduler *s, TqJob *job);
/* Of one that is taken up, and was told to stop: when it was, is known of one that has run for its
 * time; of any other it is now. */
int tq_attempt_follow_stop(TqScheduler *s, TqJob *job, uint64_t now);
