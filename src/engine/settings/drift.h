/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/settings/settings.h"
#include "kernel/cgroup.h"

/* Whether the kernel holds what the ledger and the files say: somebody may have written into a
 * tenant's slice. */
typedef struct Drift Drift;

/* One attribute that is not as it should be. */
typedef struct DriftRow {
        const char *file, *held, *wanted;
} DriftRow;

/* What a look came to. Texts are borrowed. */
typedef struct DriftSight {
        int r; /* 0: n rows, perhaps none; -EAGAIN: its limits are being changed; others: it
                  could not be looked at, because of text */
        const char *text;
        const DriftRow *rows;
        size_t n;
        TqCgroupCpu cpu; /* of its slice so far */
} DriftSight;

typedef void (*DriftSeen)(void *data, const Tenant *t, const DriftSight *sight);

int drift_new(TqLink *link, Settings *settings, Drift **ret);
Drift *drift_free(Drift *d);

/* seen is called once, perhaps at once. -ENOMEM: it is not. */
int drift_look(Drift *d, const Tenant *t, DriftSeen seen, void *data);
/* What its slice has used, and how long it was throttled, in about the last span_usec until `now`;
 * false: that is not known. */
bool drift_cpu_since(const Drift *d, const Tenant *t, uint64_t span_usec, const TqCgroupCpu *now,
                     TqCgroupCpu *ret);
/* Something of the tenant ended: it is looked at, unless it was within the last minute. What has
 * drifted is said and written again. */
void drift_job_ended(Drift *d, uint32_t tenant);
