/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/sandbox.h"

#include "unit.h"

START_TEST(networks) {
        ck_assert_int_eq(tq_sandbox_network_from_string("none"), TQ_NETWORK_NONE);
        ck_assert_int_eq(tq_sandbox_network_from_string("outbound"), TQ_NETWORK_OUTBOUND);
        ck_assert_int_eq(tq_sandbox_network_from_string("host"), TQ_NETWORK_HOST);
        ck_assert_int_eq(tq_sandbox_network_from_string(""), _TQ_NETWORK_INVALID);
        ck_assert_int_eq(tq_sandbox_network_from_string("Host"), _TQ_NETWORK_INVALID);
        ck_assert_int_lt(TQ_NETWORK_NONE, TQ_NETWORK_OUTBOUND);
        ck_assert_int_lt(TQ_NETWORK_OUTBOUND, TQ_NETWORK_HOST);
}
END_TEST

static const struct {
        const char *text;
        uint32_t first, networks, last;
} good[] = {
        { "198.18.0.0/15", 0xC6120000, 65536, 0xC613FFFF },
        { "10.0.0.0/8", 0x0A000000, 8388608, 0x0AFFFFFF },
        { "192.168.7.4/30", 0xC0A80704, 2, 0xC0A80707 },
        /* Beside what is nobody's. */
        { "1.0.0.0/8", 0x01000000, 8388608, 0x01FFFFFF },
        { "126.0.0.0/8", 0x7E000000, 8388608, 0x7EFFFFFF },
        { "128.0.0.0/8", 0x80000000, 8388608, 0x80FFFFFF },
        { "169.253.0.0/16", 0xA9FD0000, 32768, 0xA9FDFFFF },
        { "169.255.0.0/16", 0xA9FF0000, 32768, 0xA9FFFFFF },
        { "223.255.255.252/30", 0xDFFFFFFC, 2, 0xDFFFFFFF },
};

START_TEST(ranges) {
        TqOutbound o;

        ck_assert_int_eq(tq_sandbox_outbound_from_string(good[_i].text, &o), 0);
        ck_assert_uint_eq(o.first, good[_i].first);
        ck_assert_uint_eq(tq_outbound_networks(&o), good[_i].networks);
        ck_assert(tq_outbound_has(&o, good[_i].first));
        ck_assert(tq_outbound_has(&o, good[_i].last));
        ck_assert(!tq_outbound_has(&o, good[_i].first - 1));
        ck_assert(!tq_outbound_has(&o, good[_i].last + 1));
}
END_TEST

START_TEST(no_ranges) {
        static const char *const bad[] = {
                "",
                "/",
                "10.0.0.0",
                "10.0.0.0/",
                "10.0.0.0/7",
                "10.0.0.0/31",
                "10.0.0.0/-8",
                "10.0.0.1/24",
                "10.0.0/24",
                "256.0.0.0/24",
                " 10.0.0.0/24",
                "10.0.0.0/24 ",
                "::/16",
                "10.0.0.0/0x8",
                "10.0.0.0.0.0/8",
                "111.111.111.1111/8",
                "0.0.0.0/8",
                "0.255.0.0/16",
                "127.0.0.0/8",
                "127.255.255.252/30",
                "169.0.0.0/8",
                "169.254.0.0/16",
                "169.254.169.252/30",
                "224.0.0.0/8",
                "255.255.255.252/30",
        };

        for (size_t i = 0; i < TQ_ELEMENTSOF(bad); i++) {
                TqOutbound o = { 7, 7 };

                ck_assert_int_eq(tq_sandbox_outbound_from_string(bad[i], &o), -EINVAL);
                ck_assert_uint_eq(o.first, 7);
        }
}
END_TEST

static void fill(Suite *s) {
        TCase *t = unit_case(s, "sandbox");

        tcase_add_test(t, networks);
        unit_add_rows(t, ranges, good);
        tcase_add_test(t, no_ranges);
}

int main(void) {
        return unit_main("core_sandbox", fill);
}
