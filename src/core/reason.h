/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/util.h"

/* Why a job does not start now, in the order in which they are asked: from what is said about the
 * job itself to what others take. The words are stable. */
typedef enum TqWait {
        TQ_WAIT_NONE, /* nothing holds it */
        TQ_WAIT_RECOVERY,
        TQ_WAIT_HELD,
        TQ_WAIT_START_AFTER,
        TQ_WAIT_AFTER,
        TQ_WAIT_LAUNCH_RETRY,
        TQ_WAIT_RETRY,
        TQ_WAIT_TENANT_DISABLED,
        TQ_WAIT_HOST_PAUSED,
        TQ_WAIT_TENANT_PAUSED,
        TQ_WAIT_QUEUE_PAUSED,
        TQ_WAIT_TENANT_CONCURRENCY,
        TQ_WAIT_QUEUE_CONCURRENCY,
        TQ_WAIT_BEHIND,
        TQ_WAIT_SLOTS,
        TQ_WAIT_LANE,
        TQ_WAIT_MEMORY,
        TQ_WAIT_MEMORY_KEPT,
        TQ_WAIT_SHARE,
        _TQ_WAIT_MAX,
} TqWait;

typedef struct TqWaitRow {
        const char *word;
        const char *help;              /* what it means, one line */
        bool has_current, has_maximum; /* of its TqReason: else it is 0 and means nothing */
} TqWaitRow;

extern const TqWaitRow tq_reason_waits[_TQ_WAIT_MAX];

const char *tq_reason_to_string(TqWait w);

/* One reason with its numbers; what does not apply is 0. */
typedef struct TqReason {
        uint64_t current, maximum; /* jobs, slots or bytes, by the reason */
        uint64_t until_usec;       /* CLOCK_BOOTTIME: when it ends by itself; 0: unknown */
        uint64_t job;              /* that stands before it */
        TqWait wait;
        uint32_t tenant; /* that comes first */
} TqReason;
