/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/table.h"
#include "engine/settings/change.h"

/* What became of changes of limits, as the table that answers them. 0 or -ENOMEM. */
int change_rows_begin(TqTable *table);
int change_rows_add(TqTable *table, const Tenant *t, const Change *c);
