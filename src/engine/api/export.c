/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/buffer.h"
#include "conf/policyfile.h"
#include "engine/api/verbs.h"

/* What holds now, from all files and live changes together, as one text in the form of
 * tenantq-workload(5): what is shown is what `simulate` computes with. */

#define TOO_MANY "more than %d with limits, of its file and set together"

/* A ceiling alone doesn't let a tenant run more than one of a queue. */
static void print_limits(const Layers *l, const TqHello *host, bool as_said, TqBuffer *out) {
        TqLimits shown = l->effective;

        if (as_said)
                (void)layers_compose(l, host, &l->live, &shown); /* which was resolved from that */
        if (!layers_has_concurrency(l, host))
                shown.set &= ~(UINT64_C(1) << TQ_KEY_CONCURRENCY);
        layers_print(&shown, "", " = ", out);
}

static int by_name(const void *a, const void *b) {
        return strcmp(((const TqQueueLimit *)a)->name, ((const TqQueueLimit *)b)->name);
}

/* In one order, whatever was set and unset since: two exports can be compared. l: NULL: nobody's.
 * as_said: before ceilings and pools, which may be others when that is set again; else what holds.
 * -E2BIG: more queues than there is room for, of which it would be wrong to show none. */
static int print_tenant(const Settings *s, const Tenant *t, const Layers *l, bool as_said,
                        TqBuffer *out) {
        TqQueueLimit queues[TQ_QUEUE_LIMITS];
        int n = l ? layers_queues(l, queues) : 0;

        if (n > 0)
                qsort(queues, (size_t)n, sizeof(*queues), by_name);
        tq_buffer_printf(out, "\n[tenant %s]\n", t->name);
        if (l && !as_said && l->pool[0])
                tq_buffer_printf(out, "pool = %s\n", l->pool);
        if (l)
                print_limits(l, settings_host(s), as_said, out);
        if (n < 0)
                tq_buffer_printf(out, "# its queues: " TOO_MANY "\n", TQ_QUEUE_LIMITS);
        for (int i = 0; i < n; i++) {
                tq_buffer_printf(out, "\n[queue %s/%s]\n", t->name, queues[i].name);
                layers_print_queue(&queues[i], "", " = ", out);
        }
        return TQ_MIN(n, 0);
}

/* As far as it can be changed live, and without an end: ExportPolicy(tenant or empty). */
int verb_export_policy(Call *c) {
        TQ_FREE Layers *l = calloc(1, sizeof(*l));
        TQ_FREE const Tenant **list = NULL;
        TQ_BUFFER_CLEANUP TqBuffer out = {};
        size_t n = 0;
        int r = l ? call_visible_tenants(c, &list, &n) : -ENOMEM;

        for (size_t i = 0; r >= 0 && i < n; i++) {
                if (list[i]->is_former || (c->tenant && list[i] != c->tenant))
                        continue;
                r = settings_layers_for_good(c->api->settings, list[i]->id, l);
                if (r >= 0 || r == -ENOENT)
                        r = print_tenant(c->api->settings, list[i], r < 0 ? NULL : l, true, &out);
                if (r == -E2BIG)
                        return call_error(c, TQ_CONTROL_REFUSED,
                                          "tenant %s: " TOO_MANY " (limits get %s shows them all)",
                                          list[i]->name, TQ_QUEUE_LIMITS, list[i]->name);
                r = r == -ENOENT ? 0 : r;
        }
        if (r >= 0)
                r = tq_buffer_error(&out);
        return r < 0 ? r : sd_bus_reply_method_return(c->message, "s", tq_buffer_string(&out));
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
                        (void)print_tenant(s, list[i], settings_layers(s, list[i]->id), false,
                                           &out);
        r = tq_buffer_error(&out);
        return r < 0 ? r : sd_bus_reply_method_return(c->message, "s", tq_buffer_string(&out));
}
