/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/parse.h"

#include <stdio.h>

#include "base/format.h"
#include "unit.h"

/* What a result holds before a call that fails, and must hold behind it. */
#define UNTOUCHED UINT64_C(0xA5A5A5A5A5A5A5A5)

typedef struct NumberRow {
        const char *text;
        int r;
        uint64_t value;
} NumberRow;

static void check_number(const NumberRow *row, int r, uint64_t value) {
        ck_assert_msg(r == row->r, "\"%s\": returned %d, expected %d", row->text, r, row->r);
        ck_assert_msg(value == (r < 0 ? UNTOUCHED : row->value), "\"%s\": value %ju", row->text,
                      (uintmax_t)value);
}

static const NumberRow u64_rows[] = {
        { "0", 0, 0 },
        { "1", 0, 1 },
        { "007", 0, 7 },
        { "4294967295", 0, UINT32_MAX },
        { "2147483648", 0, UINT64_C(1) << 31 },
        { "9223372036854775807", 0, INT64_MAX },
        { "9223372036854775808", 0, UINT64_C(1) << 63 },
        { "18446744073709551615", 0, UINT64_MAX },
        { "18446744073709551616", -ERANGE, 0 },
        { "18446744073709551620", -ERANGE, 0 },
        { "99999999999999999999", -ERANGE, 0 },
        { "000000000000000000000000000000000000001", 0, 1 },
        { "", -EINVAL, 0 },
        { "-", -EINVAL, 0 },
        { "-0", -EINVAL, 0 },
        { "-1", -EINVAL, 0 },
        { "+1", -EINVAL, 0 },
        { "1e9", -EINVAL, 0 },
        { "0x10", -EINVAL, 0 },
        { "0b1", -EINVAL, 0 },
        { " 5", -EINVAL, 0 },
        { "\t5", -EINVAL, 0 },
        { "5 ", -EINVAL, 0 },
        { "5\n", -EINVAL, 0 },
        { "5%", -EINVAL, 0 },
        { "5.0", -EINVAL, 0 },
        { "1,000", -EINVAL, 0 },
        { "1_000", -EINVAL, 0 },
        { "\xD9\xA3", -EINVAL, 0 },     /* U+0663, Arabic-Indic three */
        { "\xEF\xBC\x95", -EINVAL, 0 }, /* U+FF15, fullwidth five */
        { "1\xD9\xA3", -EINVAL, 0 },
        { "max", -EINVAL, 0 },
        { "inf", -EINVAL, 0 },
        { "nan", -EINVAL, 0 },
};

START_TEST(u64) {
        const NumberRow *row = &u64_rows[_i];
        uint64_t v = UNTOUCHED;
        int r = tq_parse_u64(row->text, &v);

        check_number(row, r, v);
}
END_TEST

static const struct {
        NumberRow row;
        uint64_t min, max;
} u64_in_rows[] = {
        { { "10", 0, 10 }, 10, 20 },
        { { "9", -ERANGE, 0 }, 10, 20 },
        { { "20", 0, 20 }, 10, 20 },
        { { "21", -ERANGE, 0 }, 10, 20 },
        { { "0", 0, 0 }, 0, UINT64_MAX },
        { { "18446744073709551615", 0, UINT64_MAX }, 0, UINT64_MAX },
        { { "18446744073709551615", -ERANGE, 0 }, 0, UINT64_MAX - 1 },
        { { "18446744073709551616", -ERANGE, 0 }, 0, UINT64_MAX },
        { { "-10", -EINVAL, 0 }, 0, 20 },
        { { "x", -EINVAL, 0 }, 0, 20 },
};

START_TEST(u64_in) {
        uint64_t v = UNTOUCHED;
        int r = tq_parse_u64_in(u64_in_rows[_i].row.text, u64_in_rows[_i].min, u64_in_rows[_i].max,
                                &v);

        check_number(&u64_in_rows[_i].row, r, v);
}
END_TEST

static const struct {
        const char *text;
        int64_t min, max;
        int r;
        int64_t value;
} i64_rows[] = {
        { "0", -100, 100, 0, 0 },
        { "-0", -100, 100, 0, 0 },
        { "-100", -100, 100, 0, -100 },
        { "-101", -100, 100, -ERANGE, 0 },
        { "100", -100, 100, 0, 100 },
        { "101", -100, 100, -ERANGE, 0 },
        { "9223372036854775807", INT64_MIN, INT64_MAX, 0, INT64_MAX },
        { "9223372036854775808", INT64_MIN, INT64_MAX, -ERANGE, 0 },
        { "-9223372036854775807", INT64_MIN, INT64_MAX, 0, -INT64_MAX },
        { "-9223372036854775809", INT64_MIN, INT64_MAX, -ERANGE, 0 },
        { "", -1, 1, -EINVAL, 0 },
        { "-", -1, 1, -EINVAL, 0 },
        { "--1", -1, 1, -EINVAL, 0 },
        { "+1", -1, 1, -EINVAL, 0 },
        { "- 1", -1, 1, -EINVAL, 0 },
        { " -1", -1, 1, -EINVAL, 0 },
        { "-1 ", -1, 1, -EINVAL, 0 },
        { "1e1", -100, 100, -EINVAL, 0 },
};

START_TEST(i64_in) {
        int64_t v = -77;
        int r = tq_parse_i64_in(i64_rows[_i].text, i64_rows[_i].min, i64_rows[_i].max, &v);

        ck_assert_int_eq(r, i64_rows[_i].r);
        ck_assert_int_eq(v, r < 0 ? -77 : i64_rows[_i].value);
}
END_TEST

static const struct {
        uint64_t base;
        NumberRow row;
} size_rows[] = {
        { 1024, { "0", 0, 0 } },
        { 1024, { "0E", 0, 0 } },
        { 1024, { "1", 0, 1 } },
        { 1024, { "1K", 0, 1024 } },
        { 1000, { "1K", 0, 1000 } },
        { 1024, { "512M", 0, UINT64_C(536870912) } },
        { 1000, { "10M", 0, UINT64_C(10000000) } },
        { 1024, { "4G", 0, UINT64_C(4294967296) } },
        { 1024, { "1T", 0, UINT64_C(1) << 40 } },
        { 1024, { "1P", 0, UINT64_C(1) << 50 } },
        { 1024, { "15E", 0, UINT64_C(15) << 60 } },
        { 1024, { "16E", -ERANGE, 0 } },
        { 1000, { "18E", 0, UINT64_C(18000000000000000000) } },
        { 1000, { "19E", -ERANGE, 0 } },
        { 1024, { "16777215T", 0, UINT64_C(16777215) << 40 } },
        { 1024, { "16777216T", -ERANGE, 0 } },
        { 1000, { "16777216T", 0, UINT64_C(16777216000000000000) } },
        { 1024, { "18446744073709551615", 0, UINT64_MAX } },
        { 1024, { "18446744073709551615K", -ERANGE, 0 } },
        { 1024, { "18446744073709551616", -ERANGE, 0 } },
        { 1024, { "", -EINVAL, 0 } },
        { 1024, { "K", -EINVAL, 0 } },
        { 1024, { "1k", -EINVAL, 0 } },
        { 1024, { "1KB", -EINVAL, 0 } },
        { 1024, { "1KiB", -EINVAL, 0 } },
        { 1024, { "1 K", -EINVAL, 0 } },
        { 1024, { "1B", 0, 1 } },
        { 1024, { "1Z", -EINVAL, 0 } },
        { 1024, { "1KK", -EINVAL, 0 } },
        { 1024, { "1.5G", 0, 1610612736 } },
        { 1024, { "1.5", -EINVAL, 0 } },
        { 1024, { "1.5B", -EINVAL, 0 } },
        { 1024, { "512B", 0, 512 } },
        { 1024, { "1KB", -EINVAL, 0 } },
        { 1024, { "0.0001K", 0, 0 } },
        { 1024, { "1.K", -EINVAL, 0 } },
        { 1024, { ".5K", -EINVAL, 0 } },
        { 1000, { "0.0015M", 0, 1500 } },
        { 1024, { "15.99999999999999999999E", 0, UINT64_MAX - 1 } },
        { 1024, { "16.0E", -ERANGE, 0 } },
        { 1024, { "-1K", -EINVAL, 0 } },
        { 1024, { "+1K", -EINVAL, 0 } },
        { 1024, { " 1K", -EINVAL, 0 } },
        { 1024, { "1K ", -EINVAL, 0 } },
        { 1024, { "0x10", -EINVAL, 0 } },
        { 1024, { "1e9", -EINVAL, 0 } },
        { 1024, { "5%", -EINVAL, 0 } },
        { 1024, { "\xD9\xA3", -EINVAL, 0 } },
};

START_TEST(size) {
        uint64_t v = UNTOUCHED;
        int r = tq_parse_size(size_rows[_i].row.text, size_rows[_i].base, &v);

        check_number(&size_rows[_i].row, r, v);
}
END_TEST

static const struct {
        unsigned digits;
        NumberRow row;
} decimal_rows[] = {
        { 6, { "0", 0, 0 } },
        { 6, { "0.5", 0, 500000 } },
        { 6, { "2", 0, 2000000 } },
        { 6, { "2.25", 0, 2250000 } },
        { 6, { "0.000001", 0, 1 } },
        { 6, { "0.0000001", -EINVAL, 0 } },
        { 6, { "0.5000000", -EINVAL, 0 } },
        { 6, { "18446744073709.551615", 0, UINT64_MAX } },
        { 6, { "18446744073709.551616", -ERANGE, 0 } },
        { 6, { "18446744073710", -ERANGE, 0 } },
        { 6, { "18446744073709551616", -ERANGE, 0 } },
        { 4, { "50", 0, 500000 } },
        { 4, { "12.3456", 0, 123456 } },
        { 4, { "12.34567", -EINVAL, 0 } },
        { 0, { "7", 0, 7 } },
        { 0, { "7.0", -EINVAL, 0 } },
        { 6, { "", -EINVAL, 0 } },
        { 6, { ".", -EINVAL, 0 } },
        { 6, { ".5", -EINVAL, 0 } },
        { 6, { "5.", -EINVAL, 0 } },
        { 6, { "1.2.3", -EINVAL, 0 } },
        { 6, { "1,5", -EINVAL, 0 } },
        { 6, { "-0.5", -EINVAL, 0 } },
        { 6, { "1e3", -EINVAL, 0 } },
        { 6, { "1. 5", -EINVAL, 0 } },
        { 6, { " 1.5", -EINVAL, 0 } },
        { 6, { "1.5 ", -EINVAL, 0 } },
        { 6, { "50%", -EINVAL, 0 } },
        { 6, { "nan", -EINVAL, 0 } },
};

START_TEST(decimal) {
        uint64_t v = UNTOUCHED;
        int r = tq_parse_decimal(decimal_rows[_i].row.text, decimal_rows[_i].digits, &v);

        check_number(&decimal_rows[_i].row, r, v);
}
END_TEST

#define SEC  UINT64_C(1000000)
#define MIN  (60 * SEC)
#define HOUR (60 * MIN)
#define DAY  (24 * HOUR)

static const NumberRow span_rows[] = {
        { "0", 0, 0 },
        { "90", 0, 90 * SEC },
        { "1us", 0, 1 },
        { "1usec", 0, 1 },
        { "5ms", 0, 5000 },
        { "5msec", 0, 5000 },
        { "10s", 0, 10 * SEC },
        { "10sec", 0, 10 * SEC },
        { "1second", 0, SEC },
        { "2seconds", 0, 2 * SEC },
        { "3m", 0, 3 * MIN },
        { "3min", 0, 3 * MIN },
        { "1minute", 0, MIN },
        { "2minutes", 0, 2 * MIN },
        { "1h", 0, HOUR },
        { "1hr", 0, HOUR },
        { "1hour", 0, HOUR },
        { "2hours", 0, 2 * HOUR },
        { "1d", 0, DAY },
        { "1day", 0, DAY },
        { "2days", 0, 2 * DAY },
        { "1w", 0, 7 * DAY },
        { "1week", 0, 7 * DAY },
        { "2weeks", 0, 14 * DAY },
        { "1h 30min", 0, 90 * MIN },
        { "1h30min", 0, 90 * MIN },
        { "1h  30min", 0, 90 * MIN },
        { "30 min", 0, 30 * MIN },
        { "1 h 30 min", 0, 90 * MIN },
        { "1min 30", 0, 90 * SEC },
        { "1d 2h 3min 4s 5ms 6us", 0, DAY + 2 * HOUR + 3 * MIN + 4 * SEC + 5006 },
        { "18446744073709551615us", 0, UINT64_MAX },
        { "18446744073709551616us", -ERANGE, 0 },
        { "18446744073709551615us 1us", -ERANGE, 0 },
        { "18446744073709", 0, UINT64_C(18446744073709000000) },
        { "18446744073710", -ERANGE, 0 },
        { "30500568w", 0, UINT64_C(30500568) * 7 * DAY },
        { "30500569w", -ERANGE, 0 },
        { "", -EINVAL, 0 },
        { " ", -EINVAL, 0 },
        { " 5", -EINVAL, 0 },
        { "5 ", -EINVAL, 0 },
        { "5s ", -EINVAL, 0 },
        { "s", -EINVAL, 0 },
        { "-1", -EINVAL, 0 },
        { "-1s", -EINVAL, 0 },
        { "2.5s", 0, 2500000 },
        { "1.5", 0, 1500000 },
        { "0.5h 1.25min", 0, UINT64_C(1875000000) },
        { "0.0000009", 0, 0 },
        { "1.", -EINVAL, 0 },
        { ".5", -EINVAL, 0 },
        { "1.5.5", -EINVAL, 0 },
        { "1e3", -EINVAL, 0 },
        { "0x10", -EINVAL, 0 },
        { "5S", -EINVAL, 0 },
        { "5month", 0, UINT64_C(13149000) * SEC },
        { "5M", 0, UINT64_C(13149000) * SEC },
        { "2months", 0, UINT64_C(5259600) * SEC },
        { "1y", 0, UINT64_C(31557600) * SEC },
        { "1year", 0, UINT64_C(31557600) * SEC },
        { "2years", 0, UINT64_C(63115200) * SEC },
        { "5\xC2\xB5s", 0, 5 },
        { "5 \xCE\xBCs", 0, 5 },
        { "5Y", -EINVAL, 0 },
        { "5MM", -EINVAL, 0 },
        { "5\xC2s", -EINVAL, 0 },
        { "5\xC2\xB5", -EINVAL, 0 },
        { "5%", -EINVAL, 0 },
        { "1h, 30min", -EINVAL, 0 },
        { "1h\n30min", -EINVAL, 0 },
        { "infinity", -EINVAL, 0 },
        { "\xD9\xA3s", -EINVAL, 0 },
};

START_TEST(span) {
        uint64_t v = UNTOUCHED;
        int r = tq_parse_span(span_rows[_i].text, &v);

        check_number(&span_rows[_i], r, v);
}
END_TEST

/* Local time is UTC+1 here (POSIX signs are inverted). */
static const NumberRow timestamp_rows[] = {
        { "1970-01-01 00:00:00 UTC", 0, 0 },
        { "1970-01-01 00:00:01 UTC", 0, SEC },
        { "1970-01-01 UTC", 0, 0 },
        { "2026-11-20 14:03:07 UTC", 0, UINT64_C(1795183387) * SEC },
        { "2026-11-20 14:03 UTC", 0, UINT64_C(1795183380) * SEC },
        { "2026-11-20 UTC", 0, UINT64_C(1795132800) * SEC },
        { "2026-11-20 14:03:07", 0, UINT64_C(1795179787) * SEC },
        { "2026-11-20", 0, UINT64_C(1795129200) * SEC },
        { "2028-02-29 UTC", 0, UINT64_C(1835395200) * SEC },
        { "2000-02-29 00:00 UTC", 0, UINT64_C(951782400) * SEC },
        { "2026-12-31 23:59:59 UTC", 0, UINT64_C(1798761599) * SEC },
        { "1969-12-31 23:59:59 UTC", -ERANGE, 0 },
        { "1970-01-01 00:59:59", -ERANGE, 0 },
        { "2026-02-31", -EINVAL, 0 },
        { "2026-02-29 UTC", -EINVAL, 0 },
        { "2100-02-29 UTC", -EINVAL, 0 },
        { "2026-04-31 12:00", -EINVAL, 0 },
        { "2026-13-01", -EINVAL, 0 },
        { "2026-00-01", -EINVAL, 0 },
        { "2026-01-00", -EINVAL, 0 },
        { "2026-01-32", -EINVAL, 0 },
        { "2026-01-01 24:00", -EINVAL, 0 },
        { "2026-01-01 23:60", -EINVAL, 0 },
        { "2026-01-01 23:59:61", -EINVAL, 0 },
        { "", -EINVAL, 0 },
        { "now", -EINVAL, 0 },
        { "tomorrow", -EINVAL, 0 },
        { "2026-11", -EINVAL, 0 },
        { "20261120", -EINVAL, 0 },
        { "26-11-20", -EINVAL, 0 },
        { "2026/11/20", -EINVAL, 0 },
        { "2026-11-20T14:03:07", -EINVAL, 0 },
        { "2026-11-20 14:03:07Z", -EINVAL, 0 },
        { "2026-11-20 14:03:07 CET", -EINVAL, 0 },
        { "2026-11-20 14:03:07 utc", -EINVAL, 0 },
        { "2026-11-20 14:03:07.5", -EINVAL, 0 },
        { "2026-11-20 14:03:07 ", -EINVAL, 0 },
        { " 2026-11-20", -EINVAL, 0 },
        { "-2026-11-20", -EINVAL, 0 },
        { "+026-11-20", -EINVAL, 0 },
        { "2026-11-20 14", -EINVAL, 0 },
        /* Forms that strptime(3) takes and the manual does not name. */
        { "2026- 1- 2", -EINVAL, 0 },
        { "2026-1-2 00:00", -EINVAL, 0 },
        { "2026-11-2002:00", -EINVAL, 0 },
        { "2026-11-20  02:00", -EINVAL, 0 },
        { "2026-11-20\t02:00", -EINVAL, 0 },
        { "2026-11-20 2:00", -EINVAL, 0 },
};

START_TEST(timestamp) {
        uint64_t v = UNTOUCHED;
        int r;

        ck_assert_int_eq(setenv("TZ", "XXX-1", 1), 0);
        r = tq_parse_timestamp(timestamp_rows[_i].text, &v);
        check_number(&timestamp_rows[_i], r, v);
}
END_TEST

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
        TCase *numbers = unit_case(s, "numbers"), *times = unit_case(s, "times");
        TCase *texts = unit_case(s, "texts");

        unit_add_rows(numbers, u64, u64_rows);
        unit_add_rows(numbers, u64_in, u64_in_rows);
        unit_add_rows(numbers, i64_in, i64_rows);
        unit_add_rows(numbers, size, size_rows);
        unit_add_rows(numbers, decimal, decimal_rows);
        unit_add_rows(times, span, span_rows);
        unit_add_rows(times, timestamp, timestamp_rows);
        unit_add_rows(texts, boolean, bool_rows);
        unit_add_rows(texts, utf8, utf8_rows);
        unit_add_rows(texts, words, words_rows);
        tcase_add_test(texts, words_many);
        unit_add_rows(texts, nearest, nearest_rows);
        tcase_add_test(texts, nearest_bound);
}

int main(void) {
        return unit_main("base/parse", fill);
}
