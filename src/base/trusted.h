/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sys/stat.h>

#include "base/util.h"

/* Opens a path of root's configuration (O_PATH | O_CLOEXEC), following symbolic links only where
 * root put them: owned by root, in a directory that only root can write. Whoever owns a directory
 * on the way can put another one in its place, but lead nowhere else; what he mounts there is not
 * asked for anything. path: absolute. ret_real, of size bytes: where it is, without links; on
 * failure how far the way went, empty if that is the root. Returns a descriptor or negative errno:
 * -ELOOP: a link that is not root's; -ENAMETOOLONG.
 *
 * Compare chase(CHASE_SAFE) of systemd; openat2(2) has no such mode. */
int tq_trusted_open(const char *path, char *ret_real, size_t size);

/* What is known of such a descriptor without asking anybody. 0 or negative errno. */
int tq_trusted_stat(int fd, struct statx *ret);
