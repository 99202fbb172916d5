/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "supervisor/tenants/table.h"

/* The directory of a tenant's output. */

#define LOGS_OWNER   ".owner" /* in each: whose it is */
#define LOGS_FORMERS 64       /* put aside under NAME.former-1 to -64 */

/* t->log_fd, negative if the disk has no room for a directory; negative errno, or -EPERM with a
 * fault. */
int logs_open(Tenants *ts, Tenant *t);
/* Nobody may read there but root: also not its user. */
void logs_close(const Tenants *ts, const Tenant *t);
/* It belongs to that user from now on, by root's order. */
int logs_give(const Tenants *ts, const Tenant *t, uid_t uid, const char *user);
/* Who owns the output, as it was recorded; false: nobody. */
bool logs_read_owner(const Tenants *ts, const Tenant *t, uid_t *ret_uid, char *ret_user,
                     size_t size);
/* The same, if that user is the same as then; TQ_UID_UNKNOWN and "": nobody known. */
uid_t logs_find_owner(const Tenants *ts, const Tenant *t, char *ret_user, size_t size);
/* Which file of a directory says whose it is. */
bool logs_is_mark(const char *name) TQ_PURE;
/* Removes an empty directory of output with that mark. */
int logs_remove(const Tenants *ts, int dir_fd, const char *name);
/* Output of a job, also of a former owner's. -ENOENT: it has none. The caller closes. */
int logs_open_output(const Tenants *ts, const Tenant *t, uint64_t job, unsigned attempt,
                     TqStream stream);
