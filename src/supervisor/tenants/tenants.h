/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "supervisor/tenants/announce.h"
#include "supervisor/tenants/table.h"

/* Which directories are tenants, and whether they are in order. */

int tenants_new(Host *host, Own *own, Slices *slices, TqLink *link, const TenantsHooks *hooks,
                Tenants **ret);
Tenants *tenants_free(Tenants *ts);
/* Watches what says who users are. */
void tenants_watch(Tenants *ts, sd_event *event);

int tenants_scan(Tenants *ts);                     /* the top directory against the table */
void tenants_check(Tenants *ts, const char *name); /* one directory */

/* The configuration is another one: all are looked at, and their limits applied, anew. */
int tenants_reconfigure(Tenants *ts);

/* Asks the system who it is, if that may have changed; false: it has. */
bool tenants_verify(Tenants *ts, Tenant *t);
/* An order about it has begun: it is closed, and its directory is not looked at until it is over;
 * removed: then whoever has the name is somebody new. */
void tenants_begin_end(Tenants *ts, Tenant *t);
void tenants_end_end(Tenants *ts, Tenant *t, bool was_removed);
/* Its directories have another name now. */
int tenants_rename(Tenants *ts, Tenant *t, const char *name);
/* What it relies on has gone: noticed, made again or told as a fault. */
void tenants_lose_slice(Tenants *ts, Tenant *t);
int tenants_mend_logs(Tenants *ts, Tenant *t);
