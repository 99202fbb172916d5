/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/settings/settings.h"

/* Whether the kernel holds what the ledger and the files say: somebody may have written into a
 * tenant's slice. */
typedef struct Drift Drift;

/* One attribute that is not as it should be. */
typedef struct DriftRow {
        const char *file, *held, *wanted;
} DriftRow;

/* What a look came to: r 0: n rows, perhaps none; -EAGAIN: its limits are being changed; others:
 * it could not be looked at, because of text. */
typedef void (*DriftSeen)(void *data, const Tenant *t, int r, const DriftRow *rows, size_t n,
                          const char *text);

int drift_new(TqLink *link, Settings *settings, Drift **ret);
Drift *drift_free(Drift *d);

/* seen is called once, perhaps at once. -ENOMEM: it is not. */
int drift_look(Drift *d, const Tenant *t, DriftSeen seen, void *data);
/* Something of the tenant ended: it is looked at, unless it was within the last minute. What has
 * drifted is said and written again. */
void drift_job_ended(Drift *d, uint32_t tenant);
