/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/clock.h"
#include "engine/api/verbs.h"

/* How many jobs wait for what. */

static int add_counts(TqTable *table, const TqTenant *t, const TqQueue *q,
                      const uint64_t counts[_TQ_WAIT_MAX]) {
        int r = 0;

        for (int w = 0; r >= 0 && w < _TQ_WAIT_MAX; w++) {
                if (counts[w] == 0)
                        continue;
                r = tq_table_add_row(table);
                if (r >= 0)
                        r = tq_table_set_text(table, 0, t->name);
                if (r >= 0)
                        r = tq_table_set_text(table, 1, q->name);
                if (r >= 0)
                        r = tq_table_set_text(table, 2, tq_reason_to_string((TqWait)w));
                if (r < 0)
                        break;
                tq_table_set_integer(table, 3, (int64_t)counts[w]);
                r = tq_table_set_text(table, 4, tq_reason_waits[w].help);
        }
        return r;
}

static int add_tenant(const TqScheduler *scheduler, const TqTenant *t, uint64_t now,
                      TqTable *table) {
        int r = 0;

        TQ_LIST_FOREACH(node, &t->queues) {
                const TqQueue *q = TQ_LIST_ENTRY(node, TqQueue, all);
                uint64_t counts[_TQ_WAIT_MAX] = {};

                tq_scheduler_count(scheduler, q, now, counts);
                r = add_counts(table, t, q, counts);
                if (r < 0)
                        break;
        }
        return r;
}

int verb_queue(Call *c) {
        static const char *const columns[] = { "tenant", "queue", "reason", "jobs", "help" };
        const TqScheduler *scheduler = dispatch_scheduler(c->api->dispatch);
        TQ_TABLE_CLEANUP TqTable table = {};
        uint64_t now = tq_clock_boottime_usec();
        const Tenant *t;
        size_t position = 0;
        int r;

        r = tq_table_add_columns(&table, columns, TQ_ELEMENTSOF(columns));
        while (r >= 0 && (t = call_next_tenant(c, &position))) {
                const TqTenant *view = tq_scheduler_tenant(scheduler, t->id);

                if (view)
                        r = add_tenant(scheduler, view, now, &table);
        }
        return r < 0 ? r : call_reply_table(c, &table);
}
