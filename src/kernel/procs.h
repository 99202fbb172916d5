/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/util.h"

/* Sends a signal to the processes of a cgroup, some at a time, so that whoever has other work can
 * do it between. Costs the same for each process, however many there are; nothing is kept of them.
 * A process is signalled through a pidfd that was opened before it was seen to be of this cgroup,
 * so a reused pid is never hit. The list is gone through again until nobody is on it who was not
 * before, so that what is forked meanwhile is met too; a program that forks for ever is given up
 * on. */
typedef struct TqProcs TqProcs;

/* cgroup_fd: borrowed, only until this returns. */
int tq_procs_open(int cgroup_fd, TqProcs **ret);
TqProcs *tq_procs_free(TqProcs *p);

/* Signals at most max more. 1: there may be more; 0: that was the last; negative errno. */
int tq_procs_signal(TqProcs *p, int sig, unsigned max);

/* A process of a cgroup that waits in the kernel where no signal ends it (proc(5), state D), of the
 * first few there are. 0: none was seen. */
pid_t tq_procs_uninterruptible(int cgroup_fd);
