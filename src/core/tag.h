/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/world.h"

/* Tags and virtual time: where a tenant stands in what has been served. See the essay in turn.c. */

/* The one way to move the tag of a tenant that may be resting: it is counted anew. */
void tq_tag_set(TqTenant *t, uint64_t tag);
/* Who does not compete but holds slots is counted where virtual time is reckoned. After a change of
 * its stand or its slots. */
void tq_tag_rest(TqTenant *t);
/* It leaves its pool. */
void tq_tag_leave(TqTenant *t);
/* It begins to compete, or does so again. */
void tq_tag_catch_up(const TqScheduler *s, TqTenant *t);
/* What a tenant that competes is ahead by more than the host allows is forgotten. */
void tq_tag_cap_debt(const TqScheduler *s, TqTenant *t);
/* It starts a job: virtual time passes. */
void tq_tag_pass_time(TqTenant *t);
