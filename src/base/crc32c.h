/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/util.h"

/* CRC-32C (Castagnoli, RFC 3720 appendix B.4) of size bytes; "123456789" gives 0xE3069283. */
uint32_t tq_crc32c(const void *data, size_t size);
