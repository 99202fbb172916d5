/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernel/iodevice.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>

#include "unit.h"

static const struct {
        const char *device, *error;
} bad_rows[] = {
        { "/dev/null", "/dev/null is not a block device" },
        { "/dev", "/dev is not a block device" },
        { "/dev/no-such-thing", "/dev/no-such-thing" },
        { "", "is not MAJOR:MINOR" },
        { "x", "is not MAJOR:MINOR" },
        { "8", "is not MAJOR:MINOR" },
        { "4095:1048575", "there is no disk 4095:1048575 on this host" },
};

START_TEST(bad) {
        char text[TQ_IODEVICE_MAX] = "untouched";
        TqError err = {};

        ck_assert_int_eq(tq_iodevice_resolve(bad_rows[_i].device, text, sizeof(text), &err),
                         -ENODEV);
        ck_assert_msg(strstr(err.text, bad_rows[_i].error) != NULL, "says: %s", err.text);
        ck_assert_str_eq(text, "untouched");
}
END_TEST

/* Whether an entry of /sys/dev/block is a partition. */
static bool is_partition(const char *name) {
        char path[512];

        (void)snprintf(path, sizeof(path), "/sys/dev/block/%s/partition", name);
        return access(path, F_OK) == 0;
}

/* A disk is itself. */
START_TEST(disks) {
        struct dirent *e;
        DIR *dir = opendir("/sys/dev/block");
        size_t n = 0;

        while (dir && (e = readdir(dir))) {
                char text[TQ_IODEVICE_MAX] = "";

                if (e->d_name[0] == '.' || is_partition(e->d_name))
                        continue;
                ck_assert_int_eq(tq_iodevice_resolve(e->d_name, text, sizeof(text), NULL), 0);
                ck_assert_str_eq(text, e->d_name);
                n++;
        }
        if (dir)
                (void)closedir(dir);
        if (n == 0)
                unit_skip("this host shows no disk in /sys/dev/block");
}
END_TEST

/* A partition is its disk. */
START_TEST(partitions) {
        struct dirent *e;
        DIR *dir = opendir("/sys/dev/block");
        size_t n = 0;

        while (dir && (e = readdir(dir))) {
                char text[TQ_IODEVICE_MAX] = "";

                if (e->d_name[0] == '.' || !is_partition(e->d_name))
                        continue;
                ck_assert_int_eq(tq_iodevice_resolve(e->d_name, text, sizeof(text), NULL), 0);
                ck_assert_str_ne(text, e->d_name);
                ck_assert(!is_partition(text));
                n++;
        }
        if (dir)
                (void)closedir(dir);
        if (n == 0)
                unit_skip("this host has no partition");
}
END_TEST

START_TEST(no_disk_below) {
        char text[TQ_IODEVICE_MAX] = "untouched";
        TqError err = {};
        int fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(tq_iodevice_of_file(fd, text, sizeof(text), &err), -ENODEV);
        ck_assert_ptr_nonnull(strstr(err.text, "is not on a disk"));
        ck_assert_str_eq(text, "untouched");
        ck_assert_int_eq(tq_iodevice_of_file(-1, text, sizeof(text), NULL), -EBADF);
        ck_assert(!tq_iodevice_has_weights("4095:1048575"));
}
END_TEST

static void fill(Suite *s) {
        TCase *tcase = unit_case(s, "iodevice");

        unit_add_rows(tcase, bad, bad_rows);
        tcase_add_test(tcase, disks);
        tcase_add_test(tcase, partitions);
        tcase_add_test(tcase, no_disk_below);
}

int main(void) {
        return unit_main("kernel/iodevice", fill);
}
