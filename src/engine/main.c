/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* tenantq-engine: the brain. No privilege, no network, a seccomp filter; started by tenantqd
 * through tenantq-exec with three descriptors: the channel to the supervisor, the control socket,
 * and the directory of claims (to sync it). */

#include <fcntl.h>
#include <ctype.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "base/clock.h"
#include "engine/engine.h"

enum { FD_CHANNEL = 3, FD_LISTEN = 4, FD_CLAIMS = 5 };

void engine_say(const char *level, const char *fmt, ...) {
        char text[1024];
        va_list ap;

        va_start(ap, fmt);
        (void)vsnprintf(text, sizeof(text), fmt, ap);
        va_end(ap);
        (void)fprintf(stderr, "%sengine: %s\n", level, text);
}

/* Status line --------------------------------------------------------------------------------- */

/* What ended the recording, and what somebody can do. */
typedef struct Degradation {
        int error; /* 0: any other */
        const char *what, *mend;
} Degradation;

static const Degradation *degradation_of(const Engine *e) {
        static const Degradation all[] = {
                { -ENOMEM, "memory ran out", "give tenantq memory, then restart it" },
                { -ESTALE, "the ledger's file was removed or replaced",
                  "bring it back, from a backup if need be, then restart tenantq" },
                { 0, "the ledger could not be written", "mend the disk, then restart tenantq" },
        };
        const Degradation *d = all;

        while (d->error != 0 && d->error != e->degraded_by)
                d++;
        return d;
}

const char *engine_unrecorded(const Engine *e, char *buf, size_t size) {
        const Degradation *d = degradation_of(e);

        (void)snprintf(buf, size, "%s: %s", d->what, d->mend);
        return buf;
}

static void send_status(Engine *e) {
        const EngineTenant *t;
        uint64_t running = 0, waiting = 0;
        TqSwitches switches;
        size_t position = 0;
        TqMessage m = {};
        char text[256];

        while ((t = tq_map_next(&e->tenants, &position))) {
                const TqTenant *view = tq_scheduler_tenant(e->scheduler, t->id);

                running += view ? view->running : 0;
                waiting += view ? view->waiting.jobs : 0;
        }
        switches = tq_scheduler_host_switches(e->scheduler);
        (void)snprintf(text, sizeof(text), "%s%s%s%s%s%llu running, %llu waiting, %zu tenants",
                       e->is_degraded ? "DEGRADED (" : "",
                       e->is_degraded ? degradation_of(e)->what : "", e->is_degraded ? "): " : "",
                       switches.is_paused ? "PAUSED: " : "",
                       switches.is_draining ? "DRAINING: " : "", (unsigned long long)running,
                       (unsigned long long)waiting, e->tenants.size);
        (void)tq_channel_send(e->channel, TQ_MESSAGE_STATUS, &m, text, strlen(text), -EBADF);
}

static int on_status(sd_event_source *source, uint64_t usec, void *userdata) {
        Engine *e = userdata;

        (void)source;
        (void)usec;
        e->status_is_due = false;
        send_status(e);
        return 0;
}

/* At most one line a second, and none while nothing happens. */
void engine_touch_status(Engine *e) {
        uint64_t now;

        if (e->status_is_due || !e->is_open)
                return;
        e->status_is_due = true;
        if (!e->status_timer) {
                (void)sd_event_add_time_relative(e->event, &e->status_timer, CLOCK_MONOTONIC,
                                                 TQ_USEC_PER_SEC, 100000, on_status, e);
                return;
        }
        (void)sd_event_now(e->event, CLOCK_MONOTONIC, &now);
        (void)sd_event_source_set_time(e->status_timer, now + TQ_USEC_PER_SEC);
        (void)sd_event_source_set_enabled(e->status_timer, SD_EVENT_ONESHOT);
}

/* What stands at its barrier can't be recorded as running any more: it is undone, and waits for
 * better days. */
static void stop_starting(Engine *e) {
        size_t position = 0;
        const TqJob *job;

        (void)dispatch_step(e, &(TqEvent){ .type = TQ_EVENT_CLOSE });
        while ((job = tq_scheduler_next_job(e->scheduler, &position))) {
                const EngineTenant *t = tq_map_get(&e->tenants, job->tenant->id);

                if (job->state == TQ_JOB_STARTING)
                        dispatch_send(e, TQ_MESSAGE_ABORT, t ? t->handle : 0, job->id,
                                      job->attempt);
        }
}

void engine_degrade(Engine *e, int error) {
        if (e->is_degraded)
                return;
        e->is_degraded = true;
        e->degraded_by = error;
        engine_say(SD_CRIT,
                   "DEGRADED: %s (%s). Nothing is accepted or started any more; running jobs go "
                   "on. %c%s",
                   degradation_of(e)->what, strerror(-error), toupper(degradation_of(e)->mend[0]),
                   degradation_of(e)->mend + 1);
        stop_starting(e);
        send_status(e);
}

/* Start-up ------------------------------------------------------------------------------------ */

static int on_hello(Engine *e, const TqHello *hello) {
        TqMessage m = {};
        TqError err = {};
        char text[512];
        int r;

        e->controllers = hello->controllers;
        e->admin_gid = hello->admin_gid;
        e->defaults = hello->defaults;
        e->ceilings = hello->ceilings;
        e->policy = hello->policy;
        r = dispatch_step(e, &(TqEvent){ .type = TQ_EVENT_HOST, .host = &e->policy });
        if (r == -ENOSPC && e->has_greeted) {
                engine_say(SD_ERR, "more pools than there is room for while tenants of the old "
                                   "ones remain; reload again");
                r = 0;
        }
        if (r < 0 || e->has_greeted)
                return r; /* a reload; the tenants follow */
        e->has_greeted = true;
        memcpy(e->boot_id, hello->boot_id, sizeof(e->boot_id));
        r = tq_ledger_open(e->ledger_path, e->boot_id, &e->ledger, &err);
        if (r < 0) {
                engine_say(SD_ERR, "%s", tq_error_format(&err, text, sizeof(text)));
                return r;
        }
        r = tq_ledger_numbers(e->ledger, &e->numbers);
        if (r >= 0)
                r = tenants_load(e);
        if (r < 0) {
                engine_say(SD_ERR, "ledger: %s", strerror(-r));
                return r;
        }
        m.number.cookie = e->numbers.next_claim;
        return tq_channel_send(e->channel, TQ_MESSAGE_NEXT_CLAIM, &m, NULL, 0, -EBADF);
}

static int on_stock_taken(Engine *e) {
        size_t position = 0;
        EngineTenant *t;
        TqMessage m = {};
        int r;

        /* A job of the ledger may be of a tenant whose directory is gone. */
        while ((t = tq_map_next(&e->tenants, &position)))
                if (!tq_scheduler_tenant(e->scheduler, t->id))
                        tenants_tell_scheduler(e, t);
        r = switches_load(e);
        /* Before the first time of day is reckoned. */
        if (r >= 0)
                r = daytime_start(e);
        if (r >= 0)
                r = recover_settle(e);
        if (r >= 0)
                r = batch_start(e);
        if (r >= 0)
                r = dispatch_step(e, &(TqEvent){ .type = TQ_EVENT_OPEN });
        if (r >= 0)
                r = control_start(e);
        if (r < 0) {
                engine_say(SD_ERR, "recovery: %s", strerror(-r));
                return r;
        }
        e->is_open = true;
        send_status(e);
        return tq_channel_send(e->channel, TQ_MESSAGE_READY, &m, NULL, 0, -EBADF);
}

/* Messages ------------------------------------------------------------------------------------ */

/* Only the job's row would tell of it: said where an operator looks. */
static void note_output(Engine *e, const TqEndedMessage *m) {
        EngineTenant *t = tq_map_get(&e->handles, m->tenant);
        uint64_t now = tq_clock_boottime_usec();

        if (!t)
                return;
        if (m->end.output_failed && !t->output_fails) {
                /* Once a minute: a job without output in between makes it new. */
                if (now >= t->output_says_from) {
                        engine_say(SD_ERR,
                                   "tenant %s: output of job %llu could not be written: is the "
                                   "disk of the logs full?",
                                   t->name, (unsigned long long)m->job);
                        t->output_says_from = now + 60 * TQ_USEC_PER_SEC;
                }
                batch_event_of(e, t, "output-lost", m->job, BATCH_NOBODY,
                               "%llu bytes could not be written: is the disk of the logs full?",
                               (unsigned long long)m->end.dropped_bytes);
        }
        t->output_fails = m->end.output_failed;
}

static void on_ended(Engine *e, const TqEndedMessage *m) {
        int r;

        note_output(e, m);
        if (recover_on_ended(e, m))
                return;
        r = dispatch_step(e, &(TqEvent){ .type = TQ_EVENT_ENDED,
                                         .job = m->job,
                                         .attempt = m->attempt,
                                         .end = &m->end });
        if (r == -ENOENT)
                dispatch_send(e, TQ_MESSAGE_ACK, m->tenant, m->job, m->attempt);
}

/* Its own memory or pids may be too small for the launch itself; everything else that passes is the
 * host's or the tenant's affair, and no reason to end a job. */
static bool is_own_fault(const EngineJob *job, const TqAttemptMessage *m) {
        static const TqKey keys[] = { TQ_KEY_MEMORY, TQ_KEY_MEMORY_HIGH, TQ_KEY_SWAP, TQ_KEY_PIDS };

        if ((m->error != ENOMEM && m->error != EAGAIN) || m->stage < TQ_STAGE_LIMITS || !job->spec)
                return false;
        for (size_t i = 0; i < TQ_ELEMENTSOF(keys); i++)
                if (tq_limits_has(&job->spec->limits, keys[i]))
                        return true;
        return false;
}

static void on_start_failed(Engine *e, const TqAttemptMessage *m) {
        TqEnd end = { .kind = TQ_END_SPAWN_FAILED, .stage = m->stage, .code = m->error };

        const TqJob *live = tq_scheduler_job(e->scheduler, m->job);
        EngineJob *job = live && live->attempt == m->attempt ? live->userdata : NULL;

        memset(&end.counters, 0xFF, sizeof(end.counters));
        if (job && m->is_temporary && m->stage != TQ_STAGE_TENANT && !is_own_fault(job, m)) {
                char text[128];

                (void)snprintf(text, sizeof(text), "%s: %s",
                               tq_verdict_stage_to_string((TqStage)m->stage), strerror(m->error));
                tenants_note_launch(e, tq_map_get(&e->tenants, live->tenant->id), text);
        }
        if (job) {
                job->failed_stage = (TqStage)m->stage;
                job->failed_error = m->error;
        }
        (void)dispatch_step(e,
                            &(TqEvent){ .type = m->is_temporary ? TQ_EVENT_REFUSED : TQ_EVENT_ENDED,
                                        .job = m->job,
                                        .attempt = m->attempt,
                                        .end = &end,
                                        .is_own = job && is_own_fault(job, m) });
}

static int on_descriptor(Engine *e, uint64_t which, int fd) {
        if (which == TQ_DESCRIPTOR_LISTEN)
                return control_listen(e, fd);
        /* In place: the worker may be using the number. */
        if (dup3(fd, e->claims_fd, O_CLOEXEC) < 0)
                engine_say(SD_ERR, "the directory of claims can't be replaced: %s",
                           strerror(errno));
        (void)tq_close(fd);
        return 0;
}

static void on_worked(Engine *e, uint64_t job) {
        const TqJob *live = tq_scheduler_job(e->scheduler, job);

        if (live)
                tenants_note_launch(e, tq_map_get(&e->tenants, live->tenant->id), NULL);
}

static int on_message(void *userdata, const TqMessage *m, const char *blob, int *fd) {
        Engine *e = userdata;
        TqMessage pong;

        switch ((TqMessageType)m->header.type) {
        case TQ_MESSAGE_HELLO:
                return on_hello(e, &m->hello);
        case TQ_MESSAGE_TENANT:
                return e->has_greeted ? tenants_on_message(e, &m->tenant) : -EBADMSG;
        case TQ_MESSAGE_CLAIM:
                intake_claim(e, &m->claim, blob, m->header.blob_size);
                return 0;
        case TQ_MESSAGE_REFUSED:
                intake_refused(e, &m->claim, blob);
                return 0;
        case TQ_MESSAGE_SPAWNED:
                on_worked(e, m->attempt.job);
                (void)dispatch_step(e, &(TqEvent){ .type = TQ_EVENT_SPAWNED,
                                                   .job = m->attempt.job,
                                                   .attempt = m->attempt.attempt });
                return 0;
        case TQ_MESSAGE_USED:
                (void)dispatch_step(e, &(TqEvent){ .type = TQ_EVENT_USED,
                                                   .job = m->used.job,
                                                   .attempt = m->used.attempt,
                                                   .use = &m->used.use });
                return 0;
        case TQ_MESSAGE_START_FAILED:
                on_start_failed(e, &m->attempt);
                return 0;
        case TQ_MESSAGE_ADOPTED:
                return recover_note(e, m->attempt.job, m->attempt.attempt, m->attempt.tenant, NULL);
        case TQ_MESSAGE_ENDED:
                if (!e->is_open)
                        return recover_note(e, m->ended.job, m->ended.attempt, m->ended.tenant,
                                            &m->ended.end);
                on_ended(e, &m->ended);
                return 0;
        case TQ_MESSAGE_STOCK_TAKEN:
                return e->is_open ? -EBADMSG : on_stock_taken(e);
        case TQ_MESSAGE_ANSWER:
                requests_answer(e, &m->number, blob, m->header.blob_size, fd);
                return 0;
        case TQ_MESSAGE_DESCRIPTOR:
                return *fd >= 0 ? on_descriptor(e, m->number.cookie, tq_take_fd(fd)) : 0;
        case TQ_MESSAGE_PING:
                pong = (TqMessage){ .number = m->number };
                return tq_channel_send(e->channel, TQ_MESSAGE_PONG, &pong, NULL, 0, -EBADF);
        default:
                return -EBADMSG; /* not the supervisor's to say */
        }
}

/* The supervisor is leaving, or gone: what has been decided is committed, then so do we. */
static void on_closed(void *userdata, int error) {
        Engine *e = userdata;

        if (error < 0) {
                engine_say(SD_ERR, "channel to the supervisor: %s", strerror(-error));
                e->exit_code = 1;
        }
        (void)sd_event_exit(e->event, e->exit_code);
}

static int leave(Engine *e, int code) {
        e->is_leaving = true;
        e->worker = tq_worker_free(e->worker);
        /* What came during the last commit. */
        batch_flush_budgets(e);
        if (e->batch && e->ledger && !e->is_degraded && tq_ledger_check(e->ledger) >= 0 &&
            (!e->batch->has_claims || fsync(e->claims_fd) >= 0))
                (void)tq_ledger_apply(e->ledger, e->batch->ops, e->batch->n_ops);
        control_stop(e);
        e->ledger = tq_ledger_close(e->ledger);
        return code;
}

int main(int argc, char *argv[]) {
        static Engine e = { .armed = TQ_NEVER,
                            .listen_fd = FD_LISTEN,
                            .spare_fd = -EBADF,
                            .claims_fd = FD_CLAIMS };
        int r;

        if (argc != 3) {
                (void)fprintf(stderr, "tenantq-engine is started by tenantqd only\n");
                return 2;
        }
        (void)signal(SIGPIPE, SIG_IGN);
        tq_list_init(&e.walks);
        e.ledger_path = argv[1];
        e.scheduler = tq_scheduler_new();
        r = e.scheduler ? sd_event_default(&e.event) : -ENOMEM;
        if (r >= 0)
                r = tq_channel_new(e.event, FD_CHANNEL, SD_EVENT_PRIORITY_NORMAL, on_message,
                                   on_closed, &e, &e.channel);
        if (r < 0) {
                engine_say(SD_ERR, "%s", strerror(-r));
                return 1;
        }
        r = sd_event_loop(e.event);
        if (r < 0)
                engine_say(SD_ERR, "event loop: %s", strerror(-r));
        return leave(&e, r < 0 ? 1 : r);
}
