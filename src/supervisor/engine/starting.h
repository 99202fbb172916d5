/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-event.h>

#include "base/util.h"

/* While an engine reads its ledger, which it may have to bring to a new version first: systemd
 * waits for as long as it works (EXTEND_TIMEOUT_USEC of sd_notify(3)), and is told. */
typedef struct Starting {
        sd_event_source *timer;
        pid_t pid;
        uint64_t since, ticks;
} Starting;

int starting_begin(Starting *s, sd_event *event, pid_t pid);
void starting_end(Starting *s);
