/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/settings/rollout.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/heap.h"
#include "base/log.h"
#include "base/map.h"
#include "engine/settings/change.h"
#include "engine/settings/settings_private.h"

/* A change holds from its commit on, and is recorded as one that is looked after in the same. Each
 * look compares the time since it with as long a time before it: jobs by their rows of the ledger
 * (store/ledger_figures.c), throttling by what the slice counts (drift.c). The first one at which
 * something is worse sets back what the change has set, as a change like any other; what is not
 * worse at the end stays. Another change of the tenant ends it, too: what comes of two can't be
 * told apart.
 *
 * One is looked at at a time: a question to the supervisor, then one to the worker. All of it is in
 * the ledger, so that a restart in between is nothing but a pause. */

#define CANT_GO       "made it worse, and can't be taken back yet"
#define LOOKS         16 /* in its time */
#define LOOK_SHORTEST TQ_USEC_PER_SEC
#define LOOK_LONGEST  (60 * TQ_USEC_PER_SEC)

typedef struct Rollout {
        uint32_t tenant;
        TqLedgerRollout row;
        uint64_t due_usec, end_usec; /* CLOCK_BOOTTIME */
        bool is_failing;             /* it could not be judged or taken back; that was said */
        TqHeapNode due;
} Rollout;

struct Rollouts {
        sd_event_source *timer;
        Settings *settings;
        Drift *drift;
        TqMap all; /* Tenant.id → Rollout */
        TqHeap due;
        bool is_started;
        bool is_busy;     /* a look is under way, */
        Rollout *looking; /* at this one; NULL: it was dropped meanwhile */
        /* What the worker is asked, and says. */
        TqTask task;
        TqLedger *ledger;
        TqLedgerRollout asked;
        uint32_t tenant;
        TqCgroupCpu cpu;
        uint64_t now_usec;
        TqFigures figures[2];
        TqTable before; /* if it is worse */
        char worse[TQ_FIGURES_TEXT];
        int result;
};

static bool is_before(const TqHeapNode *a, const TqHeapNode *b) {
        return TQ_CONTAINER_OF(a, Rollout, due)->due_usec <
               TQ_CONTAINER_OF(b, Rollout, due)->due_usec;
}

static void arm(Rollouts *all) {
        TqHeapNode *top = tq_heap_top(&all->due);

        if (!all->is_started || all->is_busy || !top) {
                (void)sd_event_source_set_enabled(all->timer, SD_EVENT_OFF);
                return;
        }
        (void)sd_event_source_set_time(all->timer, TQ_CONTAINER_OF(top, Rollout, due)->due_usec);
        (void)sd_event_source_set_enabled(all->timer, SD_EVENT_ONESHOT);
}

static void drop(Rollouts *all, Rollout *x) {
        if (all->looking == x)
                all->looking = NULL;
        tq_heap_remove(&all->due, &x->due);
        (void)tq_map_remove(&all->all, x->tenant);
        free(x);
}

/* Often at first, and at the end. */
static void look_again(Rollouts *all, Rollout *x) {
        uint64_t now = tq_clock_boottime_usec();
        uint64_t pause = TQ_MIN(TQ_MAX(x->row.span_usec / LOOKS, LOOK_SHORTEST), LOOK_LONGEST);

        x->due_usec = now + pause;
        if (now < x->end_usec)
                x->due_usec = TQ_MIN(x->due_usec, x->end_usec);
        if (tq_heap_insert(&all->due, &x->due) < 0)
                commit_degrade(all->settings->commit, -ENOMEM);
}

static void next(Rollouts *all) {
        all->is_busy = false;
        all->looking = NULL;
        arm(all);
}

/* What becomes of it --------------------------------------------------------------------------- */

static int record(const Rollouts *all, const Rollout *x, TqLedgerOpType type) {
        TqLedgerOp *op = commit_op(all->settings->commit, type);

        if (!op)
                return -ENOMEM;
        op->tenant = x->tenant;
        op->rollout = x->row;
        return 0;
}

/* It stays, or there is nothing to look after any more. */
static void end(Rollouts *all, Rollout *x, const char *text) {
        const Tenant *t = tenants_get(all->settings->tenants, x->tenant);
        int r = record(all, x, TQ_LEDGER_ROLLED_OUT);

        if (r >= 0 && t)
                r = audit_add(all->settings->commit, &(AuditRow){ .kind = TQ_KIND_ROLLOUT,
                                                                  .uid = EVENTS_NOBODY,
                                                                  .tenant = t->id,
                                                                  .tenant_name = t->name,
                                                                  .about = text });
        if (r < 0)
                commit_degrade(all->settings->commit, -ENOMEM);
        drop(all, x);
}

static void superseded(Rollouts *all, Rollout *x) {
        char text[128];

        (void)snprintf(text, sizeof(text),
                       "revision %" PRIu64
                       " is not looked after any more: the limits were changed again",
                       x->row.revision);
        end(all, x, text);
}

static void say_failing(Rollout *x, const Tenant *t, const char *what, const char *text) {
        if (!x->is_failing)
                tq_log_about(LOG_WARNING, (TqLogAbout){ .tenant = t->name },
                             "tenant %s: revision %" PRIu64 " %s: %s; it is tried again", t->name,
                             x->row.revision, what, text);
        x->is_failing = true;
}

/* The looked-at one, unless it was dropped meanwhile. */
static void on_rolled_back(void *data, const Change *c, TqControlError error, const char *text) {
        Rollouts *all = data;
        Rollout *x = all->looking;

        (void)error;
        (void)c;
        if (x && text && !commit_is_leaving(all->settings->commit)) {
                say_failing(x, tenants_get(all->settings->tenants, x->tenant), CANT_GO, text);
                look_again(all, x);
        } else if (x) {
                if (record(all, x, TQ_LEDGER_ROLLED_OUT) < 0)
                        commit_degrade(all->settings->commit, -ENOMEM);
                drop(all, x);
        }
        next(all);
}

static int roll_back(Rollouts *all, const Rollout *x, const Tenant *t, TqError *err) {
        char about[TQ_FIGURES_TEXT + 64];
        ChangeRequest request = { .uid = EVENTS_NOBODY,
                                  .about = about,
                                  .is_conditional = true,
                                  .if_revision = x->row.revision,
                                  .is_forced = true,
                                  .is_return = true };
        Change *c = NULL;
        int r;

        (void)snprintf(about, sizeof(about), "revision %" PRIu64 " is taken back: %s",
                       x->row.revision, all->worse);
        if (commit_fault(all->settings->commit))
                return tq_error(err, -EIO, "the ledger can't be written");
        r = change_new(all->settings, t, &request, on_rolled_back, all, &c);
        if (r >= 0)
                r = change_put_rows(c, &all->before, err);
        if (r >= 0)
                r = change_start(c, err);
        if (r < 0)
                (void)change_free(c);
        return r;
}

/* A look ----------------------------------------------------------------------------------------
 */

static void on_run(TqTask *task) {
        Rollouts *all = TQ_CONTAINER_OF(task, Rollouts, task);
        const TqLedgerRollout *x = &all->asked;
        TqFigures *f = all->figures;
        const char *worse;

        all->result =
                tq_ledger_figures(all->ledger, all->tenant, tq_sub_u64(x->begun_usec, x->span_usec),
                                  x->begun_usec, all->now_usec, f);
        if (all->result < 0)
                return;
        f[0].has_cpu = x->has_before;
        f[0].cpu_usec = x->before_cpu_usec;
        f[0].throttled_usec = x->before_throttled_usec;
        /* Less than it was: it is another slice. */
        f[1].has_cpu = x->has_cpu && all->cpu.throttled_usec != TQ_UNKNOWN &&
                       all->cpu.usage_usec >= x->cpu_usec &&
                       all->cpu.throttled_usec >= x->throttled_usec;
        f[1].cpu_usec = all->cpu.usage_usec - x->cpu_usec;
        f[1].throttled_usec = all->cpu.throttled_usec - x->throttled_usec;
        worse = tq_figures_worse(&f[0], &f[1], x->percent, all->worse);
        if (!worse)
                all->worse[0] = '\0';
        else
                all->result = tq_ledger_before_revision(all->ledger, all->tenant, x->revision,
                                                        &all->before);
}

static void keep(Rollouts *all, Rollout *x) {
        char text[TQ_FIGURES_TEXT + 64], figures[TQ_FIGURES_TEXT];

        (void)snprintf(text, sizeof(text), "revision %" PRIu64 " stays: %s", x->row.revision,
                       tq_figures_format(&all->figures[1], figures));
        end(all, x, text);
}

static void judge(Rollouts *all, Rollout *x) {
        const Tenant *t = tenants_get(all->settings->tenants, x->tenant);
        TqError err = {};
        char text[512];
        int r;

        if (!t)
                drop(all, x);
        else if (settings_ensure(all->settings, t)->revision != x->row.revision)
                superseded(all, x);
        else if (all->result < 0) {
                say_failing(x, t, "can't be judged", tq_ledger_why(all->result));
                look_again(all, x);
        } else if (all->worse[0] == '\0') {
                if (tq_clock_boottime_usec() >= x->end_usec)
                        keep(all, x);
                else
                        look_again(all, x);
        } else if (all->before.n_rows == 0) {
                (void)snprintf(text, sizeof(text),
                               "revision %" PRIu64 " stays, though: %s; what was before it is not "
                               "in the audit any more ([history] audit_age)",
                               x->row.revision, all->worse);
                end(all, x, text);
        } else {
                r = roll_back(all, x, t, &err);
                if (r >= 0)
                        return;
                say_failing(x, t, CANT_GO,
                            err.text[0] ? tq_error_format(&err, text, sizeof(text)) : strerror(-r));
                look_again(all, x);
        }
        next(all);
}

static void on_judged(TqTask *task, void *userdata) {
        Rollouts *all = TQ_CONTAINER_OF(task, Rollouts, task);
        Rollout *x = all->looking;

        (void)userdata;
        if (x && !commit_is_leaving(all->settings->commit))
                judge(all, x);
        else
                next(all);
        tq_table_done(&all->before);
}

/* At the first look that can tell it: from where the slice's throttling counts. */
static void begin_cpu(Rollouts *all, Rollout *x, const Tenant *t, const TqCgroupCpu *now) {
        TqCgroupCpu before;

        if (x->row.has_cpu || now->throttled_usec == TQ_UNKNOWN)
                return;
        x->row.has_cpu = true;
        x->row.cpu_usec = now->usage_usec;
        x->row.throttled_usec = now->throttled_usec;
        x->row.has_before = drift_cpu_since(all->drift, t, x->row.span_usec, now, &before);
        if (x->row.has_before) {
                x->row.before_cpu_usec = before.usage_usec;
                x->row.before_throttled_usec = before.throttled_usec;
        }
        if (record(all, x, TQ_LEDGER_ROLLOUT) < 0)
                commit_degrade(all->settings->commit, -ENOMEM);
}

static void on_seen(void *data, const Tenant *t, const DriftSight *sight) {
        Rollouts *all = data;
        Rollout *x = all->looking;

        if (!x || commit_is_leaving(all->settings->commit)) {
                next(all);
                return;
        }
        begin_cpu(all, x, t, &sight->cpu);
        all->asked = x->row;
        all->tenant = x->tenant;
        all->cpu = sight->cpu;
        all->now_usec = tq_clock_realtime_usec();
        all->ledger = commit_ledger(all->settings->commit);
        all->task = (TqTask){ .run = on_run, .done = on_judged };
        tq_list_init(&all->task.link);
        commit_ask(all->settings->commit, &all->task);
}

static void look(Rollouts *all, Rollout *x) {
        const Tenant *t = tenants_get(all->settings->tenants, x->tenant);
        const TenantSettings *ts = t ? settings_ensure(all->settings, t) : NULL;

        tq_heap_remove(&all->due, &x->due);
        /* With its rows goes this one, too. */
        if (!ts || t->is_removed || t->ending == TQ_ENDING_DELETE)
                drop(all, x);
        else if (ts->revision != x->row.revision)
                superseded(all, x);
        else {
                all->is_busy = true;
                all->looking = x;
                if (drift_look(all->drift, t, on_seen, all) < 0)
                        commit_degrade(all->settings->commit, -ENOMEM);
        }
}

static int on_due(sd_event_source *source, uint64_t usec, void *userdata) {
        Rollouts *all = userdata;
        TqHeapNode *top;

        (void)source;
        (void)usec;
        while (!all->is_busy && (top = tq_heap_top(&all->due)) &&
               TQ_CONTAINER_OF(top, Rollout, due)->due_usec <= tq_clock_boottime_usec())
                look(all, TQ_CONTAINER_OF(top, Rollout, due));
        arm(all);
        return 0;
}

/* Life ------------------------------------------------------------------------------------------
 */

static int add(Rollouts *all, uint32_t tenant, const TqLedgerRollout *row) {
        uint64_t over = row->has_boottime
                                ? tq_sub_u64(tq_clock_boottime_usec(), row->begun_boottime_usec)
                                : tq_sub_u64(tq_clock_realtime_usec(), row->begun_usec);
        Rollout *x = tq_map_get(&all->all, tenant);
        int r;

        if (x)
                drop(all, x);
        x = calloc(1, sizeof(*x));
        if (!x)
                return -ENOMEM;
        *x = (Rollout){ .tenant = tenant, .row = *row, .due_usec = tq_clock_boottime_usec() };
        x->end_usec = tq_add_u64(x->due_usec, tq_sub_u64(row->span_usec, over));
        r = tq_map_put(&all->all, tenant, x);
        if (r < 0) {
                free(x);
                return r;
        }
        return tq_heap_insert(&all->due, &x->due);
}

static void on_begun(void *data, const Tenant *t, const TqLedgerRollout *row) {
        Rollouts *all = data;

        if (add(all, t->id, row) < 0)
                commit_degrade(all->settings->commit, -ENOMEM);
        arm(all);
}

static int on_row(void *userdata, uint32_t tenant, const TqLedgerRollout *row) {
        Rollouts *all = userdata;
        const Tenant *t = tenants_get(all->settings->tenants, tenant);

        if (t && t->revision == row->revision)
                return add(all, tenant, row);
        /* What the last engine has taken back, and could not say any more that it had. */
        return record(all, &(Rollout){ .tenant = tenant, .row = *row }, TQ_LEDGER_ROLLED_OUT);
}

int rollouts_load(Rollouts *all) {
        return tq_ledger_each_rollout(commit_ledger(all->settings->commit), on_row, all);
}

void rollouts_start(Rollouts *all) {
        all->is_started = true;
        arm(all);
}

uint64_t rollouts_until(const Rollouts *all, uint32_t tenant) {
        const Rollout *x = tq_map_get(&all->all, tenant);

        return x ? tq_add_u64(x->row.begun_usec, x->row.span_usec) : 0;
}

int rollouts_new(sd_event *event, Settings *settings, Drift *drift, Rollouts **ret) {
        Rollouts *all = calloc(1, sizeof(*all));
        int r;

        if (!all)
                return -ENOMEM;
        *all = (Rollouts){ .settings = settings, .drift = drift, .due = { .before = is_before } };
        r = sd_event_add_time(event, &all->timer, CLOCK_BOOTTIME, 0, TQ_USEC_PER_MSEC, on_due, all);
        if (r >= 0)
                r = sd_event_source_set_enabled(all->timer, SD_EVENT_OFF);
        if (r < 0) {
                (void)rollouts_free(all);
                return r;
        }
        settings->rollout_begun = on_begun;
        settings->rollout_data = all;
        *ret = all;
        return 0;
}

Rollouts *rollouts_free(Rollouts *all) {
        size_t position = 0;
        Rollout *x;

        if (!all)
                return NULL;
        all->settings->rollout_begun = NULL;
        (void)sd_event_source_disable_unref(all->timer);
        while ((x = tq_map_next(&all->all, &position)))
                free(x);
        tq_map_done(&all->all);
        tq_heap_done(&all->due);
        tq_table_done(&all->before);
        free(all);
        return NULL;
}
