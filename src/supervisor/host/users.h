/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <pwd.h>

#include "conf/hostfile.h"

/* Users and groups that tenantq.conf names. */
typedef struct Users {
        uid_t engine_uid, exec_uid;
        gid_t engine_gid, exec_gid, admin_gid;
} Users;

/* A name or a number; a number need not have a name. -ENOENT. */
int users_find(const char *name, uid_t *ret_uid, gid_t *ret_gid);

/* Of the system's database, valid until the next question. NULL: there is none, or, with errno
 * other than 0, nobody answers. */
struct passwd *users_by_uid(uid_t uid);
/* Those that tenantq itself uses: none is root, and no two are the same. Negative errno with err.
 */
int users_resolve(const TqHostConfig *config, Users *ret, TqError *err);
