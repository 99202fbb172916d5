/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/format.h"

#include "base/parse.h"
#include "unit.h"

typedef struct Row {
        uint64_t value, base; /* base: or digits */
        const char *text;
} Row;

static const Row size_rows[] = {
        { 0, 1024, "0" },
        { 1, 1024, "1" },
        { 1023, 1024, "1023" },
        { 1024, 1024, "1K" },
        { 1025, 1024, "1025" },
        { 1000, 1000, "1K" },
        { 1000, 1024, "1000" },
        { UINT64_C(512) << 20, 1024, "512M" },
        { UINT64_C(1536) << 20, 1024, "1536M" },
        { UINT64_C(4) << 30, 1024, "4G" },
        { UINT64_C(15) << 60, 1024, "15E" },
        { UINT64_C(18000000000000000000), 1000, "18E" },
        { UINT64_MAX, 1024, "18446744073709551615" },
        { UINT64_MAX, 1000, "18446744073709551615" },
};

START_TEST(size) {
        char buf[TQ_FORMAT_MAX];
        uint64_t v;

        ck_assert_str_eq(tq_format_size(size_rows[_i].value, size_rows[_i].base, buf, sizeof(buf)),
                         size_rows[_i].text);
        ck_assert_int_eq(tq_parse_size(buf, size_rows[_i].base, &v), 0);
        ck_assert_uint_eq(v, size_rows[_i].value);
}
END_TEST

static const Row size_short_rows[] = {
        { 0, 0, "0B" },
        { 999, 0, "999B" },
        { 1023, 0, "1023B" },
        { 1024, 0, "1.00K" },
        { 1536, 0, "1.50K" },
        { 10240, 0, "10.0K" },
        { 102400, 0, "100K" },
        { UINT64_C(1610612736), 0, "1.50G" },
        { UINT64_MAX, 0, "16.0E" },
};

START_TEST(size_short) {
        char buf[TQ_FORMAT_MAX];

        ck_assert_str_eq(tq_format_size_short(size_short_rows[_i].value, buf, sizeof(buf)),
                         size_short_rows[_i].text);
}
END_TEST

static const Row span_rows[] = {
        { 0, 0, "0" },
        { 1, 0, "1us" },
        { 999, 0, "999us" },
        { 1000, 0, "1ms" },
        { 250000, 0, "250ms" },
        { 1000000, 0, "1s" },
        { 1000001, 0, "1s 1us" },
        { 60000000, 0, "1min" },
        { UINT64_C(5400000000), 0, "1h 30min" },
        { UINT64_C(86400000000), 0, "1d" },
        { UINT64_C(90061001001), 0, "1d 1h 1min 1s 1ms 1us" },
        { UINT64_MAX, 0, "213503982d 8h 1min 49s 551ms 615us" },
};

START_TEST(span) {
        char buf[TQ_FORMAT_MAX], small[8];
        uint64_t v;

        ck_assert_str_eq(tq_format_span(span_rows[_i].value, buf, sizeof(buf)), span_rows[_i].text);
        ck_assert_int_eq(tq_parse_span(buf, &v), 0);
        ck_assert_uint_eq(v, span_rows[_i].value);
        (void)tq_format_span(span_rows[_i].value, small, sizeof(small));
        ck_assert_uint_lt(strnlen(small, sizeof(small)), sizeof(small));
}
END_TEST

static const Row span_short_rows[] = {
        { 0, 0, "0us" },
        { 870, 0, "870us" },
        { 999, 0, "999us" },
        { 1000, 0, "1ms" },
        { 1234, 0, "1.23ms" },
        { 999400, 0, "999ms" },
        { 999999, 0, "1s" }, /* or any number of seconds, but no exponent: see below */
        { 1240000, 0, "1.24s" },
        { 59000000, 0, "59.00s" },
        { 200000000, 0, "3min 20s" },
        { 200900000, 0, "3min 20s" },
};

START_TEST(span_short) {
        char buf[TQ_FORMAT_MAX];

        (void)tq_format_span_short(span_short_rows[_i].value, buf, sizeof(buf));
        ck_assert_msg(!strchr(buf, '+'), "%s", buf);
        if (span_short_rows[_i].value != 999999)
                ck_assert_str_eq(buf, span_short_rows[_i].text);
}
END_TEST

static const Row decimal_rows[] = {
        { 0, 6, "0" },
        { 1, 6, "0.000001" },
        { 500000, 6, "0.5" },
        { 1000000, 6, "1" },
        { 10000000, 6, "10" },
        { 2250000, 6, "2.25" },
        { 100000000000, 6, "100000" },
        { UINT64_MAX, 6, "18446744073709.551615" },
        { 10, 0, "10" },
        { 0, 0, "0" },
        { 100, 1, "10" },
};

START_TEST(decimal) {
        char buf[TQ_FORMAT_MAX];
        uint64_t v;

        ck_assert_str_eq(tq_format_decimal(decimal_rows[_i].value, (unsigned)decimal_rows[_i].base,
                                           buf, sizeof(buf)),
                         decimal_rows[_i].text);
        ck_assert_int_eq(tq_parse_decimal(buf, (unsigned)decimal_rows[_i].base, &v), 0);
        ck_assert_uint_eq(v, decimal_rows[_i].value);
}
END_TEST

START_TEST(timestamp) {
        char buf[TQ_FORMAT_MAX];
        uint64_t v;

        ck_assert_int_eq(setenv("TZ", "XXX-1", 1), 0);
        ck_assert_str_eq(tq_format_timestamp(0, buf, sizeof(buf)), "-");
        ck_assert_str_eq(tq_format_timestamp(1, buf, sizeof(buf)), "1970-01-01 01:00:00");
        ck_assert_str_eq(tq_format_timestamp(UINT64_C(1795179787999999), buf, sizeof(buf)),
                         "2026-11-20 14:03:07");
        ck_assert_int_eq(tq_parse_timestamp(buf, &v), 0);
        ck_assert_uint_eq(v, UINT64_C(1795179787000000));
        (void)tq_format_timestamp(UINT64_MAX, buf, sizeof(buf));
        ck_assert_str_ne(buf, "");
}
END_TEST

static const struct {
        const char *bytes, *text;
} escape_rows[] = {
        { "", "" },
        { "plain", "plain" },
        { "a\nb", "a\\x0ab" },
        { "\t", "\\x09" },
        { "\x1B[31m", "\\x1b[31m" },
        { "\x7F", "\\x7f" },
        { "a\\b", "a\\\\b" },
        { "\\x41", "\\\\x41" },
        { "caf\xC3\xA9", "caf\xC3\xA9" },
        { "\xE2\x82\xAC\xF0\x9F\x98\x80", "\xE2\x82\xAC\xF0\x9F\x98\x80" },
        { "\xC2\x9B", "\\xc2\\x9b" }, /* CSI as one character */
        { "\xC2\x85", "\\xc2\\x85" },
        { "\xC2\xA0", "\xC2\xA0" },
        { "\xC0\xAF", "\\xc0\\xaf" },
        { "\xFF", "\\xff" },
        { "\xE2\x82", "\\xe2\\x82" },
        { "\xE2\x82x", "\\xe2\\x82x" },
        { "x\xED\xA0\x80y", "x\\xed\\xa0\\x80y" },
};

START_TEST(escape) {
        char buf[TQ_FORMAT_MAX];

        ck_assert_str_eq(tq_format_escape(escape_rows[_i].bytes, buf, sizeof(buf)),
                         escape_rows[_i].text);
}
END_TEST

/* Cut such that what is left is whole and says that it was cut. */
START_TEST(escape_cuts) {
        char buf[64];

        for (size_t room = 4; room < sizeof(buf); room++) {
                size_t n;

                memset(buf, '?', sizeof(buf));
                (void)tq_format_escape("\xE2\x82\xAC\n\\\xFF"
                                       "0123456789012345678901234567890123456789",
                                       buf, room);
                n = strnlen(buf, room);
                ck_assert_uint_lt(n, room);
                ck_assert(tq_parse_is_utf8(buf, n));
                ck_assert_int_eq(buf[room], '?');
                if (room <= 40)
                        ck_assert_str_eq(buf + n - 3, "...");
        }
        /* What fits is not cut. */
        ck_assert_str_eq(tq_format_escape("abc", buf, 4), "abc");
        ck_assert_str_eq(tq_format_escape("abcd", buf, 4), "...");
        ck_assert_str_eq(tq_format_escape("abcdefgh", buf, 9), "abcdefgh");
        ck_assert_str_eq(tq_format_escape("abcdefgh", buf, 8), "abcd...");
        ck_assert_str_eq(tq_format_escape("\n", buf, 5), "\\x0a");
}
END_TEST

/* What may travel as text, and stays as it is the second time. */
static const struct {
        const char *bytes, *text;
} utf8_rows[] = {
        { "", "" },
        { "plain \\ \n \x1b", "plain \\ \n \x1b" },
        { "\xE2\x82\xAC", "\xE2\x82\xAC" },
        { "a\xFFz", "a\\xffz" },
        { "\xC2\x9B", "\xC2\x9B" },
        { "\xE2\x82", "\\xe2\\x82" },
        { "\xED\xA0\x80", "\\xed\\xa0\\x80" },
        { "\xC0\x80", "\\xc0\\x80" },
};

START_TEST(utf8) {
        char buf[TQ_FORMAT_MAX], again[TQ_FORMAT_MAX];

        ck_assert_str_eq(tq_format_utf8(utf8_rows[_i].bytes, buf, sizeof(buf)), utf8_rows[_i].text);
        ck_assert_str_eq(tq_format_utf8(buf, again, sizeof(again)), buf);
}
END_TEST

START_TEST(utf8_cuts) {
        char buf[8];

        ck_assert_str_eq(tq_format_utf8("ab\xE2\x82\xAC", buf, 6), "ab\xE2\x82\xAC");
        ck_assert_str_eq(tq_format_utf8("ab\xE2\x82\xAC", buf, 5), "ab");
        ck_assert_str_eq(tq_format_utf8("ab\xFF", buf, 6), "ab");
        ck_assert_str_eq(tq_format_utf8("abc", buf, 1), "");
}
END_TEST

/* A piece at a time, as output comes: what is not there yet is neither shown nor refused. */
static const struct {
        const char *bytes;
        size_t n;
        ssize_t size;
} printable_rows[] = {
        { "a", 1, 1 },
        { " ", 1, 1 },
        { "\x1f", 1, 0 },
        { "\x7f", 1, 0 },
        { "\n", 1, 0 },
        { "\xC2\x80", 2, 0 },
        { "\xC2\x9B", 2, 0 },
        { "\xC2\x9F", 2, 0 },
        { "\xC2\xA0", 2, 2 },
        { "\xC2", 1, -EAGAIN },
        { "\x9B", 1, 0 },
        { "\xE2\x82\xAC", 3, 3 },
        { "\xE2\x82", 2, -EAGAIN },
        { "\xE2x", 2, 0 },
        { "\xF0\x9F\x98\x80", 4, 4 },
        { "\xF0\x9F", 2, -EAGAIN },
        { "\xF5", 1, 0 },
        { "\xED\xA0\x80", 3, 0 },
};

START_TEST(printable) {
        ck_assert_int_eq(tq_format_printable(printable_rows[_i].bytes, printable_rows[_i].n),
                         printable_rows[_i].size);
}
END_TEST

static void fill(Suite *s) {
        TCase *numbers = unit_case(s, "numbers"), *texts = unit_case(s, "texts");

        unit_add_rows(numbers, size, size_rows);
        unit_add_rows(numbers, size_short, size_short_rows);
        unit_add_rows(numbers, span, span_rows);
        unit_add_rows(numbers, span_short, span_short_rows);
        unit_add_rows(numbers, decimal, decimal_rows);
        tcase_add_test(numbers, timestamp);
        unit_add_rows(texts, escape, escape_rows);
        unit_add_rows(texts, utf8, utf8_rows);
        tcase_add_test(texts, utf8_cuts);
        unit_add_rows(texts, printable, printable_rows);
        tcase_add_test(texts, escape_cuts);
}

int main(void) {
        return unit_main("base/format", fill);
}
