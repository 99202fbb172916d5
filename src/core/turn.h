/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/world.h"

/* Whose turn it is. */

void tq_turn_init(TqPool *p);
/* Finds out where each tenant stands about which something has changed (tq_world_touch()). */
void tq_turn_settle(TqScheduler *s);
/* It competes no more, until it is settled again. */
void tq_turn_leave(TqTenant *t);
/* The job that starts next in this pool were a slot free, or NULL. Parks those whose job does not
 * fit. All are settled. */
TqJob *tq_turn_next(TqScheduler *s, TqPool *p, uint64_t now);
/* The same, and changes nothing: perhaps by looking at all tenants. */
const TqJob *tq_turn_peek(const TqScheduler *s, const TqPool *p, uint64_t now);
/* Asks the memory for what the next start will look at, or the next but one. */
void tq_turn_prefetch(const TqPool *p, bool is_next_but_one);
/* The job that memory was kept for does not start: its tenant pays for what others left to it. */
void tq_turn_give_up_memory(TqScheduler *s);
/* Remembers who can't start for want of memory; after the starts of a step. */
void tq_turn_keep_memory(TqScheduler *s, uint64_t now);
bool tq_turn_before(const TqTenant *a, const TqTenant *b); /* neither OUT */
