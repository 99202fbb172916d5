/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sys/types.h>

#include "base/util.h"

/* An answer to a question about data: named columns and rows of cells. The ledger fills it from a
 * query, the control socket carries it, tenantqctl prints it as text or JSON; so a new field is a
 * column of a query and nothing else. Owns its strings. */
typedef enum TqCellType { TQ_CELL_NULL, TQ_CELL_INTEGER, TQ_CELL_TEXT } TqCellType;

typedef struct TqCell {
        TqCellType type;
        int64_t integer;
        char *text;
} TqCell;

typedef struct TqTable {
        char **columns;
        size_t n_columns;
        TqCell *cells; /* row by row */
        size_t n_rows;
        size_t allocated; /* cells */
        bool is_cut;      /* there were more rows than fitted */
} TqTable;

void tq_table_done(TqTable *t);

/* All return 0 or -ENOMEM. Columns come before the first row. */
int tq_table_add_column(TqTable *t, const char *name);
int tq_table_add_columns(TqTable *t, const char *const *names, size_t n);
/* A new row of NULLs. */
int tq_table_add_row(TqTable *t);

/* Sets a cell of the last row. */
int tq_table_set_text(TqTable *t, size_t column, const char *text); /* NULL: a NULL cell */
void tq_table_set_integer(TqTable *t, size_t column, int64_t value);

/* Sets a cell of any row. */
int tq_table_put_text(TqTable *t, size_t row, size_t column, const char *text);
void tq_table_put_integer(TqTable *t, size_t row, size_t column, int64_t value);

/* Moves the rows of `from`, which has the same columns or finds none, behind those of t, up to
 * `max` in all; with a key (a column of numbers) without those whose key t has already. 0 or
 * -ENOMEM. */
int tq_table_merge(TqTable *t, TqTable *from, const char *key, size_t max);

/* A new row like one of another table: what both have a column for. 0 or -ENOMEM. */
int tq_table_copy_row(TqTable *t, const TqTable *from, size_t row);

void tq_table_drop_row(TqTable *t, size_t row);

/* Column by name, or -ENOENT. */
ssize_t tq_table_find(const TqTable *t, const char *name);
const TqCell *tq_table_cell(const TqTable *t, size_t row, size_t column);

/* The cell of a named column: its text, or NULL; its number, or fallback. */
const char *tq_table_text(const TqTable *t, size_t row, const char *column);
int64_t tq_table_integer(const TqTable *t, size_t row, const char *column, int64_t fallback);

#define TQ_TABLE_CLEANUP TQ_CLEANUP(tq_table_done)
