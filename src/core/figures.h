/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/util.h"

/* How a tenant's jobs fared in some time, and whether that has become worse. */
typedef struct TqFigures {
        uint64_t waits;         /* jobs that started in it, or still wait for no reason of theirs */
        uint64_t wait_p95_usec; /* of them; 0 without any */
        uint64_t ended;         /* attempts */
        uint64_t failed;        /* of these */
        uint64_t killed;        /* of these: the kernel killed in them for want of memory */
        bool has_cpu;
        uint64_t cpu_usec, throttled_usec; /* of its slice; has_cpu: they are known */
} TqFigures;

#define TQ_FIGURES_TEXT 256

/* What has become worse than `percent` of what it was: a sentence in buf (TQ_FIGURES_TEXT bytes);
 * NULL: nothing, as far as enough is known of both. percent: above 100. */
const char *tq_figures_worse(const TqFigures *before, const TqFigures *after, uint64_t percent,
                             char *buf);
/* All of it in some words, into buf (TQ_FIGURES_TEXT bytes). */
const char *tq_figures_format(const TqFigures *f, char *buf);
