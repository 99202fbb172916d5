/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernel/netns.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>

#include "base/util.h"

/* A child is born in it, opens it in a table of descriptors that is ours, and ends. We stay where
 * we are: who is in a user namespace could not come back. As in spawn.c, the child shares our
 * memory while we stand still, with all signals blocked. */

#define STACK_SIZE 16384

static int open_ours(void *ret) {
        *(int *)ret = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
        if (*(int *)ret < 0)
                *(int *)ret = tq_errno();
        return 0;
}

int tq_netns_new(void) {
        char stack[STACK_SIZE] __attribute__((aligned(16)));
        sigset_t all, before;
        int fd = -EIO, error = 0;
        pid_t pid;

        (void)sigfillset(&all);
        (void)sigprocmask(SIG_SETMASK, &all, &before);
        pid = clone(open_ours, stack + sizeof(stack),
                    CLONE_VM | CLONE_VFORK | CLONE_FILES | CLONE_NEWNET | SIGCHLD, &fd);
        if (pid < 0)
                error = tq_errno();
        (void)sigprocmask(SIG_SETMASK, &before, NULL);
        if (pid < 0)
                return error;
        (void)waitpid(pid, NULL, 0);
        return fd;
}
