/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sys/types.h>

#include "base/util.h"

typedef struct TqSpawn {
        int helper_fd;   /* the program to execute, O_PATH */
        int cgroup_fd;   /* where the child is born, or -1: where we are */
        uint64_t flags;  /* CLONE_NEW* */
        int plan_fd;     /* becomes the helper's only argument, as a number */
        const int *keep; /* descriptors the helper inherits besides 0–2 */
        size_t n_keep;
} TqSpawn;

/* Starts the helper without copying this process (CLONE_VM | CLONE_VFORK), in its cgroup from its
 * first instruction (CLONE_INTO_CGROUP), with an empty environment and default signal state. On
 * success *ret_pidfd is a pidfd (O_CLOEXEC) and *ret_pid its pid. Negative errno on failure, with
 * *ret_exec true if it was execveat that failed rather than clone3. */
int tq_spawn(const TqSpawn *s, pid_t *ret_pid, int *ret_pidfd, bool *ret_exec);
