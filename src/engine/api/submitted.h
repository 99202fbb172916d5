/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/api/call.h"
#include "engine/intake/intake.h"

/* Sends, as m, what became of a submission: the job (0: refused by a limit), and what it comes near
 * to. Negative errno: nothing was sent. */
int submitted_send(sd_bus_message *m, const Tenant *t, uint64_t job, const TqRefusal *refusal);
/* Answers one of which no job became now: it is refused, or was handed in before. has_reasons: of
 * TrySubmit, whose answer has a table more. */
void submitted_reply_answer(const Call *c, const Tenant *t, const Answer *a, bool has_reasons);
/* 0; else it is answered that the tenant takes nothing. */
int submitted_check(const Call *c, const Tenant *t);

/* Takes a job that a caller hands in, and answers once it is recorded. kind: of a row
 * about the call's job, if it is taken; _TQ_KIND_INVALID: none. As a verb returns. */
int submitted_take(const Call *c, const Submission *s, TqKind kind);
