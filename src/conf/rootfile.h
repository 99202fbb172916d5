/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/error.h"
#include "base/util.h"

/* Files by which root is told what to do: read only if nobody else can have written them, or have
 * put them where they are. path: FILE or DIRECTORY/FILE below dir_fd. The caller frees *ret. */

/* Terminated, of at most max bytes. 0, -ENOENT (which is for the caller to judge: err is empty),
 * -EPERM, -E2BIG and the like with err. */
int tq_rootfile_read(int dir_fd, const char *path, size_t max, char **ret, size_t *ret_size,
                     TqError *err);

/* The same of a text: a NUL in it is -EBADMSG, and a missing file an error, with err. */
int tq_rootfile_read_text(int dir_fd, const char *path, size_t max, char **ret, TqError *err);
