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
#include "base/trusted.h"
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
static int check_meaning(const CheckFiles *c, const TqTenantConfig *t, const char *tenant) {
        uid_t uid;
        gid_t gid;
        int n = 0;

        if (t->user[0] && users_find(t->user, &uid, &gid) < 0) {
                c->fault("tenants.d/%s.conf: user=%s: no such user; the tenant is disabled", tenant,
                         t->user);
                n++;
        }
        for (size_t i = 0; i < t->n_submitters; i++)
                if (users_find(t->submitters[i], &uid, &gid) < 0) {
                        c->fault("tenants.d/%s.conf: submitters: no user %s; the tenant is "
                                 "disabled",
                                 tenant, t->submitters[i]);
                        n++;
                }
        if (!has_pool(&c->host->policy, t->pool)) {
                c->fault("tenants.d/%s.conf: pool=%s: there is no [pool %s] in tenantq.conf; the "
                         "tenant is disabled",
                         tenant, t->pool, t->pool);
                n++;
        }
        if (!profiles_find(c->profiles, t->profile)) {
                c->fault("tenants.d/%s.conf: profile=%s: there is no profiles/%s; the tenant is "
                         "disabled",
                         tenant, t->profile, t->profile);
                n++;
        }
        return n;
}

/* Without them its jobs can't start. */
static void check_grants(const CheckFiles *c, const char *tenant, const char *key,
                         const char *paths) {
        char real[PATH_MAX];

        for (; *paths; paths += strlen(paths) + 1) {
                int fd = tq_trusted_open(paths, real, sizeof(real));

                if (fd < 0)
                        c->warn("tenants.d/%s.conf: %s: %s: %s; until that is mended, its jobs "
                                "can't start",
                                tenant, key, paths,
                                fd == -ELOOP ? "there is a symbolic link on the way that is not "
                                               "root's"
                                             : strerror(-fd));
                (void)tq_close(fd);
        }
}

static int check_one(const CheckFiles *c, const char *file, const char *tenant, TqError *err) {
        TQ_FREE TqTenantConfig *config = malloc(sizeof(*config));
        struct stat st;
        char shown[300];
        int r;

        if (!config)
                return -ENOMEM;
        (void)tq_format_escape(file, shown, sizeof(shown));
        if (!tq_ids_tenant_is_valid(tenant)) {
                c->warn("tenants.d/%s: not a tenant's name; the file has no effect", shown);
                return 0;
        }
        r = tq_hostfile_load_tenant(c->config_fd, tenant, config, err);
        if (r < 0)
                return r;
        if (c->has_time) {
                check_grants(c, tenant, "read_write_paths", config->read_write_paths);
                check_grants(c, tenant, "read_only_paths", config->read_only_paths);
        }
        if (c->spool_fd >= 0 && fstatat(c->spool_fd, tenant, &st, AT_SYMLINK_NOFOLLOW) < 0)
                c->warn("tenants.d/%s: there is no tenant %s (no such directory in the spool); the "
                        "file has no effect",
                        shown, tenant);
        return check_meaning(c, config, tenant);
}

int check_tenant_files(const CheckFiles *c, TqError *err) {
        TQ_CLOSEDIR DIR *dir = NULL;
        const struct dirent *e;
        int n = 0, r = tq_fs_opendir(c->config_fd, "tenants.d", &dir);

        if (r == -ENOENT)
                return 0;
        if (r < 0)
                return tq_error_errno(err, r, "tenants.d");
        while (r >= 0 && (r = tq_fs_readdir(dir, &e)) > 0) {
                char tenant[NAME_MAX + 1];

                r = 0;
                if (tenant_of(e->d_name, tenant, sizeof(tenant)))
                        r = check_one(c, e->d_name, tenant, err);
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

/* Only what is there, and is a directory, is hidden. */
static void check_hidden(const char *paths) {
        char real[PATH_MAX];

        for (; *paths; paths += strlen(paths) + 1) {
                TQ_CLOSE int fd = tq_trusted_open(paths, real, sizeof(real));
                struct statx st = {};
                int r = fd < 0 ? fd : tq_trusted_stat(fd, &st);

                if (r >= 0 && !S_ISDIR(st.stx_mode))
                        r = -ENOTDIR;
                if (r < 0)
                        say("tenantq.conf: hidden_paths: %s: %s; nothing of it is hidden", paths,
                            strerror(-r));
        }
}

static int check_all(int config_fd, const char *config_dir, TqHostConfig *config, TqError *err) {
        TQ_CLOSE int spool_fd = -EBADF;
        Profiles *profiles = NULL;
        int r;

        r = tq_hostfile_load(config_fd, config, err);
        if (r >= 0)
                r = check_host(config, err);
        if (r >= 0)
                r = profiles_load(config_fd, false, &profiles, err);
        if (r < 0)
                return r;
        if (faccessat(config_fd, "tenantq.conf", F_OK, 0) < 0)
                say("there is no %s/tenantq.conf: everything is as by default", config_dir);
        check_hidden(config->hidden_paths);
        spool_fd = tq_fs_open_dir(AT_FDCWD, config->spool);
        r = check_tenant_files(
                &(CheckFiles){ config_fd, spool_fd, config, profiles, say, complain, true }, err);
        check_names(spool_fd, config->spool);
        (void)profiles_free(profiles);
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
