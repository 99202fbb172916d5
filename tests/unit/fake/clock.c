/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/clock.h"
#include "fake/fake.h"

uint64_t fake_now = 1000 * TQ_USEC_PER_SEC;

uint64_t tq_clock_realtime_usec(void) {
        return FAKE_EPOCH + fake_now;
}

uint64_t tq_clock_monotonic_usec(void) {
        return fake_now;
}

uint64_t tq_clock_boottime_usec(void) {
        return fake_now;
}
