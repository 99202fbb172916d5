/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* audit GATE [ARG...] - all that a process has of whoever started it, as far as it can see that
 * itself with calls that every profile has; then it reads from GATE, so that others can look. */

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <unistd.h>

#ifndef PR_GET_MEMORY_MERGE
#define PR_GET_MEMORY_MERGE 68 /* Linux 6.4 */
#endif

extern char **environ;

static void line(const char *name, long value) {
        if (value < 0)
                (void)printf("%s: %s\n", name, strerrorname_np(errno));
        else
                (void)printf("%s: %ld\n", name, value);
}

/* Each line of a file, after its name. */
static void lines(const char *path) {
        char text[4096];
        FILE *f = fopen(path, "re");

        if (!f)
                line(path, -1);
        while (f && fgets(text, sizeof(text), f)) {
                text[strcspn(text, "\n")] = '\0';
                (void)printf("%s: %s\n", path, text);
        }
        if (f)
                (void)fclose(f);
}

static void link_of(const char *path) {
        char text[4096];
        ssize_t n = readlink(path, text, sizeof(text) - 1);

        text[n < 0 ? 0 : n] = '\0';
        (void)printf("%s: %s\n", path, n < 0 ? strerrorname_np(errno) : text);
}

static void limits(void) {
        static const char *const names[] = {
                "CPU",     "FSIZE", "DATA",  "STACK",      "CORE",     "RSS",  "NPROC",  "NOFILE",
                "MEMLOCK", "AS",    "LOCKS", "SIGPENDING", "MSGQUEUE", "NICE", "RTPRIO", "RTTIME",
        };

        for (int i = 0; i < 16; i++) {
                struct rlimit l = {};

                (void)getrlimit(i, &l);
                (void)printf("RLIMIT_%s: %lld %lld\n", names[i], (long long)l.rlim_cur,
                             (long long)l.rlim_max);
        }
}

static void descriptors(void) {
        for (int fd = 0; fd < 65536; fd++) {
                struct stat st;
                char path[64], text[256];
                ssize_t n;

                if (fstat(fd, &st) < 0)
                        continue;
                (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
                n = readlink(path, text, sizeof(text) - 1);
                text[n < 0 ? 0 : n] = '\0';
                text[strcspn(text, "[")] = '\0';
                (void)printf("descriptor %d: %s mode %o uid %u device %u:%u flags %o\n", fd, text,
                             st.st_mode, st.st_uid, major(st.st_rdev), minor(st.st_rdev),
                             (unsigned)fcntl(fd, F_GETFL));
        }
}

static void scheduling(void) {
        struct sched_param p = {};
        cpu_set_t set;

        CPU_ZERO(&set);
        line("nice", getpriority(PRIO_PROCESS, 0));
        line("policy", sched_getscheduler(0));
        (void)sched_getparam(0, &p);
        line("priority", p.sched_priority);
        line("CPUs", sched_getaffinity(0, sizeof(set), &set) < 0 ? -1 : CPU_COUNT(&set));
}

static void attributes(void) {
        int value = 0;

        line("dumpable", prctl(PR_GET_DUMPABLE));
        line("parent's death", prctl(PR_GET_PDEATHSIG, &value) < 0 ? -1 : value);
        line("timer slack", prctl(PR_GET_TIMERSLACK));
        line("securebits", prctl(PR_GET_SECUREBITS));
        line("keeps capabilities", prctl(PR_GET_KEEPCAPS));
        line("reaps others", prctl(PR_GET_CHILD_SUBREAPER, &value) < 0 ? -1 : value);
        line("no new privileges", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
        line("huge pages disabled", prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0));
        line("merges pages", prctl(PR_GET_MEMORY_MERGE, 0, 0, 0, 0));
        line("memory error", prctl(PR_MCE_KILL_GET, 0, 0, 0, 0));
}

int main(int argc, char *argv[]) {
        struct utsname host;
        struct stat st;

        for (int i = 0; i < argc; i++)
                (void)printf("argument %d: %s\n", i, argv[i]);
        for (char **e = environ; *e; e++)
                (void)printf("environment: %s\n", *e);
        line("process", getpid());
        line("parent", getppid());
        line("group", getpgrp());
        line("session", getsid(0));
        line("terminal", open("/dev/tty", O_RDWR));
        limits();
        scheduling();
        attributes();
        (void)uname(&host);
        (void)printf("host: %s %s\n", host.nodename, host.domainname);
        descriptors();
        for (int pid = 1; pid < 100; pid++) {
                char path[32];

                (void)snprintf(path, sizeof(path), "/proc/%d", pid);
                if (stat(path, &st) == 0)
                        (void)printf("sees process %d of user %u\n", pid, st.st_uid);
        }
        lines("/proc/self/status");
        lines("/proc/self/personality");
        lines("/proc/self/oom_score_adj");
        lines("/proc/self/coredump_filter");
        lines("/proc/self/timerslack_ns");
        lines("/proc/self/timens_offsets");
        lines("/proc/self/timers");
        lines("/proc/self/autogroup");
        lines("/proc/self/cgroup");
        lines("/proc/self/uid_map");
        lines("/proc/self/gid_map");
        lines("/proc/self/setgroups");
        lines("/proc/self/mountinfo");
        lines("/proc/self/net/dev");
        lines("/proc/keys");
        lines("/proc/sysvipc/shm");
        lines("/proc/sysvipc/sem");
        lines("/proc/sysvipc/msg");
        link_of("/proc/self/cwd");
        link_of("/proc/self/root");
        link_of("/proc/self/ns/cgroup");
        link_of("/proc/self/ns/ipc");
        link_of("/proc/self/ns/mnt");
        link_of("/proc/self/ns/net");
        link_of("/proc/self/ns/pid");
        link_of("/proc/self/ns/time");
        link_of("/proc/self/ns/user");
        link_of("/proc/self/ns/uts");
        (void)fflush(stdout);
        if (argc > 1) {
                char byte;
                int fd = open(argv[1], O_RDONLY | O_CLOEXEC);

                (void)!read(fd, &byte, 1);
        }
        return 0;
}
