/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/reason.h"

#include <assert.h>

const TqWaitRow tq_reason_waits[_TQ_WAIT_MAX] = {
        [TQ_WAIT_NONE] = { "none", "nothing holds it" },
        [TQ_WAIT_RECOVERY] = { "recovery", "the daemon is taking stock after its start, or its "
                                           "ledger can't be written" },
        [TQ_WAIT_HELD] = { "held", "somebody holds the job" },
        [TQ_WAIT_START_AFTER] = { "start-after", "its StartAfter= has not come" },
        [TQ_WAIT_AFTER] = { "after", "a job of its After= has not ended well yet",
                            .has_current = true, .has_maximum = true },
        [TQ_WAIT_LAUNCH_RETRY] = { "launch-retry", "its launch failed for now and is tried again" },
        [TQ_WAIT_RETRY] = { "retry",
                            "an attempt of it failed; the next one comes when its "
                            "[Retry] says",
                            .has_current = true, .has_maximum = true },
        [TQ_WAIT_TENANT_DISABLED] = { "tenant-disabled", "its tenant has a fault" },
        [TQ_WAIT_HOST_PAUSED] = { "host-paused", "the host is paused: nothing starts" },
        [TQ_WAIT_TENANT_PAUSED] = { "tenant-paused", "its tenant is paused" },
        [TQ_WAIT_QUEUE_PAUSED] = { "queue-paused", "its queue is paused" },
        [TQ_WAIT_TENANT_CONCURRENCY] = { "tenant-concurrency", "the tenant's jobs fill its limit",
                                         .has_current = true, .has_maximum = true },
        [TQ_WAIT_QUEUE_CONCURRENCY] = { "queue-concurrency", "the queue's jobs fill its limit",
                                        .has_current = true, .has_maximum = true },
        [TQ_WAIT_BEHIND] = { "behind", "others of its queue come first", .has_current = true },
        [TQ_WAIT_SLOTS] = { "slots", "all slots of its pool are taken", .has_current = true,
                            .has_maximum = true },
        [TQ_WAIT_LANE] = { "lane", "the slots that are left are for short jobs",
                           .has_current = true, .has_maximum = true },
        [TQ_WAIT_MEMORY] = { "memory", "its memory does not fit what the host has left",
                             .has_current = true, .has_maximum = true },
        [TQ_WAIT_MEMORY_KEPT] = { "memory-kept",
                                  "memory is kept for a job that has waited for it longer" },
        [TQ_WAIT_SHARE] = { "share", "tenants that have used less of their share come first",
                            .has_current = true },
};

const char *tq_reason_to_string(TqWait w) {
        assert(w >= 0 && w < _TQ_WAIT_MAX);
        return tq_reason_waits[w].word;
}
