/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/table.h"

#include <libsmartcols/libsmartcols.h>
#include <stdio.h>
#include <string.h>
#include <wchar.h>

#include "base/buffer.h"
#include "base/parse.h"
#include "ctl/columns.h"
#include "ctl/ctl.h"

/* libsmartcols decides how wide each column is, which it tells once it has laid the table out; so
 * on a terminal that is done twice: what is too long for its column is then cut or folded, with
 * which the library doesn't help (it cuts without a mark, and folds within words). */

#define NAME_LEAST  8  /* shorter names are not cut */
#define PROSE_LEAST 24 /* columns for a sentence, if a name can make room */

typedef struct Printer {
        const Options *o;
        const TqTable *t;
        struct libscols_table *table;
        Column *columns; /* of the table, one for each of libsmartcols */
        unsigned char
                *spare; /* of each: how gladly it is left out where there is no room; 0: never */
        size_t n;
        bool is_descending;
        int width; /* of a screen; 0: what is printed is no such */
} Printer;

/* On a screen there is less room. */
static const char *between(const Printer *p) {
        return p->width > 0 ? " " : "  ";
}

/* Characters, one for each byte that is none. */
static int next_width(const char *s, size_t *ret_bytes) {
        mbstate_t state = {};
        wchar_t c;
        size_t n = mbrtowc(&c, s, strlen(s), &state);
        int w = n == 0 || n > strlen(s) ? 1 : wcwidth(c);

        *ret_bytes = n == 0 || n > strlen(s) ? 1 : n;
        return TQ_MAX(w, 0);
}

int output_width(const char *s) {
        int width = 0;
        size_t n;

        for (; *s; s += n)
                width += next_width(s, &n);
        return width;
}

void table_cut(char *s, int width) {
        size_t n;

        if (output_width(s) <= width)
                return;
        for (int used = 0;; s += n) {
                used += next_width(s, &n);
                if (used >= width)
                        break;
        }
        memcpy(s, "…", sizeof("…"));
}

void table_fold(char *s, int width) {
        char *blank = NULL;
        int used = 0, since_blank = 0;
        size_t n;

        for (; *s; s += n) {
                int w = next_width(s, &n);

                used += w;
                since_blank += w;
                if (*s == ' ') {
                        if (used > width + 1 && blank) {
                                *blank = '\n';
                                used = since_blank;
                        }
                        blank = s;
                        since_blank = 0;
                }
        }
        if (used > width && blank)
                *blank = '\n';
}

static const char *color_of(const char *column, const char *value) {
        if (strcmp(column, "state") == 0)
                return strcmp(value, "running") == 0    ? "green"
                       : strcmp(value, "disabled") == 0 ? "red"
                                                        : NULL;
        if (strcmp(column, "verdict") == 0)
                return strcmp(value, "exit 0") == 0 || strcmp(value, "-") == 0 ? NULL : "red";
        return NULL;
}

static int flags_of(Format f) {
        switch (f) {
        case FORMAT_PROSE:
                return SCOLS_FL_TRUNC;
        case FORMAT_TEXT:
        case FORMAT_NAME:
        case FORMAT_TIME:
                return 0;
        default:
                return SCOLS_FL_RIGHT;
        }
}

static int unknown_column(const TqTable *t, const char *option, const char *name) {
        TQ_BUFFER_CLEANUP TqBuffer all = {};
        const char *nearest;

        for (size_t i = 0; i < t->n_columns; i++)
                tq_buffer_printf(&all, "%s%s", i > 0 ? ", " : "", t->columns[i]);
        nearest = tq_parse_nearest(name, (const char *const *)t->columns, t->n_columns);
        return fail(TQ_EXIT_USAGE, "%s: there is no column \"%s\"%s%s%s; there are %s", option,
                    name, nearest ? "; did you mean " : "", nearest ? nearest : "",
                    nearest ? "?" : "", tq_buffer_string(&all));
}

/* What a table is told of its columns is in the order of "?": EMPTY goes first. */
enum { KEPT, SPARE, EMPTY = 9 };

static bool is_empty(const TqTable *t, size_t column) {
        for (size_t row = 0; row < t->n_rows; row++)
                if (tq_table_cell(t, row, column)->type != TQ_CELL_NULL)
                        return false;
        return true;
}

static int add_column(Printer *p, const char *option, const char *name, unsigned char spares,
                      bool is_hidden) {
        ssize_t at = tq_table_find(p->t, name);
        struct libscols_column *c;
        Column column, *columns;
        unsigned char *spare;
        char title[64];

        if (at < 0)
                return unknown_column(p->t, option, name);
        column = columns_get(p->t->columns[at]);
        for (size_t i = 0; i < sizeof(title) && (i == 0 || column.title[i - 1] != '\0'); i++)
                title[i] = column.title[i] >= 'a' && column.title[i] <= 'z'
                                   ? (char)(column.title[i] - 'a' + 'A')
                                   : column.title[i];
        title[sizeof(title) - 1] = '\0';
        columns = reallocarray(p->columns, p->n + 1, sizeof(*columns));
        if (!columns)
                return fail(TQ_EXIT_FAILURE, "out of memory");
        p->columns = columns;
        spare = realloc(p->spare, p->n + 1);
        if (!spare)
                return fail(TQ_EXIT_FAILURE, "out of memory");
        p->spare = spare;
        p->spare[p->n] = spares;
        p->columns[p->n++] = column;
        c = scols_table_new_column(p->table, title, 0,
                                   flags_of(column.format) | (is_hidden ? SCOLS_FL_HIDDEN : 0));
        return c ? 0 : fail(TQ_EXIT_FAILURE, "out of memory");
}

static int add_all(Printer *p) {
        int r = 0;

        for (size_t i = 0; r == 0 && i < p->t->n_columns; i++)
                r = add_column(p, "", p->t->columns[i], KEPT, false);
        return r;
}

static int add_named(Printer *p, const char *names) {
        TQ_FREE char *copy = strdup(names);
        char *save = NULL;
        int r = copy ? 0 : fail(TQ_EXIT_FAILURE, "out of memory");

        if (r == 0 && names[strspn(names, ",")] == '\0')
                return fail(TQ_EXIT_USAGE, "--output \"%s\": expected names of columns", names);
        for (char *name = copy ? strtok_r(copy, ",", &save) : NULL; r == 0 && name;
             name = strtok_r(NULL, ",", &save))
                r = add_column(p, "--output", name, KEPT, false);
        return r;
}

/* Those of a verb: "job,?name,??queue". */
static int add_usual(Printer *p, const char *names) {
        TQ_FREE char *copy = strdup(names);
        char *save = NULL;
        int r = copy ? 0 : fail(TQ_EXIT_FAILURE, "out of memory");

        for (char *name = copy ? strtok_r(copy, ",", &save) : NULL; r == 0 && name;
             name = strtok_r(NULL, ",", &save)) {
                size_t marks = strspn(name, "?");
                ssize_t at = tq_table_find(p->t, name + marks);

                r = add_column(p, "", name + marks,
                               at >= 0 && is_empty(p->t, (size_t)at) ? EMPTY
                               : marks > 0 ? (unsigned char)(SPARE + 2 - marks)
                                           : KEPT,
                               false);
        }
        return r;
}

static int add_row(Printer *p, size_t row) {
        struct libscols_line *line = scols_table_new_line(p->table, NULL);
        char text[CELL_MAX];
        int r = line ? 0 : -ENOMEM;

        for (size_t i = 0; r >= 0 && i < p->n; i++) {
                const TqCell *cell =
                        tq_table_cell(p->t, row, (size_t)tq_table_find(p->t, p->columns[i].name));
                struct libscols_cell *to = scols_line_get_cell(line, i);
                const char *color;

                r = scols_cell_set_data(to, columns_format(p->columns[i].format, cell, text));
                color = p->o->has_color ? color_of(p->columns[i].name, text) : NULL;
                if (r >= 0)
                        r = scols_cell_set_userdata(to, (void *)cell);
                if (r >= 0 && color)
                        r = scols_cell_set_color(to, color);
        }
        return r;
}

/* What is unknown comes first, as the least. */
static int compare_cells(const TqCell *x, const TqCell *y, bool is_descending) {
        int r;

        if (x->type != y->type)
                r = x->type < y->type ? -1 : 1;
        else if (x->type == TQ_CELL_TEXT)
                r = strcmp(x->text, y->text);
        else
                r = (x->integer > y->integer) - (x->integer < y->integer);
        return is_descending ? -r : r;
}

static int compare(struct libscols_cell *a, struct libscols_cell *b, void *userdata) {
        return compare_cells(scols_cell_get_userdata(a), scols_cell_get_userdata(b),
                             ((const Printer *)userdata)->is_descending);
}

typedef struct Order {
        const TqCell *cells; /* of the first row */
        size_t n_columns, column;
        bool is_descending;
} Order;

static int compare_rows(const void *a, const void *b, void *userdata) {
        size_t x = *(const size_t *)a, y = *(const size_t *)b;
        const Order *o = userdata;
        int r = compare_cells(&o->cells[x * o->n_columns + o->column],
                              &o->cells[y * o->n_columns + o->column], o->is_descending);

        return r != 0 ? r : (x > y) - (x < y);
}

int table_sort(TqTable *t, const char *by) {
        ssize_t column = tq_table_find(t, by + (by[0] == '-'));
        Order order = { t->cells, t->n_columns, (size_t)column, by[0] == '-' };
        TQ_FREE size_t *rows = NULL;
        TqCell *cells;

        if (column < 0 || t->n_rows == 0)
                return column < 0 ? -ENOENT : 0;
        rows = calloc(t->n_rows, sizeof(*rows));
        cells = calloc(t->n_rows, t->n_columns * sizeof(*cells));
        if (!rows || !cells) {
                free(cells);
                return -ENOMEM;
        }
        for (size_t i = 0; i < t->n_rows; i++)
                rows[i] = i;
        qsort_r(rows, t->n_rows, sizeof(*rows), compare_rows, &order);
        for (size_t i = 0; i < t->n_rows; i++)
                memcpy(&cells[i * t->n_columns], &t->cells[rows[i] * t->n_columns],
                       t->n_columns * sizeof(*cells));
        free(t->cells);
        t->cells = cells;
        t->allocated = t->n_rows * t->n_columns;
        return 0;
}

/* The column that is sorted by is the last, unseen: it may be shown or not. */
static int sort(Printer *p) {
        struct libscols_column *c = scols_table_get_column(p->table, p->n - 1);
        int r = scols_column_set_cmpfunc(c, compare, p);

        return r < 0 ? r : scols_sort_table(p->table, c);
}

/* The texts of a column as the width that it was given lets them be shown. */
static int fit(Printer *p, size_t i) {
        struct libscols_column *c = scols_table_get_column(p->table, i);
        bool is_prose = p->columns[i].format == FORMAT_PROSE && p->width == 0;
        int width = (int)scols_column_get_width(c), r = 0;
        char text[CELL_MAX + 4];

        if (scols_column_is_hidden(c) ||
            (p->columns[i].format != FORMAT_NAME && p->columns[i].format != FORMAT_PROSE))
                return 0;
        for (size_t row = 0; r >= 0 && row < p->t->n_rows; row++) {
                struct libscols_cell *cell =
                        scols_line_get_cell(scols_table_get_line(p->table, row), i);

                (void)snprintf(text, sizeof(text), "%s", scols_cell_get_data(cell));
                if (is_prose)
                        table_fold(text, width);
                else
                        table_cut(text, width);
                r = scols_cell_set_data(cell, text);
        }
        if (r >= 0 && is_prose)
                r = scols_column_set_flags(c, SCOLS_FL_WRAP);
        return r < 0 || !is_prose ? r
                                  : scols_column_set_wrapfunc(c, scols_wrapnl_chunksize,
                                                              scols_wrapnl_nextchunk, NULL);
}

/* How wide a column of sentences has to be to be read. */
static size_t least_of(const Printer *p, size_t i) {
        size_t least = 0;

        for (size_t row = 0; row < p->t->n_rows; row++) {
                const char *text = scols_line_get_column_data(scols_table_get_line(p->table, row),
                                                              scols_table_get_column(p->table, i));

                least = TQ_MAX(least, (size_t)output_width(text ? text : ""));
        }
        return TQ_MIN(least, (size_t)PROSE_LEAST);
}

/* Whether there is room for all. */
static bool fits(const Printer *p) {
        size_t total = 0;

        for (size_t i = 0; i < p->n; i++) {
                const struct libscols_column *c = scols_table_get_column(p->table, i);

                if (!scols_column_is_hidden(c))
                        total += scols_column_get_width(c) + strlen(between(p));
        }
        return total <= scols_table_get_termwidth(p->table) + strlen(between(p));
}

/* And for sentences to be read. */
static bool has_room(const Printer *p) {
        for (size_t i = 0; i < p->n; i++)
                if (p->columns[i].format == FORMAT_PROSE &&
                    scols_column_get_width(scols_table_get_column(p->table, i)) < least_of(p, i))
                        return false;
        return fits(p);
}

static int measure(const Printer *p) {
        TQ_FREE char *unused = NULL;

        return scols_print_table_to_string(p->table, &unused);
}

/* The widest column of names that has not made room yet. NULL: all have. */
static struct libscols_column *widest_name(const Printer *p) {
        struct libscols_column *widest = NULL;

        for (size_t i = 0; i < p->n; i++) {
                struct libscols_column *c = scols_table_get_column(p->table, i);

                if (p->columns[i].format == FORMAT_NAME && !scols_column_is_trunc(c) &&
                    !scols_column_is_hidden(c) && scols_column_get_width(c) > NAME_LEAST &&
                    (!widest || scols_column_get_width(c) > scols_column_get_width(widest)))
                        widest = c;
        }
        return widest;
}

/* The next column that is left out; NULL: all others are kept. */
static struct libscols_column *most_spare(Printer *p, unsigned char least) {
        size_t best = p->n;

        for (size_t i = p->n; i-- > 0;)
                if (p->spare[i] >= least && (best == p->n || p->spare[i] > p->spare[best]))
                        best = i;
        if (best == p->n)
                return NULL;
        p->spare[best] = KEPT;
        return scols_table_get_column(p->table, best);
}

static int show_names(const Printer *p) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < p->n; i++)
                if (p->columns[i].format == FORMAT_NAME &&
                    !scols_column_is_hidden(scols_table_get_column(p->table, i)))
                        r = scols_column_set_flags(scols_table_get_column(p->table, i), 0);
        return r < 0 ? r : measure(p);
}

static int leave_out_empty(Printer *p) {
        struct libscols_column *c;
        int r = measure(p);

        while (r >= 0 && !has_room(p) && (c = most_spare(p, EMPTY))) {
                r = scols_column_set_flags(c, SCOLS_FL_HIDDEN);
                if (r >= 0)
                        r = measure(p);
        }
        return r;
}

static int squeeze(const Printer *p) {
        struct libscols_column *c;
        int r = show_names(p);

        while (r >= 0 && !has_room(p) && (c = widest_name(p))) {
                r = scols_column_set_flags(c, SCOLS_FL_TRUNC);
                if (r >= 0)
                        r = measure(p);
        }
        return r;
}

/* Sentences make room first, then columns without anything, names, and columns that can be spared;
 * where that does not help, all names are whole. */
static int lay_out(Printer *p) {
        struct libscols_column *c;
        int r;

        if (p->o->width == 0 && p->width == 0)
                return 0;
        r = leave_out_empty(p);
        if (r >= 0)
                r = squeeze(p);
        while (r >= 0 && !has_room(p) && (c = most_spare(p, SPARE))) {
                r = scols_column_set_flags(c, SCOLS_FL_HIDDEN);
                if (r >= 0)
                        r = squeeze(p);
        }
        if (r >= 0 && !fits(p))
                r = show_names(p);
        for (size_t i = 0; r >= 0 && i < p->n; i++)
                r = fit(p, i);
        return r;
}

static int prepare(Printer *p, const Options *o, const char *columns) {
        int r;

        scols_init_debug(0);
        p->table = scols_new_table();
        if (!p->table)
                return fail(TQ_EXIT_FAILURE, "out of memory");
        if (o->columns)
                r = add_named(p, o->columns);
        else if (columns)
                r = add_usual(p, columns);
        else
                r = add_all(p);
        if (r == 0 && o->sort) {
                p->is_descending = o->sort[0] == '-';
                r = add_column(p, "--sort", o->sort + p->is_descending, KEPT, true);
        }
        return r;
}

static int make(Printer *p, const Options *o) {
        int r = scols_table_set_column_separator(p->table, between(p));

        /* columns_format() has made the texts safe. */
        if (r >= 0)
                r = scols_table_enable_noencoding(p->table, 1);
        if (r >= 0)
                r = scols_table_enable_colors(p->table, p->width == 0 && o->has_color);
        /* A pager may be between us and the terminal. */
        if (r >= 0 && p->width == 0 && o->width > 0)
                r = scols_table_set_termforce(p->table, SCOLS_TERMFORCE_ALWAYS);
        if (r >= 0 && p->width == 0 && o->width > 0)
                r = scols_table_set_termwidth(p->table, (size_t)o->width);
        if (r >= 0)
                r = scols_table_enable_noheadings(p->table, o->no_headings);
        for (size_t row = 0; r >= 0 && row < p->t->n_rows; row++)
                r = add_row(p, row);
        if (r >= 0 && o->sort)
                r = sort(p);
        return r < 0 ? r : lay_out(p);
}

/* *ret: not to standard output, but a text for a screen. */
static int print(const Options *o, const TqTable *t, const char *columns, int width, char **ret) {
        Printer p = { .t = t, .o = o, .width = width };
        int r = prepare(&p, o, columns), e = 0;

        if (r == 0 && ret)
                e = scols_table_set_termwidth(p.table, (size_t)width);
        if (r == 0 && e >= 0)
                e = make(&p, o);
        if (r == 0 && e >= 0)
                e = ret ? scols_print_table_to_string(p.table, ret) : scols_print_table(p.table);
        if (e < 0)
                r = fail(TQ_EXIT_FAILURE, "the table can't be printed: %s", strerror(errno));
        scols_unref_table(p.table);
        free(p.columns);
        free(p.spare);
        return r;
}

int table_print(const Options *o, const TqTable *t, const char *columns) {
        return print(o, t, columns, 0, NULL);
}

int table_format(const Options *o, const TqTable *t, const char *columns, int width, char **ret) {
        return print(o, t, columns, width, ret);
}
