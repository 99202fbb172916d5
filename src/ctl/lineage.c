/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <string.h>

#include "base/format.h"
#include "ctl/columns.h"
#include "ctl/ctl.h"
#include "ctl/verbs.h"

/* What came from what, as a tree for each direction, in the form of systemctl list-dependencies. */

static int64_t depth_of(const TqTable *t, size_t row) {
        return tq_table_integer(t, row, "depth", 0);
}

/* Whether a branch goes on below this row: something of that depth comes before the tree ends or
 * goes back behind it. */
static bool goes_on(const TqTable *t, size_t row, size_t end, int64_t depth) {
        for (size_t i = row + 1; i < end && depth_of(t, i) >= depth; i++)
                if (depth_of(t, i) == depth)
                        return true;
        return false;
}

static void print_more(const char *more) {
        if (more && strcmp(more, "above") == 0)
                (void)fputs(" (see above)", stdout);
        else if (more)
                (void)fputs(" …", stdout);
}

/* "job 12 load (exit 0)", or a name. */
static void print_node(const TqTable *t, size_t row) {
        int64_t job = tq_table_integer(t, row, "job", 0);
        const char *name = tq_table_text(t, row, "name"),
                   *verdict = tq_table_text(t, row, "verdict");
        const char *state = tq_table_text(t, row, "state");
        char shown[CELL_MAX];

        if (job > 0)
                (void)printf("job %" PRIi64 " ", job);
        (void)fputs(tq_format_shown(name ? name : "?", shown, sizeof(shown)), stdout);
        if (job > 0)
                (void)printf(" (%s)", tq_format_shown(verdict ? verdict
                                                      : state ? state
                                                              : "?",
                                                      shown, sizeof(shown)));
        print_more(tq_table_text(t, row, "more"));
        (void)putchar('\n');
}

/* "input: sales", "output of job 1 extract": what is a job's comes after it, or before. */
static void print_tree(const TqTable *t, size_t from, size_t end, bool is_up) {
        for (size_t row = from; row < end; row++) {
                const char *kind = tq_table_text(t, row, "kind");
                int64_t depth = depth_of(t, row);
                bool has_job = tq_table_integer(t, row, "job", 0) > 0;
                bool is_of = has_job && !(is_up && kind && strcmp(kind, "parent") == 0);

                for (int64_t d = 1; d < depth; d++)
                        (void)fputs(goes_on(t, row, end, d) ? "│ " : "  ", stdout);
                (void)printf("%s%s%s ", goes_on(t, row, end, depth) ? "├─" : "└─",
                             kind ? kind : "?", is_of ? " of" : ":");
                print_node(t, row);
        }
}

/* The same word stands for the same reason, wherever it was. */
static bool has_more(const TqTable *t, const char *word) {
        for (size_t i = 0; i < t->n_rows; i++) {
                const char *more = tq_table_text(t, i, "more");

                if (more && strcmp(more, word) == 0)
                        return true;
        }
        return false;
}

static void print_rest(const Options *o, const TqTable *t) {
        if (has_more(t, "deep"))
                output_remark(o, "(… what is further than 16 steps away is left out: ask for a "
                                 "name or job there)");
        if (has_more(t, "many"))
                output_remark(o,
                              "(… of what has more than 16 branches of a kind, 16 are shown: ask "
                              "for one of the others)");
        if (has_more(t, "full"))
                output_remark(o, "(… only 256 rows of a direction are shown: ask for a name or job "
                                 "there)");
}

static void print(const Options *o, const TqTable *t) {
        size_t to = 1;

        while (to < t->n_rows && strcmp(tq_table_text(t, to, "direction"), "from") == 0)
                to++;
        print_node(t, 0);
        (void)puts(to > 1 ? "came from" : "came from nothing that is known");
        print_tree(t, 1, to, true);
        (void)puts(to < t->n_rows ? "became" : "became nothing that is known");
        print_tree(t, to, t->n_rows, false);
        print_rest(o, t);
}

int verb_lineage(const Options *o, int argc, char *argv[]) {
        TQ_TABLE_CLEANUP TqTable t = {};
        CALL_CLEANUP Call c = {};
        uint64_t job = 0;
        int r = 0;

        (void)argc;
        if (is_job(argv[0])) {
                r = parse_job(argv[0], &job);
                if (r == 0 && o->tenant)
                        return fail(TQ_EXIT_USAGE, "-t %s: a job's number says whose it is",
                                    o->tenant);
        }
        if (r == 0)
                r = call_open(o, &c, job > 0 ? "LineageOfJob" : "LineageOfName");
        if (r != 0)
                return r;
        c.subject = argv[0];
        r = job > 0 ? sd_bus_message_append(c.request, "t", job)
                    : sd_bus_message_append(c.request, "ss", o->tenant ? o->tenant : "", argv[0]);
        if (r < 0)
                return fail(TQ_EXIT_FAILURE, "%s", strerror(-r));
        r = call_table(&c, &t);
        if (r != 0)
                return r;
        if (o->json)
                output_json(&t, "tenantq.lineage.v1", "lineage");
        else
                print(o, &t);
        return 0;
}
