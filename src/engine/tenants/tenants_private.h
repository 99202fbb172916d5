/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/map.h"
#include "engine/tenants/tenants.h"

/* What the files of this room share. */

struct Tenants {
        Commit *commit;
        Events *events;
        TqMap ids;     /* Tenant.id → */
        TqMap handles; /* Tenant.handle → */
        TqMap names;   /* a hash of the name → who has it now */
        TqMap uids;    /* uid → whom it owns now */
        size_t n_removed;
        bool has_renames; /* one is intended, or was in this run */
        void (*on_former)(void *data, const Tenant *former);
        void *former_data;
};

/* Its name is another one, and that of those who had it before; recorded. */
int tenants_rename(Tenants *ts, Tenant *t, const char *name);
void tenants_take_name_off(Tenants *ts, const Tenant *t);

/* An event for each sentence that was not there before. */
void tenants_tell_notes(Tenants *ts, Tenant *t, const char *note);
