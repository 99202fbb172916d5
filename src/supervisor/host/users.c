/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "supervisor/host/users.h"

#include <grp.h>
#include <pwd.h>

#include "base/parse.h"

/* What the databases mean by "there is none" (getpwnam(3), ERRORS). */
static bool is_absence(int error) {
        return error == 0 || error == ENOENT || error == ESRCH || error == EPERM;
}

struct passwd *users_by_uid(uid_t uid) {
        struct passwd *pw;

        errno = 0;
        pw = getpwuid(uid);
        if (!pw && is_absence(errno))
                errno = 0;
        return pw;
}

int users_find(const char *name, uid_t *ret_uid, gid_t *ret_gid) {
        struct passwd *pw;
        uint64_t v;

        if (tq_parse_u64_in(name, 0, UINT32_MAX - 1, &v) >= 0) {
                pw = users_by_uid((uid_t)v);
                if (!pw && errno != 0)
                        return tq_errno();
                *ret_uid = (uid_t)v;
                *ret_gid = pw ? pw->pw_gid : (gid_t)v;
                return 0;
        }
        errno = 0;
        pw = getpwnam(name);
        if (!pw)
                return is_absence(errno) ? -ENOENT : tq_errno();
        *ret_uid = pw->pw_uid;
        *ret_gid = pw->pw_gid;
        return 0;
}

static int find_service_user(const char *key, const char *name, uid_t *ret_uid, gid_t *ret_gid,
                             TqError *err) {
        int r = users_find(name, ret_uid, ret_gid);

        if (r == -ENOENT)
                return tq_error(err, r, "tenantq.conf: %s=%s: no such user; run systemd-sysusers",
                                key, name);
        if (r < 0)
                return tq_error_errno(err, r, "tenantq.conf: %s=%s: the user database", key, name);
        if (*ret_uid == 0 || *ret_gid == 0)
                return tq_error(err, -EPERM, "tenantq.conf: %s=%s: must not be root", key, name);
        return 0;
}

int users_resolve(const TqHostConfig *config, Users *ret, TqError *err) {
        struct group *gr;
        Users found = {};
        uint64_t v;
        int r;

        r = find_service_user("engine_user", config->engine_user, &found.engine_uid,
                              &found.engine_gid, err);
        if (r >= 0)
                r = find_service_user("exec_user", config->exec_user, &found.exec_uid,
                                      &found.exec_gid, err);
        if (r < 0)
                return r;
        if (found.engine_uid == found.exec_uid)
                return tq_error(err, -EINVAL,
                                "tenantq.conf: engine_user and exec_user must be different users");
        if (tq_parse_u64_in(config->admin_group, 0, UINT32_MAX - 1, &v) >= 0)
                found.admin_gid = (gid_t)v;
        else if (errno = 0, (gr = getgrnam(config->admin_group)))
                found.admin_gid = gr->gr_gid;
        else if (!is_absence(errno))
                return tq_error_errno(err, tq_errno(),
                                      "tenantq.conf: admin_group=%s: the user "
                                      "database",
                                      config->admin_group);
        else
                return tq_error(err, -ENOENT,
                                "tenantq.conf: admin_group=%s: no such group; run systemd-sysusers",
                                config->admin_group);
        *ret = found;
        return 0;
}
