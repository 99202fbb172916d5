/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/world.h"

/* The queues of a tenant. */

const TqQueue *tq_queue_find(const TqTenant *t, const char *name); /* NULL: none */
/* Made if need be. 0 or -ENOMEM. */
int tq_queue_ensure(TqTenant *t, const char *name, uint64_t now, TqQueue **ret);
void tq_queue_release(TqQueue *q); /* frees it if nothing needs it */
/* As its tenant's limits and its switches say now. */
void tq_queue_set_limits(TqQueue *q, uint64_t now);
/* Whether it could start a job may have changed. */
void tq_queue_refresh(TqScheduler *s, TqQueue *q);
