/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "supervisor/ends/work.h"

/* Another owner, by root's order. */

/* Answers, now or when it is done; -EAGAIN: it has begun, and something is in the way. */
void give_order(Ends *e, const TqOrderMessage *m);
/* The same at the start of tenantqd, when nobody asks; is_nobodys: the order goes when it is done.
 * Negative errno, and why. */
int give_resume(Ends *e, const char *name, const char *to, bool is_nobodys, char *why, size_t size);
