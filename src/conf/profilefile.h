/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/profile.h"

/* Profiles as text (conf/profiles, tenantq.conf(5)). */

#define TQ_PROFILEFILE_MAX   65536 /* bytes */
#define TQ_PROFILEFILE_RULES 2048

/* One of those that are part of the program, or NULL: the five of TqProfileRank, `engine`, `watch`,
 * and `groups`, which the others are made of. */
const char *tq_profilefile_builtin(const char *name);

/* Parses the text of a profile, whose groups are those of `groups`. On success fills *ret (to be
 * freed by tq_profile_done). -EBADMSG with err (line), -ENOMEM. Whether the library knows the calls
 * is found by tq_filter_compile(). */
int tq_profilefile_parse(const char *name, const char *text, TqProfile *ret, TqError *err);
