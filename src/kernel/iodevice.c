/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernel/iodevice.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/fs.h"
#include "base/parse.h"

/* A partition's directory in sysfs has a `partition` file and lies in its disk's. */
static int whole_disk(unsigned major_number, unsigned minor_number, char *ret, size_t size) {
        char path[96], text[TQ_IODEVICE_MAX];
        ssize_t n;

        (void)snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/partition", major_number,
                       minor_number);
        if (access(path, F_OK) < 0) {
                (void)snprintf(path, sizeof(path), "/sys/dev/block/%u:%u", major_number,
                               minor_number);
                if (access(path, F_OK) < 0)
                        return -ENODEV;
                (void)snprintf(ret, size, "%u:%u", major_number, minor_number);
                return 0;
        }
        (void)snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/../dev", major_number,
                       minor_number);
        n = tq_fs_read_at(AT_FDCWD, path, text, sizeof(text));
        if (n < 0)
                return (int)n;
        text[strcspn(text, "\n")] = '\0';
        (void)snprintf(ret, size, "%s", text);
        return 0;
}

static int parse_numbers(const char *text, unsigned *ret_major, unsigned *ret_minor) {
        const char *colon = strchr(text, ':');
        char first[16];
        uint64_t a, b;

        if (!colon || (size_t)(colon - text) >= sizeof(first))
                return -EINVAL;
        memcpy(first, text, (size_t)(colon - text));
        first[colon - text] = '\0';
        if (tq_parse_u64_in(first, 0, UINT32_MAX, &a) < 0 ||
            tq_parse_u64_in(colon + 1, 0, UINT32_MAX, &b) < 0)
                return -EINVAL;
        *ret_major = (unsigned)a;
        *ret_minor = (unsigned)b;
        return 0;
}

int tq_iodevice_resolve(const char *device, char *ret, size_t size, TqError *err) {
        unsigned major_number, minor_number;
        struct stat st;

        if (device[0] == '/') {
                if (stat(device, &st) < 0)
                        return tq_error_errno(err, -ENODEV, "%s", device);
                if (!S_ISBLK(st.st_mode))
                        return tq_error(err, -ENODEV, "%s is not a block device", device);
                major_number = major(st.st_rdev);
                minor_number = minor(st.st_rdev);
        } else if (parse_numbers(device, &major_number, &minor_number) < 0)
                return tq_error(err, -ENODEV, "%s is not MAJOR:MINOR", device);
        if (whole_disk(major_number, minor_number, ret, size) < 0)
                return tq_error(err, -ENODEV, "there is no disk %s on this host", device);
        return 0;
}

int tq_iodevice_of_file(int fd, char *ret, size_t size, TqError *err) {
        struct stat st;

        if (fstat(fd, &st) < 0)
                return tq_error_errno(err, tq_errno(), "fstat");
        if (major(st.st_dev) == 0 || whole_disk(major(st.st_dev), minor(st.st_dev), ret, size) < 0)
                return tq_error(
                        err, -ENODEV,
                        "the tenant's directory is not on a disk (device %u:%u); name one as "
                        "KEY@/dev/NAME",
                        major(st.st_dev), minor(st.st_dev));
        return 0;
}

bool tq_iodevice_has_weights(const char *majmin) {
        char text[4096], path[96];
        char *save = NULL;

        (void)snprintf(path, sizeof(path), "/sys/dev/block/%s/queue/scheduler", majmin);
        if (tq_fs_read_at(AT_FDCWD, path, text, sizeof(text)) > 0 && strstr(text, "[bfq]"))
                return true;
        if (tq_fs_read_at(AT_FDCWD, "/sys/fs/cgroup/io.cost.qos", text, sizeof(text)) < 0)
                return false;
        for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
                if (strncmp(line, majmin, strlen(majmin)) == 0 && line[strlen(majmin)] == ' ')
                        return strstr(line, "enable=1") != NULL;
        return false;
}
