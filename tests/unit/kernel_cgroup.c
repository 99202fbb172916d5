/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernel/cgroup.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/buffer.h"
#include "base/fs.h"
#include "kernel/iodevice.h"
#include "unit.h"

#define ALL                                                                                        \
        (TQ_CONTROLLER_CPU | TQ_CONTROLLER_CPUSET | TQ_CONTROLLER_IO | TQ_CONTROLLER_MEMORY |      \
         TQ_CONTROLLER_PIDS)

/* Controllers --------------------------------------------------------------------------------- */

START_TEST(controllers) {
        static const char *const words[] = { "cpu", "cpuset", "io", "memory", "pids" };
        unsigned all = 0;
        char text[64];

        for (size_t i = 0; i < TQ_ELEMENTSOF(words); i++) {
                unsigned bit = tq_cgroup_controller_bit(words[i]);

                ck_assert_uint_ne(bit, 0);
                ck_assert_uint_eq(all & bit, 0);
                all |= bit;
                ck_assert_str_eq(tq_cgroup_controllers_format(bit, text, sizeof(text)), words[i]);
        }
        ck_assert_uint_eq(all, ALL);
        ck_assert_uint_eq(tq_cgroup_controller_bit("hugetlb"), 0);
        ck_assert_uint_eq(tq_cgroup_controller_bit(""), 0);
        ck_assert_uint_eq(tq_cgroup_controller_bit("cp"), 0);
        ck_assert_str_eq(tq_cgroup_controllers_format(ALL, text, sizeof(text)),
                         "cpu cpuset io memory pids");
        ck_assert_str_eq(tq_cgroup_controllers_format(0, text, sizeof(text)), "");
        ck_assert_str_eq(tq_cgroup_controllers_format(1U << 31, text, sizeof(text)), "");
}
END_TEST

START_TEST(not_a_cgroup) {
        TqError err = {};

        ck_assert_int_eq(tq_cgroup_open(unit_dir(), &err), -EMEDIUMTYPE);
        ck_assert_ptr_nonnull(strstr(err.text, "is not on cgroup v2"));
        err = (TqError){};
        ck_assert_int_eq(tq_cgroup_open("/nonexistent", &err), -ENOENT);
        ck_assert_ptr_nonnull(strstr(err.text, "/nonexistent"));
}
END_TEST

/* Limits → attributes ------------------------------------------------------------------------- */

static TqLimits limits_of(const char *const *pairs) {
        TqLimits l = {};

        for (; *pairs; pairs += 2) {
                TqError err = {};

                ck_assert_msg(
                        tq_limits_set(&l, pairs[0], pairs[1], TQ_SCOPE_TENANT, true, 0, &err) == 0,
                        "%s=%s: %s", pairs[0], pairs[1], err.text);
        }
        return l;
}

static const struct {
        const char *limits[9];
        unsigned controllers;
        const char *device;
        bool with_defaults;
        const char *attributes; /* NULL: refused with -EOPNOTSUPP */
        const char *key, *error;
} attr_rows[] = {
        { { NULL }, 0, NULL, false, "", NULL, NULL },
        { { NULL }, 0, NULL, true, "", NULL, NULL },
        { { NULL }, ALL, NULL, false, "", NULL, NULL },
        { { "cpu", "0.5" },
          TQ_CONTROLLER_CPU,
          NULL,
          false,
          "cpu cpu.max=50000 100000\n",
          NULL,
          NULL },
        { { "cpu", "max" },
          TQ_CONTROLLER_CPU,
          NULL,
          false,
          "cpu cpu.max=max 100000\n",
          NULL,
          NULL },
        { { "cpu", "2", "memory", "1G", "pids", "10" },
          ALL,
          NULL,
          false,
          "cpu cpu.max=200000 100000\nmemory memory.max=1073741824\npids pids.max=10\n",
          NULL,
          NULL },
        { { "memory", "1G" },
          TQ_CONTROLLER_MEMORY,
          NULL,
          true,
          "memory memory.max=1073741824\nmemory memory.high=max (default)\n"
          "memory memory.low=0 (default)\nmemory memory.swap.max=max (default)\n",
          NULL,
          NULL },
        { { NULL }, TQ_CONTROLLER_PIDS, NULL, true, "pids pids.max=max (default)\n", NULL, NULL },
        { { "cpus", "0-1" },
          TQ_CONTROLLER_CPUSET,
          NULL,
          false,
          "cpuset cpuset.cpus=0-1\n",
          NULL,
          NULL },
        /* The engine's limits are nothing to the kernel; a key without effect is not written. */
        { { "concurrency", "3", "runtime", "1h", "cpu_burst", "1ms" },
          ALL,
          NULL,
          false,
          "",
          NULL,
          NULL },
        /* What can't be enforced is refused and named. */
        { { "cpu", "1" },
          ALL & ~TQ_CONTROLLER_CPU,
          NULL,
          false,
          NULL,
          "cpu",
          "controller \"cpu\" is not available" },
        { { "memory", "max" }, 0, NULL, false, NULL, "memory", "\"memory\" is not available" },
        { { "swap", "0" }, ALL & ~TQ_CONTROLLER_MEMORY, NULL, true, NULL, "swap", "\"memory\"" },
        { { "pids", "5" }, 0, NULL, false, NULL, "pids", "\"pids\" is not available" },
        { { "cpus", "0" }, ALL & ~TQ_CONTROLLER_CPUSET, NULL, false, NULL, "cpus", "\"cpuset\"" },
        { { "io_read", "1M" }, ALL & ~TQ_CONTROLLER_IO, "8:0", false, NULL, "io_read", "\"io\"" },
        { { "io_read@8:0", "1M" }, 0, "8:0", false, NULL, "io_read", "\"io\" is not available" },
        { { "io_write", "1M" },
          ALL,
          NULL,
          false,
          NULL,
          "io_write",
          "name one as io_write@/dev/NAME" },
        { { "io_weight", "50" }, ALL, NULL, false, NULL, "io_weight", "name one as" },
        { { "io_weight", "50" },
          ALL,
          "999:999",
          false,
          NULL,
          "io_weight",
          "has no effect on disk 999:999" },
        /* One line for a disk. */
        { { "io_read", "10M" },
          TQ_CONTROLLER_IO,
          "8:0",
          false,
          "io io.max=8:0 rbps=10000000 wbps=max riops=max wiops=max\n",
          NULL,
          NULL },
        { { "io_write", "5M", "io_riops", "100", "io_wiops", "max" },
          TQ_CONTROLLER_IO,
          "259:0",
          false,
          "io io.max=259:0 rbps=max wbps=5000000 riops=100 wiops=max\n",
          NULL,
          NULL },
};

START_TEST(attrs) {
        TQ_BUFFER_CLEANUP TqBuffer got = {};
        TqLimits l = limits_of(attr_rows[_i].limits);
        TqAttr list[TQ_ATTRS_MAX];
        TqError err = {};
        size_t n = 77;
        int r = tq_cgroup_attrs(&l, attr_rows[_i].controllers, attr_rows[_i].device,
                                attr_rows[_i].with_defaults, list, &n, &err);

        if (!attr_rows[_i].attributes) {
                ck_assert_int_eq(r, -EOPNOTSUPP);
                ck_assert_str_eq(err.key, attr_rows[_i].key);
                ck_assert_msg(strstr(err.text, attr_rows[_i].error) != NULL, "says: %s", err.text);
                return;
        }
        ck_assert_msg(r == 0, "%s: %s", err.key, err.text);
        for (size_t i = 0; i < n; i++)
                tq_buffer_printf(&got, "%s %s=%s%s\n", list[i].controller, list[i].file,
                                 list[i].value, list[i].is_default ? " (default)" : "");
        ck_assert_str_eq(tq_buffer_string(&got), attr_rows[_i].attributes);
}
END_TEST

/* As many as there can be fit. */
START_TEST(attrs_all) {
        TqLimits l = limits_of((const char *const[]){
                "cpu", "1", "cpu_weight", "5", "cpus", "0", "memory", "1G", "memory_high", "1G",
                "memory_low", "1G", "swap", "0", "pids", "2", "io_read", "2", NULL });
        TqAttr list[TQ_ATTRS_MAX];
        size_t n;

        ck_assert_int_eq(tq_cgroup_attrs(&l, ALL, "8:0", true, list, &n, NULL), 0);
        ck_assert_uint_le(n, TQ_ATTRS_MAX);
        ck_assert_uint_ge(n, 9);
        for (size_t i = 0; i < n; i++)
                for (size_t k = 0; k < i; k++)
                        ck_assert_str_ne(list[i].file, list[k].file);
}
END_TEST

/* Files that look like those of a cgroup ------------------------------------------------------ */

static void put(int dir_fd, const char *name, const char *text) {
        int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(tq_fs_write_all(fd, text, strlen(text)), 0);
        (void)close(fd);
}

START_TEST(populated) {
        int fd = unit_dir_open();

        ck_assert_int_eq(tq_cgroup_is_populated(fd), -ENOENT);
        put(fd, "cgroup.events", "populated 1\nfrozen 0\n");
        ck_assert_int_eq(tq_cgroup_is_populated(fd), 1);
        put(fd, "cgroup.events", "frozen 1\npopulated 0\n");
        ck_assert_int_eq(tq_cgroup_is_populated(fd), 0);
        put(fd, "cgroup.events", "unpopulated 1\n");
        ck_assert_int_eq(tq_cgroup_is_populated(fd), -EBADMSG);
        put(fd, "cgroup.events", "");
        ck_assert_int_eq(tq_cgroup_is_populated(fd), -EBADMSG);
}
END_TEST

START_TEST(counters) {
        int fd = unit_dir_open();
        TqCounters c;

        ck_assert_int_eq(tq_cgroup_counters(fd, ALL, &c), 0);
        ck_assert_uint_eq(c.cpu_usec, TQ_UNKNOWN);
        ck_assert_uint_eq(c.memory_peak_bytes, TQ_UNKNOWN);
        ck_assert_uint_eq(c.oom_kills, TQ_UNKNOWN);
        ck_assert_uint_eq(c.io_read_bytes, TQ_UNKNOWN);
        ck_assert_uint_eq(c.pids_peak, TQ_UNKNOWN);
        ck_assert_uint_eq(c.pids_denied, TQ_UNKNOWN);
        put(fd, "cpu.stat", "usage_usec 123\nuser_usec 100\nsystem_usec 23\n");
        put(fd, "memory.peak", "4096\n");
        put(fd, "memory.events", "low 0\nhigh 1\nmax 2\noom 3\noom_kill 4\noom_group_kill 5\n");
        put(fd, "memory.events.local", "low 0\noom 9\noom_kill 4\n");
        put(fd, "io.stat",
            "8:0 rbytes=10 wbytes=20 rios=1 wios=2 dbytes=0 dios=0\n"
            "259:0 rbytes=5 wbytes=18446744073709551615 rios=1 wios=2\n");
        put(fd, "pids.peak", "6\n");
        put(fd, "pids.events", "max 7\n");
        ck_assert_int_eq(tq_cgroup_counters(fd, ALL, &c), 0);
        ck_assert_uint_eq(c.cpu_usec, 123);
        ck_assert_uint_eq(c.memory_peak_bytes, 4096);
        ck_assert_uint_eq(c.oom_kills, 4);
        ck_assert_uint_eq(c.io_read_bytes, 15);
        ck_assert_uint_eq(c.io_write_bytes, UINT64_MAX); /* never wraps to a small number */
        ck_assert_uint_eq(c.pids_peak, 6);
        ck_assert_uint_eq(c.pids_denied, 7);
        ck_assert_uint_eq(tq_cgroup_oom_events(fd), 9);
        /* Without its controller a file is not believed. */
        ck_assert_int_eq(tq_cgroup_counters(fd, 0, &c), 0);
        ck_assert_uint_eq(c.cpu_usec, 123);
        ck_assert_uint_eq(c.memory_peak_bytes, TQ_UNKNOWN);
        ck_assert_uint_eq(c.io_write_bytes, TQ_UNKNOWN);
        ck_assert_uint_eq(c.pids_denied, TQ_UNKNOWN);
        ck_assert_uint_eq(tq_cgroup_oom_events(unit_dir_open()), 0);
}
END_TEST

START_TEST(available) {
        int fd = unit_dir_open();
        unsigned mask = 77;
        char text[128];

        ck_assert_int_eq(tq_cgroup_controllers(fd, &mask), -ENOENT);
        put(fd, "cgroup.controllers", "cpuset cpu io memory hugetlb pids rdma\n");
        ck_assert_int_eq(tq_cgroup_controllers(fd, &mask), 0);
        ck_assert_uint_eq(mask, ALL);
        put(fd, "cgroup.controllers", "\n");
        ck_assert_int_eq(tq_cgroup_controllers(fd, &mask), 0);
        ck_assert_uint_eq(mask, 0);
        ck_assert_int_eq(tq_cgroup_enable(fd, 0), 0);
        ck_assert_int_eq(tq_cgroup_enable(fd, TQ_CONTROLLER_CPU), -ENOENT);
        put(fd, "cgroup.subtree_control", "");
        ck_assert_int_eq(tq_cgroup_enable(fd, TQ_CONTROLLER_CPU | TQ_CONTROLLER_PIDS), 0);
        ck_assert_int_gt(tq_fs_read_at(fd, "cgroup.subtree_control", text, sizeof(text)), 0);
        ck_assert_str_eq(text, "+cpu +pids ");
}
END_TEST

/* A leaf whose limits can't be written is not left behind. */
/* What is below goes first, and however much of it there is, in bounded pieces. */
START_TEST(remove_with_what_is_below) {
        const char *mount = unit_cgroup_mount();
        char root[256], path[512];
        unsigned turns = 0;
        size_t at;
        int fd, in, r;
        pid_t pid;

        if (!mount || !unit_is_root())
                unit_skip("needs root and a cgroup2 mount");
        (void)snprintf(root, sizeof(root), "%s/tq-unit-%d", mount, (int)getpid());
        ck_assert_int_eq(mkdir(root, 0755), 0);
        fd = open(root, O_RDONLY | O_DIRECTORY);
        ck_assert_int_eq(tq_cgroup_remove(fd, "1.1.job"), -ENOENT);
        ck_assert_int_eq(mkdirat(fd, "1.1.job", 0755), 0);
        at = (size_t)snprintf(path, sizeof(path), "1.1.job");
        for (int i = 0; i < 20; i++) {
                at += (size_t)snprintf(path + at, sizeof(path) - at, "/%d", i);
                ck_assert_int_eq(mkdirat(fd, path, 0755), 0);
        }
        for (int i = 0; i < TQ_CGROUP_REMOVE_MAX + 10; i++) {
                (void)snprintf(path, sizeof(path), "1.1.job/wide%d", i);
                ck_assert_int_eq(mkdirat(fd, path, 0755), 0);
        }
        while ((r = tq_cgroup_remove(fd, "1.1.job")) == -EAGAIN)
                turns++;
        ck_assert_int_eq(r, 0);
        ck_assert_uint_ge(turns, 1);
        ck_assert_uint_le(turns, 2);
        ck_assert_int_eq(faccessat(fd, "1.1.job", F_OK, 0), -1);
        /* One that somebody is in stays. */
        ck_assert_int_eq(mkdirat(fd, "2.1.job", 0755), 0);
        ck_assert_int_eq(mkdirat(fd, "2.1.job/in", 0755), 0);
        pid = fork();
        if (pid == 0) {
                (void)pause();
                _exit(0);
        }
        in = openat(fd, "2.1.job/in", O_RDONLY | O_DIRECTORY);
        (void)snprintf(path, sizeof(path), "%d", (int)pid);
        ck_assert_int_eq(tq_fs_write_attr(in, "cgroup.procs", path), 0);
        ck_assert_int_eq(tq_cgroup_remove(fd, "2.1.job"), -EBUSY);
        (void)kill(pid, SIGKILL);
        (void)unit_wait(pid);
        (void)close(in);
        ck_assert_int_eq(tq_cgroup_remove(fd, "2.1.job"), 0);
        (void)close(fd);
        ck_assert_int_eq(rmdir(root), 0);
}
END_TEST

START_TEST(leaf_without_files) {
        int fd = unit_dir_open(), leaf = -1;
        TqAttr attr = { .controller = "pids", .file = "pids.max", .value = "5" };
        TqError err = {};
        TqStage stage;

        ck_assert_int_eq(tq_cgroup_leaf_new(fd, "1.1.job", TQ_CONTROLLER_PIDS, &attr, 1, &leaf,
                                            &stage, &err),
                         -ENOENT);
        ck_assert_int_eq(stage, TQ_STAGE_LIMITS);
        ck_assert_ptr_nonnull(strstr(err.text, "pids.max"));
        ck_assert_int_eq(leaf, -1);
        ck_assert_int_eq(faccessat(fd, "1.1.job", F_OK, 0), -1);
        ck_assert_int_eq(tq_cgroup_leaf_new(fd, "1.1.job", 0, NULL, 0, &leaf, &stage, &err), 0);
        ck_assert_int_ge(leaf, 0);
        ck_assert_int_eq(tq_cgroup_leaf_new(fd, "1.1.job", 0, NULL, 0, &leaf, &stage, &err),
                         -EEXIST);
        ck_assert_int_eq(stage, TQ_STAGE_CGROUP);
}
END_TEST

static void fill(Suite *s) {
        TCase *tables = unit_case(s, "tables"), *files = unit_case(s, "files");

        tcase_add_test(tables, controllers);
        tcase_add_test(tables, not_a_cgroup);
        unit_add_rows(tables, attrs, attr_rows);
        tcase_add_test(tables, attrs_all);
        tcase_add_test(files, populated);
        tcase_add_test(files, counters);
        tcase_add_test(files, available);
        tcase_add_test(files, leaf_without_files);
        tcase_add_test(files, remove_with_what_is_below);
}

int main(void) {
        return unit_main("kernel/cgroup", fill);
}
