/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <systemd/sd-daemon.h>

#include "base/clock.h"
#include "store/joblog.h"
#include "supervisor/supervisor.h"

/* The engine and what it says. It runs without privilege and may fail: then the jobs go on,
 * launches that were not released are ended, and a new engine is started and told how things stand.
 * It is believed only in what an engine may decide: which job of which tenant to start, stop or
 * forget. */

#define RESTART_USEC     (50 * TQ_USEC_PER_MSEC)
#define RESTART_MAX_USEC TQ_USEC_PER_SEC
#define STABLE_USEC      (30 * TQ_USEC_PER_SEC)

void link_send(Supervisor *s, TqMessageType type, TqMessage *m, const void *blob, size_t size,
               int fd) {
        /* Without an engine nothing is said; the next one is told everything. */
        if (s->channel)
                (void)tq_channel_send(s->channel, type, m, blob, size, fd);
}

void link_hand_over(Supervisor *s, uint64_t which, int fd) {
        TqMessage m = { .number = { .cookie = which } };

        link_send(s, TQ_MESSAGE_DESCRIPTOR, &m, NULL, 0, fd);
}

void link_take_stock(Supervisor *s) {
        TqMessage m = {};

        if (!s->engine_has_greeted || s->stock_is_told || inventory_has_orphans(s))
                return;
        s->stock_is_told = true;
        inventory_tell(s);
        (void)claim_redeliver(s, NULL);
        link_send(s, TQ_MESSAGE_STOCK_TAKEN, &m, NULL, 0, -EBADF);
}

/* What the engine asks ------------------------------------------------------------------------ */

static void answer(Supervisor *s, uint64_t cookie, int result, const void *blob, size_t size,
                   int fd) {
        TqMessage m = { .number = { .cookie = cookie, .result = result } };

        link_send(s, TQ_MESSAGE_ANSWER, &m, blob, size, fd);
}

static void answer_error(Supervisor *s, uint64_t cookie, int result, const TqError *err) {
        char text[768];

        (void)tq_error_format(err, text, sizeof(text));
        answer(s, cookie, result, text, strlen(text), -EBADF);
}

static void on_apply(Supervisor *s, const TqApplyMessage *m) {
        TQ_BUFFER_CLEANUP TqBuffer values = {};
        Tenant *t = tenants_find(s, m->tenant);
        TqError err = {};
        int r;

        r = tenants_apply(s, t, &m->limits, &values, &err);
        if (r >= 0)
                r = tq_buffer_error(&values);
        if (r < 0) {
                (void)tq_error_errno(&err, r, "applying limits");
                answer_error(s, m->cookie, r, &err);
                return;
        }
        answer(s, m->cookie, 0, values.data, values.size, -EBADF);
        if (t)
                spool_wake(s, t, false);
}

static void on_open_log(Supervisor *s, const TqOpenLogMessage *m) {
        Tenant *t = tenants_find(s, m->tenant);
        TQ_CLOSE int fd = -EBADF;

        if (t && m->stream < _TQ_STREAM_MAX)
                fd = logs_open_output(s, t, m->job, m->attempt, (TqStream)m->stream);
        answer(s, m->cookie, fd < 0 ? (fd == -EBADF ? -ENOENT : fd) : 0, NULL, 0,
               fd < 0 ? -EBADF : fd);
}

static void on_reload(Supervisor *s, uint64_t cookie) {
        TqError err = {};
        int r;

        r = tenants_reload(s, &err);
        if (r < 0)
                answer_error(s, cookie, r, &err);
        else
                answer(s, cookie, 0, NULL, 0, -EBADF);
}

static void on_take(Supervisor *s, uint32_t tenant) {
        Tenant *t = tenants_find(s, tenant);

        if (t)
                spool_take(s, t);
}

static void on_ready(Supervisor *s) {
        s->engine_is_ready = true;
        spool_continue(s);
        if (!s->is_ready) {
                s->is_ready = true;
                (void)sd_notify(0, "READY=1");
                report_info("ready");
        }
}

static int on_message(void *userdata, const TqMessage *m, const char *blob, int *fd) {
        Supervisor *s = userdata;
        size_t size = m->header.blob_size;

        (void)fd;
        switch ((TqMessageType)m->header.type) {
        case TQ_MESSAGE_NEXT_CLAIM:
                s->next_claim = TQ_MAX(s->next_claim, m->number.cookie);
                s->engine_has_greeted = true;
                link_take_stock(s);
                return 0;
        case TQ_MESSAGE_READY:
                on_ready(s);
                return 0;
        case TQ_MESSAGE_CLAIM_DONE:
                if (m->claim_done.is_held)
                        claim_put_back(s, m->claim_done.claim, m->claim_done.is_queues);
                else
                        claim_done(s, m->claim_done.claim, m->claim_done.is_accepted, blob);
                return 0;
        case TQ_MESSAGE_START:
                launch_start(s, &m->start, blob, size);
                return 0;
        case TQ_MESSAGE_RELEASE:
                launch_release(s, m->attempt.job, m->attempt.attempt);
                return 0;
        case TQ_MESSAGE_ABORT:
                reap_abort(s, m->attempt.job, m->attempt.attempt);
                return 0;
        case TQ_MESSAGE_TERM:
                reap_term(s, m->attempt.job, m->attempt.attempt);
                return 0;
        case TQ_MESSAGE_KILL:
                reap_kill(s, m->attempt.job, m->attempt.attempt);
                return 0;
        case TQ_MESSAGE_ABANDON:
                reap_abandon(s, m->attempt.job, m->attempt.attempt);
                return 0;
        case TQ_MESSAGE_SAMPLE:
                reap_sample(s, m->attempt.job, m->attempt.attempt);
                return 0;
        case TQ_MESSAGE_TAKE:
                on_take(s, m->attempt.tenant);
                return 0;
        case TQ_MESSAGE_ACK:
                reap_acknowledge(s, m->attempt.job, m->attempt.attempt);
                return 0;
        case TQ_MESSAGE_APPLY:
                on_apply(s, &m->apply);
                return 0;
        case TQ_MESSAGE_OPEN_LOG:
                on_open_log(s, &m->open_log);
                return 0;
        case TQ_MESSAGE_RELOAD:
                on_reload(s, m->number.cookie);
                return 0;
        case TQ_MESSAGE_PONG:
                s->pong = m->number.cookie;
                (void)sd_notify(0, "WATCHDOG=1");
                return 0;
        case TQ_MESSAGE_STATUS:
                (void)sd_notifyf(0, "STATUS=%s", blob);
                return 0;
        default:
                return -EBADMSG; /* not the engine's to say */
        }
}

static void on_closed(void *userdata, int error) {
        Supervisor *s = userdata;

        if (error < 0) {
                report_error("the engine broke the protocol (%s); killing it", strerror(-error));
                (void)pidfd_send_signal(s->engine_pidfd, SIGKILL, NULL, 0);
        }
}

/* Its life ------------------------------------------------------------------------------------ */

static void forget_claims(Supervisor *s) {
        size_t position = 0;
        Claim *c;

        while ((c = tq_map_next(&s->claims, &position)))
                (void)claim_free(c);
        tq_map_done(&s->claims);
        /* The next engine says itself who has no room. */
        TQ_LIST_FOREACH(node, &s->tenants) {
                Tenant *t = TQ_LIST_ENTRY(node, Tenant, all);

                t->has_claim = false;
                spool_take(s, t);
        }
}

static int on_restart(sd_event_source *source, uint64_t usec, void *userdata) {
        Supervisor *s = userdata;

        (void)source;
        (void)usec;
        s->restart_source = sd_event_source_disable_unref(s->restart_source);
        if (link_start(s) < 0)
                (void)sd_event_exit(s->event, 1);
        return 0;
}

static void plan_restart(Supervisor *s) {
        uint64_t delay = RESTART_USEC;

        if (tq_clock_boottime_usec() - s->engine_started > STABLE_USEC)
                s->engine_failures = 0;
        for (unsigned i = 0; i < s->engine_failures && delay < RESTART_MAX_USEC; i++)
                delay *= 2;
        s->engine_failures++;
        (void)sd_event_add_time_relative(s->event, &s->restart_source, CLOCK_MONOTONIC,
                                         TQ_MIN(delay, RESTART_MAX_USEC), 1000, on_restart, s);
}

static int on_engine_exit(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        Supervisor *s = userdata;
        siginfo_t info = {};

        (void)source;
        (void)revents;
        if (waitid(P_PIDFD, (id_t)fd, &info, WEXITED | WNOHANG) < 0 || info.si_pid == 0)
                return 0;
        s->engine_exit_source = sd_event_source_disable_unref(s->engine_exit_source);
        s->engine_pidfd = tq_close(s->engine_pidfd);
        s->channel = tq_channel_free(s->channel);
        s->engine_is_ready = s->engine_has_greeted = s->stock_is_told = false;
        /* Nothing is claimed until the next one is ready. */
        spool_continue(s);
        if (s->is_stopping)
                return sd_event_exit(s->event, 0);
        if (!s->is_ready && info.si_code == CLD_EXITED && info.si_status != 0) {
                report_error("the engine can't start (it said why above)");
                return sd_event_exit(s->event, 1);
        }
        report_error("the engine ended (%s %d); jobs go on, starting it again",
                     info.si_code == CLD_EXITED ? "exit" : "signal", info.si_status);
        forget_claims(s);
        inventory_orphan(s);
        plan_restart(s);
        return 0;
}

static int on_watchdog(sd_event_source *source, uint64_t usec, void *userdata) {
        Supervisor *s = userdata;
        TqMessage m = { .number = { .cookie = ++s->ping } };

        /* Alive means that the engine answers too; without an answer systemd restarts us both. */
        link_send(s, TQ_MESSAGE_PING, &m, NULL, 0, -EBADF);
        (void)sd_event_source_set_time(source, usec + s->watchdog_usec / 2);
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int start_watchdog(Supervisor *s) {
        if (s->watchdog_source || sd_watchdog_enabled(0, &s->watchdog_usec) <= 0)
                return 0;
        return sd_event_add_time_relative(s->event, &s->watchdog_source, CLOCK_MONOTONIC,
                                          s->watchdog_usec / 2, s->watchdog_usec / 10, on_watchdog,
                                          s);
}

static void greet(Supervisor *s) {
        TqMessage m = {
                .hello = { .controllers = s->controllers,
                           .admin_gid = s->admin_gid,
                           .defaults = s->config.defaults,
                           .ceilings = s->config.ceilings },
        };

        setup_policy(&s->config, &m.hello.policy);
        memcpy(m.hello.boot_id, s->boot_id, sizeof(m.hello.boot_id));
        link_send(s, TQ_MESSAGE_HELLO, &m, NULL, 0, -EBADF);
        tenants_announce(s);
}

int link_start(Supervisor *s) {
        int fds[2], r;

        r = tq_channel_pair(fds);
        if (r < 0)
                return r;
        r = launch_engine(s, fds[1]);
        (void)tq_close(fds[1]);
        if (r < 0) {
                (void)tq_close(fds[0]);
                report_error("can't start the engine: %s", strerror(-r));
                return r;
        }
        s->engine_started = tq_clock_boottime_usec();
        r = tq_channel_new(s->event, fds[0], SD_EVENT_PRIORITY_NORMAL, on_message, on_closed, s,
                           &s->channel);
        if (r >= 0)
                r = sd_event_add_io(s->event, &s->engine_exit_source, s->engine_pidfd, EPOLLIN,
                                    on_engine_exit, s);
        if (r >= 0)
                r = start_watchdog(s);
        if (r >= 0)
                greet(s);
        return r;
}

static int on_stop_timeout(sd_event_source *source, uint64_t usec, void *userdata) {
        Supervisor *s = userdata;

        (void)source;
        (void)usec;
        return sd_event_exit(s->event, 0);
}

/* The engine sees the end of the channel, commits what it has and leaves; we wait for that. */
void link_stop(Supervisor *s) {
        if (s->is_stopping)
                return;
        s->is_stopping = true;
        (void)sd_notify(0, "STOPPING=1");
        if (!s->channel) {
                (void)sd_event_exit(s->event, 0);
                return;
        }
        tq_channel_flush(s->channel);
        s->channel = tq_channel_free(s->channel);
        (void)sd_event_add_time_relative(s->event, &s->stop_source, CLOCK_MONOTONIC,
                                         10 * TQ_USEC_PER_SEC, 0, on_stop_timeout, s);
}
