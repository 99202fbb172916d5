/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <string.h>

#include "base/format.h"
#include "core/kinds.h"
#include "ctl/audit.h"
#include "ctl/ctl.h"
#include "ctl/table.h"
#include "ctl/verbs.h"

/* What happened, and what was changed: the ledger has them apart, since what tenants can bring
 * about again and again is bounded and what administrators do is not. Here they are one list. Rows
 * are chosen here and not there, page by page: the daemon looks through no more than it sends. */

#define PAGE_ROWS 500

static const char *const columns[] = { "event", "time_usec", "kind",      "tenant", "job",
                                       "uid",   "text",      "tenant_id", "audit" };

/* The logs, and how far each was shown. */
enum { EVENTS, AUDIT, N_LOGS };
typedef struct Logs {
        const Options *o;
        uint64_t since_usec;
        uint64_t shown[N_LOGS]; /* the last number; 0: none yet */
} Logs;

static const struct {
        const char *method, *key;
} logs[N_LOGS] = { [EVENTS] = { "ListEvents", "event" }, [AUDIT] = { "ListAudit", "audit" } };

static bool is_text(const TqTable *t, size_t row, const char *column, const char *want) {
        const char *text = tq_table_text(t, row, column);

        return !want || (text && strcmp(text, want) == 0);
}

static int add(TqTable *t, const TqTable *page, size_t row, int log) {
        char text[4096];
        int r = tq_table_copy_row(t, page, row);

        return r < 0 || log == EVENTS
                       ? r
                       : tq_table_set_text(t, (size_t)tq_table_find(t, "text"),
                                           audit_sentence(page, row, text, sizeof(text)));
}

/* Of a page those that are wanted, up to `rows` in all; 1: and those behind it are not. */
static int choose(const Logs *l, int log, const TqTable *page, size_t rows, TqTable *ret) {
        for (size_t i = 0; i < page->n_rows; i++) {
                uint64_t time = (uint64_t)tq_table_integer(page, i, "time_usec", 0);
                int r;

                if ((uint64_t)tq_table_integer(page, i, logs[log].key, 0) <= l->shown[log] ||
                    time < l->since_usec || ret->n_rows >= rows)
                        return 1;
                if (!is_text(page, i, "tenant", l->o->tenant) ||
                    !is_text(page, i, "kind", l->o->kind))
                        continue;
                r = add(ret, page, i, log);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int ask(Call *c, int log, uint64_t from) {
        return log == EVENTS ? sd_bus_message_append(c->request, "tu", from, PAGE_ROWS)
                             : sd_bus_message_append(c->request, "sbtu", "", 0, from, PAGE_ROWS);
}

/* The newest first. *ret_last: the number of the newest, whether it was wanted or not. */
static int pull(const Logs *l, int log, size_t rows, TqTable *ret, uint64_t *ret_last) {
        CALL_CLEANUP Call c = {};
        uint64_t next = 0;
        int r = call_open(l->o, &c, logs[log].method), done = 0;

        if (tq_table_add_columns(ret, columns, TQ_ELEMENTSOF(columns)) < 0)
                return fail(TQ_EXIT_FAILURE, "out of memory");
        while (r == 0) {
                TQ_TABLE_CLEANUP TqTable page = {};

                if (ask(&c, log, next) < 0)
                        return fail(TQ_EXIT_FAILURE, "out of memory");
                r = call_table(&c, &page);
                if (r != 0)
                        return r;
                if (sd_bus_message_read(c.reply, "t", &next) < 0)
                        return fail(TQ_EXIT_FAILURE, "the daemon's answer can't be read");
                if (*ret_last == 0 && page.n_rows > 0)
                        *ret_last = (uint64_t)tq_table_integer(&page, 0, logs[log].key, 0);
                if (log == AUDIT && audit_add_who(&page) < 0)
                        return fail(TQ_EXIT_FAILURE, "out of memory");
                done = choose(l, log, &page, rows, ret);
                if (done < 0)
                        return fail(TQ_EXIT_FAILURE, "out of memory");
                if (done > 0 || next == 0)
                        return 0;
                r = call_again(&c, logs[log].method);
        }
        return r;
}

/* Both are the newest first. */
static int merge(const TqTable *events, const TqTable *audit, size_t rows, TqTable *ret) {
        size_t e = 0, a = 0;
        int r = tq_table_add_columns(ret, columns, TQ_ELEMENTSOF(columns));

        while (r >= 0 && ret->n_rows < rows && (e < events->n_rows || a < audit->n_rows)) {
                bool is_event =
                        a == audit->n_rows ||
                        (e < events->n_rows && tq_table_integer(events, e, "time_usec", 0) >
                                                       tq_table_integer(audit, a, "time_usec", 0));

                r = is_event ? tq_table_copy_row(ret, events, e++)
                             : tq_table_copy_row(ret, audit, a++);
        }
        return r;
}

/* What was not shown yet. */
static int get(Logs *l, size_t rows, TqTable *ret) {
        TqTable found[N_LOGS] = {};
        uint64_t last[N_LOGS] = {};
        int r = 0;

        for (int log = 0; r == 0 && log < N_LOGS; log++)
                r = pull(l, log, rows, &found[log], &last[log]);
        if (r == 0 && merge(&found[EVENTS], &found[AUDIT], rows, ret) < 0)
                r = fail(TQ_EXIT_FAILURE, "out of memory");
        for (int log = 0; log < N_LOGS; log++) {
                if (r == 0)
                        l->shown[log] = TQ_MAX(l->shown[log], last[log]);
                tq_table_done(&found[log]);
        }
        return r;
}

/* Following ----------------------------------------------------------------------------------- */

static void print_line(const TqTable *t, size_t row) {
        const char *tenant = tq_table_text(t, row, "tenant"), *text = tq_table_text(t, row, "text");
        int64_t job = tq_table_integer(t, row, "job", 0);
        char time[TQ_FORMAT_MAX], shown[8192], number[32] = "-";

        if (job > 0)
                (void)snprintf(number, sizeof(number), "%" PRIi64, job);
        (void)printf("%s  %-14s  %-12s  %-6s  %s\n",
                     tq_format_timestamp((uint64_t)tq_table_integer(t, row, "time_usec", 0), time,
                                         sizeof(time)),
                     tq_table_text(t, row, "kind"), tenant ? tenant : "-", number,
                     tq_format_shown(text ? text : "", shown, sizeof(shown)));
}

/* The oldest first. */
static int print_new(Logs *l, size_t rows) {
        TQ_TABLE_CLEANUP TqTable t = {};
        int r = get(l, rows, &t);

        for (size_t i = t.n_rows; r == 0 && i > 0; i--) {
                if (l->o->json) {
                        output_json_row(&t, i - 1);
                        (void)putchar('\n');
                } else
                        print_line(&t, i - 1);
        }
        return r != 0 ? r : output_finish();
}

/* The daemon answers when there is something new, the next one too. */
static int follow(Logs *l) {
        CALL_CLEANUP Call c = {};
        uint64_t serial = 1;
        int r = output_end_with_reader();

        for (size_t rows = l->o->rows; r == 0; rows = SIZE_MAX) {
                r = call_about_job(l->o, &c, "WaitNews", serial, NULL);
                if (r == 0 && sd_bus_message_read(c.reply, "t", &serial) < 0)
                        r = fail(TQ_EXIT_FAILURE, "the daemon's answer can't be read");
                if (r == 0)
                        r = print_new(l, rows);
        }
        return r;
}

static int check_kind(const char *kind) {
        const char *nearest;

        if (tq_kinds_find(kind) >= 0)
                return 0;
        nearest = tq_kinds_nearest(kind);
        return fail(TQ_EXIT_USAGE,
                    "--kind %s: there is no such kind%s%s%s (tenantqctl(1) lists them)", kind,
                    nearest ? "; did you mean " : "", nearest ? nearest : "", nearest ? "?" : "");
}

int verb_events(const Options *o, int argc, char *argv[]) {
        TQ_TABLE_CLEANUP TqTable t = {};
        Logs l = { .o = o };
        int r = o->kind ? check_kind(o->kind) : 0;

        (void)argc;
        (void)argv;
        if (r == 0 && o->since)
                r = options_since(o->since, &l.since_usec);
        if (r == 0 && o->follow)
                return follow(&l);
        if (r == 0)
                r = get(&l, o->rows, &t);
        if (r != 0)
                return r;
        if (!o->json && t.n_rows > 0)
                r = table_print(o, &t, "time_usec,kind,tenant,job,uid,text");
        if (r == 0 && !o->json && t.n_rows == o->rows)
                output_remark(o, "(the newest %zu; more with -n)", t.n_rows);
        if (o->json)
                output_json(&t, "tenantq.events.v1", "events");
        else if (t.n_rows == 0)
                output_remark(o, "no events");
        return r;
}
