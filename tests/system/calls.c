/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* calls [all|NAME] - makes system calls that lead out of a sandbox, or into parts of the kernel
 * where a way out was found before, and says how each ends; without an argument it says their
 * names. None can do harm: who runs this has no capabilities, and the arguments are wrong but for
 * what a filter looks at. By number, as x86-64 has them: the C library may be older than the
 * kernel. */

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct Call {
        const char *name;
        long number, arguments[6];
} Call;

static void make(const Call *c) {
        const long *a = c->arguments;
        pid_t self = getpid();
        long r = syscall(c->number, a[0], a[1], a[2], a[3], a[4], a[5]);

        if (getpid() != self)
                _exit(0); /* of a clone that was not to be */
        (void)printf("%s: %s\n", c->name, r < 0 ? strerrorname_np(errno) : "done");
        (void)fflush(stdout);
}

int main(int argc, char *argv[]) {
        const Call calls[] = {
                { "unshare(user)", 272, { CLONE_NEWUSER } },
                { "unshare(mount)", 272, { CLONE_NEWNS } },
                { "unshare(time)", 272, { 0x80 } },
                { "unshare(files)", 272, { CLONE_FILES } },
                { "setns(net)", 308, { -1, CLONE_NEWNET } },
                { "setns(any)", 308, { -1, 0 } },
                { "clone(user)", 56, { CLONE_NEWUSER | SIGCHLD } },
                { "clone(user), a high bit", 56, { CLONE_NEWUSER | SIGCHLD | 1L << 40 } },
                { "clone(mount, pid, net)",
                  56,
                  { CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | SIGCHLD } },
                { "clone(cgroup)", 56, { CLONE_NEWCGROUP | SIGCHLD } },
                { "clone3", 435, { 0, 0 } },
                { "mount", 165, { (long)"none", (long)"/tmp", (long)"tmpfs", 0, 0 } },
                { "umount2", 166, { (long)"/proc", 2 } },
                { "pivot_root", 155, { (long)"/tmp", (long)"/tmp" } },
                { "chroot", 161, { (long)"/tmp" } },
                { "fsopen", 430, { (long)"tmpfs", 0 } },
                { "fsconfig", 431, { -1, 0, 0, 0, 0 } },
                { "fsmount", 432, { -1, 0, 0 } },
                { "fspick", 433, { AT_FDCWD, (long)"/proc", 0 } },
                { "open_tree", 428, { AT_FDCWD, (long)"/proc", 1 } },
                { "open_tree_attr", 467, { AT_FDCWD, (long)"/proc", 1, 0, 0 } },
                { "move_mount", 429, { -1, 0, -1, 0, 0 } },
                { "mount_setattr", 442, { AT_FDCWD, (long)"/proc", 0, 0, 0 } },
                { "listmount", 458, { 0, 0, 0, 0 } },
                { "statmount", 457, { 0, 0, 0, 0 } },
                { "name_to_handle_at", 303, { AT_FDCWD, (long)"/", 0, 0, 0 } },
                { "open_by_handle_at", 304, { AT_FDCWD, 0, 0 } },
                { "bpf", 321, { 0, 0, 0 } },
                { "perf_event_open", 298, { 0, 0, -1, -1, 0 } },
                { "userfaultfd", 323, { 1 } },
                { "io_uring_setup", 425, { 1, 0 } },
                { "io_uring_enter", 426, { -1, 0, 0, 0, 0, 0 } },
                { "io_uring_register", 427, { -1, 0, 0, 0 } },
                { "io_setup", 206, { 1, 0 } },
                { "io_submit", 209, { 0, 0, 0 } },
                { "add_key", 248, { (long)"user", (long)"x", (long)"x", 1, -4 } },
                { "request_key", 249, { (long)"user", (long)"x", 0, 0 } },
                { "keyctl(get user keyring)", 250, { 0, -4, 1 } },
                { "keyctl(join session)", 250, { 1, 0 } },
                { "kexec_load", 246, { 0, 0, 0, 0 } },
                { "kexec_file_load", 320, { -1, -1, 0, 0, 0 } },
                { "init_module", 175, { 0, 0, 0 } },
                { "finit_module", 313, { -1, 0, 0 } },
                { "delete_module", 176, { (long)"none", 0 } },
                { "reboot", 169, { 0, 0, 0, 0 } },
                { "acct", 163, { (long)"/nonexistent" } },
                { "quotactl", 179, { 0, 0, 0, 0 } },
                { "quotactl_fd", 443, { -1, 0, 0, 0 } },
                { "swapon", 167, { (long)"/nonexistent", 0 } },
                { "swapoff", 168, { (long)"/nonexistent" } },
                { "iopl", 172, { 0 } },
                { "ioperm", 173, { 0, 0, 0 } },
                { "modify_ldt", 154, { 0, 0, 0 } },
                { "settimeofday", 164, { 0, 0 } },
                { "clock_settime", 227, { 0, 0 } },
                { "adjtimex", 159, { 0 } },
                { "clock_adjtime", 305, { 0, 0 } },
                { "sethostname", 170, { (long)"x", 1 } },
                { "setdomainname", 171, { (long)"x", 1 } },
                { "syslog", 103, { 10, 0, 0 } },
                { "vhangup", 153, { 0 } },
                { "fanotify_init", 300, { 0, 0 } },
                { "fanotify_mark", 301, { -1, 0, 0, 0, 0 } },
                { "lookup_dcookie", 212, { 0, 0, 0 } },
                { "ptrace", 101, { 16, 1, 0, 0 } },
                { "process_vm_readv", 310, { 1, 0, 0, 0, 0, 0 } },
                { "process_vm_writev", 311, { 1, 0, 0, 0, 0, 0 } },
                { "pidfd_getfd", 438, { -1, 0, 0 } },
                { "kcmp", 312, { 1, 1, 0, 0, 0 } },
                { "get_mempolicy", 239, { 0, 0, 0, 0, 0 } },
                { "set_mempolicy", 238, { 0, 0, 0 } },
                { "mbind", 237, { 0, 0, 0, 0, 0, 0 } },
                { "move_pages", 279, { 1, 0, 0, 0, 0, 0 } },
                { "migrate_pages", 256, { 1, 0, 0, 0 } },
                { "personality(READ_IMPLIES_EXEC)", 135, { READ_IMPLIES_EXEC } },
                { "personality(ADDR_NO_RANDOMIZE)", 135, { ADDR_NO_RANDOMIZE } },
                { "seccomp", 317, { 2, 0, 0 } },
                { "memfd_secret", 447, { 0 } },
                { "uselib", 134, { 0 } },
                { "lsm_set_self_attr", 460, { 0, 0, 0, 0 } },
                { "number 600", 600, { 0 } },
                { "capset", 126, { 0, 0 } },
                { "socket(netlink, route)", 41, { AF_NETLINK, SOCK_RAW, 0 } },
                { "socket(netlink, audit)", 41, { AF_NETLINK, SOCK_RAW, 9 } },
                { "socket(netlink, netfilter)", 41, { AF_NETLINK, SOCK_RAW, 12 } },
                { "socket(netlink, uevent)", 41, { AF_NETLINK, SOCK_RAW, 15 } },
                { "socket(packet)", 41, { AF_PACKET, SOCK_RAW, 0 } },
                { "socket(vsock)", 41, { AF_VSOCK, SOCK_STREAM, 0 } },
                { "socket(alg)", 41, { AF_ALG, SOCK_SEQPACKET, 0 } },
                { "socket(inet, raw)", 41, { AF_INET, SOCK_RAW, 1 } },
                { "socketpair(unix)", 53, { AF_UNIX, SOCK_STREAM, 0, 0 } },
                { "socketpair(tipc)", 53, { AF_TIPC, SOCK_STREAM, 0, 0 } },
                { "socketpair(packet)", 53, { AF_PACKET, SOCK_RAW, 0, 0 } },
        };

        for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
                if (argc < 2)
                        (void)puts(calls[i].name);
                else if (strcmp(argv[1], "all") == 0 || strcmp(argv[1], calls[i].name) == 0)
                        make(&calls[i]);
        return 0;
}
