/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/buffer.h"
#include "conf/policyfile.h"
#include "engine/api/verbs.h"

/* What holds now, from all files and live changes together, as one text in the form of
 * tenantq-workload(5): what is shown is what `simulate` computes with. */

static void print_limits(const Layers *l, const TqHello *host, TqBuffer *out) {
        char value[TQ_VALUE_MAX], name[TQ_DEVICE_MAX * 2];

        for (int i = 0; i < _TQ_KEY_MAX; i++) {
                const TqKeyRow *row = &tq_limits_keys[i];

                /* A ceiling alone doesn't let a tenant run more than one of a queue. */
                if (i == TQ_KEY_CONCURRENCY && !layers_has_concurrency(l, host))
                        continue;
                if (row->has_effect && tq_limits_has(&l->effective, (TqKey)i))
                        tq_buffer_printf(
                                out, "%s = %s\n", row->name,
                                tq_limits_format(&l->effective, (TqKey)i, value, sizeof(value)));
        }
        for (uint32_t i = 0; i < l->effective.n_io; i++) {
                const TqIoLimit *io = &l->effective.io[i];

                tq_buffer_printf(
                        out, "%s = %s\n", tq_limits_io_name(io, name, sizeof(name)),
                        tq_limits_format_value((TqKey)io->key, io->value, value, sizeof(value)));
        }
}

static void print_queue(const char *tenant, const TqQueueLimit *q, TqBuffer *out) {
        char value[TQ_VALUE_MAX];

        tq_buffer_printf(out, "\n[queue %s/%s]\n", tenant, q->name);
        for (int i = 0; i < _TQ_KEY_MAX; i++)
                if (q->set >> i & 1)
                        tq_buffer_printf(out, "%s = %s\n", tq_limits_keys[i].name,
                                         tq_limits_format_value((TqKey)i,
                                                                tq_policy_queue_get(q, (TqKey)i, 0),
                                                                value, sizeof(value)));
}

static int by_name(const void *a, const void *b) {
        return strcmp(((const TqQueueLimit *)a)->name, ((const TqQueueLimit *)b)->name);
}

/* In one order, whatever was set and unset since: two exports can be compared. */
static void print_tenant(const Settings *s, const Tenant *t, TqBuffer *out) {
        const Layers *l = settings_layers(s, t->id);
        TqQueueLimit queues[TQ_QUEUE_LIMITS];
        int n = l ? layers_queues(l, queues) : 0;

        if (n > 0)
                qsort(queues, (size_t)n, sizeof(*queues), by_name);
        tq_buffer_printf(out, "\n[tenant %s]\n", t->name);
        if (l && l->pool[0])
                tq_buffer_printf(out, "pool = %s\n", l->pool);
        if (l)
                print_limits(l, settings_host(s), out);
        for (int i = 0; i < n; i++)
                print_queue(t->name, &queues[i], out);
}

int verb_export(Call *c) {
        const Settings *s = c->api->settings;
        TQ_FREE const Tenant **list = NULL;
        TQ_BUFFER_CLEANUP TqBuffer out = {};
        size_t n = 0;
        int r;

        r = call_visible_tenants(c, &list, &n);
        if (r < 0)
                return r;
        /* The host's settings say who has what: they are the administrator's. */
        if (c->viewer.is_admin)
                tq_policyfile_print(&settings_host(s)->policy, &out);
        for (size_t i = 0; i < n; i++)
                if (!list[i]->is_former)
                        print_tenant(s, list[i], &out);
        r = tq_buffer_error(&out);
        return r < 0 ? r : sd_bus_reply_method_return(c->message, "s", tq_buffer_string(&out));
}
