/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "ctl/ctl.h"

/* What was done, by whom and why; what was refused, and what the daemon had to say. */

static const Column columns[] = {
        { "time_usec", "TIME", FORMAT_TIME }, { "kind", "EVENT", FORMAT_TEXT },
        { "tenant", "TENANT", FORMAT_TEXT },  { "job", "JOB", FORMAT_TEXT },
        { "uid", "UID", FORMAT_TEXT },        { "text", "TEXT", FORMAT_TEXT },
};

int verb_events(const Options *o, int argc, char *argv[]) {
        TQ_TABLE_CLEANUP TqTable t = {};
        CALL_CLEANUP Call c = {};
        int r;

        (void)argc;
        (void)argv;
        r = call_open(o, &c, "ListEvents");
        if (r != 0)
                return r;
        r = sd_bus_message_append(c.request, "tu", (uint64_t)0, (uint32_t)o->rows);
        r = r < 0 ? fail(TQ_EXIT_FAILURE, "%s", strerror(-r)) : call_table(&c, &t);
        if (r != 0)
                return r;
        if (o->json)
                output_json(&t, "tenantq.events.v1", "events");
        else if (t.n_rows == 0)
                (void)puts("no events");
        else
                output_table(&t, columns, TQ_ELEMENTSOF(columns));
        return 0;
}
