/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/table.h"
#include "ctl/options.h"

/* Of those of the jobs that run: how long, and what they have used so far, into the columns that
 * have it of those that have ended; and memory_bytes. Nothing is said of what can't be read. */
void measure_jobs(const Options *o, TqTable *jobs);

/* Opens the slice of a tenant, a row of ListTenants: a descriptor, or negative errno. */
int measure_open(const TqTable *tenants, size_t row);
