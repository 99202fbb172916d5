/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <tenantq/types.h>

#include "base/util.h"

/* As an error says it, with TQ_TENANT_NAME_MAX. */
#define TQ_IDS_TENANT_RULE                                                                         \
        "expected 1 to %d of A-Z a-z 0-9 _ -, beginning with a letter or digit, not only digits, " \
        "not \"host\""

/* A tenant's name is a directory's name and a cgroup's name: 1 to TQ_TENANT_NAME_MAX of A-Z a-z 0-9
 * _ -, the first one a letter or a digit. Hence never a dot, a slash or an option. */
bool tq_ids_tenant_is_valid(const char *name) TQ_PURE;

/* The same with dots allowed after the first character. */
bool tq_ids_queue_is_valid(const char *name) TQ_PURE;
