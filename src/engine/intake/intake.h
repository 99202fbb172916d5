/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/intake/take.h"

/* Bytes → an accepted job, or a refusal with its reason. The same way leads in from the spool and
 * from the control socket. */
typedef struct Intake Intake;

int intake_new(sd_event *event, TqLink *link, Commit *commit, Events *events, Tenants *tenants,
               Settings *settings, Dispatch *dispatch, Intake **ret);
Intake *intake_free(Intake *in);

/* Called once, now or later, on the loop's thread. NULL: we leave. */
typedef void (*IntakeAnswer)(void *data, Answer *a);

/* Bytes that are parsed and become a job, or not. What is needed of s later is copied. */
void intake_submit(Intake *in, const Submission *s, IntakeAnswer answer, void *data);

/* From that user nothing is taken by the control socket until then, CLOCK_BOOTTIME. 0 or -ENOMEM.
 */
int intake_bar(Intake *in, uid_t uid, uint64_t until_usec);

/* One of its jobs waits no more, or another reason to look at files that were left. */
void intake_room_made(Intake *in, uint32_t tenant);
void intake_room_made_all(Intake *in);
/* It was removed, with the files that wait at the door. */
void intake_forget(Intake *in, uint32_t tenant);
/* How many of its files wait at the door. */
size_t intake_waiting(const Intake *in, uint32_t tenant);
