/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf/resolv.h"

#include <stdlib.h>

#include "unit.h"

static const TqOutbound range = { 0xC6120000, 15 };

static const struct {
        const char *text, *want;
        unsigned n_reachable, n_others;
} rows[] = {
        { "", "", 0, 0 },
        { "nameserver 10.0.0.1\n", "nameserver 10.0.0.1\n", 1, 0 },
        { "nameserver\t10.0.0.1  \n", "nameserver 10.0.0.1\n", 1, 0 },
        { "nameserver 10.0.0.1", "nameserver 10.0.0.1\n", 1, 0 },
        { "# nameserver 10.0.0.1\n;x\n", "", 0, 0 },
        { "nameservers 10.0.0.1\nnameserver\n", "", 0, 0 },
        /* Of the host alone, by link, by IPv6, and what is none. */
        { "nameserver 127.0.0.53\nnameserver 169.254.169.253\nnameserver ::1\n", "", 0, 3 },
        { "nameserver 198.19.255.255\nnameserver 0.0.0.0\nnameserver 224.0.0.1\n", "", 0, 3 },
        { "nameserver ten\nnameserver 10.0.0.1x\nnameserver 10.0.0.1%eth0\n", "", 0, 3 },
        /* No more than a resolver reads. */
        { "nameserver 10.0.0.1\nnameserver 10.0.0.2\nnameserver 10.0.0.3\nnameserver 10.0.0.4\n",
          "nameserver 10.0.0.1\nnameserver 10.0.0.2\nnameserver 10.0.0.3\n", 3, 0 },
        { "search a.example b.example\noptions ndots:2\ndomain c\nsortlist 1.2.3.4\n",
          "search a.example b.example\noptions ndots:2\ndomain c\n", 0, 0 },
};

START_TEST(translated) {
        TQ_BUFFER_CLEANUP TqBuffer b = {};
        TqResolvServers s = tq_resolv_translate(&range, "", rows[_i].text, &b);

        ck_assert_str_eq(tq_buffer_string(&b), rows[_i].want);
        ck_assert_uint_eq(s.n_reachable, rows[_i].n_reachable);
        ck_assert_uint_eq(s.n_others, rows[_i].n_others);
}
END_TEST

/* A line that is too long is none. */
START_TEST(long_line) {
        TQ_BUFFER_CLEANUP TqBuffer b = {}, text = {};

        tq_buffer_printf(&text, "search %0600d\nnameserver 10.0.0.1\n", 0);
        ck_assert_uint_eq(tq_resolv_translate(&range, "", tq_buffer_string(&text), &b).n_reachable,
                          1);
        ck_assert_str_eq(tq_buffer_string(&b), "nameserver 10.0.0.1\n");
}
END_TEST

/* Those given are the only ones, however many the host has. */
START_TEST(given) {
        static const char host[] = "nameserver 10.0.0.1\nnameserver 10.0.0.2\nsearch a.example\n"
                                   "nameserver 10.0.0.3\nnameserver 127.0.0.1\n";
        TQ_BUFFER_CLEANUP TqBuffer b = {};
        TqResolvServers s = tq_resolv_translate(&range, " 10.1.0.1\t10.1.0.2 ", host, &b);

        ck_assert_str_eq(tq_buffer_string(&b),
                         "nameserver 10.1.0.1\nnameserver 10.1.0.2\nsearch a.example\n");
        ck_assert_uint_eq(s.n_reachable, 2);
        ck_assert_uint_eq(s.n_others, 0);
}
END_TEST

static void fill(Suite *s) {
        TCase *t = unit_case(s, "resolv");

        unit_add_rows(t, translated, rows);
        tcase_add_test(t, long_line);
        tcase_add_test(t, given);
}

int main(void) {
        return unit_main("conf_resolv", fill);
}
