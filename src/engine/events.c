/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/format.h"
#include "engine/engine.h"

/* Rows of the ledger that say what happened. What an administrator does is one row each. What a
 * tenant can bring about again and again (files that are refused, cancel, hold, release) it does
 * within a budget of BUDGET; beyond that the events are counted by kind, and once in SUMMARY_USEC
 * the counts become one row. So a tenant adds no more than two rows a second, whatever it does, and
 * nothing goes uncounted. */

#define BUDGET       "120/min"
#define SUMMARY_USEC (60 * TQ_USEC_PER_SEC)

static void add(Engine *e, const char *kind, uint32_t tenant, uint64_t job, uid_t uid,
                const char *fmt, va_list ap) {
        TqLedgerOp *op = batch_op(e, TQ_LEDGER_EVENT);
        TQ_FREE char *text = NULL;
        size_t size;

        if (!op)
                return;
        op->kind = kind;
        op->tenant = tenant;
        op->job = job;
        op->uid = uid;
        if (vasprintf(&text, fmt, ap) < 0) {
                text = NULL;
                return;
        }
        /* Some of it may have been cut within a character, and it goes into answers. */
        size = strlen(text) * 4 + 1;
        op->text = malloc(size);
        if (op->text)
                (void)tq_format_utf8(text, op->text, size);
}

void batch_event(Engine *e, const char *kind, uint32_t tenant, uint64_t job, uid_t uid,
                 const char *fmt, ...) {
        va_list ap;

        va_start(ap, fmt);
        add(e, kind, tenant, job, uid, fmt, ap);
        va_end(ap);
}

/* The counts of one budget as a row; false: there are none. */
static bool summarise(Engine *e, EventBudget *b, uint32_t tenant) {
        char text[256];
        size_t at = 0;

        for (size_t i = 0; i < BUDGET_KINDS && b->beyond[i].kind; i++)
                at += (size_t)snprintf(text + at, at < sizeof(text) ? sizeof(text) - at : 0,
                                       "%s%llu more %s", at > 0 ? ", " : "",
                                       (unsigned long long)b->beyond[i].n, b->beyond[i].kind);
        if (at == 0)
                return false;
        batch_event(e, "repeated", tenant, 0, BATCH_NOBODY, "%s (beyond " BUDGET ")", text);
        for (size_t i = 0; i < BUDGET_KINDS; i++)
                b->beyond[i].kind = NULL;
        return true;
}

void batch_flush_budgets(Engine *e) {
        size_t position = 0;
        EngineTenant *t;

        (void)summarise(e, &e->budget, 0);
        while ((t = tq_map_next(&e->tenants, &position)))
                (void)summarise(e, &t->budget, t->id);
}

static int on_summary(sd_event_source *source, uint64_t usec, void *userdata) {
        Engine *e = userdata;

        (void)source;
        (void)usec;
        e->budget_timer = sd_event_source_disable_unref(e->budget_timer);
        batch_flush_budgets(e);
        return 0;
}

static void count(Engine *e, EventBudget *b, const char *kind) {
        for (size_t i = 0; i < BUDGET_KINDS; i++) {
                if (b->beyond[i].kind && b->beyond[i].kind != kind)
                        continue;
                b->beyond[i].n = b->beyond[i].kind ? b->beyond[i].n + 1 : 1;
                b->beyond[i].kind = kind;
                break;
        }
        if (!e->budget_timer)
                (void)sd_event_add_time_relative(e->event, &e->budget_timer, CLOCK_MONOTONIC,
                                                 SUMMARY_USEC, TQ_USEC_PER_SEC, on_summary, e);
}

void batch_event_of(Engine *e, EngineTenant *t, const char *kind, uint64_t job, uid_t uid,
                    const char *fmt, ...) {
        EventBudget *b = t ? &t->budget : &e->budget;
        uint64_t now = tq_clock_boottime_usec(), rate = 0;
        va_list ap;

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
        add(e, kind, t ? t->id : 0, job, uid, fmt, ap);
        va_end(ap);
}
