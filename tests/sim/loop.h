/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-event.h>

#include "sim.h"

/* What the simulator does with the loop that the engine thinks is sd-event's. */

bool loop_is_due(sd_event *e);         /* a source is */
void loop_turn(sd_event *e);           /* serves one */
void loop_happened(sd_event *e);       /* as if one had been */
uint64_t loop_next(const sd_event *e); /* of the next timer; UINT64_MAX: none */
bool loop_must_exit(const sd_event *e, int *ret_code);
