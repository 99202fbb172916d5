/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernel/filter_table.h"

/* What a payload may call: everything an ordinary program needs (python, node, java, gcc, psql, bash,
 * git and curl together use 98 of these). What is not here does not exist for it (ENOSYS), except for
 * the calls below that are refused (EPERM) so that programs which probe for them fall back cleanly.
 * clone and socket are allowed with conditions, in filter.c; clone3 hides its flags behind a pointer
 * and so does not exist. */
const char *const tq_filter_job_allowed[] = {
        "accept", "accept4", "access", "alarm", "arch_prctl", "bind", "brk", "cachestat", "capget",
        "capset", "chdir", "chmod", "chown", "clock_getres", "clock_gettime", "clock_nanosleep",
        "close", "close_range", "connect", "copy_file_range", "creat", "dup", "dup2", "dup3",
        "epoll_create", "epoll_create1", "epoll_ctl", "epoll_pwait", "epoll_pwait2", "epoll_wait",
        "eventfd", "eventfd2", "execve", "execveat", "exit", "exit_group", "faccessat", "faccessat2",
        "fadvise64", "fallocate", "fchdir", "fchmod", "fchmodat", "fchmodat2", "fchown", "fchownat",
        "fcntl", "fdatasync", "fgetxattr", "flistxattr", "flock", "fork", "fremovexattr", "fsetxattr",
        "fstat", "fstatfs", "fsync", "ftruncate", "futex", "futex_requeue", "futex_wait",
        "futex_waitv", "futex_wake", "futimesat", "get_robust_list", "getcpu", "getcwd", "getdents",
        "getdents64", "getegid", "geteuid", "getgid", "getgroups", "getitimer", "getpeername",
        "getpgid", "getpgrp", "getpid", "getppid", "getpriority", "getrandom", "getresgid",
        "getresuid", "getrlimit", "getrusage", "getsid", "getsockname", "getsockopt", "gettid",
        "gettimeofday", "getuid", "getxattr", "inotify_add_watch", "inotify_init", "inotify_init1",
        "inotify_rm_watch", "io_cancel", "io_destroy", "io_getevents", "io_pgetevents", "io_setup",
        "io_submit", "ioctl", "ioprio_get", "ioprio_set", "kill", "landlock_add_rule",
        "landlock_create_ruleset", "landlock_restrict_self", "lchown", "lgetxattr", "link", "linkat",
        "listen", "listxattr", "llistxattr", "lremovexattr", "lseek", "lsetxattr", "lstat", "madvise",
        "membarrier", "memfd_create", "mincore", "mkdir", "mkdirat", "mknod", "mknodat", "mlock",
        "mlock2", "mlockall", "mmap", "mprotect", "mq_getsetattr", "mq_notify", "mq_open",
        "mq_timedreceive", "mq_timedsend", "mq_unlink", "mremap", "msgctl", "msgget", "msgrcv",
        "msgsnd", "msync", "munlock", "munlockall", "munmap", "nanosleep", "newfstatat", "open",
        "openat", "openat2", "pause", "pidfd_open", "pidfd_send_signal", "pipe", "pipe2",
        "pkey_alloc", "pkey_free", "pkey_mprotect", "poll", "ppoll", "prctl", "pread64", "preadv",
        "preadv2", "prlimit64", "process_madvise", "process_mrelease", "pselect6", "pwrite64",
        "pwritev", "pwritev2", "read", "readahead", "readlink", "readlinkat", "readv", "recvfrom",
        "recvmmsg", "recvmsg", "remap_file_pages", "removexattr", "rename", "renameat", "renameat2",
        "restart_syscall", "rmdir", "rseq", "rt_sigaction", "rt_sigpending", "rt_sigprocmask",
        "rt_sigqueueinfo", "rt_sigreturn", "rt_sigsuspend", "rt_sigtimedwait", "rt_tgsigqueueinfo",
        "sched_get_priority_max", "sched_get_priority_min", "sched_getaffinity", "sched_getattr",
        "sched_getparam", "sched_getscheduler", "sched_rr_get_interval", "sched_setaffinity",
        "sched_setattr", "sched_setparam", "sched_setscheduler", "sched_yield", "select", "semctl",
        "semget", "semop", "semtimedop", "sendfile", "sendmmsg", "sendmsg", "sendto", "set_robust_list",
        "set_tid_address", "setfsgid", "setfsuid", "setgid", "setgroups", "setitimer", "setpgid",
        "setpriority", "setregid", "setresgid", "setresuid", "setreuid", "setrlimit", "setsid",
        "setsockopt", "setuid", "setxattr", "shmat", "shmctl", "shmdt", "shmget", "shutdown",
        "sigaltstack", "signalfd", "signalfd4", "socketpair", "splice", "stat", "statfs", "statx",
        "symlink", "symlinkat", "sync", "sync_file_range", "syncfs", "sysinfo", "tee", "tgkill", "time",
        "timer_create", "timer_delete", "timer_getoverrun", "timer_gettime", "timer_settime",
        "timerfd_create", "timerfd_gettime", "timerfd_settime", "times", "tkill", "truncate", "umask",
        "uname", "unlink", "unlinkat", "utime", "utimensat", "utimes", "vfork", "vmsplice", "wait4",
        "waitid", "write", "writev", NULL,
};

const char *const tq_filter_job_denied[] = {
        "acct", "add_key", "adjtimex", "bpf", "chroot", "clock_adjtime", "clock_settime",
        "delete_module", "fanotify_init", "fanotify_mark", "finit_module", "fsconfig", "fsmount",
        "fsopen", "fspick", "get_mempolicy", "init_module", "io_uring_enter", "io_uring_register",
        "io_uring_setup", "ioperm", "iopl", "kcmp", "kexec_file_load", "kexec_load", "keyctl",
        "lookup_dcookie", "mbind", "migrate_pages", "modify_ldt", "mount", "mount_setattr",
        "move_mount", "move_pages", "name_to_handle_at", "open_by_handle_at", "open_tree",
        "perf_event_open", "pidfd_getfd", "pivot_root", "process_vm_readv", "process_vm_writev",
        "ptrace", "quotactl", "quotactl_fd", "reboot", "request_key", "set_mempolicy", "setdomainname",
        "sethostname", "setns", "settimeofday", "swapoff", "swapon", "syslog", "umount2", "unshare",
        "userfaultfd", "vhangup", NULL,
};

/* tenantq-engine: event loop, SQLite, its sockets, one worker thread. It starts no program, opens no
 * socket, changes no credential. */
const char *const tq_filter_engine_allowed[] = {
        "accept4", "access", "arch_prctl", "brk", "chdir", "clock_getres", "clock_gettime", "clock_nanosleep",
        "close", "dup", "epoll_create1", "epoll_ctl", "epoll_pwait", "epoll_pwait2", "epoll_wait",
        "eventfd2", "execve", "exit", "exit_group", "faccessat", "faccessat2", "fallocate", "fchmod",
        "fcntl", "fdatasync", "fstat", "fstatfs", "fsync", "ftruncate", "futex", "getcwd",
        "getdents64", "getegid", "geteuid", "getgid", "getpeername", "getpid", "getppid", "getrandom",
        "getresgid", "getresuid", "getrlimit", "getsockname", "getsockopt", "gettid", "gettimeofday",
        "getuid", "lseek", "lstat", "madvise", "mmap", "mprotect", "mremap", "munmap", "newfstatat",
        "open", "openat", "pipe2", "poll", "ppoll", "prctl", "pread64", "prlimit64", "pwrite64",
        "read", "readlink", "readlinkat", "readv", "recvmsg", "restart_syscall", "rseq",
        "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "rt_sigtimedwait", "sched_getaffinity", "sched_yield", "sendmsg",
        "sendto", "set_robust_list", "set_tid_address", "setsockopt", "shutdown", "sigaltstack",
        "signalfd4", "stat", "statx", "sysinfo", "tgkill", "timerfd_create", "timerfd_settime", "umask", "uname",
        "unlink", "unlinkat", "write", "writev", NULL,
};
