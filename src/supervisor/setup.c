/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/inotify.h>
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

#define JOBS_PER_CPU    8
#define JOBS_LEAST      32
#define MEND_USEC       (300 * TQ_USEC_PER_MSEC)
#define MEND_AGAIN_USEC (5 * TQ_USEC_PER_SEC)

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

int setup_lookup_users(Supervisor *s, TqError *err) {
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

/* Our own directories, parents first. Those with a path are readable for all: tenants' names are no
 * secret, and what is below them is the tenants' own or closed. */
typedef struct Own {
        const char *name; /* below its parent; NULL: it has a path */
        size_t path;      /* in TqHostConfig */
        size_t fd;        /* in Supervisor */
        int parent;       /* index; -1: none */
        mode_t mode;
} Own;

enum { OWN_SPOOL, OWN_CLAIMS, OWN_LOGS, OWN_STATE, OWN_RESULTS, OWN_LOCK, OWN_RUN, _OWN_MAX };

#define BY_PATH(key, descriptor)                                                                   \
        { NULL, offsetof(TqHostConfig, key), offsetof(Supervisor, descriptor), -1, 0755 }
#define BELOW(parent, name, descriptor)                                                            \
        { name, 0, offsetof(Supervisor, descriptor), parent, 0700 }

static const Own owns[_OWN_MAX] = {
        [OWN_SPOOL] = BY_PATH(spool, spool_fd),
        [OWN_CLAIMS] = BELOW(OWN_SPOOL, ".claims", claims_fd),
        [OWN_LOGS] = BY_PATH(logs, logs_fd),
        [OWN_STATE] = BY_PATH(state, state_fd),
        [OWN_RESULTS] = BELOW(OWN_STATE, "results", results_fd),
        [OWN_LOCK] = BELOW(OWN_STATE, "lock", lock_dir_fd),
        [OWN_RUN] = BY_PATH(run, run_fd),
};

static int *fd_of(Supervisor *s, const Own *o) {
        return (int *)(void *)((char *)s + o->fd);
}

static const char *path_of(const Supervisor *s, const Own *o) {
        return (const char *)&s->config + o->path;
}

static int open_one(Supervisor *s, const Own *o, TqError *err) {
        int fd = o->parent < 0
                         ? open_own(path_of(s, o), 0, 0, o->mode, err)
                         : open_child(*fd_of(s, &owns[o->parent]), o->name, 0, 0, o->mode, err);

        if (fd < 0)
                return fd;
        (void)tq_close(*fd_of(s, o));
        *fd_of(s, o) = fd;
        return 0;
}

static int open_directories(Supervisor *s, TqError *err) {
        TQ_CLOSE int ledger_fd = -EBADF;

        for (size_t i = 0; i < _OWN_MAX; i++) {
                int r = open_one(s, &owns[i], err);

                if (r < 0)
                        return r;
        }
        ledger_fd = open_child(s->state_fd, "ledger", s->engine_uid, s->engine_gid, 0700, err);
        return ledger_fd < 0 ? ledger_fd : 0;
}

/* One supervisor: two would launch the same job twice. The lock ends with the process: it is not
 * one of flock(2), which a child that has not come to its execve(2) would hold on. Whoever can open
 * a file can lock it, for reading too: so it is one that only root can reach. */
static int lock(Supervisor *s, TqError *err) {
        const struct flock all = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
        TQ_CLOSE int fd = -EBADF;

        fd = openat(s->lock_dir_fd, "tenantqd", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return tq_error_errno(err, tq_errno(), "%s/lock/tenantqd", s->config.state);
        /* Before: closing any descriptor of a file ends all of the process's locks of it. */
        s->lock_fd = tq_close(s->lock_fd);
        if (fcntl(fd, F_SETLK, &all) < 0)
                return errno == EAGAIN || errno == EACCES
                               ? tq_error(
                                         err, -EALREADY,
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

int setup_check_controllers(const TqHostConfig *config, unsigned available, TqError *err) {
        char wanted[sizeof(config->required_controllers)], *save = NULL;

        (void)snprintf(wanted, sizeof(wanted), "%s", config->required_controllers);
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
                                word, config->cgroup_root);
        }
        return 0;
}

static int check_controllers(Supervisor *s, TqError *err) {
        unsigned available = 0;
        int r;

        r = tq_cgroup_controllers(s->cgroup_fd, &available);
        if (r < 0)
                return tq_error_errno(err, r, "%s/cgroup.controllers", s->config.cgroup_root);
        r = setup_check_controllers(&s->config, available, err);
        if (r < 0)
                return r;
        s->controllers = available;
        return setup_check_pools(s, &s->config, err);
}

static int open_cgroup(Supervisor *s, TqError *err) {
        int fd = tq_cgroup_open(s->config.cgroup_root, err), r;

        if (fd < 0)
                return fd;
        (void)tq_close(s->cgroup_fd);
        s->cgroup_fd = fd;
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
        TQ_CLOSE int fd = -EBADF;
        char path[PATH_MAX + 16];
        struct stat st;

        if ((size_t)snprintf(address.sun_path, sizeof(address.sun_path), "%s/.control.sock",
                             s->config.run) >= sizeof(address.sun_path))
                return tq_error(err, -ENAMETOOLONG, "tenantq.conf: run=%s is too long",
                                s->config.run);
        (void)snprintf(path, sizeof(path), "%s/control.sock", s->config.run);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        (void)unlink(address.sun_path);
        if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
            chmod(address.sun_path, 0666) < 0 || listen(fd, 1024) < 0 ||
            stat(address.sun_path, &st) < 0 || rename(address.sun_path, path) < 0)
                return tq_error_errno(err, tq_errno(), "%s", path);
        s->socket_device = st.st_dev;
        s->socket_inode = st.st_ino;
        (void)tq_close(s->listen_fd);
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

        r = setup_lookup_users(s, err);
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

/* What vanishes ------------------------------------------------------------------------------- */

bool setup_has_vanished(int fd, int dir_fd, const char *name) {
        struct stat held, now;

        if (fstat(fd, &held) < 0 || fstatat(dir_fd, name, &now, AT_SYMLINK_NOFOLLOW) < 0)
                return true;
        return held.st_dev != now.st_dev || held.st_ino != now.st_ino;
}

static bool own_has_vanished(Supervisor *s, const Own *o) {
        return o->parent < 0
                       ? setup_has_vanished(*fd_of(s, o), AT_FDCWD, path_of(s, o))
                       : setup_has_vanished(*fd_of(s, o), *fd_of(s, &owns[o->parent]), o->name);
}

static bool socket_has_vanished(Supervisor *s) {
        struct stat st;

        return fstatat(s->run_fd, "control.sock", &st, AT_SYMLINK_NOFOLLOW) < 0 ||
               st.st_dev != s->socket_device || st.st_ino != s->socket_inode;
}

/* What hangs on a directory that was made again. */
static int follow_up(Supervisor *s, int own, TqError *err) {
        switch (own) {
        case OWN_SPOOL:
                return spool_watch_top(s) < 0 ? -EIO : tenants_scan(s);
        case OWN_CLAIMS:
                link_hand_over(s, TQ_DESCRIPTOR_CLAIMS, s->claims_fd);
                return 0;
        case OWN_RESULTS:
                tq_result_slots_move(s->slots, s->results_fd);
                return 0;
        case OWN_LOCK:
                return lock(s, err);
        default:
                return 0;
        }
}

static int mend_own(Supervisor *s, int own, TqError *err) {
        const Own *o = &owns[own];
        int r;

        if (own_has_vanished(s, o)) {
                r = open_one(s, o, err);
                if (r < 0)
                        return r;
                s->must_follow |= 1U << own;
        }
        if (!(s->must_follow & (1U << own)))
                return 0;
        r = follow_up(s, own, err);
        if (r < 0)
                return err->text[0] != '\0'
                               ? r
                               : tq_error_errno(err, r, "%s", o->name ? o->name : path_of(s, o));
        s->must_follow &= ~(1U << own);
        report_error("%s had gone or was hidden; there is one again",
                     o->name ? o->name : path_of(s, o));
        return 1;
}

int setup_mend(Supervisor *s) {
        TqError err = {};
        char text[512];
        int n = 0, r = 0;

        for (int i = 0; r >= 0 && i < _OWN_MAX; i++) {
                r = mend_own(s, i, &err);
                n += r > 0;
        }
        if (r >= 0 && socket_has_vanished(s)) {
                r = open_socket(s, &err);
                n++;
                if (r >= 0) {
                        link_hand_over(s, TQ_DESCRIPTOR_LISTEN, s->listen_fd);
                        report_error("the control socket had gone; made again");
                }
        }
        if (r < 0) {
                s->must_watch |= n > 0;
                report_error("can't be made again: %s", tq_error_format(&err, text, sizeof(text)));
                return r;
        }
        s->must_watch |= n > 0;
        if (s->must_watch)
                setup_watch(s);
        return n;
}

int setup_mend_cgroup(Supervisor *s) {
        TqError err = {};
        char text[512];
        int r;

        if (!setup_has_vanished(s->cgroup_fd, AT_FDCWD, s->config.cgroup_root))
                return 0;
        r = open_cgroup(s, &err);
        if (r < 0)
                report_error("%s", tq_error_format(&err, text, sizeof(text)));
        else
                report_error("%s had gone and is there again", s->config.cgroup_root);
        return r < 0 ? r : 1;
}

static void mend_in(Supervisor *s, uint64_t usec);

static int on_mend(sd_event_source *source, uint64_t usec, void *userdata) {
        Supervisor *s = userdata;

        (void)source;
        (void)usec;
        s->mend_source = sd_event_source_disable_unref(s->mend_source);
        if (setup_mend(s) < 0)
                mend_in(s, MEND_AGAIN_USEC);
        /* One may be hidden, or seen again. */
        if (s->mounts_have_changed)
                TQ_LIST_FOREACH(node, &s->tenants)
        later_check(s, TQ_LIST_ENTRY(node, Tenant, all));
        s->mounts_have_changed = false;
        return 0;
}

static void mend_in(Supervisor *s, uint64_t usec) {
        if (!s->mend_source)
                (void)sd_event_add_time_relative(s->event, &s->mend_source, CLOCK_MONOTONIC, usec,
                                                 0, on_mend, s);
}

/* In a moment: whoever removes a whole tree is not to meet what we have made again. */
void setup_mend_soon(Supervisor *s) {
        mend_in(s, MEND_USEC);
}

static bool is_ours(Supervisor *s, const char *name) {
        if (strcmp(name, "control.sock") == 0)
                return true;
        for (size_t i = 0; i < _OWN_MAX; i++) {
                const char *own = owns[i].name;

                if (!own) {
                        own = strrchr(path_of(s, &owns[i]), '/');
                        own = own ? own + 1 : "";
                }
                if (strcmp(name, own) == 0)
                        return true;
        }
        return false;
}

static int on_vanished(sd_event_source *source, const struct inotify_event *e, void *userdata) {
        (void)source;
        if (e->len > 0 && is_ours(userdata, e->name))
                setup_mend_soon(userdata);
        return 0;
}

/* What is mounted over a directory of ours hides it, and what is unmounted shows it again, without
 * an event of inotify(7) (proc(5), /proc/PID/mountinfo: poll(2)). */
static int on_mounts(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        Supervisor *s = userdata;

        (void)source;
        (void)fd;
        (void)revents;
        s->mounts_have_changed = true;
        setup_mend_soon(s);
        return 0;
}

static int watch_mounts(Supervisor *s) {
        TQ_CLOSE int fd = -EBADF;
        int r;

        if (s->mounts_source)
                return 0;
        fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return tq_errno();
        r = sd_event_add_io(s->event, &s->mounts_source, fd, EPOLLPRI, on_mounts, s);
        if (r < 0)
                return r;
        (void)tq_take_fd(&fd);
        return sd_event_source_set_io_fd_own(s->mounts_source, true);
}

/* The directory above each: a directory that we hold open says nothing itself when it is removed.
 */
static int watch_above(Supervisor *s, size_t i) {
        const uint32_t mask = IN_DELETE | IN_MOVED_FROM | IN_ONLYDIR;
        const Own *o = &owns[i];
        char above[PATH_MAX];

        if (o->parent >= 0)
                return sd_event_add_inotify_fd(s->event, &s->own_sources[i],
                                               *fd_of(s, &owns[o->parent]), mask, on_vanished, s);
        (void)snprintf(above, sizeof(above), "%s/..", path_of(s, o));
        return sd_event_add_inotify(s->event, &s->own_sources[i], above, mask, on_vanished, s);
}

void setup_watch(Supervisor *s) {
        int r = 0;

        s->must_watch = false;
        for (size_t i = 0; i < _OWN_MAX && r >= 0; i++) {
                s->own_sources[i] = sd_event_source_disable_unref(s->own_sources[i]);
                r = watch_above(s, i);
        }
        s->own_sources[_OWN_MAX] = sd_event_source_disable_unref(s->own_sources[_OWN_MAX]);
        if (r >= 0)
                r = sd_event_add_inotify_fd(s->event, &s->own_sources[_OWN_MAX], s->run_fd,
                                            IN_DELETE | IN_MOVED_FROM, on_vanished, s);
        if (r >= 0)
                r = watch_mounts(s);
        if (r < 0)
                report_error("our own directories can't be watched (%s): one that is removed is "
                             "noticed when it is needed",
                             strerror(-r));
}
