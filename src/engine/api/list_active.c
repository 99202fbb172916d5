/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/api/question.h"
#include "engine/api/verbs.h"

/* What holds a slot now, however old: the scheduler knows which, the ledger what they are. */

/* The smallest `max` of them above `after`, in order. */
static void add_active(const TqTenant *t, uint64_t after, uint64_t *ids, size_t *n, size_t max) {
        TQ_LIST_FOREACH(node, &t->active) {
                const TqJob *job = TQ_LIST_ENTRY(node, TqJobCold, active)->job;
                size_t at;

                if (job->id <= after)
                        continue;
                for (at = *n; at > 0 && ids[at - 1] > job->id; at--)
                        if (at < max)
                                ids[at] = ids[at - 1];
                if (at < max)
                        ids[at] = job->id;
                *n = TQ_MIN(*n + 1, max);
        }
}

/* ListActive(tenant, after, rows): the oldest first; next: the `after` of the next page. */
int verb_list_active(Call *c) {
        const TqScheduler *scheduler = dispatch_scheduler(c->api->dispatch);
        Question q = { .filter = { .max_bytes = TQ_PAGE_BYTES }, .is_paged = true };
        const Tenant *t;
        size_t position = 0;
        uint64_t after;
        uint32_t limit;
        int r;

        r = sd_bus_message_read(c->message, "tu", &after, &limit);
        if (r < 0)
                return r;
        q.filter.limit = TQ_MAX(TQ_MIN(limit, (uint32_t)TQ_PAGE_ROWS), 1U);
        q.ids = calloc(q.filter.limit, sizeof(*q.ids));
        if (!q.ids)
                return -ENOMEM;
        while ((t = call_next_tenant(c, &position))) {
                const TqTenant *view = tq_scheduler_tenant(scheduler, t->id);

                if (view)
                        add_active(view, after, q.ids, &q.n_ids, q.filter.limit);
        }
        return question_ask(c, &q);
}
