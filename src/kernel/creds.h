/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sys/types.h>

#include "base/util.h"

/* Acts as a user towards the file system only (setfsuid(2)): the kernel checks each open as it
 * would check the tenant's own, and the file capabilities leave the effective set meanwhile.
 * Signals and everything else stay root's, so the tenant can't signal us. The supervisor has no
 * supplementary groups. Returns 0 or -ENOMEM if the change did not take. */
int tq_creds_become(uid_t uid, gid_t gid);

/* Back to root. Aborts if that fails: going on as somebody else would be worse. */
void tq_creds_return(void);
