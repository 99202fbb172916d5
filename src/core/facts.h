/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/world.h"

/* What both deciding and explaining ask. */

bool tq_facts_tenant_has_room(const TqTenant *t);
bool tq_facts_queue_has_room(const TqQueue *q);
bool tq_facts_pool_has_slot(const TqPool *p);
/* A job that is not short may have the next slot. */
bool tq_facts_allows_long(const TqPool *p);
/* By its own bound, or by its tenant's. */
bool tq_facts_is_short(const TqScheduler *s, const TqJob *job);
/* Of what the host promises to jobs. */
uint64_t tq_facts_free_memory(const TqScheduler *s);
/* What others than the job that memory is kept for may be promised. */
uint64_t tq_facts_memory_for_others(const TqScheduler *s, uint64_t now);
bool tq_facts_may_have(const TqScheduler *s, const TqJob *job, uint64_t now);
/* The job that memory is kept for could still start but for memory. */
bool tq_facts_is_kept_for_reason(const TqScheduler *s);
bool tq_facts_memory_is_kept(const TqScheduler *s, uint64_t now);
/* Nothing is in the way of the job, whoever's turn it is. */
bool tq_facts_may_start(const TqScheduler *s, const TqJob *job, uint64_t now);
/* The job of a queue that may start: while only the lane's slots are left, a short one passes the
 * long ones before it. */
TqJob *tq_facts_head(const TqScheduler *s, const TqQueue *q);
TqJob *tq_facts_head_of(const TqScheduler *s, const TqQueue *q, bool allows_long);
