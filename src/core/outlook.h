/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sys/types.h>

#include "core/model.h"

/* The jobs of these tenants that are in line, in the order in which they will probably be looked
 * at: from the one at `skip` on, at most `max`. Returns how many there are in ret; -ENOMEM. Takes
 * time for as many jobs as that and for each queue, however many wait. Sorts the tenants. */
ssize_t tq_outlook(const TqTenant *tenants[], size_t n, size_t skip, size_t max, uint64_t ret[]);
