/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "ctl/ctl.h"
#include "ctl/table.h"
#include "ctl/verbs.h"

/* How many jobs wait for which reason. */

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
        if (!o->json && t.n_rows > 0)
                return table_print(o, &t, "tenant,queue,reason,jobs,help");
        if (o->json)
                output_json(&t, "tenantq.queue.v1", "queues");
        else
                output_remark(o, "no job waits");
        return 0;
}
