/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/dispatch/dispatch.h"
#include "engine/intake/door.h"
#include "ipc/control.h"

typedef struct Submission {
        const Tenant *tenant;
        uid_t uid;
        uint64_t claim; /* 0: by the control socket */
        const char *data;
        size_t size;
        uint64_t again;   /* the dead letter that this is; 0: a new job */
        unsigned attempt; /* its next one */
        bool is_copy;     /* its Key= does not count */
        bool is_trial;    /* only whether it would be taken */
        /* It is to have StandardInput=client: told of its number before it is scheduled; negative
         * errno: it can't be taken. */
        int (*taken)(void *data, uint64_t job);
        void *taken_data;
} Submission;

/* What becomes of a submission. */
typedef struct Answer {
        DoorClaim claim;      /* what of it matters at the door, once it was parsed */
        bool is_behind;       /* another one of its queue waits */
        uint64_t job;         /* accepted, once this turn's changes are committed; or: */
        bool is_known;        /* it was before, by the same Key= */
        bool is_permitted;    /* it was a trial, and would have been accepted: */
        TqEvent would;        /* what would be handed in then, until the answer returns */
        TqControlError error; /* else why not: */
        int failure;          /* TQ_CONTROL_FAILED: of ours, not of what was handed in */
        TqError err;
        TqRefusal refusal; /* if a limit refuses it; also of an accepted one that is near */
} Answer;

/* A parsed job → a job of the ledger and the scheduler. */
typedef struct Takes Takes;

int takes_new(Commit *commit, Events *events, Tenants *tenants, Settings *settings,
              Dispatch *dispatch, Takes **ret);
Takes *takes_free(Takes *ts);

/* Notes the error; -EBADMSG. */
int take_refuse(Answer *ret, TqControlError error);
/* Of what could not be judged: notes why (negative errno); -EBADMSG. */
int take_fail(Answer *ret, int error);
/* What of it matters at the door. */
void take_describe(const Submission *s, const TqJobSpec *spec, DoorClaim *ret);
/* Whether its tenant may hand in such a job now, before limits of how many. -EBADMSG: refused. */
int take_check(Takes *ts, const Submission *s, const TqJobSpec *spec, Answer *ret);
/* Recorded before it is scheduled; spec may be moved. -EBADMSG: refused, nothing is left of it; so
 * it is of a trial that would not be. */
int take_job(Takes *ts, const Submission *s, TqJobSpec *spec, Answer *ret);
