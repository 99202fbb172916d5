/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/clock.h"

#include <assert.h>
#include <time.h>

static uint64_t now_usec(clockid_t clock) {
        struct timespec ts;
        int r;

        r = clock_gettime(clock, &ts);
        assert(r == 0);
        /* A clock set to before 1970 must not become a time far in the future. */
        if (ts.tv_sec < 0)
                return 0;
        return (uint64_t)ts.tv_sec * TQ_USEC_PER_SEC + (uint64_t)ts.tv_nsec / 1000;
}

uint64_t tq_clock_realtime_usec(void) {
        return now_usec(CLOCK_REALTIME);
}

uint64_t tq_clock_monotonic_usec(void) {
        return now_usec(CLOCK_MONOTONIC);
}

uint64_t tq_clock_boottime_usec(void) {
        return now_usec(CLOCK_BOOTTIME);
}
