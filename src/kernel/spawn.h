/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sys/types.h>

#include "base/util.h"

typedef struct TqSpawn {
        int helper_fd;   /* the program to execute, O_PATH */
        int plan_fd;     /* becomes the helper's only argument, as a number */
        const int *keep; /* descriptors the helper inherits besides 0–2 */
        size_t n_keep;
} TqSpawn;

/* Executes the helper with an empty environment and default signal state. On success *ret_pidfd is
 * a pidfd (O_CLOEXEC) and *ret_pid its pid. Negative errno on failure: also of its execution. */
int tq_spawn(const TqSpawn *s, pid_t *ret_pid, int *ret_pidfd);
