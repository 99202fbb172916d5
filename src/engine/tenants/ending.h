/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/tenants/tenants.h"

/* What is intended with a name, for all who have had it: recorded with the one who has it now. */

/* 0, or -ENOMEM: nothing is recorded. to NULL, why NULL: none. */
int ending_intend(Tenants *ts, const Tenant *t, TqLedgerEnding what, const char *to, uid_t uid,
                  const char *why);
/* Its name is another one from now on, and that of those who had it before; what was intended is
 * done. */
int ending_rename(Tenants *ts, const Tenant *t, const char *name);
/* They are nobody any more, all who have had it: known by their numbers only. */
void ending_forget(Tenants *ts, const Tenant *t);
