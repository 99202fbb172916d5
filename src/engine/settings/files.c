/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/settings/files.h"

#include <stdio.h>
#include <string.h>

#include "conf/policyfile.h"
#include "conf/retentionfile.h"
#include "engine/settings/layers.h"

/* Each file is a text of lines NAME=VALUE: what was read, not how it was written. The ledger keeps
 * the last one; what differs from it is a row for each line. The first one is a row as a whole. */

struct Files {
        Commit *commit;
        Tenants *tenants;
        char *host;    /* what tenantq.conf said last; NULL: not known */
        TqMap said;    /* Tenant.id → Said */
        TqList orders; /* of FilesOrder.link */
};

typedef struct Said {
        uint32_t tenant;
        char *text; /* NULL: not known */
} Said;

typedef struct Line {
        const char *name, *value;
        int n_name, n_value;
} Line;

static bool next_line(const char **text, Line *ret) {
        const char *equals = strchr(*text, '='), *end = strchr(*text, '\n');

        if (!end || !equals || equals > end)
                return false;
        *ret = (Line){ .name = *text,
                       .value = equals + 1,
                       .n_name = (int)(equals - *text),
                       .n_value = (int)(end - equals - 1) };
        *text = end + 1;
        return true;
}

static bool find_line(const char *text, const Line *like, Line *ret) {
        while (next_line(&text, ret))
                if (ret->n_name == like->n_name &&
                    memcmp(ret->name, like->name, (size_t)like->n_name) == 0)
                        return true;
        return false;
}

static bool is_same(const Line *a, const Line *b) {
        return a->n_value == b->n_value && memcmp(a->value, b->value, (size_t)a->n_value) == 0;
}

/* Of a queue's NAME, which is QUEUE/KEY, the bytes before the slash; that of a device is no
 * queue's. 0: the tenant's own, or the host's. */
static int queue_of(const Line *l) {
        int n = (int)strcspn(l->name, "/@[=");

        return l->name[n] == '/' ? n : 0;
}

static int add_row(const Files *f, const Tenant *t, AuditRow row) {
        const FilesOrder *by = tq_list_is_empty(&f->orders)
                                       ? NULL
                                       : TQ_LIST_ENTRY(tq_list_first(&f->orders), FilesOrder, link);

        row.kind = TQ_KIND_FILES;
        row.uid = by ? by->uid : (uid_t)-1;
        row.origin = by ? by->origin : NULL;
        row.why = by ? by->why : NULL;
        row.tenant = t ? t->id : 0;
        row.tenant_name = t ? t->name : NULL;
        return audit_add(f->commit, &row);
}

/* before or now NULL: it is not there. */
static int add_change(const Files *f, const Tenant *t, const Line *before, const Line *now) {
        const Line *l = now ? now : before;
        int n_queue = t ? queue_of(l) : 0, skip = n_queue > 0 ? n_queue + 1 : 0;
        char queue[TQ_QUEUE_NAME_MAX + 1], name[256], values[2][1024];

        (void)snprintf(queue, sizeof(queue), "%.*s", n_queue, l->name);
        (void)snprintf(name, sizeof(name), "%.*s", l->n_name - skip, l->name + skip);
        if (before)
                (void)snprintf(values[0], sizeof(values[0]), "%.*s", before->n_value,
                               before->value);
        if (now)
                (void)snprintf(values[1], sizeof(values[1]), "%.*s", now->n_value, now->value);
        return add_row(f, t,
                       (AuditRow){ .queue = queue,
                                   .name = name,
                                   .old_value = before ? values[0] : NULL,
                                   .new_value = now ? values[1] : NULL });
}

static int add_changes(const Files *f, const Tenant *t, const char *before, const char *now) {
        const char *at = before;
        Line line, other;
        int r = 0;

        while (r >= 0 && next_line(&at, &line))
                if (!find_line(now, &line, &other))
                        r = add_change(f, t, &line, NULL);
        at = now;
        while (r >= 0 && next_line(&at, &line)) {
                bool was_there = find_line(before, &line, &other);

                if (!was_there || !is_same(&line, &other))
                        r = add_change(f, t, was_there ? &other : NULL, &line);
        }
        return r;
}

static int add_first(const Files *f, const Tenant *t, const char *now) {
        TQ_BUFFER_CLEANUP TqBuffer text = {};
        const char *at = now;
        Line line;

        tq_buffer_append_string(&text, "read first:");
        while (next_line(&at, &line))
                tq_buffer_printf(&text, " %.*s=%.*s", line.n_name, line.name, line.n_value,
                                 line.value);
        if (now[0] == '\0')
                tq_buffer_append_string(&text, " nothing is set");
        return tq_buffer_error(&text) < 0
                       ? -ENOMEM
                       : add_row(f, t, (AuditRow){ .about = tq_buffer_string(&text) });
}

static int keep(Files *f, const Tenant *t, const char *text) {
        TqLedgerOp *op = commit_op(f->commit, TQ_LEDGER_FILES);

        if (!op)
                return -ENOMEM;
        op->tenant = t ? t->id : 0;
        return commit_copy(f->commit, text, &op->text);
}

/* said: what was said before; NULL: nothing is known of that. */
static int hear(Files *f, const Tenant *t, char **said, const TqBuffer *text) {
        TQ_FREE char *now = NULL;
        int r = tq_buffer_error(text);

        if (r < 0)
                return r;
        now = strdup(text->size > 0 ? tq_buffer_string((TqBuffer *)text) : "");
        if (!now)
                return -ENOMEM;
        if (*said && strcmp(*said, now) == 0)
                return 0;
        r = *said ? add_changes(f, t, *said, now) : add_first(f, t, now);
        if (r >= 0)
                r = keep(f, t, now);
        if (r < 0)
                return r;
        free(*said);
        *said = TQ_TAKE_PTR(now);
        return 0;
}

static Said *ensure(Files *f, uint32_t tenant) {
        Said *said = tq_map_get(&f->said, tenant);

        if (said)
                return said;
        said = calloc(1, sizeof(*said));
        if (said && tq_map_put(&f->said, tenant, said) < 0) {
                free(said);
                return NULL;
        }
        if (said)
                said->tenant = tenant;
        return said;
}

int files_hear(Files *f, const Tenant *t, const TqTenantMessage *m) {
        TQ_BUFFER_CLEANUP TqBuffer text = {};
        char before[TQ_QUEUE_NAME_MAX + 2];
        Said *said;

        /* Of a file that can't be read nothing is known; the old one holds, or nothing runs. */
        if (!t->is_ready)
                return 0;
        said = ensure(f, t->id);
        if (!said)
                return -ENOMEM;
        if (m->pool[0] != '\0')
                tq_buffer_printf(&text, "pool=%s\n", m->pool);
        tq_buffer_printf(&text, "profile=%s\n", m->profile);
        if (m->waits_when_full)
                tq_buffer_append_string(&text, "on_full=wait\n");
        if (m->former_owner[0] != '\0')
                tq_buffer_printf(&text, "former_owner=%s\n", m->former_owner);
        tq_buffer_printf(&text, "grants=%08x\n", m->grants);
        layers_print(&m->limits, "", "=", &text);
        for (uint32_t i = 0; i < m->n_queues; i++) {
                (void)snprintf(before, sizeof(before), "%s/", m->queues[i].name);
                layers_print_queue(&m->queues[i], before, "=", &text);
        }
        return hear(f, t, &said->text, &text);
}

/* Sections as they are printed, each line with its section in front. */
static void add_sections(const TqBuffer *printed, TqBuffer *out) {
        const char *at = printed->size > 0 ? tq_buffer_string((TqBuffer *)printed) : "";
        char section[TQ_POOL_NAME_MAX + 32] = "";

        for (const char *end; (end = strchr(at, '\n')); at = end + 1) {
                const char *equals = strstr(at, " = ");

                if (at[0] == '[')
                        (void)snprintf(section, sizeof(section), "%.*s", (int)(end - at), at);
                else if (equals && equals < end)
                        tq_buffer_printf(out, "%s %.*s=%.*s\n", section, (int)(equals - at), at,
                                         (int)(end - equals - 3), equals + 3);
        }
}

int files_hear_host(Files *f, const TqHello *host) {
        TQ_BUFFER_CLEANUP TqBuffer text = {}, printed = {};

        tq_buffer_printf(&text, "[host] admin_group=%u\n[host] others=%08x\n", host->admin_gid,
                         host->host_sum);
        if (host->profiles_sum != 0)
                tq_buffer_printf(&text, "profiles/=%08x\n", host->profiles_sum);
        layers_print(&host->defaults, "[defaults] ", "=", &text);
        layers_print(&host->ceilings, "[ceilings] ", "=", &text);
        tq_policyfile_print(&host->policy, &printed);
        tq_retentionfile_print(&host->retention, &printed);
        add_sections(&printed, &text);
        return tq_buffer_error(&printed) < 0 ? -ENOMEM : hear(f, NULL, &f->host, &text);
}

void files_forget(Files *f, uint32_t tenant) {
        Said *said = tq_map_remove(&f->said, tenant);

        if (said)
                free(said->text);
        free(said);
}

void files_order(Files *f, FilesOrder *o) {
        tq_list_init(&o->link);
        tq_list_append(&f->orders, &o->link);
}

void files_order_done(FilesOrder *o) {
        tq_list_unlink(&o->link);
}

/* Life ----------------------------------------------------------------------------------------- */

static int load_file(void *userdata, uint32_t tenant, const char *text) {
        Files *f = userdata;
        Said *said = NULL;
        char **at = &f->host;

        if (tenant > 0 && !tenants_get(f->tenants, tenant))
                return 0; /* of no tenant: nobody's */
        if (tenant > 0) {
                said = ensure(f, tenant);
                if (!said)
                        return -ENOMEM;
                at = &said->text;
        }
        *at = strdup(text);
        return *at ? 0 : -ENOMEM;
}

int files_load(Files *f) {
        return tq_ledger_each_file(commit_ledger(f->commit), load_file, f);
}

int files_new(Commit *commit, Tenants *tenants, Files **ret) {
        Files *f = calloc(1, sizeof(*f));

        if (!f)
                return -ENOMEM;
        *f = (Files){ .commit = commit, .tenants = tenants };
        tq_list_init(&f->orders);
        *ret = f;
        return 0;
}

Files *files_free(Files *f) {
        size_t position = 0;
        Said *said;

        if (!f)
                return NULL;
        while ((said = tq_map_next(&f->said, &position))) {
                free(said->text);
                free(said);
        }
        tq_map_done(&f->said);
        free(f->host);
        free(f);
        return NULL;
}
