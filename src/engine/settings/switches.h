/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/commit/commit.h"

/* pause, resume and drain: what each does to the switches of its target, and how that is recorded.
 */

/* -EINVAL: no such word. */
int switches_turn(const char *word, TqSwitches *switches);
/* "open", "paused", "draining" or "paused, draining". */
const char *switches_to_string(TqSwitches switches);

/* tenant 0: the host; queue empty: all of it; why empty: none. -ENOMEM. */
int switches_record(Commit *commit, uint32_t tenant, const char *queue, TqSwitches switches,
                    uid_t uid, const char *why);

/* As they are, of the host (t NULL), a tenant or one of its queues. */
TqSwitches switches_of(const TqScheduler *scheduler, const TqTenant *t, const char *queue);
