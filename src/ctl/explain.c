/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <string.h>

#include "base/format.h"
#include "ctl/ctl.h"
#include "ctl/verbs.h"

/* Why a job waits: every reason with its numbers, who stands in the way, and what would help. */

static const char *shown(const TqTable *t, size_t row, const char *column, char *buf, size_t size) {
        const char *text = tq_table_text(t, row, column);

        return text ? tq_format_shown(text, buf, size) : NULL;
}

static void print(const TqTable *t) {
        int64_t position = tq_table_integer(t, 0, "position", 0);
        char a[1024], b[256];

        (void)printf("job %" PRIi64 " of %s", tq_table_integer(t, 0, "job", 0),
                     shown(t, 0, "tenant", a, sizeof(a)));
        (void)printf(", queue %s: %s", shown(t, 0, "queue", a, sizeof(a)),
                     shown(t, 0, "state", b, sizeof(b)));
        if (position > 0)
                (void)printf(", position %" PRIi64 " in its queue", position);
        (void)putchar('\n');
        for (size_t row = 0; row < t->n_rows; row++) {
                (void)printf("\n  %s: %s\n", shown(t, row, "reason", b, sizeof(b)),
                             shown(t, row, "text", a, sizeof(a)));
                if (shown(t, row, "blocker", a, sizeof(a)))
                        (void)printf("    who:    %s\n", a);
                if (shown(t, row, "change", a, sizeof(a)))
                        (void)printf("    change: %s\n", a);
        }
}

int verb_explain(const Options *o, int argc, char *argv[]) {
        TQ_TABLE_CLEANUP TqTable t = {};
        CALL_CLEANUP Call c = {};
        uint64_t job;
        int r;

        (void)argc;
        if (!is_job(argv[0]))
                return o->json ? fail(TQ_EXIT_USAGE, "--json is about a job")
                               : explain_key(argv[0]);
        r = parse_job(argv[0], &job);
        if (r == 0)
                r = call_open(o, &c, "Explain");
        if (r != 0)
                return r;
        r = sd_bus_message_append(c.request, "t", job);
        r = r < 0 ? fail(TQ_EXIT_FAILURE, "%s", strerror(-r)) : call_table(&c, &t);
        if (r != 0)
                return r;
        if (o->json)
                output_json(&t, "tenantq.explain.v1", "reasons");
        else if (t.n_rows > 0)
                print(&t);
        return 0;
}
