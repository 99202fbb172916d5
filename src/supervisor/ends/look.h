/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "supervisor/ends/work.h"

/* What there is of a tenant, and what is in the way of another name. */

/* Answers with a TqOrderFound, later. */
void look_count(Ends *e, const TqOrderMessage *m);
/* Why `name` can't be called `to`; NULL: it can. */
const char *look_rename_refused(const Ends *e, const char *name, const char *to, char *buf,
                                size_t size);
