/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ipc/frame.h"

#include "fuzz.h"

/* A stream of D-Bus messages, as any local user sends it: in whichever pieces it comes, it is the
 * same. */

static int feed(const uint8_t *data, size_t size, size_t piece, size_t *ret) {
        TqFramer f = {};
        int r = 0;

        *ret = 0;
        for (size_t at = 0; at < size && r >= 0; at += TQ_MIN(piece, size - at)) {
                size_t n = 0;

                r = tq_framer_feed(&f, data + at, TQ_MIN(piece, size - at), &n);
                *ret += n;
        }
        return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        size_t whole, single;
        int r;

        r = feed(data, size, size ? size : 1, &whole);
        FUZZ_ASSERT(r == feed(data, size, 1, &single));
        if (r >= 0)
                FUZZ_ASSERT(whole == single);
        return 0;
}
