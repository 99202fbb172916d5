/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/table.h"
#include "ctl/options.h"

/* Prints the newest o->rows of the audit, of all tenants if tenant is empty. An exit code. */
int audit_show(const Options *o, const char *tenant, bool limits_only);

/* Adds the column `by`: who it was, in words. 0 or -ENOMEM. */
int audit_add_who(TqTable *t);

/* What a row says, as one sentence. Returns buf. */
const char *audit_sentence(const TqTable *t, size_t row, char *buf, size_t size);
