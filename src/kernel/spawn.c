/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernel/spawn.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* For what is started once and stays: it is waited for until it has executed the helper, and a copy
 * of this process's page tables is made. Jobs are forked by the launcher (launcher.c). */

/* Born with all signals blocked, since no handler of ours may run in it. */
static int execute(const TqSpawn *s) {
        char plan[16];
        char *argv[] = { (char *)"tenantq-exec", plan, NULL }, *environment[] = { NULL };
        sigset_t none;

        (void)snprintf(plan, sizeof(plan), "%d", s->plan_fd);
        (void)sigemptyset(&none);
        if (sigprocmask(SIG_SETMASK, &none, NULL) < 0 || fcntl(s->plan_fd, F_SETFD, 0) < 0)
                return errno;
        for (size_t i = 0; i < s->n_keep; i++)
                if (fcntl(s->keep[i], F_SETFD, 0) < 0)
                        return errno;
        /* By descriptor: what was opened at start is what runs, whatever is at its path now. */
        (void)syscall(SYS_execveat, s->helper_fd, "", argv, environment, AT_EMPTY_PATH);
        return errno;
}

static pid_t begin(const TqSpawn *s, int error_fd, int *ret_pidfd) {
        struct clone_args args = {
                .flags = CLONE_PIDFD | CLONE_CLEAR_SIGHAND,
                .pidfd = (uint64_t)(uintptr_t)ret_pidfd,
                .exit_signal = SIGCHLD,
        };
        sigset_t all, old;
        long pid;

        (void)sigfillset(&all);
        (void)pthread_sigmask(SIG_SETMASK, &all, &old);
        pid = syscall(SYS_clone3, &args, sizeof(args));
        if (pid == 0) {
                int error = execute(s);

                (void)!write(error_fd, &error, sizeof(error));
                _exit(1);
        }
        (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
        return pid < 0 ? tq_errno() : (pid_t)pid;
}

int tq_spawn(const TqSpawn *s, pid_t *ret_pid, int *ret_pidfd) {
        TQ_CLOSE int told_fd = -EBADF;
        int fds[2], pidfd = -EBADF, error;
        pid_t pid;

        if (pipe2(fds, O_CLOEXEC) < 0)
                return tq_errno();
        told_fd = fds[0];
        pid = begin(s, fds[1], &pidfd);
        (void)close(fds[1]);
        if (pid < 0)
                return pid;
        /* Closed by its execution, or with why there is none. */
        if (read(told_fd, &error, sizeof(error)) == sizeof(error)) {
                (void)waitpid(pid, NULL, 0);
                (void)tq_close(pidfd);
                return -error;
        }
        *ret_pid = pid;
        *ret_pidfd = pidfd;
        return 0;
}
