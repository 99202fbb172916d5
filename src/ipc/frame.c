/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ipc/frame.h"

#include <endian.h>
#include <string.h>

#define MESSAGE_MAX (UINT64_C(1) << 27)

static uint32_t number(const uint8_t *p, bool is_big) {
        uint32_t v;

        memcpy(&v, p, sizeof(v));
        return is_big ? be32toh(v) : le32toh(v);
}

int tq_frame_parse(const uint8_t header[TQ_FRAME_HEADER], TqFrame *ret) {
        bool is_big = header[0] == 'B';
        uint64_t body, fields, size;

        if ((header[0] != 'l' && !is_big) || header[1] < TQ_FRAME_CALL ||
            header[1] > TQ_FRAME_SIGNAL || header[3] != 1)
                return -EBADMSG;
        body = number(header + 4, is_big);
        fields = number(header + 12, is_big);
        size = TQ_FRAME_HEADER + ((fields + 7) & ~UINT64_C(7)) + body;
        if (size > MESSAGE_MAX)
                return -EBADMSG;
        *ret = (TqFrame){ .type = header[1], .flags = header[2], .size = (size_t)size };
        return 0;
}

int tq_framer_feed(TqFramer *f, const void *data, size_t size, size_t *ret) {
        const uint8_t *p = data;

        *ret = 0;
        while (size > 0) {
                size_t n;

                if (f->left == 0) {
                        n = TQ_MIN(size, TQ_FRAME_HEADER - f->n_header);
                        memcpy(f->header + f->n_header, p, n);
                        f->n_header += n;
                        p += n;
                        size -= n;
                        if (f->n_header < TQ_FRAME_HEADER)
                                return 0;
                        if (tq_frame_parse(f->header, &f->frame) < 0)
                                return -EBADMSG;
                        f->n_header = 0;
                        f->left = f->frame.size - TQ_FRAME_HEADER;
                } else {
                        n = TQ_MIN(size, f->left);
                        f->left -= n;
                        p += n;
                        size -= n;
                }
                if (f->left == 0)
                        *ret += f->frame.type == TQ_FRAME_RETURN || f->frame.type == TQ_FRAME_ERROR;
        }
        return 0;
}
