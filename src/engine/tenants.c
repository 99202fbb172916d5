/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "base/format.h"
#include "engine/engine.h"

/* Tenants and the limits in force. Three layers, each standing over the one before: [defaults] of
 * tenantq.conf, the tenant's file, the live revisions of the ledger; then [ceilings] caps the
 * result. Who the tenant is comes from the supervisor; its number is the ledger's and stays for
 * ever. */

EngineTenant *tenants_by_name(Engine *e, const char *name) {
        size_t position = 0;
        EngineTenant *t;

        while ((t = tq_map_next(&e->tenants, &position)))
                if (strcmp(t->name, name) == 0)
                        return t;
        return NULL;
}

EngineTenant *tenants_by_uid(Engine *e, uid_t uid) {
        size_t position = 0;
        EngineTenant *t;

        while ((t = tq_map_next(&e->tenants, &position)))
                if (t->handle > 0 && t->uid == uid && !t->is_gone)
                        return t;
        return NULL;
}

static EngineTenant *tenant_new(Engine *e, uint32_t id, const char *name) {
        EngineTenant *t = calloc(1, sizeof(*t));

        if (!t)
                return NULL;
        t->id = id;
        (void)snprintf(t->name, sizeof(t->name), "%s", name);
        (void)snprintf(t->fault, sizeof(t->fault), "it has no directory in the spool");
        t->is_gone = true;
        if (tq_map_put(&e->tenants, id, t) < 0) {
                free(t);
                return NULL;
        }
        return t;
}

/* CPUs of a pool are its tenants', and nobody else's. */
static void clamp_to_pool(const Engine *e, const EngineTenant *t, TqLimits *l) {
        TqLimits cpus = { .set = UINT64_C(1) << TQ_KEY_CPUS };
        const TqPoolPolicy *own = NULL;
        bool is_divided = false;
        uint64_t any = 0;

        for (uint64_t i = 0; i < TQ_MIN(e->policy.cpus, (uint64_t)TQ_CPUS_MAX); i++)
                cpus.cpus[i / 64] |= UINT64_C(1) << (i % 64);
        for (uint32_t i = 0; i < e->policy.n_pools; i++) {
                const TqPoolPolicy *p = &e->policy.pools[i];

                if (strcmp(p->name, t->pool) == 0)
                        own = p;
                is_divided |= p->has_cpus;
                for (size_t k = 0; p->has_cpus && k < TQ_ELEMENTSOF(cpus.cpus); k++)
                        cpus.cpus[k] &= ~p->cpus[k];
        }
        if (own && own->has_cpus)
                memcpy(cpus.cpus, own->cpus, sizeof(cpus.cpus));
        /* The pools have all CPUs: the others share them, since they must run somewhere. */
        for (size_t k = 0; k < TQ_ELEMENTSOF(cpus.cpus); k++)
                any |= cpus.cpus[k];
        if (is_divided && any != 0)
                tq_limits_clamp(l, &cpus);
}

void tenants_resolve(Engine *e, const EngineTenant *t, const TqLimits *live, TqLimits *ret) {
        *ret = e->defaults;
        tq_limits_overlay(ret, &t->file);
        tq_limits_overlay(ret, live);
        tq_limits_clamp(ret, &e->ceilings);
        clamp_to_pool(e, t, ret);
}

const TqQueueLimit *tenants_find_queue(const TqQueueLimit *queues, size_t n, const char *queue) {
        for (size_t i = 0; i < n; i++)
                if (strcmp(queues[i].name, queue) == 0)
                        return &queues[i];
        return NULL;
}

/* Adds what is set in `over` to the queue of that name. */
static int add_queue(TqQueueLimit *queues, size_t *n, const char *queue, const TqQueueLimit *over) {
        TqQueueLimit *q = (TqQueueLimit *)tenants_find_queue(queues, *n, queue);

        if (!q && *n == TQ_QUEUE_LIMITS)
                return -E2BIG;
        if (!q) {
                q = &queues[(*n)++];
                *q = (TqQueueLimit){};
                (void)snprintf(q->name, sizeof(q->name), "%s", queue);
        }
        tq_policy_queue_overlay(q, over);
        return 0;
}

size_t tenants_queues(const EngineTenant *t, TqQueueLimit *ret) {
        size_t n = t->n_file_queues;

        memcpy(ret, t->file_queues, n * sizeof(*ret));
        for (size_t i = 0; i < t->n_live_queues; i++)
                (void)add_queue(ret, &n, t->live_queues[i].name, &t->live_queues[i]);
        return n;
}

int tenants_set_live_queue(EngineTenant *t, const char *queue, const TqQueueLimit *set) {
        return add_queue(t->live_queues, &t->n_live_queues, queue, set);
}

void tenants_unset_live_queue(EngineTenant *t, const char *queue, TqKey key) {
        TqQueueLimit *q =
                (TqQueueLimit *)tenants_find_queue(t->live_queues, t->n_live_queues, queue);

        if (!q)
                return;
        q->set &= ~(UINT64_C(1) << key);
        if (q->set == 0)
                *q = t->live_queues[--t->n_live_queues];
}

int tenants_check_share(Engine *e, const EngineTenant *t, const TqLimits *limits, TqError *err) {
        uint64_t reserved = tq_limits_get(limits, TQ_KEY_RESERVED, 0), left;
        char text[TQ_FORMAT_MAX];
        int r;

        r = tq_scheduler_check_reserved(e->scheduler, t->id, t->pool, reserved, &left);
        if (r == -ENOENT)
                return tq_error(err, -EBADMSG, "pool=%s: tenantq.conf has no [pool %s]", t->pool,
                                t->pool);
        if (r == -EDQUOT)
                return tq_error_at(
                        err, -EBADMSG, 0, "reserved",
                        "asks for %s, but only %llu of the pool's slots are left to reserve",
                        tq_limits_format_value(TQ_KEY_RESERVED, reserved, text, sizeof(text)),
                        (unsigned long long)left);
        return 0;
}

/* What one tenant gave back may be what another one could not have: a reservation that moves from
 * one to the other must not depend on who is announced first. */
static void reconsider(Engine *e) {
        size_t position = 0;
        EngineTenant *t;
        TqError err = {};

        while ((t = tq_map_next(&e->tenants, &position)))
                if (t->scheduler_fault && tenants_check_share(e, t, &t->effective, &err) == 0)
                        tenants_tell_scheduler(e, t);
}

void tenants_tell_scheduler(Engine *e, EngineTenant *t) {
        TqQueueLimit queues[TQ_QUEUE_LIMITS];
        TqLimits limits = t->effective;
        TqError err = {};
        TqEvent event = {
                .type = TQ_EVENT_TENANT,
                .tenant = t->id,
                .t = {
                        .name = t->name,
                        .limits = &limits,
                        .queue_limits = queues,
                        .n_queue_limits = tenants_queues(t, queues),
                        .pool = t->pool,
                },
        };

        t->scheduler_fault = tenants_check_share(e, t, &limits, &err) < 0;
        /* What can't be had is not half given: the tenant waits until it is mended. */
        if (t->scheduler_fault) {
                event.t.pool = NULL;
                limits.set &= ~(UINT64_C(1) << TQ_KEY_RESERVED);
                (void)tq_error_format(&err, t->fault, sizeof(t->fault));
                engine_say(SD_ERR, "tenant %s is disabled: %s", t->name, t->fault);
        }
        event.t.enabled = t->is_ready && t->is_applied && !t->scheduler_fault;
        (void)dispatch_step(e, &event);
        intake_has_room(e, t);
        if (!t->scheduler_fault)
                reconsider(e);
}

void tenants_set_kernel(EngineTenant *t, const char *blob, size_t size) {
        size_t n = TQ_MIN(size / sizeof(TqSliceValue), (size_t)TQ_ATTRS_MAX);

        memcpy(t->kernel, blob, n * sizeof(TqSliceValue));
        for (size_t i = 0; i < n; i++)
                t->kernel[i].text[sizeof(t->kernel[i].text) - 1] = '\0';
        t->n_kernel = n;
}

/* The supervisor has written the limits of the files and the ledger, or could not. */
static void on_applied(Engine *e, Request *r, int result, const char *blob, size_t size, int *fd) {
        EngineTenant *t = r->tenant;

        (void)fd;
        if (result < 0) {
                t->is_applied = false;
                (void)snprintf(t->fault, sizeof(t->fault), "its limits can't be applied: %.400s",
                               blob);
                engine_say(SD_ERR, "tenant %s is disabled: %s", t->name, t->fault);
        } else {
                t->is_applied = true;
                tenants_set_kernel(t, blob, size);
        }
        tenants_tell_scheduler(e, t);
}

static void apply(Engine *e, EngineTenant *t) {
        Request *r;

        tenants_resolve(e, t, &t->live, &t->effective);
        if (!t->is_ready) {
                tenants_tell_scheduler(e, t);
                return;
        }
        r = requests_new(e);
        if (!r) {
                engine_degrade(e, -ENOMEM);
                return;
        }
        r->answered = on_applied;
        requests_apply(e, r, t, &t->effective);
}

static void take_message(EngineTenant *t, const TqTenantMessage *m) {
        t->handle = m->tenant;
        t->uid = m->uid;
        t->is_ready = m->is_enabled;
        t->is_gone = m->is_gone;
        (void)snprintf(t->user, sizeof(t->user), "%s", m->user);
        (void)snprintf(t->home, sizeof(t->home), "%s", m->home);
        (void)snprintf(t->fault, sizeof(t->fault), "%s", m->fault);
        (void)snprintf(t->pool, sizeof(t->pool), "%s", m->pool);
        t->holds_when_full = m->holds_when_full;
        t->file = m->limits;
        t->n_file_queues = m->n_queues;
        memcpy(t->file_queues, m->queues, sizeof(t->file_queues));
}

int tenants_on_message(Engine *e, const TqTenantMessage *m) {
        EngineTenant *t = tenants_by_name(e, m->name);
        TqLedgerOp *op;

        if (!t) {
                t = tenant_new(e, e->numbers.next_tenant, m->name);
                if (!t)
                        return -ENOMEM;
                e->numbers.next_tenant++;
        }
        if (t->handle == 0 || t->uid != m->uid) {
                op = batch_op(e, TQ_LEDGER_TENANT);
                if (!op)
                        return -ENOMEM;
                op->tenant = t->id;
                op->uid = m->uid;
                op->text = strdup(t->name);
                (void)tq_map_remove(&e->handles, m->tenant);
                if (tq_map_put(&e->handles, m->tenant, t) < 0)
                        return -ENOMEM;
        }
        take_message(t, m);
        /* Known at once, if only as one that can't start yet: claims may come before the answer. */
        if (!tq_scheduler_tenant(e->scheduler, t->id))
                tenants_tell_scheduler(e, t);
        apply(e, t);
        return 0;
}

/* Start-up: the tenants and live limits that the ledger knows. */

static int load_tenant(void *userdata, const TqLedgerTenant *row) {
        return tenant_new(userdata, row->id, row->name) ? 0 : -ENOMEM;
}

static int load_limit(void *userdata, const TqLedgerLimit *row) {
        Engine *e = userdata;
        EngineTenant *t = tq_map_get(&e->tenants, row->tenant);
        bool is_queue = row->queue[0] != '\0';
        TqQueueLimit one = {};
        TqError err = {};
        char text[512];
        int r;

        if (!t)
                return 0;
        r = is_queue ? tq_policy_queue_set(&one, row->name, row->value, 0, &err)
                     : tq_limits_set(&t->live, row->name, row->value, TQ_SCOPE_TENANT, true, 0,
                                     &err);
        if (r < 0) {
                engine_say(SD_ERR, "tenant %s: limit of revision %llu is not understood: %s",
                           t->name, (unsigned long long)row->revision,
                           tq_error_format(&err, text, sizeof(text)));
                return -EBADMSG; /* starting without a limit that was set would be worse */
        }
        return is_queue ? tenants_set_live_queue(t, row->queue, &one) : 0;
}

int tenants_load(Engine *e) {
        int r;

        r = tq_ledger_each_tenant(e->ledger, load_tenant, e);
        return r < 0 ? r : tq_ledger_each_limit(e->ledger, load_limit, e);
}
