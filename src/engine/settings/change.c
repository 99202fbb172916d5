/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/settings/change.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/format.h"
#include "engine/settings/change_private.h"

/* Every assignment is checked before anything happens, the whole result is written to the tenant's
 * slice and read back by the supervisor, then recorded as one numbered revision, and only then
 * told, with what the kernel holds. A change that the kernel refuses leaves no trace; one that
 * can't be recorded is taken back. What is as it was makes no revision. While another APPLY of the
 * tenant is under way, a change waits for its answer.
 *
 * What would take from its jobs what they have is refused, with the numbers, unless it is forced:
 * here by how many run, in the supervisor by what the slice uses. */

int change_new(Settings *s, const Tenant *t, const ChangeRequest *request, ChangeDone done,
               void *data, Change **ret) {
        TenantSettings *ts = settings_ensure(s, t);
        Change *c;

        if (!ts)
                return -ENOMEM;
        if (ts->is_changing)
                return -EBUSY;
        c = calloc(1, sizeof(*c));
        if (!c)
                return -ENOMEM;
        *c = (Change){ .ts = ts,
                       .request = *request,
                       .origin = request->origin ? *request->origin : ORIGIN_UNKNOWN,
                       .before = ts->layers.effective,
                       .layers = ts->layers,
                       .done = done,
                       .data = data };
        c->request.origin = &c->origin;
        c->request.why = strdup(request->why ? request->why : "");
        c->request.about = strdup(request->about ? request->about : "");
        ts->is_changing = true;
        if (!c->request.why || !c->request.about) {
                (void)change_free(c);
                return -ENOMEM;
        }
        *ret = c;
        return 0;
}

Change *change_free(Change *c) {
        TenantSettings *ts;

        if (!c)
                return NULL;
        ts = c->ts;
        if (c->is_reserving && --ts->settings->n_reserving == 0)
                ts->settings->reserving = NULL;
        for (size_t i = 0; i < c->n; i++) {
                free(c->items[i].name);
                free(c->items[i].old_value);
                free(c->items[i].new_value);
                free(c->items[i].back);
                (void)live_free(c->items[i].live);
        }
        free(c->items);
        for (size_t i = 0; i < c->n_wanted; i++)
                free(c->wanted[i]);
        free(c->wanted);
        free((char *)c->request.why);
        free((char *)c->request.about);
        free(c);
        ts->is_changing = false;
        /* What came meanwhile: a reload, a message of the supervisor's. */
        if (ts->must_apply)
                settings_apply(ts->settings, ts->tenant);
        return NULL;
}

static void end(Change *c, TqControlError error, const char *text) {
        c->done(c->data, c, error, text);
        (void)change_free(c);
}

TqControlError change_error_of(int r) {
        return r == -ESTALE  ? TQ_CONTROL_CHANGED
               : r == -EBUSY ? TQ_CONTROL_REFUSED
                             : TQ_CONTROL_INVALID;
}

/* Doing it ------------------------------------------------------------------------------------ */

bool change_is_any(const Change *c) {
        for (size_t i = 0; i < c->n; i++)
                if (!c->items[i].is_unchanged)
                        return true;
        return false;
}

/* Of the tenant's own: only those are the kernel's. */
static bool is_for_the_kernel(const Change *c) {
        for (size_t i = 0; i < c->n; i++)
                if (!c->items[i].is_unchanged && c->items[i].queue[0] == '\0')
                        return true;
        return false;
}

/* It holds: the layers are what they are now, but for what the change is about. */
static void take_effect(Change *c) {
        TenantSettings *ts = c->ts;
        Layers *l = &ts->layers;

        for (size_t i = 0; i < c->n; i++) {
                Assignment *a = &c->items[i];

                if (a->is_unchanged)
                        continue;
                if (!a->live)
                        live_drop(&ts->live, a->queue, a->name);
                else if (live_put(TQ_TAKE_PTR(a->live)) < 0)
                        commit_degrade(ts->settings->commit, -ENOMEM);
        }
        ts->revision = c->revision;
        l->live = c->layers.live;
        (void)layers_resolve(l, &ts->settings->host, &l->live, &l->effective, NULL);
        memcpy(l->live_queues, c->layers.live_queues, sizeof(l->live_queues));
        l->n_live_queues = c->layers.n_live_queues;
}

/* The kernel has it, the ledger does not: back to what is recorded. */
static void undo_kernel(Change *c) {
        if (is_for_the_kernel(c))
                c->ts->must_apply = true;
}

static void on_recorded(void *data, int result) {
        Change *c = *(Change **)data;
        Commit *commit = c->ts->settings->commit;
        char why[160], text[256];

        if (result >= 0 && c->ts->tenant->is_removed) {
                end(c, TQ_CONTROL_REFUSED, "the tenant was removed meanwhile");
                return;
        }
        if (result >= 0) {
                take_effect(c);
                settings_tell(c->ts->settings, c->ts->tenant);
                if (c->rollout.span_usec > 0)
                        c->ts->settings->rollout_begun(c->ts->settings->rollout_data, c->ts->tenant,
                                                       &c->rollout);
                end(c, TQ_CONTROL_FAILED, NULL);
                return;
        }
        /* We leave: the next one asks the ledger. */
        if (result == -ECANCELED) {
                end(c, TQ_CONTROL_FAILED,
                    "the daemon stops before it is known whether it was recorded; ask with limits "
                    "get");
                return;
        }
        undo_kernel(c);
        (void)snprintf(text, sizeof(text), "the limits are as they were: %s",
                       commit_explain(commit, why, sizeof(why)));
        end(c, TQ_CONTROL_REFUSED, text);
}

/* What will be known of it: made before anything is recorded, so that it can't fail behind that. */
static int make_live(Change *c, Assignment *a) {
        LiveLimit *l;

        if (!a->new_value && a->until_usec == 0)
                return 0;
        l = live_new(&c->ts->live, a->queue, a->name, a->new_value);
        if (!l)
                return -ENOMEM;
        l->revision = c->revision;
        l->until_usec = a->until_usec;
        if (a->until_usec > 0)
                l->until_boottime_usec = tq_clock_boottime_usec() + c->request.for_usec;
        l->back = a->back ? strdup(a->back) : NULL;
        a->live = l;
        return !l->back == !a->back ? 0 : -ENOMEM;
}

static int record_limit(Change *c, const Assignment *a) {
        Commit *commit = c->ts->settings->commit;
        TqLedgerOp *op = commit_op(commit, TQ_LEDGER_LIMIT);
        int r;

        if (!op)
                return -ENOMEM;
        op->tenant = c->ts->tenant->id;
        (void)snprintf(op->limit.queue, sizeof(op->limit.queue), "%s", a->queue);
        op->limit.revision = c->revision;
        op->limit.until_usec = a->until_usec;
        op->limit.until_boottime_usec = a->live ? a->live->until_boottime_usec : 0;
        /* One that was recorded without its value would be an unset. */
        r = commit_copy(commit, a->name, &op->limit.name);
        if (r >= 0)
                r = commit_copy(commit, a->new_value, &op->limit.value);
        return r < 0 ? r : commit_copy(commit, a->back, &op->limit.back);
}

static int record_audit(Change *c, const Assignment *a) {
        const Settings *s = c->ts->settings;
        const Tenant *t = c->ts->tenant;
        const LiveLimit *before = live_find(&c->ts->live, a->queue, a->name);
        char kernel[1024];

        return audit_add(
                s->commit,
                &(AuditRow){ .kind = TQ_KIND_LIMITS,
                             .uid = c->request.uid,
                             .origin = &c->origin,
                             .tenant = t->id,
                             .tenant_name = t->name,
                             .queue = a->queue,
                             .name = a->name,
                             .old_value = a->old_value,
                             .old_set = !before                  ? NULL
                                        : before->until_usec > 0 ? before->back
                                                                 : before->value,
                             .new_value = a->new_value,
                             .kernel = a->queue[0] != '\0'
                                               ? NULL
                                               : settings_kernel_value(s, t->id, a->name, kernel,
                                                                       sizeof(kernel)),
                             .revision = c->revision,
                             .policy = c->request.policy,
                             .until_usec = a->until_usec,
                             .about = c->request.about,
                             .why = c->request.why });
}

/* In the same commit: from when on, and by how much it may make things worse. */
static int record_rollout(Change *c) {
        const Settings *s = c->ts->settings;
        TqLedgerOp *op = commit_op(s->commit, TQ_LEDGER_ROLLOUT);
        char about[96], span[TQ_FORMAT_MAX];

        if (!op)
                return -ENOMEM;
        c->rollout = (TqLedgerRollout){ .revision = c->revision,
                                        .begun_usec = tq_clock_realtime_usec(),
                                        .has_boottime = true,
                                        .begun_boottime_usec = tq_clock_boottime_usec(),
                                        .span_usec = c->request.watch_usec,
                                        .percent = s->host.policy.rollback_percent };
        op->tenant = c->ts->tenant->id;
        op->rollout = c->rollout;
        (void)snprintf(about, sizeof(about),
                       "revision %" PRIu64 " is looked after for %s, at %" PRIu64 " %%",
                       c->revision, tq_format_span(c->rollout.span_usec, span, sizeof(span)),
                       c->rollout.percent);
        return audit_add(s->commit, &(AuditRow){ .kind = TQ_KIND_ROLLOUT,
                                                 .uid = c->request.uid,
                                                 .origin = &c->origin,
                                                 .tenant = c->ts->tenant->id,
                                                 .tenant_name = c->ts->tenant->name,
                                                 .policy = c->request.policy,
                                                 .about = about,
                                                 .why = c->request.why });
}

static int record_all(Change *c) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < c->n; i++)
                if (!c->items[i].is_unchanged)
                        r = make_live(c, &c->items[i]);
        for (size_t i = 0; r >= 0 && i < c->n; i++) {
                if (c->items[i].is_unchanged)
                        continue;
                r = record_limit(c, &c->items[i]);
                if (r >= 0)
                        r = record_audit(c, &c->items[i]);
        }
        return r < 0 || c->request.watch_usec == 0 ? r : record_rollout(c);
}

static void record(Change *c) {
        Commit *commit = c->ts->settings->commit;
        char why[160];
        void *data;

        if (c->ts->tenant->is_removed) {
                end(c, TQ_CONTROL_REFUSED, "the tenant was removed meanwhile");
                return;
        }
        c->revision = commit_numbers(commit)->next_revision++;
        if (record_all(c) < 0)
                commit_degrade(commit, -ENOMEM);
        data = commit_then(commit, on_recorded, sizeof(Change *));
        if (data) {
                *(Change **)data = c;
                return;
        }
        undo_kernel(c);
        end(c, TQ_CONTROL_REFUSED, commit_explain(commit, why, sizeof(why)));
}

/* One that is part of a unit waits for the others. */
static void hold_or_record(Change *c) {
        const ChangeUnit *u = c->request.unit;

        if (u)
                u->held(c->data, c);
        else
                record(c);
}

void change_commit(Change *c) {
        record(c);
}

void change_abort(Change *c) {
        undo_kernel(c);
        (void)change_free(c);
}

static void on_applied(void *userdata, int result, const char *blob, size_t size, int *fd) {
        Change *c = userdata;
        char text[TQ_MESSAGE_TEXT_MAX + 64];

        (void)fd;
        c->ts->is_applying = false;
        if (result == -EBUSY && c->request.is_trial && c->request.is_forced)
                result = 0;
        if (result < 0) {
                (void)snprintf(text, sizeof(text), "%s; nothing was changed", blob);
                end(c, result == -EBUSY ? TQ_CONTROL_REFUSED : TQ_CONTROL_INVALID, text);
                return;
        }
        if (c->request.is_trial) {
                end(c, TQ_CONTROL_FAILED, NULL);
                return;
        }
        settings_has_applied(c->ts, blob, size);
        hold_or_record(c);
}

static void apply(Change *c) {
        TqApplyHow how = c->request.is_trial    ? TQ_APPLY_TRY
                         : c->request.is_forced ? TQ_APPLY_NOW
                                                : TQ_APPLY_GENTLY;

        if (settings_ask_apply(c->ts, &c->after, how, on_applied, c) < 0)
                end(c, TQ_CONTROL_FAILED, "out of memory");
}

/* The files may have changed while it waited. */
static void go_on(void *data) {
        char text[512], whole[600];
        Change *c = data;
        TqError err = {};

        if (change_check(c, &err) >= 0) {
                apply(c);
                return;
        }
        (void)snprintf(whole, sizeof(whole), "%s; nothing was changed",
                       tq_error_format(&err, text, sizeof(text)));
        end(c, TQ_CONTROL_INVALID, whole);
}

static int check_request(const Change *c, TqError *err) {
        const ChangeRequest *q = &c->request;

        if (c->n == 0)
                return tq_error(err, -EBADMSG, "nothing to change: expected KEY=VALUE");
        if (strlen(q->why) > AUDIT_WHY_MAX)
                return tq_error(err, -EBADMSG, "the reason is longer than %d bytes", AUDIT_WHY_MAX);
        if (q->is_conditional && q->if_revision != c->ts->revision)
                return tq_error(err, -ESTALE, "%s is at revision %" PRIu64 ", not %" PRIu64,
                                c->ts->tenant->name, c->ts->revision, q->if_revision);
        return 0;
}

static int prepare(Change *c, TqError *err) {
        Settings *s = c->ts->settings;
        int r = check_request(c, err);

        if (r >= 0)
                r = change_check(c, err);
        if (r >= 0 && !c->request.is_forced)
                r = change_check_running(c, err);
        if (r < 0 || !change_reserves_anew(c))
                return r;
        /* Two at once would each see the slots that the other takes; those of a unit know of each
         * other. */
        if (s->reserving && s->reserving != c->request.unit)
                return tq_error(err, -EBUSY, "another reservation is being changed; try again");
        s->reserving = c->request.unit ? (const void *)c->request.unit : c;
        s->n_reserving++;
        c->is_reserving = true;
        change_reserve(c);
        return 0;
}

int change_start(Change *c, TqError *err) {
        int r = prepare(c, err);

        if (r < 0)
                return r;
        if (!change_is_any(c) || (c->request.is_trial && !is_for_the_kernel(c)))
                end(c, TQ_CONTROL_FAILED, NULL);
        else if (!is_for_the_kernel(c))
                hold_or_record(c);
        else if (c->ts->is_applying) {
                c->ts->parked = go_on;
                c->ts->parked_data = c;
        } else
                /* The supervisor checks those of a tenant that is not in order too: what is
                 * recorded must hold when it is. */
                apply(c);
        return 0;
}
