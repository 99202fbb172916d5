/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/api/question.h"
#include "engine/api/verbs.h"

/* ListEvents(before, rows): the newest first. */
int verb_list_events(Call *c) {
        Question q = { .filter = { .tenant = -1, .max_bytes = TQ_PAGE_BYTES },
                       .about = ABOUT_EVENTS,
                       .is_paged = true };
        uint32_t limit;
        int r;

        r = sd_bus_message_read(c->message, "tu", &q.filter.before, &limit);
        if (r < 0)
                return r;
        q.filter.limit = TQ_MIN(limit, (uint32_t)TQ_PAGE_ROWS);
        return question_ask(c, &q);
}
