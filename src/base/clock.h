/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/util.h"

/* Microseconds since the epoch (CLOCK_REALTIME): for people and for the ledger only. */
uint64_t tq_clock_realtime_usec(void);

/* Microseconds of CLOCK_MONOTONIC: what sd_notify(3) wants. */
uint64_t tq_clock_monotonic_usec(void);

/* Microseconds since boot, suspended time included (CLOCK_BOOTTIME): every deadline and duration.
 */
uint64_t tq_clock_boottime_usec(void);
