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

#define CPU_MARK_USEC (4 * 60 * TQ_USEC_PER_SEC)

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
        DriftSight sight = { .r = result, .cpu = TQ_CGROUP_CPU_UNKNOWN };
        DriftRow rows[ROWS_MOST];
        Look *look = userdata;
        char text[TQ_MESSAGE_TEXT_MAX] = "";

        (void)fd;
        if (size >= sizeof(sight.cpu)) {
                memcpy(&sight.cpu, blob, sizeof(sight.cpu));
                (void)snprintf(text, sizeof(text), "%.*s",
                               (int)TQ_MIN(size - sizeof(sight.cpu), sizeof(text) - 1),
                               blob + sizeof(sight.cpu));
        }
        sight.text = text;
        sight.rows = rows;
        sight.n = result == -ESTALE ? split(text, rows) : 0;
        if (sight.n > 0)
                sight.r = 0;
        look->seen(look->data, look->t, &sight);
        free(look);
}

static void nothing_seen(const Tenant *t, int r, const char *text, DriftSeen seen, void *data) {
        seen(data, t, &(DriftSight){ .r = r, .text = text, .cpu = TQ_CGROUP_CPU_UNKNOWN });
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
                nothing_seen(t, -EAGAIN, "its limits are being changed", seen, data);
                return 0;
        }
        /* One that is not in order, or nobody's, has no slice that must hold anything. */
        if (t->handle == 0 || !t->is_ready) {
                nothing_seen(t, 0, "", seen, data);
                return 0;
        }
        if (!ts->is_applied) {
                nothing_seen(t, -EIO,
                             settings_fault(d->settings, t, fault, sizeof(fault)) ? fault
                                                                                  : "not applied",
                             seen, data);
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

/* So that a later one can tell what came between. */
static void note_cpu(TenantSettings *ts, const TqCgroupCpu *cpu) {
        uint64_t now = tq_clock_boottime_usec();

        if (!ts || cpu->throttled_usec == TQ_UNKNOWN)
                return;
        if (ts->n_cpu_marks > 0 &&
            now < tq_add_u64(ts->cpu_marks[(ts->n_cpu_marks - 1) % CPU_MARKS].usec, CPU_MARK_USEC))
                return;
        ts->cpu_marks[ts->n_cpu_marks++ % CPU_MARKS] = (CpuMark){ .usec = now, .cpu = *cpu };
}

/* The last one before `from`; if there is none, the first one behind it. */
static bool is_better(const CpuMark *a, const CpuMark *b, uint64_t from) {
        return a->usec <= from ? b->usec > from || a->usec > b->usec
                               : b->usec > from && a->usec < b->usec;
}

bool drift_cpu_since(const Drift *d, const Tenant *t, uint64_t span_usec, const TqCgroupCpu *now,
                     TqCgroupCpu *ret) {
        const TenantSettings *ts = settings_ensure(d->settings, t);
        uint64_t from = tq_sub_u64(tq_clock_boottime_usec(), span_usec);
        const CpuMark *first = NULL;

        if (!ts || now->throttled_usec == TQ_UNKNOWN)
                return false;
        for (size_t i = 0; i < TQ_MIN(ts->n_cpu_marks, (size_t)CPU_MARKS); i++)
                if (!first || is_better(&ts->cpu_marks[i], first, from))
                        first = &ts->cpu_marks[i];
        /* Less: it is another slice. */
        if (!first || first->cpu.usage_usec > now->usage_usec ||
            first->cpu.throttled_usec > now->throttled_usec)
                return false;
        *ret = (TqCgroupCpu){ now->usage_usec - first->cpu.usage_usec,
                              now->throttled_usec - first->cpu.throttled_usec };
        return true;
}

static void on_seen(void *data, const Tenant *t, const DriftSight *sight) {
        const DriftRow *rows = sight->rows;
        Drift *d = data;
        char what[512];
        size_t at = 0;

        note_cpu(settings_ensure(d->settings, t), &sight->cpu);
        /* What can't be looked at just now is another time. */
        if (sight->r < 0 || sight->n == 0)
                return;
        for (size_t i = 0; i < sight->n && at < sizeof(what); i++)
                at += (size_t)snprintf(what + at, sizeof(what) - at, "%s%s held \"%s\", not \"%s\"",
                                       i > 0 ? "; " : "", rows[i].file, rows[i].held,
                                       rows[i].wanted);
        tq_log_about(
                LOG_WARNING, (TqLogAbout){ .id = TQ_LOG_DRIFT, .tenant = t->name },
                "tenant %s: somebody else has changed its cgroup; its limits are written again: %s",
                t->name, what);
        for (size_t i = 0; i < sight->n; i++)
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
