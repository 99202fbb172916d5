/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "supervisor/host/users.h"

#include <stdio.h>

#include "unit.h"

static const struct {
        const char *name;
        bool is_there;
        uid_t uid;
        gid_t gid;
} names[] = {
        { "root", true, 0, 0 },
        { "0", true, 0, 0 },
        { "nobody", true, 65534, 65534 },
        /* A number need not have a name. */
        { "3999999999", true, 3999999999, 3999999999 },
        { "4294967294", true, 4294967294, 4294967294 },
        { "4294967295", false, 0, 0 }, /* (uid_t)-1 */
        { "-1", false, 0, 0 },
        { "", false, 0, 0 },
        { "no-such-user-here", false, 0, 0 },
};

START_TEST(found) {
        uid_t uid = 7;
        gid_t gid = 7;

        ck_assert_int_eq(users_find(names[_i].name, &uid, &gid), names[_i].is_there ? 0 : -ENOENT);
        if (names[_i].is_there)
                ck_assert(uid == names[_i].uid && gid == names[_i].gid);
}
END_TEST

static const struct {
        const char *engine, *exec, *group;
        int want;
        const char *says;
} configs[] = {
        { "4001", "4002", "4003", 0, NULL },
        { "4001", "4002", "root", 0, NULL },
        { "0", "4002", "4003", -EPERM, "engine_user=0: must not be root" },
        { "root", "4002", "4003", -EPERM, "engine_user=root: must not be root" },
        { "4001", "root", "4003", -EPERM, "exec_user=root: must not be root" },
        { "4001", "4001", "4003", -EINVAL, "must be different users" },
        { "nobody", "65534", "4003", -EINVAL, "must be different users" },
        { "no-such-user", "4002", "4003", -ENOENT, "engine_user=no-such-user: no such user" },
        { "4001", "no-such-user", "4003", -ENOENT, "exec_user=no-such-user: no such user" },
        { "4001", "4002", "no-such-group", -ENOENT, "admin_group=no-such-group: no such group" },
};

START_TEST(resolved) {
        TqHostConfig config = {};
        TqError err = {};
        Users users = { .engine_uid = 7 };

        (void)snprintf(config.engine_user, sizeof(config.engine_user), "%s", configs[_i].engine);
        (void)snprintf(config.exec_user, sizeof(config.exec_user), "%s", configs[_i].exec);
        (void)snprintf(config.admin_group, sizeof(config.admin_group), "%s", configs[_i].group);
        ck_assert_int_eq(users_resolve(&config, &users, &err), configs[_i].want);
        if (configs[_i].says) {
                ck_assert_msg(strstr(err.text, configs[_i].says), "%s", err.text);
                ck_assert_uint_eq(users.engine_uid, 7); /* nothing half-done */
        } else
                ck_assert(users.engine_uid == 4001 && users.exec_uid == 4002);
}
END_TEST

static void fill(Suite *s) {
        TCase *c = unit_case(s, "users");

        unit_add_rows(c, found, names);
        unit_add_rows(c, resolved, configs);
}

int main(void) {
        return unit_main("supervisor_users", fill);
}
