/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernel/launcher.h"

#include <assert.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/parse.h"
#include "kernel/plan.h"
#include "kernel/spawn.h"

#define PATIENCE_SEC 10   /* of a fork: it waits for nobody */
#define END_MSEC     1000 /* of a kill */

struct TqLauncher {
        int helper_fd;
        int fd; /* negative: it does not run */
        pid_t pid;
        int pidfd;
        int left_pidfd; /* of one before, that is dead and could not be reaped yet */
};

int tq_launcher_new(int helper_fd, TqLauncher **ret) {
        TqLauncher *l = malloc(sizeof(*l));

        if (!l)
                return -ENOMEM;
        *l = (TqLauncher){
                .helper_fd = helper_fd, .fd = -EBADF, .pidfd = -EBADF, .left_pidfd = -EBADF
        };
        *ret = l;
        return 0;
}

/* Whoever is traced is its tracer's to reap first. */
static void reap_left(TqLauncher *l) {
        if (l->left_pidfd < 0 ||
            waitid(P_PIDFD, (id_t)l->left_pidfd, &(siginfo_t){}, WEXITED | WNOHANG) < 0)
                l->left_pidfd = tq_close(l->left_pidfd);
}

/* Waits until it does nothing any more, but not until it has been reaped. */
static void stop(TqLauncher *l) {
        if (l->fd < 0)
                return;
        l->fd = tq_close(l->fd);
        (void)pidfd_send_signal(l->pidfd, SIGKILL, NULL, 0);
        (void)poll(&(struct pollfd){ .fd = l->pidfd, .events = POLLIN }, 1, END_MSEC);
        reap_left(l);
        (void)tq_close(l->left_pidfd);
        l->left_pidfd = l->pidfd;
        l->pidfd = -EBADF;
        reap_left(l);
}

TqLauncher *tq_launcher_free(TqLauncher *l) {
        if (!l)
                return NULL;
        stop(l);
        (void)tq_close(l->left_pidfd);
        free(l);
        return NULL;
}

static int hear(const TqLauncher *l, TqLaunchAnswer *ret, int *ret_pidfd) {
        union {
                struct cmsghdr header;
                char bytes[CMSG_SPACE(sizeof(int))];
        } control = {};
        struct iovec iov = { ret, sizeof(*ret) };
        struct msghdr mh = { .msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control) };
        const struct cmsghdr *h;
        ssize_t n;

        do
                n = recvmsg(l->fd, &mh, MSG_CMSG_CLOEXEC);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return errno == EAGAIN ? -ETIMEDOUT : tq_errno();
        if (n != sizeof(*ret))
                return -ECONNRESET;
        h = CMSG_FIRSTHDR(&mh);
        if (h && h->cmsg_level == SOL_SOCKET && h->cmsg_type == SCM_RIGHTS)
                memcpy(ret_pidfd, CMSG_DATA(h), sizeof(int));
        return 0;
}

/* What a launcher can't do when it begins, it can't do for any launch. */
static int hear_ready(const TqLauncher *l) {
        TqLaunchAnswer answer = {};
        int pidfd = -EBADF, r = hear(l, &answer, &pidfd);

        (void)tq_close(pidfd);
        return r < 0 ? r : answer.error;
}

static int begin(TqLauncher *l) {
        const struct timeval patience = { .tv_sec = PATIENCE_SEC };
        TqPlan plan = { .mode = TQ_PLAN_LAUNCHER, .n_keep = 1 };
        TQ_CLOSE int plan_fd = -EBADF, ours = -EBADF, theirs = -EBADF;
        int fds[2], r;

        reap_left(l);
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
                return tq_errno();
        ours = fds[0];
        theirs = fds[1];
        /* Stopped, it would stop us for all tenants. */
        if (setsockopt(ours, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0 ||
            setsockopt(ours, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0)
                return tq_errno();
        plan.keep[0] = theirs;
        plan_fd = tq_plan_seal(&plan, &(TqPlanParts){});
        if (plan_fd < 0)
                return plan_fd;
        r = tq_spawn(&(TqSpawn){ .helper_fd = l->helper_fd,
                                 .plan_fd = plan_fd,
                                 .keep = plan.keep,
                                 .n_keep = plan.n_keep },
                     &l->pid, &l->pidfd);
        if (r < 0)
                return r;
        l->fd = tq_take_fd(&ours);
        (void)tq_close(tq_take_fd(&theirs)); /* so that its end is told */
        r = hear_ready(l);
        if (r < 0)
                stop(l);
        return r;
}

int tq_launch_add(TqLaunch *launch, int fd) {
        if (fd < 0)
                return -1;
        assert(launch->n_fds < TQ_LAUNCH_MOST);
        launch->fds[launch->n_fds] = fd;
        return TQ_LAUNCHER_OTHERS + (int)launch->n_fds++;
}

static int ask(const TqLauncher *l, const TqLaunch *launch) {
        const TqLaunchRequest request = { launch->flags, (uint32_t)launch->n_fds + 2 };
        int fds[TQ_LAUNCH_MOST + 2] = { launch->plan_fd, launch->cgroup_fd };
        union {
                struct cmsghdr header;
                char bytes[CMSG_SPACE(sizeof(fds))];
        } control = {};
        struct iovec iov = { (void *)&request, sizeof(request) };
        struct msghdr mh = { .msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = CMSG_SPACE(request.n_fds * sizeof(int)) };
        ssize_t n;

        memcpy(fds + 2, launch->fds, launch->n_fds * sizeof(int));
        control.header = (struct cmsghdr){ .cmsg_level = SOL_SOCKET,
                                           .cmsg_type = SCM_RIGHTS,
                                           .cmsg_len = CMSG_LEN(request.n_fds * sizeof(int)) };
        memcpy(CMSG_DATA(&control.header), fds, request.n_fds * sizeof(int));
        do
                n = sendmsg(l->fd, &mh, MSG_NOSIGNAL);
        while (n < 0 && errno == EINTR);
        return n < 0 ? tq_errno() : 0;
}

/* A child whose pidfd did not come, since we have no descriptor free, is ended. */
static int take_answer(const TqLauncher *l, pid_t *ret_pid, int *ret_pidfd, bool *ret_is_fork) {
        TqLaunchAnswer answer = {};
        int pidfd = -EBADF, r;

        r = hear(l, &answer, &pidfd);
        if (r < 0)
                return r;
        *ret_is_fork = true;
        if (answer.error < 0)
                return answer.error;
        if (pidfd < 0) {
                (void)kill(answer.pid, SIGKILL);
                (void)waitpid(answer.pid, NULL, 0);
                return -EMFILE;
        }
        *ret_pid = answer.pid;
        *ret_pidfd = pidfd;
        return 0;
}

/* Its end of the socket may live on with one who was forked and can't run. */
static bool has_ended(const TqLauncher *l) {
        return poll(&(struct pollfd){ .fd = l->pidfd, .events = POLLIN }, 1, 0) > 0;
}

/* Asked once only: what has been asked for may have been done, though nobody answers. */
static int reach(TqLauncher *l, const TqLaunch *launch) {
        int r = 0;

        for (int i = 0; i < 2; i++) {
                if (l->fd >= 0 && has_ended(l))
                        stop(l);
                if (l->fd < 0)
                        r = begin(l);
                if (r >= 0)
                        r = ask(l, launch);
                if (r >= 0 || l->fd < 0)
                        return r;
                tq_log(LOG_WARNING, "the launcher has gone (%s)", strerror(-r));
                stop(l);
                r = 0;
        }
        return -ECONNRESET;
}

/* The only one who can be there yet is a child of ours. */
static void find_forked(int cgroup_fd, pid_t *ret_pid, int *ret_pidfd) {
        char text[64];
        uint64_t pid;

        if (tq_fs_read_at(cgroup_fd, "cgroup.procs", text, sizeof(text)) <= 0)
                return;
        text[strcspn(text, "\n")] = '\0';
        if (tq_parse_u64_in(text, 1, INT32_MAX, &pid) < 0)
                return;
        *ret_pidfd = pidfd_open((pid_t)pid, 0);
        *ret_pid = (pid_t)pid;
}

int tq_launcher_launch(TqLauncher *l, const TqLaunch *launch, pid_t *ret_pid, int *ret_pidfd,
                       bool *ret_is_fork) {
        int r;

        *ret_is_fork = false;
        r = reach(l, launch);
        if (r < 0)
                return r;
        r = take_answer(l, ret_pid, ret_pidfd, ret_is_fork);
        if (r >= 0 || *ret_is_fork)
                return r;
        tq_log(LOG_WARNING, "the launcher does not answer: %s", strerror(-r));
        stop(l);
        /* Who was forked all the same shall not be there beside the next attempt: the caller waits
         * for his end. */
        find_forked(launch->cgroup_fd, ret_pid, ret_pidfd);
        (void)tq_fs_write_attr(launch->cgroup_fd, "cgroup.kill", "1");
        return r;
}
