/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernel/spawn.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* clone3(2) with the memory shared and this thread suspended until the child has executed the
 * helper: as cheap as vfork, whatever the size of this process. The child runs child_main() on a
 * stack of its own, so nothing of ours is overwritten; it makes system calls only and tells of a
 * failed execveat through the shared memory. All signals are blocked meanwhile: a handler must not
 * run in the child while it shares our memory. */

#define STACK_SIZE 16384

typedef struct Child {
        const TqSpawn *spawn;
        char *argv[3];
        char plan[16];
        int error; /* written by the child */
} Child;

static int child_main(void *argument) {
        Child *c = argument;
        const TqSpawn *s = c->spawn;
        char *const environment[] = { NULL };
        sigset_t none;

        (void)sigemptyset(&none);
        if (sigprocmask(SIG_SETMASK, &none, NULL) < 0)
                goto failed;
        if (fcntl(s->plan_fd, F_SETFD, 0) < 0)
                goto failed;
        for (size_t i = 0; i < s->n_keep; i++)
                if (fcntl(s->keep[i], F_SETFD, 0) < 0)
                        goto failed;
        /* By descriptor: what was opened at start is what runs, whatever is at its path now. */
        (void)syscall(SYS_execveat, s->helper_fd, "", c->argv, environment, AT_EMPTY_PATH);
failed:
        c->error = tq_errno();
        return 127;
}

#if defined(__x86_64__)

/* The C library has no clone3 wrapper for a child on another stack; fn and argument wait in
 * registers that the system call preserves. */
static long clone3_on_stack(struct clone_args *args, int (*fn)(void *), void *argument) {
        register long result __asm__("rax") = SYS_clone3;
        register struct clone_args *a __asm__("rdi") = args;
        register size_t size __asm__("rsi") = sizeof(*args);
        register int (*f)(void *) __asm__("r12") = fn;
        register void *p __asm__("r13") = argument;

        __asm__ volatile("syscall\n\t"
                         "test %%rax, %%rax\n\t"
                         "jnz 1f\n\t"
                         "xor %%ebp, %%ebp\n\t"
                         "mov %%r13, %%rdi\n\t"
                         "call *%%r12\n\t"
                         "mov %%eax, %%edi\n\t"
                         "mov %[exit], %%eax\n\t"
                         "syscall\n\t"
                         "hlt\n"
                         "1:"
                         : "+r"(result)
                         : "r"(a), "r"(size), "r"(f), "r"(p), [exit] "i"(SYS_exit_group)
                         : "rcx", "r11", "memory", "cc");
        return result;
}

#define SHARES_MEMORY (CLONE_VM | CLONE_VFORK)

static long start(struct clone_args *args, Child *child) {
        /* One stack is enough: this thread is suspended while the child uses it. */
        static char stack[STACK_SIZE] __attribute__((aligned(16)));

        args->stack = (uint64_t)(uintptr_t)stack;
        args->stack_size = sizeof(stack);
        return clone3_on_stack(args, child_main, child);
}

#else

#define SHARES_MEMORY 0

/* Without the assembly the child is a copy; a failed execveat is then seen as exit code 127. */
static long start(struct clone_args *args, Child *child) {
        long pid = syscall(SYS_clone3, args, sizeof(*args));

        if (pid == 0)
                _exit(child_main(child));
        return pid < 0 ? tq_errno() : pid;
}

#endif

int tq_spawn(const TqSpawn *s, pid_t *ret_pid, int *ret_pidfd, bool *ret_exec) {
        Child child = { .spawn = s };
        struct clone_args args = {
                .flags = s->flags | CLONE_PIDFD | CLONE_CLEAR_SIGHAND | SHARES_MEMORY |
                         (s->cgroup_fd >= 0 ? CLONE_INTO_CGROUP : 0),
                .exit_signal = SIGCHLD,
                .cgroup = s->cgroup_fd >= 0 ? (uint64_t)s->cgroup_fd : 0,
        };
        sigset_t all, old;
        int pidfd = -EBADF;
        long pid;

        args.pidfd = (uint64_t)(uintptr_t)&pidfd;
        (void)snprintf(child.plan, sizeof(child.plan), "%d", s->plan_fd);
        child.argv[0] = (char *)"tenantq-exec";
        child.argv[1] = child.plan;

        (void)sigfillset(&all);
        (void)pthread_sigmask(SIG_SETMASK, &all, &old);
        pid = start(&args, &child);
        (void)pthread_sigmask(SIG_SETMASK, &old, NULL);

        *ret_exec = pid > 0 && child.error < 0;
        if (pid < 0)
                return (int)pid;
        if (child.error < 0) {
                (void)waitpid((pid_t)pid, NULL, 0);
                (void)tq_close(pidfd);
                return child.error;
        }
        *ret_pid = (pid_t)pid;
        *ret_pidfd = pidfd;
        return 0;
}
