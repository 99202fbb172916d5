/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "kernel/slice.h"
#include "supervisor/host/host.h"

/* The cgroup below which all tenants' slices are. */
typedef struct Slices Slices;

int slices_new(const Host *host, Slices **ret, TqError *err);
Slices *slices_free(Slices *s);

int slices_fd(const Slices *s); /* borrowed, until it is mended */
unsigned slices_controllers(const Slices *s);

/* Opens a tenant's as it is; -ENOENT: there is none. The caller closes. */
int slices_open(const Slices *s, const char *tenant);
/* Makes a tenant's, with these limits, bounded by [ceilings], and reads them back. device: of the
 * tenant's directory; empty: none. The caller closes *ret_fd. Negative errno with err. */
int slices_apply(Slices *s, const char *tenant, const TqLimits *limits, const char *device,
                 int *ret_fd, TqSliceState *ret_state, TqError *err);
/* Whether that would take from its jobs what they use (-EBUSY with err), and whether it holds them
 * as it is: tq_slice_check_use(), tq_slice_look(). */
int slices_check_use(const Slices *s, const char *tenant, const TqLimits *limits,
                     const char *device, TqError *err);
int slices_look(const Slices *s, const char *tenant, const TqLimits *limits, const char *device,
                TqCgroupCpu *ret_cpu, char *ret, size_t size, TqError *err);
/* Removes a tenant's, if nothing is below it any more. */
int slices_remove(const Slices *s, const char *tenant);
/* Whether they could be applied, as far as that can be said without one. */
int slices_check(const Slices *s, const TqLimits *limits, const char *device, TqError *err);
/* 1: it had gone and is another one now, without slices; 0: it is there. */
int slices_mend(Slices *s);
