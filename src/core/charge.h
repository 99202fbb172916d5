/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/world.h"

/* What a tenant is charged for its jobs. */

void tq_charge_job_init(TqCharge *c);
void tq_charge_init(TqPool *p);
/* Charges: at the start by estimate, meanwhile by what was seen, in the end by what it was. A use
 * is of the whole job so far. */
void tq_charge_start(TqScheduler *s, TqJob *job, uint64_t now);
/* It runs already. What it used so far is in the tag that its tenant got back (TQ_EVENT_STANDING),
 * or is charged if that is of before and somebody competed; without one it is not charged. */
void tq_charge_adopt(TqScheduler *s, TqJob *job, uint64_t now);
void tq_charge_seen(TqScheduler *s, TqJob *job, const TqUse *use, uint64_t now);
void tq_charge_end(TqScheduler *s, TqJob *job, const TqUse *use, uint64_t now, bool is_typical);
/* Jobs that run are looked at, from now on until unwatch(), while somebody competes in their pool.
 * 0 or -ENOMEM. */
int tq_charge_watch(TqJob *job, uint64_t now);
void tq_charge_unwatch(TqJob *job);
/* The tenant leaves its pool for that one. */
void tq_charge_move(TqTenant *t, TqPool *to);
/* The tenant's tag as its running jobs have used by now, without what was charged ahead. */
uint64_t tq_charge_tag(const TqTenant *t, uint64_t now);
/* A weight or a capacity is about to change: what was used until now is charged by the old one. */
void tq_charge_settle(TqTenant *t, uint64_t now);
/* When a job of the pool is looked at next, or TQ_NEVER. */
uint64_t tq_charge_next_look(const TqPool *p);
/* A job that is to be looked at now, each once; then NULL. */
TqJob *tq_charge_look(TqScheduler *s, TqPool *p, uint64_t now);
/* All that are to be looked at before that time, by what the meter says. */
void tq_charge_look_until(TqScheduler *s, uint64_t until, TqMeter meter, void *userdata);
