/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/wait.h>

#include "base/fs.h"
#include "core/jobspec.h"
#include "exec/exec.h"

/* BindPaths= and its kin are the tenant's words, and mounting is root's work. So a process that has
 * become the tenant, under the payload's filter, reads them and opens them, in the sandbox as it is
 * without them; root gets open descriptors, and which of four things is to be done with each.
 *
 * None of that gives the tenant more than it had. What is mounted elsewhere keeps its flags, so
 * that what could not be written can't be written there either; it is copied with all that is
 * mounted below, so that nothing that is covered comes to light; and it can only be put where the
 * tenant may write. The rest takes away. */

#define MOUNTS_MOST 1024 /* of a job, host and grants included */

typedef struct Request {
        char kind;     /* TqJobPath; 0: the end */
        int32_t error; /* why there are no descriptors; ends it */
} Request;

/* The tenant's process ------------------------------------------------------------------------ */

static int send_request(int socket_fd, const Request *q, const int *fds, size_t n) {
        union {
                struct cmsghdr head;
                char space[CMSG_SPACE(2 * sizeof(int))];
        } control = {};
        struct msghdr m = { .msg_iov = &(struct iovec){ (void *)q, sizeof(*q) }, .msg_iovlen = 1 };

        if (n > 0) {
                control.head = (struct cmsghdr){ .cmsg_len = CMSG_LEN(n * sizeof(int)),
                                                 .cmsg_level = SOL_SOCKET,
                                                 .cmsg_type = SCM_RIGHTS };
                memcpy(CMSG_DATA(&control.head), fds, n * sizeof(int));
                m.msg_control = &control;
                m.msg_controllen = CMSG_SPACE(n * sizeof(int));
        }
        return sendmsg(socket_fd, &m, MSG_NOSIGNAL) < 0 ? tq_errno() : 0;
}

/* In the job's own output, where its tenant looks. */
static void complain(const TqPlan *plan, const char *path, int error) {
        char line[4400];
        int n = snprintf(line, sizeof(line), "[tenantq: %s: %s]\n", path, strerror(-error));

        (void)tq_fs_write_all(plan->err_fd, line, TQ_MIN((size_t)n, sizeof(line) - 1));
}

static int open_one(const TqPlan *plan, const char *path, int *ret) {
        *ret = open(path, O_PATH | O_CLOEXEC);
        if (*ret >= 0)
                return 0;
        *ret = tq_errno();
        complain(plan, path, *ret);
        return *ret;
}

static int request(const TqPlan *plan, int socket_fd, char *entry) {
        Request q = { .kind = entry[0] };
        char *from = entry + 1, *to = q.kind == TQ_JOB_PATH_BIND ? strchr(from, ':') : NULL;
        int fds[2] = { -EBADF, -EBADF }, r;
        char source[4096];

        (void)snprintf(source, sizeof(source), "%.*s", to ? (int)(to - from) : (int)strlen(from),
                       from);
        r = open_one(plan, source, &fds[0]);
        if (r >= 0 && to)
                r = open_one(plan, to + 1, &fds[1]);
        q.error = r;
        r = send_request(socket_fd, &q, fds, r < 0 ? 0 : to ? 2 : 1);
        (void)tq_close(fds[0]);
        (void)tq_close(fds[1]);
        if (r < 0 || q.error < 0)
                return q.error < 0 ? q.error : r;
        if (read(socket_fd, &r, sizeof(r)) != sizeof(r))
                return -ECANCELED;
        if (r < 0)
                complain(plan, entry + 1, r);
        return r;
}

/* The tenant's words may name /proc/self/fd, where nothing of tenantq's own is to be found. */
static int close_others(int a, int b) {
        unsigned low = (unsigned)TQ_MIN(a, b), high = (unsigned)TQ_MAX(a, b);

        if (low > 0 && close_range(0, low - 1, 0) < 0)
                return tq_errno();
        if (high - low > 1 && close_range(low + 1, high - 1, 0) < 0)
                return tq_errno();
        return close_range(high + 1, ~0U, 0) < 0 ? tq_errno() : 0;
}

static _Noreturn void be_opener(const TqPlan *plan, int socket_fd) {
        TQ_FREE char **storage = NULL;
        TqPlanBody body;
        int r;

        r = leave_hurry();
        if (r >= 0)
                r = close_others(socket_fd, plan->err_fd);
        if (r >= 0)
                r = become(plan->uid, plan->gid, tq_plan_part(plan, plan->groups_offset),
                           plan->n_groups);
        if (r >= 0)
                r = install_filter(plan, plan->filter_offset, plan->n_filter, 0);
        if (r >= 0)
                r = payload_parse(plan, &storage, &body);
        for (char **p = r >= 0 ? body.paths : NULL; r >= 0 && *p; p++)
                r = request(plan, socket_fd, *p);
        (void)send_request(socket_fd, &(Request){ .error = r }, NULL, 0);
        _exit(0);
}

/* Root's -------------------------------------------------------------------------------------- */

static int receive(int socket_fd, Request *ret, int fds[2]) {
        union {
                struct cmsghdr head;
                char space[CMSG_SPACE(2 * sizeof(int))];
        } control;
        struct msghdr m = { .msg_iov = &(struct iovec){ ret, sizeof(*ret) },
                            .msg_iovlen = 1,
                            .msg_control = &control,
                            .msg_controllen = sizeof(control) };
        const struct cmsghdr *c;
        ssize_t n;

        fds[0] = fds[1] = -EBADF;
        do
                n = recvmsg(socket_fd, &m, MSG_CMSG_CLOEXEC);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return tq_errno();
        c = CMSG_FIRSTHDR(&m);
        if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
                memcpy(fds, CMSG_DATA(c), TQ_MIN(c->cmsg_len - CMSG_LEN(0), 2 * sizeof(int)));
        /* Its end is one of the process: nothing is known of what was still to come. */
        return n == sizeof(*ret) ? 0 : -ECANCELED;
}

/* With all that is mounted below: what covers something is among it. */
static int copy_of(int fd, uint64_t attributes) {
        struct mount_attr a = { .attr_set = attributes };
        TQ_CLOSE int tree = open_tree(
                fd, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | AT_RECURSIVE);

        if (tree < 0)
                return tq_errno();
        if (attributes && mount_setattr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &a, sizeof(a)) < 0)
                return tq_errno();
        return tq_take_fd(&tree);
}

static int put(int tree, int on) {
        if (tree < 0)
                return tree;
        return move_mount(tree, "", on, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0
                       ? tq_errno()
                       : 0;
}

/* Where something of the tenant's may be put. Never in /proc, though that may be written to: what
 * root reads there is not to be a tenant's. */
static int is_writable(int fd) {
        struct statvfs st;
        struct statfs fs;

        if (fstatvfs(fd, &st) < 0 || fstatfs(fd, &fs) < 0)
                return tq_errno();
        return st.f_flag & ST_RDONLY || fs.f_type == PROC_SUPER_MAGIC ? -EROFS : 0;
}

/* What is mounted over our root is on no path's way, and would be of no effect. */
static int is_below_root(int fd) {
        struct stat root, st;

        if (stat("/", &root) < 0 || fstat(fd, &st) < 0)
                return tq_errno();
        return st.st_dev == root.st_dev && st.st_ino == root.st_ino ? -EINVAL : 0;
}

/* What nobody can enter or read. */
static int make_cover(int tmp_fd, int on) {
        struct stat st;
        TQ_CLOSE int fd = -EBADF;
        const char *name;

        if (fstat(on, &st) < 0)
                return tq_errno();
        name = S_ISDIR(st.st_mode) ? "no-entry" : "no-file";
        if ((S_ISDIR(st.st_mode) ? mkdirat(tmp_fd, name, 0) : mknodat(tmp_fd, name, S_IFREG, 0)) <
                    0 &&
            errno != EEXIST)
                return tq_errno();
        fd = openat(tmp_fd, name, O_PATH | O_CLOEXEC);
        return fd < 0 ? tq_errno() : copy_of(fd, MOUNT_ATTR_RDONLY);
}

/* Once, before the first of ReadWritePaths= is put there again. Root's own paths. */
static int close_grants(const TqPlan *plan) {
        struct mount_attr a = { .attr_set = MOUNT_ATTR_RDONLY };
        const char *p = tq_plan_part(plan, plan->paths_offset), *end = p + plan->paths_size;

        for (; p < end; p += strnlen(p, (size_t)(end - p)) + 1)
                if ((*p == TQ_PATH_HOME || *p == TQ_PATH_READ_WRITE) &&
                    mount_setattr(AT_FDCWD, p + 1, AT_RECURSIVE, &a, sizeof(a)) < 0 &&
                    /* A home may be none, or no grant. */
                    !(*p == TQ_PATH_HOME && (errno == ENOENT || errno == EINVAL)))
                        return tq_errno();
        return 0;
}

static int bind_path(const int fds[2]) {
        TQ_CLOSE int tree = -EBADF;
        int to = fds[1] >= 0 ? fds[1] : fds[0], r = is_writable(to);

        if (r < 0)
                return r;
        tree = copy_of(fds[0], 0);
        return put(tree, to);
}

/* The copies of what stays writable are taken before everything else is closed. */
typedef struct Kept {
        int trees[TQ_JOB_PATHS_MAX], places[TQ_JOB_PATHS_MAX];
        size_t n;
        bool is_done;
} Kept;

static int keep(Kept *k, int fds[2]) {
        int r = k->n < TQ_JOB_PATHS_MAX ? is_writable(fds[0]) : -E2BIG;

        if (r < 0)
                return r;
        k->trees[k->n] = copy_of(fds[0], 0);
        if (k->trees[k->n] < 0)
                return k->trees[k->n];
        k->places[k->n++] = tq_take_fd(&fds[0]);
        return 0;
}

static int put_back(const TqPlan *plan, Kept *k) {
        int r = 0;

        if (k->is_done)
                return 0;
        k->is_done = true;
        if (k->n > 0)
                r = close_grants(plan);
        for (size_t i = 0; i < k->n; i++) {
                if (r >= 0)
                        r = put(k->trees[i], k->places[i]);
                (void)tq_close(k->trees[i]);
                (void)tq_close(k->places[i]);
        }
        return r;
}

/* In the order of TqJobPath: what stays writable is known before anything is covered. */
static int apply(const TqPlan *plan, int tmp_fd, Kept *k, const Request *q, int fds[2]) {
        TQ_CLOSE int tree = -EBADF;
        int r;

        if (q->error < 0)
                return q->error;
        if (q->kind == TQ_JOB_PATH_BIND && fds[0] >= 0)
                return bind_path(fds);
        if (q->kind == TQ_JOB_PATH_READ_WRITE && fds[0] >= 0 && !k->is_done)
                return keep(k, fds);
        r = put_back(plan, k);
        if (r < 0 || q->kind == '\0')
                return r;
        if (fds[0] < 0)
                return -EBADMSG;
        r = is_below_root(fds[0]);
        if (r < 0)
                return r;
        switch (q->kind) {
        case TQ_JOB_PATH_READ_ONLY:
                tree = copy_of(fds[0], MOUNT_ATTR_RDONLY);
                break;
        case TQ_JOB_PATH_INACCESSIBLE:
                tree = make_cover(tmp_fd, fds[0]);
                break;
        default:
                return -EBADMSG;
        }
        return put(tree, fds[0]);
}

/* Each copy has all that is mounted below, earlier copies too: some dozen of the right ones would
 * be millions of mounts, and the kernel's time to make them everybody's. */
static int count_mounts(int fd) {
        char buffer[16384];
        int lines = 0;
        ssize_t n;

        if (lseek(fd, 0, SEEK_SET) < 0)
                return tq_errno();
        while ((n = read(fd, buffer, sizeof(buffer))) > 0)
                for (ssize_t i = 0; i < n; i++)
                        lines += buffer[i] == '\n';
        if (n < 0)
                return tq_errno();
        return lines > MOUNTS_MOST ? -E2BIG : 0;
}

static int serve(const TqPlan *plan, int tmp_fd, int socket_fd) {
        /* Opened while nothing of the tenant's is on its way. */
        TQ_CLOSE int mounts_fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
        Kept kept = {};
        Request q;
        int r;

        if (mounts_fd < 0)
                return tq_errno();
        do {
                int fds[2];

                r = receive(socket_fd, &q, fds);
                if (r >= 0)
                        r = apply(plan, tmp_fd, &kept, &q, fds);
                if (r >= 0)
                        r = count_mounts(mounts_fd);
                (void)tq_close(fds[0]);
                (void)tq_close(fds[1]);
                (void)send(socket_fd, &r, sizeof(r), MSG_NOSIGNAL);
        } while (r >= 0 && q.kind != '\0');
        return r;
}

int paths_apply(const TqPlan *plan, int tmp_fd) {
        int sockets[2], r;
        pid_t pid;

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0)
                return tq_errno();
        pid = fork();
        if (pid == 0)
                be_opener(plan, sockets[1]);
        r = pid < 0 ? tq_errno() : 0;
        (void)close(sockets[1]);
        if (r >= 0)
                r = serve(plan, tmp_fd, sockets[0]);
        (void)close(sockets[0]); /* which ends a process that still has something to say */
        if (pid > 0)
                (void)waitpid(pid, NULL, 0);
        return r;
}
