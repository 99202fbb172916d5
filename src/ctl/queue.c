/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "ctl/ctl.h"

/* How many jobs wait for which reason. */

static const Column columns[] = {
        { "tenant", "TENANT", FORMAT_TEXT }, { "queue", "QUEUE", FORMAT_TEXT },
        { "reason", "REASON", FORMAT_TEXT }, { "jobs", "JOBS", FORMAT_TEXT },
        { "help", "MEANS", FORMAT_TEXT },
};

int verb_queue(const Options *o, int argc, char *argv[]) {
        TQ_TABLE_CLEANUP TqTable t = {};
        CALL_CLEANUP Call c = {};
        int r;

        r = call_open(o, &c, "Queue");
        if (r != 0)
                return r;
        r = sd_bus_message_append(c.request, "s", argc > 0 ? argv[0] : o->tenant ? o->tenant : "");
        r = r < 0 ? fail(TQ_EXIT_FAILURE, "%s", strerror(-r)) : call_table(&c, &t);
        if (r != 0)
                return r;
        if (o->json)
                output_json(&t, "tenantq.queue.v1", "queues");
        else if (t.n_rows == 0)
                (void)puts("no job waits");
        else
                output_table(&t, columns, TQ_ELEMENTSOF(columns));
        return 0;
}
