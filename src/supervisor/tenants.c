/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>

#include "base/clock.h"
#include "base/fs.h"
#include "core/ids.h"
#include "kernel/slice.h"
#include "store/joblog.h"
#include "supervisor/supervisor.h"

/* Tenants: a directory of the spool is one. Who its jobs run as comes from the directory's owner or
 * from a file that only root can write, never from a message or from what a tenant wrote.
 *
 * A tenant whose directory is not safe (others may enter it, root owns it, another tenant has the
 * same user) is disabled with the reason and the mend; the others are not concerned. Its limits are
 * decided by the engine (the file's and the live ones) and applied here, bounded by [ceilings]. */

static int fault(Tenant *t, const char *fmt, ...) TQ_PRINTF(2, 3);

static int fault(Tenant *t, const char *fmt, ...) {
        va_list ap;

        va_start(ap, fmt);
        (void)vsnprintf(t->fault, sizeof(t->fault), fmt, ap);
        va_end(ap);
        return -EPERM;
}

Tenant *tenants_find(Supervisor *s, uint32_t handle) {
        return tq_map_get(&s->handles, handle);
}

static Tenant *find_by_name(Supervisor *s, const char *name) {
        TQ_LIST_FOREACH(node, &s->tenants) {
                Tenant *t = TQ_LIST_ENTRY(node, Tenant, all);

                if (strcmp(t->name, name) == 0)
                        return t;
        }
        return NULL;
}

Tenant *tenants_get(Supervisor *s, const char *name) {
        Tenant *t = find_by_name(s, name);

        if (t)
                return t;
        t = calloc(1, sizeof(*t));
        if (!t)
                return NULL;
        t->handle = ++s->next_handle;
        if (tq_map_put(&s->handles, t->handle, t) < 0) {
                free(t);
                return NULL;
        }
        (void)snprintf(t->name, sizeof(t->name), "%s", name);
        t->spool_fd = t->log_fd = t->slice_fd = -EBADF;
        t->watch = -1;
        t->is_gone = true;
        tq_list_init(&t->turn);
        tq_list_append(&s->tenants, &t->all);
        return t;
}

bool tenants_may_submit(const Tenant *t, uid_t uid) {
        if (uid == t->uid || uid == 0)
                return true;
        for (size_t i = 0; i < t->n_submitters; i++)
                if (t->submitters[i] == uid)
                        return true;
        return false;
}

/* Identity ------------------------------------------------------------------------------------ */

static int find_user(Tenant *t, const struct stat *st) {
        if (t->config.user[0] != '\0') {
                if (setup_lookup_user(t->config.user, &t->uid, &t->gid) < 0)
                        return fault(t, "tenants.d/%s.conf: user=%s: no such user", t->name,
                                     t->config.user);
        } else {
                struct passwd *pw = getpwuid(st->st_uid);

                t->uid = st->st_uid;
                t->gid = pw ? pw->pw_gid : st->st_gid;
        }
        if (t->config.allow_root)
                return 0;
        if (t->uid == 0)
                return fault(
                        t,
                        "the directory belongs to root; chown it to the tenant's user, or name "
                        "one with user= in tenants.d/%s.conf",
                        t->name);
        if (t->gid == 0)
                return fault(
                        t,
                        "the tenant's group is root's; chgrp the directory to the tenant's group");
        return 0;
}

/* Names, home and supplementary groups, as login would have them. */
static int find_groups(Tenant *t) {
        struct passwd *pw = getpwuid(t->uid);
        int n = 64;

        (void)snprintf(t->user, sizeof(t->user), "%s", pw ? pw->pw_name : "");
        (void)snprintf(t->home, sizeof(t->home), "%s", pw ? pw->pw_dir : "");
        free(t->groups);
        t->n_groups = 0;
        t->groups = calloc((size_t)n, sizeof(gid_t));
        if (!t->groups)
                return -ENOMEM;
        if (!pw) {
                t->groups[t->n_groups++] = t->gid;
                return 0;
        }
        if (getgrouplist(pw->pw_name, t->gid, t->groups, &n) < 0)
                return fault(t, "user %s is in more than 64 groups", pw->pw_name);
        t->n_groups = (size_t)n;
        for (int i = 0; i < n && !t->config.allow_root; i++)
                if (t->groups[i] == 0)
                        return fault(t, "user %s is in root's group", pw->pw_name);
        return 0;
}

static int find_submitters(Tenant *t) {
        t->n_submitters = 0;
        for (size_t i = 0; i < t->config.n_submitters; i++) {
                gid_t ignored;

                if (setup_lookup_user(t->config.submitters[i], &t->submitters[t->n_submitters],
                                      &ignored) < 0)
                        return fault(t, "tenants.d/%s.conf: submitters: no user %s", t->name,
                                     t->config.submitters[i]);
                t->n_submitters++;
        }
        return 0;
}

static int check_unique(Supervisor *s, Tenant *t) {
        if (t->uid == s->engine_uid || t->uid == s->exec_uid)
                return fault(t, "user %u is one of tenantq's own", t->uid);
        TQ_LIST_FOREACH(node, &s->tenants) {
                Tenant *other = TQ_LIST_ENTRY(node, Tenant, all);

                if (other != t && other->is_enabled && other->uid == t->uid)
                        return fault(
                                t,
                                "user %u already is tenant %s; give each tenant a user of its own",
                                t->uid, other->name);
        }
        return 0;
}

/* Directory ----------------------------------------------------------------------------------- */

static int check_directory(Supervisor *s, Tenant *t, const struct stat *st) {
        mode_t mode = st->st_mode & 0777;
        struct stat top;

        if (fstat(s->spool_fd, &top) < 0)
                return tq_errno();
        if (st->st_dev != top.st_dev)
                return fault(t,
                             "the directory is on another file system than %s; jobs could not be "
                             "claimed by rename",
                             s->config.spool);
        if (mode != 0700 && mode != 0730)
                return fault(t,
                             "the directory has mode %04o; others must not enter it: chmod 0700 "
                             "(or 0730 for its own group)",
                             mode);
        if (mode == 0730 && st->st_gid != t->gid)
                return fault(t,
                             "the directory has mode 0730 but belongs to group %u, not to the "
                             "tenant's %u: chgrp it, or chmod 0700",
                             st->st_gid, t->gid);
        return 0;
}

static void close_tenant(Supervisor *s, Tenant *t) {
        t->is_enabled = false;
        spool_unwatch(s, t);
        t->spool_fd = tq_close(t->spool_fd);
}

static int open_slice(Supervisor *s, Tenant *t) {
        char name[TQ_TENANT_NAME_MAX + 8];

        if (t->slice_fd >= 0)
                return 0;
        (void)snprintf(name, sizeof(name), "%s.slice", t->name);
        /* One that an earlier run left stays as it is until the engine says what should be there.
         */
        t->slice_fd = tq_fs_open_dir(s->cgroup_fd, name);
        return t->slice_fd >= 0 || t->slice_fd == -ENOENT ? 0 : t->slice_fd;
}

static int open_tenant(Supervisor *s, Tenant *t) {
        TqError err = {};
        struct stat st;
        int r;

        r = tq_hostfile_load_tenant(s->config_fd, t->name, &t->config, &err);
        if (r < 0) {
                char text[512];

                return fault(t, "%s", tq_error_format(&err, text, sizeof(text)));
        }
        (void)tq_close(t->spool_fd);
        t->spool_fd = tq_fs_open_dir(s->spool_fd, t->name);
        if (t->spool_fd < 0)
                return fault(t, "can't open the directory: %s", strerror(-t->spool_fd));
        if (fstat(t->spool_fd, &st) < 0)
                return tq_errno();
        r = find_user(t, &st);
        if (r >= 0)
                r = find_groups(t);
        if (r >= 0)
                r = find_submitters(t);
        if (r >= 0)
                r = check_unique(s, t);
        if (r >= 0)
                r = check_directory(s, t, &st);
        if (r < 0)
                return r;
        (void)tq_close(t->log_fd);
        t->log_fd = tq_joblog_open_dir(s->logs_fd, t->name, t->gid);
        if (t->log_fd < 0)
                return fault(t, "log directory: %s", strerror(-t->log_fd));
        if (tq_iodevice_of_file(t->spool_fd, t->device, sizeof(t->device), NULL) < 0)
                t->device[0] = '\0';
        return open_slice(s, t);
}

static void announce(Supervisor *s, const Tenant *t) {
        TqMessage m = {
                .tenant = {
                        .tenant = t->handle,
                        .uid = t->uid,
                        .gid = t->gid,
                        .is_enabled = t->is_enabled,
                        .is_gone = t->is_gone,
                        .holds_when_full = t->config.holds_when_full,
                        .limits = t->config.limits,
                        .n_queues = (uint32_t)t->config.n_queues,
                },
        };

        (void)snprintf(m.tenant.name, sizeof(m.tenant.name), "%s", t->name);
        (void)snprintf(m.tenant.pool, sizeof(m.tenant.pool), "%s", t->config.pool);
        (void)snprintf(m.tenant.user, sizeof(m.tenant.user), "%s", t->user);
        (void)snprintf(m.tenant.home, sizeof(m.tenant.home), "%s", t->home);
        (void)snprintf(m.tenant.fault, sizeof(m.tenant.fault), "%s", t->fault);
        memcpy(m.tenant.queues, t->config.queues, sizeof(m.tenant.queues));
        link_send(s, TQ_MESSAGE_TENANT, &m, NULL, 0, -EBADF);
}

/* Brings one tenant in line with its directory and its file. */
static void refresh(Supervisor *s, Tenant *t) {
        char before[sizeof(t->fault)];
        bool was_enabled = t->is_enabled;
        int r;

        (void)snprintf(before, sizeof(before), "%s", t->fault);
        t->fault[0] = '\0';
        t->is_gone = false;
        r = open_tenant(s, t);
        if (r >= 0)
                r = spool_watch(s, t);
        if (r < 0) {
                if (t->fault[0] == '\0')
                        (void)fault(t, "%s", strerror(-r));
                close_tenant(s, t);
                if (strcmp(before, t->fault) != 0)
                        report_error("tenant %s is disabled: %s", t->name, t->fault);
        } else {
                t->is_enabled = true;
                if (!was_enabled)
                        report_info("tenant %s: jobs run as user %u", t->name, t->uid);
        }
        announce(s, t);
        if (t->is_enabled && !was_enabled && s->stock_is_told)
                (void)claim_redeliver(s, t);
}

static void mark_gone(Supervisor *s, Tenant *t) {
        close_tenant(s, t);
        t->is_gone = true;
        (void)fault(t, "the directory is gone");
        report_info("tenant %s: the directory is gone; its running jobs go on", t->name);
        announce(s, t);
}

/* What the checks look at. */
static bool is_same_directory(const struct stat *a, const struct stat *b) {
        return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_uid == b->st_uid &&
               a->st_gid == b->st_gid && a->st_mode == b->st_mode;
}

void tenants_check(Supervisor *s, const char *name) {
        Tenant *t = find_by_name(s, name);
        struct stat st;

        if (!tq_ids_tenant_is_valid(name))
                return;
        if (fstatat(s->spool_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode)) {
                if (t && !t->is_gone)
                        mark_gone(s, t);
                return;
        }
        t = tenants_get(s, name);
        if (t && (t->is_gone || !is_same_directory(&t->seen, &st))) {
                t->seen = st;
                refresh(s, t);
        }
}

int tenants_scan(Supervisor *s) {
        TQ_CLOSE int fd = -EBADF;
        struct dirent *e;
        DIR *dir;

        TQ_LIST_FOREACH(node, &s->tenants) {
                Tenant *t = TQ_LIST_ENTRY(node, Tenant, all);

                if (!t->is_gone)
                        tenants_check(s, t->name);
        }
        fd = tq_fs_open_dir(s->spool_fd, ".");
        if (fd < 0)
                return fd;
        dir = fdopendir(fd);
        if (!dir)
                return tq_errno();
        (void)tq_take_fd(&fd);
        while ((e = readdir(dir))) {
                Tenant *t = find_by_name(s, e->d_name);

                if (!t || t->is_gone)
                        tenants_check(s, e->d_name);
        }
        (void)closedir(dir);
        return 0;
}

void tenants_announce(Supervisor *s) {
        TQ_LIST_FOREACH(node, &s->tenants)
        announce(s, TQ_LIST_ENTRY(node, Tenant, all));
}

/* Files of root that may change while we run. What only takes effect at start is kept as it is. */
static int reload(Supervisor *s, TqError *err) {
        TQ_FREE TqHostConfig *config = malloc(sizeof(*config));
        TqMessage m = {};
        int r;

        if (!config)
                return -ENOMEM;
        r = tq_hostfile_load(s->config_fd, config, err);
        if (r < 0)
                return r;
        r = setup_check_pools(s, config, err);
        if (r < 0)
                return r;
        /* All tenants' files before the first of them takes effect. */
        TQ_LIST_FOREACH(node, &s->tenants) {
                TqTenantConfig ignored;

                r = tq_hostfile_load_tenant(s->config_fd, TQ_LIST_ENTRY(node, Tenant, all)->name,
                                            &ignored, err);
                if (r < 0)
                        return r;
        }
        s->config.defaults = config->defaults;
        s->config.ceilings = config->ceilings;
        s->config.log_max_bytes = config->log_max_bytes;
        s->config.policy = config->policy;
        s->config.has_max_jobs = config->has_max_jobs;
        s->config.has_memory = config->has_memory;
        m.hello = (TqHello){
                .controllers = s->controllers,
                .admin_gid = s->admin_gid,
                .defaults = s->config.defaults,
                .ceilings = s->config.ceilings,
        };
        setup_policy(&s->config, &m.hello.policy);
        memcpy(m.hello.boot_id, s->boot_id, sizeof(m.hello.boot_id));
        link_send(s, TQ_MESSAGE_HELLO, &m, NULL, 0, -EBADF);
        TQ_LIST_FOREACH(node, &s->tenants)
        TQ_LIST_ENTRY(node, Tenant, all)->seen = (struct stat){};
        return tenants_scan(s);
}

int tenants_reload(Supervisor *s, TqError *err) {
        int r;

        if (s->is_ready)
                (void)sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu",
                                 (unsigned long long)tq_clock_monotonic_usec());
        r = reload(s, err);
        if (s->is_ready)
                (void)sd_notify(0, "READY=1");
        return r;
}

int tenants_apply(Supervisor *s, Tenant *t, const TqLimits *limits, TqBuffer *ret_values,
                  TqError *err) {
        char name[TQ_TENANT_NAME_MAX + 8];
        TqLimits bounded = *limits;
        TqSliceState state;
        int fd, r;

        /* Root's word, whatever the engine says. */
        tq_limits_clamp(&bounded, &s->config.ceilings);
        (void)snprintf(name, sizeof(name), "%s.slice", t->name);
        r = tq_slice_apply(s->cgroup_fd, name, &bounded, s->controllers,
                           t->device[0] ? t->device : NULL, &fd, &state, err);
        if (r < 0)
                return r;
        (void)tq_close(t->slice_fd);
        t->slice_fd = fd;
        t->is_applied = true;
        tq_buffer_append(ret_values, state.values, state.n * sizeof(state.values[0]));
        return 0;
}
