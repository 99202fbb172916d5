/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/dispatch/dispatch.h"

#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "engine/dispatch/daytime.h"
#include "engine/dispatch/start.h"
#include "engine/dispatch/load.h"
#include "engine/dispatch/standings.h"
#include "kernel/filter.h"

/* An action that only prepares (START, ABORT) is sent at once: a launch waits at its barrier and
 * can be undone. Everything else is put down to be committed, and its message follows that.
 *
 * One timer is set to what is due next; off when nothing is. It has the callers' priority, so that
 * neither they nor what is done in parts keep the other waiting. */

struct Dispatch {
        sd_event *event;
        TqLink *link;
        Commit *commit;
        Tenants *tenants;
        Settings *settings;
        Recovery *recovery;
        Feed *feed;
        Starts *starts;
        Walks *walks;
        Daytime *daytime;
        Afters *afters;
        Standings *standings;
        Crash crash;
        DispatchHooks hooks;
        TqMap ending; /* job → its verdict as a text, owned: it is not committed yet */
        bool is_open;
        sd_event_source *timer, *post;
        uint64_t armed; /* what the timer is set to */
};

static void send(Dispatch *d, TqMessageType type, uint32_t tenant, uint64_t job, unsigned attempt) {
        const Tenant *t = tenants_get(d->tenants, tenant);

        (void)tq_link_send_attempt(d->link, type, t ? t->handle : 0, job, attempt);
}

/* Actions ------------------------------------------------------------------------------------- */

/* A message about an attempt that follows its record. */
typedef struct Following {
        Dispatch *dispatch;
        TqMessageType type;
        uint32_t handle; /* of the tenant as it was */
        unsigned attempt;
        uint64_t job;
} Following;

static void on_recorded(void *data, int result) {
        const Following *f = data;
        TqMessageType type = f->type;

        /* Running jobs are supervised to their end, also when that can't be written down. */
        if (result < 0 && type == TQ_MESSAGE_RELEASE)
                type = TQ_MESSAGE_ABORT;
        else if (result < 0 && type != TQ_MESSAGE_TERM && type != TQ_MESSAGE_KILL)
                return;
        if (type == TQ_MESSAGE_RELEASE)
                f->dispatch->hooks.started(f->dispatch->hooks.data, f->job);
        (void)tq_link_send_attempt(f->dispatch->link, type, f->handle, f->job, f->attempt);
}

static void follow_by(Dispatch *d, TqMessageType type, const TqAction *a) {
        const Tenant *t = tenants_get(d->tenants, a->tenant);
        bool hurries = type == TQ_MESSAGE_TERM || type == TQ_MESSAGE_KILL;
        Following *f =
                (hurries ? commit_then_hurry : commit_then)(d->commit, on_recorded, sizeof(*f));

        if (f)
                *f = (Following){ .dispatch = d,
                                  .type = type,
                                  .job = a->job,
                                  .attempt = a->attempt,
                                  .handle = t ? t->handle : 0 };
}

/* The end of a job is patient: its slot is another's already. */
static TqLedgerOp *record(Dispatch *d, TqLedgerOpType type, const TqAction *a) {
        TqLedgerOp *op = (type == TQ_LEDGER_DONE ? commit_op_patient : commit_op)(d->commit, type);

        if (op) {
                op->job = a->job;
                op->attempt = a->attempt;
                op->tenant = a->tenant;
                op->stop = a->stop;
        }
        return op;
}

static void on_start(void *data, const TqAction *a) {
        Dispatch *d = data;

        starts_start(d->starts, a);
        d->hooks.has_room(d->hooks.data, a->tenant);
}

static void on_run(void *data, const TqAction *a) {
        Dispatch *d = data;

        (void)record(d, TQ_LEDGER_RUNNING, a);
        follow_by(d, TQ_MESSAGE_RELEASE, a);
        /* A job that runs is started again only when it provably never ran: rare enough to be read
         * from the ledger then. */
        job_drop_spec(a->userdata);
}

static void on_abort(void *data, const TqAction *a) {
        starts_abort(((Dispatch *)data)->starts, a);
}

static void on_term(void *data, const TqAction *a) {
        (void)record(data, TQ_LEDGER_STOP, a);
        follow_by(data, TQ_MESSAGE_TERM, a);
}

static void on_kill(void *data, const TqAction *a) {
        follow_by(data, TQ_MESSAGE_KILL, a);
}

static void on_sample(void *data, const TqAction *a) {
        send(data, TQ_MESSAGE_SAMPLE, a->tenant, a->job, a->attempt);
}

/* The scheduler holds it. */
static void quarantine(Dispatch *d, const TqAction *a) {
        TqLedgerOp *op = record(d, TQ_LEDGER_QUARANTINE, a);
        const char *name = sigabbrev_np(a->verdict.code);
        Job *job = a->userdata;
        char why[160];

        (void)snprintf(why, sizeof(why),
                       "its launch crashed again (tenantq-exec, signal %d, %s), and others' do not",
                       a->verdict.code, name ? name : "?");
        if (op)
                (void)commit_copy(d->commit, why, &op->text);
        job->is_held_by_admin = true;
        tenants_note_launch(d->tenants, a->tenant, NULL); /* it was this job alone */
        /* For whoever asks; without memory it is not said. */
        if (job_ensure_cold(job)) {
                free(job->cold->quarantine);
                job->cold->quarantine = strdup(why);
        }
        d->hooks.quarantined(d->hooks.data, a->tenant, job, why);
}

static void on_requeue(void *data, const TqAction *a) {
        (void)record(data, TQ_LEDGER_REQUEUE, a);
        follow_by(data, TQ_MESSAGE_ACK, a);
        if (a->is_quarantined)
                quarantine(data, a);
}

static void name_call(TqVerdict *v) {
        if (v->end.kind == TQ_END_CALL)
                (void)tq_filter_call_name(v->end.code, v->call, sizeof(v->call));
}

static void on_retry(void *data, const TqAction *a) {
        Dispatch *d = data;
        TqLedgerOp *op = record(d, TQ_LEDGER_RETRY, a);
        Job *job = a->userdata;
        char verdict[160];

        if (op) {
                op->verdict = a->verdict;
                name_call(&op->verdict);
                op->failures = a->failures;
                op->again_usec = daytime_of(a->again_at);
        }
        /* For whoever asks; without memory it is not said. */
        if (op && job_ensure_cold(job)) {
                free(job->cold->failed_as);
                job->cold->failed_as =
                        strdup(tq_verdict_format(&op->verdict, verdict, sizeof(verdict)));
        }
        follow_by(d, TQ_MESSAGE_ACK, a);
}

typedef struct Ending {
        Dispatch *dispatch;
        uint64_t job;
        uint32_t tenant;
} Ending;

static void on_end_recorded(void *data, int result) {
        const Ending *e = data;

        if (result < 0)
                return;
        free(tq_map_remove(&e->dispatch->ending, e->job));
        e->dispatch->hooks.ended(e->dispatch->hooks.data, e->job, e->tenant);
}

static void note_ending(Dispatch *d, const TqAction *a) {
        char verdict[160], *text = strdup(tq_verdict_format(&a->verdict, verdict, sizeof(verdict)));

        if (text && tq_map_put(&d->ending, a->job, text) >= 0)
                return;
        free(text);
        commit_degrade(d->commit, -ENOMEM);
}

static void on_finish(void *data, const TqAction *a) {
        Dispatch *d = data;
        TqLedgerOp *op = record(d, TQ_LEDGER_DONE, a);
        Job *job = a->userdata;
        Ending *e;

        if (op) {
                op->verdict = a->verdict;
                op->is_dead = a->is_dead;
                name_call(&op->verdict);
        }
        follow_by(d, TQ_MESSAGE_ACK, a);
        d->hooks.has_room(d->hooks.data, a->tenant);
        settings_job_ended(d->settings, tenants_get(d->tenants, a->tenant));
        e = commit_then(d->commit, on_end_recorded, sizeof(*e));
        if (e)
                *e = (Ending){ .dispatch = d, .job = a->job, .tenant = a->tenant };
        note_ending(d, a);
        /* The one whose launch failed: others that fail say so again. */
        if (job_cold(job)->failed_why)
                tenants_note_launch(d->tenants, a->tenant, NULL);
        (void)job_free(job);
}

/* What the supervisor says --------------------------------------------------------------------- */

/* What could not be taken in for want of memory is said by nobody again: we begin anew then, and
 * are told everything. */
static int heard(int r) {
        return r == -ENOMEM ? r : 0;
}

static int on_spawned(void *userdata, const TqMessage *m, const char *blob, int *fd) {
        const TqAttemptMessage *a = &m->attempt;
        Dispatch *d = userdata;
        const TqJob *live = tq_scheduler_job(feed_scheduler(d->feed), a->job);

        (void)blob;
        (void)fd;
        if (live)
                tenants_note_launch(d->tenants, live->queue->tenant->id, NULL);
        return heard(feed_step(
                d->feed,
                &(TqEvent){ .type = TQ_EVENT_SPAWNED, .job = a->job, .attempt = a->attempt }));
}

static int on_used(void *userdata, const TqMessage *m, const char *blob, int *fd) {
        Dispatch *d = userdata;

        (void)blob;
        (void)fd;
        (void)feed_step(d->feed, &(TqEvent){ .type = TQ_EVENT_USED,
                                             .job = m->used.job,
                                             .attempt = m->used.attempt,
                                             .use = &m->used.use });
        return 0;
}

static int on_stalled(void *userdata, const TqMessage *m, const char *blob, int *fd) {
        Dispatch *d = userdata;

        (void)blob;
        (void)fd;
        /* One that has ended, or is stopping already, needs no other reason. */
        return heard(feed_step(d->feed, &(TqEvent){ .type = TQ_EVENT_STALLED,
                                                    .job = m->attempt.job,
                                                    .attempt = m->attempt.attempt,
                                                    .level = (TqLevel)m->attempt.level }));
}

/* Its own memory or pids may be too small for the launch itself; everything else that passes is the
 * host's or the tenant's affair, and no reason to end a job. */
static bool is_own_fault(const Job *job, const TqAttemptMessage *m) {
        static const TqKey keys[] = { TQ_KEY_MEMORY, TQ_KEY_MEMORY_HIGH, TQ_KEY_SWAP, TQ_KEY_PIDS };

        if ((m->error != ENOMEM && m->error != EAGAIN) || m->stage < TQ_STAGE_LIMITS || !job->spec)
                return false;
        for (size_t i = 0; i < TQ_ELEMENTSOF(keys); i++)
                if (tq_limits_has(&job->spec->limits, keys[i]))
                        return true;
        return false;
}

/* Says why a launch failed for now, of the job and of its tenant. */
static int note_failure(Dispatch *d, const TqJob *live, TqStage stage, int error, const char *text,
                        size_t size, bool is_tenants) {
        Job *job = job_of(live);
        char *why;

        if (!job_ensure_cold(job) ||
            asprintf(&why, "%s: %.*s", tq_verdict_stage_to_string(stage),
                     size > 0 ? (int)size : INT_MAX, size > 0 ? text : strerror(error)) < 0)
                return -ENOMEM;
        if (is_tenants)
                tenants_note_launch(d->tenants, live->queue->tenant->id, why);
        free(job->cold->failed_why);
        job->cold->failed_why = why;
        return 0;
}

/* The end of a launch, as far as it may be the host's fault. */
static int note_end(Dispatch *d, const TqJob *live, const TqEnd *end, const char *text,
                    size_t size) {
        bool has_crashed = end->kind == TQ_END_CRASHED;

        /* Who is told to stop may not have come to begin. */
        if (live->stop != TQ_STOP_NONE)
                return 0;
        if (!has_crashed &&
            (end->kind != TQ_END_SPAWN_FAILED || !tq_verdict_is_before_job((TqStage)end->stage)))
                return 0;
        return note_failure(d, live, has_crashed ? TQ_STAGE_HELPER : (TqStage)end->stage,
                            has_crashed ? EIO : end->code, text, size, true);
}

static int on_start_failed(void *userdata, const TqMessage *message, const char *blob, int *fd) {
        const TqAttemptMessage *m = &message->attempt;
        TqEnd end = { .kind = TQ_END_SPAWN_FAILED, .stage = m->stage, .code = m->error };
        Dispatch *d = userdata;
        const TqJob *live = tq_scheduler_job(feed_scheduler(d->feed), m->job);
        const Job *job = live && live->attempt == m->attempt ? job_of(live) : NULL;
        bool is_tenants;

        (void)fd;
        memset(&end.counters, 0xFF, sizeof(end.counters));
        is_tenants = job && m->is_temporary && m->stage != TQ_STAGE_TENANT && !is_own_fault(job, m);
        if (job && note_failure(d, live, (TqStage)m->stage, m->error, blob,
                                message->header.blob_size, is_tenants) < 0)
                return -ENOMEM;
        return heard(feed_step(
                d->feed, &(TqEvent){ .type = m->is_temporary ? TQ_EVENT_REFUSED : TQ_EVENT_ENDED,
                                     .job = m->job,
                                     .attempt = m->attempt,
                                     .end = &end,
                                     .is_own = job && is_own_fault(job, m) }));
}

static int note_stock(Dispatch *d, uint64_t job, unsigned attempt, uint32_t handle,
                      const TqEnd *end) {
        TqLedgerNumbers *numbers = commit_numbers(d->commit);

        /* A launch whose acceptance was never committed: its number is not given away again. */
        numbers->next_job = TQ_MAX(numbers->next_job, job + 1);
        return recovery_note(d->recovery, job, attempt, handle, end);
}

static int on_adopted(void *userdata, const TqMessage *m, const char *blob, int *fd) {
        (void)blob;
        (void)fd;
        return note_stock(userdata, m->attempt.job, m->attempt.attempt, m->attempt.tenant, NULL);
}

/* tenantqd knows when it began only of what it has released itself. */
static void fill_run(const TqJob *job, TqEnd *end) {
        if (end->started_usec > 0 || job->cold->running_since == 0 ||
            (end->kind != TQ_END_SIGNALED && end->kind != TQ_END_UNKNOWN) ||
            (job->state != TQ_JOB_RUNNING && job->state != TQ_JOB_STOPPING))
                return;
        end->run_usec = tq_sub_u64(tq_clock_boottime_usec(), job->cold->running_since);
        end->ended_usec = tq_clock_realtime_usec();
        end->started_usec = tq_sub_u64(end->ended_usec, end->run_usec);
}

static int on_ended(void *userdata, const TqMessage *message, const char *blob, int *fd) {
        const TqEndedMessage *m = &message->ended;
        Dispatch *d = userdata;
        const TqJob *live = tq_scheduler_job(feed_scheduler(d->feed), m->job);
        TqEnd end = m->end;
        TqEvent event;
        int r;

        (void)fd;
        if (!d->is_open)
                return note_stock(d, m->job, m->attempt, m->tenant, &m->end);
        tenants_note_output(d->tenants, m->tenant, m->job,
                            live ? job_cold(job_of(live))->trail : NULL, &m->end);
        tenants_note_calls(d->tenants, m->tenant, m->job, &m->end);
        /* The end of a launch that was aborted when stock was taken. */
        if (recovery_let_go(d->recovery, m->job, &event)) {
                (void)tq_link_send_attempt(d->link, TQ_MESSAGE_ACK, m->tenant, m->job, m->attempt);
                return heard(feed_step(d->feed, &event));
        }
        live = tq_scheduler_job(feed_scheduler(d->feed), m->job);
        if (live && live->attempt == m->attempt) {
                fill_run(live, &end);
                if (note_end(d, live, &end, blob, message->header.blob_size) < 0)
                        return -ENOMEM;
        }
        r = feed_step(d->feed, &(TqEvent){ .type = TQ_EVENT_ENDED,
                                           .job = m->job,
                                           .attempt = m->attempt,
                                           .end = &end });
        if (r == -ENOENT)
                (void)tq_link_send_attempt(d->link, TQ_MESSAGE_ACK, m->tenant, m->job, m->attempt);
        return heard(r);
}

/* The next turn -------------------------------------------------------------------------------- */

/* What is left to be done of the scheduler's last step, and of what concerns many jobs. */
static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        Dispatch *d = userdata;

        (void)source;
        (void)usec;
        d->armed = TQ_NEVER; /* it was a single shot */
        (void)feed_step(d->feed, &(TqEvent){ .type = TQ_EVENT_TICK });
        walks_go_on(d->walks);
        return 0;
}

static uint64_t next_turn(const Dispatch *d) {
        uint64_t next = tq_scheduler_next_deadline(feed_scheduler(d->feed)), now;

        if (walks_are_under_way(d->walks))
                next = 0;
        if (next == TQ_NEVER || !commit_is_large(d->commit))
                return next;
        /* Who waits for a commit is not to wait for all that can be done meanwhile: the end of the
         * one that is under way brings us here again. */
        now = tq_clock_boottime_usec();
        return next <= now ? TQ_NEVER : next;
}

static int on_post(sd_event_source *source, void *userdata) {
        Dispatch *d = userdata;
        uint64_t next = next_turn(d);

        (void)source;
        if (next == d->armed)
                return 0;
        d->armed = next;
        if (next != TQ_NEVER)
                (void)sd_event_source_set_time(d->timer, next);
        (void)sd_event_source_set_enabled(d->timer,
                                          next == TQ_NEVER ? SD_EVENT_OFF : SD_EVENT_ONESHOT);
        return 0;
}

static void on_lost(void *data) {
        commit_begin_anew(((Dispatch *)data)->commit, -ENOMEM);
}

/* Asked from outside --------------------------------------------------------------------------- */

int dispatch_tell_host(Dispatch *d) {
        return feed_step(d->feed, &(TqEvent){ .type = TQ_EVENT_HOST,
                                              .host = &settings_host(d->settings)->policy });
}

void dispatch_tell_tenant(Dispatch *d, const Tenant *t) {
        TenantEvent event;

        settings_describe(d->settings, t, &event);
        feed_must(d->feed, &event.event);
        d->hooks.has_room(d->hooks.data, t->id);
}

int dispatch_load(Dispatch *d) {
        /* Before the first time of day is reckoned. */
        int r = daytime_start(d->daytime, d->event);

        if (r >= 0)
                r = standings_load(d->standings);
        return r < 0 ? r
                     : load_run(&(Load){ .link = d->link,
                                         .commit = d->commit,
                                         .tenants = d->tenants,
                                         .recovery = d->recovery,
                                         .feed = d->feed,
                                         .afters = d->afters,
                                         .crash = &d->crash,
                                         .quarantined = d->hooks.quarantined,
                                         .data = d->hooks.data });
}

/* Recorded before anything of the job is looked at again. */
void dispatch_note_crash(Dispatch *d, uint64_t job, int sig) {
        const char *name = sigabbrev_np(sig);
        TqLedgerOp op = { .type = TQ_LEDGER_CRASH, .job = job, .text = d->crash.why };
        int r;

        d->crash.job = job;
        (void)snprintf(d->crash.why, sizeof(d->crash.why),
                       "the engine crashed %s while it worked on this job (signal %d, %s)",
                       TQ_CRASHES_MOST == 2 ? "twice" : "again and again", sig, name ? name : "?");
        r = tq_ledger_apply(commit_ledger(d->commit), &op, 1);
        d->crash.is_recorded = r >= 0;
        if (r < 0)
                tq_log(LOG_ERR,
                       "that the engine crashed over job %" PRIu64 " can't be recorded: %s", job,
                       strerror(-r));
}

int dispatch_open(Dispatch *d) {
        d->is_open = true;
        return commit_fault(d->commit) ? 0
                                       : feed_step(d->feed, &(TqEvent){ .type = TQ_EVENT_OPEN });
}

void dispatch_open_again(Dispatch *d) {
        feed_must(d->feed, &(TqEvent){ .type = TQ_EVENT_OPEN });
}

void dispatch_leave(Dispatch *d) {
        standings_leave(d->standings);
}

void dispatch_stop_starting(Dispatch *d, bool for_good) {
        size_t position = 0;
        const TqJob *job;

        feed_must(d->feed, &(TqEvent){ .type = TQ_EVENT_CLOSE });
        while (for_good && (job = tq_scheduler_next_job(feed_scheduler(d->feed), &position)))
                if (job->state == TQ_JOB_STARTING)
                        send(d, TQ_MESSAGE_ABORT, job->queue->tenant->id, job->id, job->attempt);
}

int dispatch_keep_spec(Dispatch *d, Job *job, uint32_t tenant, TqJobSpec *spec) {
        return starts_keep_spec(d->starts, job, tenant, spec, false);
}

void dispatch_fill_times(const JobTimes *times, TqEvent *event) {
        daytime_fill(times, event);
}

int dispatch_step(Dispatch *d, const TqEvent *event) {
        return feed_step(d->feed, event);
}

void dispatch_must(Dispatch *d, const TqEvent *event) {
        feed_must(d->feed, event);
}

const TqRefusal *dispatch_refusal(const Dispatch *d) {
        return feed_refusal(d->feed);
}

const TqScheduler *dispatch_scheduler(const Dispatch *d) {
        return feed_scheduler(d->feed);
}

bool dispatch_is_ending(const Dispatch *d, uint64_t job) {
        return tq_map_get(&d->ending, job) || recovery_is_deferred(d->recovery, job);
}

const char *dispatch_verdict(const Dispatch *d, uint64_t job) {
        return tq_map_get(&d->ending, job);
}

void dispatch_abandon(Dispatch *d, const TqJob *job) {
        send(d, TQ_MESSAGE_ABANDON, job->queue->tenant->id, job->id, job->attempt);
}

Walks *dispatch_walks(Dispatch *d) {
        return d->walks;
}

Afters *dispatch_afters(Dispatch *d) {
        return d->afters;
}

/* Life ----------------------------------------------------------------------------------------- */

static void listen(Dispatch *d) {
        static const struct {
                TqActionType type;
                FeedAction action;
        } actions[] = {
                { TQ_ACTION_START, on_start },     { TQ_ACTION_RUN, on_run },
                { TQ_ACTION_ABORT, on_abort },     { TQ_ACTION_TERM, on_term },
                { TQ_ACTION_KILL, on_kill },       { TQ_ACTION_SAMPLE, on_sample },
                { TQ_ACTION_REQUEUE, on_requeue }, { TQ_ACTION_RETRY, on_retry },
                { TQ_ACTION_FINISH, on_finish },
        };
        static const struct {
                TqMessageType type;
                TqLinkHandler handler;
        } messages[] = {
                { TQ_MESSAGE_SPAWNED, on_spawned }, { TQ_MESSAGE_USED, on_used },
                { TQ_MESSAGE_STALLED, on_stalled }, { TQ_MESSAGE_START_FAILED, on_start_failed },
                { TQ_MESSAGE_ADOPTED, on_adopted }, { TQ_MESSAGE_ENDED, on_ended },
        };

        _Static_assert(TQ_ELEMENTSOF(actions) == _TQ_ACTION_MAX, "each action is carried out");
        for (size_t i = 0; i < TQ_ELEMENTSOF(actions); i++)
                feed_on(d->feed, actions[i].type, actions[i].action, d);
        for (size_t i = 0; i < TQ_ELEMENTSOF(messages); i++)
                tq_link_on(d->link, messages[i].type, messages[i].handler, d);
}

/* Of each of them it will be recorded that it runs, as a rule within a millisecond. */
static bool some_start(void *data) {
        const Dispatch *d = data;

        return tq_scheduler_starting(feed_scheduler(d->feed)) > 0;
}

int dispatch_new(sd_event *event, TqLink *link, Commit *commit, Tenants *tenants,
                 Settings *settings, Recovery *recovery, Feed *feed, const DispatchHooks *hooks,
                 Dispatch **ret) {
        Dispatch *d = calloc(1, sizeof(*d));
        int r;

        if (!d)
                return -ENOMEM;
        *d = (Dispatch){ .event = event,
                         .link = link,
                         .commit = commit,
                         .tenants = tenants,
                         .settings = settings,
                         .recovery = recovery,
                         .feed = feed,
                         .hooks = *hooks,
                         .armed = TQ_NEVER };
        feed_on_lost(feed, on_lost, d);
        r = starts_new(link, commit, tenants, feed, hooks->input, hooks->data, &d->starts);
        if (r >= 0)
                r = walks_new(feed_scheduler(feed), &d->walks);
        if (r >= 0)
                r = daytime_new(feed, d->walks, &d->daytime);
        if (r >= 0)
                r = afters_new(event, commit, feed, &d->afters);
        if (r >= 0)
                r = standings_new(commit, feed, &d->standings);
        if (r >= 0)
                r = sd_event_add_time(event, &d->timer, CLOCK_BOOTTIME, 0, 1000, on_timer, d);
        if (r >= 0)
                r = sd_event_source_set_priority(d->timer, DISPATCH_PRIORITY_LATE);
        if (r >= 0)
                r = sd_event_source_set_enabled(d->timer, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_add_post(event, &d->post, on_post, d);
        if (r < 0) {
                (void)dispatch_free(d);
                return r;
        }
        listen(d);
        commit_on_patience(commit, some_start, d);
        *ret = d;
        return 0;
}

Dispatch *dispatch_free(Dispatch *d) {
        const TqScheduler *scheduler;
        size_t position = 0;
        const TqJob *job;
        char *verdict;

        if (!d)
                return NULL;
        commit_on_patience(d->commit, NULL, NULL);
        scheduler = feed_scheduler(d->feed);
        while ((job = tq_scheduler_next_job(scheduler, &position)))
                (void)job_free(job_of(job));
        (void)sd_event_source_disable_unref(d->timer);
        (void)sd_event_source_disable_unref(d->post);
        (void)starts_free(d->starts);
        (void)daytime_free(d->daytime);
        (void)walks_free(d->walks);
        (void)afters_free(d->afters);
        (void)standings_free(d->standings);
        position = 0;
        while ((verdict = tq_map_next(&d->ending, &position)))
                free(verdict);
        tq_map_done(&d->ending);
        free(d);
        return NULL;
}
