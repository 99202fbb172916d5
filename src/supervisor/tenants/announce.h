/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "supervisor/tenants/table.h"

/* What the engine is told of tenants. */

/* Tells the engine, if there is anything new to say; of all: everything, to one that knows nothing.
 */
void tenants_announce(Tenants *ts, Tenant *t);
void tenants_announce_all(Tenants *ts);
/* Also what it was told already. */
void tenants_announce_anew(Tenants *ts, Tenant *t);
