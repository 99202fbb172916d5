/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/settings/change.h"

#include <stdio.h>
#include <string.h>

#include "engine/settings/settings_private.h"

/* Every assignment is checked before anything happens, the whole result is written to the tenant's
 * slice and read back by the supervisor, then recorded as numbered revisions, and only then told,
 * with what the kernel holds. A change that the kernel refuses leaves no trace; one that can't be
 * recorded is taken back. What is as it was makes no revision. While another APPLY of the tenant is
 * under way, a change waits for its answer. */

typedef struct Assignment {
        char *name;                  /* KEY or KEY@DEVICE */
        char *old_value, *new_value; /* NULL: unset */
        uint64_t revision;
        bool is_unchanged; /* it stands so already */
} Assignment;

struct Change {
        TenantSettings *ts;
        Events *events;
        char queue[TQ_QUEUE_NAME_MAX + 1]; /* empty: the tenant's own limits */
        TqLimits asked;                    /* what the change sets */
        TqLimits before, after;            /* effective */
        Layers layers;                     /* as they will be */
        Assignment *items;
        size_t n;
        uid_t uid;
        char *why;
        bool is_reserving; /* it changes a reservation */
        ChangeDone done;
        void *data;
};

int change_new(Settings *s, Events *events, const Tenant *t, const char *queue, uid_t uid,
               ChangeDone done, void *data, Change **ret) {
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
                       .events = events,
                       .before = ts->layers.effective,
                       .layers = ts->layers,
                       .uid = uid,
                       .done = done,
                       .data = data };
        (void)snprintf(c->queue, sizeof(c->queue), "%s", queue);
        ts->is_changing = true;
        *ret = c;
        return 0;
}

Change *change_free(Change *c) {
        TenantSettings *ts;

        if (!c)
                return NULL;
        ts = c->ts;
        if (c->is_reserving)
                ts->settings->is_reserving = false;
        for (size_t i = 0; i < c->n; i++) {
                free(c->items[i].name);
                free(c->items[i].old_value);
                free(c->items[i].new_value);
        }
        free(c->items);
        free(c->why);
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

/* What is asked for ---------------------------------------------------------------------------- */

/* Among the live limits, so far: what comes of a file or a default may change by itself. */
static bool stands_so(const Change *c, const char *name, const char *new_value) {
        const Layers *l = &c->layers;
        const TqQueueLimit *q = layers_find_queue(l->live_queues, l->n_live_queues, c->queue);
        TqKey key = tq_limits_find(name);
        char text[TQ_VALUE_MAX];
        const char *now;

        if (settings_has_limit_fault(c->ts, c->queue, name))
                return false;
        if (c->queue[0] != '\0')
                now = q && key >= 0 && q->set >> key & 1
                              ? tq_limits_format_value(key, tq_policy_queue_get(q, key, 0), text,
                                                       sizeof(text))
                              : NULL;
        else
                now = layers_value(&l->live, name, text, sizeof(text));
        return now && new_value ? strcmp(now, new_value) == 0 : !now && !new_value;
}

static int add(Change *c, const char *name, const char *new_value, TqError *err) {
        char text[TQ_VALUE_MAX];
        const char *old_value;
        Assignment *bigger, *a;

        for (size_t i = 0; i < c->n; i++)
                if (strcmp(c->items[i].name, name) == 0)
                        return tq_error_at(err, -EBADMSG, 0, name, "given twice");
        bigger = realloc(c->items, (c->n + 1) * sizeof(*bigger));
        if (!bigger)
                return -ENOMEM;
        c->items = bigger;
        if (c->queue[0] != '\0')
                old_value = layers_queue_value(&c->ts->layers, c->queue, tq_limits_find(name), text,
                                               sizeof(text));
        else
                old_value = layers_value(&c->before, name, text, sizeof(text));
        a = &c->items[c->n++];
        *a = (Assignment){ .name = strdup(name),
                           .old_value = old_value ? strdup(old_value) : NULL,
                           .new_value = new_value ? strdup(new_value) : NULL,
                           .is_unchanged = stands_so(c, name, new_value) };
        return a->name && !a->old_value == !old_value && !a->new_value == !new_value ? 0 : -ENOMEM;
}

/* The name that is recorded: the table's, not systemd's. */
static void canonical(const char *name, const TqLimits *parsed, char *ret, size_t size) {
        char bare[TQ_DEVICE_MAX];
        TqKey key;

        if (parsed && parsed->n_io > 0) {
                (void)tq_limits_io_name(&parsed->io[0], ret, size);
                return;
        }
        (void)snprintf(bare, sizeof(bare), "%.*s", (int)strcspn(name, "@"), name);
        key = tq_limits_find(bare);
        (void)snprintf(ret, size, "%s%s", key >= 0 ? tq_limits_keys[key].name : bare,
                       name + strcspn(name, "@"));
}

static int assign_queue(Change *c, const char *name, const char *value, TqError *err) {
        TqQueueLimit queues[TQ_QUEUE_LIMITS], set = {};
        int r = tq_policy_queue_set(&set, name, value, 0, err);

        if (r >= 0 && (layers_set_queue(&c->layers, c->queue, &set) < 0 ||
                       layers_queues(&c->layers, queues) < 0))
                return tq_error(err, -EBADMSG,
                                "more than %d queues with limits, those of its file included",
                                TQ_QUEUE_LIMITS);
        return r;
}

int change_assign(Change *c, const char *assignment, TqError *err) {
        char name[256], shown[TQ_DEVICE_MAX * 2], text[TQ_VALUE_MAX];
        const char *equals = strchr(assignment, '=');
        unsigned scope = c->queue[0] ? TQ_SCOPE_QUEUE : TQ_SCOPE_TENANT;
        TqLimits one = {};
        int r;

        if (!equals || (size_t)(equals - assignment) >= sizeof(name))
                return tq_error(err, -EBADMSG, "expected KEY=VALUE");
        (void)snprintf(name, sizeof(name), "%.*s", (int)(equals - assignment), assignment);
        r = tq_limits_set(&one, name, equals + 1, scope, false, 0, err);
        if (r < 0)
                return r;
        canonical(name, &one, shown, sizeof(shown));
        r = add(c, shown, layers_value(&one, shown, text, sizeof(text)), err);
        if (r < 0)
                return r;
        if (c->queue[0] != '\0')
                return assign_queue(c, name, equals + 1, err);
        (void)tq_limits_overlay(&c->asked, &one);
        return tq_limits_overlay(&c->layers.live, &one) < 0
                       ? tq_error(err, -EBADMSG, "at most %d limits with @device", TQ_IO_DEVICES)
                       : 0;
}

int change_unassign(Change *c, const char *name, TqError *err) {
        char shown[TQ_DEVICE_MAX * 2];
        TqLimits scratch = c->layers.live;
        TqKey key;
        int r;

        /* A name that only an older version knew can be taken back all the same. */
        if (settings_has_limit_fault(c->ts, c->queue, name) &&
            tq_limits_unset(&scratch, name, NULL) < 0)
                return add(c, name, NULL, err);
        r = tq_limits_unset(&scratch, name, err);
        if (r < 0)
                return r;
        canonical(name, NULL, shown, sizeof(shown));
        key = tq_limits_find(shown);
        if (c->queue[0] != '\0' && (key < 0 || !(tq_limits_keys[key].scopes & TQ_SCOPE_QUEUE)))
                return tq_error_at(err, -EBADMSG, 0, shown, "is not a limit of a queue");
        r = add(c, shown, NULL, err);
        if (r < 0)
                return r;
        if (c->queue[0] != '\0')
                layers_unset_queue(&c->layers, c->queue, key);
        else
                c->layers.live = scratch;
        return 0;
}

/* Doing it ------------------------------------------------------------------------------------ */

/* Against the files and the host, as they are now. */
static int check(Change *c, TqError *err) {
        const TqHello *host = &c->ts->settings->host;
        int r;

        /* Only what is asked for now: what stands so already is lowered, and is no reason to refuse
         * another change. */
        r = tq_limits_check_within(&c->asked, &host->ceilings, "[ceilings] in tenantq.conf", err);
        if (r >= 0)
                r = layers_resolve(&c->ts->layers, host, &c->layers.live, &c->after, err);
        if (r < 0 || tq_limits_get(&c->after, TQ_KEY_RESERVED, 0) ==
                             tq_limits_get(&c->before, TQ_KEY_RESERVED, 0))
                return r;
        return settings_check_share(c->ts, &c->after, err);
}

/* It holds: the layers are what they are now, but for what the change is about. */
static void take_effect(Change *c) {
        Layers *l = &c->ts->layers;

        for (size_t i = 0; i < c->n; i++)
                settings_mend_limit(c->ts, c->queue, c->items[i].name);
        if (c->queue[0] == '\0') {
                l->live = c->layers.live;
                (void)layers_resolve(l, &c->ts->settings->host, &l->live, &l->effective, NULL);
                return;
        }
        memcpy(l->live_queues, c->layers.live_queues, sizeof(l->live_queues));
        l->n_live_queues = c->layers.n_live_queues;
}

/* The kernel has it, the ledger does not: back to what is recorded. */
static void undo_kernel(Change *c) {
        if (c->queue[0] == '\0')
                c->ts->must_apply = true;
}

static void on_recorded(void *data, int result) {
        Change *c = *(Change **)data;
        Commit *commit = c->ts->settings->commit;
        char why[160], text[256];

        if (result >= 0) {
                take_effect(c);
                settings_tell(c->ts->settings, c->ts->tenant);
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

/* One that was recorded without its new value would be an unset. */
static int copy_texts(const Change *c, const Assignment *a, TqLedgerOp *op) {
        Settings *s = c->ts->settings;
        char kernel[1024];
        const char *held =
                settings_kernel_value(s, c->ts->tenant->id, a->name, kernel, sizeof(kernel));
        int r = commit_copy(s->commit, c->why, &op->text);

        if (r >= 0)
                r = commit_copy(s->commit, a->name, &op->limit.name);
        if (r >= 0)
                r = commit_copy(s->commit, a->old_value, &op->limit.old_value);
        if (r >= 0)
                r = commit_copy(s->commit, a->new_value, &op->limit.new_value);
        return r < 0 ? r : commit_copy(s->commit, held, &op->limit.kernel);
}

static bool record_one(Change *c, Assignment *a) {
        Settings *s = c->ts->settings;
        const Tenant *t = c->ts->tenant;
        TqLedgerOp *op = commit_op(s->commit, TQ_LEDGER_LIMIT);

        if (!op || copy_texts(c, a, op) < 0)
                return false;
        op->tenant = t->id;
        op->uid = c->uid;
        (void)snprintf(op->limit.queue, sizeof(op->limit.queue), "%s", c->queue);
        a->revision = commit_numbers(s->commit)->next_revision++;
        events_add(c->events, "limits", t->id, 0, c->uid, "%s%s%s: %s %s -> %s by user %u%s%.200s",
                   t->name, c->queue[0] ? "/" : "", c->queue, a->name,
                   a->old_value ? a->old_value : "unset", a->new_value ? a->new_value : "unset",
                   c->uid, c->why ? ": " : "", c->why ? c->why : "");
        return true;
}

static void record(Change *c) {
        Commit *commit = c->ts->settings->commit;
        char why[160];
        void *data;

        for (size_t i = 0; i < c->n; i++)
                if (!c->items[i].is_unchanged && !record_one(c, &c->items[i]))
                        break;
        data = commit_then(commit, on_recorded, sizeof(Change *));
        if (data) {
                *(Change **)data = c;
                return;
        }
        undo_kernel(c);
        end(c, TQ_CONTROL_REFUSED, commit_explain(commit, why, sizeof(why)));
}

static void on_applied(void *userdata, int result, const char *blob, size_t size, int *fd) {
        Change *c = userdata;
        char text[TQ_MESSAGE_TEXT_MAX + 64];

        (void)fd;
        c->ts->is_applying = false;
        if (result < 0) {
                (void)snprintf(text, sizeof(text), "%s; nothing was changed", blob);
                end(c, TQ_CONTROL_INVALID, text);
                return;
        }
        settings_has_applied(c->ts, blob, size);
        record(c);
}

static void apply(Change *c) {
        if (settings_ask_apply(c->ts, &c->after, on_applied, c) < 0)
                end(c, TQ_CONTROL_FAILED, "out of memory");
}

/* The files may have changed while it waited. */
static void go_on(void *data) {
        char text[512], whole[600];
        Change *c = data;
        TqError err = {};

        if (check(c, &err) >= 0) {
                apply(c);
                return;
        }
        (void)snprintf(whole, sizeof(whole), "%s; nothing was changed",
                       tq_error_format(&err, text, sizeof(text)));
        end(c, TQ_CONTROL_INVALID, whole);
}

static bool changes_anything(const Change *c) {
        for (size_t i = 0; i < c->n; i++)
                if (!c->items[i].is_unchanged)
                        return true;
        return false;
}

static int prepare(Change *c, const char *why, TqError *err) {
        Settings *s = c->ts->settings;
        int r;

        if (c->n == 0)
                return tq_error(err, -EBADMSG, "nothing to change: expected KEY=VALUE");
        if (why[0] != '\0' && !(c->why = strdup(why)))
                return -ENOMEM;
        r = check(c, err);
        if (r < 0 || tq_limits_get(&c->after, TQ_KEY_RESERVED, 0) ==
                             tq_limits_get(&c->before, TQ_KEY_RESERVED, 0))
                return r;
        /* Two at once would each see the slots that the other takes. */
        if (s->is_reserving)
                return tq_error(err, -EBUSY, "another reservation is being changed; try again");
        c->is_reserving = s->is_reserving = true;
        return 0;
}

int change_start(Change *c, const char *why, TqError *err) {
        int r = prepare(c, why, err);

        if (r < 0)
                return r;
        if (!changes_anything(c))
                end(c, TQ_CONTROL_FAILED, NULL);
        else if (c->queue[0] != '\0')
                record(c);
        else if (c->ts->is_applying) {
                c->ts->parked = go_on;
                c->ts->parked_data = c;
        } else
                /* The supervisor checks those of a tenant that is not in order too: what is
                 * recorded must hold when it is. */
                apply(c);
        return 0;
}

/* What became of it --------------------------------------------------------------------------- */

size_t change_count(const Change *c) {
        return c->n;
}

void change_row(const Change *c, size_t i, ChangeRow *ret) {
        const Assignment *a = &c->items[i];
        const TenantSettings *ts = c->ts;

        *ret = (ChangeRow){ .name = a->name,
                            .old_value = a->old_value,
                            .new_value = a->new_value,
                            .revision = a->revision };
        if (c->queue[0] != '\0') {
                ret->effective = layers_queue_value(&ts->layers, c->queue, tq_limits_find(a->name),
                                                    ret->texts[1], sizeof(ret->texts[1]));
                return;
        }
        ret->kernel = settings_kernel_value(ts->settings, ts->tenant->id, a->name, ret->texts[0],
                                            sizeof(ret->texts[0]));
        ret->effective =
                layers_value(&ts->layers.effective, a->name, ret->texts[1], sizeof(ret->texts[1]));
}
