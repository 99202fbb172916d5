/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "supervisor/ends/sweep.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/fs.h"
#include "core/ids.h"
#include "store/joblog.h"
#include "supervisor/tenants/logs.h"

/* Unlinking one large file may take a second, and a tree has any number: so neither is done on the
 * loop. The child holds the two directories and a pipe, nothing else of ours (a barrier that it
 * held open would keep a job waiting), and is the last to be given the processor and the disk. */

enum { FD_SPOOL = 3, FD_LOGS, FD_PIPE, FD_END };

struct Sweep {
        int pidfd, pipe_fd;
        bool is_over; /* the child was reaped */
        SweepDone done;
        void *data;
        sd_event_source *source;
};

/* The child --------------------------------------------------------------------------------------
 */

static bool is_log_dir(const char *entry, const char *name) {
        size_t n = strlen(name);

        return strncmp(entry, name, n) == 0 &&
               (entry[n] == '\0' || strncmp(entry + n, ".former-", strlen(".former-")) == 0);
}

/* errno says why. */
static void leave(TreeFound *f, const char *path) {
        if (f->left++ == 0)
                (void)snprintf(f->why, sizeof(f->why), "%.256s: %s", path, strerror(errno));
}

/* Beside the output. */
static bool is_no_output(const char *name) {
        return strcmp(name, LOGS_OWNER) == 0 || tq_joblog_is_spare(name);
}

static void take_output(const SweepOrder *o, const char *name, const char *trash, TreeFound *f) {
        TQ_CLOSE int fd = tq_fs_open_dir(FD_LOGS, name);

        /* They are not kept with it. */
        if (fd >= 0)
                tq_joblog_remove_spares(fd);
        tree_take(FD_LOGS, o->logs, name, trash, f);
}

static void each_log_dir(const SweepOrder *o, const char *trash, TreeFound *f) {
        TQ_CLOSEDIR DIR *dir = NULL;
        const struct dirent *e;

        if (tq_fs_opendir(FD_LOGS, ".", &dir) < 0) {
                leave(f, o->logs);
                return;
        }
        while ((e = readdir(dir)))
                if (is_log_dir(e->d_name, o->name)) {
                        if (o->kind == SWEEP_REMOVE)
                                take_output(o, e->d_name, trash, f);
                        else
                                (void)tree_count(FD_LOGS, e->d_name, is_no_output, f);
                }
}

/* What the former one's jobs wrote, as if the new one's had. */
static void give_output(const SweepOrder *o, TreeFound *f) {
        TQ_CLOSE int fd = tq_fs_open_dir(FD_LOGS, o->name);
        int r = fd < 0 ? fd : tq_joblog_give(fd, o->to);

        if (r < 0 && r != -ENOENT)
                f->left++;
        if (r != -EIO && tq_errno_is_shortage(r))
                f->error = r;
}

static void sync_dir(int fd, const char *path, TreeFound *f) {
        if (fsync(fd) < 0)
                leave(f, path);
}

static void sweep(const SweepOrder *o, SweepFound *f) {
        char trash[TQ_TENANT_NAME_MAX + 16];
        int r;

        (void)snprintf(trash, sizeof(trash), ".removed-%s", o->name);
        switch (o->kind) {
        case SWEEP_COUNT:
                (void)tree_count(FD_SPOOL, o->name, NULL, &f->spool);
                each_log_dir(o, trash, &f->logs);
                break;
        case SWEEP_REMOVE:
                tree_take(FD_SPOOL, o->spool, o->name, trash, &f->spool);
                tree_empty(FD_SPOOL, o->spool, trash, &f->spool);
                f->logs.empties = true;
                each_log_dir(o, trash, &f->logs);
                tree_empty(FD_LOGS, o->logs, trash, &f->logs);
                /* A power cut brings nothing back of what the ledger does not know any more. */
                sync_dir(FD_SPOOL, o->spool, &f->spool);
                sync_dir(FD_LOGS, o->logs, &f->logs);
                break;
        case SWEEP_GIVE:
                r = tree_give(FD_SPOOL, o->name, o->from, o->to, o->gid, &f->spool);
                if (r < 0)
                        f->spool.error = r;
                give_output(o, &f->logs);
                break;
        }
}

/* Its descriptors at their places, whatever places they had. */
static int settle(int spool_fd, int logs_fd, int pipe_fd) {
        const int fds[] = { spool_fd, logs_fd, pipe_fd };
        int copies[TQ_ELEMENTSOF(fds)];

        for (size_t i = 0; i < TQ_ELEMENTSOF(fds); i++) {
                copies[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, FD_END);
                if (copies[i] < 0)
                        return tq_errno();
        }
        for (size_t i = 0; i < TQ_ELEMENTSOF(fds); i++)
                if (dup2(copies[i], FD_SPOOL + (int)i) < 0)
                        return tq_errno();
        return syscall(SYS_close_range, FD_END, ~0U, 0) < 0 ? tq_errno() : 0;
}

_Noreturn static void child(const Own *own, const SweepOrder *o, int pipe_fd, pid_t parent) {
        SweepFound f = {};

        (void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
        if (getppid() != parent ||
            settle(own_fd(own, OWN_SPOOL), own_fd(own, OWN_LOGS), pipe_fd) < 0)
                _exit(1);
        (void)setpriority(PRIO_PROCESS, 0, 19);
        (void)syscall(SYS_ioprio_set, 1, 0, 3 << 13 /* idle */); /* ioprio_set(2) */
        sweep(o, &f);
        _exit(tq_fs_write_all(FD_PIPE, &f, sizeof(f)) < 0);
}

/* The parent -------------------------------------------------------------------------------------
 */

static int on_exit_status(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        Sweep *s = userdata;
        SweepDone done = s->done;
        void *data = s->data;
        siginfo_t info = {};
        SweepFound f = {};
        int r;

        (void)source;
        (void)revents;
        if (waitid(P_PIDFD, (id_t)fd, &info, WEXITED | WNOHANG) < 0 || info.si_pid == 0)
                return 0;
        r = read(s->pipe_fd, &f, sizeof(f)) == (ssize_t)sizeof(f) ? 0 : -EIO;
        if (r >= 0)
                r = f.spool.error < 0 ? f.spool.error : TQ_MIN(f.logs.error, 0);
        f.spool.why[sizeof(f.spool.why) - 1] = f.logs.why[sizeof(f.logs.why) - 1] = '\0';
        s->is_over = true;
        (void)sweep_free(s);
        done(data, r, &f);
        return 0;
}

int sweep_start(sd_event *event, const Own *own, const SweepOrder *o, SweepDone done, void *data,
                Sweep **ret) {
        TQ_CLOSE int reader = -EBADF, writer = -EBADF;
        pid_t pid, parent = getpid();
        Sweep *s = calloc(1, sizeof(*s));
        int fds[2], r;

        _Static_assert(sizeof(SweepFound) <= 4096, "what is found fits the pipe, and is one write");
        if (!s)
                return -ENOMEM;
        *s = (Sweep){ .pidfd = -EBADF, .pipe_fd = -EBADF, .done = done, .data = data };
        if (pipe2(fds, O_CLOEXEC) < 0) {
                free(s);
                return tq_errno();
        }
        reader = fds[0];
        writer = fds[1];
        pid = fork();
        if (pid == 0)
                child(own, o, writer, parent);
        r = pid < 0 ? tq_errno() : 0;
        if (r >= 0)
                s->pidfd = pidfd_open(pid, 0);
        if (r >= 0 && s->pidfd < 0) {
                r = tq_errno();
                (void)kill(pid, SIGKILL);
                (void)waitpid(pid, NULL, 0);
        }
        if (r >= 0)
                r = sd_event_add_io(event, &s->source, s->pidfd, EPOLLIN, on_exit_status, s);
        if (r < 0) {
                (void)sweep_free(s);
                return r;
        }
        s->pipe_fd = tq_take_fd(&reader);
        *ret = s;
        return 0;
}

Sweep *sweep_free(Sweep *s) {
        siginfo_t info;

        if (!s)
                return NULL;
        if (s->pidfd >= 0 && !s->is_over) {
                (void)pidfd_send_signal(s->pidfd, SIGKILL, NULL, 0);
                (void)waitid(P_PIDFD, (id_t)s->pidfd, &info, WEXITED);
        }
        /* Before its descriptor: another child may hold that still, and epoll would go on telling
         * of it. */
        (void)sd_event_source_disable_unref(s->source);
        (void)tq_close(s->pidfd);
        (void)tq_close(s->pipe_fd);
        free(s);
        return NULL;
}
