/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* tenantq-holder: the main process of tenantq-jobs.service.
 *
 * The unit is delegated (Delegate=yes), so the cgroups below it are tenantq's; but systemd keeps a
 * unit's cgroup only while the unit runs, and jobs must outlive a restart of the supervisor. So
 * this process runs, in a leaf of its own since no process may sit in an inner node, and does
 * nothing. */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/fs.h"

#define MOUNT "/sys/fs/cgroup"

static int fail(const char *what, int r) {
        (void)fprintf(stderr, "tenantq-holder: %s: %s\n", what, strerror(-r));
        return EXIT_FAILURE;
}

/* The path of our cgroup in the v2 hierarchy: the line "0::/path" of /proc/self/cgroup. */
static int own_cgroup(char *ret, size_t size) {
        char text[8192], *line, *save = NULL;
        ssize_t n;

        n = tq_fs_read_at(AT_FDCWD, "/proc/self/cgroup", text, sizeof(text));
        if (n < 0)
                return (int)n;
        for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
                if (strncmp(line, "0::/", 4) == 0) {
                        (void)snprintf(ret, size, MOUNT "%s", line + 3);
                        return 0;
                }
        return -ENODATA;
}

/* sd_notify(3) in a dozen lines: this program is static and has no library. */
static int notify_ready(void) {
        const char *path = getenv("NOTIFY_SOCKET");
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        TQ_CLOSE int fd = -EBADF;
        size_t n;

        if (!path)
                return 0;
        n = strlen(path);
        if (n >= sizeof(address.sun_path))
                return -ENAMETOOLONG;
        memcpy(address.sun_path, path, n);
        if (address.sun_path[0] == '@')
                address.sun_path[0] = '\0';
        fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return tq_errno();
        if (sendto(fd, "READY=1", 7, MSG_NOSIGNAL, (struct sockaddr *)&address,
                   (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)) < 0)
                return tq_errno();
        return 0;
}

int main(void) {
        TQ_CLOSE int root = -EBADF, leaf = -EBADF;
        char path[4096];
        int r;

        r = own_cgroup(path, sizeof(path));
        if (r < 0)
                return fail("no cgroup v2 in /proc/self/cgroup", r);
        root = tq_fs_open_dir(AT_FDCWD, path);
        if (root < 0)
                return fail(path, root);
        leaf = tq_fs_mkdir_open(root, "holder", 0755);
        if (leaf < 0)
                return fail("making the holder's cgroup", leaf);
        r = tq_fs_write_attr(leaf, "cgroup.procs", "0");
        if (r < 0)
                return fail("moving into the holder's cgroup", r);
        r = notify_ready();
        if (r < 0)
                return fail("telling systemd", r);
        for (;;)
                (void)pause();
}
