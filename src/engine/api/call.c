/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/api/call.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/format.h"
#include "core/trail.h"

Call *call_keep(const Call *c) {
        Call *kept = malloc(sizeof(*kept));

        if (!kept)
                return NULL;
        *kept = *c;
        kept->connection = NULL;
        kept->live = NULL;
        kept->trail = tq_trail_copy(c->trail);
        (void)sd_bus_message_ref(kept->message);
        return kept;
}

Call *call_free(Call *c) {
        if (!c)
                return NULL;
        (void)sd_bus_message_unref(c->message);
        free(c->trail);
        free(c);
        return NULL;
}

/* 0 would tell sd-bus that the method is not ours. */
static int done(int r) {
        return r < 0 ? r : 1;
}

int call_error(const Call *c, TqControlError error, const char *fmt, ...) {
        char text[1024], whole[1200];
        va_list ap;

        va_start(ap, fmt);
        (void)vsnprintf(text, sizeof(text), fmt, ap);
        va_end(ap);
        /* What was cut within a character would be no string to D-Bus. */
        return done(sd_bus_reply_method_errorf(c->message, tq_control_error_name(error), "%s",
                                               tq_format_utf8(text, whole, sizeof(whole))));
}

int call_reply_empty(const Call *c) {
        return done(sd_bus_reply_method_return(c->message, ""));
}

int call_reply_number(const Call *c, uint64_t n) {
        return done(sd_bus_reply_method_return(c->message, "t", n));
}

int call_reply_table(const Call *c, const TqTable *t) {
        return done(tq_control_reply_table(c->message, t));
}

int call_no_job(const Call *c) {
        return call_error(c, TQ_CONTROL_NOT_FOUND, "no job %" PRIu64, c->job);
}

int64_t call_scope(const Call *c) {
        const Tenant *own;

        if (c->tenant)
                return c->tenant->id;
        if (c->viewer.is_admin)
                return -1;
        own = tenants_by_uid(c->api->tenants, c->viewer.uid);
        return own ? own->id : 0; /* 0 is no tenant's */
}

static int by_name(const void *a, const void *b) {
        return strcmp((*(const Tenant *const *)a)->name, (*(const Tenant *const *)b)->name);
}

/* A former owner is of interest as long as it has jobs. */
static bool is_of_interest(const Call *c, const Tenant *t) {
        const TqTenant *view = tq_scheduler_tenant(dispatch_scheduler(c->api->dispatch), t->id);

        return !t->is_former || (view && (view->running > 0 || view->waiting.jobs > 0));
}

int call_visible_tenants(const Call *c, const Tenant ***ret, size_t *ret_n) {
        const Tenants *all = c->api->tenants;
        const Tenant **list, *t;
        size_t position = 0, n = 0;

        list = calloc(c->viewer.is_admin ? tenants_count(all) + 1 : 1, sizeof(*list));
        if (!list)
                return -ENOMEM;
        while (c->viewer.is_admin && (t = tenants_next(all, &position)))
                if (is_of_interest(c, t))
                        list[n++] = t;
        t = c->viewer.is_admin ? NULL : tenants_by_uid(all, c->viewer.uid);
        if (t)
                list[n++] = t;
        qsort((void *)list, n, sizeof(*list), by_name);
        *ret = list;
        *ret_n = n;
        return 0;
}

const Tenant *call_next_tenant(const Call *c, size_t *position) {
        if (!c->tenant)
                return tenants_next(c->api->tenants, position);
        return (*position)++ == 0 ? c->tenant : NULL;
}

int call_read_intent(Call *c) {
        uint32_t flags;
        int r = sd_bus_message_read(c->message, "su", &c->why, &flags);

        if (r < 0)
                return r;
        if (strlen(c->why) > AUDIT_WHY_MAX)
                return call_error(c, TQ_CONTROL_INVALID, "the reason is longer than %d bytes",
                                  AUDIT_WHY_MAX);
        /* What is not known is not ignored: it may be what keeps something from being done. */
        if (flags & ~TQ_CHANGE_TRIAL)
                return -EINVAL;
        c->is_trial = flags & TQ_CHANGE_TRIAL;
        return 0;
}

int call_audit(const Call *c, AuditRow row) {
        const Tenant *t = row.tenant > 0 ? tenants_get(c->api->tenants, row.tenant) : NULL;

        row.uid = c->viewer.uid;
        row.origin = &c->viewer.origin;
        row.tenant_name = t ? t->name : NULL;
        row.queue = c->queue;
        row.why = c->why;
        return audit_add(c->api->commit, &row);
}

int call_record(const Call *c, TqKind kind, uint32_t tenant, uint64_t job, const char *what) {
        if (c->viewer.is_admin)
                return call_audit(c, (AuditRow){ .kind = kind,
                                                 .tenant = tenant,
                                                 .job = job,
                                                 .trail = job > 0 ? c->trail : NULL,
                                                 .about = what });
        events_add_within(c->api->events, tenants_budget(c->api->tenants, tenant), kind, job,
                          c->viewer.uid, "%s%sby user %u%s%.200s", what, what[0] ? " " : "",
                          c->viewer.uid, c->why[0] ? ": " : "", c->why);
        return 0;
}

const char *call_launch_text(const char *why) {
        size_t n = strcspn(why, ":");
        const char *text = why[n] == ':' ? why + n + 1 : why + n;

        text += strspn(text, " ");
        return n > 0 && strncmp(text, why, n) == 0 ? text : why;
}
