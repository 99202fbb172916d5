/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "supervisor/host/check.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/format.h"
#include "base/fs.h"
#include "base/log.h"
#include "core/ids.h"

#define CONF_SUFFIX ".conf"

/* The tenant that a file of tenants.d is about; false: it is no such file, and left alone as a
 * README is. */
static bool tenant_of(const char *file, char *ret, size_t size) {
        size_t n = strlen(file), suffix = strlen(CONF_SUFFIX);

        if (file[0] == '.' || n <= suffix || strcmp(file + n - suffix, CONF_SUFFIX) != 0)
                return false;
        (void)snprintf(ret, size, "%.*s", (int)(n - suffix), file);
        return true;
}

static bool has_pool(const TqHostPolicy *policy, const char *pool) {
        if (pool[0] == '\0' || strcmp(pool, TQ_POOL_SHARED) == 0)
                return true;
        for (uint32_t i = 0; i < policy->n_pools; i++)
                if (strcmp(policy->pools[i].name, pool) == 0)
                        return true;
        return false;
}

/* What disables the tenant, though the file is well-formed: how many faults were told. */
static int check_meaning(const TqTenantConfig *c, const TqHostConfig *host, const char *tenant,
                         CheckWarn fault) {
        uid_t uid;
        gid_t gid;
        int n = 0;

        if (c->user[0] && users_find(c->user, &uid, &gid) < 0) {
                fault("tenants.d/%s.conf: user=%s: no such user; the tenant is disabled", tenant,
                      c->user);
                n++;
        }
        for (size_t i = 0; i < c->n_submitters; i++)
                if (users_find(c->submitters[i], &uid, &gid) < 0) {
                        fault("tenants.d/%s.conf: submitters: no user %s; the tenant is disabled",
                              tenant, c->submitters[i]);
                        n++;
                }
        if (!has_pool(&host->policy, c->pool)) {
                fault("tenants.d/%s.conf: pool=%s: there is no [pool %s] in tenantq.conf; the "
                      "tenant is disabled",
                      tenant, c->pool, c->pool);
                n++;
        }
        return n;
}

static int check_one(int config_fd, int spool_fd, const TqHostConfig *host, const char *file,
                     const char *tenant, CheckWarn warn, CheckWarn fault, TqError *err) {
        TqTenantConfig config;
        struct stat st;
        char shown[300];
        int n, r;

        (void)tq_format_escape(file, shown, sizeof(shown));
        if (!tq_ids_tenant_is_valid(tenant)) {
                warn("tenants.d/%s: not a tenant's name; the file has no effect", shown);
                return 0;
        }
        r = tq_hostfile_load_tenant(config_fd, tenant, &config, err);
        if (r < 0)
                return r;
        n = check_meaning(&config, host, tenant, fault);
        if (spool_fd >= 0 && fstatat(spool_fd, tenant, &st, AT_SYMLINK_NOFOLLOW) < 0)
                warn("tenants.d/%s: there is no tenant %s (no such directory in the spool); the "
                     "file has no effect",
                     shown, tenant);
        return n;
}

int check_tenant_files(int config_fd, int spool_fd, const TqHostConfig *host, CheckWarn warn,
                       CheckWarn fault, TqError *err) {
        TQ_CLOSEDIR DIR *dir = NULL;
        const struct dirent *e;
        int n = 0, r = tq_fs_opendir(config_fd, "tenants.d", &dir);

        if (r == -ENOENT)
                return 0;
        if (r < 0)
                return tq_error_errno(err, r, "tenants.d");
        while (r >= 0 && (e = readdir(dir))) {
                char tenant[NAME_MAX + 1];

                if (tenant_of(e->d_name, tenant, sizeof(tenant)))
                        r = check_one(config_fd, spool_fd, host, e->d_name, tenant, warn, fault,
                                      err);
                n += r > 0 ? r : 0;
        }
        return r < 0 ? r : n;
}

static void say(const char *fmt, ...) TQ_PRINTF(1, 2);

static void complain(const char *fmt, ...) TQ_PRINTF(1, 2);

static void say(const char *fmt, ...) {
        va_list ap;

        va_start(ap, fmt);
        (void)fputs("tenantqd: warning: ", stderr);
        (void)vfprintf(stderr, fmt, ap);
        (void)fputc('\n', stderr);
        va_end(ap);
}

static void complain(const char *fmt, ...) {
        va_list ap;

        va_start(ap, fmt);
        (void)fputs("tenantqd: ", stderr);
        (void)vfprintf(stderr, fmt, ap);
        (void)fputc('\n', stderr);
        va_end(ap);
}

void check_log(const char *fmt, ...) {
        va_list ap;

        va_start(ap, fmt);
        tq_log_va(LOG_ERR, (TqLogAbout){}, fmt, ap);
        va_end(ap);
}

void check_mute(const char *fmt, ...) {
        (void)fmt;
}

int check_host(const TqHostConfig *config, TqError *err) {
        Users ignored;
        int r;

        r = users_resolve(config, &ignored, err);
        if (r >= 0)
                r = host_check_controllers(config, UINT_MAX, err);
        if (r >= 0 && strlen(config->run) + strlen("/.control.sock") >=
                              sizeof(((struct sockaddr_un *)NULL)->sun_path))
                r = tq_error(err, -ENAMETOOLONG, "tenantq.conf: run=%s is too long for a socket",
                             config->run);
        return r;
}

/* A directory that is no tenant would be waited for in vain. */
static void check_names(int spool_fd, const char *spool) {
        TQ_CLOSEDIR DIR *dir = NULL;
        const struct dirent *e;
        char shown[300];

        if (spool_fd < 0 || tq_fs_opendir(spool_fd, ".", &dir) < 0)
                return;
        while ((e = readdir(dir)))
                if (e->d_name[0] != '.' && e->d_type == DT_DIR &&
                    !tq_ids_tenant_is_valid(e->d_name))
                        say("%s/%s is no tenant: " TQ_IDS_TENANT_RULE, spool,
                            tq_format_escape(e->d_name, shown, sizeof(shown)), TQ_TENANT_NAME_MAX);
}

static int check_all(int config_fd, const char *config_dir, TqHostConfig *config, TqError *err) {
        TQ_CLOSE int spool_fd = -EBADF;
        int r;

        r = tq_hostfile_load(config_fd, config, err);
        if (r >= 0)
                r = check_host(config, err);
        if (r < 0)
                return r;
        if (faccessat(config_fd, "tenantq.conf", F_OK, 0) < 0)
                say("there is no %s/tenantq.conf: everything is as by default", config_dir);
        spool_fd = tq_fs_open_dir(AT_FDCWD, config->spool);
        r = check_tenant_files(config_fd, spool_fd, config, say, complain, err);
        check_names(spool_fd, config->spool);
        return r;
}

int check_main(const char *config_dir) {
        TQ_CLOSE int config_fd = tq_fs_open_dir(AT_FDCWD, config_dir);
        TQ_FREE TqHostConfig *config = malloc(sizeof(*config));
        TqError err = {};
        char text[768];
        int r;

        if (config_fd < 0 || !config)
                r = tq_error_errno(&err, config ? config_fd : -ENOMEM, "%s", config_dir);
        else
                r = check_all(config_fd, config_dir, config, &err);
        if (r >= 0)
                return r > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
        (void)fprintf(stderr, "tenantqd: %s\n", tq_error_format(&err, text, sizeof(text)));
        return EXIT_FAILURE;
}
