/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base_parse.h"

/* Numbers: whole ones, sizes, and decimals. */

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

static void fill(Suite *s) {
        TCase *numbers = unit_case(s, "numbers");

        unit_add_rows(numbers, u64, u64_rows);
        unit_add_rows(numbers, u64_in, u64_in_rows);
        unit_add_rows(numbers, i64_in, i64_rows);
        unit_add_rows(numbers, size, size_rows);
        unit_add_rows(numbers, decimal, decimal_rows);
}

int main(void) {
        return unit_main("base/parse numbers", fill);
}
