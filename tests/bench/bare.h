/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "kernel/plan.h"

/* The bare loop: what any launcher must do that gives a job its own cgroup, and so much of a
 * sandbox.
 */
typedef enum BareParts {
        BARE_CGROUP,     /* the cgroup, and a PID namespace */
        BARE_NAMESPACES, /* and IPC, UTS and cgroup namespaces, and a copy of the mounts */
        BARE_SANDBOX, /* and all of tenantq-exec's: the tenant's network and mounts, its own mounts
                       */
        BARE_FILTER,  /* and the filter of profile default, with a listener */
        _BARE_MAX,
} BareParts;

/* Once, before the others: the template that all of them join, and the filter. */
int bare_prepare(void);
/* Makes a cgroup below root, clones into it, executes the no-op, waits, removes it: n times.
 * Microseconds each, or negative errno. */
double bare_loop(const char *root, const char *noop, BareParts parts, int n);
