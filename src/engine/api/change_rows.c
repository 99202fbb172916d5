/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/api/change_rows.h"

#include "engine/settings/change_row.h"

static int add_row(TqTable *table, const Tenant *t, const ChangeRow *row) {
        const char *cells[] = { t->name,        row->queue[0] ? row->queue : NULL,
                                row->name,      row->old_value,
                                row->new_value, row->kernel,
                                row->effective, row->back };
        int r = tq_table_add_row(table);

        for (size_t k = 0; r >= 0 && k < TQ_ELEMENTSOF(cells); k++)
                r = tq_table_set_text(table, k, cells[k]);
        if (r < 0)
                return r;
        if (row->revision > 0)
                tq_table_set_integer(table, 8, (int64_t)row->revision);
        if (row->until_usec > 0)
                tq_table_set_integer(table, 9, (int64_t)row->until_usec);
        tq_table_set_integer(table, 10, row->is_unchanged);
        return 0;
}

int change_rows_begin(TqTable *table) {
        static const char *const columns[] = { "tenant",   "queue",      "limit",     "old",
                                               "new",      "kernel",     "effective", "then",
                                               "revision", "until_usec", "unchanged" };

        return tq_table_add_columns(table, columns, TQ_ELEMENTSOF(columns));
}

int change_rows_add(TqTable *table, const Tenant *t, const Change *c) {
        ChangeRow row;
        int r = 0;

        for (size_t i = 0; r >= 0 && i < change_count(c); i++) {
                change_row(c, i, &row);
                r = add_row(table, t, &row);
        }
        return r;
}
