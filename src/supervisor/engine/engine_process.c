/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "supervisor/engine/engine_process.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <systemd/sd-daemon.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "supervisor/engine/culprits.h"
#include "supervisor/engine/engine_launch.h"
#include "supervisor/engine/starting.h"
#include "supervisor/host/check.h"

/* When the engine fails, the jobs go on, launches that were not released are ended, and a new one
 * is started and told how things stand. It is believed only in what an engine may decide: which job
 * of which tenant to start, stop or forget. */

#define RESTART_USEC     (50 * TQ_USEC_PER_MSEC)
#define RESTART_MAX_USEC TQ_USEC_PER_SEC
#define STABLE_USEC      (30 * TQ_USEC_PER_SEC)
#define STOP_USEC        (10 * TQ_USEC_PER_SEC)
#define SCAN_USEC        TQ_USEC_PER_SEC

struct EngineProcess {
        EngineRooms rooms;
        pid_t pid;
        int pidfd;
        bool has_greeted; /* it has read its ledger */
        bool is_told;     /* what there is */
        bool is_ready;    /* we are: an engine was, once */
        bool is_stopping;
        uint64_t started;
        unsigned failures;
        int crumb_fd; /* what the engine works on (ipc/crumb.h) */
        Culprits culprits;
        Starting starting;
        sd_event_source *exit_source, *restart_source, *watchdog_source, *stop_source, *scan_source;
        uint64_t watchdog_usec;
        uint64_t ping;
};

/* What it is told -------------------------------------------------------------------------------
 */

static void tell(EngineProcess *e, TqMessageType type, TqMessage *m) {
        (void)tq_link_send(e->rooms.link, type, m, NULL, 0, -EBADF);
}

static void say_hello(EngineProcess *e) {
        const Host *h = e->rooms.host;
        TqMessage m = {
                .hello = { .controllers = slices_controllers(e->rooms.slices),
                           .admin_gid = h->users.admin_gid,
                           .host_sum = host_sum(&h->config),
                           .profiles_sum = profiles_sum(h->profiles),
                           .defaults = h->config.defaults,
                           .retention = h->config.retention,
                           .ceilings = h->config.ceilings },
        };

        host_policy(&h->config, &m.hello.policy);
        memcpy(m.hello.boot_id, h->boot_id, sizeof(m.hello.boot_id));
        if (strlen(h->config.cgroup_root) < sizeof(m.hello.cgroup_root))
                memcpy(m.hello.cgroup_root, h->config.cgroup_root, strlen(h->config.cgroup_root));
        tell(e, TQ_MESSAGE_HELLO, &m);
}

void engine_process_take_stock(EngineProcess *e) {
        TqMessage m = {};

        if (!e->has_greeted || e->is_told || jobs_have_orphans(e->rooms.jobs))
                return;
        e->is_told = true;
        culprits_tell(&e->culprits, e->rooms.link);
        jobs_tell(e->rooms.jobs);
        claims_tell(e->rooms.claims);
        tell(e, TQ_MESSAGE_STOCK_TAKEN, &m);
}

/* What it says ----------------------------------------------------------------------------------
 */

static int on_next_claim(void *userdata, const TqMessage *m, const char *blob, int *fd) {
        EngineProcess *e = userdata;

        (void)blob;
        (void)fd;
        claims_number_from(e->rooms.claims, m->number.cookie);
        engine_launch_note_ledger(e->rooms.host, e->rooms.own);
        e->has_greeted = true;
        starting_end(&e->starting);
        engine_process_take_stock(e);
        return 0;
}

static int on_ready(void *userdata, const TqMessage *m, const char *blob, int *fd) {
        EngineProcess *e = userdata;

        (void)m;
        (void)blob;
        (void)fd;
        spool_set_open(e->rooms.spool, true);
        if (!e->is_ready) {
                e->is_ready = true;
                (void)sd_notify(0, "READY=1");
                tq_log_about(LOG_INFO, (TqLogAbout){ .id = TQ_LOG_READY }, "ready");
        }
        return 0;
}

static int on_pong(void *userdata, const TqMessage *m, const char *blob, int *fd) {
        (void)userdata;
        (void)m;
        (void)blob;
        (void)fd;
        (void)sd_notify(0, "WATCHDOG=1");
        return 0;
}

static int on_status(void *userdata, const TqMessage *m, const char *blob, int *fd) {
        (void)userdata;
        (void)m;
        (void)fd;
        (void)sd_notifyf(0, "STATUS=%s", blob);
        return 0;
}

static int on_reload(void *userdata, const TqMessage *message, const char *blob, int *fd) {
        TqMessage m = { .number = { .cookie = message->number.cookie } };
        EngineProcess *e = userdata;
        TqError err = {};
        char text[768] = "";

        (void)blob;
        (void)fd;
        m.number.result = engine_process_reload(e, &err);
        if (m.number.result < 0)
                (void)tq_error_format(&err, text, sizeof(text));
        (void)tq_link_send(e->rooms.link, TQ_MESSAGE_ANSWER, &m, text, strlen(text), -EBADF);
        return 0;
}

void engine_process_closed(EngineProcess *e, int error) {
        if (error >= 0)
                return;
        tq_log(LOG_ERR, "the engine broke the protocol (%s); killing it", strerror(-error));
        (void)pidfd_send_signal(e->pidfd, SIGKILL, NULL, 0);
}

/* Reload ----------------------------------------------------------------------------------------
 */

static int on_scan(sd_event_source *source, uint64_t usec, void *userdata);

void engine_process_scan_later(EngineProcess *e) {
        e->scan_source = sd_event_source_disable_unref(e->scan_source);
        if (sd_event_add_time_relative(e->rooms.event, &e->scan_source, CLOCK_MONOTONIC, SCAN_USEC,
                                       0, on_scan, e) < 0)
                (void)sd_event_exit(e->rooms.event, 1);
}

static int on_scan(sd_event_source *source, uint64_t usec, void *userdata) {
        EngineProcess *e = userdata;

        (void)source;
        (void)usec;
        if (tenants_scan(e->rooms.tenants) < 0)
                engine_process_scan_later(e);
        return 0;
}

/* The new configuration holds already, also for the tenants that are known. */
static void reconfigure_tenants(EngineProcess *e) {
        int r = tenants_reconfigure(e->rooms.tenants);

        if (r >= 0)
                return;
        tq_log(LOG_WARNING, "the spool can't be read (%s): tenants that are new are found later",
               strerror(-r));
        engine_process_scan_later(e);
}

static int reload(EngineProcess *e, TqError *err) {
        Host *h = e->rooms.host;
        TQ_CLOSE int config_fd = tq_fs_open_dir(AT_FDCWD, h->config_dir);
        TQ_FREE TqHostConfig *config = malloc(sizeof(*config));
        Profiles *profiles = NULL;
        int r;

        if (!config)
                return tq_error_errno(err, -ENOMEM, "%s", h->config_dir);
        /* By its name: the directory may be another one by now. */
        if (config_fd < 0)
                return tq_error_errno(err, config_fd, "%s", h->config_dir);
        r = tq_hostfile_load(config_fd, config, err);
        if (r >= 0)
                r = check_host(config, err);
        if (r >= 0)
                r = host_check_pools(config, slices_controllers(e->rooms.slices), err);
        if (r >= 0)
                r = profiles_load(config_fd, false, &profiles, err);
        /* All tenants' files before the first of them takes effect. */
        if (r >= 0)
                r = check_tenant_files(&(CheckFiles){ config_fd, own_fd(e->rooms.own, OWN_SPOOL),
                                                      config, profiles, check_log, check_log,
                                                      false },
                                       err);
        if (r < 0) {
                (void)profiles_free(profiles);
                return r;
        }
        host_replace(h, &config_fd, config, &profiles);
        say_hello(e);
        reconfigure_tenants(e);
        output_reconfigure(e->rooms.output);
        return 0;
}

int engine_process_reload(EngineProcess *e, TqError *err) {
        char text[768];
        int r;

        if (e->is_ready)
                (void)sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu",
                                 (unsigned long long)tq_clock_monotonic_usec());
        r = reload(e, err);
        if (e->is_ready)
                (void)sd_notify(0, "READY=1");
        if (r < 0)
                tq_log_about(LOG_ERR, (TqLogAbout){ .id = TQ_LOG_RELOAD_REFUSED },
                             "reload refused, the old configuration stays: %s",
                             tq_error_format(err, text, sizeof(text)));
        else
                tq_log_about(LOG_INFO, (TqLogAbout){ .id = TQ_LOG_RELOADED },
                             "configuration reloaded");
        return r;
}

/* Its life --------------------------------------------------------------------------------------
 */

static int on_restart(sd_event_source *source, uint64_t usec, void *userdata) {
        EngineProcess *e = userdata;

        (void)source;
        (void)usec;
        e->restart_source = sd_event_source_disable_unref(e->restart_source);
        if (engine_process_start(e) < 0)
                (void)sd_event_exit(e->rooms.event, 1);
        return 0;
}

static void plan_restart(EngineProcess *e) {
        uint64_t delay = RESTART_USEC;

        if (tq_clock_boottime_usec() - e->started > STABLE_USEC)
                e->failures = 0;
        for (unsigned i = 0; i < e->failures && delay < RESTART_MAX_USEC; i++)
                delay *= 2;
        e->failures++;
        /* Without a timer nobody would start it again: the next tenantqd does. */
        if (sd_event_add_time_relative(e->rooms.event, &e->restart_source, CLOCK_MONOTONIC,
                                       TQ_MIN(delay, RESTART_MAX_USEC), 1000, on_restart, e) < 0)
                (void)sd_event_exit(e->rooms.event, 1);
}

/* By itself; not because somebody wanted it to end. */
static bool has_crashed(const siginfo_t *info) {
        static const int signals[] = { SIGSEGV, SIGABRT, SIGBUS, SIGSYS, SIGFPE, SIGILL, SIGTRAP };

        for (size_t i = 0; info->si_code != CLD_EXITED && i < TQ_ELEMENTSOF(signals); i++)
                if (info->si_status == signals[i])
                        return true;
        return false;
}

/* Who handed in what it died over is found, so that it does not die of it for ever, and with it the
 * service for all. */
static void find_culprit(EngineProcess *e, const siginfo_t *info) {
        TqCrumb crumb;
        int r = tq_crumb_take(e->crumb_fd, &crumb);

        if (r < 0)
                tq_log(LOG_ERR, "what the engine worked on is not known: %s", strerror(-r));
        if (r <= 0 || !has_crashed(info))
                return;
        /* A job that is not committed is met again as its claim. */
        if (crumb.kind == TQ_CRUMB_CLAIM)
                (void)claims_blame(e->rooms.claims, crumb.number, info->si_status);
        else if (crumb.kind == TQ_CRUMB_JOB && crumb.claim > 0 &&
                 claims_blame(e->rooms.claims, crumb.claim, info->si_status))
                return;
        if (crumb.kind == TQ_CRUMB_JOB) {
                tq_log_about(LOG_ERR, (TqLogAbout){ .job = crumb.number },
                             "the engine crashed while it worked on job %" PRIu64 " (signal %d)",
                             crumb.number, info->si_status);
                culprits_note_job(&e->culprits, crumb.number, info->si_status);
        }
        if (crumb.kind != TQ_CRUMB_CLAIM && crumb.uid != TQ_CRUMB_NOBODY) {
                tq_log(LOG_ERR,
                       "the engine crashed over what user %u handed in by the control socket "
                       "(signal %d)",
                       crumb.uid, info->si_status);
                culprits_note_caller(&e->culprits, crumb.uid, info->si_status);
        }
}

static int on_exit_status(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        EngineProcess *e = userdata;
        siginfo_t info = {};

        (void)source;
        (void)revents;
        if (waitid(P_PIDFD, (id_t)fd, &info, WEXITED | WNOHANG) < 0 || info.si_pid == 0)
                return 0;
        e->exit_source = sd_event_source_disable_unref(e->exit_source);
        e->pidfd = tq_close(e->pidfd);
        tq_link_close(e->rooms.link);
        e->has_greeted = e->is_told = false;
        starting_end(&e->starting);
        /* Nothing is taken until the next one is ready. */
        spool_set_open(e->rooms.spool, false);
        if (e->is_stopping)
                return sd_event_exit(e->rooms.event, 0);
        if (!e->is_ready && info.si_code == CLD_EXITED && info.si_status != 0) {
                tq_log(LOG_ERR, "the engine can't start (it said why above)");
                return sd_event_exit(e->rooms.event, 1);
        }
        tq_log_about(LOG_ERR, (TqLogAbout){ .id = TQ_LOG_ENGINE_ENDED },
                     "the engine ended (%s %d); jobs go on, starting it again",
                     info.si_code == CLD_EXITED ? "exit" : "signal", info.si_status);
        ends_forget_questions(e->rooms.ends);
        find_culprit(e, &info);
        claims_keep_all(e->rooms.claims);
        jobs_orphan(e->rooms.jobs);
        plan_restart(e);
        return 0;
}

static int on_watchdog(sd_event_source *source, uint64_t usec, void *userdata) {
        EngineProcess *e = userdata;
        TqMessage m = { .number = { .cookie = ++e->ping } };

        /* Alive means that the engine answers too; without an answer systemd restarts us both. */
        tell(e, TQ_MESSAGE_PING, &m);
        (void)sd_event_source_set_time(source, usec + e->watchdog_usec / 2);
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int start_watchdog(EngineProcess *e) {
        if (e->watchdog_source || sd_watchdog_enabled(0, &e->watchdog_usec) <= 0)
                return 0;
        return sd_event_add_time_relative(e->rooms.event, &e->watchdog_source, CLOCK_MONOTONIC,
                                          e->watchdog_usec / 2, e->watchdog_usec / 10, on_watchdog,
                                          e);
}

int engine_process_start(EngineProcess *e) {
        int fds[2], r;

        r = tq_channel_pair(fds);
        if (r < 0)
                return r;
        r = engine_launch(e->rooms.host, e->rooms.own, fds[1], e->crumb_fd, &e->pid, &e->pidfd);
        (void)tq_close(fds[1]);
        if (r < 0) {
                (void)tq_close(fds[0]);
                tq_log(LOG_ERR, "can't start the engine: %s", strerror(-r));
                return r;
        }
        e->started = tq_clock_boottime_usec();
        r = tq_link_open(e->rooms.link, fds[0]);
        if (r >= 0)
                r = sd_event_add_io(e->rooms.event, &e->exit_source, e->pidfd, EPOLLIN,
                                    on_exit_status, e);
        if (r >= 0)
                r = start_watchdog(e);
        if (r >= 0 && !e->is_ready)
                r = starting_begin(&e->starting, e->rooms.event, e->pid);
        if (r < 0)
                return r;
        say_hello(e);
        tenants_announce_all(e->rooms.tenants);
        return 0;
}

static int on_stop_timeout(sd_event_source *source, uint64_t usec, void *userdata) {
        (void)source;
        (void)usec;
        return sd_event_exit(((EngineProcess *)userdata)->rooms.event, 0);
}

void engine_process_stop(EngineProcess *e) {
        if (e->is_stopping)
                return;
        e->is_stopping = true;
        (void)sd_notify(0, "STOPPING=1");
        if (!tq_link_is_open(e->rooms.link)) {
                (void)sd_event_exit(e->rooms.event, 0);
                return;
        }
        tq_link_close(e->rooms.link);
        (void)sd_event_add_time_relative(e->rooms.event, &e->stop_source, CLOCK_MONOTONIC,
                                         STOP_USEC, 0, on_stop_timeout, e);
}

int engine_process_new(const EngineRooms *rooms, EngineProcess **ret) {
        static const struct {
                TqMessageType type;
                TqLinkHandler handler;
        } handlers[] = {
                { TQ_MESSAGE_NEXT_CLAIM, on_next_claim },
                { TQ_MESSAGE_READY, on_ready },
                { TQ_MESSAGE_PONG, on_pong },
                { TQ_MESSAGE_STATUS, on_status },
                { TQ_MESSAGE_RELOAD, on_reload },
        };
        EngineProcess *e = calloc(1, sizeof(*e));

        if (!e)
                return -ENOMEM;
        e->rooms = *rooms;
        e->pidfd = -EBADF;
        e->crumb_fd = tq_crumb_new();
        if (e->crumb_fd < 0) {
                int r = e->crumb_fd;

                free(e);
                return r;
        }
        for (size_t i = 0; i < TQ_ELEMENTSOF(handlers); i++)
                tq_link_on(rooms->link, handlers[i].type, handlers[i].handler, e);
        *ret = e;
        return 0;
}

EngineProcess *engine_process_free(EngineProcess *e) {
        if (!e)
                return NULL;
        starting_end(&e->starting);
        (void)sd_event_source_disable_unref(e->exit_source);
        (void)sd_event_source_disable_unref(e->restart_source);
        (void)sd_event_source_disable_unref(e->watchdog_source);
        (void)sd_event_source_disable_unref(e->stop_source);
        (void)sd_event_source_disable_unref(e->scan_source);
        (void)tq_close(e->pidfd);
        (void)tq_close(e->crumb_fd);
        free(e);
        return NULL;
}
