/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sys/types.h>

#include "base/util.h"

/* A process that forks jobs: tenantq-exec, executed once and not for each job, since that costs
 * several times as much as a fork. What is forked is not its child but ours, in its cgroup from
 * its first instruction. It is started when it is needed, and anew when it has gone. */
typedef struct TqLauncher TqLauncher;

/* helper_fd: the program, O_PATH; borrowed. */
int tq_launcher_new(int helper_fd, TqLauncher **ret);
TqLauncher *tq_launcher_free(TqLauncher *l);

/* What the launched process inherits besides 0 to 2. */
#define TQ_LAUNCH_MOST 16
typedef struct TqLaunch {
        uint64_t flags;          /* CLONE_NEW* */
        int plan_fd;             /* kernel/plan.h; what is in it, tq_launch_add() says */
        int cgroup_fd;           /* where it is born */
        int fds[TQ_LAUNCH_MOST]; /* others */
        size_t n_fds;
} TqLaunch;

/* Adds one; the number that it has there. -1: fd is negative, and nothing is added. More than there
 * is room for is a fault of ours: none is left out. */
int tq_launch_add(TqLaunch *launch, int fd);

/* On success *ret_pidfd is a pidfd (O_CLOEXEC) and *ret_pid its pid, of a child of ours. Waits for
 * the fork, and for nothing that a tenant's limits slow down. Negative errno; *ret_is_fork: of the
 * fork itself, else there is no launcher to be had. It may have forked without a word: then there
 * is a pidfd all the same, of somebody who is being killed, and whose end is to be waited for. */
int tq_launcher_launch(TqLauncher *l, const TqLaunch *launch, pid_t *ret_pid, int *ret_pidfd,
                       bool *ret_is_fork);

/* What both ends have: an answer of the launcher when it begins, then a datagram each way, the
 * request with its descriptors, which get the lowest numbers that are free, in order; the answer
 * with a pidfd. */
enum {
        TQ_LAUNCHER_SOCKET = 3,
        TQ_LAUNCHER_PLAN,
        TQ_LAUNCHER_CGROUP,
        TQ_LAUNCHER_OTHERS, /* from here on */
};

typedef struct TqLaunchRequest {
        uint64_t flags;
        uint32_t n_fds; /* all of them */
} TqLaunchRequest;

typedef struct TqLaunchAnswer {
        int32_t error; /* 0 or negative errno */
        int32_t pid;
} TqLaunchAnswer;
