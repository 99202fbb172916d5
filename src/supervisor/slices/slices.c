/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "supervisor/slices/slices.h"

#include <fcntl.h>
#include <stdio.h>

#include "base/fs.h"
#include "base/log.h"
#include "supervisor/host/own.h"

struct Slices {
        const Host *host;
        int fd;
        unsigned controllers;
};

int slices_fd(const Slices *s) {
        return s->fd;
}

unsigned slices_controllers(const Slices *s) {
        return s->controllers;
}

static int find_controllers(Slices *s, TqError *err) {
        const TqHostConfig *config = &s->host->config;
        unsigned available = 0;
        int r;

        r = tq_cgroup_controllers(s->fd, &available);
        if (r < 0)
                return tq_error_errno(err, r, "%s/cgroup.controllers", config->cgroup_root);
        r = host_check_controllers(config, available, err);
        if (r < 0)
                return r;
        s->controllers = available;
        return host_check_pools(config, available, err);
}

static int open_root(Slices *s, TqError *err) {
        const char *root = s->host->config.cgroup_root;
        int fd = tq_cgroup_open(root, err), r;

        if (fd < 0)
                return fd;
        (void)tq_close(s->fd);
        s->fd = fd;
        r = find_controllers(s, err);
        if (r < 0)
                return r;
        r = tq_cgroup_enable(s->fd, s->controllers);
        if (r < 0)
                return tq_error_errno(err, r, "%s/cgroup.subtree_control", root);
        return tq_slice_init(root, s->controllers, err);
}

int slices_new(const Host *host, Slices **ret, TqError *err) {
        Slices *s = calloc(1, sizeof(*s));
        int r;

        if (!s)
                return tq_error_errno(err, -ENOMEM, "slices");
        s->host = host;
        s->fd = -EBADF;
        r = open_root(s, err);
        if (r < 0) {
                (void)slices_free(s);
                return r;
        }
        *ret = s;
        return 0;
}

Slices *slices_free(Slices *s) {
        if (!s)
                return NULL;
        (void)tq_close(s->fd);
        free(s);
        return NULL;
}

static const char *name_of(const char *tenant, char *buf, size_t size) {
        (void)snprintf(buf, size, "%s" TQ_SLICE_SUFFIX, tenant);
        return buf;
}

int slices_open(const Slices *s, const char *tenant) {
        char name[TQ_TENANT_NAME_MAX + 8];

        return tq_fs_open_dir(s->fd, name_of(tenant, name, sizeof(name)));
}

int slices_remove(const Slices *s, const char *tenant) {
        char name[TQ_TENANT_NAME_MAX + 8];

        return unlinkat(s->fd, name_of(tenant, name, sizeof(name)), AT_REMOVEDIR) < 0 &&
                               errno != ENOENT
                       ? tq_errno()
                       : 0;
}

/* Root's word, whatever the engine says. */
static int bound(const Slices *s, const TqLimits *limits, TqLimits *ret, TqError *err) {
        int r;

        *ret = *limits;
        r = tq_limits_clamp(ret, &s->host->config.ceilings);
        return r < 0 ? tq_error(err, r,
                                "at most %d limits with @device, those of [ceilings] included",
                                TQ_IO_DEVICES)
                     : 0;
}

int slices_apply(Slices *s, const char *tenant, const TqLimits *limits, const char *device,
                 int *ret_fd, TqSliceState *ret_state, TqError *err) {
        char name[TQ_TENANT_NAME_MAX + 8];
        TqLimits bounded;
        int r = bound(s, limits, &bounded, err);

        return r < 0 ? r
                     : tq_slice_apply(s->fd, name_of(tenant, name, sizeof(name)), &bounded,
                                      s->controllers, device[0] ? device : NULL, ret_fd, ret_state,
                                      err);
}

int slices_check_use(const Slices *s, const char *tenant, const TqLimits *limits,
                     const char *device, TqError *err) {
        char name[TQ_TENANT_NAME_MAX + 8];
        TqLimits bounded;
        int r = bound(s, limits, &bounded, err);

        return r < 0 ? r
                     : tq_slice_check_use(s->fd, name_of(tenant, name, sizeof(name)), &bounded,
                                          s->controllers, device[0] ? device : NULL, err);
}

int slices_look(const Slices *s, const char *tenant, const TqLimits *limits, const char *device,
                TqCgroupCpu *ret_cpu, char *ret, size_t size, TqError *err) {
        char name[TQ_TENANT_NAME_MAX + 8];
        TqLimits bounded;
        int r = bound(s, limits, &bounded, err);

        return r < 0 ? r
                     : tq_slice_look(s->fd, name_of(tenant, name, sizeof(name)), &bounded,
                                     s->controllers, device[0] ? device : NULL, ret_cpu, ret, size,
                                     err);
}

int slices_check(const Slices *s, const TqLimits *limits, const char *device, TqError *err) {
        TqAttr attrs[TQ_ATTRS_MAX];
        TqLimits bounded;
        size_t n;
        int r = bound(s, limits, &bounded, err);

        return r < 0 ? r
                     : tq_cgroup_attrs(&bounded, s->controllers, device[0] ? device : NULL, true,
                                       attrs, &n, err);
}

int slices_mend(Slices *s) {
        TqError err = {};
        char text[512];
        int r;

        if (!own_has_vanished(s->fd, AT_FDCWD, s->host->config.cgroup_root))
                return 0;
        r = open_root(s, &err);
        if (r < 0)
                tq_log(LOG_ERR, "%s", tq_error_format(&err, text, sizeof(text)));
        else
                tq_log_about(LOG_ERR, (TqLogAbout){ .id = TQ_LOG_MADE_AGAIN },
                             "%s had gone and is there again", s->host->config.cgroup_root);
        return r < 0 ? r : 1;
}
