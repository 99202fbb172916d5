/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/dispatch/dispatch.h"
#include "engine/intake/door.h"
#include "ipc/control.h"

/* Bytes → an accepted job, or a refusal with its reason. The same way leads in from the spool and
 * from the control socket. */
typedef struct Intake Intake;

int intake_new(sd_event *event, TqLink *link, Commit *commit, Events *events, Tenants *tenants,
               Settings *settings, Dispatch *dispatch, Intake **ret);
Intake *intake_free(Intake *in);

typedef struct Submission {
        const Tenant *tenant;
        uid_t uid;
        uint64_t claim; /* 0: by the control socket */
        const char *data;
        size_t size;
} Submission;

/* What becomes of a submission. */
typedef struct Answer {
        DoorClaim claim;      /* what of it matters at the door, once it was parsed */
        bool is_behind;       /* another one of its queue waits */
        uint64_t job;         /* accepted, once this turn's changes are committed */
        TqControlError error; /* else why not: */
        TqError err;
        TqRefusal refusal; /* if a limit refuses it; also of an accepted one that is near */
} Answer;

/* 0; -EBADMSG: refused. */
int intake_submit(Intake *in, const Submission *s, Answer *ret);

/* One of its jobs waits no more, or another reason to look at files that were left. */
void intake_room_made(Intake *in, uint32_t tenant);
void intake_room_made_all(Intake *in);
/* How many of its files wait at the door. */
size_t intake_waiting(const Intake *in, uint32_t tenant);
