/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <fcntl.h>

#include "exec/exec.h"

/* The /dev of all jobs of a tenant: nodes that lead to nothing of the host's. */

int mount_attributes(int fd, const char *path, unsigned flags, uint64_t set) {
        struct mount_attr a = { .attr_set = set };

        return mount_setattr(fd, path, flags, &a, sizeof(a)) < 0 ? tq_errno() : 0;
}

/* The pseudo devices of Documentation/admin-guide/devices.txt that read, write or discard. */
static const struct {
        const char *name;
        unsigned major_number, minor_number;
} nodes[] = { { "null", 1, 3 },   { "zero", 1, 5 },    { "full", 1, 7 },
              { "random", 1, 8 }, { "urandom", 1, 9 }, { "tty", 5, 0 } };
_Static_assert(TQ_ELEMENTSOF(nodes) == DEV_NODES, "there is room for the host's");

/* Before they are out of sight: who may not make nodes borrows the host's. */
void dev_find(int ret[DEV_NODES]) {
        char path[32];

        for (size_t i = 0; i < DEV_NODES; i++) {
                (void)snprintf(path, sizeof(path), "/dev/%s", nodes[i].name);
                ret[i] = open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
        }
}

static int make_node(int borrowed, const char *dir, size_t i) {
        char path[96];

        (void)snprintf(path, sizeof(path), "%s/%s", dir, nodes[i].name);
        if (mknod(path, S_IFCHR | 0666, makedev(nodes[i].major_number, nodes[i].minor_number)) >= 0)
                return 0;
        if (errno != EPERM || borrowed < 0 || mknod(path, S_IFREG | 0666, 0) < 0 ||
            move_mount(borrowed, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH) < 0)
                return tq_errno();
        /* Its mode and times are the host's. */
        return mount_attributes(AT_FDCWD, path, 0,
                                MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
}

static int make_link(const char *dir, const char *name, const char *target) {
        char path[80];

        (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
        return symlink(target, path) < 0 ? tq_errno() : 0;
}

int dev_make(const char *covers, const int borrowed[DEV_NODES]) {
        static const char *const dirs[] = { "", "/pts", "/shm" };
        char dev[64], path[96];
        int r = 0;

        (void)snprintf(dev, sizeof(dev), "%s/dev", covers);
        for (size_t i = 0; i < TQ_ELEMENTSOF(dirs); i++) {
                (void)snprintf(path, sizeof(path), "%s%s", dev, dirs[i]);
                if (mkdir(path, 0755) < 0)
                        return tq_errno();
        }
        for (size_t i = 0; i < TQ_ELEMENTSOF(nodes) && r >= 0; i++)
                r = make_node(borrowed[i], dev, i);
        if (r >= 0)
                r = make_link(dev, "ptmx", "pts/ptmx");
        if (r >= 0)
                r = make_link(dev, "fd", "/proc/self/fd");
        if (r >= 0)
                r = make_link(dev, "stdin", "/proc/self/fd/0");
        if (r >= 0)
                r = make_link(dev, "stdout", "/proc/self/fd/1");
        if (r >= 0)
                r = make_link(dev, "stderr", "/proc/self/fd/2");
        if (r < 0)
                return r;
        return mount(dev, "/dev", NULL, MS_BIND | MS_REC, NULL) < 0 ? tq_errno() : 0;
}
