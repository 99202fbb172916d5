/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "supervisor/tenants/announce.h"

#include <stdio.h>
#include <string.h>

#include "supervisor/tenants/logs.h"
#include "supervisor/tenants/table_private.h"

static uint64_t hash(const void *data, size_t size) {
        const unsigned char *p = data;
        uint64_t h = UINT64_C(0xCBF29CE484222325);

        for (size_t i = 0; i < size; i++)
                h = (h ^ p[i]) * UINT64_C(0x100000001B3);
        return TQ_MAX(h, UINT64_C(1));
}

/* Nothing is said twice: each time the engine applies the tenant's limits anew. */
void tenants_announce(Tenants *ts, Tenant *t) {
        TqMessage m;
        uint64_t said;

        memset(&m, 0, sizeof(m));
        m.tenant.tenant = t->handle;
        m.tenant.owner = t->owner;
        m.tenant.uid = t->who.uid;
        m.tenant.gid = t->who.gid;
        (void)snprintf(m.tenant.user, sizeof(m.tenant.user), "%s", t->who.user);
        if (!t->is_enabled)
                m.tenant.uid = logs_find_owner(ts, t, m.tenant.user, sizeof(m.tenant.user));
        m.tenant.is_enabled = t->is_enabled;
        m.tenant.is_gone = t->is_gone;
        m.tenant.waits_when_full = t->config.waits_when_full;
        m.tenant.rank = (uint32_t)t->rank;
        (void)snprintf(m.tenant.profile, sizeof(m.tenant.profile), "%s", t->config.profile);
        m.tenant.limits = t->config.limits;
        m.tenant.n_queues = (uint32_t)t->config.n_queues;
        (void)snprintf(m.tenant.name, sizeof(m.tenant.name), "%s", t->name);
        (void)snprintf(m.tenant.pool, sizeof(m.tenant.pool), "%s", t->config.pool);
        (void)snprintf(m.tenant.home, sizeof(m.tenant.home), "%s", t->who.home);
        (void)snprintf(m.tenant.former_owner, sizeof(m.tenant.former_owner), "%s",
                       t->config.former_owner);
        (void)snprintf(m.tenant.fault, sizeof(m.tenant.fault), "%s", t->fault);
        (void)snprintf(m.tenant.note, sizeof(m.tenant.note), "%s", t->note);
        memcpy(m.tenant.queues, t->config.queues, sizeof(m.tenant.queues));
        said = hash(&m, sizeof(m));
        if (said == t->announced)
                return;
        t->announced = said;
        (void)tq_link_send(ts->link, TQ_MESSAGE_TENANT, &m, NULL, 0, -EBADF);
}

void tenants_announce_anew(Tenants *ts, Tenant *t) {
        t->announced = 0;
        tenants_announce(ts, t);
}

void tenants_announce_all(Tenants *ts) {
        for (Tenant *t = tenants_next(ts, NULL); t; t = tenants_next(ts, t))
                tenants_announce_anew(ts, t);
}
