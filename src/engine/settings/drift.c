/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/settings/drift.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "engine/settings/settings_private.h"

/* The kernel tells nobody when somebody writes a limit by another way than ours: inotify(7) on a
 * slice's files sees a write through the same mount, not what a parent's cpuset or a hot-plugged
 * CPU makes of them, loses what overflows, and is one watch for each file of each tenant. So it is
 * looked: a message, and a read of each attribute, when a job of the tenant ends, at most once a
 * minute for each tenant. An idle tenant costs nothing; one whose jobs run for long is looked at by
 * `limits verify`. */

#define LOOK_USEC (60 * TQ_USEC_PER_SEC)
#define ROWS_MOST 64

struct Drift {
        TqLink *link;
        Settings *settings;
};

typedef struct Look {
        const Drift *drift;
        const Tenant *t;
        DriftSeen seen;
        void *data;
} Look;

int drift_new(TqLink *link, Settings *settings, Drift **ret) {
        Drift *d = calloc(1, sizeof(*d));

        if (!d)
                return -ENOMEM;
        *d = (Drift){ .link = link, .settings = settings };
        *ret = d;
        return 0;
}

Drift *drift_free(Drift *d) {
        free(d);
        return NULL;
}

/* FILE, what it holds, what it should hold: tabs between them, a line each. */
static size_t split(char *text, DriftRow rows[ROWS_MOST]) {
        char *save = NULL;
        size_t n = 0;

        for (char *line = strtok_r(text, "\n", &save); line && n < ROWS_MOST;
             line = strtok_r(NULL, "\n", &save)) {
                char *held = strchr(line, '\t'), *wanted = held ? strchr(held + 1, '\t') : NULL;

                if (!wanted)
                        continue;
                *held = *wanted = '\0';
                rows[n++] = (DriftRow){ .file = line, .held = held + 1, .wanted = wanted + 1 };
        }
        return n;
}

static void on_answer(void *userdata, int result, const char *blob, size_t size, int *fd) {
        DriftRow rows[ROWS_MOST];
        Look *look = userdata;
        char text[TQ_MESSAGE_TEXT_MAX];
        size_t n;

        (void)fd;
        (void)snprintf(text, sizeof(text), "%.*s", (int)TQ_MIN(size, sizeof(text) - 1),
                       blob ? blob : "");
        n = result == -ESTALE ? split(text, rows) : 0;
        look->seen(look->data, look->t, n > 0 ? 0 : result, rows, n, text);
        free(look);
}

int drift_look(Drift *d, const Tenant *t, DriftSeen seen, void *data) {
        TenantSettings *ts = settings_ensure(d->settings, t);
        TqMessage m = { .apply = { .tenant = t->handle, .how = TQ_APPLY_LOOK } };
        char fault[TQ_MESSAGE_TEXT_MAX];
        Look *look;
        int r;

        if (!ts)
                return -ENOMEM;
        if (ts->is_applying || ts->is_changing) {
                seen(data, t, -EAGAIN, NULL, 0, "its limits are being changed");
                return 0;
        }
        /* One that is not in order, or nobody's, has no slice that must hold anything. */
        if (t->handle == 0 || !t->is_ready) {
                seen(data, t, 0, NULL, 0, "");
                return 0;
        }
        if (!ts->is_applied) {
                seen(data, t, -EIO, NULL, 0,
                     settings_fault(d->settings, t, fault, sizeof(fault)) ? fault : "not applied");
                return 0;
        }
        look = malloc(sizeof(*look));
        if (!look)
                return -ENOMEM;
        *look = (Look){ .drift = d, .t = t, .seen = seen, .data = data };
        m.apply.limits = ts->layers.effective;
        r = tq_link_ask(d->link, TQ_MESSAGE_APPLY, &m, on_answer, look);
        if (r < 0)
                free(look);
        return r;
}

static void on_seen(void *data, const Tenant *t, int r, const DriftRow *rows, size_t n,
                    const char *text) {
        Drift *d = data;
        char what[512];
        size_t at = 0;

        (void)text;
        /* What can't be looked at just now is another time. */
        if (r < 0 || n == 0)
                return;
        for (size_t i = 0; i < n && at < sizeof(what); i++)
                at += (size_t)snprintf(what + at, sizeof(what) - at, "%s%s held \"%s\", not \"%s\"",
                                       i > 0 ? "; " : "", rows[i].file, rows[i].held,
                                       rows[i].wanted);
        tq_log_about(
                LOG_WARNING, (TqLogAbout){ .id = TQ_LOG_DRIFT, .tenant = t->name },
                "tenant %s: somebody else has changed its cgroup; its limits are written again: %s",
                t->name, what);
        for (size_t i = 0; i < n; i++)
                (void)audit_add(d->settings->commit, &(AuditRow){ .kind = TQ_KIND_DRIFT,
                                                                  .uid = EVENTS_NOBODY,
                                                                  .tenant = t->id,
                                                                  .tenant_name = t->name,
                                                                  .name = rows[i].file,
                                                                  .old_value = rows[i].held,
                                                                  .new_value = rows[i].wanted,
                                                                  .about = "written again" });
        settings_apply(d->settings, t);
}

void drift_job_ended(Drift *d, uint32_t tenant) {
        const Tenant *t = tenants_get(d->settings->tenants, tenant);
        TenantSettings *ts = t ? settings_ensure(d->settings, t) : NULL;
        uint64_t now = tq_clock_boottime_usec();

        if (!ts || now < ts->look_usec)
                return;
        ts->look_usec = now + LOOK_USEC;
        (void)drift_look(d, t, on_seen, d);
}
