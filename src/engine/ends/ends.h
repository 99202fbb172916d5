/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/ends/look.h"
#include "engine/ends/say.h"

/* The end of a tenant, another name, another owner: intended, recorded, waited for, done. */

int ends_new(const EndsRooms *rooms, Ends **ret);
Ends *ends_free(Ends *e);

/* What the ledger knows is intended: before the first file is taken, and once jobs may start. */
int ends_load(Ends *e);
void ends_start(Ends *e);
/* One of its jobs has ended, and that is recorded. */
void ends_job_ended(Ends *e, uint32_t tenant);

/* done: it is recorded, and goes on by itself. Asked once more, it says so again. -ENOMEM. */
int ends_order(Ends *e, const Tenant *t, const EndOrder *o, EndsDone done, void *data);
/* done: it has come to its end, or lacks nothing but root's order (-ENODATA). -ENOENT: nothing
 * is intended. */
int ends_wait(Ends *e, const Tenant *t, EndsDone done, void *data);
/* Takes a removal back; of the order, by whom and why. */
int ends_keep(Ends *e, const Tenant *t, const EndOrder *o, EndsDone done, void *data);
