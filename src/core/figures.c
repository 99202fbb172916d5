/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/figures.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/format.h"

/* Few jobs tell nothing, and what was next to nothing is soon a multiple of itself: so each figure
 * has a least number of cases on both sides, and a least difference. */

#define CASES_LEAST UINT64_C(5)
#define WAIT_LEAST  TQ_USEC_PER_SEC
#define SHARE_LEAST UINT64_C(50) /* thousandths */
#define CPU_LEAST   (TQ_USEC_PER_SEC / 10)

static bool is_worse(uint64_t before, uint64_t after, uint64_t percent, uint64_t least) {
        return after >= tq_add_u64(before, least) &&
               tq_mul_u64(after, 100) > tq_mul_u64(before, percent);
}

static uint64_t share(uint64_t part, uint64_t whole) {
        return whole > 0 ? tq_mul_u64(part, 1000) / whole : 0;
}

static uint64_t throttled_share(const TqFigures *f) {
        return share(f->throttled_usec, tq_add_u64(f->cpu_usec, f->throttled_usec));
}

static bool has_throttled(const TqFigures *f) {
        return f->has_cpu && tq_add_u64(f->cpu_usec, f->throttled_usec) >= CPU_LEAST;
}

static const char *of_ended(const char *what, uint64_t was, uint64_t of, uint64_t is, uint64_t now,
                            char *buf) {
        (void)snprintf(buf, TQ_FIGURES_TEXT,
                       "%" PRIu64 " of %" PRIu64 " %s, before that %" PRIu64 " of %" PRIu64, is,
                       now, what, was, of);
        return buf;
}

const char *tq_figures_worse(const TqFigures *b, const TqFigures *a, uint64_t percent, char *buf) {
        bool has_ended = b->ended >= CASES_LEAST && a->ended >= CASES_LEAST;
        char was[TQ_FORMAT_MAX], is[TQ_FORMAT_MAX];

        if (has_ended &&
            is_worse(share(b->killed, b->ended), share(a->killed, a->ended), percent, SHARE_LEAST))
                return of_ended("were killed for want of memory", b->killed, b->ended, a->killed,
                                a->ended, buf);
        if (has_ended &&
            is_worse(share(b->failed, b->ended), share(a->failed, a->ended), percent, SHARE_LEAST))
                return of_ended("failed", b->failed, b->ended, a->failed, a->ended, buf);
        if (b->waits >= CASES_LEAST && a->waits >= CASES_LEAST &&
            is_worse(b->wait_p95_usec, a->wait_p95_usec, percent, WAIT_LEAST)) {
                (void)snprintf(buf, TQ_FIGURES_TEXT,
                               "95 %% of the waits are up to %s, before that up to %s",
                               tq_format_span_short(a->wait_p95_usec, is, sizeof(is)),
                               tq_format_span_short(b->wait_p95_usec, was, sizeof(was)));
                return buf;
        }
        if (has_throttled(b) && has_throttled(a) &&
            is_worse(throttled_share(b), throttled_share(a), percent, SHARE_LEAST)) {
                (void)snprintf(buf, TQ_FIGURES_TEXT,
                               "throttled for %" PRIu64 " %% of the time that it wanted CPU, "
                               "before that %" PRIu64 " %%",
                               throttled_share(a) / 10, throttled_share(b) / 10);
                return buf;
        }
        return NULL;
}

const char *tq_figures_format(const TqFigures *f, char *buf) {
        char wait[TQ_FORMAT_MAX], throttled[32] = "not known";

        if (has_throttled(f))
                (void)snprintf(throttled, sizeof(throttled), "%" PRIu64 " %%",
                               throttled_share(f) / 10);
        (void)snprintf(buf, TQ_FIGURES_TEXT,
                       "%" PRIu64 " waited, 95 %% of them up to %s; of %" PRIu64
                       " that ended %" PRIu64 " failed, %" PRIu64
                       " for want of memory; throttled: %s",
                       f->waits, tq_format_span_short(f->wait_p95_usec, wait, sizeof(wait)),
                       f->ended, f->failed, f->killed, throttled);
        return buf;
}
