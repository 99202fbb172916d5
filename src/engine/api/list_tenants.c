/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdarg.h>
#include <stdio.h>

#include "base/buffer.h"
#include "base/format.h"
#include "engine/api/verbs.h"
#include "engine/ends/ends.h"
#include "kernel/cgroup.h"

static const char *state_of(const Settings *s, const Tenant *t, const TqTenant *view) {
        char fault[TQ_MESSAGE_TEXT_MAX];

        if (t->is_former)
                return "former";
        if (ends_state(t))
                return ends_state(t);
        if (t->is_gone)
                return "gone";
        if (settings_fault(s, t, fault, sizeof(fault)))
                return "disabled";
        if (view && view->is_paused)
                return view->is_draining ? "paused, draining" : "paused";
        return view && view->is_draining ? "draining" : "ready";
}

/* Sentences one behind the other. */
static void add(TqBuffer *b, const char *fmt, ...) TQ_PRINTF(2, 3);
static void add(TqBuffer *b, const char *fmt, ...) {
        char text[1024];
        va_list ap;

        va_start(ap, fmt);
        (void)vsnprintf(text, sizeof(text), fmt, ap);
        va_end(ap);
        tq_buffer_printf(b, "%s%s", b->size > 0 ? "; " : "", text);
}

/* Why it is not ready, what of it is switched off, and whether files wait to be taken. */
static void add_faults(const Call *c, const Tenant *t, const TqTenant *view, TqBuffer *b) {
        size_t waiting = intake_waiting(c->api->intake, t->id);
        const char *note = t->note, *sentence;
        char fault[TQ_MESSAGE_TEXT_MAX];
        size_t n;

        if (!t->is_former && ends_describe(c->api->ends, t, fault, sizeof(fault))) {
                add(b, "%s", fault);
                return;
        }
        if (settings_fault(c->api->settings, t, fault, sizeof(fault))) {
                add(b, "%s", fault);
                return;
        }
        if (t->launch_note[0] != '\0')
                add(b, "jobs can't be launched for now: %s", call_launch_text(t->launch_note));
        if (t->output_fails)
                add(b, "output of its latest job could not be written (disk of the logs full?)");
        while ((n = tenants_next_note(&note, &sentence)) > 0)
                add(b, "%.*s", (int)n, sentence);
        if (waiting > 0)
                add(b, "files wait for room: %zu at the door, and what is behind them in its spool",
                    waiting);
        if (!view)
                return;
        TQ_LIST_FOREACH(node, &view->queues) {
                const TqQueue *q = TQ_LIST_ENTRY(node, TqQueue, all);

                if (q->is_paused || q->is_draining)
                        add(b, "queue %s is %s%s%s", q->name, q->is_paused ? "paused" : "",
                            q->is_paused && q->is_draining ? ", " : "",
                            q->is_draining ? "draining" : "");
        }
}

/* Where its slice is, so that whoever looks on reads there what it uses, and we have no part in it.
 */
static int add_cgroup(const Call *c, const Tenant *t, TqTable *table) {
        const char *root = settings_host(c->api->settings)->cgroup_root;
        char path[512], text[2048];

        if (root[0] == '\0' || t->is_former || t->is_gone)
                return 0;
        (void)snprintf(path, sizeof(path), "%s/%s" TQ_SLICE_SUFFIX, root, t->name);
        return tq_table_set_text(table, 9, tq_format_utf8(path, text, sizeof(text)));
}

static int add_tenant(const Call *c, const Tenant *t, TqTable *table) {
        const Layers *layers = settings_layers(c->api->settings, t->id);
        const TqTenant *view = tq_scheduler_tenant(dispatch_scheduler(c->api->dispatch), t->id);
        char concurrency[TQ_FORMAT_MAX], title[TQ_TENANT_TITLE_MAX];
        TQ_BUFFER_CLEANUP TqBuffer faults = {};
        bool is_set = layers && layers_has_concurrency(layers, settings_host(c->api->settings));
        int r;

        add_faults(c, t, view, &faults);
        r = tq_buffer_error(&faults);
        if (r >= 0)
                r = tq_table_add_row(table);
        if (r >= 0)
                r = tq_table_set_text(table, 0, tenants_title(t, title));
        if (r >= 0)
                r = tq_table_set_text(table, 2, t->user[0] ? t->user : NULL);
        if (r >= 0)
                r = tq_table_set_text(table, 3, state_of(c->api->settings, t, view));
        if (r >= 0)
                r = tq_table_set_text(table, 6,
                                      is_set ? tq_limits_format(&layers->effective,
                                                                TQ_KEY_CONCURRENCY, concurrency,
                                                                sizeof(concurrency))
                                             : "1 per queue");
        if (r < 0)
                return r;
        if (t->uid != TQ_UID_UNKNOWN)
                tq_table_set_integer(table, 1, t->uid);
        tq_table_set_integer(table, 4, view ? (int64_t)view->running : 0);
        tq_table_set_integer(table, 5, view ? (int64_t)view->waiting.jobs : 0);
        r = tq_table_set_text(table, 7, faults.size > 0 ? tq_buffer_string(&faults) : NULL);
        if (r >= 0)
                r = tq_table_set_text(table, 8,
                                      layers && layers->profile[0] ? layers->profile : NULL);
        return r < 0 ? r : add_cgroup(c, t, table);
}

int verb_list_tenants(Call *c) {
        static const char *const columns[] = { "tenant",  "uid",     "user",        "state",
                                               "running", "waiting", "concurrency", "fault",
                                               "profile", "cgroup" };
        TQ_FREE const Tenant **list = NULL;
        TQ_TABLE_CLEANUP TqTable table = {};
        size_t n = 0;
        int r;

        r = call_visible_tenants(c, &list, &n);
        if (r >= 0)
                r = tq_table_add_columns(&table, columns, TQ_ELEMENTSOF(columns));
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = add_tenant(c, list[i], &table);
        return r < 0 ? r : call_reply_table(c, &table);
}
