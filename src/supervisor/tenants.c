/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>

#include "base/clock.h"
#include "base/format.h"
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

int tenants_fault(Tenant *t, const char *fmt, ...) {
        va_list ap;

        va_start(ap, fmt);
        (void)vsnprintf(t->fault, sizeof(t->fault), fmt, ap);
        va_end(ap);
        return -EPERM;
}

Tenant *tenants_find(Supervisor *s, uint32_t handle) {
        return tq_map_get(&s->handles, handle);
}

/* By a hash; two names with the same one (root made both) are told apart by looking at all. */
Tenant *tenants_by_name(Supervisor *s, const char *name) {
        Tenant *first = tq_map_get(&s->names, tq_scheduler_name(name));

        if (!first || strcmp(first->name, name) == 0)
                return first;
        TQ_LIST_FOREACH(node, &s->tenants) {
                Tenant *t = TQ_LIST_ENTRY(node, Tenant, all);

                if (strcmp(t->name, name) == 0)
                        return t;
        }
        return NULL;
}

Tenant *tenants_get(Supervisor *s, const char *name) {
        Tenant *t = tenants_by_name(s, name);
        int r;

        if (t)
                return t;
        t = calloc(1, sizeof(*t));
        if (!t)
                return NULL;
        t->handle = ++s->next_handle;
        (void)snprintf(t->name, sizeof(t->name), "%s", name);
        r = tq_map_put(&s->handles, t->handle, t);
        if (r >= 0)
                r = tq_map_put(&s->names, tq_scheduler_name(name), t);
        if (r < 0 && r != -EEXIST) {
                (void)tq_map_remove(&s->handles, t->handle);
                free(t);
                return NULL;
        }
        t->spool_fd = t->log_fd = t->slice_fd = -EBADF;
        t->watch = -1;
        t->is_gone = true;
        (void)tenants_fault(t, "it has no directory in the spool");
        later_init(t);
        tq_list_init(&t->turn);
        tq_list_append(&s->tenants, &t->all);
        return t;
}

bool tenants_may_submit(const Tenant *t, uid_t uid) {
        if (uid == t->who.uid || uid == 0)
                return true;
        for (size_t i = 0; i < t->n_submitters; i++)
                if (t->submitters[i] == uid)
                        return true;
        return false;
}

/* The administrator says that the tenant is the same, though its owner is another. */
bool tenants_is_former(const Tenant *t, uid_t uid, const char *user) {
        char number[16];

        (void)snprintf(number, sizeof(number), "%u", uid);
        return t->config.former_owner[0] != '\0' && (strcmp(t->config.former_owner, number) == 0 ||
                                                     strcmp(t->config.former_owner, user) == 0);
}

/* Directory ----------------------------------------------------------------------------------- */

static int check_directory(Supervisor *s, Tenant *t, const struct stat *st) {
        mode_t mode = st->st_mode & 0777;
        struct stat top;

        if (fstat(s->spool_fd, &top) < 0)
                return tq_errno();
        if (st->st_dev != top.st_dev)
                return tenants_fault(
                        t,
                        "the directory is on another file system than %s; jobs could not be "
                        "claimed by rename",
                        s->config.spool);
        if (mode != 0700 && mode != 0730)
                return tenants_fault(
                        t,
                        "the directory has mode %04o; others must not enter it: chmod 0700 "
                        "(or 0730 for its own group)",
                        mode);
        if (mode == 0730 && st->st_gid != t->who.gid)
                return tenants_fault(
                        t,
                        "the directory has mode 0730 but belongs to group %u, not to the "
                        "tenant's %u: chgrp it, or chmod 0700",
                        st->st_gid, t->who.gid);
        return 0;
}

static void close_tenant(Supervisor *s, Tenant *t) {
        t->is_enabled = false;
        identity_release(s, t);
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

        /* Only a reload brings another one: whoever makes us look at the directory changes nothing.
         */
        r = t->is_configured ? 0 : tq_hostfile_load_tenant(s->config_fd, t->name, &t->config, &err);
        t->is_configured = r >= 0;
        if (r < 0) {
                char text[512];

                return tenants_fault(t, "%s", tq_error_format(&err, text, sizeof(text)));
        }
        (void)tq_close(t->spool_fd);
        t->spool_fd = tq_fs_open_dir(s->spool_fd, t->name);
        if (t->spool_fd < 0)
                return tenants_fault(t, "can't open the directory: %s", strerror(-t->spool_fd));
        if (fstat(t->spool_fd, &st) < 0)
                return tq_errno();
        r = identity_find(s, t, &st);
        if (r < 0)
                return r;
        /* Of a directory that is not as it should be we are told when it is. */
        t->is_surroundings = false;
        r = check_directory(s, t, &st);
        if (r < 0)
                return r;
        t->is_surroundings = true;
        r = logs_open(s, t);
        if (r < 0)
                return r;
        t->is_surroundings = false;
        if (tq_iodevice_of_file(t->spool_fd, t->device, sizeof(t->device), NULL) < 0)
                t->device[0] = '\0';
        return open_slice(s, t);
}

static uint64_t hash(const void *data, size_t size) {
        const unsigned char *p = data;
        uint64_t h = UINT64_C(0xCBF29CE484222325);

        for (size_t i = 0; i < size; i++)
                h = (h ^ p[i]) * UINT64_C(0x100000001B3);
        return TQ_MAX(h, UINT64_C(1));
}

/* Nothing is said twice: each time the engine applies the tenant's limits anew. */
void tenants_announce_one(Supervisor *s, Tenant *t) {
        TqMessage m;
        uint64_t said;

        memset(&m, 0, sizeof(m));
        m.tenant.tenant = t->handle;
        m.tenant.owner = t->owner;
        m.tenant.uid = t->who.uid;
        m.tenant.gid = t->who.gid;
        (void)snprintf(m.tenant.user, sizeof(m.tenant.user), "%s", t->who.user);
        if (!t->is_enabled)
                m.tenant.uid = logs_find_owner(s, t, m.tenant.user, sizeof(m.tenant.user));
        m.tenant.is_enabled = t->is_enabled;
        m.tenant.is_gone = t->is_gone;
        m.tenant.holds_when_full = t->config.holds_when_full;
        m.tenant.limits = t->config.limits;
        m.tenant.n_queues = (uint32_t)t->config.n_queues;
        (void)snprintf(m.tenant.name, sizeof(m.tenant.name), "%s", t->name);
        (void)snprintf(m.tenant.pool, sizeof(m.tenant.pool), "%s", t->config.pool);
        (void)snprintf(m.tenant.home, sizeof(m.tenant.home), "%s", t->who.home);
        (void)snprintf(m.tenant.former_owner, sizeof(m.tenant.former_owner), "%s",
                       t->config.former_owner);
        (void)snprintf(m.tenant.fault, sizeof(m.tenant.fault), "%s", t->fault);
        (void)snprintf(m.tenant.note, sizeof(m.tenant.note), "%s", t->note);
        memcpy(m.tenant.queues, t->config.queues, sizeof(m.tenant.queues));
        said = hash(&m, sizeof(m));
        if (said == t->announced)
                return;
        t->announced = said;
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
        t->is_surroundings = true;
        r = open_tenant(s, t);
        if (r >= 0)
                r = spool_watch(s, t);
        if (r < 0) {
                if (t->fault[0] == '\0')
                        (void)tenants_fault(t, "%s", strerror(-r));
                close_tenant(s, t);
                if (t->is_surroundings)
                        later_recheck(s, t);
                if (strcmp(before, t->fault) != 0)
                        report_tenant(t, "tenant %s is disabled: %s", t->name, t->fault);
        } else {
                t->is_enabled = true;
                if (!was_enabled)
                        report_tenant(t, "tenant %s: jobs run as user %u", t->name, t->who.uid);
        }
        tenants_announce_one(s, t);
        if (t->is_enabled && !was_enabled && s->stock_is_told)
                (void)claim_redeliver(s, t);
}

static void mark_gone(Supervisor *s, Tenant *t) {
        close_tenant(s, t);
        t->is_gone = true;
        t->config = (TqTenantConfig){};
        t->is_configured = false;
        (void)tenants_fault(t, "the directory is gone");
        report_tenant(t, "tenant %s: the directory is gone; its running jobs go on", t->name);
        tenants_announce_one(s, t);
}

/* A directory that is silently no tenant would be looked for in vain. */
static void report_bad_name(const char *name) {
        char shown[256];

        report_error("directory %s in the spool is no tenant: " TQ_IDS_TENANT_RULE,
                     tq_format_escape(name, shown, sizeof(shown)), TQ_TENANT_NAME_MAX);
}

/* What the checks look at. */
static bool is_same_directory(const struct stat *a, const struct stat *b) {
        return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_uid == b->st_uid &&
               a->st_gid == b->st_gid && a->st_mode == b->st_mode;
}

void tenants_check(Supervisor *s, const char *name) {
        Tenant *t = tenants_by_name(s, name);
        struct stat st;

        if (!tq_ids_tenant_is_valid(name)) {
                if (name[0] != '.' && fstatat(s->spool_fd, name, &st, AT_SYMLINK_NOFOLLOW) >= 0 &&
                    S_ISDIR(st.st_mode))
                        report_bad_name(name);
                return;
        }
        if (fstatat(s->spool_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode)) {
                if (t && !t->is_gone)
                        mark_gone(s, t);
                return;
        }
        t = tenants_get(s, name);
        if (t && (t->is_gone || !is_same_directory(&t->seen, &st) || !identity_is_fresh(s, t) ||
                  t->is_surroundings)) {
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
                Tenant *t = tenants_by_name(s, e->d_name);

                if (!t || t->is_gone)
                        tenants_check(s, e->d_name);
        }
        (void)closedir(dir);
        return 0;
}

void tenants_announce(Supervisor *s) {
        TQ_LIST_FOREACH(node, &s->tenants) {
                Tenant *t = TQ_LIST_ENTRY(node, Tenant, all);

                t->announced = 0; /* to an engine that knows nothing */
                tenants_announce_one(s, t);
        }
}

/* What is opened or looked up once, at the start. */
static void tell_what_waits(const TqHostConfig *is, const TqHostConfig *said) {
#define KEY(name)                                                                                  \
        { #name, offsetof(TqHostConfig, name) }
        static const struct {
                const char *key;
                size_t offset;
        } keys[] = { KEY(cgroup_root), KEY(required_controllers),
                     KEY(spool),       KEY(state),
                     KEY(logs),        KEY(run),
                     KEY(engine_user), KEY(exec_user),
                     KEY(admin_group) };
#undef KEY

        for (size_t i = 0; i < TQ_ELEMENTSOF(keys); i++)
                if (strcmp((const char *)is + keys[i].offset,
                           (const char *)said + keys[i].offset) != 0)
                        report_error("tenantq.conf: %s=%s takes effect when tenantq is restarted; "
                                     "until then it is %s",
                                     keys[i].key, (const char *)said + keys[i].offset,
                                     (const char *)is + keys[i].offset);
}

/* Files of root that may change while we run. What only takes effect at start is kept as it is. */
static int reload(Supervisor *s, TqError *err) {
        TQ_CLOSE int config_fd = tq_fs_open_dir(AT_FDCWD, s->config_dir);
        TQ_FREE TqHostConfig *config = malloc(sizeof(*config));
        TqMessage m = {};
        int r;

        if (!config)
                return -ENOMEM;
        /* By its name: the directory may be another one by now. */
        if (config_fd < 0)
                return tq_error_errno(err, config_fd, "%s", s->config_dir);
        r = tq_hostfile_load(config_fd, config, err);
        if (r < 0)
                return r;
        r = check_host(config, err);
        if (r >= 0)
                r = setup_check_pools(s, config, err);
        if (r < 0)
                return r;
        /* All tenants' files before the first of them takes effect. */
        r = check_tenant_files(config_fd, s->spool_fd, config, report_error, report_error, err);
        if (r < 0)
                return r;
        tell_what_waits(&s->config, config);
        (void)tq_close(s->config_fd);
        s->config_fd = tq_take_fd(&config_fd);
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
        /* Also those whose own files are as they were: what is around them is not. */
        TQ_LIST_FOREACH(node, &s->tenants) {
                Tenant *t = TQ_LIST_ENTRY(node, Tenant, all);

                t->seen = (struct stat){};
                t->announced = 0;
                t->is_configured = false;
        }
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

/* All slices were below the one that had gone. Their tenants are made known again, upon which the
 * engine says what limits they have. */
static int mend_cgroup(Supervisor *s) {
        int r = setup_mend_cgroup(s);

        if (r > 0)
                TQ_LIST_FOREACH(node, &s->tenants) {
                        Tenant *t = TQ_LIST_ENTRY(node, Tenant, all);

                        t->slice_fd = tq_close(t->slice_fd);
                        t->is_applied = false;
                        t->announced = 0;
                        tenants_announce_one(s, t);
                }
        return r;
}

int tenants_apply(Supervisor *s, Tenant *t, const TqLimits *limits, TqBuffer *ret_values,
                  TqError *err) {
        char name[TQ_TENANT_NAME_MAX + 8];
        TqAttr attrs[TQ_ATTRS_MAX];
        TqLimits bounded = *limits;
        TqSliceState state;
        int fd, r;
        size_t n;

        /* Root's word, whatever the engine says. */
        r = tq_limits_clamp(&bounded, &s->config.ceilings);
        if (r < 0)
                return tq_error(err, r,
                                "at most %d limits with @device, those of [ceilings] included",
                                TQ_IO_DEVICES);
        /* One that has no directory: what can be said without a cgroup. */
        if (!t) {
                char device[TQ_IODEVICE_MAX];

                r = tq_iodevice_of_file(s->spool_fd, device, sizeof(device), NULL);
                return tq_cgroup_attrs(&bounded, s->controllers, r < 0 ? NULL : device, true, attrs,
                                       &n, err);
        }
        (void)snprintf(name, sizeof(name), "%s.slice", t->name);
        r = tq_slice_apply(s->cgroup_fd, name, &bounded, s->controllers,
                           t->device[0] ? t->device : NULL, &fd, &state, err);
        if (r < 0 && mend_cgroup(s) > 0) {
                *err = (TqError){};
                r = tq_slice_apply(s->cgroup_fd, name, &bounded, s->controllers,
                                   t->device[0] ? t->device : NULL, &fd, &state, err);
        }
        if (r < 0) {
                /* As long as there is none to make it in. */
                t->announced = 0;
                t->is_surroundings = true;
                later_recheck(s, t);
                return r;
        }
        (void)tq_close(t->slice_fd);
        t->slice_fd = fd;
        t->is_applied = t->is_enabled;
        tq_buffer_append(ret_values, state.values, state.n * sizeof(state.values[0]));
        return 0;
}

void tenants_lose_slice(Supervisor *s, Tenant *t) {
        (void)mend_cgroup(s);
        t->slice_fd = tq_close(t->slice_fd);
        t->is_applied = false;
        report_tenant(t, "tenant %s: its cgroup had gone; it is made again", t->name);
        /* Upon which the engine says what limits it has. */
        t->announced = 0;
        tenants_announce_one(s, t);
}

static int look_again(Supervisor *s, Tenant *t) {
        t->is_surroundings = true;
        tenants_check(s, t->name);
        return t->is_enabled ? 0 : -EPERM;
}

int tenants_mend_logs(Supervisor *s, Tenant *t) {
        return logs_open(s, t) >= 0 ? 0 : look_again(s, t);
}

bool tenants_verify(Supervisor *s, Tenant *t) {
        uid_t uid = t->who.uid;
        char user[sizeof(t->who.user)];

        (void)snprintf(user, sizeof(user), "%s", t->who.user);
        tenants_check(s, t->name);
        return t->is_enabled && t->who.uid == uid && strcmp(t->who.user, user) == 0;
}
