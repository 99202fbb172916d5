/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/api/verbs.h"
#include "engine/settings/change.h"

static int reply(const Call *c, const Change *change) {
        static const char *const columns[] = { "tenant", "queue",  "limit",    "old",
                                               "new",    "kernel", "revision", "effective" };
        TQ_TABLE_CLEANUP TqTable table = {};
        ChangeRow row;
        int r;

        r = tq_table_add_columns(&table, columns, TQ_ELEMENTSOF(columns));
        for (size_t i = 0; r >= 0 && i < change_count(change); i++) {
                const char *cells[6];

                change_row(change, i, &row);
                cells[0] = c->tenant->name;
                cells[1] = c->queue[0] ? c->queue : NULL;
                cells[2] = row.name;
                cells[3] = row.old_value;
                cells[4] = row.new_value;
                cells[5] = row.kernel;
                r = tq_table_add_row(&table);
                for (size_t k = 0; r >= 0 && k < TQ_ELEMENTSOF(cells); k++)
                        r = tq_table_set_text(&table, k, cells[k]);
                if (r >= 0 && row.revision > 0)
                        tq_table_set_integer(&table, 6, (int64_t)row.revision);
                if (r >= 0)
                        r = tq_table_set_text(&table, 7, row.effective);
        }
        return r < 0 ? r : call_reply_table(c, &table);
}

static void on_done(void *data, const Change *change, TqControlError error, const char *text) {
        Call *c = data;
        int r = text ? call_error(c, error, "%s", text) : reply(c, change);

        if (r < 0)
                (void)call_error(c, TQ_CONTROL_FAILED, "it holds, but can't be shown");
        (void)call_free(c);
}

static int read_list(sd_bus_message *m, Change *change,
                     int (*add)(Change *, const char *, TqError *), TqError *err) {
        const char *item;
        int r, failed = 0;

        r = sd_bus_message_enter_container(m, 'a', "s");
        while (r >= 0 && (r = sd_bus_message_read(m, "s", &item)) > 0)
                if (failed == 0)
                        failed = add(change, item, err);
        if (r >= 0)
                r = sd_bus_message_exit_container(m);
        return failed < 0 ? failed : r;
}

static int start(sd_bus_message *m, Change *change, TqError *err) {
        const char *why;
        int r;

        r = read_list(m, change, change_assign, err);
        if (r >= 0)
                r = read_list(m, change, change_unassign, err);
        if (r >= 0)
                r = sd_bus_message_read(m, "s", &why);
        return r < 0 ? r : change_start(change, why, err);
}

/* SetLimits(target, assignments, names to unset, why) */
int verb_set_limits(Call *c) {
        TqError err = {};
        Change *change;
        char text[512];
        Call *kept;
        int r;

        if (c->tenant->is_former)
                return call_error(c, TQ_CONTROL_REFUSED,
                                  "%s: the name has another owner now; none of its jobs starts any "
                                  "more",
                                  tenants_title(c->tenant, text));
        if (commit_fault(c->api->commit))
                return call_error(c, TQ_CONTROL_REFUSED, "the limits are as they were: %s",
                                  commit_explain(c->api->commit, text, sizeof(text)));
        kept = call_keep(c);
        if (!kept)
                return -ENOMEM;
        r = change_new(c->api->settings, c->api->events, c->tenant, c->queue, c->viewer.uid,
                       on_done, kept, &change);
        if (r >= 0) {
                r = start(c->message, change, &err);
                if (r >= 0)
                        return 1;
                (void)change_free(change);
                r = call_error(c, TQ_CONTROL_INVALID, "%s; nothing was changed",
                               tq_error_format(&err, text, sizeof(text)));
        } else if (r == -EBUSY)
                r = call_error(c, TQ_CONTROL_REFUSED,
                               "another change of %s is under way; try again", c->tenant->name);
        (void)call_free(kept);
        return r;
}
