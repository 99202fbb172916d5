/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/ioprio.h>
#include <linux/keyctl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "base/fs.h"
#include "exec/exec.h"

/* Nothing of what the service was started with reaches a job: neither by its unit, nor by who
 * started it by hand. Each is set to a value that tenantq.job(5) names. All of it comes from root's
 * plan or is fixed here. */

/* Whoever was started without the right to raise a limit gives what it has: never more. */
static int set_rlimit(const TqPlanRlimit *l) {
        struct rlimit now, next = { l->soft, l->hard };

        if (setrlimit((int)l->resource, &next) >= 0)
                return 0;
        if (errno != EPERM || getrlimit((int)l->resource, &now) < 0)
                return tq_errno();
        next.rlim_max = TQ_MIN(next.rlim_max, now.rlim_max);
        next.rlim_cur = TQ_MIN(next.rlim_cur, next.rlim_max);
        return setrlimit((int)l->resource, &next) < 0 ? tq_errno() : 0;
}

int set_rlimits(const TqPlan *plan) {
        int r = 0;

        for (uint32_t i = 0; i < plan->n_rlimits && r >= 0; i++)
                r = set_rlimit(&plan->rlimits[i]);
        return r;
}

/* Nobody's change of ids does that for root's payload, nor for one that was started with
 * SECBIT_NO_SETUID_FIXUP; and what is inheritable outlives both: root's payload would get it. */
static int drop_capabilities(void) {
        struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {};

        return syscall(SYS_capset, &head, none) < 0 ? tq_errno() : 0;
}

/* For good: the groups first, while we still may; then all three ids of group and user at once, and
 * all capabilities; with no_new_privs and an empty bounding set nothing brings them back. Checked,
 * since going on as root would be the worst outcome of all. */
int become(uid_t uid, gid_t gid, const gid_t *groups, size_t n_groups) {
        uid_t u[3];
        gid_t g[3];

        if (setgroups(n_groups, groups) < 0 || setresgid(gid, gid, gid) < 0 ||
            setresuid(uid, uid, uid) < 0)
                return tq_errno();
        if (getresuid(&u[0], &u[1], &u[2]) < 0 || getresgid(&g[0], &g[1], &g[2]) < 0)
                return tq_errno();
        for (int i = 0; i < 3; i++)
                if (u[i] != uid || g[i] != gid)
                        return -EPERM;
        return drop_capabilities();
}

static int drop_bounding_set(void) {
        for (unsigned cap = 0; cap < 64; cap++)
                if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
                        return errno == EINVAL ? 0 : tq_errno(); /* EINVAL: beyond the last one */
        return 0;
}

int install_filter(const TqPlan *plan, uint32_t offset, uint32_t n, unsigned flags) {
        struct sock_fprog program = {
                .len = (unsigned short)n,
                .filter = (struct sock_filter *)tq_plan_part(plan, offset),
        };
        long r;

        if (n == 0)
                return -EINVAL; /* never a payload without a filter */
        /* Below a filter there is prctl(2) only. */
        r = flags == 0 ? prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)
                       : syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
        return r < 0 ? tq_errno() : (int)r;
}

void unblock_signals(void) {
        sigset_t none;

        (void)sigemptyset(&none);
        (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

void default_signals(void) {
        for (int sig = 1; sig < 32; sig++)
                (void)signal(sig, SIG_DFL);
        unblock_signals();
}

int give_up_chances(void) {
        int r;

        /* What is locked stays, and nothing here depends on it. */
        (void)prctl(PR_SET_SECUREBITS, 0, 0, 0, 0);
        r = drop_bounding_set();
        if (r < 0)
                return r;
        return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? tq_errno() : 0;
}

int give_up_protection(const TqPlan *plan) {
        return plan->flags & TQ_PLAN_RESET_OOM_SCORE
                       ? tq_fs_write_attr(AT_FDCWD, "/proc/self/oom_score_adj", "0")
                       : 0;
}

#define TIMER_SLACK_NSEC 50000 /* the kernel's own */
#define COREDUMP_FILTER  "0x33"
#ifndef PR_SET_MEMORY_MERGE
#define PR_SET_MEMORY_MERGE 67 /* Linux 6.4 */
#endif

/* What is inherited with the memory, execve(2) or not: huge pages, how early an error of the memory
 * kills, whether equal pages are merged (by whose timing others learn of them), and what would be
 * dumped. A kernel without one of them has nothing to be reset. */
static int reset_memory(void) {
        int r;

        if ((prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0) < 0 && errno != EINVAL) ||
            (prctl(PR_MCE_KILL, PR_MCE_KILL_CLEAR, 0, 0, 0) < 0 && errno != EINVAL) ||
            (prctl(PR_SET_MEMORY_MERGE, 0, 0, 0, 0) < 0 && errno != EINVAL))
                return tq_errno();
        r = tq_fs_write_attr(AT_FDCWD, "/proc/self/coredump_filter", COREDUMP_FILTER);
        return r == -ENOENT ? 0 : r;
}

/* Whose audit(8) says it is. Whoever has none may choose one, of the host's users; one that was
 * given stays. */
static int set_loginuid(uid_t uid) {
        char text[16];
        int r;

        (void)snprintf(text, sizeof(text), "%u", uid);
        r = tq_fs_write_attr(AT_FDCWD, "/proc/self/loginuid", text);
        return r == -ENOENT || r == -EPERM || r == -EACCES ? 0 : r;
}

int surroundings_reset(void) {
        default_signals();
        if (syscall(SYS_personality, 0) < 0)
                return tq_errno();
        if (syscall(SYS_set_mempolicy, 0, NULL, 0) < 0 && errno != ENOSYS)
                return tq_errno();
        return reset_memory();
}

int surroundings_of_job(const TqPlan *plan) {
        cpu_set_t all;

        /* A session has an autogroup (sched(7)), whose nice value counts where no cpu controller
         * is: root's payload can write it, by /proc/1, and ours would be the daemon's. */
        if (setsid() < 0)
                return tq_errno();
        memset(&all, 0xFF, sizeof(all)); /* those of its cpuset, in the end */
        /* Who forks us may have been given others from outside, by renice(1) of all that is root's.
         */
        if (sched_setaffinity(0, sizeof(all), &all) < 0 || setpriority(PRIO_PROCESS, 0, 0) < 0 ||
            syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, 0) < 0)
                return tq_errno();
        return set_loginuid(plan->uid);
}

/* What the launch was hurried by (tq_spawn) is not for the job; nor is the daemon's own policy. */
int leave_hurry(void) {
        /* A slack is of no effect while the policy is of real time (prctl(2)). */
        return sched_setscheduler(0, SCHED_OTHER, &(struct sched_param){}) < 0 ||
                               prctl(PR_SET_TIMERSLACK, TIMER_SLACK_NSEC, 0, 0, 0) < 0
                       ? tq_errno()
                       : 0;
}

/* A keyring of its own, gone with the last of its processes. While still root, whose quota has room
 * for all jobs; who is in it possesses it, whatever its user. */
int join_keyring(void) {
        return syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0 && errno != ENOSYS
                       ? tq_errno()
                       : 0;
}
