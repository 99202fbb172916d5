/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "base/fs.h"
#include "exec/exec.h"
#include "kernel/launcher.h"

/* The process that is executed once and forked for each job. It has no memory of jobs: their plans
 * are mapped by those who are forked, and their descriptors closed here. What it is told, only the
 * supervisor can say, to whose end of the socket nobody else has a descriptor.
 *
 * What is inherited by a fork and is the same for all of them, it does once: a launch does the
 * rest. */

/* What a request brings, and a pidfd. Not all numbers: the kernel would go through a table that is
 * as large as the supervisor's was. */
#define LAST_FD (TQ_LAUNCHER_OTHERS + TQ_LAUNCH_MOST + 1)

typedef struct Request {
        TqLaunchRequest said;
        bool is_whole; /* its descriptors have the numbers that they are to have */
} Request;

static int receive(Request *ret) {
        union {
                struct cmsghdr header;
                char bytes[CMSG_SPACE((TQ_LAUNCH_MOST + 2) * sizeof(int))];
        } control = {};
        struct iovec iov = { &ret->said, sizeof(ret->said) };
        struct msghdr mh = { .msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control) };
        const struct cmsghdr *h;
        ssize_t n;

        do
                n = recvmsg(TQ_LAUNCHER_SOCKET, &mh, 0);
        while (n < 0 && errno == EINTR);
        if (n != sizeof(ret->said))
                return -ECONNRESET; /* the supervisor's end, or it is another one */
        h = CMSG_FIRSTHDR(&mh);
        ret->is_whole = h && !(mh.msg_flags & MSG_CTRUNC) && ret->said.n_fds >= 2 &&
                        ret->said.n_fds <= TQ_LAUNCH_MOST + 2 &&
                        h->cmsg_len == CMSG_LEN(ret->said.n_fds * sizeof(int));
        for (uint32_t i = 0; ret->is_whole && i < ret->said.n_fds; i++)
                ret->is_whole = ((const int *)CMSG_DATA(h))[i] == TQ_LAUNCHER_PLAN + (int)i;
        return 0;
}

static int answer(pid_t pid, int error, int pidfd) {
        const TqLaunchAnswer said = { .error = error, .pid = pid };
        union {
                struct cmsghdr header;
                char bytes[CMSG_SPACE(sizeof(int))];
        } control = {};
        struct iovec iov = { (void *)&said, sizeof(said) };
        struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };

        if (pidfd >= 0) {
                mh.msg_control = &control;
                mh.msg_controllen = sizeof(control);
                control.header = (struct cmsghdr){ .cmsg_level = SOL_SOCKET,
                                                   .cmsg_type = SCM_RIGHTS,
                                                   .cmsg_len = CMSG_LEN(sizeof(int)) };
                memcpy(CMSG_DATA(&control.header), &pidfd, sizeof(int));
        }
        return sendmsg(TQ_LAUNCHER_SOCKET, &mh, MSG_NOSIGNAL) < 0 ? tq_errno() : 0;
}

/* CLONE_PARENT: the supervisor's child, as if it had forked it. 0 in the child. */
static long launch(const TqLaunchRequest *request, int *ret_pidfd) {
        struct clone_args args = {
                .flags = request->flags | CLONE_PARENT | CLONE_PIDFD | CLONE_INTO_CGROUP,
                .cgroup = TQ_LAUNCHER_CGROUP,
                .pidfd = (uint64_t)(uintptr_t)ret_pidfd,
        };
        long pid = syscall(SYS_clone3, &args, sizeof(args));

        return pid < 0 ? tq_errno() : pid;
}

static int prepare(const TqPlan *plan) {
        const struct sched_param least = { .sched_priority = 1 };
        int r;

        if (plan->n_keep != 1 || dup2(plan->keep[0], TQ_LAUNCHER_SOCKET) < 0 ||
            close_range(TQ_LAUNCHER_SOCKET + 1, ~0U, 0) < 0)
                return -EBADF;
        /* Not its terminal's either: what is forked joins no session. */
        (void)setsid();
        r = give_up_chances();
        if (r >= 0)
                r = surroundings_reset();
        if (r < 0)
                return r;
        /* It never outlives the supervisor. Those who are forked do: it is not inherited. */
        if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
                return tq_errno();
        /* Until the sandbox is made, cpu.max does not hold for who is forked, from its first
         * instruction on: it is about to take locks that everybody's launches need, and must not be
         * made to wait with them held. leave_hurry() ends that; where it is not allowed, it may be
         * made to wait. */
        (void)sched_setscheduler(0, SCHED_FIFO, &least);
        return 0;
}

const TqPlan *launcher_run(const TqPlan *own) {
        const TqPlan *plan;
        Request request;
        int r = prepare(own);

        if (answer(0, r, -EBADF) < 0 || r < 0)
                return NULL;
        while (receive(&request) >= 0) {
                int pidfd = -EBADF;
                long pid = request.is_whole ? launch(&request.said, &pidfd) : -EBADF;

                if (pid == 0) {
                        (void)close(TQ_LAUNCHER_SOCKET);
                        (void)close(TQ_LAUNCHER_CGROUP);
                        return tq_plan_map(TQ_LAUNCHER_PLAN, &plan) < 0 ? NULL : plan;
                }
                /* A clone3(2) that failed may have left a number. */
                if (answer((pid_t)TQ_MAX(pid, 0L), (int)TQ_MIN(pid, 0L), pid > 0 ? pidfd : -EBADF) <
                            0 ||
                    close_range(TQ_LAUNCHER_SOCKET + 1, LAST_FD, 0) < 0)
                        break;
        }
        return NULL;
}
