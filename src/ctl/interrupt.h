/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-event.h>

#include "ctl/options.h"

/* What SIGINT and SIGTERM do while a job of ours is awaited: the loop ends with 128 + signal and
 * the job goes on, which is said; on a terminal the first ^C asks whether to cancel it instead. */
typedef struct Interrupt Interrupt;

/* Negative errno. */
int interrupt_new(const Options *o, uint64_t job, sd_event *event, Interrupt **ret);
Interrupt *interrupt_free(Interrupt *i);
