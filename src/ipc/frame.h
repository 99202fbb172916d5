/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/util.h"

/* Where one D-Bus message ends and the next begins, without looking into it (D-Bus Specification,
 * "Message Format"): what may be known of a message before there is memory for it. */

#define TQ_FRAME_HEADER 16 /* bytes that say how long the whole is */

typedef enum TqFrameType {
        TQ_FRAME_CALL = 1,
        TQ_FRAME_RETURN,
        TQ_FRAME_ERROR,
        TQ_FRAME_SIGNAL
} TqFrameType;

#define TQ_FRAME_NO_REPLY 0x1 /* of the flags */

typedef struct TqFrame {
        uint8_t type; /* TqFrameType */
        uint8_t flags;
        size_t size; /* of the whole message, header included */
} TqFrame;

/* -EBADMSG: not a header of protocol version 1, or a size that none may have (2^27). */
int tq_frame_parse(const uint8_t header[TQ_FRAME_HEADER], TqFrame *ret);

/* Follows a stream of whole messages, in pieces of any size. Zero-initialised is at the beginning.
 */
typedef struct TqFramer {
        uint8_t header[TQ_FRAME_HEADER];
        size_t n_header;
        size_t left; /* of the message whose header was seen */
        TqFrame frame;
} TqFramer;

/* Counts the returns and errors that end within these bytes in *ret. 0 or -EBADMSG. */
int tq_framer_feed(TqFramer *f, const void *data, size_t size, size_t *ret);
