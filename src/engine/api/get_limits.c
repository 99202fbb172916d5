/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <string.h>

#include "engine/api/verbs.h"
#include "engine/settings/rollout.h"

/* What holds of a tenant, or of one of its queues: from where, and what the kernel has of it. */

typedef struct Row {
        const char *queue; /* NULL: the tenant's own */
        const char *name, *value, *source, *kernel, *help;
} Row;

static const char *value_in(const TqLimits *own, const TqQueueLimit *queues, size_t n,
                            const Row *row, char *buf) {
        const TqQueueLimit *q = row->queue ? layers_find_queue(queues, n, row->queue) : NULL;
        TqKey key = tq_limits_find(row->name);

        if (!row->queue)
                return layers_value(own, row->name, buf, TQ_VALUE_MAX);
        return q && key >= 0 && q->set >> key & 1
                       ? tq_limits_format_value(key, tq_policy_queue_get(q, key, 0), buf,
                                                TQ_VALUE_MAX)
                       : NULL;
}

/* What is said of it when nothing is for some time any more, be it more than a ceiling allows.
 * live: NULL if nothing is set live. */
static const char *for_good(const Layers *l, const Row *row, const LiveFacts *live, char *buf) {
        if (live && live->until_usec == 0)
                return value_in(&l->live, l->live_queues, l->n_live_queues, row, buf);
        if (live && live->back)
                return live->back;
        return value_in(&l->file, l->file_queues, l->n_file_queues, row, buf);
}

static int add(const Call *c, TqTable *table, const Row *row) {
        const char *cells[] = { row->queue,  row->name,   row->value,
                                row->source, row->kernel, row->help };
        const Settings *s = c->api->settings;
        uint32_t id = c->tenant->id;
        char buf[TQ_VALUE_MAX];
        LiveFacts live;
        bool is_live;
        int r = tq_table_add_row(table);

        for (size_t i = 0; r >= 0 && i < TQ_ELEMENTSOF(cells); i++)
                r = tq_table_set_text(table, i, cells[i]);
        if (r < 0)
                return r;
        tq_table_set_integer(table, 9, (int64_t)settings_revision(s, id));
        if (rollouts_until(c->api->rollouts, id) > 0)
                tq_table_set_integer(table, 10, (int64_t)rollouts_until(c->api->rollouts, id));
        is_live = settings_live(s, id, row->queue ? row->queue : "", row->name, &live);
        r = tq_table_set_text(table, 11,
                              for_good(settings_layers(s, id), row, is_live ? &live : NULL, buf));
        if (r < 0 || !is_live)
                return r;
        tq_table_set_integer(table, 6, (int64_t)live.revision);
        if (live.until_usec == 0)
                return 0;
        tq_table_set_integer(table, 7, (int64_t)live.until_usec);
        return tq_table_set_text(table, 8, live.back);
}

static int add_queue(const Call *c, const Layers *l, const TqQueueLimit *q, TqTable *table) {
        const TqQueueLimit *live = layers_find_queue(l->live_queues, l->n_live_queues, q->name);
        char value[TQ_VALUE_MAX];
        int r = 0;

        for (int i = 0; r >= 0 && i < _TQ_KEY_MAX; i++)
                if (q->set >> i & 1)
                        r = add(c, table,
                                &(Row){ .queue = q->name,
                                        .name = tq_limits_keys[i].name,
                                        .value = tq_limits_format_value(
                                                (TqKey)i, tq_policy_queue_get(q, (TqKey)i, 0),
                                                value, sizeof(value)),
                                        .source = live && live->set >> i & 1 ? "set" : "file",
                                        .help = tq_limits_keys[i].help });
        return r;
}

static int add_each(const Call *c, const Layers *l, const TqQueueLimit *queues, size_t n,
                    TqTable *table) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < n; i++)
                if (c->queue[0] == '\0' || strcmp(queues[i].name, c->queue) == 0)
                        r = add_queue(c, l, &queues[i], table);
        return r;
}

/* More than there may be hold nowhere, and are all shown: some are to be unset. */
static int add_queues(const Call *c, const Layers *l, TqTable *table) {
        TqQueueLimit queues[TQ_QUEUE_LIMITS];
        int n = layers_queues(l, queues), r;

        if (n >= 0)
                return add_each(c, l, queues, (size_t)n, table);
        r = add_each(c, l, l->file_queues, l->n_file_queues, table);
        return r < 0 ? r : add_each(c, l, l->live_queues, l->n_live_queues, table);
}

static int add_own(const Call *c, const Layers *l, TqTable *table) {
        char value[TQ_VALUE_MAX], text[TQ_VALUE_MAX], kernel[1024], name[TQ_DEVICE_MAX * 2];
        const Settings *s = c->api->settings;
        uint32_t id = c->tenant->id;
        int r = 0;

        for (int i = 0; r >= 0 && i < _TQ_KEY_MAX; i++) {
                const TqKeyRow *row = &tq_limits_keys[i];

                if (row->scopes & TQ_SCOPE_TENANT && row->has_effect)
                        r = add(c, table,
                                &(Row){ .name = row->name,
                                        .value = layers_value(&l->effective, row->name, value,
                                                              sizeof(value)),
                                        .source = layers_source(l, settings_host(s), (TqKey)i),
                                        .kernel = settings_kernel_value(s, id, row->name, kernel,
                                                                        sizeof(kernel)),
                                        .help = row->help });
        }
        for (uint32_t i = 0; r >= 0 && i < l->effective.n_io; i++) {
                const TqIoLimit *io = &l->effective.io[i];

                (void)tq_limits_io_name(io, name, sizeof(name));
                r = add(c, table,
                        &(Row){ .name = name,
                                .value = tq_limits_format_value((TqKey)io->key, io->value, value,
                                                                sizeof(value)),
                                .source = layers_value(&l->live, name, text, sizeof(text)) ? "set"
                                          : layers_value(&l->file, name, text, sizeof(text))
                                                  ? "file"
                                                  : "default",
                                .kernel =
                                        settings_kernel_value(s, id, name, kernel, sizeof(kernel)),
                                .help = tq_limits_keys[io->key].help });
        }
        return r;
}

static bool has_row(const TqTable *t, const char *queue, const char *name) {
        for (size_t i = 0; i < t->n_rows; i++) {
                const char *of = tq_table_text(t, i, "queue");

                if (strcmp(of ? of : "", queue) == 0 &&
                    strcmp(tq_table_text(t, i, "limit"), name) == 0)
                        return true;
        }
        return false;
}

/* What has no value now, since it was unset, but for some time only. */
static int add_unset(const Call *c, TqTable *table) {
        const Settings *s = c->api->settings;
        uint32_t id = c->tenant->id;
        char kernel[1024], bare[TQ_DEVICE_MAX];
        const char *queue, *name;
        size_t position = 0;
        int r = 0;

        while (r >= 0 && settings_next_unset(s, id, &position, &queue, &name)) {
                Row row = { .queue = queue[0] ? queue : NULL, .name = name, .source = "unset" };
                TqKey key;

                if ((c->queue[0] && strcmp(c->queue, queue) != 0) || has_row(table, queue, name))
                        continue;
                (void)snprintf(bare, sizeof(bare), "%.*s", (int)strcspn(name, "@"), name);
                key = tq_limits_find(bare);
                row.help = key >= 0 ? tq_limits_keys[key].help : NULL;
                if (!row.queue)
                        row.kernel = settings_kernel_value(s, id, name, kernel, sizeof(kernel));
                r = add(c, table, &row);
        }
        return r;
}

int verb_get_limits(Call *c) {
        static const char *const columns[] = { "queue",           "limit",        "value",
                                               "source",          "kernel",       "help",
                                               "revision",        "until_usec",   "then",
                                               "tenant_revision", "watched_usec", "for_good" };
        const Layers *l = settings_layers(c->api->settings, c->tenant->id);
        TQ_TABLE_CLEANUP TqTable table = {};
        int r;

        r = tq_table_add_columns(&table, columns, TQ_ELEMENTSOF(columns));
        if (r >= 0 && l && c->queue[0] == '\0')
                r = add_own(c, l, &table);
        if (r >= 0 && l)
                r = add_queues(c, l, &table);
        if (r >= 0 && l)
                r = add_unset(c, &table);
        return r < 0 ? r : call_reply_table(c, &table);
}
