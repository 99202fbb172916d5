/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/world.h"

/* In which state a job is, and what follows from it: who waits, who holds a slot, what is to be
 * done. */

bool tq_state_holds_slot(TqJobState state);
/* Before anything is set in it. 0 or -ENOMEM. */
int tq_state_ensure_cold(TqJob *job);
/* TQ_NEVER: none. -ENOMEM. Another time only of one that has what is cold. */
int tq_state_timer(TqScheduler *s, TqJob *job, uint64_t deadline);
/* -ENOMEM: only of one that becomes queued; then nothing has changed. */
int tq_state_set(TqScheduler *s, TqJob *job, TqJobState state);
/* Puts a job that does not run where it has to wait. Out of memory, it is tried again. */
int tq_state_place(TqScheduler *s, TqJob *job, uint64_t now);
/* Room, before a state changes whose action it is. */
int tq_state_reserve(TqActions *a, size_t more);
/* Room was reserved before the state changed. Valid until the next one. */
TqAction *tq_state_act(TqActions *a, TqActionType type, const TqJob *job);
/* The job is gone. */
void tq_state_finish(TqScheduler *s, TqJob *job, const TqVerdict *verdict, TqActions *actions);
void tq_state_finish_unstarted(TqScheduler *s, TqJob *job, TqOutcome outcome, TqActions *actions);
void tq_state_free(TqScheduler *s, TqJob *job);
/* Of one that is in nothing any more. Returns NULL. */
TqJob *tq_state_job_free(TqJob *job);
