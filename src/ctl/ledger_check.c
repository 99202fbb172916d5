/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <stdio.h>

#include "base/format.h"
#include "ctl/ctl.h"
#include "ctl/verbs.h"
#include "store/inspect.h"

/* One line a problem; 0 if there is none. */

typedef struct Report {
        const char *name;
        bool json;
        size_t n;
} Report;

static void on_problem(void *userdata, const char *check, const char *text) {
        char shown[2048];
        Report *r = userdata;

        if (!r->json) {
                (void)printf("%s: %s\n", check, tq_format_shown(text, shown, sizeof(shown)));
                return;
        }
        (void)printf("%s\n{\"check\":\"%s\",\"text\":", r->n++ > 0 ? "," : "", check);
        output_json_string(text);
        (void)putchar('}');
}

static void print_end(const Report *r, const TqInspection *a) {
        /* What it is can't be said: nothing of it could be read. */
        if (r->json && a->version == 0)
                (void)printf("%s],\"version\":null,\"tenants\":null,\"jobs\":null,\"live\":null,"
                             "\"attempts\":null}\n",
                             r->n > 0 ? "\n" : "");
        else if (r->json)
                (void)printf("%s],\"version\":%" PRId64 ",\"tenants\":%" PRIu64 ",\"jobs\":%" PRIu64
                             ",\"live\":%" PRIu64 ",\"attempts\":%" PRIu64 "}\n",
                             r->n > 0 ? "\n" : "", a->version, a->tenants, a->jobs, a->live,
                             a->attempts);
        else if (a->problems == 0)
                (void)printf("%s: in order: version %" PRId64 ", %" PRIu64 " tenants, %" PRIu64
                             " jobs (%" PRIu64 " have not ended), %" PRIu64 " attempts\n",
                             r->name, a->version, a->tenants, a->jobs, a->live, a->attempts);
}

int verb_ledger_check(const Options *o, int argc, char *argv[]) {
        const char *file = argc > 0 ? argv[0] : NULL;
        Report report = { .json = o->json };
        TqSnapshot *snapshot = NULL;
        TqInspection found = {};
        char name[4096];
        bool is_torn;
        int r;

        r = ledger_open(o, file, &snapshot);
        if (r != 0)
                return r;
        report.name = ledger_name(file, name, sizeof(name));
        if (o->json)
                (void)fputs("{\"schema\":\"tenantq.ledger.v1\",\"problems\":[", stdout);
        r = tq_inspect(snapshot, on_problem, &report, &found);
        is_torn = tq_snapshot_is_torn(snapshot);
        snapshot = tq_snapshot_close(snapshot);
        if (r < 0)
                return fail(TQ_EXIT_FAILURE, "out of memory");
        print_end(&report, &found);
        if (is_torn)
                return fail(TQ_EXIT_FAILURE,
                            "%s: its daemon was started meanwhile, and what was seen is of two "
                            "times: check again without FILE",
                            file);
        if (found.problems == 0)
                return 0;
        return fail(TQ_EXIT_FAILURE, "%s: %" PRIu64 " problem%s%s", report.name, found.problems,
                    found.problems == 1 ? "" : "s",
                    found.version == 0 ? "" : " (tenantqd(8), A damaged ledger)");
}
