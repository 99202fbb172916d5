/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "supervisor/tenants/table.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "supervisor/tenants/table_private.h"

#define LINES      20 /* of the journal about a tenant, in LINES_USEC */
#define LINES_USEC (60 * TQ_USEC_PER_SEC)

int tenants_fault(Tenant *t, const char *fmt, ...) {
        va_list ap;

        va_start(ap, fmt);
        (void)vsnprintf(t->fault, sizeof(t->fault), fmt, ap);
        va_end(ap);
        return -EPERM;
}

void tenants_report(Tenant *t, TqLogId id, const char *fmt, ...) {
        uint64_t now = tq_clock_monotonic_usec();
        va_list ap;

        if (now - t->lines_since > LINES_USEC) {
                if (t->n_lines > LINES)
                        tq_log(LOG_ERR, "tenant %s: %u more such lines were left out", t->name,
                               t->n_lines - LINES);
                t->lines_since = now;
                t->n_lines = 0;
        }
        if (++t->n_lines > LINES)
                return;
        va_start(ap, fmt);
        tq_log_va(id == TQ_LOG_PLAIN ? LOG_NOTICE : LOG_WARNING,
                  (TqLogAbout){ .id = id, .tenant = t->name }, fmt, ap);
        va_end(ap);
}

/* The table -------------------------------------------------------------------------------------
 */

Tenant *tenants_find(const Tenants *ts, uint32_t handle) {
        return tq_map_get(&ts->handles, handle);
}

/* By a hash; two names with the same one (root made both) are told apart by looking at all. */
Tenant *tenants_by_name(const Tenants *ts, const char *name) {
        Tenant *first = tq_map_get(&ts->names, tq_scheduler_name(name));

        if (!first || strcmp(first->name, name) == 0)
                return first;
        for (Tenant *t = tenants_next(ts, NULL); t; t = tenants_next(ts, t))
                if (strcmp(t->name, name) == 0)
                        return t;
        return NULL;
}

Tenant *tenants_next(const Tenants *ts, const Tenant *previous) {
        TqList *next = previous ? previous->all.next : ts->all.next;

        return next == &ts->all ? NULL : TQ_LIST_ENTRY(next, Tenant, all);
}

Tenant *tenants_ensure(Tenants *ts, const char *name) {
        Tenant *t = tenants_by_name(ts, name);
        int r;

        if (t)
                return t;
        t = calloc(1, sizeof(*t));
        if (!t)
                return NULL;
        t->handle = ++ts->next_handle;
        (void)snprintf(t->name, sizeof(t->name), "%s", name);
        r = tq_map_put(&ts->handles, t->handle, t);
        if (r >= 0)
                r = tq_map_put(&ts->names, tq_scheduler_name(name), t);
        if (r < 0 && r != -EEXIST) {
                (void)tq_map_remove(&ts->handles, t->handle);
                free(t);
                return NULL;
        }
        t->spool_fd = t->log_fd = t->slice_fd = -EBADF;
        t->is_gone = true;
        (void)tenants_fault(t, "it has no directory in the spool");
        tq_list_append(&ts->all, &t->all);
        return t;
}

bool tenants_has_moved_on(const Tenant *t) {
        struct stat st;

        return t->spool_fd < 0 || fstat(t->spool_fd, &st) < 0 || st.st_uid != t->seen.st_uid ||
               st.st_gid != t->seen.st_gid || st.st_mode != t->seen.st_mode;
}

bool tenants_may_submit(const Tenant *t, uid_t uid) {
        if (uid == t->who.uid || uid == 0)
                return true;
        for (size_t i = 0; i < t->n_submitters; i++)
                if (t->submitters[i] == uid)
                        return true;
        return false;
}

/* The administrator says that the tenant is the same, though its owner is another. */
bool tenants_is_former(const Tenant *t, uid_t uid, const char *user) {
        char number[16];

        (void)snprintf(number, sizeof(number), "%u", uid);
        return t->config.former_owner[0] != '\0' && (strcmp(t->config.former_owner, number) == 0 ||
                                                     strcmp(t->config.former_owner, user) == 0);
}

uint64_t tenants_changes(const Tenants *ts) {
        return ts->changes;
}

void tenants_check_all(Tenants *ts) {
        for (Tenant *t = tenants_next(ts, NULL); t; t = tenants_next(ts, t))
                ts->hooks.check_in(ts->hooks.data, t);
}
