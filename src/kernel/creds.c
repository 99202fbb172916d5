/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernel/creds.h"

#include <assert.h>
#include <sys/fsuid.h>

/* setfsuid(2) returns the previous id whether it worked or not; asking with -1 tells. */
static bool set_both(uid_t uid, gid_t gid) {
        (void)setfsgid(gid);
        (void)setfsuid(uid);
        return (uid_t)setfsuid((uid_t)-1) == uid && (gid_t)setfsgid((gid_t)-1) == gid;
}

/* To whoever may change them, which who starts tenantqd sees to, the kernel refuses it only without
 * memory (kernel/sys.c, prepare_creds()). */
int tq_creds_become(uid_t uid, gid_t gid) {
        if (set_both(uid, gid))
                return 0;
        tq_creds_return();
        return -ENOMEM;
}

void tq_creds_return(void) {
        bool is_root;

        /* The user first: only then may the group be changed back. */
        (void)setfsuid(0);
        is_root = set_both(0, 0);
        assert(is_root);
}
