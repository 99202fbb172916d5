/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/crc32c.h"

/* Bit by bit: the only user is a 64-byte record written once a job, and a table would cost more
 * cache misses than it saves. */
uint32_t tq_crc32c(const void *data, size_t size) {
        const unsigned char *p = data;
        uint32_t crc = UINT32_MAX;

        for (size_t i = 0; i < size; i++) {
                crc ^= p[i];
                for (int bit = 0; bit < 8; bit++)
                        crc = (crc >> 1) ^ (UINT32_C(0x82F63B78) & (0U - (crc & 1)));
        }
        return ~crc;
}
