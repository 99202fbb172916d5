/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/api/question.h"
#include "engine/api/verbs.h"

/* What came from what, as far as jobs say so. */

/* LineageOfJob(job) */
int verb_lineage_of_job(Call *c) {
        Question q = { .filter = { .job = c->job, .tenant = call_scope(c) },
                       .about = ABOUT_LINEAGE };

        return c->job == 0 ? call_no_job(c) : question_ask(c, &q);
}

/* LineageOfName(tenant, name) */
int verb_lineage_of_name(Call *c) {
        Question q = { .filter = { .tenant = c->tenant->id }, .about = ABOUT_LINEAGE };
        int r = sd_bus_message_read(c->message, "s", &q.filter.name); /* the kept call's, too */

        return r < 0 ? r : question_ask(c, &q);
}
