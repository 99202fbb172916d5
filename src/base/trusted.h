/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/util.h"

/* Opens a path of root's configuration (O_PATH | O_CLOEXEC), following symbolic links only where
 * root put them: owned by root, in a directory that only root can write. Whoever owns a directory
 * on the way can put another one in its place, but lead nowhere else. path: absolute. ret_real, of
 * size bytes: where it is, without links. Returns a descriptor or negative errno: -ELOOP: a link
 * that is not root's; -ENAMETOOLONG.
 *
 * Compare chase(CHASE_SAFE) of systemd; openat2(2) has no such mode. */
int tq_trusted_open(const char *path, char *ret_real, size_t size);
