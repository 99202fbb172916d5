/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/api/call.h"

/* Callers who wait for what becomes of a job. */

typedef enum WaitKind {
        WAIT_END,    /* answered with the job's row */
        WAIT_START,  /* empty, when it runs or has ended */
        WAIT_CANCEL, /* empty, when it has ended */
        WAIT_NEWS,   /* of no job: waiters_serial(), when there is more to read in the logs */
} WaitKind;

int waiters_new(Waiters **ret);
/* After the connections: nobody waits any more. */
Waiters *waiters_free(Waiters *w);

/* Answers the call, about its job, when that has happened. As a verb returns. */
int waiters_wait(Waiters *w, Call *c, WaitKind kind);
void waiters_job_started(Waiters *w, uint64_t job);
void waiters_job_ended(Waiters *w, uint64_t job);
/* A number that changes with each row of the events or the audit; of another engine another one. */
uint64_t waiters_serial(const Waiters *w);
void waiters_news(Waiters *w);
