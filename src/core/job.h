/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/world.h"

/* What may happen to a job. */

int tq_job_on_submit(TqScheduler *s, const TqEvent *e, uint64_t now, TqActions *actions);
int tq_job_on_adopt(TqScheduler *s, const TqEvent *e, uint64_t now, TqActions *actions);
int tq_job_on_tick(TqScheduler *s, uint64_t now, TqActions *actions);
int tq_job_on_event(TqScheduler *s, const TqEvent *e, uint64_t now, TqActions *actions);
/* What REQUEUE would return. */
int tq_job_check_requeue(const TqJob *job, uint64_t now);
/* -ENOMEM: nothing has changed. */
int tq_job_start(TqScheduler *s, TqJob *job, uint64_t now, TqActions *actions);
/* What ended of After= frees those that waited for it or takes them with it, and theirs. */
int tq_job_sweep(TqScheduler *s, uint64_t now, TqActions *actions);
