/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/ends/rooms.h"

/* To the audit: what was ordered, and what is done since; by whoever wants it, and why. -ENOMEM. */
int end_record(Commit *c, const Tenant *t, TqKind kind, const EndOrder *o, const char *fmt, ...)
        TQ_PRINTF(5, 6);
int end_record_step(Commit *c, const Tenant *t, TqKind kind, const char *fmt, ...) TQ_PRINTF(4, 5);
