/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <string.h>

#include "base/format.h"
#include "core/ids.h"
#include "engine/engine.h"

/* limits get and set. A change is one unit: every assignment is checked before anything happens,
 * the whole result is written to the tenant's slice and read back by the supervisor, then recorded
 * as numbered revisions, and only then answered, with what the kernel holds. A change that the
 * kernel refuses leaves no trace; one that can't be recorded is taken back. What is as it was makes
 * no revision. While another APPLY of the tenant is under way, a change waits for its answer. */

typedef struct Change {
        Engine *engine;
        EngineTenant *tenant;
        char queue[TQ_QUEUE_NAME_MAX + 1]; /* empty: the tenant's own limits */
        TqLimits asked;                    /* what the change sets */
        TqLimits live;                     /* the tenant's, after the change */
        TqQueueLimit old_queues[TQ_QUEUE_LIMITS];
        size_t n_old_queues;
        TqLimits before, after; /* effective */
        char **names;           /* of the assignments: KEY or KEY@DEVICE */
        char **olds, **news;    /* values; NULL in news: unset */
        bool *unchanged;        /* it stands so already */
        size_t n;
        uid_t uid;
        char *why;
        sd_bus_message *call;
        uint64_t first_revision; /* of those that change anything, one after the other */
        bool reserves;           /* it changes a reservation */
} Change;

static Change *change_free(Change *c) {
        if (!c)
                return NULL;
        for (size_t i = 0; i < c->n; i++) {
                free(c->names[i]);
                free(c->olds[i]);
                free(c->news[i]);
        }
        free((void *)c->names);
        free((void *)c->olds);
        free((void *)c->news);
        free(c->unchanged);
        free(c->why);
        (void)sd_bus_message_unref(c->call);
        if (c->reserves)
                c->engine->is_reserving = false;
        c->tenant->is_changing = false;
        /* What came meanwhile: a reload, a message of the supervisor's. */
        if (c->tenant->must_apply)
                tenants_apply(c->engine, c->tenant);
        free(c);
        return NULL;
}

/* Values as text ------------------------------------------------------------------------------ */

static const char *io_value(const TqLimits *l, const char *name) {
        static char text[TQ_FORMAT_MAX];
        char this_name[TQ_DEVICE_MAX * 2];

        for (uint32_t i = 0; i < l->n_io; i++)
                if (strcmp(tq_limits_io_name(&l->io[i], this_name, sizeof(this_name)), name) == 0)
                        return tq_limits_format_value((TqKey)l->io[i].key, l->io[i].value, text,
                                                      sizeof(text));
        return NULL;
}

/* The value of KEY or KEY@DEVICE, or NULL when unset. */
static const char *value_of(const TqLimits *l, const char *name, char *buf, size_t size) {
        TqKey key;

        if (strchr(name, '@'))
                return io_value(l, name);
        key = tq_limits_find(name);
        return key >= 0 && tq_limits_has(l, key) ? tq_limits_format(l, key, buf, size) : NULL;
}

static const char *queue_value(const EngineTenant *t, const char *queue, TqKey key, char *buf,
                               size_t size) {
        TqQueueLimit queues[TQ_QUEUE_LIMITS];
        int n = tenants_queues(t, queues);
        const TqQueueLimit *q = tenants_find_queue(queues, (size_t)TQ_MAX(n, 0), queue);

        if (!q || !(q->set >> key & 1))
                return NULL;
        return tq_limits_format_value(key, tq_policy_queue_get(q, key, 0), buf, size);
}

/* What the kernel holds for a key: one attribute, or its part of io.max. */
static const char *kernel_value(const EngineTenant *t, const char *name, char *buf, size_t size) {
        char bare[TQ_DEVICE_MAX];
        TqKey key;
        size_t at = 0;

        (void)snprintf(bare, sizeof(bare), "%.*s", (int)strcspn(name, "@"), name);
        key = tq_limits_find(bare);
        if (key < 0 || !tq_limits_keys[key].controller)
                return NULL;
        buf[0] = '\0';
        for (size_t i = 0; i < t->n_kernel && at < size; i++) {
                TqKey held = t->kernel[i].key;
                bool same = held == key ||
                            (tq_limits_keys[key].has_device && tq_limits_keys[held].has_device);

                if (same)
                        at += (size_t)snprintf(buf + at, size - at, "%s%s", at > 0 ? "; " : "",
                                               t->kernel[i].text);
        }
        return at > 0 ? buf : NULL;
}

/* Get ----------------------------------------------------------------------------------------- */

/* The highest layer that has the key; [ceilings] when these have lowered what it says. */
static const char *source_of(const EngineTenant *t, const Engine *e, TqKey key) {
        const TqLimits *layers[] = { &t->live, &t->file, &e->defaults };
        static const char *const names[] = { "set", "file", "default" };

        for (size_t i = 0; i < TQ_ELEMENTSOF(layers); i++) {
                if (!tq_limits_has(layers[i], key))
                        continue;
                if (tq_limits_keys[key].type == TQ_TYPE_CPUSET)
                        return memcmp(layers[i]->cpus, t->effective.cpus,
                                      sizeof(t->effective.cpus)) == 0
                                       ? names[i]
                                       : "ceiling";
                return layers[i]->value[key] == t->effective.value[key] ? names[i] : "ceiling";
        }
        return tq_limits_has(&t->effective, key) ? "ceiling" : "unset";
}

static int add_limit(TqTable *table, const char *queue, const char *name, const char *value,
                     const char *source, const char *kernel, const char *help) {
        const char *cells[] = { queue, name, value, source, kernel, help };
        int r = tq_table_add_row(table);

        for (size_t i = 0; r >= 0 && i < TQ_ELEMENTSOF(cells); i++)
                r = tq_table_set_text(table, i, cells[i]);
        return r;
}

static int add_queue_limits(const EngineTenant *t, const TqQueueLimit *q, TqTable *table) {
        const TqQueueLimit *live = tenants_find_queue(t->live_queues, t->n_live_queues, q->name);
        char value[TQ_VALUE_MAX];
        int r = 0;

        for (int i = 0; r >= 0 && i < _TQ_KEY_MAX; i++)
                if (q->set >> i & 1)
                        r = add_limit(table, q->name, tq_limits_keys[i].name,
                                      tq_limits_format_value((TqKey)i,
                                                             tq_policy_queue_get(q, (TqKey)i, 0),
                                                             value, sizeof(value)),
                                      live && live->set >> i & 1 ? "set" : "file", NULL,
                                      tq_limits_keys[i].help);
        return r;
}

static int fill_queues(const EngineTenant *t, const char *queue, TqTable *table) {
        TqQueueLimit queues[TQ_QUEUE_LIMITS];
        int n = tenants_queues(t, queues), r = 0;

        for (int i = 0; r >= 0 && i < n; i++)
                if (queue[0] == '\0' || strcmp(queues[i].name, queue) == 0)
                        r = add_queue_limits(t, &queues[i], table);
        return r;
}

static int fill_limits(Engine *e, const EngineTenant *t, TqTable *table) {
        char value[TQ_VALUE_MAX], kernel[1024], name[TQ_DEVICE_MAX * 2];
        int r = 0;

        for (int i = 0; r >= 0 && i < _TQ_KEY_MAX; i++) {
                const TqKeyRow *row = &tq_limits_keys[i];

                if (row->scopes & TQ_SCOPE_TENANT && row->has_effect)
                        r = add_limit(table, NULL, row->name,
                                      tq_limits_has(&t->effective, (TqKey)i)
                                              ? tq_limits_format(&t->effective, (TqKey)i, value,
                                                                 sizeof(value))
                                              : NULL,
                                      source_of(t, e, (TqKey)i),
                                      kernel_value(t, row->name, kernel, sizeof(kernel)),
                                      row->help);
        }
        for (uint32_t i = 0; r >= 0 && i < t->effective.n_io; i++) {
                const TqIoLimit *io = &t->effective.io[i];

                (void)tq_limits_io_name(io, name, sizeof(name));
                r = add_limit(
                        table, NULL, name,
                        tq_limits_format_value((TqKey)io->key, io->value, value, sizeof(value)),
                        io_value(&t->live, name) ? "set" : "file",
                        kernel_value(t, name, kernel, sizeof(kernel)),
                        tq_limits_keys[io->key].help);
        }
        return r;
}

int limits_on_get(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        static const char *const columns[] = {
                "queue", "limit", "value", "source", "kernel", "help"
        };
        TQ_TABLE_CLEANUP TqTable table = {};
        char queue[TQ_QUEUE_NAME_MAX + 1];
        Connection *c = userdata;
        const char *target;
        EngineTenant *t;
        int r;

        (void)error;
        r = sd_bus_message_read(m, "s", &target);
        if (r < 0)
                return r;
        r = verbs_find_target(c, target, &t, queue);
        if (r < 0)
                return verbs_reply_target(m, r, target);
        r = verbs_add_columns(&table, columns, TQ_ELEMENTSOF(columns));
        if (r >= 0 && queue[0] == '\0')
                r = fill_limits(c->engine, t, &table);
        if (r >= 0)
                r = fill_queues(t, queue, &table);
        return r < 0 ? r : tq_control_reply_table(m, &table);
}

/* Set ----------------------------------------------------------------------------------------- */

static int reply_change(const Change *c) {
        static const char *const columns[] = { "tenant", "queue",  "limit",    "old",
                                               "new",    "kernel", "revision", "effective" };
        TQ_TABLE_CLEANUP TqTable table = {};
        uint64_t revision = c->first_revision;
        char kernel[1024], now[TQ_VALUE_MAX];
        int r;

        r = verbs_add_columns(&table, columns, TQ_ELEMENTSOF(columns));
        for (size_t i = 0; r >= 0 && i < c->n; i++) {
                r = tq_table_add_row(&table);
                if (r >= 0)
                        r = tq_table_set_text(&table, 0, c->tenant->name);
                if (r >= 0)
                        r = tq_table_set_text(&table, 1, c->queue[0] ? c->queue : NULL);
                if (r >= 0)
                        r = tq_table_set_text(&table, 2, c->names[i]);
                if (r >= 0)
                        r = tq_table_set_text(&table, 3, c->olds[i]);
                if (r >= 0)
                        r = tq_table_set_text(&table, 4, c->news[i]);
                if (r >= 0)
                        r = tq_table_set_text(&table, 5,
                                              c->queue[0] ? NULL
                                                          : kernel_value(c->tenant, c->names[i],
                                                                         kernel, sizeof(kernel)));
                if (r >= 0 && !c->unchanged[i])
                        tq_table_set_integer(&table, 6, (int64_t)revision++);
                /* What was unset may still come of a file or a default. */
                if (r >= 0)
                        r = tq_table_set_text(&table, 7,
                                              c->queue[0]
                                                      ? queue_value(c->tenant, c->queue,
                                                                    tq_limits_find(c->names[i]),
                                                                    now, sizeof(now))
                                                      : value_of(&c->tenant->effective, c->names[i],
                                                                 now, sizeof(now)));
        }
        return r < 0 ? r : tq_control_reply_table(c->call, &table);
}

/* The kernel has it, the ledger does not: back to what is recorded. */
static void take_back(Engine *e, Change *c) {
        EngineTenant *t = c->tenant;

        (void)e;
        if (c->queue[0] != '\0') {
                memcpy(t->live_queues, c->old_queues, sizeof(t->live_queues));
                t->n_live_queues = c->n_old_queues;
        } else
                t->must_apply = true; /* when the change is done with */
}

static void on_recorded(Engine *e, void *data, int result) {
        Change *c = data;
        EngineTenant *t = c->tenant;
        char why[160];

        if (result < 0) {
                take_back(e, c);
                (void)verbs_reply_error(c->call, TQ_CONTROL_REFUSED,
                                        "the limits are as they were: %s",
                                        engine_unrecorded(e, why, sizeof(why)));
                (void)change_free(c);
                return;
        }
        for (size_t i = 0; i < c->n; i++)
                tenants_mend_limit(t, c->queue, c->names[i]);
        if (c->queue[0] == '\0') {
                t->live = c->live;
                (void)tenants_resolve(e, t, &t->live, &t->effective, NULL);
        }
        tenants_tell_scheduler(e, t);
        (void)reply_change(c);
        (void)change_free(c);
}

static void record(Engine *e, Change *c) {
        char kernel[1024];
        Effect *effect;

        c->first_revision = e->numbers.next_revision;
        for (size_t i = 0; i < c->n; i++) {
                const char *held = kernel_value(c->tenant, c->names[i], kernel, sizeof(kernel));
                TqLedgerOp *op;

                if (c->unchanged[i])
                        continue;
                op = batch_op(e, TQ_LEDGER_LIMIT);
                if (!op)
                        break;
                op->tenant = c->tenant->id;
                op->uid = c->uid;
                op->text = c->why ? strdup(c->why) : NULL;
                (void)snprintf(op->limit.queue, sizeof(op->limit.queue), "%s", c->queue);
                op->limit.name = strdup(c->names[i]);
                op->limit.old_value = c->olds[i] ? strdup(c->olds[i]) : NULL;
                op->limit.new_value = c->news[i] ? strdup(c->news[i]) : NULL;
                op->limit.kernel = held ? strdup(held) : NULL;
                batch_event(e, "limits", c->tenant->id, 0, c->uid,
                            "%s%s%s: %s %s -> %s by user %u%s%.200s", c->tenant->name,
                            c->queue[0] ? "/" : "", c->queue, c->names[i],
                            c->olds[i] ? c->olds[i] : "unset", c->news[i] ? c->news[i] : "unset",
                            c->uid, c->why ? ": " : "", c->why ? c->why : "");
                e->numbers.next_revision++;
        }
        effect = batch_effect(e, EFFECT_CALLBACK);
        if (!effect) {
                (void)change_free(c);
                return;
        }
        effect->callback = on_recorded;
        effect->data = c;
}

static void on_applied(Engine *e, Request *r, int result, const char *blob, size_t size, int *fd) {
        Change *c = r->data;

        (void)fd;
        c->tenant->is_applying = false;
        if (result < 0) {
                (void)verbs_reply_error(c->call, TQ_CONTROL_INVALID, "%s; nothing was changed",
                                        blob);
                (void)change_free(c);
                return;
        }
        c->tenant->is_applied = c->tenant->is_ready;
        c->tenant->apply_fault[0] = c->tenant->said_fault[0] = '\0';
        tenants_set_kernel(c->tenant, blob, size);
        record(e, c);
}

/* Among the live limits, so far: what comes of a file or a default may change by itself. */
static bool stands_so(const Change *c, const char *name, const char *new_value) {
        const EngineTenant *t = c->tenant;
        const TqQueueLimit *q = tenants_find_queue(t->live_queues, t->n_live_queues, c->queue);
        TqKey key = tq_limits_find(name);
        char text[TQ_VALUE_MAX];
        const char *now;

        if (tenants_has_limit_fault(t, c->queue, name))
                return false;
        if (c->queue[0] != '\0')
                now = q && key >= 0 && q->set >> key & 1
                              ? tq_limits_format_value(key, tq_policy_queue_get(q, key, 0), text,
                                                       sizeof(text))
                              : NULL;
        else
                now = value_of(&c->live, name, text, sizeof(text));
        return now && new_value ? strcmp(now, new_value) == 0 : !now && !new_value;
}

static int add_assignment(Change *c, const char *name, const char *old_value, const char *new_value,
                          TqError *err) {
        size_t n = c->n + 1;
        char **names, **olds, **news;
        bool *unchanged;

        for (size_t i = 0; i < c->n; i++)
                if (strcmp(c->names[i], name) == 0)
                        return tq_error_at(err, -EBADMSG, 0, name, "given twice");

        names = (char **)realloc((void *)c->names, n * sizeof(char *));
        if (names)
                c->names = names;
        olds = (char **)realloc((void *)c->olds, n * sizeof(char *));
        if (olds)
                c->olds = olds;
        news = (char **)realloc((void *)c->news, n * sizeof(char *));
        if (news)
                c->news = news;
        unchanged = realloc(c->unchanged, n * sizeof(bool));
        if (unchanged)
                c->unchanged = unchanged;
        if (!names || !olds || !news || !unchanged)
                return -ENOMEM;
        c->names[c->n] = strdup(name);
        c->olds[c->n] = old_value ? strdup(old_value) : NULL;
        c->news[c->n] = new_value ? strdup(new_value) : NULL;
        c->unchanged[c->n] = stands_so(c, name, new_value);
        c->n++;
        return c->names[c->n - 1] ? 0 : -ENOMEM;
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

static int assign(Change *c, const char *assignment, TqError *err) {
        TqQueueLimit queues[TQ_QUEUE_LIMITS];
        char name[256], shown[TQ_DEVICE_MAX * 2], old_text[TQ_VALUE_MAX], new_text[TQ_VALUE_MAX];
        const char *equals = strchr(assignment, '='), *old_value, *new_value;
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
        new_value = value_of(&one, shown, new_text, sizeof(new_text));
        if (c->queue[0] != '\0') {
                TqQueueLimit set = {};

                old_value = queue_value(c->tenant, c->queue, tq_limits_find(shown), old_text,
                                        sizeof(old_text));
                r = add_assignment(c, shown, old_value, new_value, err);
                if (r >= 0)
                        r = tq_policy_queue_set(&set, name, equals + 1, 0, err);
                if (r >= 0 && (tenants_set_live_queue(c->tenant, c->queue, &set) < 0 ||
                               tenants_queues(c->tenant, queues) < 0))
                        return tq_error(
                                err, -EBADMSG,
                                "more than %d queues with limits, those of its file included",
                                TQ_QUEUE_LIMITS);
                return r;
        }
        if (new_value && new_value != new_text)
                (void)snprintf(new_text, sizeof(new_text), "%s", new_value);
        old_value = value_of(&c->before, shown, old_text, sizeof(old_text));
        r = add_assignment(c, shown, old_value, new_value ? new_text : NULL, err);
        if (r >= 0)
                (void)tq_limits_overlay(&c->asked, &one);
        if (r >= 0 && tq_limits_overlay(&c->live, &one) < 0)
                return tq_error(err, -EBADMSG, "at most %d limits with @device", TQ_IO_DEVICES);
        return r;
}

static int unassign(Change *c, const char *name, TqError *err) {
        char shown[TQ_DEVICE_MAX * 2], old_text[TQ_VALUE_MAX];
        TqLimits scratch = c->live;
        int r;

        /* A name that only an older version knew can be taken back all the same. */
        if (tenants_has_limit_fault(c->tenant, c->queue, name) &&
            tq_limits_unset(&scratch, name, NULL) < 0)
                return add_assignment(c, name, NULL, NULL, err);
        r = tq_limits_unset(&scratch, name, err);
        if (r < 0)
                return r;
        canonical(name, NULL, shown, sizeof(shown));
        if (c->queue[0] != '\0') {
                TqKey key = tq_limits_find(shown);

                if (key < 0 || !(tq_limits_keys[key].scopes & TQ_SCOPE_QUEUE))
                        return tq_error_at(err, -EBADMSG, 0, shown, "is not a limit of a queue");
                r = add_assignment(
                        c, shown, queue_value(c->tenant, c->queue, key, old_text, sizeof(old_text)),
                        NULL, err);
                tenants_unset_live_queue(c->tenant, c->queue, key);
                return r;
        }
        r = add_assignment(c, shown, value_of(&c->before, shown, old_text, sizeof(old_text)), NULL,
                           err);
        c->live = scratch;
        return r;
}

static int read_list(sd_bus_message *m, Change *c, int (*apply)(Change *, const char *, TqError *),
                     TqError *err) {
        const char *item;
        int r, failed = 0;

        r = sd_bus_message_enter_container(m, 'a', "s");
        while (r >= 0 && (r = sd_bus_message_read(m, "s", &item)) > 0)
                if (failed == 0)
                        failed = apply(c, item, err);
        if (r >= 0)
                r = sd_bus_message_exit_container(m);
        return failed < 0 ? failed : r;
}

/* Against the files and the host, as they are now. */
static int check(Change *c, TqError *err) {
        int r;

        /* Only what is asked for now: what stands so already is lowered, and is no reason to refuse
         * another change. */
        r = tq_limits_check_within(&c->asked, &c->engine->ceilings, "[ceilings] in tenantq.conf",
                                   err);
        if (r >= 0)
                r = tenants_resolve(c->engine, c->tenant, &c->live, &c->after, err);
        if (r < 0 || tq_limits_get(&c->after, TQ_KEY_RESERVED, 0) ==
                             tq_limits_get(&c->before, TQ_KEY_RESERVED, 0))
                return r;
        return tenants_check_share(c->engine, c->tenant, &c->after, err);
}

static int prepare(Change *c, sd_bus_message *m, TqError *err) {
        const char *why;
        int r;

        r = read_list(m, c, assign, err);
        if (r >= 0)
                r = read_list(m, c, unassign, err);
        if (r >= 0)
                r = sd_bus_message_read(m, "s", &why);
        if (r < 0)
                return r;
        if (c->n == 0)
                return tq_error(err, -EBADMSG, "nothing to change: expected KEY=VALUE");
        if (why[0] != '\0')
                c->why = strdup(why);
        r = check(c, err);
        if (r < 0)
                return r;
        /* Two at once would each see the slots that the other takes. */
        c->reserves = tq_limits_get(&c->after, TQ_KEY_RESERVED, 0) !=
                      tq_limits_get(&c->before, TQ_KEY_RESERVED, 0);
        if (c->reserves && c->engine->is_reserving) {
                c->reserves = false;
                return tq_error(err, -EBUSY, "another reservation is being changed; try again");
        }
        c->engine->is_reserving |= c->reserves;
        return 0;
}

static bool changes_anything(const Change *c) {
        for (size_t i = 0; i < c->n; i++)
                if (!c->unchanged[i])
                        return true;
        return false;
}

static void start(Engine *e, Change *c) {
        TqError err = {};
        char text[512];
        Request *r;

        if (!changes_anything(c)) {
                (void)reply_change(c);
                (void)change_free(c);
                return;
        }
        /* The supervisor checks those of a tenant that is not in order too: what is recorded must
         * hold when it is. */
        if (c->queue[0] != '\0') {
                record(e, c);
                return;
        }
        if (c->tenant->is_applying) {
                c->tenant->parked = c;
                return;
        }
        /* The files may have changed while it waited. */
        if (check(c, &err) < 0) {
                (void)verbs_reply_error(c->call, TQ_CONTROL_INVALID, "%s; nothing was changed",
                                        tq_error_format(&err, text, sizeof(text)));
                (void)change_free(c);
                return;
        }
        r = requests_new(e);
        if (!r) {
                (void)verbs_reply_error(c->call, TQ_CONTROL_FAILED, "out of memory");
                (void)change_free(c);
                return;
        }
        r->answered = on_applied;
        r->data = c;
        c->tenant->is_applying = true;
        requests_apply(e, r, c->tenant, &c->after);
}

void limits_go_on(Engine *e, EngineTenant *t) {
        Change *c = t->parked;

        t->parked = NULL;
        if (c)
                start(e, c);
}

int limits_on_set(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        char queue[TQ_QUEUE_NAME_MAX + 1], text[1024];
        Connection *connection = userdata;
        Engine *e = connection->engine;
        TqError err = {};
        const char *target;
        EngineTenant *t;
        Change *c;
        int r;

        (void)error;
        if (!connection->is_admin)
                return verbs_reply_error(m, TQ_CONTROL_DENIED,
                                         "only root and the group tenantq-admin may change limits");
        r = sd_bus_message_read(m, "s", &target);
        if (r < 0)
                return r;
        r = verbs_find_target(connection, target, &t, queue);
        if (r < 0)
                return verbs_reply_target(m, r, target);
        if (t->is_former)
                return verbs_reply_error(m, TQ_CONTROL_REFUSED,
                                         "%s: the name has another owner now; none of its jobs "
                                         "starts any more",
                                         target);
        if (t->is_changing)
                return verbs_reply_error(m, TQ_CONTROL_REFUSED,
                                         "another change of %s is under way; try again", t->name);
        if (e->is_degraded)
                return verbs_reply_error(m, TQ_CONTROL_REFUSED, "the limits are as they were: %s",
                                         engine_unrecorded(e, text, sizeof(text)));
        c = calloc(1, sizeof(*c));
        if (!c)
                return -ENOMEM;
        *c = (Change){ .engine = e,
                       .tenant = t,
                       .live = t->live,
                       .before = t->effective,
                       .uid = connection->uid,
                       .call = sd_bus_message_ref(m),
                       .n_old_queues = t->n_live_queues };
        memcpy(c->old_queues, t->live_queues, sizeof(c->old_queues));
        (void)snprintf(c->queue, sizeof(c->queue), "%s", queue);
        t->is_changing = true;
        r = prepare(c, m, &err);
        if (r < 0) {
                memcpy(t->live_queues, c->old_queues, sizeof(c->old_queues));
                t->n_live_queues = c->n_old_queues;
                (void)change_free(c);
                return verbs_reply_error(m, TQ_CONTROL_INVALID, "%s; nothing was changed",
                                         tq_error_format(&err, text, sizeof(text)));
        }
        start(e, c);
        return 1;
}
