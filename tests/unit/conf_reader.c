/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf/reader.h"

#include <stdio.h>

#include "base/buffer.h"
#include "unit.h"

/* What the handler is told, one line each: `LINE [section]` or `LINE section|key|value`. */
typedef struct Told {
        TqBuffer text;
        unsigned calls;
        unsigned fail_at; /* the call that returns an error */
} Told;

static int tell(void *userdata, const char *section, const char *key, const char *value,
                unsigned line, TqError *err) {
        Told *t = userdata;

        if (++t->calls == t->fail_at)
                return tq_error_at(err, -EBADMSG, line, key, "enough");
        if (key)
                tq_buffer_printf(&t->text, "%u %s|%s|%s\n", line, section, key, value);
        else {
                ck_assert_ptr_null(value);
                tq_buffer_printf(&t->text, "%u [%s]\n", line, section);
        }
        return 0;
}

/* Parses a copy of exactly that size, so that reading beyond either end is caught. */
static int parse(const char *data, size_t size, TqReaderHandler handler, void *userdata,
                 TqError *err) {
        char *copy = malloc(size > 0 ? size : 1);
        int r;

        unit_must(copy, "out of memory");
        memcpy(copy, data, size);
        r = tq_reader_parse(copy, size, handler, userdata, err);
        free(copy);
        return r;
}

#define T(literal) literal, sizeof(literal) - 1

typedef struct Row {
        const char *data;
        size_t size;
        const char *told; /* what was accepted; of a bad text, what came before */
        unsigned line;    /* of the error, 0: none */
        const char *error;
} Row;

static const Row rows[] = {
        { T(""), "", 0, NULL },
        { T("\n\n  \n\t\n"), "", 0, NULL },
        { T("# comment\n; comment\n  # indented\n\t; too"), "", 0, NULL },
        { T("[Job]"), "1 [Job]\n", 0, NULL },
        { T("[Job]\na=b"), "1 [Job]\n2 Job|a|b\n", 0, NULL },
        { T("[Job]\na=b\n"), "1 [Job]\n2 Job|a|b\n", 0, NULL },
        { T("\n\n[Job]\n\n# x\na=b\n"), "3 [Job]\n6 Job|a|b\n", 0, NULL },
        { T("[ Job ]  \n a\n"), "1 [Job]\n", 2, "indented line" },
        { T("[Job]\na = b \t\n"), "1 [Job]\n2 Job|a|b\n", 0, NULL },
        { T("[Job]\na=\n"), "1 [Job]\n2 Job|a|\n", 0, NULL },
        { T("[Job]\na= \t \n"), "1 [Job]\n2 Job|a|\n", 0, NULL },
        { T("[Job]\na=b=c==d\n"), "1 [Job]\n2 Job|a|b=c==d\n", 0, NULL },
        { T("[Job]\na=b ; c\n"), "1 [Job]\n2 Job|a|b ; c\n", 0, NULL },
        { T("[Job]\na=;b\n"), "1 [Job]\n2 Job|a|;b\n", 0, NULL },
        { T("[Job]\na=b # c\n"), "1 [Job]\n2 Job|a|b # c\n", 0, NULL },
        { T("[Job]\na=#b\n"), "1 [Job]\n2 Job|a|#b\n", 0, NULL },
        { T("[Job]\na=\"b\"\n"), "1 [Job]\n2 Job|a|\"b\"\n", 0, NULL },
        { T("[Job]\na=b\\\nc=d\n"), "1 [Job]\n2 Job|a|b\\\n3 Job|c|d\n", 0, NULL },
        { T("[Job]\na:b=c\n"), "1 [Job]\n2 Job|a:b|c\n", 0, NULL },
        { T("[Job]\na=b:c\n"), "1 [Job]\n2 Job|a|b:c\n", 0, NULL },
        { T("[Job]\na;b=c\n"), "1 [Job]\n2 Job|a;b|c\n", 0, NULL },
        { T("[Job]\na ;b=c\n"), "1 [Job]\n2 Job|a ;b|c\n", 0, NULL },
        { T("[Job]\na b=c\n"), "1 [Job]\n2 Job|a b|c\n", 0, NULL },
        { T("[Job]\na=b\na=c\n[Job]\n"), "1 [Job]\n2 Job|a|b\n3 Job|a|c\n4 [Job]\n", 0, NULL },
        { T("[A]\nx=1\n[B]\nx=2\n[A]\nx=3\n"), "1 [A]\n2 A|x|1\n3 [B]\n4 B|x|2\n5 [A]\n6 A|x|3\n",
          0, NULL },
        { T("[queue etl]\nx=1\n"), "1 [queue etl]\n2 queue etl|x|1\n", 0, NULL },
        { T("[J;o:b]\nx=1\n"), "1 [J;o:b]\n2 J;o:b|x|1\n", 0, NULL },
        { T("[Job]\na=\xE2\x82\xAC\n"), "1 [Job]\n2 Job|a|\xE2\x82\xAC\n", 0, NULL },
        { T("[Job]\na=b\tc\n"), "1 [Job]\n2 Job|a|b\tc\n", 0, NULL },
        { T("[Job]\n]=x\n"), "1 [Job]\n2 Job|]|x\n", 0, NULL },

        { T("a=b\n"), "", 1, "key before the first [section]" },
        { T("# x\n\na=b\n"), "", 3, "key before the first [section]" },
        { T("[Job]\na\n"), "1 [Job]\n", 2, "expected key=value, [section] or a comment" },
        { T("[Job]\na: b\n"), "1 [Job]\n", 2, "expected key=value" },
        { T("[Job]\n=b\n"), "1 [Job]\n", 2, "expected a key of 1 to 96 bytes" },
        { T("[Job]\n \t=b\n"), "1 [Job]\n", 2, "indented line" },
        { T("[Job]\na=b\n c\n"), "1 [Job]\n2 Job|a|b\n", 3, "indented line" },
        { T("[Job]\na=b\n\tc=d\n"), "1 [Job]\n2 Job|a|b\n", 3, "indented line" },
        { T(" [Job]\n"), "", 1, "indented line" },
        { T("[Job\na=b\n"), "", 1, "section without its closing bracket" },
        { T("[Job\n"), "", 1, "section without its closing bracket" },
        { T("[A]\nx=1\n[B\ny=2\n"), "1 [A]\n2 A|x|1\n", 3, "section without its closing bracket" },
        { T("[Job] x\n"), "", 1, "section without its closing bracket" },
        { T("[Job] # x\n"), "", 1, "section without its closing bracket" },
        { T("[]\n"), "", 1, "section without" },
        { T("[ ]\n"), "", 1, "expected [Name]" },
        { T("[[Job]\n"), "", 1, "expected [Name]" },
        { T("[a]b]\n"), "", 1, "expected [Name]" },
        { T("[\n"), "", 1, "section without its closing bracket" },
        { T("["), "", 1, "section without its closing bracket" },
        { T("[Job]\n["), "1 [Job]\n", 2, "section without its closing bracket" },
        { T("]\n"), "", 1, "expected key=value" },
        { T("[Job]\na=b\0c\n"), "1 [Job]\n", 2, "NUL byte" },
        { T("\0"), "", 1, "NUL byte" },
        { T("# \0\n"), "", 1, "NUL byte" },
        { T("[Job]\na=b\n\0"), "1 [Job]\n2 Job|a|b\n", 3, "NUL byte" },
        { T("[Job]\r\na=b\r\n"), "", 1, "carriage return" },
        { T("[Job]\na=b\rc=d\n"), "1 [Job]\n", 2, "carriage return" },
        { T("[Job]\na=b\r"), "1 [Job]\n", 2, "carriage return" },
        { T("[Job]\na=\x01\n"), "1 [Job]\n", 2, "control character" },
        { T("[Job]\na=\x02\n"), "1 [Job]\n", 2, "control character" },
        { T("[Job]\na\x03=b\n"), "1 [Job]\n", 2, "control character" },
        { T("[Job]\na=\x1B[31m\n"), "1 [Job]\n", 2, "control character" },
        { T("[Job]\na=\x7F\n"), "1 [Job]\n", 2, "control character" },
        { T("[Job]\na=\x0B\n"), "1 [Job]\n", 2, "control character" },
        { T("[Job]\na=\x0C\n"), "1 [Job]\n", 2, "control character" },
        { T("\xEF\xBB\xBF[Job]\na=b\n"), "", 1, "byte order mark" },
        { T("[Job]\n\xEF\xBB\xBF"
            "a=b\n"),
          "1 [Job]\n", 2, "byte order mark" },
        { T("[Job]\na=b\xEF\xBB\xBF\n"), "1 [Job]\n", 2, "byte order mark" },
        { T("\xFF\xFE[\0J\0]\0"), "", 1, "NUL byte" },
        { T("[Job]\na=\xC0\xAF\n"), "1 [Job]\n", 2, "not valid UTF-8" },
        { T("[Job]\na=\xC0\x80\n"), "1 [Job]\n", 2, "not valid UTF-8" },
        { T("[Job]\na=\xE0\x80\xAF\n"), "1 [Job]\n", 2, "not valid UTF-8" },
        { T("[Job]\na=\xED\xA0\x80\n"), "1 [Job]\n", 2, "not valid UTF-8" },
        { T("[Job]\na=\xFF\n"), "1 [Job]\n", 2, "not valid UTF-8" },
        { T("[Job]\na=b\xE2\x82\nc=d\n"), "1 [Job]\n", 2, "not valid UTF-8" },
        { T("# caf\xE9\n"), "", 1, "not valid UTF-8" },
};

static void check_row(const Row *row, int r, Told *told, const TqError *err) {
        const char *text = tq_buffer_string(&told->text);

        ck_assert_str_eq(text, row->told);
        if (!row->error) {
                ck_assert_msg(r == 0, "line %u: %s", err->line, err->text);
                ck_assert_str_eq(err->text, "");
                return;
        }
        ck_assert_msg(r == -EBADMSG, "returned %d", r);
        ck_assert_uint_eq(err->line, row->line);
        ck_assert_msg(strstr(err->text, row->error) != NULL, "says: %s", err->text);
}

START_TEST(texts) {
        TqError err = {};
        Told told = {};
        int r = parse(rows[_i].data, rows[_i].size, tell, &told, &err);

        check_row(&rows[_i], r, &told, &err);
        tq_buffer_done(&told.text);
}
END_TEST

/* libinih 55 with its 200-byte lines read the rest of a long line as a line of its own. */
START_TEST(long_line_is_one_line) {
        TQ_BUFFER_CLEANUP TqBuffer text = {}, want = {};
        TqError err = {};
        Told told = {};

        tq_buffer_append_string(&text, "[Job]\nDescription=");
        tq_buffer_append_string(&want, "1 [Job]\n2 Job|Description|");
        for (int i = 0; i < 190; i++) {
                tq_buffer_append_string(&text, "x");
                tq_buffer_append_string(&want, "x");
        }
        tq_buffer_append_string(&text, "User=root\nName=y\n");
        tq_buffer_append_string(&want, "User=root\n3 Job|Name|y\n");
        ck_assert_int_eq(parse(text.data, text.size, tell, &told, &err), 0);
        ck_assert_str_eq(tq_buffer_string(&told.text), tq_buffer_string(&want));
        tq_buffer_done(&told.text);
}
END_TEST

/* Every length around libinih's buffer, around the chunks of a value and far beyond. */
static const size_t line_sizes[] = { 2,   3,   62,  63,   64,   65,   66,   67,    127,   128,  129,
                                     130, 131, 197, 198,  199,  200,  201,  202,   399,   400,  401,
                                     600, 601, 999, 1000, 1001, 4096, 8194, 32768, 65536, 65537 };

typedef struct Line {
        const char *value;
        size_t size;
        unsigned calls;
} Line;

static int check_line(void *userdata, const char *section, const char *key, const char *value,
                      unsigned line, TqError *err) {
        Line *want = userdata;

        (void)err;
        want->calls++;
        unit_must(strcmp(section, "S") == 0, "%s", section);
        if (!key)
                return 0;
        if (want->calls == 2) {
                unit_must(line == 2 && strcmp(key, "k") == 0, "line %u: %s", line, key);
                unit_must(strlen(value) == want->size &&
                                  memcmp(value, want->value, want->size) == 0,
                          "%zu: %s", want->size, value);
        } else {
                unit_must(line == 3 && strcmp(key, "next") == 0 && strcmp(value, "1") == 0,
                          "line %u: %s=%s", line, key, value);
        }
        return 0;
}

/* content: 0: plain; 1: what means something to libinih; 2: three-byte characters; 3: blanks. */
static void check_length(size_t size, int content) {
        static const char *const contents[] = { "abcdefgh", " ;x:#= [y]\\\"", "\xE2\x82\xAC",
                                                "a \t b" };
        const char *pattern = contents[content];
        TQ_BUFFER_CLEANUP TqBuffer text = {};
        size_t value_size = size - 2;
        TqError err = {};
        Line want;

        tq_buffer_append_string(&text, "[S]\nk=");
        for (size_t i = 0; i < value_size; i++)
                tq_buffer_append(&text, &pattern[i % strlen(pattern)], 1);
        /* Blanks at the ends belong to the line, not to the value; a character must be whole. */
        if (value_size > 0) {
                text.data[6] = 'a';
                text.data[6 + value_size - 1] = 'z';
        }
        if (content == 2) {
                memset(text.data + 6, 'a', value_size);
                for (size_t i = 1; i + 4 <= value_size; i += 3)
                        memcpy(text.data + 6 + i, pattern, 3);
        }
        tq_buffer_append_string(&text, "\nnext=1\n");
        want = (Line){ .value = text.data + 6, .size = value_size };
        ck_assert_msg(parse(text.data, text.size, check_line, &want, &err) == 0, "%zu: line %u: %s",
                      size, err.line, err.text);
        ck_assert_uint_eq(want.calls, 3);
}

START_TEST(lengths) {
        for (int content = 0; content < 4; content++)
                check_length(line_sizes[_i], content);
}
END_TEST

START_TEST(every_length) {
        for (size_t size = 2; size < 700; size++)
                check_length(size, (int)(size % 4));
}
END_TEST

/* 8 KB of every byte that may stand in a value. */
START_TEST(value_is_byte_exact) {
        TQ_BUFFER_CLEANUP TqBuffer text = {};
        uint64_t state = 99;
        TqError err = {};
        Line want;

        tq_buffer_append_string(&text, "[S]\nk=<");
        while (text.size < 8192) {
                char c = (char)(0x20 + unit_random(&state) % (0x7F - 0x20));

                tq_buffer_append(&text, unit_random(&state) % 16 ? &c : "\t", 1);
        }
        tq_buffer_append_string(&text, ">\nnext=1\n");
        want = (Line){ .value = text.data + 6, .size = text.size - 6 - strlen("\nnext=1\n") };
        ck_assert_msg(parse(text.data, text.size, check_line, &want, &err) == 0, "line %u: %s",
                      err.line, err.text);
        ck_assert_uint_eq(want.calls, 3);
}
END_TEST

static int count_key(void *userdata, const char *section, const char *key, const char *value,
                     unsigned line, TqError *err) {
        unsigned *n = userdata;
        char want[32];

        (void)section;
        (void)err;
        if (!key)
                return 0;
        (void)snprintf(want, sizeof(want), "key%u", *n);
        unit_must(line == *n + 2 && strcmp(key, want) == 0 && strcmp(value, want + 3) == 0,
                  "line %u", line);
        (*n)++;
        return 0;
}

START_TEST(many_keys) {
        TQ_BUFFER_CLEANUP TqBuffer text = {};
        TqError err = {};
        unsigned n = 0;

        tq_buffer_append_string(&text, "[S]\n");
        for (unsigned i = 0; i < 100000; i++)
                tq_buffer_printf(&text, "key%u=%u\n", i, i);
        ck_assert_int_eq(parse(text.data, text.size, count_key, &n, &err), 0);
        ck_assert_uint_eq(n, 100000);
}
END_TEST

static int check_name(void *userdata, const char *section, const char *key, const char *value,
                      unsigned line, TqError *err) {
        const char *const *want = userdata;

        (void)line;
        (void)err;
        if (want[0])
                ck_assert_str_eq(section, want[0]);
        if (key) {
                ck_assert_str_eq(key, want[1]);
                ck_assert_uint_eq(strlen(value), 300);
        }
        return 0;
}

/* Names are compared whole, not cut; with a value of several chunks. */
START_TEST(name_lengths) {
        for (size_t n = 1; n <= 100; n++) {
                TQ_BUFFER_CLEANUP TqBuffer text = {};
                char name[128] = "", value[301] = "";
                const char *want[2] = { NULL, name };
                TqError err = {};
                int r;

                memset(name, 'k', n);
                name[n - 1] = 'z';
                memset(value, 'v', 300);
                tq_buffer_printf(&text, "[S]\n%s=%s\n", name, value);
                r = parse(text.data, text.size, check_name, want, &err);
                ck_assert_int_eq(r, n <= TQ_READER_KEY_MAX ? 0 : -EBADMSG);
                if (r < 0) {
                        ck_assert_uint_eq(err.line, 2);
                        ck_assert_str_eq(err.text, "expected a key of 1 to 96 bytes before the =");
                }
                tq_buffer_reset(&text);
                err = (TqError){};
                want[0] = name;
                want[1] = "k";
                tq_buffer_printf(&text, "[%s]\nk=%s\n", name, value);
                r = parse(text.data, text.size, check_name, want, &err);
                ck_assert_int_eq(r, n <= TQ_READER_SECTION_MAX ? 0 : -EBADMSG);
                if (r < 0) {
                        ck_assert_uint_eq(err.line, 1);
                        ck_assert_str_eq(err.text, "expected [Name] of at most 80 bytes");
                }
        }
}
END_TEST

START_TEST(handler_ends_it) {
        static const char text[] = "[A]\nx=1\ny=2\n[B]\nz=3\n";

        for (unsigned at = 1; at <= 5; at++) {
                Told told = { .fail_at = at };
                TqError err = {};

                ck_assert_int_eq(parse(text, sizeof(text) - 1, tell, &told, &err), -EBADMSG);
                ck_assert_uint_eq(told.calls, at);
                ck_assert_str_eq(err.text, "enough");
                ck_assert_uint_eq(err.line, at);
                tq_buffer_done(&told.text);
        }
}
END_TEST

/* Any bytes: one result, and no handler call with something that is not in the text. */
START_TEST(any_bytes) {
        static const char alphabet[] = "[]=;:# \t\n\r\0x\xC3\xA9\x01";
        uint64_t state = 4711;

        for (int round = 0; round < 20000; round++) {
                char text[64];
                size_t n = unit_random(&state) % sizeof(text);
                TqError err = {};
                Told told = {};
                int r;

                for (size_t i = 0; i < n; i++)
                        text[i] = alphabet[unit_random(&state) % (sizeof(alphabet) - 1)];
                r = parse(text, n, tell, &told, &err);
                unit_must(r == 0 || r == -EBADMSG, "%d", r);
                unit_must((r == 0) == (err.text[0] == '\0'), "%s", err.text);
                unit_must((r == 0) == (err.line == 0), "%u", err.line);
                tq_buffer_done(&told.text);
        }
}
END_TEST

static void fill(Suite *s) {
        TCase *tcase = unit_case(s, "reader");

        unit_add_rows(tcase, texts, rows);
        tcase_add_test(tcase, long_line_is_one_line);
        unit_add_rows(tcase, lengths, line_sizes);
        tcase_add_test(tcase, every_length);
        tcase_add_test(tcase, value_is_byte_exact);
        tcase_add_test(tcase, many_keys);
        tcase_add_test(tcase, name_lengths);
        tcase_add_test(tcase, handler_ends_it);
        tcase_add_test(tcase, any_bytes);
}

int main(void) {
        return unit_main("conf/reader", fill);
}
