/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/util.h"

/* A growing array of bytes. Zero-initialised is empty and valid. A failed append sticks: later ones
 * do nothing and tq_buffer_error() tells at the end, so that building needs one check. */
typedef struct TqBuffer {
        char *data;
        size_t size;
        size_t allocated;
        int error; /* 0 or -ENOMEM */
} TqBuffer;

void tq_buffer_done(TqBuffer *b);
void tq_buffer_reset(TqBuffer *b); /* empties, keeps the memory */
void tq_buffer_append(TqBuffer *b, const void *data, size_t size);
void tq_buffer_append_string(TqBuffer *b, const char *s); /* without the terminator */
void tq_buffer_printf(TqBuffer *b, const char *fmt, ...) TQ_PRINTF(2, 3);

/* The bytes as a C string (terminated, still owned by the buffer), or NULL when out of memory. */
const char *tq_buffer_string(TqBuffer *b);

static inline int tq_buffer_error(const TqBuffer *b) {
        return b->error;
}

#define TQ_BUFFER_CLEANUP TQ_CLEANUP(tq_buffer_done)
