/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "supervisor/tenants/table.h"

/* Who a tenant's jobs run as. */

void identity_done(Identity *i);
/* Of a directory, as the system knows it now: t->who. -EPERM with a fault. */
int identity_find(Tenants *ts, Tenant *t, const struct stat *st);
/* Whether that user may be the tenant's from now on: -EPERM with a text. */
int identity_may_become(Tenants *ts, const Tenant *t, uid_t uid, gid_t gid, char *why, size_t size);
void identity_release(Tenants *ts, const Tenant *t); /* its user may be another tenant's */
bool identity_is_fresh(const Tenants *ts, const Tenant *t);
void identity_watch(Tenants *ts, sd_event *event);
