/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/util.h"

/* What follows a job into the journal's lines about it: terminated strings "TENANTQ_NAME=value", at
 * most TQ_LOG_TRAIL of them, and an empty one behind the last. A job that has none of it has NULL.
 */

/* Each may be NULL: what is no form of it is left out, as are labels of a version that took others.
 * Values are escaped (tq_format_shown). *ret is the caller's, by free(). -ENOMEM. */
int tq_trail_new(const char *correlation_id, const char *labels, const char *trace_parent,
                 char **ret);

/* NULL of NULL, or without memory. */
char *tq_trail_copy(const char *trail);
