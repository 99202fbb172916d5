/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <string.h>

#include "base/format.h"
#include "ctl/ctl.h"
#include "ctl/table.h"
#include "ctl/verbs.h"

int limits_list(const Options *o, const char *target, TqTable *ret) {
        CALL_CLEANUP Call c = {};
        int r;

        r = call_open(o, &c, "GetLimits");
        if (r != 0)
                return r;
        (void)sd_bus_message_append(c.request, "s", target);
        return call_table(&c, ret);
}

static bool has_any(const TqTable *t, const char *column) {
        ssize_t i = tq_table_find(t, column);

        for (size_t row = 0; i >= 0 && row < t->n_rows; row++)
                if (tq_table_cell(t, row, (size_t)i)->type != TQ_CELL_NULL)
                        return true;
        return false;
}

int limits_print(const Options *o, const TqTable *t) {
        return table_print(o, t,
                           has_any(t, "until_usec")
                                   ? "limit,queue,value,source,until_usec,then,kernel,help"
                                   : "limit,queue,value,source,kernel,help");
}

int verb_limits_get(const Options *o, int argc, char *argv[]) {
        TQ_TABLE_CLEANUP TqTable t = {};
        int64_t revision, watched;
        char text[TQ_FORMAT_MAX];
        int r;

        (void)argc;
        r = limits_list(o, argv[0], &t);
        if (r != 0)
                return r;
        if (o->json) {
                output_json(&t, "tenantq.limits.v1", "limits");
                return 0;
        }
        if (t.n_rows == 0) {
                output_remark(o, "%s: the queue has no limits of its own", argv[0]);
                return 0;
        }
        r = limits_print(o, &t);
        revision = tq_table_integer(&t, 0, "tenant_revision", 0);
        watched = tq_table_integer(&t, 0, "watched_usec", 0);
        if (r == 0 && revision > 0)
                output_remark(o, "revision %" PRIi64 " of %.*s (limits history %.*s)", revision,
                              (int)strcspn(argv[0], "/"), argv[0], (int)strcspn(argv[0], "/"),
                              argv[0]);
        if (r == 0 && watched > 0)
                output_remark(o, "until %s it is looked after (--watch)",
                              tq_format_timestamp((uint64_t)watched, text, sizeof(text)));
        return r;
}
