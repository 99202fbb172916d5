/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "kernel/cgroup.h"
#include "supervisor/jobs/jobs_private.h"
#include "supervisor/tenants/notes.h"

/* From the end of a job to its verdict's ingredients. The end is an empty cgroup, not a dead
 * process and not a sent signal: the counters are read, the cgroup is removed, and only then is the
 * engine told, so that a slot is never given away while something still runs in it.
 *
 * Usually tenantq-exec is our child and its end empties the cgroup (it is the init of the
 * namespace). After a restart it is not our child, so cgroup.events is watched instead; so it is
 * when processes outlast the init, in the D state. */

/* Whose memory limit it was: the leaf's own, else its tenant's if that ran out since the start. */
static TqLevel oom_level(const Attempt *a) {
        if (tq_cgroup_oom_events(a->leaf_fd) > 0)
                return TQ_LEVEL_JOB;
        if (tq_cgroup_oom_events(a->tenant->slice_fd) > a->slice_oom)
                return TQ_LEVEL_TENANT;
        return TQ_LEVEL_HOST;
}

int reap_keep_counters(Attempt *a) {
        Jobs *j = a->jobs;
        TqCounters counters;
        TqLevel level = TQ_LEVEL_NONE;

        int r = tq_cgroup_counters(a->leaf_fd, slices_controllers(j->slices), &counters);

        if (r < 0)
                return r;
        /* Removed by somebody else meanwhile: what was read before stands. */
        if (counters.cpu_usec == TQ_UNKNOWN && a->has_counters)
                return 0;
        a->has_counters = true;
        if (counters.oom_kills > 0 && counters.oom_kills != TQ_UNKNOWN)
                level = oom_level(a);
        if (counters.pids_peak != TQ_UNKNOWN)
                counters.pids_peak = tq_sub_u64(counters.pids_peak, WATCHERS);
        if (a->slot >= 0)
                (void)tq_result_slots_set_counters(j->slots, (size_t)a->slot, &counters, level);
        a->end.counters = counters;
        a->end.oom_level = level;
        return 0;
}

/* Whoever would have begun the program has been let go. Its end of the barrier is closed with it:
 * what it has not read, nobody will. */
static bool has_passed_barrier(const Attempt *a) {
        int unread = 0;

        if (!a->was_released)
                return false;
        return a->released_fd < 0 || ioctl(a->released_fd, FIONREAD, &unread) < 0 || unread == 0;
}

/* tenantq-exec crashed, or its half that would have become the program: as a rule before it was let
 * go. What we have killed ourselves has not. */
static bool has_crashed(const Attempt *a, const TqEnd *end) {
        if (!a->has_status || a->is_aborted || has_passed_barrier(a))
                return false;
        return end->kind == TQ_END_SIGNALED ||
               (end->kind == TQ_END_UNKNOWN && a->status_code != CLD_EXITED);
}

/* The record's word; where there is none, what we saw of tenantq-exec itself. An error where the
 * record can't be read for now. */
static int judge(Attempt *a) {
        TqEnd end = a->end;
        int r;

        if (a->slot >= 0) {
                r = tq_result_slots_end(a->jobs->slots, (size_t)a->slot, &end);
                if (r < 0)
                        return r;
                end.counters = a->end.counters;
                end.oom_level = a->end.oom_level;
        }
        if (has_crashed(a, &end)) {
                end.code = end.kind == TQ_END_SIGNALED ? end.code : a->status;
                end.kind = TQ_END_CRASHED;
                end.started_usec = end.ended_usec = end.run_usec = 0;
        } else if (end.kind == TQ_END_UNKNOWN && a->has_status) {
                /* It left without a word, and nobody had told it to. */
                if (a->status_code == CLD_EXITED && !a->is_aborted && !has_passed_barrier(a)) {
                        end.kind = TQ_END_SPAWN_FAILED;
                        end.stage = TQ_STAGE_HELPER;
                        end.code = EPROTO;
                } else if (!a->was_released)
                        end.kind = TQ_END_NEVER_STARTED;
                else if (a->status_code != CLD_EXITED) {
                        /* Killed with its payload, by cgroup.kill or for memory. */
                        end.kind = TQ_END_SIGNALED;
                        end.code = a->status;
                }
        }
        if (end.started_usec == 0 && a->was_released && end.kind != TQ_END_NEVER_STARTED &&
            end.kind != TQ_END_SPAWN_FAILED && end.kind != TQ_END_CRASHED) {
                end.run_usec = tq_sub_u64(tq_clock_boottime_usec(), a->released);
                end.ended_usec = tq_clock_realtime_usec();
                end.started_usec = tq_sub_u64(end.ended_usec, end.run_usec);
        }
        a->end = end;
        return 0;
}

/* What was in the way of a launch, where more is known than stage and errno. */
static void say_why(const Attempt *a, char *buf, size_t size) {
        const TqHostConfig *c = &a->jobs->host->config;
        const char *signal_name = sigabbrev_np(a->end.code);
        char path[420];

        buf[0] = '\0';
        if (a->end.kind == TQ_END_CRASHED) {
                (void)snprintf(buf, size,
                               "tenantq-exec ended by signal %d (%s) before it had begun the "
                               "program",
                               a->end.code, signal_name ? signal_name : "?");
                return;
        }
        if (a->end.kind != TQ_END_SPAWN_FAILED)
                return;
        if (a->end.stage == TQ_STAGE_HELPER && a->end.code == EPROTO)
                (void)snprintf(buf, size, "tenantq-exec left with exit code %d and said nothing",
                               a->status);
        else if (a->end.stage == TQ_STAGE_NETWORK && a->end.code == EADDRNOTAVAIL)
                (void)snprintf(buf, size,
                               "all %" PRIu32 " networks of outbound_addresses=%s are in use",
                               tq_outbound_networks(&c->outbound), c->outbound_addresses);
        else if (templates_describe(a->jobs->templates, a->tenant, a->end.path, path, sizeof(path)))
                (void)snprintf(buf, size, "%s: %s", path, strerror(a->end.code));
}

static void tell_end(const Attempt *a) {
        char why[TQ_MESSAGE_TEXT_MAX];
        TqMessage m;

        /* Until stock is taken, what has ended is part of it. */
        if (!a->jobs->is_told)
                return;
        m = (TqMessage){
                .ended = { .job = a->job,
                           .attempt = a->attempt,
                           .tenant = a->tenant->handle,
                           .end = a->end },
        };

        say_why(a, why, sizeof(why));
        (void)tq_link_send(a->jobs->link, TQ_MESSAGE_ENDED, &m, why, strlen(why), -EBADF);
}

/* Nothing of the job has run, and it is tried again as often as it takes: no output is kept. */
static bool has_never_run(const TqEnd *end) {
        return end->kind == TQ_END_NEVER_STARTED || end->kind == TQ_END_CRASHED ||
               (end->kind == TQ_END_SPAWN_FAILED && tq_verdict_is_before_job((TqStage)end->stage));
}

/* What is recorded by now: only then its files may go. */
static void forget(Attempt *a) {
        if (has_never_run(&a->end) && a->tenant)
                output_remove(a->jobs->output, a->tenant, a->job, a->attempt);
        else if (a->end.is_silent && a->tenant)
                output_put_by(a->jobs->output, a->tenant, a->job, a->attempt);
        if (a->slot >= 0)
                tq_result_slots_release(a->jobs->slots, (size_t)a->slot);
        (void)attempt_free(a);
}

/* With all the CPU that its tenant has: what it holds until it has ended (the lock of all mounts,
 * for a moment), others wait for. */
static int kill_all(const Attempt *a) {
        (void)tq_fs_write_attr(a->leaf_fd, "cpu.weight",
                               "10000"); /* without that controller: none */
        return tq_cgroup_kill(a->leaf_fd);
}

static int watch_events(Attempt *a);
static void finish(Attempt *a);

/* What can't be removed is tried again, at last once a minute: whoever is in it may leave, and
 * somebody may remove it by hand. Until then the job has its slot. */
#define REMOVE_LEAST_USEC (20 * TQ_USEC_PER_MSEC)
#define REMOVE_MOST_USEC  (60 * TQ_USEC_PER_SEC)
#define LOOK_USEC         TQ_USEC_PER_SEC
#define REMOVE_TOLD_USEC  (5 * TQ_USEC_PER_SEC) /* by then it is worth a word */

static void note_name(const Attempt *a, char *buf, size_t size) {
        (void)snprintf(buf, size, NOTES_OURS "cgroup of job %" PRIu64, a->job);
}

static int on_remove(sd_event_source *source, uint64_t usec, void *userdata) {
        Attempt *a = userdata;

        (void)source;
        (void)usec;
        finish(a);
        return 0;
}

/* What is in the way, as far as that can be seen. */
static const char *obstacle(const Attempt *a, int error, char *buf, size_t size) {
        pid_t pid = tq_procs_uninterruptible(a->leaf_fd);

        if (pid > 0)
                (void)snprintf(buf, size,
                               "process %d waits in the kernel, where no signal ends it: state D",
                               (int)pid);
        else
                (void)snprintf(buf, size, "%s", strerror(-error));
        return buf;
}

/* Nobody would look at it again: the next tenantqd takes stock. */
static void begin_anew(const Attempt *a) {
        tq_log(LOG_ERR, "job %" PRIu64 ": can't watch its cgroup: beginning anew", a->job);
        (void)sd_event_exit(a->jobs->event, EXIT_FAILURE);
}

static void finish_later(Attempt *a) {
        a->remove_delay = TQ_MIN(TQ_MAX(a->remove_delay * 2, REMOVE_LEAST_USEC), REMOVE_MOST_USEC);
        a->remove_source = sd_event_source_disable_unref(a->remove_source);
        if (sd_event_add_time_relative(a->jobs->event, &a->remove_source, CLOCK_MONOTONIC,
                                       a->remove_delay, 0, on_remove, a) < 0)
                begin_anew(a);
}

static void remove_later(Attempt *a, int error) {
        char file[48], why[128];

        finish_later(a);
        if (a->remove_delay >= REMOVE_TOLD_USEC && !a->is_stuck) {
                (void)obstacle(a, error, why, sizeof(why));
                tq_log_about(LOG_ERR,
                             (TqLogAbout){ .id = TQ_LOG_CGROUP_STUCK,
                                           .tenant = a->tenant->name,
                                           .job = a->job },
                             "job %" PRIu64 " of %s: its cgroup can't be removed (%s)", a->job,
                             a->tenant->name, why);
                note_name(a, file, sizeof(file));
                a->is_stuck = notes_set(
                        a->jobs->tenants, a->tenant, file,
                        a->is_aborted ? "what is left of a launch of job %" PRIu64
                                        " can't be removed (%s); it is tried again each minute"
                                      : "job %" PRIu64
                                        " was killed or has ended, but its cgroup can't be "
                                        "removed (%s): it keeps its slot until that has gone, or "
                                        "until tenantqctl abandon %" PRIu64,
                        a->job, why, a->job);
        }
}

static void end(Attempt *a) {
        char file[48];

        note_name(a, file, sizeof(file));
        if (a->is_stuck)
                notes_clear(a->jobs->tenants, a->tenant, file);
        a->has_ended = true;
        if (a->has_output)
                output_ended(a->jobs->output, a->tenant, (TqLoss)a->end.output_lost);
        a->has_output = false;
        stall_unwatch(a);
        a->exit_source = sd_event_source_disable_unref(a->exit_source);
        a->events_source = sd_event_source_disable_unref(a->events_source);
        a->remove_source = sd_event_source_disable_unref(a->remove_source);
        a->look_source = sd_event_source_disable_unref(a->look_source);
        a->events_fd = tq_close(a->events_fd);
        a->term_source = sd_event_source_disable_unref(a->term_source);
        a->term_procs = tq_procs_free(a->term_procs);
        a->pidfd = tq_close(a->pidfd);
        a->leaf_fd = tq_close(a->leaf_fd);
        a->barrier_fd = tq_close(a->barrier_fd);
        a->released_fd = tq_close(a->released_fd);
        if (!a->is_orphan) {
                tell_end(a);
                return;
        }
        /* Of a launch that the last engine did not release: it may have recorded it as running, so
         * its end ("never started") is part of the stock that the next one is told. */
        a->is_orphan = false;
        if (!jobs_have_orphans(a->jobs))
                a->jobs->gone(a->jobs->data);
}

/* tenantq-exec, where it is our child, has been waited for: what became of it is part of the end,
 * and who else would? */
static bool is_reaped(Attempt *a) {
        siginfo_t info = {};

        if (a->pidfd < 0 || a->has_status)
                return true;
        if (waitid(P_PIDFD, (id_t)a->pidfd, &info, WEXITED | WNOHANG) < 0 || info.si_pid == 0)
                return false;
        a->has_status = true;
        a->status_code = info.si_code;
        a->status = info.si_status;
        (void)sd_event_source_set_enabled(a->exit_source, SD_EVENT_OFF);
        return true;
}

/* Once its cgroup is gone nobody can. */
static void cant_read(Attempt *a, const char *what, int error) {
        tq_log(LOG_ERR,
               "job %" PRIu64 " of %s has ended, but %s can't be read (%s): it is tried again",
               a->job, a->tenant->name, what, strerror(-error));
        finish_later(a);
}

static void finish(Attempt *a) {
        char name[48];
        int r;

        /* An empty cgroup may be told before the death of who was the last in it. */
        if (!is_reaped(a)) {
                (void)kill_all(a);
                remove_later(a, -EBUSY);
                return;
        }
        /* With its descriptor what follows can be read, should there be no other. */
        a->exit_source = sd_event_source_disable_unref(a->exit_source);
        a->pidfd = tq_close(a->pidfd);
        r = reap_keep_counters(a);
        if (r < 0) {
                cant_read(a, "its counters", r);
                return;
        }
        r = tq_cgroup_remove(a->tenant->slice_fd,
                             tq_cgroup_leaf_name(a->job, a->attempt, name, sizeof(name)));
        if (r >= 0 || r == -ENOENT || r == -ENODEV) {
                r = judge(a);
                if (r >= 0) {
                        end(a);
                        return;
                }
                cant_read(a, "its result", r);
                return;
        }
        /* Something is left in it: it keeps its slot until that has gone. */
        (void)kill_all(a);
        if (watch_events(a) < 0)
                tq_log(LOG_ERR, "job %" PRIu64 ": can't watch its cgroup", a->job);
        remove_later(a, r);
}

static int on_exit_status(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        Attempt *a = userdata;

        (void)source;
        (void)fd;
        (void)revents;
        if (is_reaped(a)) {
                finish(a);
                return 0;
        }
        /* Whoever traces it has it first (ptrace(2)); it would be told again and again till then.
         */
        (void)sd_event_source_set_enabled(a->exit_source, SD_EVENT_OFF);
        finish_later(a);
        return 0;
}

int reap_watch_exit(Attempt *a) {
        return sd_event_add_io(a->jobs->event, &a->exit_source, a->pidfd, EPOLLIN, on_exit_status,
                               a);
}

static int on_look(sd_event_source *source, uint64_t usec, void *userdata);

static void look_later(Attempt *a, int error) {
        tq_log(LOG_ERR, "job %" PRIu64 ": can't look into its cgroup: %s", a->job,
               strerror(-error));
        a->look_source = sd_event_source_disable_unref(a->look_source);
        if (sd_event_add_time_relative(a->jobs->event, &a->look_source, CLOCK_MONOTONIC, LOOK_USEC,
                                       0, on_look, a) < 0)
                begin_anew(a);
}

/* That it can't be told whether somebody is in it is no reason to kill whoever is. */
static void look(Attempt *a) {
        int r = tq_cgroup_is_populated(a->leaf_fd);

        if (r == 0 || r == -ENOENT || r == -ENODEV)
                finish(a);
        else if (r < 0)
                look_later(a, r);
}

static int on_look(sd_event_source *source, uint64_t usec, void *userdata) {
        (void)source;
        (void)usec;
        reap_adopt(userdata);
        return 0;
}

/* kernfs tells of a change of cgroup.events by EPOLLPRI. */
static int on_events(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        Attempt *a = userdata;
        char text[256];

        (void)source;
        (void)revents;
        /* Reading re-arms the notification. */
        (void)!pread(fd, text, sizeof(text), 0);
        look(a);
        return 0;
}

static int watch_events(Attempt *a) {
        int r;

        if (!a->events_source) {
                if (a->events_fd < 0)
                        a->events_fd = openat(a->leaf_fd, "cgroup.events", O_RDONLY | O_CLOEXEC);
                if (a->events_fd < 0)
                        return tq_errno();
                r = sd_event_add_io(a->jobs->event, &a->events_source, a->events_fd, EPOLLPRI,
                                    on_events, a);
                if (r < 0)
                        return r;
        }
        /* It may have emptied before we looked. */
        return sd_event_source_set_enabled(a->events_source, SD_EVENT_ON);
}

void reap_adopt(Attempt *a) {
        int r = watch_events(a);

        if (r < 0)
                look_later(a, r);
        else
                look(a);
}

/* What the engine asks --------------------------------------------------------------------------
 */

/* One that has not ended. */
static Attempt *find(const Jobs *j, const TqMessage *m) {
        Attempt *a = attempt_find(j, m->attempt.job);

        return a && a->attempt == m->attempt.attempt && !a->has_ended ? a : NULL;
}

/* All of it was killed: what doesn't end now, though nobody may wait for it, is worth a word. */
static void expect_end(Attempt *a) {
        if (!a->remove_source)
                remove_later(a, -EBUSY);
}

void reap_abort(Attempt *a) {
        a->is_aborted = true;
        a->barrier_fd = tq_close(a->barrier_fd);
        (void)kill_all(a);
        expect_end(a);
}

static int on_abort(void *userdata, const TqMessage *m, const char *blob, int *fd) {
        Attempt *a = find(userdata, m);

        (void)blob;
        (void)fd;
        if (a)
                reap_abort(a);
        return 0;
}

#define SIGNALS_PER_TURN 256

static void end_term(Attempt *a) {
        a->term_source = sd_event_source_disable_unref(a->term_source);
        a->term_procs = tq_procs_free(a->term_procs);
}

/* Some of its processes; between two turns the loop does everything else. */
static int on_term_turn(sd_event_source *source, void *userdata) {
        Attempt *a = userdata;
        int r = tq_procs_signal(a->term_procs, SIGTERM, SIGNALS_PER_TURN);

        (void)source;
        if (r < 0)
                tq_log(LOG_ERR, "job %" PRIu64 ": SIGTERM: %s", a->job, strerror(-r));
        if (r <= 0)
                end_term(a);
        return 0;
}

static int on_term(void *userdata, const TqMessage *m, const char *blob, int *fd) {
        Attempt *a = find(userdata, m);
        int r;

        (void)blob;
        (void)fd;
        if (!a || a->term_source)
                return 0;
        /* tenantq-exec, being an init without a handler, does not notice. */
        r = tq_procs_open(a->leaf_fd, &a->term_procs);
        if (r >= 0)
                r = sd_event_add_defer(a->jobs->event, &a->term_source, on_term_turn, a);
        if (r >= 0)
                r = sd_event_source_set_enabled(a->term_source, SD_EVENT_ON);
        if (r >= 0)
                r = sd_event_source_set_priority(a->term_source, SD_EVENT_PRIORITY_IDLE);
        if (r >= 0)
                return on_term_turn(a->term_source, a);
        tq_log(LOG_ERR, "job %" PRIu64 ": SIGTERM: %s", a->job, strerror(-r));
        end_term(a);
        return 0;
}

static int on_kill(void *userdata, const TqMessage *m, const char *blob, int *fd) {
        Attempt *a = find(userdata, m);
        int r;

        (void)blob;
        (void)fd;
        if (!a)
                return 0;
        r = kill_all(a);
        if (r < 0)
                tq_log(LOG_ERR, "job %" PRIu64 ": cgroup.kill: %s", a->job, strerror(-r));
        expect_end(a);
        return 0;
}

/* An administrator gives it up by name: what is left of it is not ours any more. */
static int on_abandon(void *userdata, const TqMessage *m, const char *blob, int *fd) {
        Attempt *a = find(userdata, m);

        (void)blob;
        (void)fd;
        if (!a)
                return 0;
        (void)reap_keep_counters(a);
        (void)kill_all(a);
        tq_log(LOG_WARNING, "job %" PRIu64 " of %s: given up; its cgroup is left as it is", a->job,
               a->tenant->name);
        (void)judge(a);
        end(a);
        return 0;
}

static int on_sample(void *userdata, const TqMessage *message, const char *blob, int *fd) {
        const Attempt *a = find(userdata, message);
        TqMessage m = {};
        TqCounters c;

        (void)blob;
        (void)fd;
        if (!a)
                return 0;
        (void)tq_cgroup_counters(a->leaf_fd, slices_controllers(a->jobs->slices), &c);
        m.used = (TqUsedMessage){ .job = a->job, .attempt = a->attempt };
        m.used.use.cpu_usec = c.cpu_usec == TQ_UNKNOWN ? 0 : c.cpu_usec;
        m.used.use.memory_bytes = c.memory_peak_bytes == TQ_UNKNOWN ? 0 : c.memory_peak_bytes;
        if (c.io_read_bytes != TQ_UNKNOWN)
                m.used.use.io_bytes = tq_add_u64(c.io_read_bytes, c.io_write_bytes);
        (void)tq_link_send(a->jobs->link, TQ_MESSAGE_USED, &m, NULL, 0, -EBADF);
        return 0;
}

/* The verdict is recorded: its record may go. */
static int on_acknowledged(void *userdata, const TqMessage *m, const char *blob, int *fd) {
        Attempt *a = attempt_find(userdata, m->attempt.job);

        (void)blob;
        (void)fd;
        if (a && a->attempt == m->attempt.attempt && a->has_ended)
                forget(a);
        return 0;
}

void reap_listen(Jobs *j) {
        static const struct {
                TqMessageType type;
                TqLinkHandler handler;
        } handlers[] = {
                { TQ_MESSAGE_ABORT, on_abort },   { TQ_MESSAGE_TERM, on_term },
                { TQ_MESSAGE_KILL, on_kill },     { TQ_MESSAGE_ABANDON, on_abandon },
                { TQ_MESSAGE_SAMPLE, on_sample }, { TQ_MESSAGE_ACK, on_acknowledged },
        };

        for (size_t i = 0; i < TQ_ELEMENTSOF(handlers); i++)
                tq_link_on(j->link, handlers[i].type, handlers[i].handler, j);
}
