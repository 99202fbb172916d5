/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/api/question.h"
#include "engine/api/verbs.h"

/* ListJobs(tenant, all, before, rows): the newest first, those that have ended too or not. */
int verb_list_jobs(Call *c) {
        Question q = { .filter = { .tenant = call_scope(c), .max_bytes = TQ_PAGE_BYTES },
                       .is_paged = true };
        uint32_t limit;
        int all, r;

        r = sd_bus_message_read(c->message, "btu", &all, &q.filter.before, &limit);
        if (r < 0)
                return r;
        q.filter.live_only = !all;
        q.filter.limit = TQ_MIN(limit, (uint32_t)TQ_PAGE_ROWS);
        return question_ask(c, &q);
}
