/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-event.h>

#include "engine/settings/settings.h"

/* Limits that hold for some time only: when it is over, what stood before them is set again, as a
 * revision of its own. */
typedef struct Expiry Expiry;

int expiry_new(sd_event *event, Settings *settings, Commit *commit, Expiry **ret);
Expiry *expiry_free(Expiry *e);
/* From now on: what is overdue is done at once. */
void expiry_start(Expiry *e);
