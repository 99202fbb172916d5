/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-id128.h>

#include "base/fs.h"
#include "base/parse.h"
#include "kernel/slice.h"
#include "supervisor/supervisor.h"

/* Opens what tenantqd works with, once, by path; afterwards everything goes by descriptor. Every
 * directory here is root's alone, or made so. */

#define JOBS_PER_CPU 8
#define JOBS_LEAST   32

void setup_policy(const TqHostConfig *config, TqHostPolicy *ret) {
        uint64_t cpus = (uint64_t)TQ_MAX(sysconf(_SC_NPROCESSORS_ONLN), 1L);
        uint64_t memory = (uint64_t)TQ_MAX(sysconf(_SC_PHYS_PAGES), 1L) *
                          (uint64_t)TQ_MAX(sysconf(_SC_PAGESIZE), 1L);

        *ret = config->policy;
        ret->cpus = cpus;
        if (!config->has_max_jobs)
                ret->max_jobs = TQ_MAX(cpus * JOBS_PER_CPU, (uint64_t)JOBS_LEAST);
        /* A tenth is for everything that is not a job. */
        if (!config->has_memory)
                ret->memory_bytes = memory - memory / 10;
}

int setup_lookup_user(const char *name, uid_t *ret_uid, gid_t *ret_gid) {
        struct passwd *pw;
        uint64_t v;

        if (tq_parse_u64_in(name, 0, UINT32_MAX - 1, &v) >= 0) {
                pw = getpwuid((uid_t)v);
                *ret_uid = (uid_t)v;
                *ret_gid = pw ? pw->pw_gid : (gid_t)v;
                return 0;
        }
        pw = getpwnam(name);
        if (!pw)
                return -ENOENT;
        *ret_uid = pw->pw_uid;
        *ret_gid = pw->pw_gid;
        return 0;
}

static int lookup_service_user(const char *key, const char *name, uid_t *ret_uid, gid_t *ret_gid,
                               TqError *err) {
        if (setup_lookup_user(name, ret_uid, ret_gid) < 0)
                return tq_error(err, -ENOENT,
                                "tenantq.conf: %s=%s: no such user; run systemd-sysusers", key,
                                name);
        if (*ret_uid == 0 || *ret_gid == 0)
                return tq_error(err, -EPERM, "tenantq.conf: %s=%s: must not be root", key, name);
        return 0;
}

static int lookup_users(Supervisor *s, TqError *err) {
        struct group *gr;
        uint64_t v;
        int r;

        r = lookup_service_user("engine_user", s->config.engine_user, &s->engine_uid,
                                &s->engine_gid, err);
        if (r < 0)
                return r;
        r = lookup_service_user("exec_user", s->config.exec_user, &s->exec_uid, &s->exec_gid, err);
        if (r < 0)
                return r;
        if (s->engine_uid == s->exec_uid)
                return tq_error(err, -EINVAL,
                                "tenantq.conf: engine_user and exec_user must be different users");
        if (tq_parse_u64_in(s->config.admin_group, 0, UINT32_MAX - 1, &v) >= 0) {
                s->admin_gid = (gid_t)v;
                return 0;
        }
        gr = getgrnam(s->config.admin_group);
        if (!gr)
                return tq_error(err, -ENOENT,
                                "tenantq.conf: admin_group=%s: no such group; run systemd-sysusers",
                                s->config.admin_group);
        s->admin_gid = gr->gr_gid;
        return 0;
}

/* Makes path and opens it with this owner and mode. */
static int open_own(const char *path, uid_t uid, gid_t gid, mode_t mode, TqError *err) {
        TQ_CLOSE int fd = -EBADF;
        int r;

        r = tq_fs_mkdir_parents(path, 0755);
        if (r < 0)
                return tq_error_errno(err, r, "mkdir %s", path);
        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0 || fchown(fd, uid, gid) < 0 || fchmod(fd, mode) < 0)
                return tq_error_errno(err, tq_errno(), "%s", path);
        return tq_take_fd(&fd);
}

/* A directory below one of ours, opened and made root's. */
static int open_child(int dir_fd, const char *name, uid_t uid, gid_t gid, mode_t mode,
                      TqError *err) {
        TQ_CLOSE int fd = -EBADF;

        fd = tq_fs_mkdir_open(dir_fd, name, 0700);
        if (fd < 0)
                return tq_error_errno(err, fd, "%s", name);
        if (fchown(fd, uid, gid) < 0 || fchmod(fd, mode) < 0)
                return tq_error_errno(err, tq_errno(), "%s", name);
        return tq_take_fd(&fd);
}

static int open_directories(Supervisor *s, TqError *err) {
        TQ_CLOSE int ledger_fd = -EBADF;

        /* Readable for all: tenants' names are no secret. What is below them is the tenants' own.
         */
        s->spool_fd = open_own(s->config.spool, 0, 0, 0755, err);
        if (s->spool_fd < 0)
                return s->spool_fd;
        s->claims_fd = open_child(s->spool_fd, ".claims", 0, 0, 0700, err);
        if (s->claims_fd < 0)
                return s->claims_fd;
        s->logs_fd = open_own(s->config.logs, 0, 0, 0755, err);
        if (s->logs_fd < 0)
                return s->logs_fd;
        s->state_fd = open_own(s->config.state, 0, 0, 0755, err);
        if (s->state_fd < 0)
                return s->state_fd;
        s->results_fd = open_child(s->state_fd, "results", 0, 0, 0700, err);
        if (s->results_fd < 0)
                return s->results_fd;
        ledger_fd = open_child(s->state_fd, "ledger", s->engine_uid, s->engine_gid, 0700, err);
        return ledger_fd < 0 ? ledger_fd : 0;
}

/* One supervisor: two would launch the same job twice. The lock ends with the process. Whoever can
 * open a file can lock it, for reading too (flock(2)): so it is one that only root can reach. */
static int lock(Supervisor *s, TqError *err) {
        TQ_CLOSE int dir_fd = -EBADF, fd = -EBADF;

        dir_fd = open_child(s->state_fd, "lock", 0, 0, 0700, err);
        if (dir_fd < 0)
                return dir_fd;
        fd = openat(dir_fd, "tenantqd", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return tq_error_errno(err, tq_errno(), "%s/lock/tenantqd", s->config.state);
        if (flock(fd, LOCK_EX | LOCK_NB) < 0)
                return errno == EWOULDBLOCK
                               ? tq_error(err, -EALREADY,
                                          "another tenantqd is running (%s/lock/tenantqd is locked)",
                                          s->config.state)
                               : tq_error_errno(err, tq_errno(), "%s/lock/tenantqd",
                                                s->config.state);
        s->lock_fd = tq_take_fd(&fd);
        return 0;
}

int setup_check_pools(const Supervisor *s, const TqHostConfig *config, TqError *err) {
        for (uint32_t i = 0; i < config->policy.n_pools; i++) {
                TqLimits cpus = { .set = UINT64_C(1) << TQ_KEY_CPUS };

                if (!config->policy.pools[i].has_cpus)
                        continue;
                memcpy(cpus.cpus, config->policy.pools[i].cpus, sizeof(cpus.cpus));
                if (tq_cgroup_check(&cpus, s->controllers, err) < 0) {
                        tq_error_set_file(err, "tenantq.conf");
                        return -EBADMSG;
                }
        }
        return 0;
}

static int check_controllers(Supervisor *s, TqError *err) {
        char wanted[sizeof(s->config.required_controllers)], *save = NULL;
        unsigned available = 0;
        int r;

        r = tq_cgroup_controllers(s->cgroup_fd, &available);
        if (r < 0)
                return tq_error_errno(err, r, "%s/cgroup.controllers", s->config.cgroup_root);
        (void)snprintf(wanted, sizeof(wanted), "%s", s->config.required_controllers);
        for (char *word = strtok_r(wanted, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
                unsigned bit = tq_cgroup_controller_bit(word);

                if (bit == 0)
                        return tq_error(
                                err, -EINVAL,
                                "tenantq.conf: required_controllers: \"%s\" is not one of cpu, "
                                "cpuset, io, memory, pids",
                                word);
                if (!(available & bit))
                        return tq_error(
                                err, -EOPNOTSUPP,
                                "controller \"%s\" is not available in %s; on cgroup v2 give it "
                                "with Delegate=yes, or take it out of required_controllers= in "
                                "tenantq.conf",
                                word, s->config.cgroup_root);
        }
        s->controllers = available;
        r = setup_check_pools(s, &s->config, err);
        if (r < 0)
                return r;
        return 0;
}

static int open_cgroup(Supervisor *s, TqError *err) {
        int r;

        s->cgroup_fd = tq_cgroup_open(s->config.cgroup_root, err);
        if (s->cgroup_fd < 0)
                return s->cgroup_fd;
        r = check_controllers(s, err);
        if (r < 0)
                return r;
        r = tq_cgroup_enable(s->cgroup_fd, s->controllers);
        if (r < 0)
                return tq_error_errno(err, r, "%s/cgroup.subtree_control", s->config.cgroup_root);
        return tq_slice_init(s->config.cgroup_root, s->controllers, err);
}

/* Reachable for everybody, since tenants ask about their own jobs; who may do what is decided by
 * the caller's credentials. Bound aside and renamed, so that it never has the wrong mode. */
static int open_socket(Supervisor *s, TqError *err) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        TQ_CLOSE int fd = -EBADF, run_fd = -EBADF;
        char path[PATH_MAX + 16];

        run_fd = open_own(s->config.run, 0, 0, 0755, err);
        if (run_fd < 0)
                return run_fd;
        if ((size_t)snprintf(address.sun_path, sizeof(address.sun_path), "%s/.control.sock",
                             s->config.run) >= sizeof(address.sun_path))
                return tq_error(err, -ENAMETOOLONG, "tenantq.conf: run=%s is too long",
                                s->config.run);
        (void)snprintf(path, sizeof(path), "%s/control.sock", s->config.run);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        (void)unlink(address.sun_path);
        if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
            chmod(address.sun_path, 0666) < 0 || listen(fd, 128) < 0 ||
            rename(address.sun_path, path) < 0)
                return tq_error_errno(err, tq_errno(), "%s", path);
        s->listen_fd = tq_take_fd(&fd);
        return 0;
}

static int read_boot_id(Supervisor *s, TqError *err) {
        sd_id128_t id;
        int r;

        r = sd_id128_get_boot(&id);
        if (r < 0)
                return tq_error_errno(err, r, "boot id");
        memcpy(s->boot_id, id.bytes, sizeof(s->boot_id));
        return 0;
}

int setup_open(Supervisor *s, TqError *err) {
        char path[PATH_MAX + 32], text[32];
        struct rlimit files;
        int r;

        r = lookup_users(s, err);
        if (r >= 0)
                r = read_boot_id(s, err);
        if (r >= 0)
                r = open_directories(s, err);
        if (r >= 0)
                r = lock(s, err);
        if (r >= 0)
                r = open_cgroup(s, err);
        if (r >= 0)
                r = open_socket(s, err);
        if (r >= 0)
                r = tq_filter_compile(TQ_PROFILE_DEFAULT, &s->job_filter, err);
        if (r >= 0)
                r = tq_filter_compile(TQ_PROFILE_ENGINE, &s->engine_filter, err);
        if (r < 0)
                return r;
        (void)snprintf(path, sizeof(path), "%s/tenantq-exec", s->helpers);
        s->helper_fd = open(path, O_PATH | O_CLOEXEC);
        if (s->helper_fd < 0)
                return tq_error_errno(err, tq_errno(), "%s", path);
        if (getrlimit(RLIMIT_NOFILE, &files) < 0)
                return tq_error_errno(err, tq_errno(), "getrlimit");
        s->nofile_hard = files.rlim_max;
        s->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
        if (s->null_fd < 0)
                return tq_error_errno(err, tq_errno(), "/dev/null");
        s->reset_oom_score =
                tq_fs_read_at(AT_FDCWD, "/proc/self/oom_score_adj", text, sizeof(text)) > 0 &&
                strcmp(text, "0\n") != 0;
        r = tq_result_slots_new(s->results_fd, &s->slots);
        return r < 0 ? tq_error_errno(err, r, "%s/results", s->config.state) : 0;
}
