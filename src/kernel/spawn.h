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

/* Starts the helper without copying this process (CLONE_VM), in its cgroup from its first
 * instruction (CLONE_INTO_CGROUP), with an empty environment and default signal state. On success
 * *ret_pidfd is a pidfd (O_CLOEXEC) and *ret_pid its pid.
 *
 * In a cgroup of its own the helper is not waited for: when it can't be executed, the child ends
 * with TQ_SPAWN_FAILED and the errno as its code; and it is scheduled with SCHED_FIFO, which it is
 * to give up. Otherwise that is this function's error, with *ret_exec true.
 *
 * For one thread of a program. Negative errno on failure. */
int tq_spawn(const TqSpawn *s, pid_t *ret_pid, int *ret_pidfd, bool *ret_exec);

#define TQ_SPAWN_FAILED 120 /* above all codes of the helper's own */

/* The errno of a code, or 0 if the helper was executed. */
static inline int tq_spawn_error(int code) {
        return code > TQ_SPAWN_FAILED ? code - TQ_SPAWN_FAILED : 0;
}
