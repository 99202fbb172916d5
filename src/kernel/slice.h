/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "kernel/cgroup.h"

/* Tenants' slices, made and changed through libcgroup. See the essay in slice.c. */

/* What the kernel holds after a change. */
typedef struct TqSliceValue {
        TqKey key;
        char text[TQ_VALUE_MAX];
} TqSliceValue;

typedef struct TqSliceState {
        TqSliceValue values[TQ_ATTRS_MAX];
        size_t n;
} TqSliceState;

/* Prepares libcgroup for slices below the directory root_path, which root_fd is. Once a process.
 * With no controller (mask 0) libcgroup is not touched. -EOPNOTSUPP with err if its controllers are
 * on v1. */
int tq_slice_init(const char *root_path, unsigned controllers, TqError *err);

/* Of the slice `name`, nothing is changed; one that is not there holds and uses nothing.
 *
 * -EBUSY with err: a limit would be lowered below what is used now. */
int tq_slice_check_use(int root_fd, const char *name, const TqLimits *limits, unsigned controllers,
                       const char *device, TqError *err);
/* What it has used, and what it holds and should not: FILE, what it holds, what it should hold,
 * with tabs between them and a line feed behind each. 0: nothing; -ESTALE: something, or it is not
 * there. */
int tq_slice_look(int root_fd, const char *name, const TqLimits *limits, unsigned controllers,
                  const char *device, TqCgroupCpu *ret_cpu, char *ret, size_t size, TqError *err);

/* Makes the slice `name` below root_fd if it is missing, writes all limits (unset ones as the
 * kernel's defaults), reads them back and opens it. device: as for tq_cgroup_attrs. On failure the
 * values that stood there before are put back. *ret_fd may be NULL. */
int tq_slice_apply(int root_fd, const char *name, const TqLimits *limits, unsigned controllers,
                   const char *device, int *ret_fd, TqSliceState *ret_state, TqError *err);
