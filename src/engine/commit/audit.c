/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/commit/audit.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/format.h"
#include "base/log.h"
#include "core/trail.h"

/* The journal is told after the commit: what it says is in the ledger. */
typedef struct Line {
        char *tenant;
        uint64_t job;
        char text[1024];
        char *fields[TQ_LOG_FIELDS - 1]; /* NULL: no memory */
        size_t n_fields;
        char *trail;
} Line;

static Line *line_free(Line *l) {
        for (size_t i = 0; i < l->n_fields; i++)
                free(l->fields[i]);
        free(l->tenant);
        free(l->trail);
        free(l);
        return NULL;
}

static void put(Line *l, const char *fmt, ...) TQ_PRINTF(2, 3);
static void put(Line *l, const char *fmt, ...) {
        size_t n = strlen(l->text);
        va_list ap;

        va_start(ap, fmt);
        (void)vsnprintf(l->text + n, sizeof(l->text) - n, fmt, ap);
        va_end(ap);
}

static void put_field(Line *l, const char *fmt, ...) TQ_PRINTF(2, 3);
static void put_field(Line *l, const char *fmt, ...) {
        va_list ap;

        va_start(ap, fmt);
        if (vasprintf(&l->fields[l->n_fields], fmt, ap) >= 0)
                l->n_fields++;
        va_end(ap);
}

static bool is_said(const char *text) {
        return text && text[0] != '\0';
}

/* Cut at a character's end, since the journal takes what is not UTF-8 for no text. */
static const char *brief(const char *text, char *buf, size_t size) {
        char cut[201];

        return tq_format_shown(tq_format_utf8(text, cut, sizeof(cut)), buf, size);
}

static void describe(Line *l, const AuditRow *row) {
        bool is_daemon = row->uid == (uid_t)-1;
        char shown[4 * 201];

        put(l, "%s:", tq_kinds[row->kind].name);
        if (is_said(row->tenant_name))
                put(l, " %s%s%s", row->tenant_name, is_said(row->queue) ? "/" : "",
                    is_said(row->queue) ? row->queue : "");
        if (row->job > 0)
                put(l, " job %" PRIu64, row->job);
        if (is_said(row->name))
                put(l, " %s %s -> %s", row->name, row->old_value ? row->old_value : "unset",
                    row->new_value ? row->new_value : "unset");
        if (row->until_usec > 0)
                put(l, " until %s", tq_format_timestamp(row->until_usec, shown, sizeof(shown)));
        if (is_said(row->about))
                put(l, " %s", brief(row->about, shown, sizeof(shown)));
        if (!is_daemon)
                put(l, " by user %u", row->uid);
        if (!is_daemon && row->origin && row->origin->sudo_user[0] != '\0')
                put(l, " (%s, sudo)", row->origin->sudo_user);
        if (is_said(row->why))
                put(l, ": %s", brief(row->why, shown, sizeof(shown)));
        put_field(l, "TENANTQ_KIND=%s", tq_kinds[row->kind].name);
        if (!is_daemon)
                put_field(l, "TENANTQ_BY=%u", row->uid);
        if (row->revision > 0)
                put_field(l, "TENANTQ_REVISION=%" PRIu64, row->revision);
        if (is_said(row->name))
                put_field(l, "TENANTQ_LIMIT=%s", row->name);
        if (is_said(row->queue))
                put_field(l, "TENANTQ_QUEUE=%s", row->queue);
        if (is_said(row->old_value))
                put_field(l, "TENANTQ_OLD=%s", row->old_value);
        if (is_said(row->new_value))
                put_field(l, "TENANTQ_NEW=%s", row->new_value);
        if (is_said(row->why))
                put_field(l, "TENANTQ_WHY=%s", brief(row->why, shown, sizeof(shown)));
}

static void on_recorded(void *data, int result) {
        Line *l = *(Line **)data;
        const char *fields[TQ_ELEMENTSOF(l->fields)];

        for (size_t i = 0; i < l->n_fields; i++)
                fields[i] = l->fields[i];
        if (result >= 0)
                tq_log_about(LOG_NOTICE,
                             (TqLogAbout){ .id = TQ_LOG_CHANGED,
                                           .tenant = l->tenant,
                                           .job = l->job,
                                           .fields = fields,
                                           .n_fields = l->n_fields,
                                           .trail = l->trail },
                             "%s", l->text);
        (void)line_free(l);
}

/* A line that there is no memory for is left out; the row is what counts. */
static void say_when_recorded(Commit *c, const AuditRow *row) {
        Line *l = calloc(1, sizeof(*l)), **data;

        if (!l)
                return;
        l->tenant = is_said(row->tenant_name) ? strdup(row->tenant_name) : NULL;
        l->job = row->job;
        l->trail = tq_trail_copy(row->trail);
        describe(l, row);
        data = commit_then(c, on_recorded, sizeof(Line *));
        if (data)
                *data = l;
        else
                (void)line_free(l);
}

static int copy(Commit *c, const char *text, char **ret) {
        return commit_copy(c, is_said(text) ? text : NULL, ret);
}

/* Some of it may have been cut within a character, and it goes into answers. */
static int copy_clean(Commit *c, const char *text, char **ret) {
        TQ_FREE char *clean = NULL;
        size_t size;

        if (!is_said(text))
                return 0;
        size = 4 * strlen(text) + 1;
        clean = malloc(size);
        if (!clean) {
                commit_degrade(c, -ENOMEM);
                return -ENOMEM;
        }
        return commit_copy(c, tq_format_utf8(text, clean, size), ret);
}

int audit_add(Commit *c, const AuditRow *row) {
        const Origin none = ORIGIN_UNKNOWN, *origin = row->origin ? row->origin : &none;
        TqLedgerOp *op = commit_op(c, TQ_LEDGER_AUDIT);
        int r;

        if (!op)
                return -ENOMEM;

        const struct {
                const char *text;
                char **ret;
        } texts[] = {
                { row->tenant_name, &op->audit.tenant_name },
                { origin->session, &op->audit.session },
                { origin->sudo_user, &op->audit.sudo_user },
                { row->name, &op->audit.name },
                { row->old_set, &op->audit.old_set },
                { row->kernel, &op->audit.kernel },
        };

        op->kind = tq_kinds[row->kind].name;
        op->uid = row->uid;
        op->tenant = row->tenant;
        op->job = row->job;
        op->audit.login_uid = origin->login_uid;
        op->audit.revision = row->revision;
        op->audit.policy = row->policy;
        op->audit.until_usec = row->until_usec;
        (void)snprintf(op->audit.queue, sizeof(op->audit.queue), "%s",
                       row->queue ? row->queue : "");
        r = copy_clean(c, row->why, &op->text);
        if (r >= 0)
                r = copy_clean(c, row->about, &op->audit.about);
        if (r >= 0)
                r = copy_clean(c, row->old_value, &op->audit.old_value);
        if (r >= 0)
                r = copy_clean(c, row->new_value, &op->audit.new_value);
        for (size_t i = 0; r >= 0 && i < TQ_ELEMENTSOF(texts); i++)
                r = copy(c, texts[i].text, texts[i].ret);
        if (r >= 0)
                say_when_recorded(c, row);
        return r;
}
