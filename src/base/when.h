/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/util.h"

/* What a message names as expected. */
#define TQ_WHEN_FORM                                                                               \
        "a time such as \"2026-11-28 12:00\", 23:00, tomorrow, +2h, \"2h ago\", @1795183387 or "   \
        "now"

/* A point in time as systemd.time(7) has it: "YYYY-MM-DD[ HH:MM[:SS]]" and "HH:MM[:SS]", in local
 * time or with " UTC" behind it; now, today, yesterday and tomorrow (their midnight); "+SPAN",
 * "SPAN left", "-SPAN", "SPAN ago"; "@SECONDS" since the epoch. now_usec and the result are
 * microseconds since the epoch. A clock time is today's; with is_ahead, one that has passed is
 * tomorrow's. 0; -EINVAL: not of such a form, or there is no such day; -ERANGE: before the epoch,
 * or after the year 9999. */
int tq_when_parse(const char *s, uint64_t now_usec, bool is_ahead, uint64_t *ret_usec);
