/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bare.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "conf/profilefile.h"
#include "exec/exec.h"
#include "kernel/netns.h"
#include "kernel/filter.h"

/* The sandbox is tenantq-exec's own code, with a plan like a job's: what is compared is what it
 * costs to get there, and not which sandbox it is. */

#define WITH_PID (CLONE_NEWIPC | CLONE_NEWUTS) /* what is made with the PID namespace */

static const TqPlan *plan;

static double now_usec(void) {
        struct timespec ts;

        (void)clock_gettime(CLOCK_MONOTONIC, &ts);
        return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

static int seal(TqPlan *p, const TqFilter *filter) {
        TQ_BUFFER_CLEANUP TqBuffer paths = {};
        int fd, r;

        tq_plan_add_path(&paths, TQ_PATH_HIDDEN, "/home");
        tq_plan_add_path(&paths, TQ_PATH_HIDDEN, "/root");
        tq_plan_add_path(&paths, TQ_PATH_HIDDEN, "/run");
        fd = tq_plan_seal(p, &(TqPlanParts){ .filter = filter->code,
                                             .n_filter = filter->n,
                                             .paths = paths.data,
                                             .paths_size = paths.size });
        if (fd < 0)
                return fd;
        r = tq_plan_map(fd, &plan);
        (void)close(fd);
        return r;
}

/* The namespace that a first launch makes and hands over, kept as tenantqd keeps it. */
static int receive(int fd, int *ret) {
        union {
                struct cmsghdr head;
                char space[CMSG_SPACE(sizeof(int))];
        } control;
        TqPlanTemplate said;
        struct msghdr m = { .msg_iov = &(struct iovec){ &said, sizeof(said) },
                            .msg_iovlen = 1,
                            .msg_control = &control,
                            .msg_controllen = sizeof(control) };

        if (recvmsg(fd, &m, MSG_CMSG_CLOEXEC) != sizeof(said))
                return -EIO;
        memcpy(ret, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(int));
        return 0;
}

int bare_prepare(void) {
        TqProfile profile;
        TqFilter filter = {};
        TqPlan p = { .mode = TQ_PLAN_JOB,
                     .uid = 64800,
                     .mount_fd = -1,
                     .network_fd = -1,
                     .tmp_bytes = UINT64_C(1) << 30 };
        int sockets[2], r, tmp_fd, status;
        pid_t pid;

        r = tq_profilefile_parse("default", tq_profilefile_builtin("default"), &profile, NULL);
        if (r >= 0)
                r = tq_filter_compile(&profile, TQ_FILTER_WATCHED, &filter, NULL);
        if (r < 0)
                return r;
        if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, sockets) < 0)
                return tq_errno();
        p.report_fd = sockets[1];
        p.network_fd = tq_netns_new();
        if (p.network_fd < 0)
                return p.network_fd;
        r = seal(&p, &filter);
        if (r < 0)
                return r;
        pid = fork();
        if (pid == 0)
                _exit(sandbox_enter(plan, &tmp_fd) < 0);
        if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
                return -EIO;
        r = receive(sockets[0], &p.mount_fd);
        return r < 0 ? r : seal(&p, &filter);
}

static _Noreturn void be_child(const char *noop, BareParts parts) {
        int tmp_fd, r = 0;

        if (parts == BARE_NAMESPACES && unshare(CLONE_NEWNS | CLONE_NEWCGROUP) < 0)
                _exit(126);
        if (parts >= BARE_SANDBOX)
                r = network_enter(plan);
        if (r >= 0 && parts >= BARE_SANDBOX)
                r = sandbox_enter(plan, &tmp_fd);
        if (r >= 0 && parts >= BARE_FILTER) {
                (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
                r = install_filter(plan, plan->filter_offset, plan->n_filter,
                                   SECCOMP_FILTER_FLAG_NEW_LISTENER);
        }
        if (r >= 0)
                (void)execl(noop, "noop", (char *)NULL);
        _exit(127);
}

static int launch(int root, const char *noop, BareParts parts, int i) {
        struct clone_args args = { .exit_signal = SIGCHLD };
        int fd, status, r = 0;
        char name[16];
        long pid;

        (void)snprintf(name, sizeof(name), "b%d", i);
        if (mkdirat(root, name, 0755) < 0)
                return tq_errno();
        fd = openat(root, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        args.flags = CLONE_INTO_CGROUP | CLONE_NEWPID | CLONE_VFORK |
                     (parts >= BARE_NAMESPACES ? WITH_PID : 0);
        args.cgroup = (uint64_t)fd;
        pid = syscall(SYS_clone3, &args, sizeof(args));
        if (pid == 0)
                be_child(noop, parts);
        if (pid < 0 || waitpid((pid_t)pid, &status, 0) < 0)
                r = tq_errno();
        else if (status != 0)
                r = -EIO;
        (void)close(fd);
        return unlinkat(root, name, AT_REMOVEDIR) < 0 ? tq_errno() : r;
}

double bare_loop(const char *path, const char *noop, BareParts parts, int n) {
        int root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
        double start = now_usec();

        if (root < 0)
                return tq_errno();
        for (int i = 0; i < n && r >= 0; i++)
                r = launch(root, noop, parts, i);
        (void)close(root);
        return r < 0 ? r : (now_usec() - start) / n;
}
