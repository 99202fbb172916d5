/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>

#include "base/parse.h"
#include "ctl/audit.h"
#include "ctl/ctl.h"
#include "ctl/table.h"
#include "ctl/verbs.h"

/* What limits were, and whether they are what they should be. */

int verb_limits_history(const Options *o, int argc, char *argv[]) {
        return audit_show(o, argc > 0 ? argv[0] : "", true);
}

static int parse_revision(const char *text, uint64_t *ret) {
        return tq_parse_u64_in(text, 0, INT64_MAX, ret) < 0
                       ? fail(TQ_EXIT_USAGE, "\"%s\": expected the number of a revision", text)
                       : 0;
}

int verb_limits_diff(const Options *o, int argc, char *argv[]) {
        TQ_TABLE_CLEANUP TqTable t = {};
        CALL_CLEANUP Call c = {};
        uint64_t from, to = 0;
        int r = parse_revision(argv[1], &from);

        if (r == 0 && argc > 2)
                r = parse_revision(argv[2], &to);
        if (r == 0)
                r = call_open(o, &c, "DiffLimits");
        if (r != 0)
                return r;
        if (sd_bus_message_append(c.request, "stx", argv[0], from,
                                  argc > 2 ? (int64_t)to : INT64_C(-1)) < 0)
                return fail(TQ_EXIT_FAILURE, "out of memory");
        r = call_table(&c, &t);
        if (r != 0)
                return r;
        if (o->json)
                output_json(&t, "tenantq.diff.v1", "limits");
        else if (t.n_rows > 0)
                r = table_print(o, &t, "queue,limit,then,now");
        return r != 0 ? r : t.n_rows > 0 ? TQ_EXIT_FAILURE : 0;
}

int verb_limits_verify(const Options *o, int argc, char *argv[]) {
        TQ_TABLE_CLEANUP TqTable t = {};
        CALL_CLEANUP Call c = {};
        int r = call_open(o, &c, "VerifyLimits");

        if (r != 0)
                return r;
        if (sd_bus_message_append(c.request, "s", argc > 0 ? argv[0] : "") < 0)
                return fail(TQ_EXIT_FAILURE, "out of memory");
        r = call_table(&c, &t);
        if (r != 0)
                return r;
        if (o->json)
                output_json(&t, "tenantq.drift.v1", "drift");
        else if (t.n_rows > 0)
                r = table_print(o, &t, "tenant,attribute,held,wanted,fault");
        else
                output_remark(o, "the kernel holds what it should");
        if (r != 0 || t.n_rows == 0)
                return r;
        for (size_t row = 0; row < t.n_rows; row++)
                if (tq_table_text(&t, row, "attribute"))
                        return fail(TQ_EXIT_FAILURE,
                                    "somebody else has changed cgroups of tenants; tenantqctl "
                                    "reload writes them again");
        return fail(TQ_EXIT_FAILURE, "of some tenants it is not known (fault)");
}
