/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/buffer.h"
#include "core/profile.h"

/* What a profile may allow that somebody learned or wrote: text, and no system call. */

/* Writes the profile `name`, whose text is base, with the calls (names, separated by blanks) that a
 * job under it made beyond it. Of these, what the profile `default` refuses is only said in a
 * comment, and what it allows with conditions is allowed with these. Returns how many are left
 * out, or -ENOMEM. */
int learned_format(const char *name, const char *base, const char *calls, const char *command,
                   TqBuffer *ret);

typedef struct LearnedDanger {
        const char *name; /* of the call; borrowed from the profile */
        unsigned line;
        unsigned more; /* calls that the same line allows, by its group */
} LearnedDanger;

/* The i-th line, from 0, by which a profile allows, whatever their arguments, calls that none of
 * the five does. 1, 0: there is none; -ENOMEM. */
int learned_danger(const TqProfile *p, size_t i, LearnedDanger *ret);
