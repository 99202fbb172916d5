/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/retention.h"

#include <stdlib.h>

#define DAY   (86400 * TQ_USEC_PER_SEC)
#define WHOLE TQ_RETENTION_WHOLE

void tq_retention_init(TqRetention *h) {
        *h = (TqRetention){
                .jobs_age_usec = 90 * DAY,
                .jobs = 100000,
                .jobs_total = 2000000,
                .jobs_kept = 100000,
                .jobs_bytes = UINT64_C(1) << 30,
                .dead_age_usec = 180 * DAY,
                .events_age_usec = 180 * DAY,
                .audit_age_usec = 730 * DAY,
                .events = 1000000,
                .output_age_usec = 30 * DAY,
                .output_bytes = UINT64_C(1) << 30,
                .output_files = 20000,
                .output_total_bytes = UINT64_MAX,
                .output_floor = 500,
                .keep_usec = 365 * DAY,
                .key_window_usec = DAY,
        };
}

bool tq_retention_is_sane(const TqRetention *h) {
        return h->output_floor <= WHOLE && h->output_files > 0 && h->output_bytes > 0;
}

uint64_t tq_retention_floor(uint64_t size, uint64_t floor) {
        return size / WHOLE * floor + size % WHOLE * floor / WHOLE;
}

static int by_size(const void *a, const void *b) {
        uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

        return (x > y) - (x < y);
}

uint64_t tq_retention_allowance(uint64_t *counts, size_t n, uint64_t total) {
        if (n == 0 || total == UINT64_MAX)
                return UINT64_MAX;
        qsort(counts, n, sizeof(*counts), by_size);
        /* The smallest are whole as long as all that are left could be as large. */
        for (size_t i = 0; i < n; i++) {
                if (counts[i] > total / (n - i))
                        return total / (n - i);
                total -= counts[i];
        }
        return UINT64_MAX;
}
