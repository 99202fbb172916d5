/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "supervisor/ends/look.h"

#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "core/ids.h"

#define LOOKS_MOST 8 /* a process each */

static void on_counted(void *data, int error, const SweepFound *f) {
        Work *w = data;
        Ends *e = w->ends;
        const Tenant *t = tenants_by_name(e->tenants, w->name);
        int ordered = order_is_there(e->own, TQ_ORDER_REMOVE, w->name, "");
        TqOrderFound found = { .spool_files = f->spool.files,
                               .output_files = f->logs.files,
                               .output_bytes = f->logs.bytes,
                               .n_attempts = t ? t->n_attempts : 0,
                               .has_file = work_has_file(e, w->name),
                               .has_order = ordered > 0,
                               .is_at_least = f->spool.is_cut || f->logs.is_cut ||
                                              f->spool.left + f->logs.left > 0 };

        w->sweep = NULL;
        if (error < 0)
                work_answer_text(e, w->cookie, error, "its files can't be counted: %s",
                                 strerror(-error));
        else if (ordered < 0)
                work_answer_text(e, w->cookie, ordered, "root's order can't be read: %s",
                                 strerror(-ordered));
        else
                work_answer(e, w->cookie, 0, &found, sizeof(found));
        (void)work_free(w);
}

/* Whether a name is nobody's; else what there is of it. */
static const char *in_the_way(const Ends *e, const char *name, char *buf, size_t size) {
        const Tenant *t = tenants_by_name(e->tenants, name);
        char former[TQ_TENANT_NAME_MAX + 16];

        (void)snprintf(former, sizeof(former), "%s.former-1", name);
        if (tq_fs_is_within(own_fd(e->own, OWN_SPOOL), name))
                (void)snprintf(buf, size, "there is %.300s/%s already", e->host->config.spool,
                               name);
        else if (tq_fs_is_within(own_fd(e->own, OWN_LOGS), name))
                (void)snprintf(buf, size, "there is %.300s/%s already", e->host->config.logs, name);
        else if (tq_fs_is_within(own_fd(e->own, OWN_LOGS), former))
                (void)snprintf(buf, size, "there is %.300s/%s already", e->host->config.logs,
                               former);
        else if (t && (!t->is_gone || t->is_ending || t->n_attempts > 0))
                (void)snprintf(buf, size, "there is a tenant %s already", name);
        else
                return NULL;
        return buf;
}

/* Files of root's go by root's hand. */
static const char *file_in_the_way(const Ends *e, const char *name, const char *to, char *buf,
                                   size_t size) {
        if (!work_has_file(e, name))
                return NULL;
        if (work_has_file(e, to))
                (void)snprintf(buf, size,
                               "there are both tenants.d/%s.conf and tenants.d/%s.conf: remove one",
                               name, to);
        else
                (void)snprintf(buf, size,
                               "rename the file tenants.d/%s.conf to %s.conf first: it is yours",
                               name, to);
        return buf;
}

/* tenants.d/NEW.conf alone is what the administrator has renamed. */
const char *look_rename_refused(const Ends *e, const char *name, const char *to, char *buf,
                                size_t size) {
        const char *why;

        if (!tq_ids_tenant_is_valid(to)) {
                (void)snprintf(buf, size, "\"%.60s\" is no name for a tenant", to);
                return buf;
        }
        why = in_the_way(e, to, buf, size);
        return why ? why : file_in_the_way(e, name, to, buf, size);
}

static unsigned n_looks(const Ends *e) {
        unsigned n = 0;

        TQ_LIST_FOREACH(node, &e->works)
        n += TQ_LIST_ENTRY(node, Work, link)->step == TQ_ORDER_LOOK;
        return n;
}

void look_count(Ends *e, const TqOrderMessage *m) {
        char why[TQ_MESSAGE_TEXT_MAX];
        const char *refused =
                m->to[0] != '\0' ? look_rename_refused(e, m->name, m->to, why, sizeof(why)) : NULL;
        Work *w;
        int r;

        if (refused) {
                work_answer_text(e, m->cookie, -EEXIST, "%s", refused);
                return;
        }
        if (n_looks(e) >= LOOKS_MOST) {
                work_answer_text(e, m->cookie, -EAGAIN, "others are being looked at: try again");
                return;
        }
        w = work_new(e, TQ_ORDER_LOOK, m->name, "", m->cookie);
        r = w ? work_sweep(w, SWEEP_COUNT, on_counted) : -ENOMEM;
        if (r >= 0)
                return;
        work_answer_text(e, m->cookie, r, "%s", strerror(-r));
        if (w)
                (void)work_free(w);
}
