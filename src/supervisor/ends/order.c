/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "supervisor/ends/order.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/parse.h"
#include "core/ids.h"

/* The engine asks for what is to be done with a tenant's files, but is not believed: it could be
 * anybody's by the time. What it asks for must be what root has put into a directory of root's
 * alone. It is the simplest that is safe: no credentials are handed on, and what was ordered
 * outlives all of us. The name of one that has begun ends with `.begun` (no tenant's name has a
 * dot): that one is finished at the next start, before any directory is looked at. */

#define BEGUN    ".begun"
#define FROM     ".from" /* whose the directory was, of a chown */
#define TEXT_MAX 160

#define YOUNG_SECONDS 90 /* longer than tenantqctl is patient */

static const char *const words[_TQ_ORDER_STEP_MAX] = {
        [TQ_ORDER_REMOVE] = "remove",
        [TQ_ORDER_RENAME] = "rename",
        [TQ_ORDER_CHOWN] = "chown",
};

/* 1: it says that; 0: there is none, or another. */
static int is_order(const Own *own, const char *file, TqOrderStep step, const char *to) {
        char text[TEXT_MAX], want[TEXT_MAX];
        ssize_t n;

        if (!words[step])
                return 0;
        n = tq_fs_read_at(own_fd(own, OWN_ORDERS), file, text, sizeof(text));
        if (n < 0)
                return n == -ENOENT ? 0 : (int)n;
        (void)snprintf(want, sizeof(want), "%s%s%s\n", words[step], to[0] ? " " : "", to);
        return strcmp(text, want) == 0;
}

int order_has_begun(const Own *own, TqOrderStep step, const char *name, const char *to) {
        char begun[TQ_TENANT_NAME_MAX + sizeof(BEGUN)];

        (void)snprintf(begun, sizeof(begun), "%s" BEGUN, name);
        return is_order(own, begun, step, to);
}

int order_is_there(const Own *own, TqOrderStep step, const char *name, const char *to) {
        int r = order_has_begun(own, step, name, to);

        return r != 0 ? r : is_order(own, name, step, to);
}

bool order_is_about(const Own *own, const char *name) {
        char begun[TQ_TENANT_NAME_MAX + sizeof(BEGUN)];

        (void)snprintf(begun, sizeof(begun), "%s" BEGUN, name);
        return tq_fs_is_within(own_fd(own, OWN_ORDERS), name) ||
               tq_fs_is_within(own_fd(own, OWN_ORDERS), begun);
}

int order_begin(const Own *own, TqOrderStep step, const char *name, const char *to) {
        char begun[TQ_TENANT_NAME_MAX + sizeof(BEGUN)];
        int fd = own_fd(own, OWN_ORDERS), r;

        r = order_has_begun(own, step, name, to);
        if (r != 0)
                return TQ_MIN(r, 0);
        (void)snprintf(begun, sizeof(begun), "%s" BEGUN, name);
        /* Another one that is not finished. */
        if (tq_fs_is_within(fd, begun))
                return -EBUSY;
        r = is_order(own, name, step, to);
        if (r <= 0)
                return r < 0 ? r : -ENOENT;
        return renameat(fd, name, fd, begun) < 0 || fsync(fd) < 0 ? tq_errno() : 0;
}

int order_from(const Own *own, const char *name, uid_t owner, uid_t *ret) {
        char file[TQ_TENANT_NAME_MAX + sizeof(FROM)], text[16];
        int dir_fd = own_fd(own, OWN_ORDERS), r;
        TQ_CLOSE int fd = -EBADF;
        uint64_t uid;
        ssize_t n;

        (void)snprintf(file, sizeof(file), "%s" FROM, name);
        n = tq_fs_read_at(dir_fd, file, text, sizeof(text));
        if (n < 0 && n != -ENOENT)
                return (int)n;
        if (n >= 0 && strchr(text, '\n')) {
                *strchr(text, '\n') = '\0';
                if (tq_parse_u64_in(text, 0, TQ_UID_UNKNOWN - 1, &uid) >= 0) {
                        *ret = (uid_t)uid;
                        return 0;
                }
        }
        /* None, or one that a crash has cut before anything was done. */
        (void)unlinkat(dir_fd, file, 0);
        fd = openat(dir_fd, file, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return tq_errno();
        (void)snprintf(text, sizeof(text), "%u\n", owner);
        r = tq_fs_write_all(fd, text, strlen(text));
        if (r >= 0 && (fsync(fd) < 0 || fsync(dir_fd) < 0))
                r = tq_errno();
        *ret = owner;
        return r;
}

bool order_is_young(const Own *own, const char *name) {
        uint64_t now = tq_clock_realtime_usec() / TQ_USEC_PER_SEC;
        struct stat st;

        return fstatat(own_fd(own, OWN_ORDERS), name, &st, AT_SYMLINK_NOFOLLOW) >= 0 &&
               (uint64_t)st.st_mtime <= now && now - (uint64_t)st.st_mtime < YOUNG_SECONDS;
}

void order_drop(const Own *own, const char *name) {
        char begun[TQ_TENANT_NAME_MAX + sizeof(BEGUN)], from[TQ_TENANT_NAME_MAX + sizeof(FROM)];
        int fd = own_fd(own, OWN_ORDERS);

        (void)snprintf(begun, sizeof(begun), "%s" BEGUN, name);
        /* Before the order that it is of. */
        (void)snprintf(from, sizeof(from), "%s" FROM, name);
        (void)unlinkat(fd, from, 0);
        (void)unlinkat(fd, begun, 0);
        (void)unlinkat(fd, name, 0);
        (void)fsync(fd);
}

/* "rename NEW\n" */
static bool parse(char *text, TqOrderStep *ret_step, const char **ret_to) {
        size_t n = strcspn(text, " \n");
        char *to = text + n;

        text[strcspn(text, "\n")] = '\0';
        *ret_to = *to == ' ' ? to + 1 : "";
        for (int i = 0; i < _TQ_ORDER_STEP_MAX; i++)
                if (words[i] && strlen(words[i]) == n && memcmp(words[i], text, n) == 0) {
                        *ret_step = (TqOrderStep)i;
                        return true;
                }
        return false;
}

int order_each(const Own *own, bool all,
               void (*row)(void *data, const char *name, TqOrderStep step, const char *to),
               void *data) {
        TQ_CLOSEDIR DIR *dir = NULL;
        const struct dirent *e;
        int r = tq_fs_opendir(own_fd(own, OWN_ORDERS), ".", &dir);

        while (r >= 0 && (r = tq_fs_readdir(dir, &e)) > 0) {
                char text[TEXT_MAX], name[TQ_TENANT_NAME_MAX + 1];
                size_t n = strcspn(e->d_name, ".");
                TqOrderStep step;
                const char *to;

                if (n >= sizeof(name) ||
                    (e->d_name[n] != '\0' && strcmp(e->d_name + n, BEGUN) != 0))
                        continue;
                if (e->d_name[n] == '\0' && !all)
                        continue;
                (void)snprintf(name, sizeof(name), "%.*s", (int)n, e->d_name);
                if (!tq_ids_tenant_is_valid(name))
                        continue;
                if (tq_fs_read_at(own_fd(own, OWN_ORDERS), e->d_name, text, sizeof(text)) >= 0 &&
                    parse(text, &step, &to))
                        row(data, name, step, to);
                else if (e->d_name[n] != '\0')
                        row(data, name, TQ_ORDER_LOOK, "");
        }
        return r;
}
