/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-event.h>

#include "base/buffer.h"
#include "base/log.h"
#include "ipc/link.h"
#include "store/joblog.h"
#include "supervisor/host/own.h"
#include "supervisor/slices/slices.h"
#include "supervisor/tenants/tenant.h"

/* Tenants: a directory of the spool is one. Here it is decided who its jobs run as and whether it
 * is in order; the engine is told, and finds which tenant of its ledger that is. */
typedef struct Tenants Tenants;

/* Told when it has happened. Each is set. */
typedef struct TenantsHooks {
        void *data;
        int (*opened)(void *data, Tenant *t);    /* its directory is in order, perhaps anew */
        void (*closed)(void *data, Tenant *t);   /* it is not, and is about to be closed */
        void (*enabled)(void *data, Tenant *t);  /* opened, and known to the engine */
        void (*check_in)(void *data, Tenant *t); /* tenants_check() is to be called soon */
        void (*recheck)(void *data, Tenant *t);  /* in some seconds: what is around it may change */
        void (*rescan)(void *data);              /* soon: not all directories could be looked at */
} TenantsHooks;

/* NULL: none. */
Tenant *tenants_find(const Tenants *ts, uint32_t handle);
Tenant *tenants_by_name(const Tenants *ts, const char *name);
/* Makes one that has no directory, if need be. NULL: out of memory. */
Tenant *tenants_ensure(Tenants *ts, const char *name);
/* previous NULL: the first; NULL: no more. */
Tenant *tenants_next(const Tenants *ts, const Tenant *previous);

/* Its directory is somebody else's, or of another mode, than when it was looked at: that is about
 * to be noticed. */
bool tenants_has_moved_on(const Tenant *t);
/* How often who a tenant is, or what its file says, has become another. Never 0. */
uint64_t tenants_changes(const Tenants *ts);
/* Each is to be checked soon. */
void tenants_check_all(Tenants *ts);
bool tenants_may_submit(const Tenant *t, uid_t uid);
/* Notes why it is not in order. -EPERM. */
int tenants_fault(Tenant *t, const char *fmt, ...) TQ_PRINTF(2, 3);
/* former_owner= of its file means that user. */
bool tenants_is_former(const Tenant *t, uid_t uid, const char *user);

/* A line of the journal that a tenant can bring about: within a budget. */
void tenants_report(Tenant *t, TqLogId id, const char *fmt, ...) TQ_PRINTF(3, 4);
