/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/buffer.h"
#include "supervisor/tenants/tenants.h"

/* Which paths of the host a tenant's jobs see and may write. */

/* Where all tenants' homes lie: what is hidden from everybody. Kept until they change. */
typedef struct Homes {
        TqBuffer places; /* paths, each terminated */
        uint64_t seen;   /* tenants_changes() of that time; 0: never */
        bool is_full;    /* there are more than fit */
} Homes;

void homes_done(Homes *h);

/* The entries of a plan (TqPathKind), from root's configuration: what is hidden, then what is
 * granted. -E2BIG: homes lie in too many places, or there are more than a plan has room for;
 * -ENOMEM. */
int paths_write(Homes *homes, const Host *host, const Tenants *tenants, const Tenant *t,
                TqBuffer *ret);
