/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "supervisor/tenants/announce.h"

#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/crc32c.h"
#include "supervisor/tenants/logs.h"
#include "supervisor/tenants/table_private.h"

static uint64_t hash(const void *data, size_t size) {
        const unsigned char *p = data;
        uint64_t h = UINT64_C(0xCBF29CE484222325);

        for (size_t i = 0; i < size; i++)
                h = (h ^ p[i]) * UINT64_C(0x100000001B3);
        return TQ_MAX(h, UINT64_C(1));
}

/* Texts one behind the other, each with its end; an empty one is the last. */
static void add_list(TqBuffer *b, const char *list) {
        const char *at = list;

        while (*at)
                at += strlen(at) + 1;
        tq_buffer_append(b, list, (size_t)(at - list) + 1);
}

/* What of its file the engine has nothing to do with, but that it changed. */
static uint32_t sum_grants(const TqTenantConfig *c) {
        TQ_BUFFER_CLEANUP TqBuffer text = {};

        tq_buffer_printf(&text, "%s\n%d %d %d\n", c->user, c->allow_root, c->audit, c->network);
        add_list(&text, c->read_write_paths);
        add_list(&text, c->read_only_paths);
        add_list(&text, c->device_allow);
        for (size_t i = 0; i < c->n_submitters; i++)
                tq_buffer_printf(&text, "%s\n", c->submitters[i]);
        return tq_buffer_error(&text) < 0 ? 0 : tq_crc32c(text.data, text.size);
}

/* Nothing is said twice: each time the engine applies the tenant's limits anew. */
void tenants_announce(Tenants *ts, Tenant *t) {
        TqMessage m;
        uint64_t said;

        if (t->is_ending || t->is_silent)
                return;
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
        m.tenant.grants = sum_grants(&t->config);
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
