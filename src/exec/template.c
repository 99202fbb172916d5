/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/trusted.h"
#include "exec/exec.h"

/* What all jobs of a tenant see, as a mount namespace that each of them copies: the host's file
 * systems, read-only, but for what root has granted; a /dev of pseudo devices and a /sys of the
 * tenant's own network; and in place of what is not theirs, empty directories.
 *
 * Built by the tenant's first job before anything of the tenant's runs, from paths of root's
 * configuration (the plan's entries). Mounts of the host that come later do not appear in it: they
 * would come with the rights that they have there. The supervisor throws a template away when the
 * host's mounts or the entries change. */

static unsigned failed_path; /* from 1: the one that is being seen to */

/* Which path is on top: what is mounted later, and so is sorted later. */
typedef struct Entry {
        TqPathKind kind;
        char real[PATH_MAX];
        unsigned number; /* in the plan, from 1 */
        int tree;        /* a copy of what is granted, or its cover; -EBADF: nothing */
        bool is_directory;
        bool is_covered; /* hidden, by a mount of its own */
} Entry;

typedef struct Template {
        const TqPlan *plan;
        Entry *entries;
        size_t n;
        int nodes[DEV_NODES]; /* of dev_find() */
        char covers[48];      /* where the empty directories are while it is being built */
} Template;

/* Not mounts of files: each namespace has its own, or none. */
static const char *const pseudo[] = { "/proc", "/sys", "/dev", "/tmp", "/var/tmp" };

static bool is_read_only(TqPathKind kind) {
        return kind == TQ_PATH_READ_ONLY || kind == TQ_PATH_OPTIONAL || kind == TQ_PATH_RESOLV;
}

static bool may_be_missing(TqPathKind kind) {
        return kind == TQ_PATH_HIDDEN || kind == TQ_PATH_HOME || kind == TQ_PATH_OPTIONAL ||
               kind == TQ_PATH_RESOLV;
}

const char *template_place(TqPathKind kind, const char *path) {
        return kind == TQ_PATH_RESOLV ? "/etc/resolv.conf" : path;
}

/* What is granted may come from elsewhere. */
static int open_source(TqPathKind kind, const char *path, int place_fd) {
        char ignored[PATH_MAX];

        if (kind == TQ_PATH_RESOLV)
                return tq_trusted_open(path, ignored, sizeof(ignored));
        return fcntl(place_fd, F_DUPFD_CLOEXEC, 3);
}

/* Root's paths, which no tenant can lead elsewhere (tq_trusted_open). What is not there is not
 * hidden; a home that is not the tenant's own is not granted. */
static int resolve(Template *t, TqPathKind kind, const char *path) {
        TQ_CLOSE int fd = -EBADF, source = -EBADF;
        Entry *e = &t->entries[t->n];
        struct statx st = {};
        int r;

        *e = (Entry){ .kind = kind, .number = failed_path, .tree = -EBADF };
        fd = tq_trusted_open(template_place(kind, path), e->real, sizeof(e->real));
        /* Somebody who owns a directory on the way has put something else there. What is to be
         * hidden is where he has it now: all of that directory. */
        if (kind == TQ_PATH_HIDDEN && fd < 0 && fd != -ENOENT && fd != -ENOTDIR &&
            !tq_errno_is_shortage(fd) && e->real[0]) {
                char reached[PATH_MAX];

                (void)snprintf(reached, sizeof(reached), "%s", e->real);
                fd = tq_trusted_open(reached, e->real, sizeof(e->real));
        }
        if (fd < 0)
                return (fd == -ENOENT || fd == -ENOTDIR) && may_be_missing(kind) ? 0 : fd;
        r = tq_trusted_stat(fd, &st);
        if (r < 0)
                return r;
        if (strcmp(e->real, "/") == 0)
                return kind == TQ_PATH_HOME ? 0 : -EINVAL;
        if (kind == TQ_PATH_HOME && (st.stx_uid != t->plan->uid || !S_ISDIR(st.stx_mode)))
                return 0;
        e->is_directory = S_ISDIR(st.stx_mode);
        if (kind == TQ_PATH_HIDDEN) {
                t->n += e->is_directory;
                return 0;
        }
        source = open_source(kind, path, fd);
        if (source < 0)
                return source;
        e->tree = open_tree(source, "",
                            OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | AT_RECURSIVE);
        if (e->tree < 0)
                return tq_errno();
        t->n++;
        return mount_attributes(
                e->tree, "", AT_EMPTY_PATH | AT_RECURSIVE,
                MOUNT_ATTR_NOSUID |
                        (kind == TQ_PATH_DEVICE ? MOUNT_ATTR_NOEXEC : MOUNT_ATTR_NODEV) |
                        (is_read_only(kind) ? MOUNT_ATTR_RDONLY : 0));
}

/* "/a" before "/a/b"; of the same path what is hidden before what is granted there. */
static int compare(const void *a, const void *b) {
        const Entry *x = a, *y = b;
        int r = strcmp(x->real, y->real);

        return r != 0 ? r : (int)(x->kind != TQ_PATH_HIDDEN) - (int)(y->kind != TQ_PATH_HIDDEN);
}

static int resolve_all(Template *t) {
        const char *p = tq_plan_part(t->plan, t->plan->paths_offset);
        const char *end = p + t->plan->paths_size;
        int r = 0;

        for (size_t n; r >= 0 && p < end; p += n) {
                n = strnlen(p, (size_t)(end - p)) + 1;
                if (n < 3 || n > (size_t)(end - p) || t->n >= TQ_PLAN_PATHS_MAX)
                        return -EBADMSG;
                failed_path++;
                r = resolve(t, (TqPathKind)p[0], p + 1);
        }
        if (r >= 0)
                failed_path = 0;
        qsort(t->entries, t->n, sizeof(*t->entries), compare);
        return r;
}

static bool is_below(const char *path, const char *dir) {
        size_t n = strlen(dir);

        return strncmp(path, dir, n) == 0 && (path[n] == '\0' || path[n] == '/');
}

static bool is_needless(const Template *t, const char *mount_point) {
        for (size_t i = 0; i < TQ_ELEMENTSOF(pseudo); i++)
                if (is_below(mount_point, pseudo[i]))
                        return true;
        for (size_t i = 0; i < t->n; i++)
                if (t->entries[i].kind == TQ_PATH_HIDDEN &&
                    is_below(mount_point, t->entries[i].real))
                        return true;
        return false;
}

/* A mount point of mountinfo, where blanks and the like are \\NNN (proc(5)). */
static void unescape(char *s) {
        char *to = s;

        for (; *s; s++) {
                if (s[0] == '\\' && s[1] && s[2] && s[3]) {
                        *to++ = (char)((s[1] - '0') * 64 + (s[2] - '0') * 8 + (s[3] - '0'));
                        s += 3;
                } else
                        *to++ = *s;
        }
        *to = '\0';
}

static char *mount_point(char *line) {
        char *field = line;

        for (int i = 0; i < 4 && field; i++)
                field = strchr(field, ' ') ? strchr(field, ' ') + 1 : NULL;
        if (!field)
                return NULL;
        field[strcspn(field, " ")] = '\0';
        unescape(field);
        return field;
}

/* What would be covered is taken off: each job copies all the mounts that there are. Those below
 * go with it; one that is still there is covered all the same. */
static int take_off(const Template *t, FILE *mountinfo) {
        TQ_FREE char *line = NULL;
        size_t size = 0;

        while (getline(&line, &size, mountinfo) > 0) {
                const char *path = mount_point(line);

                if (!path)
                        return -EBADMSG;
                if (is_needless(t, path))
                        (void)umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW);
        }
        return ferror(mountinfo) ? -EIO : 0;
}

/* Of the file system of the covers: there only is anything made. */
static bool is_ours(const Template *t, int fd) {
        struct stat a, b;

        return fstat(fd, &a) >= 0 && stat(t->covers, &b) >= 0 && a.st_dev == b.st_dev;
}

/* One step of a path that had no links when it was resolved, and has none now. What is missing in
 * what hides its surroundings is made. */
static int step(const Template *t, const Entry *e, int dir_fd, const char *name, bool is_last) {
        TQ_CLOSE int fd = openat(dir_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        bool is_file = is_last && !e->is_directory;
        struct statx st = {};
        int r;

        if (fd < 0 && errno == ENOENT && e->kind != TQ_PATH_HIDDEN && is_ours(t, dir_fd)) {
                if ((is_file ? mknodat(dir_fd, name, S_IFREG | 0444, 0)
                             : mkdirat(dir_fd, name, 0755)) < 0)
                        return tq_errno();
                fd = openat(dir_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        }
        r = fd < 0 ? tq_errno() : tq_trusted_stat(fd, &st);
        if (r < 0)
                return r;
        return S_ISLNK(st.stx_mode) ? -ELOOP : tq_take_fd(&fd);
}

/* Where an entry is to be mounted. By descriptors, from the root: a directory on the way that is a
 * tenant's may be another one by now, but leads nowhere else. */
static int open_place(const Template *t, const Entry *e) {
        TQ_CLOSE int fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
        const char *p = e->real;

        while (fd >= 0 && *p == '/') {
                char name[NAME_MAX + 1];
                size_t n = strcspn(++p, "/");
                int next;

                if (n > NAME_MAX)
                        return -ENAMETOOLONG;
                memcpy(name, p, n);
                name[n] = '\0';
                p += n;
                next = step(t, e, fd, name, *p == '\0');
                if (next < 0)
                        return next;
                (void)tq_close(fd);
                fd = next;
        }
        return fd < 0 ? tq_errno() : tq_take_fd(&fd);
}

/* An empty directory, in place of a copy of what is there. */
static int make_cover(const Template *t, Entry *e, size_t i) {
        char cover[80];

        (void)snprintf(cover, sizeof(cover), "%s/%zu", t->covers, i);
        if (mkdir(cover, 0755) < 0)
                return tq_errno();
        e->tree = open_tree(AT_FDCWD, cover, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
        return e->tree < 0 ? tq_errno() : 0;
}

static bool is_covered_already(const Template *t, size_t i) {
        return i > 0 && t->entries[i - 1].is_covered &&
               strcmp(t->entries[i].real, t->entries[i - 1].real) == 0;
}

/* What lies in a directory that is hidden already is not there any more. */
static int put(const Template *t, size_t i) {
        Entry *e = &t->entries[i];
        TQ_CLOSE int place = -EBADF;
        int r;

        failed_path = e->number;
        if (e->kind == TQ_PATH_HIDDEN && is_covered_already(t, i))
                return 0;
        place = open_place(t, e);
        if (place < 0)
                return e->kind == TQ_PATH_HIDDEN && place == -ENOENT ? 0 : place;
        r = e->kind == TQ_PATH_HIDDEN ? make_cover(t, e, i) : 0;
        if (r < 0)
                return r;
        e->is_covered = e->kind == TQ_PATH_HIDDEN;
        return move_mount(e->tree, "", place, "",
                          MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0
                       ? tq_errno()
                       : 0;
}

/* When all mount points have been made. */
static int seal_covers(const Template *t) {
        int r = mount_attributes(AT_FDCWD, "/dev", 0,
                                 MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);

        for (size_t i = 0; i < t->n && r >= 0; i++)
                if (t->entries[i].is_covered)
                        r = mount_attributes(t->entries[i].tree, "", AT_EMPTY_PATH,
                                             MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID |
                                                     MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
        return r;
}

/* The covers lie in a file system that is only mounted, on /proc, while the template is built. */
static int build(Template *t, FILE *mountinfo) {
        int r;

        dev_find(t->nodes);
        r = resolve_all(t);
        if (r >= 0)
                r = take_off(t, mountinfo);
        if (r >= 0)
                r = mount_attributes(AT_FDCWD, "/", AT_RECURSIVE,
                                     MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
        if (r < 0)
                return r;
        (void)snprintf(t->covers, sizeof(t->covers), "/proc");
        if (mount("tmpfs", t->covers, "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=0755,size=1m") < 0 ||
            mount("sysfs", "/sys", "sysfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
                return tq_errno();
        r = dev_make(t->covers, t->nodes);
        for (size_t i = 0; i < t->n && r >= 0; i++)
                r = put(t, i);
        if (r >= 0) {
                failed_path = 0;
                r = seal_covers(t);
        }
        if (r < 0)
                return r;
        return umount2(t->covers, MNT_DETACH) < 0 ? tq_errno() : 0;
}

unsigned template_failed_path(void) {
        return failed_path;
}

int template_build(const TqPlan *plan) {
        TQ_FREE Entry *entries = calloc(TQ_PLAN_PATHS_MAX, sizeof(*entries));
        Template t = { .plan = plan, .entries = entries };
        FILE *mountinfo;
        int r;

        if (!entries)
                return -ENOMEM;
        /* Private before anything is mounted: none of it reaches the host. */
        if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
                return tq_errno();
        mountinfo = fopen("/proc/self/mountinfo", "re");
        if (!mountinfo)
                return tq_errno();
        (void)umask(0);
        r = build(&t, mountinfo);
        (void)umask(022);
        (void)fclose(mountinfo);
        for (size_t i = 0; i < t.n; i++)
                (void)tq_close(entries[i].tree);
        for (size_t i = 0; i < DEV_NODES; i++)
                (void)tq_close(t.nodes[i]);
        return r;
}
