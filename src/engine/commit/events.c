/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/commit/events.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/format.h"

/* What an administrator does is one row each. What a tenant can bring about again and again (files
 * that are refused, cancel, hold, release) it does within a budget of BUDGET; beyond that the
 * events are counted by kind, and once in SUMMARY_USEC the counts become one row. So a tenant adds
 * no more than two rows a second, whatever it does, and nothing goes uncounted. */

#define BUDGET       "120/min"
#define SUMMARY_USEC (60 * TQ_USEC_PER_SEC)

struct Events {
        sd_event *event;
        Commit *commit;
        EventBudget host;
        TqList beyond; /* of EventBudget.link */
        sd_event_source *timer;
};

void events_budget_init(EventBudget *b, uint32_t tenant) {
        *b = (EventBudget){ .tenant = tenant };
        tq_list_init(&b->link);
}

int events_new(sd_event *event, Commit *commit, Events **ret) {
        Events *e = calloc(1, sizeof(*e));

        if (!e)
                return -ENOMEM;
        e->event = event;
        e->commit = commit;
        events_budget_init(&e->host, 0);
        tq_list_init(&e->beyond);
        *ret = e;
        return 0;
}

Events *events_free(Events *e) {
        if (!e)
                return NULL;
        (void)sd_event_source_disable_unref(e->timer);
        free(e);
        return NULL;
}

/* Some of it may have been cut within a character, and it goes into answers. NULL: out of memory.
 */
static char *format(const char *fmt, va_list ap) TQ_PRINTF(1, 0);
static char *format(const char *fmt, va_list ap) {
        TQ_FREE char *text = NULL;
        size_t size;
        char *clean;

        if (vasprintf(&text, fmt, ap) < 0) {
                text = NULL;
                return NULL;
        }
        size = strlen(text) * 4 + 1;
        clean = malloc(size);
        if (clean)
                (void)tq_format_utf8(text, clean, size);
        return clean;
}

/* One that there is no memory for is left out: without its text it would fail the whole commit. */
static void add(Events *e, TqKind kind, uint32_t tenant, uint64_t job, uid_t uid, const char *fmt,
                va_list ap) {
        TQ_FREE char *text = format(fmt, ap);
        TqLedgerOp *op = text ? commit_op(e->commit, TQ_LEDGER_EVENT) : NULL;

        if (!op)
                return;
        op->kind = tq_kinds[kind].name;
        op->tenant = tenant;
        op->job = job;
        op->uid = uid;
        op->text = TQ_TAKE_PTR(text);
}

void events_add(Events *e, TqKind kind, uint32_t tenant, uint64_t job, uid_t uid, const char *fmt,
                ...) {
        va_list ap;

        va_start(ap, fmt);
        add(e, kind, tenant, job, uid, fmt, ap);
        va_end(ap);
}

/* The counts of one budget as a row. */
static void summarise(Events *e, EventBudget *b) {
        char text[512];
        size_t at = 0;

        for (size_t i = 0; i < EVENT_BUDGET_KINDS && b->beyond[i].n > 0; i++) {
                at += (size_t)snprintf(text + at, at < sizeof(text) ? sizeof(text) - at : 0,
                                       "%s%llu more %s", at > 0 ? ", " : "",
                                       (unsigned long long)b->beyond[i].n,
                                       tq_kinds[b->beyond[i].kind].name);
                b->beyond[i].n = 0;
        }
        tq_list_unlink(&b->link);
        events_add(e, TQ_KIND_REPEATED, b->tenant, 0, EVENTS_NOBODY, "%s (beyond " BUDGET ")",
                   text);
}

void events_flush(Events *e) {
        TQ_LIST_FOREACH(node, &e->beyond)
        summarise(e, TQ_LIST_ENTRY(node, EventBudget, link));
}

static int on_summary(sd_event_source *source, uint64_t usec, void *userdata) {
        Events *e = userdata;

        (void)source;
        (void)usec;
        e->timer = sd_event_source_disable_unref(e->timer);
        events_flush(e);
        return 0;
}

static void count(Events *e, EventBudget *b, TqKind kind) {
        for (size_t i = 0; i < EVENT_BUDGET_KINDS; i++) {
                if (b->beyond[i].n > 0 && b->beyond[i].kind != kind)
                        continue;
                b->beyond[i].kind = kind;
                b->beyond[i].n++;
                break;
        }
        if (tq_list_is_empty(&b->link))
                tq_list_append(&e->beyond, &b->link);
        if (!e->timer)
                (void)sd_event_add_time_relative(e->event, &e->timer, CLOCK_MONOTONIC, SUMMARY_USEC,
                                                 TQ_USEC_PER_SEC, on_summary, e);
}

void events_add_within(Events *e, EventBudget *b, TqKind kind, uint64_t job, uid_t uid,
                       const char *fmt, ...) {
        uint64_t now = tq_clock_boottime_usec(), rate = 0;
        va_list ap;

        if (!b)
                b = &e->host;
        if (b->tokens.rate == 0) {
                int r = tq_limits_parse_value(TQ_TYPE_RATE, BUDGET, &rate);

                assert(r == 0);
                tq_admit_set_rate(&b->tokens, rate, now);
        }
        if (tq_admit_tokens(&b->tokens, now) == 0) {
                count(e, b, kind);
                return;
        }
        tq_admit_take(&b->tokens, now);
        va_start(ap, fmt);
        add(e, kind, b->tenant, job, uid, fmt, ap);
        va_end(ap);
}
