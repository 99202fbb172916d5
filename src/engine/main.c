/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* tenantq-engine: the brain. No privilege, no network, a seccomp filter; started by tenantqd
 * through tenantq-exec with four descriptors: the channel to the supervisor, the control socket,
 * the directory of claims (to sync it), and the page that says what it works on (ipc/crumb.h).
 *
 * Here the rooms are put together, and whoever has to hear of something is told whom to call. Each
 * room knows those below it only:
 *
 *   api > ends > intake > dispatch > history > recovery > settings > tenants > commit > link > log
 */

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "engine/api/api.h"
#include "engine/ends/ends.h"
#include "engine/history/history.h"
#include "engine/settings/drift.h"
#include "engine/settings/files.h"
#include "engine/settings/expiry.h"
#include "engine/settings/rollout.h"
#include "engine/intake/intake.h"

enum { FD_CHANNEL = 3, FD_LISTEN = 4, FD_CLAIMS = 5, FD_CRUMB = 6 };

typedef struct Engine {
        sd_event *event;
        TqLink *link;
        Commit *commit;
        Events *events;
        Tenants *tenants;
        Settings *settings;
        Expiry *expiry;
        Drift *drift;
        Rollouts *rollouts;
        Files *files;
        Recovery *recovery;
        Feed *feed;
        History *history;
        Dispatch *dispatch;
        Intake *intake;
        Ends *ends;
        Api *api;
        bool has_greeted, is_open;
        bool has_said; /* why it ends */
        int exit_code;
        sd_event_source *status_timer;
        bool status_is_due;
} Engine;

/* Status line --------------------------------------------------------------------------------- */

static void send_status(Engine *e) {
        const TqScheduler *scheduler = feed_scheduler(e->feed);
        const char *fault = commit_fault(e->commit);
        uint64_t running = 0, waiting = 0;
        TqSwitches switches;
        size_t position = 0;
        TqMessage m = {};
        const Tenant *t;
        char text[256];

        while ((t = tenants_next(e->tenants, &position))) {
                const TqTenant *view = tq_scheduler_tenant(scheduler, t->id);

                running += view ? view->running : 0;
                waiting += view ? view->waiting.jobs : 0;
        }
        switches = tq_scheduler_host_switches(scheduler);
        (void)snprintf(text, sizeof(text), "%s%s%s%s%s%llu running, %llu waiting, %zu tenants",
                       !fault                          ? ""
                       : commit_is_degraded(e->commit) ? "DEGRADED ("
                                                       : "FULL (",
                       fault ? fault : "", fault ? "): " : "", switches.is_paused ? "PAUSED: " : "",
                       switches.is_draining ? "DRAINING: " : "", (unsigned long long)running,
                       (unsigned long long)waiting, tenants_count(e->tenants));
        (void)tq_link_send(e->link, TQ_MESSAGE_STATUS, &m, text, strlen(text), -EBADF);
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
static void touch_status(void *data) {
        Engine *e = data;

        if (e->status_is_due || !e->is_open)
                return;
        e->status_is_due =
                sd_event_source_set_time_relative(e->status_timer, TQ_USEC_PER_SEC) >= 0 &&
                sd_event_source_set_enabled(e->status_timer, SD_EVENT_ONESHOT) >= 0;
}

/* Who hears of what --------------------------------------------------------------------------- */

static void on_ledger(void *data) {
        Engine *e = data;

        if (commit_fault(e->commit))
                dispatch_stop_starting(e->dispatch, commit_is_degraded(e->commit));
        else if (e->is_open)
                dispatch_open_again(e->dispatch);
        /* Nothing more is to be taken, or all that waits. */
        intake_room_made_all(e->intake);
        send_status(e);
}

static void on_former(void *data, const Tenant *former) {
        Engine *e = data;

        if (tq_scheduler_tenant(feed_scheduler(e->feed), former->id))
                settings_tell(e->settings, former);
        intake_room_made(e->intake, former->id);
}

static void on_change(void *data, const Tenant *t) {
        dispatch_tell_tenant(((Engine *)data)->dispatch, t);
}

static void on_started(void *data, uint64_t job) {
        api_job_started(((Engine *)data)->api, job);
}

static void on_ended(void *data, uint64_t job, uint32_t tenant) {
        Engine *e = data;

        api_job_ended(e->api, job);
        ends_job_ended(e->ends, tenant);
        history_job_ended(e->history, tenant);
        drift_job_ended(e->drift, tenant);
}

static void on_recorded(void *data, const TqLedgerOp *ops, size_t n) {
        api_recorded(((Engine *)data)->api, ops, n);
}

static void on_room(void *data, uint32_t tenant) {
        intake_room_made(((Engine *)data)->intake, tenant);
}

/* What a tenant can bring about as often as it likes, if it knows how. */
static void on_quarantined(void *data, uint32_t tenant, const Job *job, const char *why) {
        Engine *e = data;
        const Tenant *t = tenants_get(e->tenants, tenant);

        tq_log_about(LOG_ERR,
                     (TqLogAbout){ .id = TQ_LOG_QUARANTINED,
                                   .tenant = t ? t->name : NULL,
                                   .job = job->id,
                                   .trail = job_cold(job)->trail },
                     "job %" PRIu64 " of %s is held in quarantine: %s", job->id, t ? t->name : "?",
                     why);
        events_add_within(e->events, tenants_budget(e->tenants, tenant), TQ_KIND_QUARANTINE,
                          job->id, EVENTS_NOBODY,
                          "held: %s; tenantqctl release %" PRIu64 " tries it again", why, job->id);
}

/* Start-up ------------------------------------------------------------------------------------ */

static int load_switch(void *userdata, const TqLedgerSwitch *row) {
        Engine *e = userdata;
        int r = feed_step(e->feed, &(TqEvent){ .type = TQ_EVENT_SWITCH,
                                               .tenant = row->tenant,
                                               .j = { .queue = row->queue[0] ? row->queue : NULL },
                                               .switches = row->switches });

        return r == -ENOENT ? 0 : r;
}

/* What the ledger knows of tenants. A job of it may be of one whose directory is gone, so each is
 * known to the scheduler, and what is switched off before the first file is taken. */
static int load(Engine *e) {
        size_t position = 0;
        const Tenant *t;
        int r;

        r = tenants_load(e->tenants);
        if (r >= 0)
                r = settings_load(e->settings);
        if (r >= 0)
                r = rollouts_load(e->rollouts);
        if (r >= 0)
                r = files_load(e->files);
        if (r >= 0)
                r = files_hear_host(e->files, settings_host(e->settings));
        while (r >= 0 && (t = tenants_next(e->tenants, &position)))
                settings_tell(e->settings, t);
        if (r >= 0)
                r = tq_ledger_each_switch(commit_ledger(e->commit), load_switch, e);
        return r < 0 ? r : ends_load(e->ends);
}

static void say_brought(const TqLedger *l) {
        int from = tq_ledger_brought_from(l);

        if (from > 0)
                tq_log(LOG_NOTICE, "the ledger, of version %d, was brought to this version's",
                       from);
}

static int greet(Engine *e, const TqHello *hello) {
        TqMessage m = {};
        TqError err = {};
        char text[640];
        int r;

        e->has_greeted = true;
        r = commit_open(e->commit, hello->boot_id, &err);
        if (r >= 0) {
                r = load(e);
                (void)(r < 0 ? tq_error_errno(&err, r, "ledger") : 0);
        }
        if (r < 0) {
                tq_log(LOG_ERR, "%s", tq_error_format(&err, text, sizeof(text)));
                e->has_said = true;
                return r;
        }
        say_brought(commit_ledger(e->commit));
        m.number.cookie = commit_numbers(e->commit)->next_claim;
        return tq_link_send(e->link, TQ_MESSAGE_NEXT_CLAIM, &m, NULL, 0, -EBADF);
}

static int on_hello(void *userdata, const TqMessage *m, const char *blob, int *fd) {
        Engine *e = userdata;
        int r;

        (void)blob;
        (void)fd;
        settings_hear_host(e->settings, &m->hello);
        api_set_admins(e->api, m->hello.admin_gid);
        r = dispatch_tell_host(e->dispatch);
        if (r == -ENOSPC && e->has_greeted) {
                tq_log(LOG_ERR, "more pools than there is room for while tenants of the old ones "
                                "remain; reload again");
                r = 0;
        }
        if (e->has_greeted)
                history_look(e->history);
        if (r >= 0 && e->has_greeted)
                r = files_hear_host(e->files, &m->hello);
        return r < 0 || e->has_greeted ? r : greet(e, &m->hello); /* a reload: the tenants follow */
}

static int on_tenant(void *userdata, const TqMessage *m, const char *blob, int *fd) {
        Engine *e = userdata;
        const Tenant *t;
        int r;

        (void)blob;
        (void)fd;
        if (!e->has_greeted)
                return -EBADMSG;
        r = tenants_hear(e->tenants, &m->tenant, &t);
        if (r >= 0)
                r = settings_hear(e->settings, t, &m->tenant);
        if (r >= 0)
                r = files_hear(e->files, t, &m->tenant);
        /* Of what is drained nothing is to be taken, from the first file on. */
        if (r >= 0)
                intake_room_made(e->intake, t->id);
        return r;
}

static int on_crashed(void *userdata, const TqMessage *message, const char *blob, int *fd) {
        const TqCrashedMessage *m = &message->crashed;
        Engine *e = userdata;

        (void)blob;
        (void)fd;
        if (!e->has_greeted)
                return -EBADMSG;
        if (m->job > 0) {
                dispatch_note_crash(e->dispatch, m->job, m->sig);
                return 0;
        }
        if (m->is_new)
                events_add_within(e->events, NULL, TQ_KIND_QUARANTINE, 0, m->uid,
                                  "the engine crashed twice while it read what user %u handed in "
                                  "by the control socket (signal %d): nothing more is taken so "
                                  "for some minutes",
                                  m->uid, m->sig);
        return intake_bar(e->intake, m->uid, m->until_usec);
}

static int on_stock_taken(void *userdata, const TqMessage *message, const char *blob, int *fd) {
        Engine *e = userdata;
        TqMessage m = {};
        int r;

        (void)message;
        (void)blob;
        (void)fd;
        /* Once: from here on these are not the supervisor's to say. */
        tq_link_on(e->link, TQ_MESSAGE_STOCK_TAKEN, NULL, NULL);
        tq_link_on(e->link, TQ_MESSAGE_CLAIM_KEPT, NULL, NULL);
        tq_link_on(e->link, TQ_MESSAGE_ADOPTED, NULL, NULL);
        tq_link_on(e->link, TQ_MESSAGE_CRASHED, NULL, NULL);
        r = dispatch_load(e->dispatch);
        if (r >= 0)
                r = commit_start(e->commit);
        if (r >= 0)
                r = dispatch_open(e->dispatch);
        if (r >= 0)
                r = api_start(e->api);
        if (r < 0) {
                tq_log(LOG_ERR, "recovery: %s", strerror(-r));
                return r;
        }
        e->is_open = true;
        history_start(e->history);
        expiry_start(e->expiry);
        rollouts_start(e->rollouts);
        ends_start(e->ends);
        send_status(e);
        return tq_link_send(e->link, TQ_MESSAGE_READY, &m, NULL, 0, -EBADF);
}

static int on_descriptor(void *userdata, const TqMessage *m, const char *blob, int *fd) {
        Engine *e = userdata;
        int r;

        (void)blob;
        /* Lost for want of descriptors: the next one of us is given it. */
        if (*fd < 0)
                return -EMFILE;
        if (m->number.cookie == TQ_DESCRIPTOR_LISTEN)
                return api_listen(e->api, tq_take_fd(fd));
        r = commit_replace_claims(e->commit, tq_take_fd(fd));
        if (r < 0)
                tq_log(LOG_ERR, "the directory of claims can't be replaced: %s", strerror(-r));
        return 0;
}

static int on_ping(void *userdata, const TqMessage *m, const char *blob, int *fd) {
        TqMessage pong = { .number = m->number };

        (void)blob;
        (void)fd;
        return tq_link_send(((Engine *)userdata)->link, TQ_MESSAGE_PONG, &pong, NULL, 0, -EBADF);
}

/* The supervisor is leaving, or gone: what has been decided is committed, then so do we. */
static void on_closed(void *userdata, int error) {
        Engine *e = userdata;

        if (error == -EPROTONOSUPPORT)
                tq_log(LOG_ERR, "tenantqd is of another version than this engine: restart tenantq "
                                "when its upgrade is through");
        else if (error < 0 && !e->has_said)
                tq_log(LOG_ERR, "channel to the supervisor: %s", strerror(-error));
        if (error < 0)
                e->exit_code = 1;
        (void)sd_event_exit(e->event, e->exit_code);
}

static void listen_to_supervisor(Engine *e) {
        static const struct {
                TqMessageType type;
                TqLinkHandler handler;
        } handlers[] = {
                { TQ_MESSAGE_HELLO, on_hello },
                { TQ_MESSAGE_TENANT, on_tenant },
                { TQ_MESSAGE_CRASHED, on_crashed },
                { TQ_MESSAGE_STOCK_TAKEN, on_stock_taken },
                { TQ_MESSAGE_DESCRIPTOR, on_descriptor },
                { TQ_MESSAGE_PING, on_ping },
        };

        for (size_t i = 0; i < TQ_ELEMENTSOF(handlers); i++)
                tq_link_on(e->link, handlers[i].type, handlers[i].handler, e);
}

static int on_input(void *data, uint64_t job) {
        return api_job_input(((Engine *)data)->api, job);
}

static int make_rooms(Engine *e, const char *ledger_path) {
        const DispatchHooks hooks = { e, on_started, on_ended, on_room, on_quarantined, on_input };
        int r;

        r = sd_event_default(&e->event);
        if (r >= 0)
                r = sd_event_add_time(e->event, &e->status_timer, CLOCK_MONOTONIC, 0, 100000,
                                      on_status, e);
        if (r >= 0)
                r = sd_event_source_set_enabled(e->status_timer, SD_EVENT_OFF);
        if (r >= 0)
                r = tq_link_new(e->event, on_closed, e, &e->link);
        if (r >= 0)
                r = commit_new(e->event, ledger_path, FD_CLAIMS, &e->commit);
        if (r >= 0)
                r = events_new(e->event, e->commit, &e->events);
        if (r >= 0)
                r = tenants_new(e->commit, e->events, &e->tenants);
        if (r >= 0)
                r = feed_new(&e->feed);
        if (r >= 0)
                r = settings_new(e->link, e->commit, e->tenants, feed_scheduler(e->feed),
                                 &e->settings);
        if (r >= 0)
                r = expiry_new(e->event, e->settings, e->commit, &e->expiry);
        if (r >= 0)
                r = drift_new(e->link, e->settings, &e->drift);
        if (r >= 0)
                r = rollouts_new(e->event, e->settings, e->drift, &e->rollouts);
        if (r >= 0)
                r = files_new(e->commit, e->tenants, &e->files);
        if (r >= 0)
                r = recovery_new(&e->recovery);
        if (r >= 0)
                r = history_new(e->event, e->commit, e->tenants, e->settings,
                                feed_scheduler(e->feed), &e->history);
        if (r >= 0)
                r = dispatch_new(e->event, e->link, e->commit, e->tenants, e->settings, e->recovery,
                                 e->feed, &hooks, &e->dispatch);
        if (r >= 0)
                r = intake_new(e->event, e->link, e->commit, e->events, e->tenants, e->settings,
                               e->dispatch, &e->intake);
        if (r >= 0)
                r = ends_new(&(EndsRooms){ .event = e->event,
                                           .link = e->link,
                                           .commit = e->commit,
                                           .tenants = e->tenants,
                                           .settings = e->settings,
                                           .files = e->files,
                                           .dispatch = e->dispatch,
                                           .intake = e->intake },
                             &e->ends);
        if (r >= 0)
                r = api_new(e->event, FD_LISTEN,
                            &(ApiContext){ .link = e->link,
                                           .history = e->history,
                                           .commit = e->commit,
                                           .events = e->events,
                                           .tenants = e->tenants,
                                           .settings = e->settings,
                                           .drift = e->drift,
                                           .rollouts = e->rollouts,
                                           .files = e->files,
                                           .dispatch = e->dispatch,
                                           .intake = e->intake,
                                           .ends = e->ends },
                            &e->api);
        return r;
}

static int start(Engine *e, const char *ledger_path) {
        int r = make_rooms(e, ledger_path);
        TqCrumb *crumb;

        if (r < 0)
                return r;
        commit_on_change(e->commit, on_ledger, e);
        commit_on_recorded(e->commit, on_recorded, e);
        tenants_on_former(e->tenants, on_former, e);
        settings_on_change(e->settings, on_change, e);
        feed_on_decision(e->feed, touch_status, e);
        listen_to_supervisor(e);
        r = tq_crumb_map(FD_CRUMB, &crumb);
        if (r < 0)
                return r;
        tq_link_set_crumb(e->link, crumb);
        return tq_link_open(e->link, FD_CHANNEL);
}

/* What is decided is committed; whoever waits is not answered any more. */
static void leave(Engine *e) {
        if (e->events)
                events_flush(e->events);
        if (e->dispatch)
                dispatch_leave(e->dispatch);
        if (e->commit)
                commit_leave(e->commit);
        e->link = tq_link_free(e->link);
        e->api = api_free(e->api);
        e->ends = ends_free(e->ends);
        e->intake = intake_free(e->intake);
        e->dispatch = dispatch_free(e->dispatch);
        e->history = history_free(e->history);
        e->recovery = recovery_free(e->recovery);
        e->files = files_free(e->files);
        e->rollouts = rollouts_free(e->rollouts);
        e->drift = drift_free(e->drift);
        e->expiry = expiry_free(e->expiry);
        e->settings = settings_free(e->settings);
        e->feed = feed_free(e->feed);
        e->tenants = tenants_free(e->tenants);
        e->events = events_free(e->events);
        e->commit = commit_free(e->commit);
        (void)sd_event_source_disable_unref(e->status_timer);
        (void)sd_event_unref(e->event);
}

/* Who stops tenantqd may signal all of its processes: we leave when the channel closes, with the
 * ledger closed. */
static void ignore_signals(void) {
        static const int signals[] = { SIGPIPE, SIGTERM, SIGINT, SIGHUP };

        for (size_t i = 0; i < TQ_ELEMENTSOF(signals); i++)
                (void)signal(signals[i], SIG_IGN);
}

int main(int argc, char *argv[]) {
        char text[640];
        TqError err = {};
        Engine e = {};
        int r;

        if (argc < 2 || argc > 3) {
                (void)fprintf(stderr, "tenantq-engine is started by tenantqd only\n");
                return 2;
        }
        ignore_signals();
        tq_log_open("engine: ");
        /* Only if tenantqd says so, one is made. */
        if (argc == 2 && tq_ledger_must_exist(argv[1], &err) < 0) {
                tq_log(LOG_ERR, "%s", tq_error_format(&err, text, sizeof(text)));
                return 1;
        }
        r = start(&e, argv[1]);
        if (r < 0)
                tq_log(LOG_ERR, "%s", strerror(-r));
        else {
                r = sd_event_loop(e.event);
                if (r < 0)
                        tq_log(LOG_ERR, "event loop: %s", strerror(-r));
        }
        leave(&e);
        return r < 0 ? 1 : r;
}
