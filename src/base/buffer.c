/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void tq_buffer_done(TqBuffer *b) {
        free(b->data);
        *b = (TqBuffer){};
}

void tq_buffer_reset(TqBuffer *b) {
        b->size = 0;
        b->error = 0;
}

static bool reserve(TqBuffer *b, size_t more) {
        size_t want, next;
        char *data;

        if (b->error < 0)
                return false;
        /* One byte more than asked, so that tq_buffer_string() never allocates. */
        if (__builtin_add_overflow(b->size, more, &want) ||
            __builtin_add_overflow(want, (size_t)1, &want)) {
                b->error = -ENOMEM;
                return false;
        }
        if (want <= b->allocated)
                return true;
        next = TQ_MAX(want, TQ_MAX(b->allocated + b->allocated / 2, (size_t)128));
        data = realloc(b->data, next);
        if (!data) {
                b->error = -ENOMEM;
                return false;
        }
        b->data = data;
        b->allocated = next;
        return true;
}

void tq_buffer_append(TqBuffer *b, const void *data, size_t size) {
        if (!reserve(b, size))
                return;
        if (size > 0)
                memcpy(b->data + b->size, data, size);
        b->size += size;
}

void tq_buffer_append_string(TqBuffer *b, const char *s) {
        tq_buffer_append(b, s, strlen(s));
}

void tq_buffer_printf(TqBuffer *b, const char *fmt, ...) {
        va_list ap, again;
        int n;

        va_start(ap, fmt);
        va_copy(again, ap);
        n = vsnprintf(NULL, 0, fmt, ap);
        va_end(ap);
        if (n >= 0 && reserve(b, (size_t)n)) {
                (void)vsnprintf(b->data + b->size, (size_t)n + 1, fmt, again);
                b->size += (size_t)n;
        }
        va_end(again);
}

const char *tq_buffer_string(TqBuffer *b) {
        if (!reserve(b, 0))
                return NULL;
        b->data[b->size] = '\0';
        return b->data;
}
