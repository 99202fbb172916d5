/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/buffer.h"

/* The text of a profile of this host; an exit code, and what is wrong is said. *ret_dir: where it
 * comes from, NULL: the program. */
int profile_read(const char *name, TqBuffer *ret, const char **ret_dir);

/* Whether a job may run under a profile of that name here; not known, if it can't be seen: true. */
bool profile_exists(const char *name);
