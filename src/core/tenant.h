/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/world.h"

/* Events that concern the host, a tenant or a queue as a whole. As tq_scheduler_step(). */

int tq_tenant_on_host(TqScheduler *s, const TqEvent *e);
int tq_tenant_on_tenant(TqScheduler *s, const TqEvent *e, uint64_t now);
int tq_tenant_on_switch(TqScheduler *s, const TqEvent *e, uint64_t now);
TqTenant *tq_tenant_free(TqTenant *t);
