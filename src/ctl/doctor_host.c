/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <sys/xattr.h>

#include "base/format.h"
#include "base/fs.h"
#include "base/parse.h"
#include "core/ids.h"
#include "ctl/doctor.h"

/* The kernel, and the cgroup tree that systemd has made of it. */

#define CGROUP_MOUNT "/sys/fs/cgroup"

static void look_at_kernel(const Host *h, Finding *f) {
        struct utsname u;
        unsigned major = 0, minor = 0;

        (void)h;
        (void)uname(&u);
        (void)sscanf(u.release, "%u.%u", &major, &minor); /* NOLINT(cert-err34-c): 0 is old */
        if (major < 5 || (major == 5 && minor < 14)) {
                doctor_say(f, DOCTOR_FAIL, "Linux %s has no cgroup.kill", u.release);
                doctor_mend(f, "Linux 5.14 or later");
        } else if (major == 5 && minor < 19) {
                doctor_say(f, DOCTOR_WARN, "Linux %s has no memory.peak: jobs show no peak",
                           u.release);
                doctor_mend(f, "Linux 5.19 or later");
        } else
                doctor_say(f, DOCTOR_OK, "Linux %s", u.release);
}

static void look_at_cgroup(const Host *h, Finding *f) {
        struct statfs st;

        (void)h;
        if (statfs(CGROUP_MOUNT, &st) >= 0 && st.f_type == CGROUP2_SUPER_MAGIC)
                doctor_say(f, DOCTOR_OK, "%s is cgroup v2", CGROUP_MOUNT);
        else {
                doctor_say(f, DOCTOR_FAIL, "%s is not cgroup v2", CGROUP_MOUNT);
                doctor_mend(f, "boot with systemd.unified_cgroup_hierarchy=1");
        }
}

/* The words of required_controllers that a file of the delegated cgroup lacks. */
static int missing_in(const Host *h, const char *file, char *ret, size_t size) {
        TQ_CLOSE int fd = tq_fs_open_dir(AT_FDCWD, h->config->cgroup_root);
        char wanted[sizeof(h->config->required_controllers)], there[256], *save = NULL;
        size_t used = 0;
        ssize_t n = fd < 0 ? fd : tq_fs_read_at(fd, file, there, sizeof(there));

        ret[0] = '\0';
        if (n < 0)
                return (int)n;
        there[strcspn(there, "\n")] = '\0';
        (void)snprintf(wanted, sizeof(wanted), "%s", h->config->required_controllers);
        for (char *w = strtok_r(wanted, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
                const char *p = strstr(there, w);
                size_t length = strlen(w);

                while (p && !((p == there || p[-1] == ' ') && strchr(" ", p[length])))
                        p = strstr(p + 1, w);
                if (!p && used < size)
                        used += (size_t)snprintf(ret + used, size - used, " %s", w);
        }
        return 0;
}

static void look_at_controllers(const Host *h, Finding *f) {
        char missing[160];
        int r = missing_in(h, "cgroup.controllers", missing, sizeof(missing));

        if (r < 0) {
                doctor_say(f, DOCTOR_FAIL, "%s: %s", h->config->cgroup_root, strerror(-r));
                doctor_mend(f, "systemctl start tenantq-jobs");
        } else if (missing[0]) {
                doctor_say(f, DOCTOR_FAIL, "%s lacks%s", h->config->cgroup_root, missing);
                doctor_mend(f, "Delegate=yes in tenantq-jobs.service; cgroup_disable= not on the "
                               "kernel's command line; or take it out of required_controllers=");
        } else
                doctor_say(f, DOCTOR_OK, "%s are there", h->config->required_controllers);
}

static void look_at_delegation(const Host *h, Finding *f) {
        char value[8] = "";
        ssize_t n = getxattr(h->config->cgroup_root, "trusted.delegate", value, sizeof(value) - 1);

        if (n < 0)
                n = getxattr(h->config->cgroup_root, "user.delegate", value, sizeof(value) - 1);
        if (n > 0 && value[0] == '1')
                doctor_say(f, DOCTOR_OK, "%s is delegated", h->config->cgroup_root);
        else {
                doctor_say(f, DOCTOR_WARN, "%s is not marked as delegated: systemd may change it",
                           h->config->cgroup_root);
                doctor_mend(f,
                            "Delegate=yes in the unit whose cgroup it is; as root, or this can't "
                            "be seen");
        }
}

static void look_at_holder(const Host *h, Finding *f) {
        char path[PATH_MAX + 32], text[64];

        (void)snprintf(path, sizeof(path), "%s/holder/cgroup.procs", h->config->cgroup_root);
        if (tq_fs_read_at(AT_FDCWD, path, text, sizeof(text)) > 0)
                doctor_say(f, DOCTOR_OK, "it runs: jobs outlive a restart of tenantq");
        else {
                doctor_say(f, DOCTOR_WARN, "nobody holds %s: jobs end with the service",
                           h->config->cgroup_root);
                doctor_mend(f, "systemctl enable --now tenantq-jobs");
        }
}

/* A job's cgroup in which nobody is, and that nobody removes. */
static int count_leaves(int root_fd, size_t *ret_empty, size_t *ret_all) {
        TQ_CLOSEDIR DIR *slices = NULL;
        const struct dirent *s, *e;
        int r = tq_fs_opendir(root_fd, ".", &slices);

        while (r >= 0 && (s = readdir(slices))) {
                TQ_CLOSEDIR DIR *leaves = NULL;
                TQ_CLOSE int slice_fd = -EBADF;

                if (!strstr(s->d_name, ".slice"))
                        continue;
                slice_fd = tq_fs_open_dir(root_fd, s->d_name);
                r = slice_fd < 0 ? slice_fd : tq_fs_opendir(slice_fd, ".", &leaves);
                if (r == -ENOENT) /* meanwhile */
                        r = 0;
                while (leaves && (e = readdir(leaves))) {
                        char path[NAME_MAX + 16], text[128];

                        if (!strstr(e->d_name, ".job"))
                                continue;
                        (void)snprintf(path, sizeof(path), "%s/cgroup.events", e->d_name);
                        (*ret_all)++;
                        *ret_empty += tq_fs_read_at(slice_fd, path, text, sizeof(text)) > 0 &&
                                      strstr(text, "populated 0");
                }
        }
        return r;
}

static void look_at_leaves(const Host *h, Finding *f) {
        TQ_CLOSE int fd = tq_fs_open_dir(AT_FDCWD, h->config->cgroup_root);
        size_t empty = 0, all = 0;
        int r = fd < 0 ? fd : count_leaves(fd, &empty, &all);

        if (r < 0) {
                doctor_say(f, DOCTOR_WARN, "%s: %s", h->config->cgroup_root, strerror(-r));
                doctor_mend(f,
                            r == -ENOENT ? "systemctl start tenantq-jobs" : "look again as root");
                return;
        }
        doctor_say(f, empty > 0 ? DOCTOR_WARN : DOCTOR_OK,
                   empty > 0 ? "%zu cgroups of jobs, %zu of them empty"
                   : all > 0 ? "%zu cgroups of jobs, none of them empty"
                             : "no job has a cgroup now",
                   all, empty);
        if (empty > 0)
                doctor_mend(f,
                            "look again in a minute; then tenantqctl tenants says which, and why");
}

static void look_at_seccomp(const Host *h, Finding *f) {
        uint32_t action = SECCOMP_RET_USER_NOTIF;

        (void)h;
        if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) >= 0)
                doctor_say(f, DOCTOR_OK, "filters that can tell of a call");
        else {
                doctor_say(f, DOCTOR_FAIL, "no filters that can tell of a call: no job can start");
                doctor_mend(f, "CONFIG_SECCOMP_FILTER=y");
        }
}

static void look_at_namespaces(const Host *h, Finding *f) {
        static const char *const kinds[] = { "pid", "mnt", "ipc", "uts", "cgroup", "net" };
        char missing[64] = "", path[64];
        size_t used = 0;

        (void)h;
        for (size_t i = 0; i < TQ_ELEMENTSOF(kinds); i++) {
                (void)snprintf(path, sizeof(path), "/proc/self/ns/%s", kinds[i]);
                if (access(path, F_OK) < 0)
                        used += (size_t)snprintf(missing + used, sizeof(missing) - used, " %s",
                                                 kinds[i]);
        }
        if (used == 0)
                doctor_say(f, DOCTOR_OK, "pid, mnt, ipc, uts, cgroup, net");
        else {
                doctor_say(f, DOCTOR_FAIL, "the kernel lacks%s: no job can start", missing);
                doctor_mend(f, "a kernel with CONFIG_NAMESPACES and all below it");
        }
}

#define WATCHES_LEAST 8192

static void look_at_inotify(const Host *h, Finding *f) {
        char text[32] = "";
        uint64_t watches = 0;

        (void)h;
        (void)tq_fs_read_at(AT_FDCWD, "/proc/sys/fs/inotify/max_user_watches", text, sizeof(text));
        text[strcspn(text, "\n")] = '\0';
        (void)tq_parse_u64(text, &watches);
        doctor_say(f, watches < WATCHES_LEAST ? DOCTOR_WARN : DOCTOR_OK,
                   "fs.inotify.max_user_watches is %s", text);
        if (watches < WATCHES_LEAST)
                doctor_mend(f,
                            "sysctl fs.inotify.max_user_watches=%d: one for each tenant, and some",
                            WATCHES_LEAST);
}

/* A program that dumps are piped to runs as root outside of all limits, whatever RLIMIT_CORE says
 * (core(5)). */
static void look_at_dumps(const Host *h, Finding *f) {
        char text[256] = "", shown[300];

        (void)h;
        if (tq_fs_read_at(AT_FDCWD, "/proc/sys/kernel/core_pattern", text, sizeof(text)) < 0) {
                doctor_say(f, DOCTOR_WARN, "kernel.core_pattern can't be read");
                return;
        }
        text[strcspn(text, "\n")] = '\0';
        (void)tq_format_shown(text, shown, sizeof(shown));
        if (text[0] != '|') {
                doctor_say(f, DOCTOR_OK, "none of jobs (kernel.core_pattern is %s)", shown);
                return;
        }
        doctor_say(f, DOCTOR_WARN,
                   "%s dumps the jobs that crash, as root and outside of their limits", shown + 1);
        doctor_mend(f, "sysctl kernel.core_pattern=core, or one that bounds itself");
}

const DoctorCheck doctor_host[] = {
        { "kernel", look_at_kernel },           { "cgroup", look_at_cgroup },
        { "controllers", look_at_controllers }, { "delegation", look_at_delegation },
        { "holder", look_at_holder },           { "leaves", look_at_leaves },
        { "seccomp", look_at_seccomp },         { "namespaces", look_at_namespaces },
        { "inotify", look_at_inotify },         { "core dumps", look_at_dumps },
};
const size_t n_doctor_host = TQ_ELEMENTSOF(doctor_host);
