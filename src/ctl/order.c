/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/order.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "ctl/ctl.h"

#define LOCK_USEC (5 * TQ_USEC_PER_SEC)

int order_open(const TqHostConfig *config, int *ret_fd) {
        char path[PATH_MAX + 16];

        (void)snprintf(path, sizeof(path), "%s/orders", config->state);
        *ret_fd = tq_fs_open_dir(AT_FDCWD, path);
        return *ret_fd < 0 ? fail(TQ_EXIT_FAILURE, "%s: %s", path, strerror(-*ret_fd)) : 0;
}

int order_write(int dir_fd, const char *tenant, const char *text) {
        char new[TQ_TENANT_NAME_MAX + 8];
        TQ_CLOSE int fd = -EBADF;
        int r;

        (void)snprintf(new, sizeof(new), ".%s.new", tenant);
        (void)unlinkat(dir_fd, new, 0);
        fd = openat(dir_fd, new, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return tq_errno();
        r = tq_fs_write_all(fd, text, strlen(text));
        if (r >= 0 &&
            (fsync(fd) < 0 || renameat(dir_fd, new, dir_fd, tenant) < 0 || fsync(dir_fd) < 0))
                r = tq_errno();
        return r;
}

/* The descriptor that holds it, or negative errno. -ESTALE: it went while we came. */
static int try_lock(int dir_fd, const char *name) {
        TQ_CLOSE int fd = openat(dir_fd, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
        struct stat ours, there;

        if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0 || fstat(fd, &ours) < 0)
                return tq_errno();
        if (fstatat(dir_fd, name, &there, AT_SYMLINK_NOFOLLOW) < 0 || ours.st_ino != there.st_ino)
                return -ESTALE;
        return tq_take_fd(&fd);
}

int order_lock(int dir_fd, const char *tenant, int *ret_fd) {
        uint64_t since = tq_clock_monotonic_usec();
        char name[TQ_TENANT_NAME_MAX + 8];
        int fd;

        (void)snprintf(name, sizeof(name), ".%s.lock", tenant);
        while ((fd = try_lock(dir_fd, name)) == -EWOULDBLOCK || fd == -ESTALE) {
                if (tq_clock_monotonic_usec() - since > LOCK_USEC)
                        return fail(TQ_EXIT_REFUSED,
                                    "%s: another tenantqctl has to do with it (an archive takes "
                                    "its time)",
                                    tenant);
                (void)usleep(LOCK_USEC / 50);
        }
        if (fd < 0)
                return fail(TQ_EXIT_FAILURE, "the order can't be written: %s", strerror(-fd));
        *ret_fd = fd;
        return 0;
}

int order_unlock(int dir_fd, const char *tenant, int fd) {
        char name[TQ_TENANT_NAME_MAX + 8];

        (void)snprintf(name, sizeof(name), ".%s.lock", tenant);
        if (fd >= 0)
                (void)unlinkat(dir_fd, name, 0);
        return tq_close(fd);
}

void order_take_back(int dir_fd, const char *tenant, const char *before) {
        if (before[0] == '\0' || order_write(dir_fd, tenant, before) < 0)
                (void)unlinkat(dir_fd, tenant, 0);
}

bool order_is_given(int dir_fd, const char *tenant) {
        char begun[TQ_TENANT_NAME_MAX + 8];

        (void)snprintf(begun, sizeof(begun), "%s.begun", tenant);
        return tq_fs_is_within(dir_fd, tenant) || tq_fs_is_within(dir_fd, begun);
}
