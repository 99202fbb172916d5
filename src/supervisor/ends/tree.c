/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "supervisor/ends/tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/format.h"
#include "base/fs.h"

/* Removing needs no recursion, so that no depth of the tree costs a descriptor or a stack: a
 * directory that is not empty is renamed to the top, whatever hangs on it, and has its turn there.
 * Each directory is made root's before it is read: who still holds it open can add nothing.
 *
 * No link is followed, as nothing is opened but directories, without links and without mounts
 * (tq_fs_open_within()); a mount, or what is immutable, is left and told. */

#define DEPTH_COUNTED 16
#define COUNTED_MOST  1000000
#define DEPTH_GIVEN   4096 /* a descriptor each */
#define GIVEN_MOST    100000000
#define PASSES_MOST   4096 /* a level each; the rest has its turn when it is tried again */

static bool is_entry(const char *name) {
        return strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

static DIR *open_to_read(int fd) {
        int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
        DIR *dir = copy < 0 ? NULL : fdopendir(copy);

        if (!dir && copy >= 0)
                (void)close(copy);
        return dir;
}

/* Looking through it ---------------------------------------------------------------------------
 */

typedef struct Gift {
        uid_t from, to; /* TO_NOBODY: it is only looked at */
        gid_t gid;
        TreeIsOurs is_ours; /* what is left out; NULL: nothing */
} Gift;

#define TO_NOBODY ((uid_t)-1)

/* By its descriptor: it is what was looked at. A second name of a file may be anybody's. Whom its
 * access list admitted besides, it admits no more: that may be the former user by name. */
static int give(int fd, const struct stat *st, const Gift *g) {
        char path[32];

        if (g->to == TO_NOBODY || st->st_uid != g->from ||
            !(S_ISDIR(st->st_mode) || S_ISREG(st->st_mode)) ||
            (S_ISREG(st->st_mode) && st->st_nlink != 1))
                return 0;
        (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        (void)removexattr(path, "system.posix_acl_access");
        (void)removexattr(path, "system.posix_acl_default");
        return fchownat(fd, "", g->to, g->gid, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) < 0 ? tq_errno()
                                                                                        : 0;
}

static void walk(int *dir_fd, unsigned depth, const Gift *g, TreeFound *f);

/* 1: a directory; 0; or why it could not be looked at. */
static int look_at(int dir_fd, const char *name, const Gift *g, TreeFound *f) {
        TQ_CLOSE int fd = tq_fs_open_within(dir_fd, name, O_PATH);
        struct stat st;
        int r;

        if (fd < 0)
                return fd;
        if (fstat(fd, &st) < 0)
                return tq_errno();
        f->files++;
        f->bytes += S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
        r = give(fd, &st, g);
        return r < 0 ? r : S_ISDIR(st.st_mode);
}

static int visit(int dir_fd, const char *name, unsigned depth, const Gift *g, TreeFound *f) {
        TQ_CLOSE int inside = -EBADF;
        int r = look_at(dir_fd, name, g, f);

        if (r <= 0)
                return r;
        if (depth >= (g->to == TO_NOBODY ? DEPTH_COUNTED : DEPTH_GIVEN)) {
                f->is_cut = true;
                return 0;
        }
        inside = tq_fs_open_within(dir_fd, name, O_RDONLY | O_DIRECTORY);
        if (inside < 0)
                return inside;
        walk(&inside, depth + 1, g, f);
        return 0;
}

/* Takes the descriptor. */
static void walk(int *dir_fd, unsigned depth, const Gift *g, TreeFound *f) {
        TQ_CLOSEDIR DIR *dir = fdopendir(*dir_fd);
        const struct dirent *e;
        int r;

        if (!dir) {
                f->left++;
                return;
        }
        *dir_fd = -EBADF;
        while ((r = tq_fs_readdir(dir, &e)) > 0) {
                if (!is_entry(e->d_name) || (g->is_ours && g->is_ours(e->d_name)))
                        continue;
                if (f->files >= (g->to == TO_NOBODY ? COUNTED_MOST : GIVEN_MOST)) {
                        f->is_cut = true;
                        return;
                }
                r = visit(dirfd(dir), e->d_name, depth, g, f);
                f->left += r < 0 && r != -ENOENT;
                /* What is broken stays so. */
                if (r != -EIO && tq_errno_is_shortage(r))
                        f->error = r;
        }
        f->left += r < 0; /* at least one that was not seen */
}

static int look_through(int parent_fd, const char *name, const Gift *g, TreeFound *f) {
        TQ_CLOSE int fd = tq_fs_open_within(parent_fd, name, O_RDONLY | O_DIRECTORY);

        if (fd < 0)
                return fd == -ENOENT ? 0 : fd;
        walk(&fd, 1, g, f);
        return 0;
}

int tree_count(int parent_fd, const char *name, TreeIsOurs is_ours, TreeFound *f) {
        return look_through(parent_fd, name, &(Gift){ .to = TO_NOBODY, .is_ours = is_ours }, f);
}

int tree_give(int parent_fd, const char *name, uid_t from, uid_t to, gid_t gid, TreeFound *f) {
        return look_through(parent_fd, name, &(Gift){ from, to, gid, NULL }, f);
}

/* Removing --------------------------------------------------------------------------------------
 */

static void leave(TreeFound *f, int error, const char *where, const char *trash, const char *dir,
                  const char *name) {
        char path[1024], shown[256];
        const char *hint = error == -EXDEV || error == -EBUSY
                                   ? " (something is mounted there: umount)"
                           : error == -EPERM ? " (immutable? chattr -i)"
                                             : "";

        if (f->left++ > 0)
                return;
        (void)snprintf(path, sizeof(path), "%s%s%s%s%s/%s", where, trash[0] ? "/" : "", trash,
                       dir[0] ? "/" : "", dir, name);
        (void)snprintf(f->why, sizeof(f->why), "%s: %s%s",
                       tq_format_escape(path, shown, sizeof(shown)), strerror(-error), hint);
}

/* To a name that nothing there has. */
static int move_to(int from_fd, const char *name, int to_fd) {
        static uint64_t number;
        char to[32];

        for (int i = 0; i < 1000; i++) {
                number = number > 0 ? number + 1 : tq_clock_boottime_usec();
                (void)snprintf(to, sizeof(to), "%llu", (unsigned long long)number);
                if (renameat2(from_fd, name, to_fd, to, RENAME_NOREPLACE) >= 0)
                        return 0;
                if (errno != EEXIST)
                        return tq_errno();
        }
        return -EEXIST;
}

void tree_take(int parent_fd, const char *where, const char *name, const char *trash,
               TreeFound *f) {
        TQ_CLOSE int fd = -EBADF;
        struct stat st;
        int r = 0;

        if (fstatat(parent_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT)
                return;
        fd = tq_fs_mkdir_open(parent_fd, trash, 0700);
        r = fd < 0 ? fd : move_to(parent_fd, name, fd);
        if (r < 0)
                leave(f, r, where, "", "", name);
}

/* Only where nobody but root could make one. What has another name is somebody's. */
static void make_empty(int dir_fd, const char *name) {
        TQ_CLOSE int fd = openat(dir_fd, name, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        struct stat st;

        if (fd >= 0 && fstat(fd, &st) >= 0 && S_ISREG(st.st_mode) && st.st_nlink == 1)
                (void)!ftruncate(fd, 0);
}

/* A file, an empty directory, or what is a directory and moves to the top. */
static int remove_entry(int dir_fd, const char *name, int top_fd, bool empties, bool *ret_moved) {
        if (empties)
                make_empty(dir_fd, name);
        if (unlinkat(dir_fd, name, 0) >= 0 || errno == ENOENT)
                return 0;
        if (errno != EISDIR)
                return tq_errno();
        if (unlinkat(dir_fd, name, AT_REMOVEDIR) >= 0 || errno == ENOENT)
                return 0;
        if (errno != ENOTEMPTY && errno != EEXIST)
                return tq_errno();
        *ret_moved = true;
        return move_to(dir_fd, name, top_fd);
}

static int empty_dir(int top_fd, const char *where, const char *trash, const char *dir_name,
                     TreeFound *f) {
        TQ_CLOSE int fd = tq_fs_open_within(top_fd, dir_name, O_RDONLY | O_DIRECTORY);
        TQ_CLOSEDIR DIR *dir = NULL;
        const struct dirent *e;
        int more;

        if (fd < 0)
                return fd;
        if ((fchown(fd, 0, 0) < 0 || fchmod(fd, 0700) < 0) && errno != EPERM)
                return tq_errno();
        dir = open_to_read(fd);
        if (!dir)
                return -EMFILE;
        while ((more = tq_fs_readdir(dir, &e)) > 0) {
                bool was_moved = false;
                int r;

                if (!is_entry(e->d_name))
                        continue;
                r = remove_entry(fd, e->d_name, top_fd, f->empties, &was_moved);
                if (r < 0)
                        leave(f, r, where, trash, dir_name, e->d_name);
                else
                        f->files += !was_moved;
        }
        return more;
}

/* What is left in a directory was told already. */
static void remove_top(int top_fd, const char *where, const char *trash, const char *name,
                       TreeFound *f) {
        int r = unlinkat(top_fd, name, 0) < 0 ? tq_errno() : 0;
        uint64_t left = f->left;
        bool is_told = false;

        if (r == -ENOENT)
                return;
        if (r == -EISDIR) {
                r = empty_dir(top_fd, where, trash, name, f);
                is_told = f->left > left;
                if (r >= 0 && !is_told && unlinkat(top_fd, name, AT_REMOVEDIR) < 0)
                        r = tq_errno();
        }
        if (r < 0)
                leave(f, r, where, trash, "", name);
        else
                f->files += !is_told;
}

/* One pass over what is at the top now. */
static size_t pass(int top_fd, const char *where, const char *trash, TreeFound *f) {
        TQ_CLOSEDIR DIR *dir = open_to_read(top_fd);
        const struct dirent *e;
        size_t n = 0;

        if (dir)
                rewinddir(dir);
        while (dir && (e = readdir(dir)))
                if (is_entry(e->d_name)) {
                        remove_top(top_fd, where, trash, e->d_name, f);
                        n++;
                }
        return n;
}

/* Whoever holds one of its directories open can make others in it, faster than they go. */
static void leave_growing(TreeFound *f) {
        if (f->left++ == 0)
                (void)snprintf(f->why, sizeof(f->why),
                               "somebody makes directories in it while they are removed: end the "
                               "processes of its user");
}

void tree_empty(int parent_fd, const char *where, const char *trash, TreeFound *f) {
        TQ_CLOSE int fd = tq_fs_open_dir(parent_fd, trash);
        uint64_t before = f->left;
        unsigned passes = 0;

        if (fd == -ENOENT)
                return;
        if (fd < 0) {
                leave(f, fd, where, "", "", trash);
                return;
        }
        /* What is moved to the top makes another pass; what can't be removed ends it. */
        while (f->left == before && pass(fd, where, trash, f) > 0)
                if (++passes >= PASSES_MOST) {
                        leave_growing(f);
                        return;
                }
        /* The others are gone at least, however deep. */
        for (uint64_t files = UINT64_MAX; f->left > before && files != f->files;) {
                files = f->files;
                f->left = before;
                f->why[0] = before > 0 ? f->why[0] : '\0';
                (void)pass(fd, where, trash, f);
        }
        if (f->left == before && unlinkat(parent_fd, trash, AT_REMOVEDIR) < 0)
                leave(f, tq_errno(), where, "", "", trash);
}
