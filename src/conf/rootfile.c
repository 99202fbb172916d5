/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf/rootfile.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"

/* What is said there is done by root: who could write it, or put another file in its place, would
 * be root. */
static int check_trust(int dir_fd, const char *name, TqError *err) {
        const char *what = strcmp(name, ".") == 0           ? "its directory"
                           : strcmp(name, "tenants.d") == 0 ? "the directory tenants.d"
                           : strcmp(name, "profiles") == 0  ? "the directory profiles"
                                                            : "the file";
        struct stat st;

        if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return tq_errno();
        if (st.st_uid != 0 && st.st_uid != geteuid())
                return tq_error(err, -EPERM,
                                "%s belongs to user %u: expected root (chown root, and look at "
                                "what it says)",
                                what, st.st_uid);
        if (!S_ISLNK(st.st_mode) && (st.st_mode & S_IWOTH || (st.st_mode & S_IWGRP && st.st_gid)))
                return tq_error(err, -EPERM,
                                "%s can be written by others than root (mode %04o): chmod go-w, "
                                "and look at what it says",
                                what, st.st_mode & 07777);
        return 0;
}

/* name: of a file, or DIRECTORY/FILE. */
static int check_all_trust(int dir_fd, const char *name, TqError *err) {
        const char *slash = strchr(name, '/');
        char dir[64];
        int r;

        (void)snprintf(dir, sizeof(dir), "%.*s", slash ? (int)(slash - name) : 0, name);
        r = check_trust(dir_fd, ".", err);
        if (r >= 0 && slash)
                r = check_trust(dir_fd, dir, err);
        return r < 0 && r != -ENOENT ? r : check_trust(dir_fd, name, err);
}

int tq_rootfile_read(int dir_fd, const char *path, size_t max, char **ret, size_t *ret_size,
                     TqError *err) {
        int r = check_all_trust(dir_fd, path, err);

        if (r >= 0)
                r = tq_fs_read_file(dir_fd, path, max, ret, ret_size);
        if (r < 0 && r != -EPERM && r != -ENOENT)
                (void)tq_error_errno(err, r, "can't read it");
        return r;
}

int tq_rootfile_read_text(int dir_fd, const char *path, size_t max, char **ret, TqError *err) {
        TQ_FREE char *data = NULL;
        size_t size;
        int r = tq_rootfile_read(dir_fd, path, max, &data, &size, err);

        if (r == -ENOENT)
                return tq_error_errno(err, r, "can't read it");
        if (r < 0)
                return r;
        if (strlen(data) != size)
                return tq_error(err, -EBADMSG, "expected text: it has a NUL byte");
        *ret = TQ_TAKE_PTR(data);
        return 0;
}
