/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/commit/events.h"
#include "engine/tenants/tenants.h"
#include "ipc/link.h"

/* Files that a limit refuses for now (on_full=hold), or that what is drained does not take: they
 * stay where they are until there is room. */
typedef struct Door Door;

int door_new(sd_event *event, TqLink *link, Commit *commit, Events *events, Tenants *tenants,
             Door **ret);
Door *door_free(Door *d);

/* The claim goes back, and nothing more of the tenant is taken. */
void door_hold(Door *d, uint64_t claim, const Tenant *t, const TqRefusal *refusal);
void door_has_room(Door *d, uint32_t tenant);
void door_has_room_all(Door *d);
bool door_is_full(const Door *d, uint32_t tenant);
