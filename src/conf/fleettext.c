/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "conf/fleetfile.h"

/* Edits of the text, by its lines: what is not asked for stays as somebody wrote it. */

typedef struct Line {
        const char *text;
        size_t n; /* without its end */
} Line;

static bool next_line(const char **at, Line *ret) {
        if (**at == '\0')
                return false;
        *ret = (Line){ .text = *at, .n = strcspn(*at, "\n") };
        *at += ret->n + ((*at)[ret->n] == '\n');
        return true;
}

static void append_line(TqBuffer *out, const Line *l) {
        tq_buffer_append(out, l->text, l->n);
        tq_buffer_append_string(out, "\n");
}

static bool is_header(const Line *l) {
        return l->text[strspn(l->text, " \t")] == '[';
}

/* Whether it is [KIND NAME]. */
static bool opens(const Line *l, const char *kind, const char *name) {
        const char *at = l->text + strspn(l->text, " \t"), *end = l->text + l->n;
        const char *words[] = { kind, name };

        if (at++ == end || !is_header(l))
                return false;
        for (size_t i = 0; i < 2; i++) {
                size_t size = strlen(words[i]);

                at += strspn(at, " \t");
                if ((size_t)(end - at) < size || memcmp(at, words[i], size) != 0)
                        return false;
                at += size;
        }
        at += strspn(at, " \t");
        return at < end && *at == ']';
}

int tq_fleetfile_turn(const char *text, const char *flag, bool on, TqBuffer *out) {
        bool is_there = false, is_in = false;
        Line l;

        while (next_line(&text, &l)) {
                const char *key = l.text + strspn(l.text, " \t");

                if (is_header(&l))
                        is_in = opens(&l, "flag", flag);
                else if (is_in && strncmp(key, "on", 2) == 0 &&
                         key[2 + strspn(key + 2, " \t")] == '=')
                        continue;
                append_line(out, &l);
                if (is_header(&l) && is_in) {
                        is_there = true;
                        tq_buffer_printf(out, "on=%s\n", on ? "yes" : "no");
                }
        }
        return is_there ? tq_buffer_error(out) : -ENOENT;
}

/* A tenant's section and those of its queues, which are behind it. */
static bool is_in_block(const Line *l, const char *tenant, bool was_in) {
        const char *at = l->text + strspn(l->text, " \t");

        if (!is_header(l))
                return was_in;
        at += 1 + strspn(at + 1, " \t");
        return opens(l, "tenant", tenant) || (was_in && strncmp(at, "queue", 5) == 0);
}

static bool append_block(TqBuffer *out, const char *text, const char *tenant) {
        bool is_in = false, any = false;
        Line l;

        while (next_line(&text, &l)) {
                is_in = is_in_block(&l, tenant, is_in);
                if (is_in)
                        append_line(out, &l);
                any = any || is_in;
        }
        return any;
}

int tq_fleetfile_splice(const char *text, const char *other, const char *tenant, TqBuffer *out) {
        bool was_in, is_in = false, is_put = false;
        Line l;

        while (next_line(&text, &l)) {
                was_in = is_in;
                is_in = is_in_block(&l, tenant, is_in);
                if (!is_in)
                        append_line(out, &l);
                else if (!was_in) {
                        is_put = true;
                        if (!append_block(out, other, tenant))
                                return -ENOENT;
                }
        }
        if (!is_put && !append_block(out, other, tenant))
                return -ENOENT;
        return tq_buffer_error(out);
}
