/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/format.h"
#include "base/parse.h"
#include "ctl/columns.h"
#include "ctl/ctl.h"

/* Records as text, tables as JSON (RFC 8259). What a tenant wrote is escaped in both. */

int output_terminal_width(void) {
        const char *said = getenv("COLUMNS");
        struct winsize size = {};
        uint64_t columns;

        if (!isatty(STDOUT_FILENO))
                return 0;
        if (said && tq_parse_u64_in(said, 1, 10000, &columns) >= 0)
                return (int)columns;
        (void)ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
        return size.ws_col > 0 ? size.ws_col : 80;
}

void output_look(Options *o) {
        const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

        o->width = output_terminal_width();
        o->has_color =
                o->width > 0 && !(no_color && no_color[0]) && !(term && strcmp(term, "dumb") == 0);
}

int output_finish(void) {
        struct pollfd reader = { .fd = STDOUT_FILENO };
        bool failed = ferror(stdout) != 0;

        errno = 0;
        if (fflush(stdout) == 0 && !failed)
                return TQ_EXIT_OK;
        /* Who reads has enough: as head(1) does. Why an earlier write failed is not known any more.
         */
        if (errno == EPIPE || (poll(&reader, 1, 0) > 0 && reader.revents & POLLERR))
                return TQ_EXIT_FAILURE;
        return fail(TQ_EXIT_FAILURE, "can't write to standard output%s%s", errno ? ": " : "",
                    errno ? strerror(errno) : "");
}

/* Who waits for something to write would find out only then. */
static void *await_reader(void *data) {
        struct pollfd reader = { .fd = STDOUT_FILENO };

        while (poll(&reader, 1, -1) <= 0)
                ;
        _exit(TQ_EXIT_FAILURE);
        return data;
}

int output_end_with_reader(void) {
        return thread_start(await_reader, NULL);
}

size_t output_safe(FILE *to, const char *data, size_t size) {
        size_t i = 0;

        while (i < size) {
                ssize_t n = data[i] == '\n' || data[i] == '\t'
                                    ? 1
                                    : tq_format_printable(data + i, size - i);

                if (n == -EAGAIN)
                        break;
                if (n > 0)
                        (void)fwrite(data + i, 1, (size_t)n, to);
                else
                        (void)fprintf(to, "\\x%02x", (unsigned char)data[i]);
                i += n > 0 ? (size_t)n : 1;
        }
        return size - i;
}

static const TqCell *named_cell(const TqTable *t, size_t row, const char *name) {
        static const TqCell none;
        ssize_t i = tq_table_find(t, name);

        return i < 0 ? &none : tq_table_cell(t, row, (size_t)i);
}

void output_record(const TqTable *t, size_t row, const char *const columns[], size_t n) {
        char text[CELL_MAX];
        int width = 0;

        for (size_t i = 0; i < n; i++)
                width = TQ_MAX(width, output_width(columns_get(columns[i]).title));
        for (size_t i = 0; i < n; i++) {
                const TqCell *cell = named_cell(t, row, columns[i]);
                Column column = columns_get(columns[i]);

                if (cell->type != TQ_CELL_NULL)
                        (void)printf("%*s: %s\n", width, column.title,
                                     columns_format(column.format, cell, text));
        }
}

void output_remark(const Options *o, const char *fmt, ...) {
        va_list ap;

        if (o->no_headings)
                return;
        va_start(ap, fmt);
        (void)vprintf(fmt, ap);
        va_end(ap);
        (void)putchar('\n');
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

void output_json_row(const TqTable *t, size_t row) {
        for (size_t c = 0; c < t->n_columns; c++) {
                const TqCell *cell = tq_table_cell(t, row, c);

                (void)putchar(c > 0 ? ',' : '{');
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

void output_json_rows(const TqTable *t, const char *key) {
        (void)printf("\"%s\":[", key);
        for (size_t row = 0; row < t->n_rows; row++) {
                (void)fputs(row > 0 ? ",\n" : "\n", stdout);
                output_json_row(t, row);
        }
        (void)fputs(t->n_rows > 0 ? "\n]" : "]", stdout);
}

void output_json(const TqTable *t, const char *schema, const char *key) {
        (void)printf("{\"schema\":\"%s\",", schema);
        output_json_rows(t, key);
        (void)puts("}");
}
