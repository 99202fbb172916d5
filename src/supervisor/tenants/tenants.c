/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "supervisor/tenants/tenants.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/format.h"
#include "base/fs.h"
#include "base/log.h"
#include "core/ids.h"
#include "kernel/devices.h"
#include "supervisor/tenants/identity.h"
#include "supervisor/tenants/logs.h"
#include "supervisor/tenants/notes.h"
#include "supervisor/tenants/table_private.h"

/* Who its jobs run as comes from the directory's owner or from a file that only root can write,
 * never from a message or from what a tenant wrote.
 *
 * A tenant whose directory is not safe (others may enter it, root owns it, another tenant has the
 * same user) is disabled with the reason and the mend; the others are not concerned. Its limits are
 * decided by the engine (the file's and the live ones) and applied here, bounded by [ceilings]. */

#define BAD_NAMES_MOST 8 /* said, in BAD_NAMES_USEC */
#define BAD_NAMES_USEC (60 * TQ_USEC_PER_SEC)

/* Directory -------------------------------------------------------------------------------------
 */

static int check_directory(Tenants *ts, Tenant *t, const struct stat *st) {
        mode_t mode = st->st_mode & 0777;
        struct stat top;

        if (fstat(own_fd(ts->own, OWN_SPOOL), &top) < 0)
                return tq_errno();
        if (st->st_dev != top.st_dev)
                return tenants_fault(
                        t,
                        "the directory is on another file system than %s; jobs could not be "
                        "claimed by rename",
                        ts->host->config.spool);
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

static void close_tenant(Tenants *ts, Tenant *t) {
        t->is_enabled = false;
        identity_release(ts, t);
        ts->hooks.closed(ts->hooks.data, t);
        t->spool_fd = tq_close(t->spool_fd);
}

/* One that an earlier run left stays as it is until the engine says what should be there. */
static int open_slice(Tenants *ts, Tenant *t) {
        if (t->slice_fd >= 0)
                return 0;
        t->slice_fd = slices_open(ts->slices, t->name);
        return t->slice_fd >= 0 || t->slice_fd == -ENOENT ? 0 : t->slice_fd;
}

static int configure(Tenants *ts, Tenant *t) {
        TqError err = {};
        const TqProfile *profile;
        char text[512];

        /* Only a reload brings another one: whoever makes us look at the directory changes nothing.
         */
        if (t->is_configured)
                return 0;
        if (tq_hostfile_load_tenant(ts->host->config_fd, t->name, &t->config, &err) < 0)
                return tenants_fault(t, "%s", tq_error_format(&err, text, sizeof(text)));
        profile = profiles_find(ts->host->profiles, t->config.profile);
        if (!profile)
                return tenants_fault(t, "tenants.d/%s.conf: profile=%s: there is no profiles/%s",
                                     t->name, t->config.profile, t->config.profile);
        t->rank = profile->rank;
        t->is_configured = true;
        ts->changes++;
        return 0;
}

static int open_tenant(Tenants *ts, Tenant *t) {
        struct stat st;
        int r;

        r = configure(ts, t);
        if (r < 0)
                return r;
        (void)tq_close(t->spool_fd);
        t->spool_fd =
                tq_fs_open_within(own_fd(ts->own, OWN_SPOOL), t->name, O_RDONLY | O_DIRECTORY);
        if (t->spool_fd == -EXDEV)
                return tenants_fault(t, "a file system is mounted on the directory; jobs could not "
                                        "be claimed from it by rename");
        if (t->spool_fd < 0)
                return tenants_fault(t, "can't open the directory: %s", strerror(-t->spool_fd));
        if (fstat(t->spool_fd, &st) < 0)
                return tq_errno();
        r = identity_find(ts, t, &st);
        if (r < 0)
                return r;
        /* Of a directory that is not as it should be we are told when it is. */
        t->is_surroundings = false;
        r = check_directory(ts, t, &st);
        if (r < 0)
                return r;
        t->is_surroundings = true;
        r = logs_open(ts, t);
        if (r < 0)
                return r;
        if (tq_iodevice_of_file(t->spool_fd, t->device, sizeof(t->device), NULL) < 0)
                t->device[0] = '\0';
        return open_slice(ts, t);
}

/* Brings one tenant in line with its directory and its file. */
static void refresh(Tenants *ts, Tenant *t) {
        char before[sizeof(t->fault)];
        bool was_enabled = t->is_enabled;
        int r;

        (void)snprintf(before, sizeof(before), "%s", t->fault);
        t->fault[0] = '\0';
        t->is_gone = t->is_silent = false;
        t->is_surroundings = true;
        r = open_tenant(ts, t);
        if (r >= 0)
                r = ts->hooks.opened(ts->hooks.data, t);
        if (r >= 0)
                t->is_surroundings = false;
        if (r < 0) {
                if (t->fault[0] == '\0')
                        (void)tenants_fault(t, "%s", strerror(-r));
                close_tenant(ts, t);
                if (t->is_surroundings)
                        ts->hooks.recheck(ts->hooks.data, t);
                if (strcmp(before, t->fault) != 0)
                        tenants_report(t, TQ_LOG_TENANT_DISABLED, "tenant %s is disabled: %s",
                                       t->name, t->fault);
        } else {
                t->is_enabled = true;
                if (!was_enabled)
                        tenants_report(t, TQ_LOG_PLAIN, "tenant %s: jobs run as user %u", t->name,
                                       t->who.uid);
        }
        tenants_announce(ts, t);
        if (t->is_enabled && !was_enabled)
                ts->hooks.enabled(ts->hooks.data, t);
}

static void mark_gone(Tenants *ts, Tenant *t) {
        close_tenant(ts, t);
        t->is_gone = true;
        t->config = (TqTenantConfig){};
        t->is_configured = false;
        (void)tenants_fault(t, "the directory is gone");
        tenants_report(t, TQ_LOG_PLAIN, "tenant %s: the directory is gone; its running jobs go on",
                       t->name);
        tenants_announce(ts, t);
}

/* The end ---------------------------------------------------------------------------------------
 */

void tenants_begin_end(Tenants *ts, Tenant *t) {
        if (t->is_ending)
                return;
        close_tenant(ts, t);
        t->log_fd = tq_close(t->log_fd);
        t->is_ending = true;
        t->is_gone = true;
        (void)tenants_fault(t, "an order of root's about it is being carried out");
}

void tenants_end_end(Tenants *ts, Tenant *t, bool was_removed) {
        t->is_ending = false;
        t->is_silent = was_removed;
        t->is_configured = false;
        t->seen = (struct stat){};
        /* What jobs of the former one shared is nobody else's, though the user may be the same. */
        t->owner += was_removed;
        ts->changes++;
        t->slice_fd = was_removed ? tq_close(t->slice_fd) : t->slice_fd;
        t->is_applied = t->is_applied && !was_removed;
        tenants_check(ts, t->name);
}

int tenants_rename(Tenants *ts, Tenant *t, const char *name) {
        Tenant *other = tenants_by_name(ts, name);
        int r;

        if (other && other != t) {
                if (!other->is_gone || other->n_attempts > 0)
                        return -EEXIST;
                /* Known once, and without anything of its own. */
                (void)tq_map_remove(&ts->names, tq_scheduler_name(name));
                other->name[0] = '\0';
                other->is_silent = true;
        }
        if (tq_map_get(&ts->names, tq_scheduler_name(t->name)) == t)
                (void)tq_map_remove(&ts->names, tq_scheduler_name(t->name));
        (void)snprintf(t->name, sizeof(t->name), "%s", name);
        r = tq_map_put(&ts->names, tq_scheduler_name(name), t);
        t->slice_fd = tq_close(t->slice_fd);
        t->is_applied = false;
        t->is_configured = false;
        t->is_surroundings = true;
        t->is_ending = false; /* a start that could not finish this had closed it */
        ts->changes++;
        tenants_check(ts, name);
        return r == -EEXIST ? 0 : r;
}

/* A directory that is silently no tenant would be looked for in vain. Who makes events enough has
 * all directories looked at again. */
static void report_bad_name(Tenants *ts, const char *name) {
        uint64_t now = tq_clock_boottime_usec();
        char shown[256];

        if (ts->bad_names_from == 0 || now - ts->bad_names_from > BAD_NAMES_USEC) {
                ts->bad_names_from = now;
                ts->n_bad_names = 0;
        }
        if (++ts->n_bad_names > BAD_NAMES_MOST)
                return;
        tq_log(LOG_WARNING, "directory %s in the spool is no tenant: " TQ_IDS_TENANT_RULE,
               tq_format_escape(name, shown, sizeof(shown)), TQ_TENANT_NAME_MAX);
}

/* What the checks look at. */
static bool is_same_directory(const struct stat *a, const struct stat *b) {
        return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_uid == b->st_uid &&
               a->st_gid == b->st_gid && a->st_mode == b->st_mode;
}

/* One on which somebody has mounted something is a directory, and like no other. */
static int look_at(int spool_fd, const char *name, struct stat *ret) {
        TQ_CLOSE int fd = tq_fs_open_within(spool_fd, name, O_PATH);

        if (fd == -EXDEV) {
                *ret = (struct stat){ .st_mode = S_IFDIR };
                return 0;
        }
        if (fd < 0)
                return fd;
        return fstat(fd, ret) < 0 ? tq_errno() : 0;
}

void tenants_check(Tenants *ts, const char *name) {
        Tenant *t = tenants_by_name(ts, name);
        struct stat st;
        int r = look_at(own_fd(ts->own, OWN_SPOOL), name, &st);
        bool is_directory = r >= 0 && S_ISDIR(st.st_mode);

        if (!tq_ids_tenant_is_valid(name)) {
                if (name[0] != '.' && is_directory)
                        report_bad_name(ts, name);
                return;
        }
        if (r < 0 && r != -ENOENT && r != -ENOTDIR) {
                if (t)
                        ts->hooks.recheck(ts->hooks.data, t);
                else
                        ts->hooks.rescan(ts->hooks.data);
                return;
        }
        if (!is_directory) {
                if (t && !t->is_gone)
                        mark_gone(ts, t);
                return;
        }
        t = tenants_ensure(ts, name);
        if (!t)
                ts->hooks.rescan(ts->hooks.data);
        if (t && !t->is_ending &&
            (t->is_gone || !is_same_directory(&t->seen, &st) || !identity_is_fresh(ts, t) ||
             t->is_surroundings)) {
                t->seen = st;
                refresh(ts, t);
        }
}

int tenants_scan(Tenants *ts) {
        TQ_CLOSEDIR DIR *dir = NULL;
        const struct dirent *e;
        int r;

        for (Tenant *t = tenants_next(ts, NULL); t; t = tenants_next(ts, t))
                if (!t->is_gone)
                        tenants_check(ts, t->name);
        r = tq_fs_opendir(own_fd(ts->own, OWN_SPOOL), ".", &dir);
        while (r >= 0 && (r = tq_fs_readdir(dir, &e)) > 0) {
                const Tenant *t = tenants_by_name(ts, e->d_name);

                if (!t || t->is_gone)
                        tenants_check(ts, e->d_name);
        }
        if (r < 0)
                ts->hooks.rescan(ts->hooks.data);
        return r;
}

int tenants_reconfigure(Tenants *ts) {
        /* Also those whose own files are as they were: what is around them is not. */
        for (Tenant *t = tenants_next(ts, NULL); t; t = tenants_next(ts, t)) {
                t->seen = (struct stat){};
                t->announced = 0;
                t->is_configured = false;
        }
        return tenants_scan(ts);
}

/* Limits and what vanishes ----------------------------------------------------------------------
 */

/* All slices were below the one that had gone. Their tenants are made known again, upon which the
 * engine says what limits they have. */
static int mend_slices(Tenants *ts) {
        int r = slices_mend(ts->slices);

        for (Tenant *t = tenants_next(ts, NULL); r > 0 && t; t = tenants_next(ts, t)) {
                t->slice_fd = tq_close(t->slice_fd);
                t->is_applied = false;
                tenants_announce_anew(ts, t);
        }
        return r;
}

/* What can be said without a cgroup. t NULL: of one that has no directory. */
static int check_limits(Tenants *ts, const Tenant *t, const TqLimits *limits, TqError *err) {
        char device[TQ_IODEVICE_MAX];

        if (t)
                return slices_check(ts->slices, limits, t->device, err);
        if (tq_iodevice_of_file(own_fd(ts->own, OWN_SPOOL), device, sizeof(device), NULL) < 0)
                device[0] = '\0';
        return slices_check(ts->slices, limits, device, err);
}

/* The second lock: a job's /dev has no other nodes, and it can't make any. So a kernel that can't
 * do it costs nothing, unless a device is granted: then it alone could be reached by another
 * number. */
static int restrict_devices(const Tenant *t, int slice_fd, TqError *err) {
        TqDevice devices[TQ_DEVICES_MAX];
        char path[TQ_PATHS_MAX];
        size_t n = 0;
        int r = 0;

        for (const char *p = t->config.device_allow; *p && r >= 0; p += strlen(p) + 1) {
                r = n < TQ_DEVICES_MAX ? tq_devices_parse(p, path, sizeof(path), &devices[n++])
                                       : -E2BIG;
                if (r < 0)
                        return tq_error_errno(err, r, "device_allow: %s", p);
        }
        r = tq_devices_restrict(slice_fd, devices, n);
        return r < 0 && n > 0 ? tq_error_errno(err, r, "device_allow: BPF program of the cgroup")
                              : 0;
}

static int apply(Tenants *ts, Tenant *t, const TqLimits *limits, TqSliceState *ret, TqError *err) {
        int fd, r;

        ret->n = 0;
        if (!t || t->is_ending)
                return check_limits(ts, NULL, limits, err);
        r = slices_apply(ts->slices, t->name, limits, t->device, &fd, ret, err);
        if (r < 0 && mend_slices(ts) > 0) {
                *err = (TqError){};
                r = slices_apply(ts->slices, t->name, limits, t->device, &fd, ret, err);
        }
        if (r >= 0) {
                r = restrict_devices(t, fd, err);
                if (r < 0)
                        (void)tq_close(fd);
        }
        if (r < 0) {
                /* As long as there is none to make it in. */
                t->announced = 0;
                t->is_surroundings = true;
                ts->hooks.recheck(ts->hooks.data, t);
                return r;
        }
        (void)tq_close(t->slice_fd);
        t->slice_fd = fd;
        t->is_applied = t->is_enabled;
        t->has_memory_high =
                tq_limits_get(limits, TQ_KEY_MEMORY_HIGH, TQ_LIMIT_MAX) != TQ_LIMIT_MAX;
        return 0;
}

void tenants_lose_slice(Tenants *ts, Tenant *t) {
        (void)mend_slices(ts);
        t->slice_fd = tq_close(t->slice_fd);
        t->is_applied = false;
        tenants_report(t, TQ_LOG_MADE_AGAIN, "tenant %s: its cgroup had gone; it is made again",
                       t->name);
        /* Upon which the engine says what limits it has. */
        tenants_announce_anew(ts, t);
}

int tenants_mend_logs(Tenants *ts, Tenant *t) {
        if (logs_open(ts, t) >= 0)
                return 0;
        t->is_surroundings = true;
        tenants_check(ts, t->name);
        return t->is_enabled ? 0 : -EPERM;
}

bool tenants_verify(Tenants *ts, Tenant *t) {
        uid_t uid = t->who.uid;
        char user[sizeof(t->who.user)];

        if (identity_is_fresh(ts, t))
                return true;
        (void)snprintf(user, sizeof(user), "%s", t->who.user);
        tenants_check(ts, t->name);
        return t->is_enabled && t->who.uid == uid && strcmp(t->who.user, user) == 0;
}

/* What the engine asks --------------------------------------------------------------------------
 */

static void answer(Tenants *ts, uint64_t cookie, int result, const void *blob, size_t size,
                   int fd) {
        TqMessage m = { .number = { .cookie = cookie, .result = result } };

        (void)tq_link_send(ts->link, TQ_MESSAGE_ANSWER, &m, blob, size, fd);
}

static int check_use(const Tenants *ts, const Tenant *t, const TqLimits *limits, TqError *err) {
        return !t || t->is_ending ? 0
                                  : slices_check_use(ts->slices, t->name, limits, t->device, err);
}

/* One that is not in order has no slice that must hold anything. */
static void look(Tenants *ts, const Tenant *t, const TqApplyMessage *m) {
        struct {
                TqCgroupCpu cpu;
                char text[TQ_MESSAGE_TEXT_MAX];
        } seen = { .cpu = TQ_CGROUP_CPU_UNKNOWN };
        TqError err = {};
        int r = 0;

        if (t && !t->is_ending && t->is_applied)
                r = slices_look(ts->slices, t->name, &m->limits, t->device, &seen.cpu, seen.text,
                                sizeof(seen.text), &err);
        if (r < 0 && r != -ESTALE)
                (void)tq_error_format(&err, seen.text, sizeof(seen.text));
        answer(ts, m->cookie, r, &seen, sizeof(seen.cpu) + strlen(seen.text), -EBADF);
}

static int on_apply(void *userdata, const TqMessage *m, const char *blob, int *fd) {
        Tenants *ts = userdata;
        Tenant *t = tenants_find(ts, m->apply.tenant);
        TqSliceState state;
        TqError err = {};
        char text[768];
        int r;

        (void)blob;
        (void)fd;
        state.n = 0;
        if (m->apply.how == TQ_APPLY_LOOK) {
                look(ts, t, &m->apply);
                return 0;
        }
        r = m->apply.how == TQ_APPLY_TRY ? check_limits(ts, t, &m->apply.limits, &err) : 0;
        if (r >= 0 && m->apply.how != TQ_APPLY_NOW)
                r = check_use(ts, t, &m->apply.limits, &err);
        if (r >= 0 && m->apply.how != TQ_APPLY_TRY)
                r = apply(ts, t, &m->apply.limits, &state, &err);
        if (r < 0) {
                (void)tq_error_errno(&err, r, "applying limits");
                (void)tq_error_format(&err, text, sizeof(text));
                answer(ts, m->apply.cookie, r, text, strlen(text), -EBADF);
                return 0;
        }
        answer(ts, m->apply.cookie, 0, state.values, state.n * sizeof(state.values[0]), -EBADF);
        if (t && m->apply.how != TQ_APPLY_TRY)
                ts->hooks.enabled(ts->hooks.data, t);
        return 0;
}

static int on_open_log(void *userdata, const TqMessage *m, const char *blob, int *fd) {
        const TqOpenLogMessage *o = &m->open_log;
        Tenants *ts = userdata;
        const Tenant *t = tenants_find(ts, o->tenant);
        TQ_CLOSE int log_fd = -EBADF;

        (void)blob;
        (void)fd;
        if (t && o->stream < _TQ_STREAM_MAX)
                log_fd = logs_open_output(ts, t, o->job, o->attempt, (TqStream)o->stream);
        answer(ts, o->cookie, log_fd < 0 ? (log_fd == -EBADF ? -ENOENT : log_fd) : 0, NULL, 0,
               log_fd < 0 ? -EBADF : log_fd);
        return 0;
}

/* Life ------------------------------------------------------------------------------------------
 */

int tenants_new(Host *host, Own *own, Slices *slices, TqLink *link, const TenantsHooks *hooks,
                Tenants **ret) {
        Tenants *ts = calloc(1, sizeof(*ts));

        if (!ts)
                return -ENOMEM;
        *ts = (Tenants){ .host = host,
                         .own = own,
                         .slices = slices,
                         .link = link,
                         .hooks = *hooks,
                         .changes = 1 };
        tq_list_init(&ts->all);
        tq_link_on(link, TQ_MESSAGE_APPLY, on_apply, ts);
        tq_link_on(link, TQ_MESSAGE_OPEN_LOG, on_open_log, ts);
        *ret = ts;
        return 0;
}

void tenants_watch(Tenants *ts, sd_event *event) {
        identity_watch(ts, event);
}

Tenants *tenants_free(Tenants *ts) {
        if (!ts)
                return NULL;
        TQ_LIST_FOREACH(node, &ts->all) {
                Tenant *t = TQ_LIST_ENTRY(node, Tenant, all);

                (void)tq_close(t->spool_fd);
                (void)tq_close(t->slice_fd);
                (void)tq_close(t->log_fd);
                identity_done(&t->who);
                notes_done(t);
                free(t);
        }
        (void)sd_event_source_disable_unref(ts->users_source);
        tq_map_done(&ts->handles);
        tq_map_done(&ts->names);
        tq_map_done(&ts->owners);
        free(ts);
        return NULL;
}
