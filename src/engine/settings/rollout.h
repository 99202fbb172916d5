/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-event.h>

#include "engine/settings/drift.h"

/* Changes that are looked after (--watch): one that makes a tenant's figures worse than the host
 * allows is taken back by itself. */
typedef struct Rollouts Rollouts;

int rollouts_new(sd_event *event, Settings *settings, Drift *drift, Rollouts **ret);
Rollouts *rollouts_free(Rollouts *all);

/* Those of the ledger. */
int rollouts_load(Rollouts *all);
/* From now on they are looked at. */
void rollouts_start(Rollouts *all);
/* CLOCK_REALTIME; 0: nothing of the tenant is looked after. */
uint64_t rollouts_until(const Rollouts *all, uint32_t tenant);
