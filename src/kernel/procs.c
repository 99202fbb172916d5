/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernel/procs.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>

#include "base/fs.h"
#include "base/map.h"

/* The kernel's list is read piece by piece: it goes on where it was (kernel/cgroup/cgroup.c,
 * cgroup_procs_next()), so the whole of it is never in memory.
 *
 * Whether a process is of this cgroup, /proc/PID/cgroup says (cgroups(7)): its line "0::PATH" must
 * end like the path of our descriptor. The pidfd comes first. If it is of somebody who had the pid
 * before, that one is dead and pidfd_send_signal(2) says ESRCH, whoever the file was read of. */

#define PIECE 4096

#define PASSES_MAX 32
#define LOOKED_MAX 64

struct TqProcs {
        int fd;
        TqMap met; /* pid → anything */
        unsigned passes;
        bool has_new; /* of this pass */
        size_t n;     /* of the piece */
        char piece[PIECE];
        char path[PATH_MAX]; /* the end of it: from the third directory above */
};

/* The last three parts of a path: our root, the tenant's slice, the job's leaf. Where the file
 * system is mounted differs from what /proc says; how it ends does not. */
static const char *end_of_path(const char *path) {
        const char *p = path + strlen(path);

        for (int parts = 0; p > path && parts < 3; parts += *p == '/')
                p--;
        return p;
}

int tq_procs_open(int cgroup_fd, TqProcs **ret) {
        TQ_FREE TqProcs *p = calloc(1, sizeof(*p));
        char link[48], path[PATH_MAX];
        ssize_t n;

        if (!p)
                return -ENOMEM;
        (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", cgroup_fd);
        n = readlink(link, path, sizeof(path) - 1);
        if (n < 0)
                return tq_errno();
        path[n] = '\0';
        (void)snprintf(p->path, sizeof(p->path), "%s", end_of_path(path));
        p->fd = openat(cgroup_fd, "cgroup.procs", O_RDONLY | O_CLOEXEC);
        if (p->fd < 0)
                return tq_errno();
        *ret = TQ_TAKE_PTR(p);
        return 0;
}

TqProcs *tq_procs_free(TqProcs *p) {
        if (p) {
                tq_map_done(&p->met);
                (void)tq_close(p->fd);
        }
        free(p);
        return NULL;
}

static bool is_ours(const TqProcs *p, pid_t pid) {
        char name[48], text[PATH_MAX + 256];
        size_t n, end = strlen(p->path);
        const char *line;

        (void)snprintf(name, sizeof(name), "/proc/%d/cgroup", (int)pid);
        if (tq_fs_read_at(AT_FDCWD, name, text, sizeof(text)) < 0)
                return false;
        line = strncmp(text, "0::", 3) == 0 ? text : strstr(text, "\n0::");
        if (!line)
                return false;
        line += *line == '\n';
        n = strcspn(line, "\n");
        return n > end && memcmp(line + n - end, p->path, end) == 0;
}

static void signal_one(TqProcs *p, pid_t pid, int sig) {
        TQ_CLOSE int pidfd = -EBADF;

        if (pid <= 0 || tq_map_get(&p->met, (uint64_t)pid))
                return;
        pidfd = pidfd_open(pid, 0);
        if (pidfd < 0 || !is_ours(p, pid))
                return;
        (void)pidfd_send_signal(pidfd, sig, NULL, 0);
        /* Out of memory it is signalled once more. */
        p->has_new |= tq_map_put(&p->met, (uint64_t)pid, p) >= 0;
}

/* From the beginning again, if that may find somebody. */
static bool next_pass(TqProcs *p) {
        if (!p->has_new || ++p->passes >= PASSES_MAX || lseek(p->fd, 0, SEEK_SET) < 0)
                return false;
        p->has_new = false;
        p->n = 0;
        return true;
}

/* Adds to the piece what there is. 1: something; 0: the end. */
static int read_more(TqProcs *p) {
        ssize_t n;

        do
                n = read(p->fd, p->piece + p->n, sizeof(p->piece) - p->n);
        while (n < 0 && errno == EINTR);
        /* The cgroup has gone: nobody is left. */
        if (n < 0)
                return errno == ENODEV ? 0 : tq_errno();
        p->n += (size_t)n;
        return n > 0;
}

int tq_procs_signal(TqProcs *p, int sig, unsigned max) {
        for (unsigned i = 0; i < max;) {
                char *line_end = memchr(p->piece, '\n', p->n);
                size_t used;
                int r;

                if (!line_end) {
                        r = read_more(p);
                        if (r < 0 || (r == 0 && !next_pass(p)))
                                return r;
                        continue;
                }
                signal_one(p, (pid_t)strtol(p->piece, NULL, 10), sig);
                used = (size_t)(line_end + 1 - p->piece);
                p->n -= used;
                memmove(p->piece, line_end + 1, p->n);
                i++;
        }
        return 1;
}

/* The beginning of a file of the kernel's, terminated, however long it is. */
static bool read_beginning(int dir_fd, const char *name, char *buf, size_t size) {
        TQ_CLOSE int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
        ssize_t n = fd < 0 ? -1 : read(fd, buf, size - 1);

        if (n >= 0)
                buf[n] = '\0';
        return n >= 0;
}

/* The name, which is the process's own choice, has no line feed there. */
static bool is_uninterruptible(long pid) {
        static const char state[] = "\nState:\t";
        char name[48], text[256];
        const char *found;

        (void)snprintf(name, sizeof(name), "/proc/%ld/status", pid);
        if (!read_beginning(AT_FDCWD, name, text, sizeof(text)))
                return false;
        found = strstr(text, state);
        return found && found[strlen(state)] == 'D';
}

pid_t tq_procs_uninterruptible(int cgroup_fd) {
        char text[PIECE], *p = text, *end;

        if (!read_beginning(cgroup_fd, "cgroup.procs", text, sizeof(text)))
                return 0;
        for (int i = 0; i < LOOKED_MAX; i++, p = end) {
                long pid = strtol(p, &end, 10);

                /* The last may be cut: what is no whole line is not looked at. */
                if (end == p || *end != '\n')
                        break;
                if (is_uninterruptible(pid))
                        return (pid_t)pid;
        }
        return 0;
}
