/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/parse.h"

#include "unit.h"

/* Texts: yes or no, UTF-8, the words of a command line, and the known word that was meant. */

static const struct {
        const char *text;
        int r;
        bool value;
} bool_rows[] = {
        { "1", 0, true },          { "yes", 0, true },       { "y", 0, true },
        { "true", 0, true },       { "t", 0, true },         { "on", 0, true },
        { "YES", 0, true },        { "On", 0, true },        { "0", 0, false },
        { "no", 0, false },        { "n", 0, false },        { "false", 0, false },
        { "f", 0, false },         { "off", 0, false },      { "FALSE", 0, false },
        { "", -EINVAL, false },    { "2", -EINVAL, false },  { "yes ", -EINVAL, false },
        { " no", -EINVAL, false }, { "00", -EINVAL, false }, { "yess", -EINVAL, false },
        { "-1", -EINVAL, false },
};

START_TEST(boolean) {
        bool v = !bool_rows[_i].value;

        ck_assert_int_eq(tq_parse_bool(bool_rows[_i].text, &v), bool_rows[_i].r);
        ck_assert_int_eq(v, bool_rows[_i].r < 0 ? !bool_rows[_i].value : bool_rows[_i].value);
}
END_TEST

static const struct {
        const char *bytes;
        size_t n;
        bool ok;
} utf8_rows[] = {
        { "", 0, true },
        { "plain", 5, true },
        { "a\0b", 3, true },
        { "\x7F", 1, true },
        { "\x80", 1, false },
        { "\xBF", 1, false },
        { "\xC0\x80", 2, false }, /* overlong NUL */
        { "\xC1\xBF", 2, false },
        { "\xC2\x80", 2, true },
        { "\xDF\xBF", 2, true },
        { "\xC2", 1, false },
        { "\xC2\x41", 2, false },
        { "\xC2\xC2", 2, false },
        { "\xE0\x9F\xBF", 3, false }, /* overlong */
        { "\xE0\xA0\x80", 3, true },
        { "\xE2\x82\xAC", 3, true },
        { "\xE2\x82", 2, false },
        { "\xE2\x82\xAC", 2, false },
        { "\xED\x9F\xBF", 3, true },
        { "\xED\xA0\x80", 3, false }, /* surrogate */
        { "\xED\xBF\xBF", 3, false },
        { "\xEE\x80\x80", 3, true },
        { "\xF0\x8F\xBF\xBF", 4, false }, /* overlong */
        { "\xF0\x90\x80\x80", 4, true },
        { "\xF4\x8F\xBF\xBF", 4, true },
        { "\xF4\x90\x80\x80", 4, false }, /* above U+10FFFF */
        { "\xF5\x80\x80\x80", 4, false },
        { "\xF8\x88\x80\x80\x80", 5, false },
        { "\xFE", 1, false },
        { "\xFF", 1, false },
        { "\xF0\x90\x80", 3, false },
        { "ok\xE2\x82\xAC"
          "and ",
          9, true },
        { "ok\xE2\x82\xAC"
          "and \xC3(",
          11, false },
};

START_TEST(utf8) {
        ck_assert_int_eq(tq_parse_is_utf8(utf8_rows[_i].bytes, utf8_rows[_i].n), utf8_rows[_i].ok);
}
END_TEST

/* The words are joined by '|' to be compared. */
static const struct {
        const char *text;
        int r;
        const char *words;
        size_t n;
} words_rows[] = {
        { "", 0, "", 0 },
        { "   \t ", 0, "", 0 },
        { "/bin/true", 0, "/bin/true", 1 },
        { "  a  b\tc  ", 0, "a|b|c", 3 },
        { "a \"b c\" d", 0, "a|b c|d", 3 },
        { "a 'b c' d", 0, "a|b c|d", 3 },
        { "a\"b c\"d", 0, "ab cd", 1 },
        { "\"\"", 0, "", 1 },
        { "'' ''", 0, "|", 2 },
        { "\"it's\"", 0, "it's", 1 },
        { "'say \"x\"'", 0, "say \"x\"", 1 },
        { "a\\nb \\t \\r \\\\ \\\" \\'", 0, "a\nb|\t|\r|\\|\"|'", 6 },
        { "a\\sb", 0, "a b", 1 },
        { "'a\\sb'", 0, "a b", 1 },
        { "\\x41\\x7e", 0, "A~", 1 },
        { "\\101\\176", 0, "A~", 1 },
        { "\\xff", 0, "\xFF", 1 },
        { "\\377", 0, "\xFF", 1 },
        { "$HOME %n *", 0, "$HOME|%n|*", 3 },
        { "sh -c \"a ; b\"", 0, "sh|-c|a ; b", 3 },
        { "--day \"2026-11-20\"", 0, "--day|2026-11-20", 2 },
        { "\"open", -EINVAL, NULL, 0 },
        { "'open", -EINVAL, NULL, 0 },
        { "a \"b' c", -EINVAL, NULL, 0 },
        { "a\\", -EINVAL, NULL, 0 },
        { "\"a\\\"", -EINVAL, NULL, 0 },
        { "\\q", -EINVAL, NULL, 0 },
        { "\\$", -EINVAL, NULL, 0 },
        { "\\x4", -EINVAL, NULL, 0 },
        { "\\x4g", -EINVAL, NULL, 0 },
        { "\\x00", -EINVAL, NULL, 0 },
        { "\\000", -EINVAL, NULL, 0 },
        { "\\400", -EINVAL, NULL, 0 },
        { "\\08x", -EINVAL, NULL, 0 },
        { "\\12", -EINVAL, NULL, 0 },
        { "a b c d e f g", -ERANGE, NULL, 0 },
        { "a b c d e f", 0, "a|b|c|d|e|f", 6 },
};

START_TEST(words) {
        char **list = (char **)(uintptr_t)1;
        char joined[256] = "";
        size_t n = 99;
        int r = tq_parse_words(words_rows[_i].text, 6, &list, &n);

        ck_assert_int_eq(r, words_rows[_i].r);
        if (r < 0) {
                ck_assert_ptr_eq(list, (char **)(uintptr_t)1);
                ck_assert_uint_eq(n, 99);
                return;
        }
        ck_assert_uint_eq(n, words_rows[_i].n);
        ck_assert_ptr_null(list[n]);
        for (size_t i = 0; i < n; i++) {
                if (i > 0)
                        (void)strcat(joined, "|");
                (void)strcat(joined, list[i]);
        }
        ck_assert_str_eq(joined, words_rows[_i].words);
        free((void *)list);
}
END_TEST

/* As many words as a text can hold: the array must be large enough. */
START_TEST(words_many) {
        char text[4096];
        char **list;
        size_t n;

        for (size_t i = 0; i < sizeof(text); i++)
                text[i] = i % 2 ? ' ' : 'x';
        text[sizeof(text) - 1] = '\0';
        ck_assert_int_eq(tq_parse_words(text, SIZE_MAX, &list, &n), 0);
        ck_assert_uint_eq(n, sizeof(text) / 2);
        for (size_t i = 0; i < n; i++)
                ck_assert_str_eq(list[i], "x");
        ck_assert_ptr_null(list[n]);
        free((void *)list);
        ck_assert_int_eq(tq_parse_words(text, sizeof(text) / 2 - 1, &list, &n), -ERANGE);
        ck_assert_int_eq(tq_parse_words("a", 0, &list, &n), -ERANGE);
}
END_TEST

static const char *const known[] = { "ExecStart", "Environment", "Queue", "Name",
                                     "Priority",  "MemoryMax",   "cpu" };

static const struct {
        const char *text, *nearest;
} nearest_rows[] = {
        { "ExecStart", "ExecStart" },
        { "execstart", "ExecStart" },
        { "ExeStart", "ExecStart" },
        { "ExecStrat", "ExecStart" },
        { "Environmnet", "Environment" },
        { "Enviroment", "Environment" },
        { "Que", NULL }, /* 2 edits of 1 + 3/4 */
        { "Quee", "Queue" },
        { "Prio", NULL },
        { "gpu", "cpu" },
        { "MemryMax", "MemoryMax" },
        { "", NULL },
        { "z", NULL },
        { "SomethingElse", NULL },
        { "Exxxxtart", "ExecStart" }, /* 3 edits of 1 + 9/4 */
        { "Exxxxxart", NULL },
};

START_TEST(nearest) {
        const char *want = nearest_rows[_i].nearest;
        const char *got = tq_parse_nearest(nearest_rows[_i].text, known, TQ_ELEMENTSOF(known));

        if (want) {
                ck_assert_msg(got != NULL, "\"%s\": nothing", nearest_rows[_i].text);
                ck_assert_str_eq(got, want);
        } else
                ck_assert_msg(got == NULL, "\"%s\": %s", nearest_rows[_i].text, got);
}
END_TEST

/* The bound: at most 1 + length/4 edits. */
START_TEST(nearest_bound) {
        static const char *const word[] = { "abcdefgh" };
        char text[64];

        ck_assert_str_eq(tq_parse_nearest("abcdeXXX", word, 1), "abcdefgh"); /* 3 of 1 + 8/4 */
        ck_assert_ptr_null(tq_parse_nearest("abcdXXXX", word, 1));           /* 4 */
        ck_assert_ptr_null(tq_parse_nearest("x", NULL, 0));
        memset(text, 'a', sizeof(text));
        text[49] = '\0';
        ck_assert_ptr_null(tq_parse_nearest(text, word, 1));
        text[48] = '\0';
        ck_assert_ptr_null(tq_parse_nearest(text, word, 1));
}
END_TEST

static void fill(Suite *s) {
        TCase *texts = unit_case(s, "texts");

        unit_add_rows(texts, boolean, bool_rows);
        unit_add_rows(texts, utf8, utf8_rows);
        unit_add_rows(texts, words, words_rows);
        tcase_add_test(texts, words_many);
        unit_add_rows(texts, nearest, nearest_rows);
        tcase_add_test(texts, nearest_bound);
}

int main(void) {
        return unit_main("base/parse texts", fill);
}
