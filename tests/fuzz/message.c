/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ipc/message.h"

#include "fuzz.h"

/* What one daemon says to the other, in both directions: a datagram of that many bytes, and no
 * more. What is let through has texts that end within it. */

static void texts_end(const TqMessage *m) {
        switch (m->header.type) {
        case TQ_MESSAGE_ORDER:
                FUZZ_ASSERT(memchr(m->order.name, '\0', sizeof(m->order.name)) != NULL);
                FUZZ_ASSERT(memchr(m->order.to, '\0', sizeof(m->order.to)) != NULL);
                break;
        case TQ_MESSAGE_APPLY:
                FUZZ_ASSERT(tq_limits_is_sane(&m->apply.limits));
                break;
        case TQ_MESSAGE_START:
                FUZZ_ASSERT(tq_limits_is_sane(&m->start.limits));
                FUZZ_ASSERT(memchr(m->start.profile, '\0', sizeof(m->start.profile)) != NULL);
                break;
        default:
                break;
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        const TqMessage *m = (const void *)data;

        if (tq_message_check(m, size) < 0)
                return 0;
        FUZZ_ASSERT(size >= sizeof(m->header) + m->header.blob_size);
        FUZZ_ASSERT(m->header.type < _TQ_MESSAGE_MAX);
        texts_end(m);
        return 0;
}
