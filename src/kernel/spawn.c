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

#include "base/list.h"

/* clone3(2) with the memory shared: as cheap as vfork(2), whatever the size of this process. The
 * child runs child_main() on a stack of its own and makes system calls only: this program goes on
 * meanwhile, so not even errno may be written. It is born with all signals blocked, since no
 * handler may run in it.
 *
 * It is not waited for. In a cgroup whose limits a tenant has used up (cpu.max, io.max) it may take
 * as long as the tenant likes until it has executed the helper, and whoever waited would stand
 * still for all tenants. What it reads stays until the kernel says that it has left this memory, by
 * execve(2) or by its end (CLONE_CHILD_CLEARTID); how execve failed, its exit code says.
 *
 * What shares our memory would take us with it when the kernel kills it for want of memory: it has
 * our oom_score_adj, which is therefore the least (mm/oom_kill.c, __oom_kill_process()). */

#define STACK_SIZE 16384
#define KEEP_MOST  16
#define LOOKED_AT  4 /* of the children at a time, whether they have left */

typedef struct Child {
        char stack[STACK_SIZE] __attribute__((aligned(16)));
        TqList list;
        pid_t tid; /* cleared by the kernel when it has left our memory */
        int helper_fd, plan_fd;
        int keep[KEEP_MOST];
        size_t n_keep;
        bool is_hurried;
        char *argv[3], *environment[1];
        char plan[16];
        int error; /* why it could not execute the helper */
} Child;

/* Children that may still use theirs, and what is free. */
static TqList busy = { &busy, &busy };
static TqList idle = { &idle, &idle };

#if defined(__x86_64__)

/* The negative errno in place of errno, which is the thread's that goes on. */
static long call(long number, long a, long b, long c, long d, long e) {
        register long r10 __asm__("r10") = d;
        register long r8 __asm__("r8") = e;
        long r = number;

        __asm__ volatile("syscall"
                         : "+a"(r)
                         : "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
                         : "rcx", "r11", "memory");
        return r;
}

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

#define SHARES_MEMORY CLONE_VM

static long start(struct clone_args *args, int (*fn)(void *), Child *c) {
        args->stack = (uint64_t)(uintptr_t)c->stack;
        args->stack_size = sizeof(c->stack);
        return clone3_on_stack(args, fn, c);
}

#else

#define SHARES_MEMORY 0

static long call(long number, long a, long b, long c, long d, long e) {
        long r = syscall(number, a, b, c, d, e);

        return r < 0 ? tq_errno() : r;
}

static long start(struct clone_args *args, int (*fn)(void *), Child *c) {
        long pid = syscall(SYS_clone3, args, sizeof(*args));

        if (pid == 0)
                _exit(fn(c));
        c->tid = 0; /* its memory is a copy */
        return pid < 0 ? tq_errno() : pid;
}

#endif

static int child_main(void *argument) {
        Child *c = argument;
        struct sched_param least = { .sched_priority = 1 };
        uint64_t none = 0;
        long r;

        /* Until the sandbox is made, cpu.max does not hold for it: it is about to take locks that
         * everybody's launches need, and must not be made to wait with them held. Where that is not
         * allowed, it may be. */
        if (c->is_hurried)
                (void)call(SYS_sched_setscheduler, 0, SCHED_FIFO, (long)(uintptr_t)&least, 0, 0);
        r = call(SYS_rt_sigprocmask, SIG_SETMASK, (long)(uintptr_t)&none, 0, sizeof(none), 0);
        if (r >= 0)
                r = call(SYS_fcntl, c->plan_fd, F_SETFD, 0, 0, 0);
        for (size_t i = 0; r >= 0 && i < c->n_keep; i++)
                r = call(SYS_fcntl, c->keep[i], F_SETFD, 0, 0, 0);
        /* By descriptor: what was opened at start is what runs, whatever is at its path now. */
        if (r >= 0)
                r = call(SYS_execveat, c->helper_fd, (long)(uintptr_t) "", (long)(uintptr_t)c->argv,
                         (long)(uintptr_t)c->environment, AT_EMPTY_PATH);
        c->error = (int)r;
        return TQ_SPAWN_FAILED + (int)-r;
}

/* One whose memory nobody uses. */
static Child *take_child(void) {
        TqList *first;
        Child *c;

        for (int i = 0; i < LOOKED_AT && (first = tq_list_first(&busy)); i++) {
                c = TQ_LIST_ENTRY(first, Child, list);
                tq_list_unlink(first);
                tq_list_append(__atomic_load_n(&c->tid, __ATOMIC_ACQUIRE) == 0 ? &idle : &busy,
                               first);
        }
        first = tq_list_first(&idle);
        if (!first) {
                c = aligned_alloc(16, sizeof(*c));
                if (c)
                        tq_list_init(&c->list);
                return c;
        }
        tq_list_unlink(first);
        return TQ_LIST_ENTRY(first, Child, list);
}

static void fill_child(Child *c, const TqSpawn *s) {
        c->tid = -1;
        c->error = 0;
        c->helper_fd = s->helper_fd;
        c->plan_fd = s->plan_fd;
        c->n_keep = s->n_keep;
        memcpy(c->keep, s->keep, s->n_keep * sizeof(*s->keep));
        c->is_hurried = s->cgroup_fd >= 0;
        (void)snprintf(c->plan, sizeof(c->plan), "%d", s->plan_fd);
        c->argv[0] = (char *)"tenantq-exec";
        c->argv[1] = c->plan;
        c->argv[2] = NULL;
        c->environment[0] = NULL;
}

int tq_spawn(const TqSpawn *s, pid_t *ret_pid, int *ret_pidfd, bool *ret_exec) {
        struct clone_args args = {
                .flags = s->flags | CLONE_PIDFD | CLONE_CLEAR_SIGHAND | CLONE_CHILD_CLEARTID |
                         SHARES_MEMORY | (s->cgroup_fd >= 0 ? CLONE_INTO_CGROUP : CLONE_VFORK),
                .exit_signal = SIGCHLD,
                .cgroup = s->cgroup_fd >= 0 ? (uint64_t)s->cgroup_fd : 0,
        };
        Child *c = s->n_keep <= KEEP_MOST ? take_child() : NULL;
        sigset_t all, old;
        int pidfd = -EBADF, error;
        long pid;

        *ret_exec = false;
        if (!c)
                return -ENOMEM;
        fill_child(c, s);
        args.pidfd = (uint64_t)(uintptr_t)&pidfd;
        args.child_tid = (uint64_t)(uintptr_t)&c->tid;
        (void)sigfillset(&all);
        (void)pthread_sigmask(SIG_SETMASK, &all, &old);
        pid = start(&args, child_main, c);
        (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
        if (pid < 0) {
                tq_list_append(&idle, &c->list);
                return (int)pid;
        }
        error = s->cgroup_fd < 0 ? c->error : 0;
        tq_list_append(&busy, &c->list);
        if (error < 0) {
                *ret_exec = true;
                (void)waitpid((pid_t)pid, NULL, 0);
                (void)tq_close(pidfd);
                return error;
        }
        *ret_pid = (pid_t)pid;
        *ret_pidfd = pidfd;
        return 0;
}
