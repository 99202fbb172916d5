/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/table.h"

#include <assert.h>
#include <string.h>

void tq_table_done(TqTable *t) {
        for (size_t i = 0; i < t->n_columns; i++)
                free(t->columns[i]);
        for (size_t i = 0; i < t->n_rows * t->n_columns; i++)
                free(t->cells[i].text);
        free((void *)t->columns);
        free(t->cells);
        *t = (TqTable){};
}

int tq_table_add_column(TqTable *t, const char *name) {
        TQ_FREE char *copy = NULL;
        char **columns;

        assert(t->n_rows == 0);
        copy = strdup(name);
        if (!copy)
                return -ENOMEM;
        columns = (char **)realloc((void *)t->columns, (t->n_columns + 1) * sizeof(*columns));
        if (!columns)
                return -ENOMEM;
        t->columns = columns;
        t->columns[t->n_columns++] = TQ_TAKE_PTR(copy);
        return 0;
}

int tq_table_add_columns(TqTable *t, const char *const *names, size_t n) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < n; i++)
                r = tq_table_add_column(t, names[i]);
        return r;
}

int tq_table_add_row(TqTable *t) {
        size_t used = t->n_rows * t->n_columns;

        if (used + t->n_columns > t->allocated) {
                size_t n = TQ_MAX(t->allocated * 2, t->n_columns * 8);
                TqCell *cells;

                cells = realloc(t->cells, n * sizeof(*cells));
                if (!cells)
                        return -ENOMEM;
                t->cells = cells;
                t->allocated = n;
        }
        if (t->n_columns > 0)
                memset(&t->cells[used], 0, t->n_columns * sizeof(*t->cells));
        t->n_rows++;
        return 0;
}

static TqCell *cell_at(TqTable *t, size_t row, size_t column) {
        assert(row < t->n_rows && column < t->n_columns);
        return &t->cells[row * t->n_columns + column];
}

int tq_table_put_text(TqTable *t, size_t row, size_t column, const char *text) {
        TqCell *cell = cell_at(t, row, column);
        char *copy = NULL;

        if (text) {
                copy = strdup(text);
                if (!copy)
                        return -ENOMEM;
        }
        free(cell->text);
        *cell = (TqCell){ .type = copy ? TQ_CELL_TEXT : TQ_CELL_NULL, .text = copy };
        return 0;
}

int tq_table_set_text(TqTable *t, size_t column, const char *text) {
        return tq_table_put_text(t, t->n_rows - 1, column, text);
}

void tq_table_put_integer(TqTable *t, size_t row, size_t column, int64_t value) {
        TqCell *cell = cell_at(t, row, column);

        free(cell->text);
        *cell = (TqCell){ .type = TQ_CELL_INTEGER, .integer = value };
}

void tq_table_set_integer(TqTable *t, size_t column, int64_t value) {
        tq_table_put_integer(t, t->n_rows - 1, column, value);
}

ssize_t tq_table_find(const TqTable *t, const char *name) {
        for (size_t i = 0; i < t->n_columns; i++)
                if (strcmp(t->columns[i], name) == 0)
                        return (ssize_t)i;
        return -ENOENT;
}

const TqCell *tq_table_cell(const TqTable *t, size_t row, size_t column) {
        assert(row < t->n_rows && column < t->n_columns);
        return &t->cells[row * t->n_columns + column];
}

const char *tq_table_text(const TqTable *t, size_t row, const char *column) {
        ssize_t i = tq_table_find(t, column);

        return i < 0 || row >= t->n_rows ? NULL : tq_table_cell(t, row, (size_t)i)->text;
}

int64_t tq_table_integer(const TqTable *t, size_t row, const char *column, int64_t fallback) {
        ssize_t i = tq_table_find(t, column);
        const TqCell *cell;

        if (i < 0 || row >= t->n_rows)
                return fallback;
        cell = tq_table_cell(t, row, (size_t)i);
        return cell->type == TQ_CELL_INTEGER ? cell->integer : fallback;
}

int tq_table_copy_row(TqTable *t, const TqTable *from, size_t row) {
        int r = tq_table_add_row(t);

        for (size_t i = 0; r >= 0 && i < t->n_columns; i++) {
                ssize_t k = tq_table_find(from, t->columns[i]);
                const TqCell *cell = k >= 0 ? tq_table_cell(from, row, (size_t)k) : NULL;

                if (cell && cell->type == TQ_CELL_INTEGER)
                        tq_table_set_integer(t, i, cell->integer);
                else if (cell)
                        r = tq_table_set_text(t, i, cell->text);
        }
        return r;
}

void tq_table_drop_row(TqTable *t, size_t row) {
        TqCell *cells = cell_at(t, row, 0);

        for (size_t i = 0; i < t->n_columns; i++)
                free(cells[i].text);
        memmove(cells, cells + t->n_columns, (t->n_rows - row - 1) * t->n_columns * sizeof(*cells));
        t->n_rows--;
}

static bool has_key(const TqTable *t, size_t n_rows, size_t column, int64_t key) {
        for (size_t row = 0; row < n_rows; row++)
                if (tq_table_cell(t, row, column)->integer == key)
                        return true;
        return false;
}

int tq_table_merge(TqTable *t, TqTable *from, const char *key, size_t max) {
        ssize_t column = key ? tq_table_find(from, key) : -ENOENT;
        size_t before = t->n_rows;

        for (size_t i = 0; t->n_columns < from->n_columns; i++) {
                int r = tq_table_add_column(t, from->columns[i]);

                if (r < 0)
                        return r;
        }
        for (size_t row = 0; row < from->n_rows && t->n_rows < max; row++) {
                TqCell *cells = &from->cells[row * from->n_columns];
                int r;

                if (column >= 0 && has_key(t, before, (size_t)column, cells[column].integer))
                        continue;
                r = tq_table_add_row(t);
                if (r < 0)
                        return r;
                for (size_t i = 0; i < from->n_columns; i++) {
                        *cell_at(t, t->n_rows - 1, i) = cells[i];
                        cells[i] = (TqCell){};
                }
        }
        return 0;
}
