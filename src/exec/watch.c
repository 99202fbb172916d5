/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/fs.h"
#include "exec/exec.h"
#include "store/logpage.h"
#include "store/result.h"

/* PID 1 of a job: prepares what only root may, forks the payload, becomes a user that owns nothing,
 * pumps the outputs, reaps, and writes the result record. */

typedef struct Output {
        int pipe; /* what the payload writes, -EBADF once it is closed */
        int file; /* negative: it could not be made, and all is dropped */
        TqLogPage *page;
        uint64_t room; /* bytes that may still be written: below its cap */
        uint64_t dropped;
        uint64_t gap;    /* of it, since something was written */
        bool has_spoken; /* the payload has written */
        unsigned losses; /* TqLoss, as bits */
} Output;

#if defined(__x86_64__)
#define NATIVE_ARCH AUDIT_ARCH_X86_64
#else
#define NATIVE_ARCH AUDIT_ARCH_AARCH64
#endif
#define X32_BIT 0x40000000

#define MARKER_ROOM 80 /* kept free below the cap for the line that tells of the cut */

/* Writes as much as its cap and its tenant's bound have room for; how much that was. A full or
 * failing disk costs output, never the job. */
static size_t write_some(Output *o, const char *data, size_t size) {
        uint64_t fits = TQ_MIN(o->room, (uint64_t)size), wrote;
        TqLoss loss = TQ_LOSS_NONE;

        if (fits == 0)
                return 0;
        fits = tq_logpage_take(o->page, fits, &loss);
        wrote = fits;
        if (fits > 0 && tq_fs_write_all(o->file, data, (size_t)fits) < 0) {
                wrote = o->room = 0;
                loss = TQ_LOSS_FAILED;
        }
        /* How much of a write that failed is in the file, the next look at it tells. */
        tq_logpage_wrote(o->page, fits, fits);
        o->room -= wrote;
        o->losses |= 1U << loss;
        return (size_t)wrote;
}

/* Where something is missing in the middle, that is said there, or what follows waits until it can
 * be. */
static bool mark_gap(Output *o) {
        char marker[MARKER_ROOM];
        int n = snprintf(marker, sizeof(marker), "\n[tenantq: %llu bytes dropped]\n",
                         (unsigned long long)o->gap);

        if (TQ_MIN(o->room, tq_logpage_room(o->page)) < (uint64_t)n ||
            write_some(o, marker, (size_t)n) == 0)
                return false;
        o->gap = 0;
        return true;
}

static void store(Output *o, const char *data, size_t size) {
        size_t wrote = 0;

        o->has_spoken = true;
        if (o->file >= 0 && (o->gap == 0 || mark_gap(o)))
                wrote = write_some(o, data, size);
        o->dropped += size - wrote;
        o->gap += size - wrote;
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
        if (o->dropped == 0 || o->file < 0)
                return;
        n = snprintf(marker, sizeof(marker), "\n[tenantq: output truncated, %llu bytes dropped]\n",
                     (unsigned long long)o->dropped);
        (void)tq_fs_write_all(o->file, marker, (size_t)n);
}

/* What a client gives: from his connection into a pipe of the job's. It is taken when the payload
 * reads, so that the client waits if it does not. */
typedef struct Input {
        int socket, pipe; /* negative: no more comes, or goes */
        size_t at, size;  /* of what was read and not written */
        char data[65536];
} Input;

static Input input = { .socket = -EBADF, .pipe = -EBADF };

static void end_input(void) {
        input.socket = tq_close(input.socket);
        input.pipe = tq_close(input.pipe);
}

/* One piece: its end, and that nobody reads, end it on both sides. */
static void feed(void) {
        ssize_t n;

        if (input.at == input.size) {
                n = read(input.socket, input.data, sizeof(input.data));
                if (n < 0 && (errno == EAGAIN || errno == EINTR))
                        return;
                if (n <= 0) {
                        end_input();
                        return;
                }
                input.at = 0;
                input.size = (size_t)n;
        }
        n = write(input.pipe, input.data + input.at, input.size - input.at);
        if (n > 0)
                input.at += (size_t)n;
        else if (errno != EAGAIN && errno != EINTR)
                end_input();
}

typedef struct Watch {
        const TqPlan *plan;
        pid_t payload;
        int status_fd;
        int signal_fd;
        int calls_fd; /* where the filter tells of calls */
        int null_fd;
        int network_fd; /* what is counted in its network; negative: nothing */
        uint64_t unreachable;
        Output outputs[2];
        TqLogPage *page;
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

/* A call that the filter lets nobody make without our word. It is only looked at as a number: the
 * caller's memory is not ours to read. */
static void on_call(Watch *w) {
        struct seccomp_notif call = {};
        struct seccomp_notif_resp answer = {};
        int32_t number;

        if (ioctl(w->calls_fd, SECCOMP_IOCTL_NOTIF_RECV, &call) < 0)
                return; /* the caller has been killed meanwhile */
        number = call.data.nr & TQ_CALL_NUMBER;
        if (call.data.arch != NATIVE_ARCH)
                number |= TQ_CALL_I386;
        else if (call.data.nr & X32_BIT)
                number |= TQ_CALL_X32;
        answer.id = call.id;
        /* ldd(1) tries the loaders of all architectures that there are: such a process ends, no
         * more. */
        if (number > TQ_CALL_NUMBER && (pid_t)call.pid != w->payload) {
                answer.error = -ENOSYS;
                (void)ioctl(w->calls_fd, SECCOMP_IOCTL_NOTIF_SEND, &answer);
                return;
        }
        if (!(w->plan->flags & TQ_PLAN_AUDIT) || number > TQ_CALL_NUMBER) {
                w->record.kind = TQ_END_CALL;
                w->record.code = number;
                w->has_ended = true; /* our exit ends the others */
                return;
        }
        tq_call_set_add(&w->record.calls, (uint32_t)number);
        answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
        (void)ioctl(w->calls_fd, SECCOMP_IOCTL_NOTIF_SEND, &answer);
}

static void note_start(Watch *w) {
        w->started = tq_clock_boottime_usec();
        w->record.started_usec = tq_clock_realtime_usec();
}

static void note_output(Watch *w, const Output *o) {
        static const uint16_t flags[_TQ_LOSS_MAX] = {
                [TQ_LOSS_BOUND] = TQ_RESULT_OUTPUT_BOUND,
                [TQ_LOSS_FLOOR] = TQ_RESULT_OUTPUT_FLOOR,
                [TQ_LOSS_FAILED] = TQ_RESULT_OUTPUT_FAILED,
        };

        w->record.dropped_bytes += o->dropped;
        for (unsigned i = 0; i < _TQ_LOSS_MAX; i++)
                if (o->losses & 1U << i)
                        w->record.flags |= flags[i];
}

static void watch(Watch *w) {
        note_start(w);
        while (!w->has_ended) {
                struct pollfd p[] = {
                        { .fd = w->signal_fd, .events = POLLIN },
                        { .fd = w->status_fd, .events = POLLIN },
                        { .fd = w->outputs[0].pipe, .events = POLLIN },
                        { .fd = w->outputs[1].pipe, .events = POLLIN },
                        { .fd = w->calls_fd, .events = POLLIN },
                        /* It is waited for its room, or for what is to go there; its reader's end
                         * is told in any case. */
                        { .fd = input.pipe, .events = input.at < input.size ? POLLOUT : 0 },
                        { .fd = input.at < input.size ? -1 : input.socket, .events = POLLIN },
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
                if (p[5].revents & POLLERR)
                        end_input();
                else if (p[5].revents || p[6].revents)
                        feed();
                if (p[4].revents & POLLIN)
                        on_call(w);
                else if (p[4].revents)
                        w->calls_fd = tq_close(w->calls_fd);
                if (p[0].revents) {
                        drain_signals(w->signal_fd);
                        reap(w);
                }
        }
        w->record.run_usec = tq_sub_u64(tq_clock_boottime_usec(), w->started);
        for (int i = 0; i < 2; i++) {
                finish_output(&w->outputs[i]);
                note_output(w, &w->outputs[i]);
        }
        if (!w->outputs[0].has_spoken && !w->outputs[1].has_spoken)
                w->record.flags |= TQ_RESULT_SILENT;
        if ((w->record.kind != TQ_END_EXITED || w->record.code != 0) &&
            network_unreachable(w->network_fd) != w->unreachable)
                w->record.flags |= TQ_RESULT_UNREACHABLE;
        if (w->record.kind == TQ_END_NEVER_STARTED || w->record.kind == TQ_END_SPAWN_FAILED)
                w->record.started_usec = w->record.run_usec = 0;
}

/* The payload's end of an output pipe is the tenant's, so that it can open /dev/stdout again. */
static int make_output(const TqPlan *plan, int file, TqLogPage *page, Output *ret,
                       int *ret_write_fd) {
        int fds[2];

        if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
                return tq_errno();
        /* Non-blocking is a property of the open file: ours alone, not the payload's. */
        if (fcntl(fds[1], F_SETFL, 0) < 0 || fchown(fds[1], plan->uid, plan->gid) < 0)
                return tq_errno();
        *ret = (Output){
                .pipe = fds[0],
                .file = page ? file : -EBADF,
                .page = page,
                .room = tq_sub_u64(plan->log_max_bytes, MARKER_ROOM),
        };
        *ret_write_fd = fds[1];
        return 0;
}

/* Before the payload is forked, which does not get it: neither the mapping nor the descriptor. */
static int map_page(const TqPlan *plan, TqLogPage **ret) {
        int r = plan->page_fd < 0 ? 0 : tq_logpage_map(plan->page_fd, ret);

        (void)tq_close(plan->page_fd);
        return r;
}

/* The payload's end is the tenant's, so that it can open /dev/stdin again. */
static int make_input(const TqPlan *plan, int *ret_read_fd) {
        int fds[2];

        if (pipe2(fds, O_CLOEXEC) < 0)
                return tq_errno();
        if (fcntl(fds[1], F_SETFL, O_NONBLOCK) < 0 || fchown(fds[0], plan->uid, plan->gid) < 0)
                return tq_errno();
        input.socket = plan->in_fd;
        input.pipe = fds[1];
        *ret_read_fd = fds[0];
        return 0;
}

static int start_payload(const TqPlan *plan, Watch *w, TqStage *ret_stage) {
        int stdio[3] = { w->null_fd }, status[2];
        sigset_t child;
        int r;

        *ret_stage = TQ_STAGE_PIPES;
        r = map_page(plan, &w->page);
        if (r >= 0 && plan->in_fd >= 0)
                r = make_input(plan, &stdio[0]);
        if (r < 0)
                return r;
        r = make_output(plan, plan->out_fd, w->page, &w->outputs[0], &stdio[1]);
        if (r >= 0)
                r = make_output(plan, plan->err_fd, w->page, &w->outputs[1], &stdio[2]);
        if (r < 0)
                return r;
        if (pipe2(status, O_CLOEXEC) < 0)
                return tq_errno();
        (void)sigemptyset(&child);
        (void)sigaddset(&child, SIGCHLD);
        if (sigprocmask(SIG_BLOCK, &child, NULL) < 0)
                return tq_errno();
        w->signal_fd = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
        if (w->signal_fd < 0)
                return tq_errno();
        /* Before the fork, once for both: what installing it costs is paid once, and the payload is
         * born with it. */
        *ret_stage = TQ_STAGE_SECCOMP;
        w->calls_fd = install_filter(plan, plan->filter_offset, plan->n_filter,
                                     SECCOMP_FILTER_FLAG_NEW_LISTENER);
        if (w->calls_fd < 0)
                return w->calls_fd;
        *ret_stage = TQ_STAGE_SURROUNDINGS;
        r = leave_hurry();
        if (r < 0)
                return r;
        *ret_stage = TQ_STAGE_CLONE;
        w->payload = fork();
        if (w->payload < 0)
                return tq_errno();
        if (w->payload == 0)
                payload_run(plan, stdio, status[1]);
        /* The barrier's end of file must mean the launcher's end, so we keep no copy of anything.
         */
        for (int i = 0; i < 3; i++)
                (void)close(stdio[i]);
        (void)close(status[1]);
        (void)close(plan->barrier_fd);
        (void)tq_close(plan->mount_fd);
        (void)tq_close(plan->network_fd);
        (void)tq_close(plan->report_fd);
        w->status_fd = status[0];
        return 0;
}

int watch_job(const TqPlan *plan) {
        Watch w = {
                .plan = plan,
                .record = { .kind = TQ_RESULT_PREPARED,
                            .job = plan->job,
                            .attempt = plan->attempt },
                .status_fd = -EBADF,
                .calls_fd = -EBADF,
                .null_fd = -EBADF,
                .network_fd = -EBADF,
        };
        int tmp_fd = -EBADF, r;
        TqStage stage;

        memcpy(w.record.boot, plan->boot_id, sizeof(w.record.boot));
        stage = TQ_STAGE_SURROUNDINGS;
        r = give_up_protection(plan);
        if (r >= 0)
                r = surroundings_of_job(plan);
        if (r >= 0)
                r = join_keyring();
        if (r >= 0) {
                stage = TQ_STAGE_NETWORK;
                r = network_enter(plan);
        }
        if (r >= 0) {
                stage = TQ_STAGE_SANDBOX;
                r = sandbox_enter(plan, &tmp_fd);
        }
        /* Of the job alone, and of its own /dev: flags, owner and locks of an open file are those
         * of everybody who has it, and the host's node belongs to root's payload, too. */
        if (r >= 0 && plan->in_fd < 0) {
                w.null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
                if (w.null_fd < 0)
                        r = tq_errno();
        }
        if (r >= 0 && (plan->network != TQ_NETWORK_HOST || plan->flags & TQ_PLAN_PRIVATE_NETWORK)) {
                w.network_fd = open("/proc/self/net/snmp", O_RDONLY | O_CLOEXEC);
                w.unreachable = network_unreachable(w.network_fd);
        }
        /* From here on the tenant has a say in what is on whose way. */
        if (r >= 0 && plan->flags & TQ_PLAN_HAS_PATHS) {
                stage = TQ_STAGE_PATHS;
                r = paths_apply(plan, tmp_fd);
        }
        tmp_fd = tq_close(tmp_fd);
        if (r >= 0)
                r = start_payload(plan, &w, &stage);
        if (r >= 0) {
                /* From here on we own nothing but open descriptors. A failure kills the payload at
                 * its barrier: the record says why, and our exit ends the namespace. */
                stage = TQ_STAGE_CREDENTIALS;
                r = become(plan->exec_uid, plan->exec_gid, NULL, 0);
                if (r >= 0 && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
                        r = tq_errno();
                if (r >= 0) {
                        stage = TQ_STAGE_SECCOMP;
                        r = install_filter(plan, plan->watch_offset, plan->n_watch, 0);
                }
        }
        if (r < 0) {
                w.record.kind = TQ_END_SPAWN_FAILED;
                w.record.stage = (uint8_t)stage;
                w.record.code = -r;
                if (stage == TQ_STAGE_SANDBOX)
                        w.record.path = (uint16_t)template_failed_path();
        } else
                watch(&w);
        return tq_result_write(plan->result_fd, &w.record) < 0 ? 1 : 0;
}
