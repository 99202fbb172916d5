/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernel/devices.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include "base/fs.h"
#include "unit.h"

static const struct {
        const char *text;
        int r;
        const char *path;
        unsigned access, major_number, minor_number;
} parse_rows[] = {
        { "/dev/null", 0, "/dev/null", TQ_DEVICE_READ | TQ_DEVICE_WRITE, 1, 3 },
        { "/dev/null:rw", 0, "/dev/null", TQ_DEVICE_READ | TQ_DEVICE_WRITE, 1, 3 },
        { "/dev/zero:r", 0, "/dev/zero", TQ_DEVICE_READ, 1, 5 },
        { "/dev/full:w", 0, "/dev/full", TQ_DEVICE_WRITE, 1, 7 },
        { "/dev/null:", -EINVAL, NULL, 0, 0, 0 },
        { "/dev/null:m", -EINVAL, NULL, 0, 0, 0 },
        { "/dev/null:rwm", -EINVAL, NULL, 0, 0, 0 },
        { "/dev/", -EINVAL, NULL, 0, 0, 0 },
        { "/etc/passwd", -EINVAL, NULL, 0, 0, 0 },
        { "null", -EINVAL, NULL, 0, 0, 0 },
        { "", -EINVAL, NULL, 0, 0, 0 },
        { "/dev/no-such-device", -ENOENT, NULL, 0, 0, 0 },
        { "/dev/fd", -ENOTBLK, NULL, 0, 0, 0 },
};

START_TEST(parse) {
        char path[64];
        TqDevice d;

        ck_assert_int_eq(tq_devices_parse(parse_rows[_i].text, path, sizeof(path), &d),
                         parse_rows[_i].r);
        if (parse_rows[_i].r < 0)
                return;
        ck_assert_str_eq(path, parse_rows[_i].path);
        ck_assert(!d.is_block);
        ck_assert_uint_eq(d.access, parse_rows[_i].access);
        ck_assert_uint_eq(d.major_number, parse_rows[_i].major_number);
        ck_assert_uint_eq(d.minor_number, parse_rows[_i].minor_number);
        ck_assert_int_eq(tq_devices_parse(parse_rows[_i].text, path, 9, &d), -EINVAL);
}
END_TEST

/* The errno of an open by a process in the cgroup. */
static int open_in(int cgroup_fd, const char *path, int flags) {
        pid_t pid = fork();
        int status;

        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
                if (tq_fs_write_attr(cgroup_fd, "cgroup.procs", "0") < 0)
                        _exit(200);
                _exit(open(path, flags) < 0 ? errno : 0);
        }
        status = unit_wait(pid);
        ck_assert(WIFEXITED(status) && WEXITSTATUS(status) < 200);
        return WEXITSTATUS(status);
}

/* /dev/kmsg is 1:11, between those that are open to all. */
START_TEST(restricts) {
        const char *mount = unit_cgroup_mount();
        TqDevice kmsg = { .major_number = 1, .minor_number = 11, .access = TQ_DEVICE_READ };
        char path[128], node[64];
        int fd;

        if (!unit_is_root() || !mount)
                unit_skip("needs root and cgroup v2");
        (void)snprintf(path, sizeof(path), "%s/tq-unit-devices.%d", mount, getpid());
        (void)snprintf(node, sizeof(node), "%s/kmsg", unit_dir());
        ck_assert_int_eq(mkdir(path, 0755), 0);
        fd = open(path, O_RDONLY | O_DIRECTORY);
        if (mknod(node, S_IFCHR | 0600, makedev(1, 11)) < 0 || open_in(fd, node, O_WRONLY) != 0) {
                (void)rmdir(path);
                unit_skip("a device can't be made or opened here");
        }
        ck_assert_int_eq(tq_devices_restrict(fd, NULL, 0), 0);
        ck_assert_int_eq(open_in(fd, node, O_WRONLY), EPERM);
        ck_assert_int_eq(open_in(fd, "/dev/null", O_RDWR), 0);
        ck_assert_int_eq(open_in(fd, "/dev/urandom", O_RDONLY), 0);
        ck_assert_int_eq(open_in(fd, "/dev/ptmx", O_RDWR), 0);
        /* What is allowed, and no more of it; and nothing of an earlier call stays. */
        for (int i = 0; i < 3; i++) {
                kmsg.access = TQ_DEVICE_WRITE;
                ck_assert_int_eq(tq_devices_restrict(fd, &kmsg, 1), 0);
                ck_assert_int_eq(open_in(fd, node, O_WRONLY), 0);
                ck_assert_int_eq(open_in(fd, node, O_RDWR), EPERM);
                kmsg.access = TQ_DEVICE_READ;
                ck_assert_int_eq(tq_devices_restrict(fd, &kmsg, 1), 0);
                ck_assert_int_eq(open_in(fd, node, O_WRONLY), EPERM);
        }
        kmsg.is_block = true;
        kmsg.access = TQ_DEVICE_READ | TQ_DEVICE_WRITE;
        ck_assert_int_eq(tq_devices_restrict(fd, &kmsg, 1), 0);
        ck_assert_int_eq(open_in(fd, node, O_WRONLY), EPERM);
        ck_assert_int_eq(tq_devices_restrict(fd, &kmsg, TQ_DEVICES_MAX + 1), -E2BIG);
        (void)close(fd);
        (void)rmdir(path);
}
END_TEST

START_TEST(most_devices) {
        const char *mount = unit_cgroup_mount();
        TqDevice many[TQ_DEVICES_MAX];
        char path[128];
        int fd, r;

        if (!unit_is_root() || !mount)
                unit_skip("needs root and cgroup v2");
        for (size_t i = 0; i < TQ_DEVICES_MAX; i++)
                many[i] = (TqDevice){ .major_number = 200 + (unsigned)i, .access = 3 };
        (void)snprintf(path, sizeof(path), "%s/tq-unit-devices-most.%d", mount, getpid());
        ck_assert_int_eq(mkdir(path, 0755), 0);
        fd = open(path, O_RDONLY | O_DIRECTORY);
        r = tq_devices_restrict(fd, many, TQ_DEVICES_MAX);
        (void)close(fd);
        (void)rmdir(path);
        ck_assert_int_eq(r, 0);
}
END_TEST

static void fill(Suite *s) {
        TCase *c = unit_case(s, "devices");

        unit_add_rows(c, parse, parse_rows);
        tcase_add_test(c, restricts);
        tcase_add_test(c, most_devices);
}

int main(void) {
        return unit_main("kernel/devices", fill);
}
