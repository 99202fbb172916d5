/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/api/call.h"

/* Those who give a job its input (StandardInput=client): the connection on which it was handed in
 * is turned over to the job when it starts. Nothing is made for it, and what is written there is
 * the caller's until the job reads it. */
typedef struct Givers Givers;

int givers_new(Givers **ret);
Givers *givers_free(Givers *gs);

/* SubmitInput(tenant, bytes): a signal Accepted, with what Submit answers, when the job is
 * recorded; the answer, which is the same, when it runs: from then on what the caller writes is the
 * job's input, and its end the input's. Another answer ends the connection. */
int verb_submit_input(Call *c);

/* The job is to start: what brings its input; the caller's. Negative: nobody does. */
int givers_want(const Givers *gs, uint64_t job);
/* It runs, and that is recorded. */
void givers_job_started(Givers *gs, uint64_t job);
/* It does not, or no more. */
void givers_job_ended(Givers *gs, uint64_t job);
