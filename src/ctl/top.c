/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/top.h"

#include <string.h>
#include <unistd.h>

#include "base/parse.h"
#include "ctl/table.h"
#include "ctl/verbs.h"

static int print_json(const TqTable *t) {
        for (size_t row = 0; row < t->n_rows; row++) {
                output_json_row(t, row);
                (void)putchar('\n');
        }
        return 0;
}

static int print(const Top *t, const TqTable *table) {
        Options sorted = *t->options;
        int r;

        if (!sorted.sort)
                sorted.sort = TOP_SORT;
        if (sorted.json)
                r = print_json(table);
        else if (table->n_rows == 0)
                return tenants_print(&sorted, table);
        else
                r = table_print(&sorted, table, TOP_COLUMNS);
        return r != 0 ? r : output_finish();
}

/* What nobody looks at while it comes: texts one behind the other. */
static int batch(Top *t) {
        TQ_TABLE_CLEANUP TqTable first = {};
        int r = top_read(t, &first);

        t->is_patient = true;
        if (r == 0)
                (void)usleep((useconds_t)TQ_MIN(t->delay_usec, TOP_FIRST_USEC));
        for (uint64_t i = 0; r == 0; i++) {
                TQ_TABLE_CLEANUP TqTable table = {};

                if (i > 0 && !t->options->json)
                        (void)putchar('\n');
                r = top_read(t, &table);
                if (r == 0)
                        r = print(t, &table);
                if (i + 1 == t->n)
                        break;
                (void)usleep((useconds_t)t->delay_usec);
        }
        return r;
}

static bool has_screen(const Options *o) {
        const char *term = getenv("TERM");

        return !o->batch && !o->json && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) && term &&
               term[0] != '\0' && strcmp(term, "dumb") != 0;
}

int verb_top(const Options *o, int argc, char *argv[]) {
        Top t = { .options = o, .delay_usec = TQ_USEC_PER_SEC };
        int r;

        (void)argc;
        (void)argv;
        if (o->delay && (tq_parse_span(o->delay, &t.delay_usec) < 0 ||
                         t.delay_usec < TOP_DELAY_LEAST_USEC || t.delay_usec > TOP_DELAY_MOST_USEC))
                return fail(TQ_EXIT_USAGE,
                            "--delay \"%s\": expected a time span from 100ms to 1h, such as 2s",
                            o->delay);
        if (o->used & WITH(LINES))
                t.n = o->rows;
        else if (!isatty(STDOUT_FILENO))
                t.n = 1;
        r = has_screen(o) ? top_screen(&t) : batch(&t);
        top_done(&t);
        return r;
}
