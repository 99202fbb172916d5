/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/jobtext.h"

#include <string.h>

#include "base/format.h"
#include "base/parse.h"
#include "ctl/ctl.h"

/* A byte order mark, which a job file may not have anywhere. */
static bool is_mark(const char *s) {
        return strncmp(s, "\xEF\xBB\xBF", 3) == 0;
}

void jobtext_append_quoted(TqBuffer *b, const char *word) {
        bool is_utf8 = tq_parse_is_utf8(word, strlen(word));

        tq_buffer_append_string(b, "\"");
        for (; *word; word++) {
                unsigned char c = (unsigned char)*word;

                if (c == '"' || c == '\\')
                        tq_buffer_printf(b, "\\%c", c);
                else if (c == '\n')
                        tq_buffer_append_string(b, "\\n");
                else if (c < 0x20 || c == 0x7F || (c >= 0x80 && !is_utf8))
                        tq_buffer_printf(b, "\\x%02x", c);
                else if (is_mark(word)) {
                        tq_buffer_append_string(b, "\\xef\\xbb\\xbf");
                        word += 2;
                } else
                        tq_buffer_append(b, word, 1);
        }
        tq_buffer_append_string(b, "\"");
}

bool jobtext_is_plain(const char *value) {
        size_t n = strlen(value);

        for (size_t i = 0; i < n; i++)
                if ((unsigned char)value[i] < 0x20 || value[i] == 0x7F || is_mark(value + i))
                        return false;
        return n > 0 && tq_parse_is_utf8(value, n) && value[0] != ' ' && value[n - 1] != ' ';
}

int jobtext_check_plain(const char *what, const char *value) {
        char shown[512];

        return jobtext_is_plain(value)
                       ? 0
                       : fail(TQ_EXIT_INVALID,
                              "%s \"%s\" can't stand in a job file: expected text without control "
                              "characters, in UTF-8, that does not begin or end with a blank",
                              what, tq_format_utf8(value, shown, sizeof(shown)));
}

/* A job file has no place for a text but its arguments: a shell puts it where it is wanted, and
 * becomes the command. */
static void append_shell(TqBuffer *b, const char *script, const char *text) {
        tq_buffer_append_string(b, "/bin/sh -c ");
        jobtext_append_quoted(b, script);
        tq_buffer_append_string(b, " sh ");
        jobtext_append_quoted(b, text);
        tq_buffer_append_string(b, " ");
}

void jobtext_append_input(TqBuffer *b, const char *text) {
        append_shell(b,
                     "printf %s \"$1\" >/tmp/.stdin && exec </tmp/.stdin && shift && exec \"$@\"",
                     text);
}

void jobtext_append_file(TqBuffer *b, const char *text, const char *path) {
        append_shell(b, "printf %s \"$1\" >\"$2\" && shift 2 && exec \"$@\"", text);
        jobtext_append_quoted(b, path);
        tq_buffer_append_string(b, " ");
}
