/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/tenants/tenants.h"

/* How much history there is of a name, of all who have had it: counted by the worker in pieces, so
 * that no commit waits for it. */
typedef struct Tally {
        uint64_t jobs, dead, limits;
} Tally;

/* result: 0 or negative errno; then the numbers are none. */
typedef void (*TallyDone)(void *data, int result, const Tally *tally);

/* -ENOMEM: done is not called. */
int tally_start(Commit *commit, const Tenant *t, TallyDone done, void *data);

/* The numbers of all who have had the name; *ret_n of them. NULL: out of memory. */
uint32_t *tally_owners(const Tenant *t, size_t *ret_n);
