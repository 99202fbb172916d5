/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* tenantq-exec: between the supervisor and a payload.
 *
 * It is born in the job's cgroup as PID 1 of the job's PID namespace, still root, with an empty
 * environment and the descriptors that the plan names. It forks once. The child becomes the tenant,
 * gives up everything, waits at the barrier, and only then looks at what the tenant wrote (the
 * plan's body) and executes it. The parent becomes a user that owns nothing, pumps the two outputs
 * into their capped files, reaps, and writes the result record; when it leaves, the kernel kills
 * what is left in the namespace.
 *
 * So no instruction of this program runs with root's rights on a byte that the tenant chose, and
 * the payload can neither signal nor trace the process that reports on it: another uid, not
 * dumpable.
 *
 * Why each privileged step is safe stands beside it. All of them fail closed: a step that fails
 * ends the launch with its stage and errno in the record, never in a payload with more rights. */

#include <fcntl.h>
#include <grp.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/parse.h"
#include "kernel/plan.h"
#include "store/result.h"

/* What the child tells the parent when it fails; end of file without it means that the payload
 * runs. */
typedef struct Failure {
        uint32_t stage; /* TqStage */
        int32_t error;
} Failure;

typedef struct Output {
        int pipe; /* what the payload writes, -EBADF once it is closed */
        int file;
        uint64_t room; /* bytes that may still be written */
        uint64_t dropped;
        bool has_failed; /* what was dropped had room, but not on the disk */
} Output;

#define MARKER_ROOM 80 /* kept free below the cap for the line that tells of the cut */

/* The child ----------------------------------------------------------------------------------- */

static int set_rlimits(const TqPlan *plan) {
        for (uint32_t i = 0; i < plan->n_rlimits; i++) {
                const TqPlanRlimit *l = &plan->rlimits[i];

                if (setrlimit((int)l->resource, &(struct rlimit){ l->soft, l->hard }) < 0)
                        return tq_errno();
        }
        return 0;
}

/* For good: the groups first, while we still may; then all three ids of group and user at once,
 * which empties the capability sets, and with no_new_privs and an empty bounding set nothing brings
 * them back. Checked, since going on as root would be the worst outcome of all. */
static int become(uid_t uid, gid_t gid, const gid_t *groups, size_t n_groups) {
        uid_t u[3];
        gid_t g[3];

        if (setgroups(n_groups, groups) < 0 || setresgid(gid, gid, gid) < 0 ||
            setresuid(uid, uid, uid) < 0)
                return tq_errno();
        if (getresuid(&u[0], &u[1], &u[2]) < 0 || getresgid(&g[0], &g[1], &g[2]) < 0)
                return tq_errno();
        for (int i = 0; i < 3; i++)
                if (u[i] != uid || g[i] != gid)
                        return -EPERM;
        return 0;
}

static int drop_bounding_set(void) {
        for (unsigned cap = 0; cap < 64; cap++)
                if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
                        return errno == EINVAL ? 0 : tq_errno(); /* EINVAL: beyond the last one */
        return 0;
}

static int install_filter(const TqPlan *plan) {
        struct sock_fprog program = {
                .len = (unsigned short)plan->n_filter,
                .filter = (struct sock_filter *)tq_plan_part(plan, plan->filter_offset),
        };

        if (plan->n_filter == 0)
                return -EINVAL; /* never a payload without a filter */
        return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0 ? tq_errno() : 0;
}

static void default_signals(void) {
        sigset_t none;

        for (int sig = 1; sig < 32; sig++)
                (void)signal(sig, SIG_DFL);
        (void)sigemptyset(&none);
        (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* execve(2) says ENOENT of a script or a program whose interpreter is missing, too. */
static int why_not(const char *program, int error, TqStage *ret_stage) {
        char line[256];
        TQ_CLOSE int fd = -EBADF;
        ssize_t n;
        char *end;

        if (error != -ENOENT || access(program, F_OK) < 0)
                return error;
        *ret_stage = TQ_STAGE_INTERPRETER;
        fd = open(program, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        n = fd < 0 ? 0 : read(fd, line, sizeof(line));
        end = n > 2 && line[0] == '#' && line[1] == '!' ? memchr(line, '\n', (size_t)n) : NULL;
        return end && end[-1] == '\r' ? -EILSEQ : error;
}

/* Only returns on failure. The body is parsed here, by the tenant's own process. */
static int execute(const TqPlan *plan, TqStage *ret_stage) {
        const void *bytes = tq_plan_part(plan, plan->body_offset);
        TQ_FREE char **storage = NULL;
        uint32_t counts[2] = {};
        TqPlanBody body;
        size_t n;
        int r;

        *ret_stage = TQ_STAGE_PLAN;
        if (plan->body_size >= sizeof(counts))
                memcpy(counts, bytes, sizeof(counts));
        n = (size_t)counts[0] + counts[1] + 2;
        if (n > TQ_PLAN_SIZE_MAX)
                return -EBADMSG;
        storage = (char **)calloc(n, sizeof(*storage));
        if (!storage)
                return -ENOMEM;
        r = tq_plan_body(bytes, plan->body_size, storage, n, &body);
        if (r < 0)
                return r;
        *ret_stage = TQ_STAGE_CHDIR;
        if (chdir(body.directory) < 0)
                return tq_errno();
        *ret_stage = TQ_STAGE_EXEC;
        (void)execve(body.argv[0], body.argv, body.envp);
        return why_not(body.argv[0], tq_errno(), ret_stage);
}

/* One byte: go. End of file: whoever launched us is gone, or gave up, and has recorded nothing. */
static int wait_at_barrier(int fd) {
        char byte;
        ssize_t n;

        do
                n = read(fd, &byte, 1);
        while (n < 0 && errno == EINTR);
        return n == 1 ? 0 : n == 0 ? -ECANCELED : tq_errno();
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

/* Makes the mount of one line of mountinfo read-only, if it is one of cgroups. */
static int make_read_only(char *line) {
        struct mount_attr read_only = { .attr_set = MOUNT_ATTR_RDONLY };
        char *type = strstr(line, " - "), *field = line;

        if (!type || strncmp(type, " - cgroup", 9) != 0)
                return 0;
        for (int i = 0; i < 4 && field; i++)
                field = strchr(field, ' ') ? strchr(field, ' ') + 1 : NULL;
        if (!field)
                return -EBADMSG;
        field[strcspn(field, " ")] = '\0';
        unescape(field);
        return mount_setattr(AT_FDCWD, field, 0, &read_only, sizeof(read_only)) < 0 ? tq_errno()
                                                                                    : 0;
}

/* A payload that is root owns the files of the cgroup file system, though it has no capability: its
 * limits, its tenant's, and the way out of them. So it gets a mount namespace in which these are
 * read-only, and a /proc of its own, since /proc/PID/root of another process leads to where they
 * are not. Without capabilities it can't undo that. What else obeys root (systemd, cron) obeys it
 * too: tenantq.conf(5) says so. */
static int hide_cgroups(void) {
        TQ_FREE char *line = NULL;
        size_t size = 0;
        FILE *f;
        int r = 0;

        if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
                return tq_errno();
        f = fopen("/proc/self/mountinfo", "re");
        if (!f)
                return tq_errno();
        while (r >= 0 && getline(&line, &size, f) > 0)
                r = make_read_only(line);
        if (r >= 0 && ferror(f))
                r = -EIO;
        (void)fclose(f);
        if (r < 0)
                return r;
        return mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0
                       ? tq_errno()
                       : 0;
}

static int prepare_payload(const TqPlan *plan, const int stdio[3], TqStage *ret_stage) {
        int r;

        *ret_stage = TQ_STAGE_PIPES;
        if (setsid() < 0)
                return tq_errno();
        for (int i = 0; i < 3; i++)
                if (dup2(stdio[i], i) < 0)
                        return tq_errno();
        /* Everything else, whoever forgot it, closes when the payload is executed. */
        if (close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
                return tq_errno();
        (void)umask(022);
        *ret_stage = TQ_STAGE_RLIMITS;
        r = set_rlimits(plan);
        if (r < 0)
                return r;
        *ret_stage = TQ_STAGE_CREDENTIALS;
        if (plan->uid == 0) {
                r = hide_cgroups();
                if (r < 0)
                        return r;
        }
        r = become(plan->uid, plan->gid, tq_plan_part(plan, plan->groups_offset), plan->n_groups);
        if (r < 0)
                return r;
        *ret_stage = TQ_STAGE_SECCOMP;
        return install_filter(plan);
}

static _Noreturn void be_payload(const TqPlan *plan, const int stdio[3], int status_fd) {
        TqStage stage = TQ_STAGE_NONE;
        Failure failure;
        int r;

        default_signals();
        r = prepare_payload(plan, stdio, &stage);
        if (r >= 0) {
                stage = TQ_STAGE_BARRIER;
                r = wait_at_barrier(plan->barrier_fd);
        }
        if (r >= 0)
                r = execute(plan, &stage);
        failure = (Failure){ .stage = stage, .error = -r };
        (void)tq_fs_write_all(status_fd, &failure, sizeof(failure));
        _exit(127);
}

/* The parent ---------------------------------------------------------------------------------- */

static void store(Output *o, const char *data, size_t size) {
        size_t fits = (size_t)TQ_MIN(o->room, (uint64_t)size);

        /* A full or failing disk costs output, never the job. */
        if (fits > 0 && tq_fs_write_all(o->file, data, fits) < 0) {
                fits = o->room = 0;
                o->has_failed = true;
        }
        o->room -= fits;
        o->dropped += size - fits;
}

/* Takes what there is, at most max bytes. */
static void pump(Output *o, size_t max) {
        static char buffer[65536];

        for (size_t got = 0; o->pipe >= 0 && got < max;) {
                ssize_t n = read(o->pipe, buffer, sizeof(buffer));

                if (n > 0) {
                        store(o, buffer, (size_t)n);
                        got += (size_t)n;
                } else if (n == 0 || (errno != EAGAIN && errno != EINTR))
                        o->pipe = tq_close(o->pipe);
                else if (errno == EAGAIN)
                        return;
        }
}

static void finish_output(Output *o) {
        char marker[MARKER_ROOM];
        int n;

        /* What the pipe still holds; somebody may go on filling it, hence the bound. */
        pump(o, 1024 * 1024);
        if (o->dropped == 0)
                return;
        n = snprintf(marker, sizeof(marker), "\n[tenantq: output truncated, %llu bytes dropped]\n",
                     (unsigned long long)o->dropped);
        (void)tq_fs_write_all(o->file, marker, (size_t)n);
}

typedef struct Watch {
        const TqPlan *plan;
        pid_t payload;
        int status_fd;
        int signal_fd;
        Output outputs[2];
        TqResult record;
        uint64_t started; /* CLOCK_BOOTTIME usec */
        bool has_ended;
} Watch;

static void on_status(Watch *w) {
        Failure failure;
        ssize_t n = read(w->status_fd, &failure, sizeof(failure));

        if (n < 0 && errno == EINTR)
                return;
        if (n == sizeof(failure)) {
                w->record.kind = failure.stage == TQ_STAGE_BARRIER ? TQ_END_NEVER_STARTED
                                                                   : TQ_END_SPAWN_FAILED;
                w->record.stage = (uint8_t)failure.stage;
                w->record.code = failure.error;
        }
        w->status_fd = tq_close(w->status_fd);
}

static void on_exit_status(Watch *w, int status) {
        w->has_ended = true;
        /* The status pipe is decided by now: the child is dead, its end closed. */
        if (w->status_fd >= 0)
                on_status(w);
        w->record.run_usec = tq_sub_u64(tq_clock_boottime_usec(), w->started);
        if (w->record.kind != TQ_RESULT_PREPARED)
                return;
        w->record.kind = WIFSIGNALED(status) ? TQ_END_SIGNALED : TQ_END_EXITED;
        w->record.code = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
}

/* Orphans of the payload are ours too, as its init. */
static void reap(Watch *w) {
        int status;
        pid_t pid;

        while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
                if (pid == w->payload)
                        on_exit_status(w, status);
}

static void drain_signals(int fd) {
        struct signalfd_siginfo info[16];

        while (read(fd, info, sizeof(info)) > 0)
                ;
}

static void note_start(Watch *w) {
        w->started = tq_clock_boottime_usec();
        w->record.started_usec = tq_clock_realtime_usec();
}

static void watch(Watch *w) {
        note_start(w);
        while (!w->has_ended) {
                struct pollfd p[] = {
                        { .fd = w->signal_fd, .events = POLLIN },
                        { .fd = w->status_fd, .events = POLLIN },
                        { .fd = w->outputs[0].pipe, .events = POLLIN },
                        { .fd = w->outputs[1].pipe, .events = POLLIN },
                };

                if (poll(p, TQ_ELEMENTSOF(p), -1) < 0 && errno != EINTR)
                        break;
                if (p[1].revents) {
                        on_status(w);
                        note_start(w); /* the payload's time begins when it is executed */
                }
                for (int i = 0; i < 2; i++)
                        if (p[2 + i].revents)
                                pump(&w->outputs[i], 1024 * 1024);
                if (p[0].revents) {
                        drain_signals(w->signal_fd);
                        reap(w);
                }
        }
        for (int i = 0; i < 2; i++) {
                finish_output(&w->outputs[i]);
                w->record.dropped_bytes += w->outputs[i].dropped;
                if (w->outputs[i].has_failed)
                        w->record.flags |= TQ_RESULT_OUTPUT_FAILED;
        }
        if (w->record.kind == TQ_END_NEVER_STARTED || w->record.kind == TQ_END_SPAWN_FAILED)
                w->record.started_usec = w->record.run_usec = 0;
}

static int reset_oom_score(void) {
        return tq_fs_write_attr(AT_FDCWD, "/proc/self/oom_score_adj", "0");
}

/* What both processes need and only root may do. Nothing here depends on the tenant's bytes. */
static int prepare_both(const TqPlan *plan, TqStage *ret_stage) {
        int r;

        *ret_stage = TQ_STAGE_CREDENTIALS;
        if (plan->flags & TQ_PLAN_RESET_OOM_SCORE) {
                r = reset_oom_score();
                if (r < 0)
                        return r;
        }
        r = drop_bounding_set();
        if (r < 0)
                return r;
        return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? tq_errno() : 0;
}

/* The payload's end of an output pipe is the tenant's, so that it can open /dev/stdout again. */
static int make_output(const TqPlan *plan, int file, Output *ret, int *ret_write_fd) {
        int fds[2];

        if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
                return tq_errno();
        /* Non-blocking is a property of the open file: ours alone, not the payload's. */
        if (fcntl(fds[1], F_SETFL, 0) < 0 || fchown(fds[1], plan->uid, plan->gid) < 0)
                return tq_errno();
        *ret = (Output){
                .pipe = fds[0],
                .file = file,
                .room = tq_sub_u64(plan->log_max_bytes, MARKER_ROOM),
        };
        *ret_write_fd = fds[1];
        return 0;
}

static int start_payload(const TqPlan *plan, Watch *w, TqStage *ret_stage) {
        int stdio[3] = { plan->null_fd }, status[2];
        sigset_t child;
        int r;

        *ret_stage = TQ_STAGE_PIPES;
        r = make_output(plan, plan->out_fd, &w->outputs[0], &stdio[1]);
        if (r >= 0)
                r = make_output(plan, plan->err_fd, &w->outputs[1], &stdio[2]);
        if (r < 0)
                return r;
        if (pipe2(status, O_CLOEXEC) < 0)
                return tq_errno();
        (void)sigemptyset(&child);
        (void)sigaddset(&child, SIGCHLD);
        (void)sigprocmask(SIG_BLOCK, &child, NULL);
        w->signal_fd = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
        if (w->signal_fd < 0)
                return tq_errno();
        *ret_stage = TQ_STAGE_CLONE;
        w->payload = fork();
        if (w->payload < 0)
                return tq_errno();
        if (w->payload == 0)
                be_payload(plan, stdio, status[1]);
        /* The barrier's end of file must mean the launcher's end, so we keep no copy of anything.
         */
        for (int i = 0; i < 3; i++)
                (void)close(stdio[i]);
        (void)close(status[1]);
        (void)close(plan->barrier_fd);
        w->status_fd = status[0];
        return 0;
}

static int run_job(const TqPlan *plan) {
        Watch w = {
                .plan = plan,
                .record = { .kind = TQ_RESULT_PREPARED,
                            .job = plan->job,
                            .attempt = plan->attempt },
                .status_fd = -EBADF,
        };
        TqStage stage;
        int r;

        memcpy(w.record.boot, plan->boot_id, sizeof(w.record.boot));
        r = prepare_both(plan, &stage);
        if (r >= 0)
                r = start_payload(plan, &w, &stage);
        if (r >= 0) {
                /* From here on we own nothing but open descriptors. A failure kills the payload at
                 * its barrier: the record says why, and our exit ends the namespace. */
                stage = TQ_STAGE_CREDENTIALS;
                r = become(plan->exec_uid, plan->exec_gid, NULL, 0);
                if (r >= 0 && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
                        r = tq_errno();
        }
        if (r < 0) {
                w.record.kind = TQ_END_SPAWN_FAILED;
                w.record.stage = (uint8_t)stage;
                w.record.code = -r;
        } else
                watch(&w);
        return tq_result_write(plan->result_fd, &w.record) < 0 ? 1 : 0;
}

/* Becomes the engine: the same credentials, filter and execution, without namespace or watcher. */
static int run_service(const TqPlan *plan) {
        TqStage stage;
        int r;

        r = prepare_both(plan, &stage);
        for (uint32_t i = 0; r >= 0 && i < plan->n_keep; i++)
                if (dup2(plan->keep[i], 100 + (int)i) < 0)
                        r = tq_errno();
        for (uint32_t i = 0; r >= 0 && i < plan->n_keep; i++)
                if (dup2(100 + (int)i, 3 + (int)i) < 0)
                        r = tq_errno();
        if (r >= 0 && close_range(3 + plan->n_keep, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
                r = tq_errno();
        if (r >= 0)
                r = become(plan->uid, plan->gid, tq_plan_part(plan, plan->groups_offset),
                           plan->n_groups);
        /* After setresuid(2), which clears it: the engine never outlives the supervisor. */
        if (r >= 0 && prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
                r = tq_errno();
        default_signals();
        if (r >= 0)
                r = install_filter(plan);
        if (r >= 0)
                r = execute(plan, &stage);
        (void)fprintf(stderr, "tenantq-exec: can't start the service: %s\n", strerror(-r));
        return 1;
}

int main(int argc, char *argv[]) {
        const TqPlan *plan;
        uint64_t fd;

        if (argc != 2 || tq_parse_u64_in(argv[1], 3, 1000000, &fd) < 0 ||
            tq_plan_map((int)fd, &plan) < 0) {
                (void)fprintf(stderr, "tenantq-exec is started by tenantqd only\n");
                return 2;
        }
        return plan->mode == TQ_PLAN_SERVICE ? run_service(plan) : run_job(plan);
}
