/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/commit/events.h"
#include "engine/settings/settings.h"
#include "ipc/link.h"

/* Claims that a limit refuses for now (on_full=wait), or that what is drained does not take: they
 * wait at the door, in .claims, until there is room; and how many a tenant may have open. */
typedef struct Door Door;

/* scheduler: read only. */
int door_new(sd_event *event, TqLink *link, Commit *commit, Events *events, Tenants *tenants,
             const Settings *settings, const TqScheduler *scheduler, Door **ret);
Door *door_free(Door *d);

/* What the scheduler is asked, once there may be room. */
typedef struct DoorClaim {
        uint64_t claim;
        char queue[TQ_QUEUE_NAME_MAX + 1];
        uint64_t spool_bytes, memory_bytes;
        uint64_t not_before; /* CLOCK_BOOTTIME usec */
        size_t n_after;
} DoorClaim;

/* Whether what was refused may wait until it is taken. claim NULL: behind another one, with which
 * it waits whatever it asks for, and whatever that one waits for: a fault of the ledger has no
 * refusal, and may be over. */
bool door_may_wait(const Door *d, const Tenant *t, const DoorClaim *claim,
                   const TqRefusal *refusal);
/* An older one of the same queue waits already: *ret is why. */
bool door_must_wait(const Door *d, const Tenant *t, const DoorClaim *claim, TqRefusal *ret);

/* It waits; one that waited before keeps its place. Its supervisor is told. */
void door_wait(Door *d, const Tenant *t, const DoorClaim *claim, const TqRefusal *refusal);
/* It was handed over again, and taken or refused for good; or it has gone. */
void door_leave(Door *d, const Tenant *t, uint64_t claim);
/* It was asked for, and can't be handed over for now: it comes by itself. */
void door_is_late(Door *d, const Tenant *t, uint64_t claim);
/* A job of the tenant waits no more, or another reason to ask again; limits or switches may have
 * changed. */
void door_room_made(Door *d, uint32_t tenant);
void door_room_made_all(Door *d);
/* What waits is nobody's any more. */
void door_forget(Door *d, uint32_t tenant);
/* How many wait. */
size_t door_count(const Door *d, uint32_t tenant);
