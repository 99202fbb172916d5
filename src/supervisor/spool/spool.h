/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "supervisor/claims/claims.h"

/* Which file is looked at next, of whom. */
typedef struct Spool Spool;

int spool_new(sd_event *event, Own *own, Tenants *tenants, Claims *claims, Spool **ret);
Spool *spool_free(Spool *s);
/* Watches the directory of all; also once more, when that is another one. */
int spool_watch_top(Spool *s);

/* Of a tenant whose directory is in order (anew), or is not any more. */
int spool_watch(Spool *s, Tenant *t);
void spool_unwatch(Spool *s, Tenant *t);
/* There may be something of it to be taken. */
void spool_wake(Spool *s, Tenant *t);
/* The directory itself is to be looked at soon, or in some seconds. */
void spool_check(Spool *s, Tenant *t);
void spool_recheck(Spool *s, Tenant *t);

/* Whether the engine takes claims. */
void spool_set_open(Spool *s, bool is_open);
