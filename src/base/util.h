/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Cleanup variables, ownership hand-over and small arithmetic, used by every layer. */

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TQ_CLEANUP(f)        __attribute__((cleanup(f)))
#define TQ_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define TQ_PURE              __attribute__((pure))

#define TQ_ELEMENTSOF(a)                   (sizeof(a) / sizeof((a)[0]))
#define TQ_STRINGIFY_(x)                   #x
#define TQ_STRINGIFY(x)                    TQ_STRINGIFY_(x)
#define TQ_MIN(a, b)                       ((a) < (b) ? (a) : (b))
#define TQ_MAX(a, b)                       ((a) > (b) ? (a) : (b))
#define TQ_CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#define TQ_USEC_PER_SEC  UINT64_C(1000000)
#define TQ_USEC_PER_MSEC UINT64_C(1000)

/* Gives the pointer away and leaves NULL, so that a cleanup variable no longer frees it. */
#define TQ_TAKE_PTR(p)                                                                             \
        ({                                                                                         \
                __typeof__(p) *_pp = &(p);                                                         \
                __typeof__(p) _v = *_pp;                                                           \
                *_pp = NULL;                                                                       \
                _v;                                                                                \
        })

/* Gives the descriptor away and leaves -EBADF. */
static inline int tq_take_fd(int *fd) {
        int v = *fd;

        *fd = -EBADF;
        return v;
}

/* Closes a descriptor if there is one, keeps errno, and returns -EBADF to store in its place. */
static inline int tq_close(int fd) {
        if (fd >= 0) {
                int saved = errno;

                (void)close(fd);
                errno = saved;
        }
        return -EBADF;
}

static inline void tq_closep(int *fd) {
        *fd = tq_close(*fd);
}

static inline void tq_freep(void *p) {
        free(*(void **)p);
}

#define TQ_FREE  TQ_CLEANUP(tq_freep)
#define TQ_CLOSE TQ_CLEANUP(tq_closep)

/* The negative errno of the call that has just failed; never 0. */
static inline int tq_errno(void) {
        return errno > 0 ? -errno : -EIO;
}

/* Room for one more of n items, each of so many bytes, in an array that doubles. -ENOMEM: it is as
 * it was. */
static inline int tq_make_room(void **items, size_t n, size_t *allocated, size_t size) {
        size_t more = *allocated > 0 ? *allocated * 2 : 8;
        void *bigger;

        if (n < *allocated)
                return 0;
        bigger = reallocarray(*items, more, size);
        if (!bigger)
                return -ENOMEM;
        *items = bigger;
        *allocated = more;
        return 0;
}

/* Zeroed, from the beginning of a cache line on: who reads part of it fetches as few as can be. */
static inline void *tq_calloc_lines(size_t size) {
        void *p = aligned_alloc(64, (size + 63) / 64 * 64);

        return p ? memset(p, 0, size) : NULL;
}

/* Saturating: a sum of times or counters must never wrap to a small number. */
static inline uint64_t tq_add_u64(uint64_t a, uint64_t b) {
        uint64_t r;

        return __builtin_add_overflow(a, b, &r) ? UINT64_MAX : r;
}

static inline uint64_t tq_mul_u64(uint64_t a, uint64_t b) {
        uint64_t product;

        return __builtin_mul_overflow(a, b, &product) ? UINT64_MAX : product;
}

static inline uint64_t tq_sub_u64(uint64_t a, uint64_t b) {
        return a > b ? a - b : 0;
}
