/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/outlook.h"
#include "engine/api/question.h"
#include "engine/api/verbs.h"

/* Those of whom the scheduler knows; the caller frees. NULL: out of memory. */
static const TqTenant **views_of(const Call *c, size_t *ret_n) {
        const TqTenant **views =
                (const TqTenant **)calloc(tenants_count(c->api->tenants) + 1, sizeof(TqTenant *));
        size_t n = 0, position = 0;
        const Tenant *t;

        while (views && (t = call_next_tenant(c, &position))) {
                const TqTenant *view =
                        tq_scheduler_tenant(dispatch_scheduler(c->api->dispatch), t->id);

                if (view)
                        views[n++] = view;
        }
        *ret_n = n;
        return views;
}

/* ListQueued(tenant, place, rows): those whose turn comes, in that order; next: the place at which
 * the next page begins. */
int verb_list_queued(Call *c) {
        Question q = { .filter = { .max_bytes = TQ_PAGE_BYTES }, .is_paged = true };
        TQ_FREE const TqTenant **views = NULL;
        uint32_t limit;
        ssize_t found;
        size_t n = 0;
        int r;

        r = sd_bus_message_read(c->message, "tu", &q.place, &limit);
        if (r < 0)
                return r;
        q.is_by_place = true;
        q.filter.limit = TQ_MAX(TQ_MIN(limit, (uint32_t)TQ_PAGE_ROWS), 1U);
        views = views_of(c, &n);
        q.ids = calloc(q.filter.limit, sizeof(*q.ids));
        if (!views || !q.ids) {
                free(q.ids);
                return -ENOMEM;
        }
        found = q.place < TQ_PLACE_MAX ? tq_outlook(views, n, q.place, q.filter.limit, q.ids) : 0;
        if (found < 0) {
                free(q.ids);
                return (int)found;
        }
        q.n_ids = (size_t)found;
        return question_ask(c, &q);
}
