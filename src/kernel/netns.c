/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernel/netns.h"

#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/fs.h"

/* A child is born in it, opens it in a table of descriptors that is ours, and ends. We stay where
 * we are: who is in a user namespace could not come back. As in spawn.c, the child shares our
 * memory while we stand still, with all signals blocked. */

#define STACK_SIZE 16384

int tq_netns_start_loopback(void) {
        TQ_CLOSE int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        struct ifreq lo = { .ifr_name = "lo" };

        if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &lo) < 0)
                return tq_errno();
        lo.ifr_flags |= IFF_UP;
        return ioctl(fd, SIOCSIFFLAGS, &lo) < 0 ? tq_errno() : 0;
}

static int open_ours(void *ret) {
        int r = tq_netns_start_loopback();

        if (r >= 0) {
                r = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
                if (r < 0)
                        r = tq_errno();
        }
        *(int *)ret = r;
        return 0;
}

int tq_netns_new(void) {
        char stack[STACK_SIZE] __attribute__((aligned(16)));
        sigset_t all, before;
        int fd = -EIO;
        pid_t pid;

        (void)sigfillset(&all);
        (void)sigprocmask(SIG_SETMASK, &all, &before);
        pid = clone(open_ours, stack + sizeof(stack),
                    CLONE_VM | CLONE_VFORK | CLONE_FILES | CLONE_NEWNET | SIGCHLD, &fd);
        if (pid < 0)
                fd = tq_errno();
        else
                (void)waitpid(pid, NULL, 0);
        (void)sigprocmask(SIG_SETMASK, &before, NULL);
        return fd;
}

bool tq_netns_forwards(void) {
        char text[8];

        return tq_fs_read_at(AT_FDCWD, "/proc/sys/net/ipv4/ip_forward", text, sizeof(text)) > 0 &&
               text[0] != '0';
}
