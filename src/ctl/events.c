/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "ctl/ctl.h"
#include "ctl/table.h"
#include "ctl/verbs.h"

/* What was done, by whom and why; what was refused, and what the daemon had to say. */

static int ask(Call *c, void *userdata, uint64_t from, uint32_t rows) {
        (void)userdata;
        return sd_bus_message_append(c->request, "tu", from, rows);
}

int verb_events(const Options *o, int argc, char *argv[]) {
        TQ_TABLE_CLEANUP TqTable t = {};
        int r;

        (void)argc;
        (void)argv;
        r = call_pages(o, "ListEvents", ask, NULL, o->rows, &t);
        if (r != 0)
                return r;
        if (!o->json && t.n_rows > 0)
                return table_print(o, &t, "time_usec,kind,tenant,job,uid,text");
        if (o->json)
                output_json(&t, "tenantq.events.v1", "events");
        else
                output_remark(o, "no events");
        return 0;
}
