/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "supervisor/tenants/announce.h"

/* What a person must mend, said once: to the engine, which shows and records it. */

#define NOTES_MAX  8
#define NOTES_OURS "/" /* begins what a note is about when that is no file of the tenant's */

/* file: what it is about; empty: the tenant as a whole. Whether it stands, or stood before; false:
 * there is no room for now. */
bool notes_set(Tenants *ts, Tenant *t, const char *file, const char *fmt, ...) TQ_PRINTF(4, 5);
void notes_clear(Tenants *ts, Tenant *t, const char *file);
/* Those of files that are not there any more. */
void notes_clear_gone(Tenants *ts, Tenant *t);
/* Those of files; nobody is told yet. */
void notes_drop_files(Tenant *t);
void notes_done(Tenant *t);
