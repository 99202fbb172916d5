/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <tenantq/types.h>

#include "base/buffer.h"
#include "base/error.h"

/* Limits of many tenants in one text: [tenant NAME] and [queue TENANT/NAME] with keys of
 * tenantq.conf(5), as `tenantqctl policy export` prints them, and [flag NAME]. */

#define TQ_FLEET_FILE_MAX (UINT64_C(4) << 20) /* bytes */
#define TQ_FLEET_TENANTS  10000
#define TQ_FLEET_FLAGS    100
#define TQ_FLEET_LIMITS   256 /* of a tenant and its queues, or of a flag */

/* One assignment, checked: what it may be, not whether the tenant may have it. */
typedef struct TqFleetLimit {
        char queue[TQ_QUEUE_NAME_MAX + 1]; /* empty: the tenant's own */
        char *name, *value;                /* as written */
        unsigned line;
} TqFleetLimit;

typedef struct TqFleetTenant {
        char name[TQ_TENANT_NAME_MAX + 1];
        unsigned line;
        TqFleetLimit *limits;
        size_t n, allocated;
} TqFleetTenant;

/* Changes that are made and taken back as a unit: [flag NAME] with tenants=, on=, and limits of the
 * tenants, QUEUE/KEY for those of their queues. */
typedef struct TqFleetFlag {
        TqFleetTenant what;    /* its name, and what holds while it is on */
        TqFleetLimit *tenants; /* by name; they are in the text */
        size_t n_tenants, n_allocated;
        bool is_on, has_on;
} TqFleetFlag;

/* In the order of the text; what flags that are on say is said of their tenants. */
typedef struct TqFleet {
        TqFleetTenant *tenants;
        size_t n, allocated;
        TqFleetFlag *flags;
        size_t n_flags, flags_allocated;
        TqFleetTenant **sorted; /* by name */
} TqFleet;

/* -EBADMSG with err: the line, the key, what was expected; -ENOMEM. A tenant or a key twice is an
 * error. tq_fleet_done() in any case. */
int tq_fleetfile_parse(const char *data, size_t size, TqFleet *ret, TqError *err);
void tq_fleet_done(TqFleet *f);
#define TQ_FLEET_CLEANUP TQ_CLEANUP(tq_fleet_done)

/* NULL: none. */
const TqFleetTenant *tq_fleet_find(const TqFleet *f, const char *tenant);
const TqFleetFlag *tq_fleet_find_flag(const TqFleet *f, const char *flag);
bool tq_fleet_flag_has(const TqFleetFlag *flag, const char *tenant);
/* NULL: it is not said. name: as written or its synonym. */
const TqFleetLimit *tq_fleet_find_limit(const TqFleetTenant *t, const char *queue,
                                        const char *name);

/* The text with that flag on, or off; the rest of it as it is. -ENOENT: it has no such flag. */
int tq_fleetfile_turn(const char *text, const char *flag, bool on, TqBuffer *out);
/* The text with what other says of the tenant and its queues in place of what it says of them
 * itself. Both are valid. -ENOENT: other says nothing of it. */
int tq_fleetfile_splice(const char *text, const char *other, const char *tenant, TqBuffer *out);
