/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

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

#define ENTRIES_MAX 256
#define NODES       6

/* Which path is on top: what is mounted later, and so is sorted later. */
typedef struct Entry {
        TqPathKind kind;
        char real[PATH_MAX];
        int tree; /* a copy of what is granted, -EBADF: nothing */
        bool is_directory;
        bool is_covered; /* hidden, by a mount of its own */
} Entry;

typedef struct Template {
        const TqPlan *plan;
        Entry *entries;
        size_t n;
        int nodes[NODES]; /* the host's, if they could be had */
        char covers[48];  /* where the empty directories are while it is being built */
} Template;

/* Not mounts of files: each namespace has its own, or none. */
static const char *const pseudo[] = { "/proc", "/sys", "/dev", "/tmp", "/var/tmp" };

static int set_attributes(int fd, const char *path, unsigned flags, uint64_t set) {
        struct mount_attr a = { .attr_set = set };

        return mount_setattr(fd, path, flags, &a, sizeof(a)) < 0 ? tq_errno() : 0;
}

static bool is_read_only(TqPathKind kind) {
        return kind == TQ_PATH_READ_ONLY || kind == TQ_PATH_OPTIONAL;
}

static bool may_be_missing(TqPathKind kind) {
        return kind == TQ_PATH_HIDDEN || kind == TQ_PATH_HOME || kind == TQ_PATH_OPTIONAL;
}

/* Root's paths, which no tenant can lead elsewhere (tq_trusted_open). What is not there is not
 * hidden; a home that is not the tenant's own is not granted. */
static int resolve(Template *t, TqPathKind kind, const char *path) {
        TQ_CLOSE int fd = -EBADF;
        Entry *e = &t->entries[t->n];
        struct stat st;

        *e = (Entry){ .kind = kind, .tree = -EBADF };
        fd = tq_trusted_open(path, e->real, sizeof(e->real));
        if (fd < 0)
                return fd == -ENOENT && may_be_missing(kind) ? 0 : fd;
        if (fstat(fd, &st) < 0)
                return tq_errno();
        if (strcmp(e->real, "/") == 0)
                return kind == TQ_PATH_HOME ? 0 : -EINVAL;
        if (kind == TQ_PATH_HOME && (st.st_uid != t->plan->uid || !S_ISDIR(st.st_mode)))
                return 0;
        e->is_directory = S_ISDIR(st.st_mode);
        if (kind == TQ_PATH_HIDDEN) {
                t->n += e->is_directory;
                return 0;
        }
        e->tree = open_tree(fd, "",
                            OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | AT_RECURSIVE);
        if (e->tree < 0)
                return tq_errno();
        t->n++;
        return set_attributes(
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
                if (n < 3 || n > (size_t)(end - p) || t->n >= ENTRIES_MAX)
                        return -EBADMSG;
                r = resolve(t, (TqPathKind)p[0], p + 1);
        }
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

/* The pseudo devices of Documentation/admin-guide/devices.txt that read, write or discard. */
static const struct {
        const char *name;
        unsigned major_number, minor_number;
} nodes[] = { { "null", 1, 3 },   { "zero", 1, 5 },    { "full", 1, 7 },
              { "random", 1, 8 }, { "urandom", 1, 9 }, { "tty", 5, 0 } };
_Static_assert(TQ_ELEMENTSOF(nodes) == NODES, "a Template has room for the host's");

/* Before they are out of sight: who may not make nodes borrows the host's. */
static void find_nodes(Template *t) {
        char path[32];

        for (size_t i = 0; i < NODES; i++) {
                (void)snprintf(path, sizeof(path), "/dev/%s", nodes[i].name);
                t->nodes[i] = open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
        }
}

static int make_node(const Template *t, const char *dir, size_t i) {
        char path[96];

        (void)snprintf(path, sizeof(path), "%s/%s", dir, nodes[i].name);
        if (mknod(path, S_IFCHR | 0666, makedev(nodes[i].major_number, nodes[i].minor_number)) >= 0)
                return 0;
        if (errno != EPERM || t->nodes[i] < 0 || mknod(path, S_IFREG | 0666, 0) < 0 ||
            move_mount(t->nodes[i], "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH) < 0)
                return tq_errno();
        /* Its mode and times are the host's. */
        return set_attributes(AT_FDCWD, path, 0,
                              MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
}

static int make_link(const char *dir, const char *name, const char *target) {
        char path[80];

        (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
        return symlink(target, path) < 0 ? tq_errno() : 0;
}

static int make_dev(const Template *t) {
        static const char *const dirs[] = { "", "/pts", "/shm" };
        char dev[64], path[96];
        int r = 0;

        (void)snprintf(dev, sizeof(dev), "%s/dev", t->covers);
        for (size_t i = 0; i < TQ_ELEMENTSOF(dirs); i++) {
                (void)snprintf(path, sizeof(path), "%s%s", dev, dirs[i]);
                if (mkdir(path, 0755) < 0)
                        return tq_errno();
        }
        for (size_t i = 0; i < TQ_ELEMENTSOF(nodes) && r >= 0; i++)
                r = make_node(t, dev, i);
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

/* Where a granted path has to appear may be missing in what hides its surroundings. */
static int make_mount_point(const char *path, bool is_directory) {
        char part[PATH_MAX];

        for (size_t i = 1; path[i]; i++) {
                if (path[i] != '/')
                        continue;
                memcpy(part, path, i);
                part[i] = '\0';
                if (mkdir(part, 0755) < 0 && errno != EEXIST && errno != EROFS)
                        return tq_errno();
        }
        if (is_directory)
                return mkdir(path, 0755) < 0 && errno != EEXIST && errno != EROFS ? tq_errno() : 0;
        return mknod(path, S_IFREG | 0444, 0) < 0 && errno != EEXIST && errno != EROFS ? tq_errno()
                                                                                       : 0;
}

/* Once, and what lies in a directory that is hidden already is not there any more. */
static int hide(const Template *t, Entry *e, size_t i) {
        char cover[80];

        if (i > 0 && t->entries[i - 1].is_covered && strcmp(e->real, t->entries[i - 1].real) == 0)
                return 0;
        (void)snprintf(cover, sizeof(cover), "%s/%zu", t->covers, i);
        if (mkdir(cover, 0755) < 0)
                return tq_errno();
        e->is_covered = mount(cover, e->real, NULL, MS_BIND, NULL) >= 0;
        return e->is_covered || errno == ENOENT ? 0 : tq_errno();
}

static int put(const Template *t, Entry *e, size_t i) {
        int r;

        if (e->kind == TQ_PATH_HIDDEN)
                return hide(t, e, i);
        r = make_mount_point(e->real, e->is_directory);
        if (r >= 0 && move_mount(e->tree, "", AT_FDCWD, e->real, MOVE_MOUNT_F_EMPTY_PATH) < 0)
                r = tq_errno();
        return r;
}

/* When all mount points have been made. */
static int seal_covers(const Template *t) {
        int r = set_attributes(AT_FDCWD, "/dev", 0,
                               MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);

        for (size_t i = 0; i < t->n && r >= 0; i++)
                if (t->entries[i].is_covered &&
                    (i + 1 >= t->n || strcmp(t->entries[i + 1].real, t->entries[i].real) != 0))
                        r = set_attributes(AT_FDCWD, t->entries[i].real, 0,
                                           MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID |
                                                   MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
        return r;
}

/* The covers lie in a file system that is only mounted, on /proc, while the template is built. */
static int build(Template *t, FILE *mountinfo) {
        int r;

        find_nodes(t);
        r = resolve_all(t);
        if (r >= 0)
                r = take_off(t, mountinfo);
        if (r >= 0)
                r = set_attributes(AT_FDCWD, "/", AT_RECURSIVE,
                                   MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
        if (r < 0)
                return r;
        (void)snprintf(t->covers, sizeof(t->covers), "/proc");
        if (mount("tmpfs", t->covers, "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=0755,size=1m") < 0 ||
            mount("sysfs", "/sys", "sysfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
                return tq_errno();
        r = make_dev(t);
        for (size_t i = 0; i < t->n && r >= 0; i++)
                r = put(t, &t->entries[i], i);
        if (r >= 0)
                r = seal_covers(t);
        if (r < 0)
                return r;
        return umount2(t->covers, MNT_DETACH) < 0 ? tq_errno() : 0;
}

int template_build(const TqPlan *plan) {
        TQ_FREE Entry *entries = calloc(ENTRIES_MAX, sizeof(*entries));
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
        for (size_t i = 0; i < NODES; i++)
                (void)tq_close(t.nodes[i]);
        return r;
}
