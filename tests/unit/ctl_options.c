/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/options.h"

#include <getopt.h>
#include <stdio.h>
#include <unistd.h>

#include "unit.h"
#include <tenantq/types.h>

/* What is said on standard error is the system tests' to read. */
static void be_quiet(void) {
        ck_assert_ptr_nonnull(freopen("/dev/null", "w", stderr));
}

static int parse(Options *o, bool permute, char *argv[]) {
        int argc = 0;

        while (argv[argc])
                argc++;
        *o = (Options){ .rows = 100, .seed = 1 };
        return options_parse(o, argc, argv, permute);
}

#define ARGV(...)                                                                                  \
        (char *[]) {                                                                               \
                "tenantqctl", __VA_ARGS__, NULL                                                    \
        }

START_TEST(every_type) {
        Options o;

        ck_assert_int_eq(parse(&o, true,
                               ARGV("-t", "acme", "--json", "-n", "7", "-l", "cpu=1", "--limit",
                                    "pids=2", "--sort=-job")),
                         0);
        ck_assert_str_eq(o.tenant, "acme");
        ck_assert(o.json);
        ck_assert_uint_eq(o.rows, 7);
        ck_assert_uint_eq(o.limits.n, 2);
        ck_assert_str_eq(o.limits.items[0], "cpu=1");
        ck_assert_str_eq(o.limits.items[1], "pids=2");
        ck_assert_str_eq(o.sort, "-job");
        ck_assert(o.used == (WITH(TENANT) | WITH(JSON) | WITH(LINES) | WITH(LIMIT) | WITH(SORT)));
        options_done(&o);
}
END_TEST

/* Up to the first word that is none, or around all of them. */
START_TEST(where_options_stand) {
        char **argv = ARGV("--json", "ps", "-a", "acme");
        Options o;

        ck_assert_int_eq(parse(&o, false, argv), 0);
        ck_assert_int_eq(optind, 2);
        ck_assert(!o.all);
        ck_assert_int_eq(parse(&o, true, argv), 0);
        ck_assert(o.all && o.json);
        ck_assert_str_eq(argv[optind], "ps");
        ck_assert_str_eq(argv[optind + 1], "acme");
        /* Behind "--" there are none. */
        ck_assert_int_eq(parse(&o, true, ARGV("--", "-a")), 0);
        ck_assert(!o.all && o.used == 0);
}
END_TEST

static const struct {
        const char *option, *value;
        bool is_valid;
        uint64_t want;
} numbers[] = {
        { "-n", "1", true, 1 },
        { "--lines", "10000", true, 10000 },
        { "-n", "0", true, 0 },
        { "-n", "10001", false, 0 },
        { "-n", "x", false, 0 },
        { "-n", "", false, 0 },
        { "--slots", "1000000", true, 1000000 },
        { "--slots", "1000001", false, 0 },
        { "--slots", "0", false, 0 },
        { "--seed", "0", true, 0 },
        { "--seed", "18446744073709551615", true, UINT64_MAX },
        { "--seed", "18446744073709551616", false, 0 },
        { "--seed", "-1", false, 0 },
};

START_TEST(bounds) {
        Options o;
        int r;

        be_quiet();
        r = parse(&o, true, ARGV((char *)numbers[_i].option, (char *)numbers[_i].value));
        ck_assert_int_eq(r, numbers[_i].is_valid ? 0 : TQ_EXIT_USAGE);
        if (numbers[_i].is_valid)
                ck_assert_uint_eq(numbers[_i].option[2] == 's' && numbers[_i].option[3] == 'e'
                                          ? o.seed
                                          : TQ_MAX(o.slots, o.rows == 100 ? 0 : o.rows),
                                  numbers[_i].want);
}
END_TEST

START_TEST(unknown) {
        Options o;

        be_quiet();
        ck_assert_int_eq(parse(&o, true, ARGV("--nothing")), TQ_EXIT_USAGE);
        ck_assert_int_eq(parse(&o, true, ARGV("-Z")), TQ_EXIT_USAGE);
        ck_assert_int_eq(parse(&o, true, ARGV("-t")), TQ_EXIT_USAGE);
}
END_TEST

/* Each row is whole, and no letter or name is there twice. */
START_TEST(rows) {
        for (size_t i = 0; i < _OPTION_MAX; i++) {
                const OptionRow *a = &options_rows[i];

                ck_assert_ptr_nonnull(a->name);
                ck_assert_ptr_nonnull(a->help);
                ck_assert_int_eq(a->value == NULL, a->type == TYPE_FLAG);
                ck_assert_int_eq(a->type == TYPE_NUMBER, a->max > 0);
                for (size_t k = 0; k < i; k++) {
                        ck_assert_str_ne(a->name, options_rows[k].name);
                        ck_assert(a->letter == '\0' || a->letter != options_rows[k].letter);
                        ck_assert_uint_ne(a->field, options_rows[k].field);
                }
        }
}
END_TEST

static void fill(Suite *s) {
        TCase *c = unit_case(s, "options");

        tcase_add_test(c, every_type);
        tcase_add_test(c, where_options_stand);
        unit_add_rows(c, bounds, numbers);
        tcase_add_test(c, unknown);
        tcase_add_test(c, rows);
}

int main(void) {
        return unit_main("ctl_options", fill);
}
