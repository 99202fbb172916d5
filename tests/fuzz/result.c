/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/result.h"

#include "base/crc32c.h"
#include "fuzz.h"

/* A record of how an attempt ended, torn or written by somebody else: as it is, and with a sum that
 * is right. */

static void look(const uint8_t *data, size_t size) {
        TqResult r;

        if (tq_result_read(fuzz_file(data, size), &r) < 0)
                return;
        FUZZ_ASSERT(r.magic == TQ_RESULT_MAGIC && r.version == TQ_RESULT_VERSION);
        FUZZ_ASSERT(r.kind < _TQ_END_MAX || r.kind == TQ_RESULT_PREPARED);
        FUZZ_ASSERT(r.stage < _TQ_STAGE_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        uint8_t mended[sizeof(TqResult)];
        uint32_t crc;

        look(data, size);
        if (size < sizeof(mended))
                return 0;
        memcpy(mended, data, sizeof(mended));
        crc = tq_crc32c(mended, offsetof(TqResult, crc));
        memcpy(mended + offsetof(TqResult, crc), &crc, sizeof(crc));
        look(mended, sizeof(mended));
        return 0;
}
