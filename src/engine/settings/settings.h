/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/settings/layers.h"
#include "engine/tenants/tenants.h"
#include "ipc/link.h"

/* What holds: the host's policy and every tenant's limits, on their way from the files and the
 * ledger to the kernel. The supervisor reads the host's files and decides what stands there; here
 * it is only known. */
typedef struct Settings Settings;

/* scheduler: read only. */
int settings_new(TqLink *link, Commit *commit, Tenants *tenants, const TqScheduler *scheduler,
                 Settings **ret);
Settings *settings_free(Settings *s);
/* What the scheduler is to know of a tenant may have changed: settings_describe() says how it is.
 */
void settings_on_change(Settings *s, void (*changed)(void *data, const Tenant *t), void *data);

void settings_hear_host(Settings *s, const TqHello *host);
const TqHello *settings_host(const Settings *s);

/* The live limits that the ledger knows; what is not understood is a fault of its tenant. */
int settings_load(Settings *s);
/* What the supervisor says of the tenant's file; then its limits are applied. */
int settings_hear(Settings *s, const Tenant *t, const TqTenantMessage *m);
/* Its limits to the kernel: now, or when what is under way has ended. */
void settings_apply(Settings *s, const Tenant *t);
/* Says once more that the tenant may have changed. */
void settings_tell(Settings *s, const Tenant *t);
/* It was removed: nothing is reserved for it, and no limit of it is known. */
void settings_forget(Settings *s, const Tenant *t);
/* The last job of a former owner makes way for the present one. */
void settings_job_ended(Settings *s, const Tenant *t);

/* What the scheduler is to know; the event points into the rest. */
typedef struct TenantEvent {
        TqEvent event;
        TqLimits limits;
        TqQueueLimit queues[TQ_QUEUE_LIMITS];
        char title[TQ_TENANT_TITLE_MAX];
} TenantEvent;

void settings_describe(Settings *s, const Tenant *t, TenantEvent *ret);

/* NULL: nobody's. */
const Layers *settings_layers(const Settings *s, uint32_t tenant);
/* The same as it will be when nothing is set for some time any more. -ENOMEM, -E2BIG. */
int settings_layers_for_good(const Settings *s, uint32_t tenant, Layers *ret);
/* Whether its files wait where they are while a limit refuses them (on_full=). */
bool settings_waits_when_full(const Settings *s, uint32_t tenant);
/* Why nothing of it starts; NULL: something may. */
const char *settings_fault(const Settings *s, const Tenant *t, char *buf, size_t size);
/* Of the last change of its live limits; 0: none. */
uint64_t settings_revision(const Settings *s, uint32_t tenant);
/* What is known of a live limit beside its value; false: it is not set live. Texts are borrowed. */
typedef struct LiveFacts {
        uint64_t revision;
        uint64_t until_usec; /* CLOCK_REALTIME; 0: for good */
        const char *back;    /* what is set then; NULL: nothing */
} LiveFacts;
bool settings_live(const Settings *s, uint32_t tenant, const char *queue, const char *name,
                   LiveFacts *ret);
/* The next of those that are unset for some time; *position is 0 at first. Texts are borrowed. */
bool settings_next_unset(const Settings *s, uint32_t tenant, size_t *position,
                         const char **ret_queue, const char **ret_name);
/* What its slice holds for KEY or KEY@DEVICE; NULL: nothing. */
const char *settings_kernel_value(const Settings *s, uint32_t tenant, const char *name, char *buf,
                                  size_t size);
