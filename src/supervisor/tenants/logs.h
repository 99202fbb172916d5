/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "supervisor/tenants/table.h"

/* The directory of a tenant's output. */

/* t->log_fd; negative errno, or -EPERM with a fault. */
int logs_open(Tenants *ts, Tenant *t);
/* Nobody may read there but root: also not its user. */
void logs_close(const Tenants *ts, const Tenant *t);
/* Who owns the output, as it was recorded; false: nobody. */
bool logs_read_owner(const Tenants *ts, const Tenant *t, uid_t *ret_uid, char *ret_user,
                     size_t size);
/* The same, if that user is the same as then; TQ_UID_UNKNOWN and "": nobody known. */
uid_t logs_find_owner(const Tenants *ts, const Tenant *t, char *ret_user, size_t size);
/* Output of a job, also of a former owner's. -ENOENT: it has none. The caller closes. */
int logs_open_output(const Tenants *ts, const Tenant *t, uint64_t job, unsigned attempt,
                     TqStream stream);
