/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "supervisor/tenants/tenants.h"

/* Refused files: kept in the tenant's own rejected/, with the reason beside them. */
typedef struct Rejects Rejects;

int rejects_new(TqLink *link, Rejects **ret);
Rejects *rejects_free(Rejects *r);

/* Moves FROM/NAME there as `as`; false: for now it stays where it is. */
bool reject_move(Rejects *r, Tenant *t, int from_fd, const char *name, const char *as,
                 const char *reason);
/* Tells the engine of a refusal that is not its own. claim: its number; 0: it never was one that
 * the engine knows. */
void reject_tell(const Rejects *r, const Tenant *t, uint64_t claim, const char *as,
                 const char *reason);
/* The same, of one that the engine crashed over. */
void reject_tell_quarantine(const Rejects *r, const Tenant *t, uint64_t claim, const char *as,
                            const char *reason);
/* Both. */
bool reject_file(Rejects *r, Tenant *t, uint64_t claim, int from_fd, const char *name,
                 const char *as, const char *reason);
