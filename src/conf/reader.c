/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf/reader.h"

#include <ini.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/parse.h"

/* A guard in front of libinih.
 *
 * Debian's libinih reads lines of 200 bytes: the rest of a longer one becomes a line of its own, so
 * a long Description= could set User=. It cuts values at " ;", takes an indented line for another
 * value of the key before, accepts "key: value", drops what follows a NUL, goes on after a section
 * head without its bracket, and tells no line numbers.
 *
 * So the text is checked line by line here, and what libinih is given is rewritten such that none
 * of this can happen: a value travels in chunks of at most CHUNK bytes, each between two MARK
 * bytes, the second and later ones as the continuation lines that libinih knows; ';' and ':' travel
 * as stand-ins. MARK and the stand-ins are control bytes, which no accepted text contains, so the
 * rewriting can be undone exactly. libinih splits sections, keys and values; deliver() joins the
 * chunks again. */

#define MARK      '\x01'
#define SEMICOLON '\x02'
#define COLON     '\x03'
#define CHUNK     64

typedef struct Reader {
        const char *at, *end; /* what is left of the text */
        unsigned line;
        const char *chunk; /* what is left of the value under way, or NULL */
        size_t chunk_left;
        bool value_ended;
        char section[TQ_READER_SECTION_MAX + 1];
        char key[TQ_READER_KEY_MAX + 1];
        TqBuffer value;
        TqReaderHandler handler;
        void *userdata;
        TqError *err;
        int error;
} Reader;

typedef struct Text {
        const char *s;
        size_t n;
} Text;

static Text trim(Text t) {
        while (t.n > 0 && (t.s[0] == ' ' || t.s[0] == '\t')) {
                t.s++;
                t.n--;
        }
        while (t.n > 0 && (t.s[t.n - 1] == ' ' || t.s[t.n - 1] == '\t'))
                t.n--;
        return t;
}

static int fail(Reader *r, const char *what) {
        r->error = tq_error_at(r->err, -EBADMSG, r->line, NULL, "%s", what);
        return r->error;
}

static int check_bytes(Reader *r, Text line) {
        for (size_t i = 0; i < line.n; i++) {
                unsigned char c = (unsigned char)line.s[i];

                if (c == '\r')
                        return fail(r,
                                    "carriage return: expected lines that end in a newline only");
                if ((c < 0x20 && c != '\t') || c == 0x7F)
                        return fail(r, c == '\0' ? "NUL byte" : "control character");
        }
        if (memmem(line.s, line.n, "\xEF\xBB\xBF", 3))
                return fail(r, "byte order mark: expected plain UTF-8");
        if (!tq_parse_is_utf8(line.s, line.n))
                return fail(r, "not valid UTF-8");
        return 0;
}

/* Copies with the stand-ins for the characters that mean something to libinih. */
static char *protect(char *out, Text t) {
        for (size_t i = 0; i < t.n; i++)
                *out++ = t.s[i] == ';' ? SEMICOLON : t.s[i] == ':' ? COLON : t.s[i];
        return out;
}

static void unprotect(char *s, size_t n) {
        for (size_t i = 0; i < n; i++)
                s[i] = s[i] == SEMICOLON ? ';' : s[i] == COLON ? ':' : s[i];
}

static char *emit_chunk(Reader *r, char *out) {
        size_t n = TQ_MIN(r->chunk_left, (size_t)CHUNK);

        /* Not within a UTF-8 sequence: libinih doesn't care, but its reader may become stricter. */
        while (n < r->chunk_left && n > 0 && ((unsigned char)r->chunk[n] & 0xC0) == 0x80)
                n--;
        *out++ = MARK;
        out = protect(out, (Text){ r->chunk, n });
        *out++ = MARK;
        r->chunk += n;
        r->chunk_left -= n;
        if (r->chunk_left == 0) {
                r->chunk = NULL;
                r->value_ended = true;
        }
        return out;
}

static int emit_section(Reader *r, Text line, char *out) {
        Text name;

        if (line.n < 3 || line.s[line.n - 1] != ']')
                return fail(r, "section without its closing bracket: expected [Name]");
        name = trim((Text){ line.s + 1, line.n - 2 });
        if (name.n == 0 || name.n > TQ_READER_SECTION_MAX || memchr(name.s, ']', name.n) ||
            memchr(name.s, '[', name.n))
                return fail(r, "expected [Name] of at most 80 bytes");
        memcpy(r->section, name.s, name.n);
        r->section[name.n] = '\0';
        /* libinih keeps 49 bytes of it and the handler gets ours, so it needs no more than one. */
        memcpy(out, "[s]\n", sizeof("[s]\n"));
        r->error = r->handler(r->userdata, r->section, NULL, NULL, r->line, r->err);
        return r->error < 0 ? r->error : 1;
}

static int emit_key(Reader *r, Text line, char *out) {
        const char *equals = memchr(line.s, '=', line.n);
        Text key, value;

        if (!equals)
                return fail(r, "expected key=value, [section] or a comment");
        key = trim((Text){ line.s, (size_t)(equals - line.s) });
        value = trim((Text){ equals + 1, line.n - (size_t)(equals - line.s) - 1 });
        if (key.n == 0 || key.n > TQ_READER_KEY_MAX)
                return fail(r, "expected a key of 1 to 96 bytes before the =");
        if (r->section[0] == '\0')
                return fail(r, "key before the first [section]");
        r->chunk = value.s;
        r->chunk_left = value.n;
        r->value_ended = false;
        out = protect(out, key);
        *out++ = '=';
        out = emit_chunk(r, out);
        memcpy(out, "\n", sizeof("\n"));
        return 1;
}

/* Takes one line of the text. 1: wrote a line into out; 0: nothing to say (blank, comment). */
static int take_line(Reader *r, char *out) {
        const char *newline = memchr(r->at, '\n', (size_t)(r->end - r->at));
        Text line = { r->at, (size_t)((newline ? newline : r->end) - r->at) };
        Text bare;

        r->line++;
        r->at = newline ? newline + 1 : r->end;
        if (check_bytes(r, line) < 0)
                return r->error;
        bare = trim(line);
        if (bare.n == 0 || bare.s[0] == '#' || bare.s[0] == ';')
                return 0;
        if (bare.s != line.s)
                return fail(r, "indented line: a value can't be continued on the next line");
        return bare.s[0] == '[' ? emit_section(r, bare, out) : emit_key(r, bare, out);
}

/* libinih's reader: like fgets(3). size is 200 in Debian's build. */
static char *next_line(char *out, int size, void *userdata) {
        Reader *r = userdata;

        if (size < TQ_READER_KEY_MAX + CHUNK + 8) {
                r->error = tq_error(r->err, -ENOTSUP, "libinih was built with lines of %d bytes",
                                    size);
                return NULL;
        }
        if (r->error < 0)
                return NULL;
        if (r->chunk) {
                char *p = out;

                *p++ = ' ';
                memcpy(emit_chunk(r, p), "\n", sizeof("\n"));
                return out;
        }
        while (r->at < r->end) {
                int n = take_line(r, out);

                if (n < 0)
                        return NULL;
                if (n > 0)
                        return out;
        }
        return NULL;
}

/* libinih's handler: called once a chunk, before next_line() is called again. */
static int deliver(void *userdata, const char *section, const char *name, const char *value) {
        Reader *r = userdata;
        size_t n = strlen(value);

        (void)section;
        if (r->error < 0)
                return 0;
        if (n < 2 || value[0] != MARK || value[n - 1] != MARK || strlen(name) > TQ_READER_KEY_MAX) {
                r->error = tq_error_at(r->err, -EBADMSG, r->line, NULL, "line could not be read");
                return 0;
        }
        if (r->value.size == 0 && r->key[0] == '\0') {
                (void)snprintf(r->key, sizeof(r->key), "%s", name);
                unprotect(r->key, strlen(r->key));
        }
        tq_buffer_append(&r->value, value + 1, n - 2);
        if (!r->value_ended)
                return 1;
        unprotect(r->value.data, r->value.size);
        if (!tq_buffer_string(&r->value))
                r->error = -ENOMEM;
        else
                r->error =
                        r->handler(r->userdata, r->section, r->key, r->value.data, r->line, r->err);
        tq_buffer_reset(&r->value);
        r->key[0] = '\0';
        return r->error >= 0;
}

int tq_reader_parse(const char *data, size_t size, TqReaderHandler handler, void *userdata,
                    TqError *err) {
        Reader r = {
                .at = data,
                .end = data + size,
                .handler = handler,
                .userdata = userdata,
                .err = err,
        };
        int bad_line;

        bad_line = ini_parse_stream(next_line, &r, deliver, &r);
        tq_buffer_done(&r.value);
        if (r.error < 0)
                return r.error;
        if (bad_line != 0)
                return tq_error_at(err, -EBADMSG, r.line, NULL, "line could not be read");
        return 0;
}
