/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/world.h"

/* Slots, and whose they are. */

/* -ENOSPC: too many pools, with those that still have tenants; nothing changed. */
int tq_pool_set_host(TqScheduler *s, const TqHostPolicy *policy);
void tq_pool_done_all(TqScheduler *s);
TqPool *tq_pool_by_name(const TqScheduler *s, const char *name); /* NULL: not configured */
/* -ENOMEM: it stays where it is, and out. */
int tq_pool_move(TqTenant *t, TqPool *pool, uint64_t now);
void tq_pool_set_reserved(TqTenant *t, uint64_t reserved);
void tq_pool_take_slot(TqScheduler *s, TqJob *job);
void tq_pool_give_slot(TqScheduler *s, TqJob *job);
