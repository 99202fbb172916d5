/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <tenantq/types.h>

#include "base/util.h"

/* Says on standard error why it did not go well, what a tenant wrote in it made safe, and returns
 * the exit code. */
int fail(int code, const char *fmt, ...) TQ_PRINTF(2, 3);
