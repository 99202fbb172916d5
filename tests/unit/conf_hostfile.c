/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf/hostfile.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "base/fs.h"
#include "unit.h"

static int config_dir(const char *name, const char *text) {
        int dir_fd = unit_dir_open(), fd;

        ck_assert_int_eq(mkdirat(dir_fd, "tenants.d", 0700), 0);
        if (!name)
                return dir_fd;
        fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(tq_fs_write_all(fd, text, strlen(text)), 0);
        (void)close(fd);
        return dir_fd;
}

/* tenantq.conf -------------------------------------------------------------------------------- */

START_TEST(host_defaults) {
        TqHostConfig *c = malloc(sizeof(*c));

        ck_assert_int_eq(tq_hostfile_load(config_dir(_i ? "tenantq.conf" : NULL, ""), c, NULL), 0);
        ck_assert_str_eq(c->spool, "/var/spool/tenantq");
        ck_assert_str_eq(c->state, "/var/lib/tenantq");
        ck_assert_str_eq(c->logs, "/var/log/tenantq");
        ck_assert_str_eq(c->run, "/run/tenantq");
        ck_assert_str_eq(c->cgroup_root, "/sys/fs/cgroup/tenantq.slice/tenantq-jobs.service");
        ck_assert_str_eq(c->required_controllers, "cpu memory io pids");
        ck_assert_str_eq(c->engine_user, "tenantq");
        ck_assert_str_eq(c->exec_user, "tenantq-exec");
        ck_assert_str_eq(c->admin_group, "tenantq-admin");
        ck_assert_uint_eq(c->log_max_bytes, 16 << 20);
        ck_assert_uint_eq(c->defaults.set, 0);
        ck_assert_uint_eq(c->ceilings.set, 0);
        free(c);
}
END_TEST

START_TEST(host_all_keys) {
        TqHostConfig *c = malloc(sizeof(*c));
        TqError err = {};
        int dir_fd = config_dir("tenantq.conf", "[host]\n"
                                                "cgroup_root=/cg\n"
                                                "required_controllers=\n"
                                                "spool=/s\n"
                                                "state=/st\n"
                                                "logs=/l\n"
                                                "run=/r\n"
                                                "engine_user=eng\n"
                                                "exec_user=1234\n"
                                                "admin_group=adm\n"
                                                "log_max=4K\n"
                                                "outbound_dns=\"10.0.0.1\"  10.0.0.2\n"
                                                "outbound_addresses=10.1.0.0/16\n"
                                                "outbound_connections=7\n"
                                                "[defaults]\n"
                                                "concurrency=2\n"
                                                "memory=1G\n"
                                                "[ceilings]\n"
                                                "memory=1G\n"
                                                "cpu=8\n");

        ck_assert_msg(tq_hostfile_load(dir_fd, c, &err) == 0, "%u: %s: %s", err.line, err.key,
                      err.text);
        ck_assert_str_eq(c->cgroup_root, "/cg");
        ck_assert_str_eq(c->required_controllers, "");
        ck_assert_str_eq(c->spool, "/s");
        ck_assert_str_eq(c->state, "/st");
        ck_assert_str_eq(c->logs, "/l");
        ck_assert_str_eq(c->run, "/r");
        ck_assert_str_eq(c->engine_user, "eng");
        ck_assert_str_eq(c->exec_user, "1234");
        ck_assert_str_eq(c->admin_group, "adm");
        ck_assert_uint_eq(c->log_max_bytes, 4096);
        ck_assert_str_eq(c->outbound_dns, "10.0.0.1 10.0.0.2");
        ck_assert_str_eq(c->outbound_addresses, "10.1.0.0/16");
        ck_assert_uint_eq(c->outbound.first, 0x0A010000);
        ck_assert_uint_eq(c->outbound_connections, 7);
        ck_assert_uint_eq(c->defaults.value[TQ_KEY_CONCURRENCY], 2);
        ck_assert_uint_eq(c->defaults.value[TQ_KEY_MEMORY], 1 << 30);
        ck_assert_uint_eq(c->ceilings.value[TQ_KEY_CPU], 8000000);
        free(c);
}
END_TEST

typedef struct BadRow {
        const char *text;
        unsigned line;
        const char *key, *error;
} BadRow;

static const BadRow host_bad_rows[] = {
        { "[host]\nspol=/x\n", 2, "spol", "unknown key in [host]; did you mean spool?" },
        { "[host]\nallow_root=yes\n", 2, "allow_root", "unknown key in [host]" },
        { "[host]\nspool=x\n", 2, "spool", "expected an absolute path" },
        { "[host]\nspool=\n", 2, "spool", "expected an absolute path" },
        { "[host]\nlog_max=4095\n", 2, "log_max", "expected a size from 4K to 1T" },
        { "[host]\nlog_max=1025G\n", 2, "log_max", "expected a size from 4K to 1T" },
        { "[host]\nlog_max=max\n", 2, "log_max", "expected a size from 4K to 1T" },
        { "[host]\noutbound_addresses=10.0.0.0\n", 2, "outbound_addresses",
          "expected an IPv4 network of 8 to 30 bits" },
        { "[host]\noutbound_addresses=10.1.0.0/15\n", 2, "outbound_addresses",
          "expected an IPv4 network" },
        { "[host]\noutbound_addresses=10.0.0.0/31\n", 2, "outbound_addresses",
          "expected an IPv4 network" },
        { "[host]\noutbound_connections=0\n", 2, "outbound_connections",
          "expected a number from 1 to 1000000" },
        { "[host]\noutbound_net=0\n", 2, "outbound_net", "unknown key in [host]" },
        { "[host]\noutbound_dns=1.1.1.1 ::1\n", 2, "outbound_dns", "at most 3 IPv4 addresses" },
        { "[host]\noutbound_dns=127.0.0.53\n", 0, "",
          "outbound_dns: \"127.0.0.53\": expected addresses that are neither" },
        { "[host]\noutbound_dns=10.0.0.1\noutbound_addresses=10.0.0.0/8\n", 0, "",
          "nor in outbound_addresses" },
        { "[host]\noutbound_dns=1.1.1.1 1.1.1.2 1.1.1.3 1.1.1.4\n", 2, "outbound_dns",
          "at most 3" },
        { "[host]\nengine_user=123456789012345678901234567890123\n", 2, "engine_user",
          "expected a shorter value" },
        { "[hosts]\n", 1, "",
          "unknown section [hosts]; expected [host], [defaults], [ceilings], [scheduler], "
          "[history] or [pool "
          "NAME]" },
        { "[tenant]\n", 1, "", "unknown section [tenant]" },
        { "[defaults]\nmemroy=1G\n", 2, "memroy", "unknown limit; did you mean memory?" },
        { "[defaults]\nmemory=1X\n", 2, "memory", "number of bytes" },
        { "[defaults]\nmemory=1G\nmemory=1G\n", 3, "memory", "given twice in [defaults]" },
        { "[defaults]\nmemory=1G\nMemoryMax=1G\n", 3, "MemoryMax",
          "given twice in [defaults] (as memory, too)" },
        { "[defaults]\ncpu_burst=5\n", 2, "cpu_burst", "not enforced by this version" },
        { "[ceilings]\ncpu_burst=5\n", 2, "cpu_burst", "not enforced by this version" },
        { "[defaults]\nmemory=2G\n[ceilings]\nmemory=1G\n", 0, "memory",
          "asks for 2G, above the 1G of [ceilings]" },
        { "[defaults]\ncpu=max\n[ceilings]\ncpu=1\n", 0, "cpu",
          "asks for max, above the 1 of [ceilings]" },
        { "spool=/x\n", 1, "", "key before the first [section]" },
        { "[host]\nspool=/x\r\n", 2, "", "carriage return" },
};

static void check_bad(int r, const TqError *err, const BadRow *row, const char *file) {
        ck_assert_msg(r == -EBADMSG, "%d for %s", r, row->text);
        ck_assert_msg(strstr(err->text, row->error) != NULL, "says: %s", err->text);
        ck_assert_str_eq(err->file, file);
        ck_assert_uint_eq(err->line, row->line);
        ck_assert_str_eq(err->key, row->key);
}

START_TEST(host_bad) {
        TqHostConfig *c = calloc(1, sizeof(*c));
        TqError err = {};

        check_bad(tq_hostfile_load(config_dir("tenantq.conf", host_bad_rows[_i].text), c, &err),
                  &err, &host_bad_rows[_i], "tenantq.conf");
        ck_assert_str_eq(c->spool, ""); /* untouched */
        free(c);
}
END_TEST

/* Each key of the man page's table is known. */
START_TEST(table) {
        for (size_t i = 0; i < tq_hostfile_n_keys; i++) {
                const TqHostKey *k = &tq_hostfile_keys[i];
                bool is_host = strcmp(k->section, "host") == 0;
                TQ_BUFFER_CLEANUP TqBuffer text = {};
                TqHostConfig *h = malloc(sizeof(*h));
                TqTenantConfig *t = malloc(sizeof(*t));
                TqError err = {};
                int dir_fd, r;

                /* No value suits all: known keys complain of the value at most. */
                tq_buffer_printf(&text, "[%s]\n%s=\x7E\n", k->section, k->key);
                dir_fd = config_dir(is_host ? "tenantq.conf" : "tenants.d/t.conf",
                                    tq_buffer_string(&text));
                r = is_host ? tq_hostfile_load(dir_fd, h, &err)
                            : tq_hostfile_load_tenant(dir_fd, "t", t, &err);
                ck_assert_msg(r == 0 || strncmp(err.text, "expected ", 9) == 0, "%s: %s", k->key,
                              err.text);
                ck_assert_msg(k->help[0] != '\0', "%s has no help", k->key);
                free(h);
                free(t);
        }
}
END_TEST

START_TEST(unreadable) {
        TqHostConfig *c = calloc(1, sizeof(*c));
        int dir_fd = config_dir(NULL, NULL);
        TqError err = {};

        ck_assert_int_eq(mkdirat(dir_fd, "tenantq.conf", 0700), 0);
        ck_assert_int_eq(tq_hostfile_load(dir_fd, c, &err), -EISDIR);
        ck_assert_str_eq(err.file, "tenantq.conf");
        ck_assert_ptr_nonnull(strstr(err.text, "can't read it"));
        free(c);
}
END_TEST

/* tenants.d/NAME.conf ------------------------------------------------------------------------- */

/* Who could write a file could have root do anything. */
static const struct {
        const char *path;
        mode_t mode;
        uid_t uid;
        gid_t gid;
        const char *text; /* NULL: it is taken */
} trust_rows[] = {
        { "tenantq.conf", 0600, 0, 0, NULL },
        { "tenantq.conf", 0664, 0, 0, NULL }, /* root's own group */
        { "tenantq.conf", 0644, 0, 5, NULL },
        { "tenantq.conf", 0664, 0, 5, "the file can be written by others than root (mode 0664)" },
        { "tenantq.conf", 0646, 0, 0, "the file can be written by others than root (mode 0646)" },
        { "tenantq.conf", 0600, 7, 0, "the file belongs to user 7" },
        { ".", 0755, 0, 0, NULL },
        { ".", 0777, 0, 0, "its directory can be written by others than root (mode 0777)" },
        { ".", 01777, 0, 0, "its directory can be written by others than root (mode 1777)" },
        { ".", 0755, 7, 0, "its directory belongs to user 7" },
};

START_TEST(trust) {
        TQ_FREE TqHostConfig *c = malloc(sizeof(*c));
        int dir_fd = config_dir("tenantq.conf", "[host]\n"), r;
        TqError err = {};

        if (geteuid() != 0)
                return;
        ck_assert_int_eq(
                fchownat(dir_fd, trust_rows[_i].path, trust_rows[_i].uid, trust_rows[_i].gid, 0),
                0);
        ck_assert_int_eq(fchmodat(dir_fd, trust_rows[_i].path, trust_rows[_i].mode, 0), 0);
        r = tq_hostfile_load(dir_fd, c, &err);
        ck_assert_int_eq(r, trust_rows[_i].text ? -EPERM : 0);
        ck_assert_msg(!trust_rows[_i].text || strstr(err.text, trust_rows[_i].text), "%s",
                      err.text);
}
END_TEST

START_TEST(tenant_missing) {
        TqTenantConfig *c = malloc(sizeof(*c)), *empty = calloc(1, sizeof(*empty));
        int dir_fd = config_dir("tenants.d/other.conf", "[tenant]\nuser=x\n");

        ck_assert_int_eq(tq_hostfile_load_tenant(dir_fd, "acme", c, NULL), 0);
        ck_assert_str_eq(c->profile, "default");
        memset(c->profile, 0, sizeof(c->profile));
        ck_assert_mem_eq(c, empty, sizeof(*c));
        ck_assert_int_eq(unlinkat(dir_fd, "tenants.d/other.conf", 0), 0);
        ck_assert_int_eq(unlinkat(dir_fd, "tenants.d", AT_REMOVEDIR), 0);
        ck_assert_int_eq(tq_hostfile_load_tenant(dir_fd, "acme", c, NULL), 0);
        free(c);
        free(empty);
}
END_TEST

START_TEST(tenant_all_keys) {
        TqTenantConfig *c = malloc(sizeof(*c));
        TqError err = {};
        int dir_fd = config_dir("tenants.d/acme.conf", "[tenant]\n"
                                                       "user=joe\n"
                                                       "submitters=ann bob 1003\n"
                                                       "allow_root=yes\n"
                                                       "[limits]\n"
                                                       "cpu=2\n"
                                                       "concurrency=5\n"
                                                       "[queue etl]\n"
                                                       "concurrency=3\n"
                                                       "[queue open]\n"
                                                       "concurrency=max\n"
                                                       "enqueue_rate=5/min\n"
                                                       "queue_depth=0\n"
                                                       "[queue single]\n");

        ck_assert_msg(tq_hostfile_load_tenant(dir_fd, "acme", c, &err) == 0, "%u: %s: %s", err.line,
                      err.key, err.text);
        ck_assert_str_eq(c->user, "joe");
        ck_assert_uint_eq(c->n_submitters, 3);
        ck_assert_str_eq(c->submitters[0], "ann");
        ck_assert_str_eq(c->submitters[2], "1003");
        ck_assert(c->allow_root);
        ck_assert_uint_eq(c->limits.value[TQ_KEY_CPU], 2000000);
        ck_assert_uint_eq(c->limits.value[TQ_KEY_CONCURRENCY], 5);
        ck_assert_uint_eq(c->n_queues, 3);
        ck_assert_str_eq(c->queues[0].name, "etl");
        ck_assert_uint_eq(c->queues[0].concurrency, 3);
        ck_assert_uint_eq(c->queues[1].concurrency, TQ_LIMIT_MAX);
        ck_assert_uint_eq(c->queues[0].set, UINT64_C(1) << TQ_KEY_CONCURRENCY);
        ck_assert_uint_eq(tq_policy_queue_get(&c->queues[1], TQ_KEY_ENQUEUE_RATE, 9),
                          5 * 60 * 4 + 1);
        ck_assert_uint_eq(tq_policy_queue_get(&c->queues[1], TQ_KEY_QUEUE_DEPTH, 9), 0);
        ck_assert_uint_eq(c->queues[2].set, 0);
        free(c);
}
END_TEST

static const BadRow tenant_bad_rows[] = {
        { "[tenant]\nusr=x\n", 2, "usr", "unknown key in [tenant]; did you mean user?" },
        { "[tenant]\nuser=\n", 2, "user", "expected a user's name or number" },
        { "[tenant]\nuser=123456789012345678901234567890123\n", 2, "user",
          "expected a user's name" },
        { "[tenant]\nallow_root=maybe\n", 2, "allow_root", "expected yes or no" },
        { "[tenant]\nsubmitters=a b c d e f g h i j k l m n o p q\n", 2, "submitters",
          "at most 16 users" },
        { "[tenant]\nsubmitters=\"x\n", 2, "submitters", "at most 16 users" },
        { "[tenant]\nsubmitters=123456789012345678901234567890123\n", 2, "submitters",
          "users' names or numbers" },
        { "[limits]\ncpu=-1\n", 2, "cpu", "expected a number of cores" },
        { "[queue]\nconcurrency=1\n", 1, "", "unknown section [queue]" },
        { "[queue ../x]\n", 1, "", "[queue NAME] with 1 to 48" },
        { "[queue a b]\n", 1, "", "[queue NAME] with 1 to 48" },
        { "[queue etl]\n[queue etl]\n", 2, "", "[queue etl] a second time" },
        { "[queue etl]\ncpu=1\n", 2, "cpu", "is not a limit of a queue" },
        { "[queue etl]\nconcurrency=x\n", 2, "concurrency", "expected a whole number, or max" },
        { "[host]\nspool=/x\n", 1, "", "expected [tenant], [limits] or [queue NAME]" },
        { "[Limits]\n", 1, "", "unknown section [Limits]" },
};

START_TEST(tenant_bad) {
        TqTenantConfig *c = calloc(1, sizeof(*c)), *empty = calloc(1, sizeof(*empty));
        TqError err = {};

        check_bad(
                tq_hostfile_load_tenant(config_dir("tenants.d/acme.conf", tenant_bad_rows[_i].text),
                                        "acme", c, &err),
                &err, &tenant_bad_rows[_i], "tenants.d/acme.conf");
        ck_assert_mem_eq(c, empty, sizeof(*c));
        free(c);
        free(empty);
}
END_TEST

START_TEST(too_many_queues) {
        TQ_BUFFER_CLEANUP TqBuffer text = {};
        TqTenantConfig *c = calloc(1, sizeof(*c));
        TqError err = {};

        for (int i = 0; i < TQ_QUEUE_LIMITS; i++)
                tq_buffer_printf(&text, "[queue q%d]\nconcurrency=%d\n", i, i);
        ck_assert_int_eq(
                tq_hostfile_load_tenant(config_dir("tenants.d/a.conf", tq_buffer_string(&text)),
                                        "a", c, NULL),
                0);
        ck_assert_uint_eq(c->n_queues, TQ_QUEUE_LIMITS);
        ck_assert_uint_eq(c->queues[TQ_QUEUE_LIMITS - 1].concurrency, TQ_QUEUE_LIMITS - 1);
        tq_buffer_append_string(&text, "[queue more]\n");
        ck_assert_int_eq(
                tq_hostfile_load_tenant(config_dir("tenants.d/a.conf", tq_buffer_string(&text)),
                                        "a", c, &err),
                -EBADMSG);
        ck_assert_str_eq(err.text, "more than 32 queues");
        ck_assert_uint_eq(err.line, 2 * TQ_QUEUE_LIMITS + 1);
        free(c);
}
END_TEST

static void fill(Suite *s) {
        TCase *host = unit_case(s, "host"), *tenant = unit_case(s, "tenant");

        tcase_add_loop_test(host, host_defaults, 0, 2);
        tcase_add_test(host, host_all_keys);
        unit_add_rows(host, host_bad, host_bad_rows);
        tcase_add_test(host, table);
        tcase_add_test(host, unreadable);
        unit_add_rows(host, trust, trust_rows);
        tcase_add_test(tenant, tenant_missing);
        tcase_add_test(tenant, tenant_all_keys);
        unit_add_rows(tenant, tenant_bad, tenant_bad_rows);
        tcase_add_test(tenant, too_many_queues);
}

int main(void) {
        return unit_main("conf/hostfile", fill);
}
