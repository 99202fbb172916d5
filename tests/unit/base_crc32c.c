/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/crc32c.h"

#include "unit.h"

/* RFC 3720 B.4. */
START_TEST(vectors) {
        unsigned char bytes[32];

        ck_assert_uint_eq(tq_crc32c("123456789", 9), 0xE3069283);
        ck_assert_uint_eq(tq_crc32c("", 0), 0);
        memset(bytes, 0, sizeof(bytes));
        ck_assert_uint_eq(tq_crc32c(bytes, 32), 0x8A9136AA);
        memset(bytes, 0xFF, sizeof(bytes));
        ck_assert_uint_eq(tq_crc32c(bytes, 32), 0x62A8AB43);
        for (size_t i = 0; i < 32; i++)
                bytes[i] = (unsigned char)i;
        ck_assert_uint_eq(tq_crc32c(bytes, 32), 0x46DD794E);
        for (size_t i = 0; i < 32; i++)
                bytes[i] = (unsigned char)(31 - i);
        ck_assert_uint_eq(tq_crc32c(bytes, 32), 0x113FDB5C);
}
END_TEST

static void fill(Suite *s) {
        tcase_add_test(unit_case(s, "crc32c"), vectors);
}

int main(void) {
        return unit_main("base/crc32c", fill);
}
