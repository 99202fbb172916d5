/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "supervisor/jobs/paths.h"

#include <stdio.h>

#include "fake/fake.h"
#include "kernel/plan.h"
#include "supervisor/tenants/table_private.h"
#include "unit.h"

static Host host;

static Tenants *world(void) {
        static const TenantsHooks none;
        Tenants *ts;
        TqLink *link;

        host = (Host){ .config_dir = "/etc/tenantq",
                       .config = { .spool = "/var/spool/tenantq",
                                   .state = "/var/lib/tenantq",
                                   .logs = "/var/log/tenantq",
                                   .run = "/run/tenantq" } };
        ck_assert_int_eq(tq_link_new(NULL, NULL, NULL, &link), 0);
        ck_assert_int_eq(tenants_new(&host, NULL, NULL, link, &none, &ts), 0);
        return ts;
}

static Tenant *tenant(Tenants *ts, const char *name, const char *home) {
        Tenant *t = tenants_ensure(ts, name);

        ck_assert_ptr_nonnull(t);
        (void)snprintf(t->who.home, sizeof(t->who.home), "%s", home);
        t->is_gone = false;
        ts->changes++;
        return t;
}

/* The entries as a line: "kind:path kind:path", without those that are always there. */
static const char *written(Homes *homes, const Tenants *ts, const Tenant *t) {
        static const char kinds[] = "?hHwroD",
                          *const always =
                                  " h:/home h:/root h:/run h:/var/spool/tenantq h:/var/lib/tenantq "
                                  "h:/var/log/tenantq h:/run/tenantq h:/etc/tenantq";
        static char line[8192];
        TQ_BUFFER_CLEANUP TqBuffer b = {};
        size_t used = 0;

        ck_assert_int_eq(paths_write(homes, &host, ts, t, &b), 0);
        for (const char *p = b.data; p < b.data + b.size; p += strlen(p) + 1)
                used += (size_t)snprintf(line + used, sizeof(line) - used, " %c:%s", kinds[(int)*p],
                                         p + 1);
        ck_assert_msg(strncmp(line, always, strlen(always)) == 0, "%s", line);
        return line + strlen(always);
}

static const struct {
        const char *others[3]; /* homes */
        const char *own;
        const char *want;
} homes_rows[] = {
        /* What is hidden anyway is not named again. */
        { { "/home/a" }, "/home/b", " h:/home H:/home/b" },
        { { "/home/x/a" }, "/home/x/b", " H:/home/x/b" },
        { { "/srv/a", "/srv/b" }, "/srv/c", " h:/srv H:/srv/c" },
        { { "/data/a", "/srv/b" }, "", " h:/data h:/srv" },
        /* Among the system's own: each by itself. */
        { { "/var/lib/a" }, "/var/lib/b", " h:/var/lib/a h:/var/lib/b H:/var/lib/b" },
        { { "/srv/a/", "/srv/b//" }, "/srv/c/", " h:/srv H:/srv/c/" },
        { { "/a" }, "/b", " h:/a h:/b H:/b" },
        { { "/opt/a" }, "/home/b", " h:/opt/a h:/home H:/home/b" },
        /* No home, or one that is the system's. */
        { { "/", "/usr/sbin", "/nonexistent" }, "/", " H:/" },
        { { "/var", "relative", "" }, "/var/lib", " H:/var/lib" },
};

START_TEST(homes) {
        Tenants *ts = world();
        Homes h = {};
        char name[8];
        Tenant *t;

        for (size_t i = 0; i < 3 && homes_rows[_i].others[i]; i++) {
                (void)snprintf(name, sizeof(name), "t%zu", i);
                (void)tenant(ts, name, homes_rows[_i].others[i]);
        }
        t = tenant(ts, "own", homes_rows[_i].own);
        ck_assert_str_eq(written(&h, ts, t), homes_rows[_i].want);
        homes_done(&h);
        ck_assert_ptr_null(tenants_free(ts));
}
END_TEST

/* They are looked at again when a tenant has changed, and not before. */
START_TEST(changes) {
        Tenants *ts = world();
        Tenant *t = tenant(ts, "a", "/srv/a");
        Homes h = {};

        ck_assert_str_eq(written(&h, ts, t), " h:/srv H:/srv/a");
        (void)snprintf(t->who.home, sizeof(t->who.home), "/data/a");
        ck_assert_str_eq(written(&h, ts, t), " h:/srv H:/data/a");
        ts->changes++;
        ck_assert_str_eq(written(&h, ts, t), " h:/data H:/data/a");
        homes_done(&h);
        ck_assert_ptr_null(tenants_free(ts));
}
END_TEST

/* As many places as there is room for; one more is no place that is left open. */
START_TEST(too_many_places) {
        Tenants *ts = world();
        TQ_BUFFER_CLEANUP TqBuffer b = {};
        char name[16], home[32];
        Homes h = {};
        Tenant *t = NULL;

        for (int i = 0; i < 129; i++) {
                (void)snprintf(name, sizeof(name), "t%d", i);
                (void)snprintf(home, sizeof(home), "/place%d/%s", i, name);
                t = tenant(ts, name, home);
                tq_buffer_reset(&b);
                ck_assert_int_eq(paths_write(&h, &host, ts, t, &b), i < 128 ? 0 : -E2BIG);
        }
        /* Of the same places there may be any number. */
        (void)snprintf(t->who.home, sizeof(t->who.home), "/place0/more");
        ts->changes++;
        tq_buffer_reset(&b);
        ck_assert_int_eq(paths_write(&h, &host, ts, t, &b), 0);
        homes_done(&h);
        ck_assert_ptr_null(tenants_free(ts));
}
END_TEST

START_TEST(grants) {
        Tenants *ts = world();
        Tenant *t = tenant(ts, "a", "");
        Homes h = {};

        memcpy(host.config.hidden_paths, "/secret\0/mnt/x\0", 16);
        memcpy(t->config.read_write_paths, "/srv/a\0/srv/b\0", 15);
        memcpy(t->config.read_only_paths, "/secret/seen\0", 14);
        memcpy(t->config.device_allow, "/dev/nvidia0\0/dev/fuse:r\0", 26);
        ck_assert_str_eq(written(&h, ts, t), " h:/secret h:/mnt/x w:/srv/a w:/srv/b r:/secret/seen "
                                             "D:/dev/nvidia0 D:/dev/fuse");
        t->config.network = TQ_NETWORK_HOST;
        ck_assert_str_eq(written(&h, ts, t),
                         " h:/secret h:/mnt/x o:/etc/resolv.conf w:/srv/a w:/srv/b r:/secret/seen "
                         "D:/dev/nvidia0 D:/dev/fuse");
        homes_done(&h);
        ck_assert_ptr_null(tenants_free(ts));
}
END_TEST

/* What a plan has room for, and one more. */
START_TEST(too_many_paths) {
        Tenants *ts = world();
        Tenant *t = tenant(ts, "a", "");
        TQ_BUFFER_CLEANUP TqBuffer b = {};
        char *p = host.config.hidden_paths;
        Homes h = {};

        /* Eight are there anyway. */
        for (int i = 0; i < TQ_PLAN_PATHS_MAX - 8; i++, p += 3)
                memcpy(p, "/a", 3);
        ck_assert_int_eq(paths_write(&h, &host, ts, t, &b), 0);
        memcpy(p, "/a", 3);
        tq_buffer_reset(&b);
        ck_assert_int_eq(paths_write(&h, &host, ts, t, &b), -E2BIG);
        homes_done(&h);
        ck_assert_ptr_null(tenants_free(ts));
}
END_TEST

static void fill(Suite *s) {
        TCase *c = unit_case(s, "paths");

        unit_add_rows(c, homes, homes_rows);
        tcase_add_test(c, changes);
        tcase_add_test(c, too_many_places);
        tcase_add_test(c, too_many_paths);
        tcase_add_test(c, grants);
}

int main(void) {
        return unit_main("supervisor/paths", fill);
}
