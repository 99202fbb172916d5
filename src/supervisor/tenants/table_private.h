/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/map.h"
#include "supervisor/tenants/table.h"

/* What the files of this room share. */

struct Tenants {
        Host *host;
        Own *own;
        Slices *slices;
        TqLink *link;
        TenantsHooks hooks;
        TqList all;
        TqMap handles; /* Tenant.handle → Tenant */
        TqMap names;   /* a hash of the name → the first Tenant that has it */
        uint32_t next_handle;
        uint64_t changes;    /* tenants_changes() */
        TqMap owners;        /* identity.c: uid → Tenant */
        uint64_t identities; /* how often the user database has changed */
        sd_event_source *users_source;
        uint64_t bad_names_from; /* tenants.c: since when they are counted, boottime; 0: never */
        unsigned n_bad_names;
};
