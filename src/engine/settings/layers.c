/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/settings/layers.h"

#include <stdio.h>
#include <string.h>

/* CPUs of a pool are its tenants', and nobody else's. */
static int clamp_to_pool(const TqHostPolicy *policy, const char *pool, TqLimits *l) {
        TqLimits cpus = { .set = UINT64_C(1) << TQ_KEY_CPUS };
        const TqPoolPolicy *own = NULL;
        bool is_divided = false;
        uint64_t any = 0;

        for (uint64_t i = 0; i < TQ_MIN(policy->cpus, (uint64_t)TQ_CPUS_MAX); i++)
                cpus.cpus[i / 64] |= UINT64_C(1) << (i % 64);
        for (uint32_t i = 0; i < policy->n_pools; i++) {
                const TqPoolPolicy *p = &policy->pools[i];

                if (strcmp(p->name, pool) == 0)
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
        return is_divided && any != 0 ? tq_limits_clamp(l, &cpus) : 0;
}

int layers_compose(const Layers *l, const TqHello *host, const TqLimits *live, TqLimits *ret) {
        int r;

        *ret = host->defaults;
        r = tq_limits_overlay(ret, &l->file);
        return r < 0 ? r : tq_limits_overlay(ret, live);
}

int layers_resolve(const Layers *l, const TqHello *host, const TqLimits *live, TqLimits *ret,
                   TqError *err) {
        int r = layers_compose(l, host, live, ret);

        if (r >= 0)
                r = tq_limits_clamp(ret, &host->ceilings);
        if (r >= 0)
                r = clamp_to_pool(&host->policy, l->pool, ret);
        if (r < 0)
                return tq_error(err, r,
                                "at most %d limits with @device, those of [defaults], the tenant's "
                                "file and [ceilings] included",
                                TQ_IO_DEVICES);
        return 0;
}

bool layers_has_concurrency(const Layers *l, const TqHello *host) {
        return tq_limits_has(&l->live, TQ_KEY_CONCURRENCY) ||
               tq_limits_has(&l->file, TQ_KEY_CONCURRENCY) ||
               tq_limits_has(&host->defaults, TQ_KEY_CONCURRENCY);
}

const char *layers_source(const Layers *l, const TqHello *host, TqKey key) {
        const TqLimits *layers[] = { &l->live, &l->file, &host->defaults };
        static const char *const names[] = { "set", "file", "default" };

        for (size_t i = 0; i < TQ_ELEMENTSOF(layers); i++) {
                if (!tq_limits_has(layers[i], key))
                        continue;
                if (tq_limits_keys[key].type == TQ_TYPE_CPUSET)
                        return memcmp(layers[i]->cpus, l->effective.cpus,
                                      sizeof(l->effective.cpus)) == 0
                                       ? names[i]
                                       : "ceiling";
                return layers[i]->value[key] == l->effective.value[key] ? names[i] : "ceiling";
        }
        return tq_limits_has(&l->effective, key) ? "ceiling" : "unset";
}

/* Queues -------------------------------------------------------------------------------------- */

const TqQueueLimit *layers_find_queue(const TqQueueLimit *queues, size_t n, const char *queue) {
        for (size_t i = 0; i < n; i++)
                if (strcmp(queues[i].name, queue) == 0)
                        return &queues[i];
        return NULL;
}

/* Adds what is set in `over` to the queue of that name. */
static int add_queue(TqQueueLimit *queues, size_t *n, const char *queue, const TqQueueLimit *over) {
        TqQueueLimit *q = (TqQueueLimit *)layers_find_queue(queues, *n, queue);

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

int layers_queues(const Layers *l, TqQueueLimit ret[TQ_QUEUE_LIMITS]) {
        size_t n = l->n_file_queues;
        int r = 0;

        memcpy(ret, l->file_queues, n * sizeof(*ret));
        for (size_t i = 0; r >= 0 && i < l->n_live_queues; i++)
                r = add_queue(ret, &n, l->live_queues[i].name, &l->live_queues[i]);
        return r < 0 ? r : (int)n;
}

int layers_set_queue(Layers *l, const char *queue, const TqQueueLimit *set) {
        return add_queue(l->live_queues, &l->n_live_queues, queue, set);
}

void layers_unset_queue(Layers *l, const char *queue, TqKey key) {
        TqQueueLimit *q =
                (TqQueueLimit *)layers_find_queue(l->live_queues, l->n_live_queues, queue);

        if (!q)
                return;
        q->set &= ~(UINT64_C(1) << key);
        if (q->set == 0)
                *q = l->live_queues[--l->n_live_queues];
}

/* As text ------------------------------------------------------------------------------------- */

static const char *io_value(const TqLimits *l, const char *name, char *buf, size_t size) {
        char this_name[TQ_DEVICE_MAX * 2];

        for (uint32_t i = 0; i < l->n_io; i++)
                if (strcmp(tq_limits_io_name(&l->io[i], this_name, sizeof(this_name)), name) == 0)
                        return tq_limits_format_value((TqKey)l->io[i].key, l->io[i].value, buf,
                                                      size);
        return NULL;
}

const char *layers_value(const TqLimits *l, const char *name, char *buf, size_t size) {
        TqKey key;

        if (strchr(name, '@'))
                return io_value(l, name, buf, size);
        key = tq_limits_find(name);
        return key >= 0 && tq_limits_has(l, key) ? tq_limits_format(l, key, buf, size) : NULL;
}

const char *layers_queue_value(const Layers *l, const char *queue, TqKey key, char *buf,
                               size_t size) {
        TqQueueLimit queues[TQ_QUEUE_LIMITS];
        int n = layers_queues(l, queues);
        const TqQueueLimit *q = layers_find_queue(queues, (size_t)TQ_MAX(n, 0), queue);

        if (key < 0 || !q || !(q->set >> key & 1))
                return NULL;
        return tq_limits_format_value(key, tq_policy_queue_get(q, key, 0), buf, size);
}

void layers_print(const TqLimits *l, const char *before, const char *between, TqBuffer *out) {
        char value[TQ_VALUE_MAX], name[TQ_DEVICE_MAX * 2];

        for (int i = 0; i < _TQ_KEY_MAX; i++)
                if (tq_limits_keys[i].has_effect && tq_limits_has(l, (TqKey)i))
                        tq_buffer_printf(out, "%s%s%s%s\n", before, tq_limits_keys[i].name, between,
                                         tq_limits_format(l, (TqKey)i, value, sizeof(value)));
        for (uint32_t i = 0; i < l->n_io; i++)
                tq_buffer_printf(out, "%s%s%s%s\n", before,
                                 tq_limits_io_name(&l->io[i], name, sizeof(name)), between,
                                 tq_limits_format_value((TqKey)l->io[i].key, l->io[i].value, value,
                                                        sizeof(value)));
}

void layers_print_queue(const TqQueueLimit *q, const char *before, const char *between,
                        TqBuffer *out) {
        char value[TQ_VALUE_MAX];

        for (int i = 0; i < _TQ_KEY_MAX; i++)
                if (q->set >> i & 1)
                        tq_buffer_printf(out, "%s%s%s%s\n", before, tq_limits_keys[i].name, between,
                                         tq_limits_format_value((TqKey)i,
                                                                tq_policy_queue_get(q, (TqKey)i, 0),
                                                                value, sizeof(value)));
}
