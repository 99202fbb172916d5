/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "exec/exec.h"

/* A job's namespaces. Its PID, IPC and UTS namespaces are new with the process. Its tenant's
 * network and the template of mounts (template.c) are joined, or made here by the first job that
 * needs them and handed to the supervisor, which keeps them for the next. What is the job's own is
 * added to a copy of the template: /proc, /tmp, the terminals and its own part of the cgroup tree.
 *
 * Privileged and safe: all paths and numbers are root's, and nothing of the tenant's runs yet. */

/* What is at each path of the plan, on the host and in a template. A template is out of date if
 * another object is granted there, since the directory was made anew; if it is not mounted there,
 * since the one that it was mounted on was renamed; or if the host's own is seen where it was to be
 * hidden, for the same reasons. */
typedef struct Sight {
        uint64_t inode; /* 0: nothing that counts */
        uint32_t major_number, minor_number;
        bool is_mount, is_granted;
} Sight;

typedef struct Sights {
        size_t n;
        Sight at[TQ_PLAN_PATHS_MAX];
} Sights;

static void look(const TqPlan *plan, bool is_template, Sights *ret) {
        const char *p = tq_plan_part(plan, plan->paths_offset), *end = p + plan->paths_size;

        for (ret->n = 0; p < end && ret->n < TQ_ELEMENTSOF(ret->at);
             p += strnlen(p, (size_t)(end - p)) + 1) {
                Sight *s = &ret->at[ret->n++];
                struct statx st = {};

                *s = (Sight){};
                (void)statx(AT_FDCWD, is_template ? template_place((TqPathKind)*p, p + 1) : p + 1,
                            AT_STATX_DONT_SYNC, STATX_TYPE | STATX_INO | STATX_UID, &st);
                if (*p == TQ_PATH_HIDDEN && !S_ISDIR(st.stx_mode))
                        continue;
                *s = (Sight){ st.stx_ino, st.stx_dev_major, st.stx_dev_minor,
                              (st.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0,
                              *p != TQ_PATH_HIDDEN &&
                                      (*p != TQ_PATH_HOME || st.stx_uid == plan->uid) };
        }
}

static bool is_as_planned(TqPathKind kind, const Sight *host, const Sight *template) {
        bool is_same = host->inode == template->inode &&
                       host->major_number == template->major_number &&
                       host->minor_number == template->minor_number;

        if (host->inode == 0 && (kind == TQ_PATH_HOME || kind == TQ_PATH_OPTIONAL))
                return is_same;
        if (kind == TQ_PATH_HIDDEN)
                return !is_same || template->is_mount || host->inode == 0;
        /* A home that was given to somebody else. */
        if (!host->is_granted)
                return !is_same || !template->is_mount;
        return is_same && template->is_mount;
}

static bool is_up_to_date(const TqPlan *plan, const Sights *host, const Sights *template) {
        const char *p = tq_plan_part(plan, plan->paths_offset), *end = p + plan->paths_size;

        for (size_t i = 0; i < host->n; i++) {
                if (!is_as_planned((TqPathKind)*p, &host->at[i], &template->at[i]))
                        return false;
                p += strnlen(p, (size_t)(end - p)) + 1;
        }
        return true;
}

/* False: it is out of date, and we are where we were. */
static int join_template(const TqPlan *plan, bool *ret_joined) {
        TQ_CLOSE int before = -EBADF;
        Sights host, template;

        *ret_joined = false;
        if (plan->mount_fd < 0)
                return 0;
        before = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
        if (before < 0)
                return tq_errno();
        look(plan, false, &host);
        if (setns(plan->mount_fd, CLONE_NEWNS) < 0)
                return tq_errno();
        look(plan, true, &template);
        *ret_joined = is_up_to_date(plan, &host, &template);
        return *ret_joined || setns(before, CLONE_NEWNS) >= 0 ? 0 : tq_errno();
}

/* Only a convenience for the next job: what can't be handed over is built again. */
static void hand_over(const TqPlan *plan, int mount_fd) {
        TqPlanTemplate say = { .tenant = plan->tenant,
                               .generation = plan->generation,
                               .is_instead = plan->mount_fd >= 0 };
        union {
                struct cmsghdr head;
                char space[CMSG_SPACE(sizeof(mount_fd))];
        } control = {};
        struct msghdr m = {
                .msg_iov = &(struct iovec){ &say, sizeof(say) },
                .msg_iovlen = 1,
                .msg_control = &control,
                .msg_controllen = sizeof(control),
        };

        control.head = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(mount_fd)),
                                         .cmsg_level = SOL_SOCKET,
                                         .cmsg_type = SCM_RIGHTS };
        memcpy(CMSG_DATA(&control.head), &mount_fd, sizeof(mount_fd));
        (void)sendmsg(plan->report_fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static int make_template(const TqPlan *plan) {
        TQ_CLOSE int mount_fd = -EBADF, ns_dir = -EBADF;
        int r;

        /* It is not reachable any more once the template is built. */
        ns_dir = open("/proc/self/ns", O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (ns_dir < 0)
                return tq_errno();
        r = template_build(plan);
        if (r < 0 || plan->report_fd < 0)
                return r;
        mount_fd = openat(ns_dir, "mnt", O_RDONLY | O_CLOEXEC);
        if (mount_fd < 0)
                return tq_errno();
        hand_over(plan, mount_fd);
        return 0;
}

/* One file system for all three, so that one bound is enough; its pages are charged to the job. */
static int mount_temporary(const TqPlan *plan, int *ret_fd) {
        static const struct {
                const char *from, *to;
        } parts[] = { { "/tmp/v", "/var/tmp" }, { "/tmp/s", "/dev/shm" }, { "/tmp/t", "/tmp" } };
        char options[96];

        (void)snprintf(options, sizeof(options), "mode=0755,size=%llu,nr_inodes=%llu",
                       (unsigned long long)plan->tmp_bytes,
                       (unsigned long long)TQ_MAX(plan->tmp_bytes / 4096, UINT64_C(1024)));
        if (mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, options) < 0)
                return tq_errno();
        *ret_fd = open("/tmp", O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (*ret_fd < 0)
                return tq_errno();
        for (size_t i = 0; i < TQ_ELEMENTSOF(parts); i++)
                if (mkdir(parts[i].from, 01777) < 0 ||
                    mount(parts[i].from, parts[i].to, NULL, MS_BIND, NULL) < 0)
                        return tq_errno();
        return 0;
}

/* What everybody may write there: triggers of pressure, each of which takes milliseconds to be
 * closed, so that a process with thousands of them can't be killed for as long as it likes
 * (Documentation/accounting/psi.rst). And, of root's payload, the knobs, which it owns though it
 * has no capability; the others may not write them anyway. */
static int make_knobs_read_only(bool is_root) {
        static const char *const knobs[] = { "/proc/pressure", "/proc/sys", "/proc/sysrq-trigger",
                                             "/proc/irq",      "/proc/bus", "/proc/fs",
                                             "/proc/acpi" };
        struct mount_attr a = { .attr_set = MOUNT_ATTR_RDONLY };

        for (size_t i = 0; i < (is_root ? TQ_ELEMENTSOF(knobs) : 1); i++) {
                if (access(knobs[i], F_OK) < 0)
                        continue;
                if (mount(knobs[i], knobs[i], NULL, MS_BIND, NULL) < 0 ||
                    mount_setattr(AT_FDCWD, knobs[i], 0, &a, sizeof(a)) < 0)
                        return tq_errno();
        }
        return 0;
}

#define PTYS_MAX "64" /* of the host's kernel.pty.max less its reserve, 3072 in all */

static int mount_own(const TqPlan *plan, int *ret_tmp_fd) {
        char options[64];
        int r;

        /* PID 1 is not shown: what it lets its kin read and write, root's payload would, too. Who
         * is in the group sees all; by default it is root's. */
        (void)snprintf(options, sizeof(options), "hidepid=invisible,gid=%u", plan->exec_gid);
        if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, options) < 0)
                return tq_errno();
        r = mount_temporary(plan, ret_tmp_fd);
        if (r < 0)
                return r;
        if (mount("devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC,
                  "mode=0620,ptmxmode=0666,max=" PTYS_MAX) < 0)
                return tq_errno();
        /* As its cgroup namespace has it: the job is at the root. */
        if (mount("cgroup2", "/sys/fs/cgroup", "cgroup2",
                  MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
                return tq_errno();
        return make_knobs_read_only(plan->uid == 0);
}

/* tenantq-engine's: no network at all, and of the processes only its own. It stays in the host's
 * PID namespace, as the supervisor's child. */
int sandbox_enter_service(const TqPlan *plan) {
        TQ_CLOSE int tmp_fd = -EBADF;
        int r;

        if (unshare(CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS) < 0)
                return tq_errno();
        r = template_build(plan);
        if (r < 0)
                return r;
        /* It needs none; who may not mount one leaves it empty. */
        if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC,
                  "hidepid=invisible,subset=pid") < 0 &&
            errno != EPERM)
                return tq_errno();
        (void)umask(0);
        r = mount_temporary(plan, &tmp_fd);
        (void)umask(022);
        return r;
}

int sandbox_enter(const TqPlan *plan, int *ret_tmp_fd) {
        bool is_joined;
        int r;

        r = join_template(plan, &is_joined);
        if (r >= 0 && !is_joined)
                r = make_template(plan);
        if (r < 0)
                return r;
        if (plan->flags & TQ_PLAN_PRIVATE_NETWORK) {
                r = network_new();
                if (r < 0)
                        return r;
        }
        /* The template stays as it is; ours is a copy. */
        if (unshare(CLONE_NEWNS | CLONE_NEWCGROUP) < 0)
                return tq_errno();
        (void)umask(0);
        r = mount_own(plan, ret_tmp_fd);
        (void)umask(022);
        return r;
}
