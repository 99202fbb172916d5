/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/api/call.h"
#include "engine/intake/intake.h"

/* Takes a job that a caller hands in, and answers once it is recorded. kind: of a row
 * about the call's job, if it is taken; _TQ_KIND_INVALID: none. As a verb returns. */
int submitted_take(const Call *c, const Submission *s, TqKind kind);
