/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/archive.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/trusted.h"
#include "ctl/ctl.h"
#include "ctl/program.h"

/* It is made under another name beside its own, and gets that when it is on the disk. All that is
 * done there goes by descriptors: it may take long, and directories above may be renamed. */

struct Archive {
        char to[PATH_MAX];   /* as it was said */
        char name[NAME_MAX]; /* of it, in */
        int parent_fd;
        char aside[NAME_MAX + 16]; /* empty: there is none */
        int fd;                    /* of that */
        char logs[PATH_MAX];
};

static void archive_cleanup(Archive **a) {
        *a = archive_free(*a);
}

static int failed(const char *what, int error) {
        return fail(TQ_EXIT_FAILURE, "%s: %s", what, strerror(-error));
}

/* The directory ----------------------------------------------------------------------------------
 */

static bool is_below(const char *path, const char *directory) {
        TQ_FREE char *real = realpath(directory, NULL);
        size_t n = real ? strlen(real) : 0;

        return n > 0 && strncmp(path, real, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

/* There it would go with the tenant; or who can write there puts something in its place, through
 * which root's copies would go anywhere. */
static int check_place(const Archive *a, const char *path, const TqHostConfig *config) {
        const char *const ours[] = { config->spool, config->logs, config->state, config->run };
        struct stat st;

        for (size_t i = 0; i < TQ_ELEMENTSOF(ours); i++)
                if (is_below(path, ours[i]))
                        return fail(TQ_EXIT_USAGE, "%s: expected a place outside of %s", a->to,
                                    ours[i]);
        if (fstat(a->parent_fd, &st) < 0)
                return failed(path, tq_errno());
        if (st.st_uid != 0 || (st.st_mode & 0022) != 0)
                return fail(TQ_EXIT_USAGE,
                            "%s: expected a directory of root's that nobody else can write: %s is "
                            "not",
                            a->to, path);
        return 0;
}

static int exists(const Archive *a) {
        return fail(TQ_EXIT_FAILURE, "%s is there already, and is not replaced", a->to);
}

static int make_aside(Archive *a) {
        uint32_t random = 0;
        struct stat st;

        if (fstatat(a->parent_fd, a->name, &st, AT_SYMLINK_NOFOLLOW) >= 0)
                return exists(a);
        if (getrandom(&random, sizeof(random), 0) < 0)
                return failed(a->to, tq_errno());
        (void)snprintf(a->aside, sizeof(a->aside), "%s.%08" PRIx32, a->name, random);
        if (mkdirat(a->parent_fd, a->aside, 0700) < 0) {
                a->aside[0] = '\0';
                return failed(a->to, tq_errno());
        }
        a->fd = tq_fs_open_dir(a->parent_fd, a->aside);
        return a->fd < 0 ? failed(a->to, a->fd) : 0;
}

static void remove_aside(Archive *a) {
        const char *const argv[] = { "/bin/rm", "-rf", "--", a->aside, NULL };

        a->fd = tq_close(a->fd);
        if (a->aside[0] == '\0')
                return;
        (void)program_run(argv, a->parent_fd, NULL, a->to);
        a->aside[0] = '\0';
}

static int publish(Archive *a) {
        int r = 0;

        if (syncfs(a->fd) < 0)
                return failed(a->to, tq_errno());
        if (renameat2(a->parent_fd, a->aside, a->parent_fd, a->name, RENAME_NOREPLACE) < 0)
                r = tq_errno();
        /* Not every file system knows of flags. What rename(2) replaces is an empty directory. */
        if (r == -EINVAL)
                r = renameat(a->parent_fd, a->aside, a->parent_fd, a->name) < 0 ? tq_errno() : 0;
        if (r < 0)
                return r == -EEXIST || r == -ENOTEMPTY ? exists(a) : failed(a->to, r);
        a->aside[0] = '\0';
        return fsync(a->parent_fd) < 0 ? failed(a->to, tq_errno()) : 0;
}

/* Where root's own links lead only. */
static int open_parent(Archive *a, char *ret_real, size_t size) {
        char copy[PATH_MAX], here[PATH_MAX] = "", path[2 * PATH_MAX];
        TQ_CLOSE int fd = -EBADF;
        const char *parent;

        (void)snprintf(copy, sizeof(copy), "%s", a->to);
        parent = dirname(copy);
        if (parent[0] != '/' && !getcwd(here, sizeof(here)))
                return failed(a->to, tq_errno());
        (void)snprintf(path, sizeof(path), "%s%s%s", here, here[0] ? "/" : "", parent);
        fd = tq_trusted_open(path, ret_real, size);
        if (fd < 0)
                return failed(path, fd);
        a->parent_fd = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return a->parent_fd < 0 ? failed(path, tq_errno()) : 0;
}

int archive_new(const char *to, const TqHostConfig *config, Archive **ret) {
        TQ_CLEANUP(archive_cleanup) Archive *a = calloc(1, sizeof(*a));
        char path[PATH_MAX], real[PATH_MAX];
        int r;

        if (!a)
                return fail(TQ_EXIT_FAILURE, "out of memory");
        a->parent_fd = a->fd = -EBADF;
        if (to[0] == '\0' || strlen(to) >= sizeof(a->to))
                return fail(TQ_EXIT_USAGE, "--archive: expected a directory that is not there");
        (void)snprintf(a->to, sizeof(a->to), "%s", to);
        (void)snprintf(a->logs, sizeof(a->logs), "%s", config->logs);
        (void)snprintf(path, sizeof(path), "%s", to);
        (void)snprintf(a->name, sizeof(a->name), "%s", basename(path));
        r = open_parent(a, real, sizeof(real));
        if (r == 0)
                r = check_place(a, real, config);
        if (r == 0)
                r = make_aside(a);
        if (r != 0)
                return r;
        remove_aside(a);
        *ret = TQ_TAKE_PTR(a);
        return 0;
}

Archive *archive_free(Archive *a) {
        if (!a)
                return NULL;
        remove_aside(a);
        (void)tq_close(a->parent_fd);
        free(a);
        return NULL;
}

/* Contents ---------------------------------------------------------------------------------------
 */

static int write_ledger(const Archive *a, const Options *o, const char *tenant) {
        TQ_CLOSE int standard = -EBADF, fd = -EBADF;
        int r;

        /* What is printed goes there meanwhile, and nothing of it elsewhere. */
        fd = openat(a->fd, "ledger.jsonl", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        (void)fflush(stdout);
        standard = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
        if (fd < 0 || standard < 0 || dup2(fd, STDOUT_FILENO) < 0)
                return failed(a->to, tq_errno());
        r = ledger_export(o, NULL, tenant);
        errno = 0;
        if (r == 0 && (fflush(stdout) != 0 || ferror(stdout)))
                r = fail(TQ_EXIT_FAILURE, "%s/ledger.jsonl: %s", a->to,
                         strerror(errno ? errno : EIO));
        __fpurge(stdout);
        clearerr(stdout);
        return dup2(standard, STDOUT_FILENO) < 0 ? failed(a->to, tq_errno()) : r;
}

/* Its own directory, and those that were put aside for former owners. Who owns the copies, and who
 * else may read them, is not what a tenant's user is about any more. */
static int copy_output(const Archive *a, const char *tenant, const sigset_t *ends) {
        char from[PATH_MAX + NAME_MAX + 2], to[NAME_MAX + 16];
        const char *const argv[] = {
                "/bin/cp", "-dR", "--preserve=timestamps", "--", from, to, NULL
        };
        size_t n = strlen(tenant);
        DIR *dir = opendir(a->logs);
        const struct dirent *e;
        int r = 0;

        if (!dir)
                return failed(a->logs, tq_errno());
        while (r == 0 && (errno = 0, e = readdir(dir))) {
                const char *rest = e->d_name + n;

                if (strncmp(e->d_name, tenant, n) != 0 ||
                    (rest[0] != '\0' && strncmp(rest, ".former-", strlen(".former-")) != 0))
                        continue;
                (void)snprintf(from, sizeof(from), "%s/%s", a->logs, e->d_name);
                (void)snprintf(to, sizeof(to), "output%s", rest);
                r = program_run(argv, a->fd, ends, a->to);
        }
        if (r == 0 && errno != 0)
                r = failed(a->logs, tq_errno());
        (void)closedir(dir);
        return r;
}

int archive_make(Archive *a, const Options *o, const char *tenant, int (*check)(void *data),
                 void *data) {
        sigset_t ends, before;
        int r;

        program_block(&ends, &before);
        r = make_aside(a);
        if (r == 0)
                r = write_ledger(a, o, tenant);
        if (r == 0)
                r = copy_output(a, tenant, &ends);
        if (r == 0 && program_is_interrupted(&ends))
                r = fail(TQ_EXIT_FAILURE, "interrupted");
        if (r == 0)
                r = check(data);
        if (r == 0)
                r = publish(a);
        if (r == 0 && program_is_interrupted(&ends))
                r = fail(TQ_EXIT_FAILURE, "interrupted: %s is whole", a->to);
        remove_aside(a);
        program_unblock(&ends, &before);
        return r;
}
