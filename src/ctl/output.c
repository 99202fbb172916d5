/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <wchar.h>

#include "base/format.h"
#include "base/parse.h"
#include "ctl/ctl.h"

/* Tables as aligned text or as JSON (RFC 8259). What a tenant wrote is escaped in both. */

#define CELL_MAX 512

bool output_has_color(void) {
        const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

        return isatty(STDOUT_FILENO) && !(no_color && no_color[0]) &&
               !(term && strcmp(term, "dumb") == 0);
}

int output_finish(void) {
        bool failed = ferror(stdout) != 0;

        errno = 0;
        if (fflush(stdout) != 0 || failed)
                /* Who reads has enough: as head(1) does. */
                return errno == EPIPE ? TQ_EXIT_FAILURE
                                      : fail(TQ_EXIT_FAILURE, "can't write to standard output%s%s",
                                             errno ? ": " : "", errno ? strerror(errno) : "");
        return TQ_EXIT_OK;
}

static const char *format_cell(const TqCell *cell, Format format, char *buf) {
        uint64_t v = (uint64_t)cell->integer;

        if (cell->type == TQ_CELL_NULL)
                (void)snprintf(buf, CELL_MAX, "-");
        else if (cell->type == TQ_CELL_TEXT)
                (void)tq_format_shown(cell->text, buf, CELL_MAX);
        else if (format == FORMAT_TIME)
                (void)tq_format_timestamp(v, buf, CELL_MAX);
        else if (format == FORMAT_SPAN)
                (void)tq_format_span_short(v, buf, CELL_MAX);
        else if (format == FORMAT_SIZE)
                (void)tq_format_size_short(v, buf, CELL_MAX);
        else
                (void)snprintf(buf, CELL_MAX, "%" PRIi64, cell->integer);
        return buf;
}

/* Columns of the terminal that a text takes. */
static int width_of(const char *s) {
        size_t n = mbstowcs(NULL, s, 0);
        wchar_t wide[CELL_MAX];
        int w;

        if (n == (size_t)-1 || n >= CELL_MAX)
                return (int)strlen(s);
        (void)mbstowcs(wide, s, CELL_MAX);
        w = wcswidth(wide, n);
        return w < 0 ? (int)strlen(s) : w;
}

static void print_padded(const char *s, int width, bool is_last) {
        (void)printf("%s%*s", s, is_last ? 0 : width - width_of(s) + 2, "");
}

static const TqCell *named_cell(const TqTable *t, size_t row, const char *name) {
        static const TqCell none;
        ssize_t i = tq_table_find(t, name);

        return i < 0 ? &none : tq_table_cell(t, row, (size_t)i);
}

static const char *color_of(const char *column, const char *value) {
        if (strcmp(column, "state") == 0)
                return strcmp(value, "running") == 0    ? "\033[32m"
                       : strcmp(value, "disabled") == 0 ? "\033[31m"
                                                        : "";
        if (strcmp(column, "verdict") == 0)
                return strcmp(value, "exit 0") == 0 || strcmp(value, "-") == 0 ? "" : "\033[31m";
        return "";
}

void output_table(const TqTable *t, const Column *columns, size_t n) {
        TQ_FREE int *widths = calloc(n, sizeof(*widths));
        bool has_color = output_has_color();
        char text[CELL_MAX];

        if (!widths)
                return;
        for (size_t c = 0; c < n; c++) {
                widths[c] = width_of(columns[c].header);
                for (size_t row = 0; row < t->n_rows; row++)
                        widths[c] = TQ_MAX(widths[c],
                                           width_of(format_cell(named_cell(t, row, columns[c].name),
                                                                columns[c].format, text)));
        }
        for (size_t c = 0; c < n; c++)
                print_padded(columns[c].header, widths[c], c + 1 == n);
        (void)putchar('\n');
        for (size_t row = 0; row < t->n_rows; row++) {
                for (size_t c = 0; c < n; c++) {
                        const char *color = "";

                        (void)format_cell(named_cell(t, row, columns[c].name), columns[c].format,
                                          text);
                        if (has_color)
                                color = color_of(columns[c].name, text);
                        (void)fputs(color, stdout);
                        print_padded(text, widths[c], c + 1 == n);
                        (void)fputs(color[0] ? "\033[0m" : "", stdout);
                }
                (void)putchar('\n');
        }
}

void output_record(const TqTable *t, size_t row, const Column *columns, size_t n) {
        char text[CELL_MAX];
        int width = 0;

        for (size_t c = 0; c < n; c++)
                width = TQ_MAX(width, width_of(columns[c].header));
        for (size_t c = 0; c < n; c++) {
                const TqCell *cell = named_cell(t, row, columns[c].name);

                if (cell->type == TQ_CELL_NULL)
                        continue;
                (void)printf("%*s: %s\n", width, columns[c].header,
                             format_cell(cell, columns[c].format, text));
        }
}

/* The code point of a well-formed character of two or three bytes. */
static unsigned code_point(const char *s) {
        unsigned a = (unsigned char)s[0], b = (unsigned char)s[1] & 0x3F;

        return a < 0xE0 ? (a & 0x1F) << 6 | b
                        : (a & 0x0F) << 12 | b << 6 | ((unsigned char)s[2] & 0x3F);
}

void output_json_string(const char *s) {
        (void)putchar('"');
        while (*s) {
                unsigned char c = (unsigned char)*s;
                ssize_t n = tq_format_printable(s, strnlen(s, 4));
                size_t wide = c < 0x80 ? 1 : c < 0xE0 ? 2 : 3;

                if (c == '"' || c == '\\') {
                        (void)printf("\\%c", c);
                        s++;
                } else if (n > 0) {
                        (void)fwrite(s, 1, (size_t)n, stdout);
                        s += n;
                } else if (tq_parse_is_utf8(s, strnlen(s, wide))) {
                        (void)printf("\\u%04x", wide == 1 ? c : code_point(s));
                        s += wide;
                } else {
                        (void)fputs("\\ufffd", stdout);
                        s++;
                }
        }
        (void)putchar('"');
}

void output_json_rows(const TqTable *t, const char *key) {
        (void)printf("\"%s\":[", key);
        for (size_t row = 0; row < t->n_rows; row++) {
                (void)fputs(row > 0 ? ",\n{" : "\n{", stdout);
                for (size_t c = 0; c < t->n_columns; c++) {
                        const TqCell *cell = tq_table_cell(t, row, c);

                        (void)fputs(c > 0 ? "," : "", stdout);
                        output_json_string(t->columns[c]);
                        (void)putchar(':');
                        if (cell->type == TQ_CELL_INTEGER)
                                (void)printf("%" PRIi64, cell->integer);
                        else if (cell->type == TQ_CELL_TEXT)
                                output_json_string(cell->text);
                        else
                                (void)fputs("null", stdout);
                }
                (void)putchar('}');
        }
        (void)fputs(t->n_rows > 0 ? "\n]" : "]", stdout);
}

void output_json(const TqTable *t, const char *schema, const char *key) {
        (void)printf("{\"schema\":\"%s\",", schema);
        output_json_rows(t, key);
        (void)puts("}");
}
