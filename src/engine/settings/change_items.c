/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "engine/settings/change_private.h"
#include "engine/settings/change_row.h"

/* What is asked for ---------------------------------------------------------------------------- */

/* Among the live limits, as far as they will stay: what comes of a file or a default may change by
 * itself, and what ends by itself is another thing than what does not. */
static bool stands_so(const Change *c, const Assignment *a) {
        const LiveLimit *l = live_find(&c->ts->live, a->queue, a->name);

        if (!l || l->fault)
                return !l && !a->new_value;
        return l->until_usec == 0 && a->new_value && strcmp(l->value, a->new_value) == 0;
}

/* What holds now. */
static const char *value_of(const Change *c, const char *queue, const char *name, char *buf,
                            size_t size) {
        return queue[0] != '\0'
                       ? layers_queue_value(&c->ts->layers, queue, tq_limits_find(name), buf, size)
                       : layers_value(&c->before, name, buf, size);
}

/* What was set for some time gives way to what is set for some time; behind both is what stood
 * before. */
static const char *back_of(const Change *c, const Assignment *a) {
        const LiveLimit *l = live_find(&c->ts->live, a->queue, a->name);

        return !l || l->fault ? NULL : l->until_usec > 0 ? l->back : l->value;
}

static int add(Change *c, const char *queue, const char *name, const char *new_value,
               TqError *err) {
        char text[TQ_VALUE_MAX];
        const char *old_value = value_of(c, queue, name, text, sizeof(text)), *back;
        Assignment *bigger, *a;

        for (size_t i = 0; i < c->n; i++)
                if (strcmp(c->items[i].name, name) == 0 && strcmp(c->items[i].queue, queue) == 0)
                        return tq_error_at(err, -EBADMSG, 0, name, "given twice");
        bigger = realloc(c->items, (c->n + 1) * sizeof(*bigger));
        if (!bigger)
                return -ENOMEM;
        c->items = bigger;
        a = &c->items[c->n++];
        *a = (Assignment){ .name = strdup(name),
                           .old_value = old_value ? strdup(old_value) : NULL,
                           .new_value = new_value ? strdup(new_value) : NULL };
        (void)snprintf(a->queue, sizeof(a->queue), "%s", queue);
        if (!a->name || !a->old_value != !old_value || !a->new_value != !new_value)
                return -ENOMEM;
        a->is_unchanged = stands_so(c, a);
        if (c->request.for_usec == 0 || a->is_unchanged)
                return 0;
        back = back_of(c, a);
        a->back = back ? strdup(back) : NULL;
        a->until_usec = tq_clock_realtime_usec() + c->request.for_usec;
        return !a->back == !back ? 0 : -ENOMEM;
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

static int assign_queue(Change *c, const char *queue, const char *name, const char *value,
                        TqError *err) {
        TqQueueLimit queues[TQ_QUEUE_LIMITS], set = {};
        int r = tq_policy_queue_set(&set, name, value, 0, err);

        if (r >= 0 && (layers_set_queue(&c->layers, queue, &set) < 0 ||
                       layers_queues(&c->layers, queues) < 0))
                return tq_error(err, -EBADMSG,
                                "more than %d queues with limits, those of its file included",
                                TQ_QUEUE_LIMITS);
        return r;
}

static int set_value(Change *c, const char *queue, const char *name, const char *value,
                     TqError *err) {
        char shown[TQ_DEVICE_MAX * 2], text[TQ_VALUE_MAX];
        unsigned scope = queue[0] ? TQ_SCOPE_QUEUE : TQ_SCOPE_TENANT;
        TqLimits one = {};
        int r = tq_limits_set(&one, name, value, scope, false, 0, err);

        if (r < 0)
                return r;
        canonical(name, &one, shown, sizeof(shown));
        r = add(c, queue, shown, layers_value(&one, shown, text, sizeof(text)), err);
        if (r < 0)
                return r;
        if (queue[0] != '\0')
                return assign_queue(c, queue, name, value, err);
        (void)tq_limits_overlay(&c->asked, &one);
        return tq_limits_overlay(&c->layers.live, &one) < 0
                       ? tq_error(err, -EBADMSG, "at most %d limits with @device", TQ_IO_DEVICES)
                       : 0;
}

static int unset_value(Change *c, const char *queue, const char *name, TqError *err) {
        const LiveLimit *l = live_find(&c->ts->live, queue, name);
        char shown[TQ_DEVICE_MAX * 2];
        TqLimits scratch = c->layers.live;
        TqKey key;
        int r;

        /* A name that only an older version knew can be taken back all the same. */
        if (l && l->fault && tq_limits_unset(&scratch, name, NULL) < 0)
                return add(c, queue, name, NULL, err);
        r = tq_limits_unset(&scratch, name, err);
        if (r < 0)
                return r;
        canonical(name, NULL, shown, sizeof(shown));
        key = tq_limits_find(shown);
        if (queue[0] != '\0' && (key < 0 || !(tq_limits_keys[key].scopes & TQ_SCOPE_QUEUE)))
                return tq_error_at(err, -EBADMSG, 0, shown, "is not a limit of a queue");
        r = add(c, queue, shown, NULL, err);
        if (r < 0)
                return r;
        if (queue[0] != '\0')
                layers_unset_queue(&c->layers, queue, key);
        else
                c->layers.live = scratch;
        return 0;
}

int change_put(Change *c, const char *queue, const char *name, const char *value, TqError *err) {
        return value ? set_value(c, queue, name, value, err) : unset_value(c, queue, name, err);
}

/* First what is unset: it makes room. */
int change_put_rows(Change *c, const TqTable *t, TqError *err) {
        int r = 0;

        for (int sets = 0; sets < 2; sets++)
                for (size_t row = 0; r >= 0 && row < t->n_rows; row++) {
                        const char *queue = tq_table_text(t, row, "queue");
                        const char *then = tq_table_text(t, row, "then");

                        if (sets == (then != NULL))
                                r = change_put(c, queue ? queue : "",
                                               tq_table_text(t, row, "limit"), then, err);
                }
        return r;
}

/* What it is called, and what it would say. */
static int resolve(const char *queue, const char *name, const char *value, char *shown, size_t size,
                   char *text, size_t text_size, TqError *err) {
        unsigned scope = queue[0] ? TQ_SCOPE_QUEUE : TQ_SCOPE_TENANT;
        TqLimits one = {};
        int r = tq_limits_set(&one, name, value, scope, false, 0, err);

        if (r < 0)
                return r;
        canonical(name, &one, shown, size);
        (void)layers_value(&one, shown, text, text_size);
        return 0;
}

static int note_wanted(Change *c, const char *queue, const char *name) {
        char **bigger = reallocarray(c->wanted, c->n_wanted + 1, sizeof(*bigger));

        if (!bigger)
                return -ENOMEM;
        c->wanted = bigger;
        if (asprintf(&c->wanted[c->n_wanted], "%s/%s", queue, name) < 0)
                return -ENOMEM;
        c->n_wanted++;
        return 0;
}

static bool is_wanted(const Change *c, const char *queue, const char *name) {
        size_t n = strlen(queue);

        for (size_t i = 0; i < c->n_wanted; i++)
                if (strncmp(c->wanted[i], queue, n) == 0 && c->wanted[i][n] == '/' &&
                    strcmp(c->wanted[i] + n + 1, name) == 0)
                        return true;
        return false;
}

int change_note_wanted(Change *c, const char *queue, const char *name, const char *value,
                       TqError *err) {
        char shown[TQ_DEVICE_MAX * 2], text[TQ_VALUE_MAX] = "";
        int r = resolve(queue, name, value, shown, sizeof(shown), text, sizeof(text), err);

        if (r < 0)
                return r;
        if (is_wanted(c, queue, shown))
                return tq_error_at(err, -EBADMSG, 0, shown, "given twice");
        return note_wanted(c, queue, shown);
}

/* Whether it is what the layers say, though a ceiling may have lowered what holds. */
static bool is_said(const Change *c, const char *queue, const char *name, const char *text) {
        char said[TQ_VALUE_MAX];
        TqLimits all;

        if (queue[0] != '\0' ||
            layers_compose(&c->ts->layers, &c->ts->settings->host, &c->ts->layers.live, &all) < 0)
                return false;
        return layers_value(&all, name, said, sizeof(said)) && strcmp(said, text) == 0;
}

int change_want(Change *c, const char *queue, const char *name, const char *value, TqError *err) {
        char shown[TQ_DEVICE_MAX * 2], text[TQ_VALUE_MAX] = "", now[TQ_VALUE_MAX];
        int r = resolve(queue, name, value, shown, sizeof(shown), text, sizeof(text), err);
        const LiveLimit *l;
        const char *holds;

        if (r < 0)
                return r;
        l = live_find(&c->ts->live, queue, shown);
        holds = value_of(c, queue, shown, now, sizeof(now));
        if (((holds && strcmp(holds, text) == 0) || is_said(c, queue, shown, text)) &&
            (!l || (!l->fault && l->until_usec == 0)))
                return 0;
        return set_value(c, queue, name, value, err);
}

int change_drop_others(Change *c, TqError *err) {
        int r = 0;

        TQ_LIST_FOREACH(node, &c->ts->live.all) {
                const LiveLimit *l = TQ_LIST_ENTRY(node, LiveLimit, link);

                if (r >= 0 && !is_wanted(c, l->queue, l->name))
                        r = unset_value(c, l->queue, l->name, err);
        }
        return r;
}

int change_assign(Change *c, const char *queue, const char *assignment, TqError *err) {
        const char *equals = strchr(assignment, '=');
        char name[256];

        if (!equals || (size_t)(equals - assignment) >= sizeof(name))
                return tq_error(err, -EBADMSG, "expected KEY=VALUE");
        (void)snprintf(name, sizeof(name), "%.*s", (int)(equals - assignment), assignment);
        return set_value(c, queue, name, equals + 1, err);
}

int change_unassign(Change *c, const char *queue, const char *name, TqError *err) {
        return unset_value(c, queue, name, err);
}

/* What became of it --------------------------------------------------------------------------- */

size_t change_count(const Change *c) {
        return c->n;
}

void change_row(const Change *c, size_t i, ChangeRow *ret) {
        const Assignment *a = &c->items[i];
        const TenantSettings *ts = c->ts;
        const TqLimits *then = c->request.is_trial ? &c->after : &ts->layers.effective;

        *ret = (ChangeRow){ .queue = a->queue,
                            .name = a->name,
                            .old_value = a->old_value,
                            .new_value = a->new_value,
                            .until_usec = a->until_usec,
                            .back = a->back,
                            .is_unchanged = a->is_unchanged,
                            .revision = a->is_unchanged ? 0 : c->revision };
        if (a->queue[0] != '\0') {
                ret->effective = layers_queue_value(c->request.is_trial ? &c->layers : &ts->layers,
                                                    a->queue, tq_limits_find(a->name),
                                                    ret->texts[1], sizeof(ret->texts[1]));
                return;
        }
        if (!c->request.is_trial)
                ret->kernel = settings_kernel_value(ts->settings, ts->tenant->id, a->name,
                                                    ret->texts[0], sizeof(ret->texts[0]));
        ret->effective = layers_value(then, a->name, ret->texts[1], sizeof(ret->texts[1]));
}
