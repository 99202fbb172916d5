/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/intake/intake.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/format.h"
#include "base/log.h"
#include "conf/jobfile.h"
#include "kernel/cgroup.h"

/* Parsing happens here, in the process that can do nothing else. A refusal that is for now may wait
 * at the door (door.c). */

#define WARN_USEC (60 * TQ_USEC_PER_SEC)

struct Intake {
        TqLink *link;
        Commit *commit;
        Events *events;
        Tenants *tenants;
        Settings *settings;
        Dispatch *dispatch;
        Door *door;
        TqMap warned; /* Tenant.id → uint64_t: when the journal was last told that a limit is near
                       */
};

static int refuse(Answer *ret, TqControlError error) {
        ret->error = error;
        return -EBADMSG;
}

/* Says what the tenant's jobs may ask for. */
static void refuse_profile(const Layers *layers, const char *tenant, unsigned line, TqError *err) {
        char stricter[128] = "";
        size_t used = 0;

        for (int i = 0; i < _TQ_RANK_MAX; i++) {
                const char *name = tq_profile_rank_to_string((TqProfileRank)i);

                if (strcmp(name, layers->profile) != 0 &&
                    tq_profile_permits(layers->profile, layers->rank, name) &&
                    used < sizeof(stricter))
                        used += (size_t)snprintf(stricter + used, sizeof(stricter) - used, "%s%s",
                                                 used > 0 ? ", " : "", name);
        }
        (void)tq_error_at(err, -EBADMSG, line, "Profile", "expected %s, which is tenant %s's%s%s",
                          layers->profile, tenant,
                          used > 0 ? ", or a stricter one: " : "; nothing stricter is left",
                          stricter);
}

static int check(Intake *in, const Submission *s, const TqJobSpec *spec, Answer *ret) {
        const TqHello *host = settings_host(in->settings);
        char whose[TQ_TENANT_NAME_MAX + 16], why[160];
        const Layers *layers = settings_layers(in->settings, s->tenant->id);
        TqKey key;

        if (commit_fault(in->commit)) {
                (void)tq_error(&ret->err, -EROFS, "nothing is accepted: %s",
                               commit_explain(in->commit, why, sizeof(why)));
                return refuse(ret, TQ_CONTROL_REFUSED);
        }
        if (!layers) {
                (void)tq_error(&ret->err, -EAGAIN, "the tenant's limits are not known yet");
                return refuse(ret, TQ_CONTROL_REFUSED);
        }
        if (spec->profile[0] && !tq_profile_permits(layers->profile, layers->rank, spec->profile)) {
                refuse_profile(layers, s->tenant->name, spec->profile_line, &ret->err);
                return refuse(ret, TQ_CONTROL_INVALID);
        }
        (void)snprintf(whose, sizeof(whose), "tenant %s", s->tenant->name);
        if (tq_limits_check_within(&spec->limits, &layers->effective, whose, &ret->err) >= 0 &&
            tq_cgroup_check(&spec->limits, host->controllers, &ret->err) >= 0)
                return 0;
        key = tq_limits_find(ret->err.key);
        ret->err.line = key >= 0 ? spec->limit_lines[key] : 0;
        return refuse(ret, TQ_CONTROL_INVALID);
}

/* What the host must have left for the job to start: its own limit. A job that names none was
 * promised nothing: its tenant's slice bounds it. */
static uint64_t promised_memory(const TqJobSpec *spec) {
        uint64_t own = tq_limits_get(&spec->limits, TQ_KEY_MEMORY, TQ_LIMIT_MAX);

        return own == TQ_LIMIT_MAX ? 0 : own;
}

/* A job that was recorded without its After= would start at once after a restart. */
static int copy_texts(Commit *c, const TqJobSpec *spec, TqLedgerOp *op) {
        int r = commit_copy(c, spec->name, &op->accept.name);

        if (r >= 0)
                r = commit_copy(c, spec->correlation_id, &op->accept.correlation_id);
        if (r >= 0)
                r = commit_copy(c, spec->labels, &op->accept.labels);
        if (r >= 0)
                r = commit_copy(c, spec->after, &op->accept.after);
        return r;
}

static int record(Intake *in, const Submission *s, const TqJobSpec *spec, uint64_t id) {
        TqLedgerOp *op = commit_op(in->commit, TQ_LEDGER_ACCEPT);

        if (!op)
                return -ENOMEM;
        op->job = id;
        op->tenant = s->tenant->id;
        op->uid = s->uid;
        op->accept.claim = s->claim;
        op->accept.priority = spec->priority;
        op->accept.start_after_usec = spec->start_after_usec;
        (void)snprintf(op->accept.queue, sizeof(op->accept.queue), "%s", spec->queue);
        if (copy_texts(in->commit, spec, op) < 0)
                return -ENOMEM;
        op->accept.spec = malloc(s->size + 1);
        if (!op->accept.spec) {
                commit_degrade(in->commit, -ENOMEM);
                return -ENOMEM;
        }
        memcpy(op->accept.spec, s->data, s->size);
        op->accept.spec_size = s->size;
        op->accept.has_deadline = spec->has_deadline;
        op->accept.deadline_usec = spec->deadline_usec;
        op->accept.runtime_usec = tq_limits_get(&spec->limits, TQ_KEY_RUNTIME, TQ_LIMIT_MAX);
        op->accept.stop_usec = spec->stop_timeout_usec;
        op->accept.memory_bytes = promised_memory(spec);
        return 0;
}

static int schedule(Intake *in, const Submission *s, TqJobSpec *spec, uint64_t id, Answer *ret) {
        Job *job = dispatch_job_new(in->dispatch, id, s->tenant->id);
        TqAfter after[TQ_JOB_AFTER_MAX];
        TqEvent event = {
                .type = TQ_EVENT_SUBMIT,
                .tenant = s->tenant->id,
                .job = id,
                .j = {
                        .priority = spec->priority,
                        .name = tq_scheduler_name(spec->name),
                        .runtime_usec = tq_limits_get(&spec->limits, TQ_KEY_RUNTIME, TQ_LIMIT_MAX),
                        .stop_usec = spec->stop_timeout_usec,
                        .memory_bytes = promised_memory(spec),
                        .spool_bytes = s->size,
                        .after = after,
                        .userdata = job,
                },
        };
        char queue[TQ_QUEUE_NAME_MAX + 1], text[512];
        const TqJob *live;
        int r;

        (void)snprintf(queue, sizeof(queue), "%s", spec->queue);
        event.j.queue = queue;
        if (job) {
                job->start_after_usec = spec->start_after_usec;
                job->has_deadline = spec->has_deadline;
                job->deadline_usec = spec->deadline_usec;
                dispatch_fill_times(job, &event);
        }
        r = job ? afters_keep(job, spec->after, after, &event.j.n_after) : -ENOMEM;
        if (r >= 0)
                r = job_keep_spec(job, spec, false);
        if (r >= 0) {
                r = dispatch_step(in->dispatch, &event);
                ret->refusal = *dispatch_refusal(in->dispatch);
        }
        /* The step may have ended the job (its Deadline= is past): then `job` is gone too. */
        live = tq_scheduler_job(dispatch_scheduler(in->dispatch), id);
        if (live && job_of(live)->after)
                afters_ask(dispatch_afters(in->dispatch), id, s->tenant->id, job_of(live)->after);
        /* Out of memory after it was taken: it is started by the next event, or has ended, which a
         * fault of the ledger may have kept from being noted. */
        if (r >= 0 || live || dispatch_is_ending(in->dispatch, id) || commit_fault(in->commit))
                return 0;
        (void)job_free(job);
        if (r == -EDQUOT)
                (void)tq_error(&ret->err, r, "%s",
                               tq_admit_format(&ret->refusal, s->tenant->name, text, sizeof(text)));
        else
                (void)tq_error_errno(&ret->err, r, "can't take the job");
        return refuse(ret, TQ_CONTROL_LIMIT);
}

/* Told once a minute while it lasts: a warning is of use before the limit refuses. */
static void warn(Intake *in, const Tenant *t, const TqRefusal *near) {
        uint64_t now = tq_clock_boottime_usec(), *told;
        char text[512];

        if (near->kind != TQ_REFUSAL_NEAR)
                return;
        told = tq_map_get(&in->warned, t->id);
        if (told && now - *told < WARN_USEC)
                return;
        if (!told) {
                told = malloc(sizeof(*told));
                if (!told || tq_map_put(&in->warned, t->id, told) < 0) {
                        free(told);
                        return;
                }
        }
        *told = now;
        (void)tq_admit_format(near, t->name, text, sizeof(text));
        tq_log_about(LOG_WARNING, (TqLogAbout){ .tenant = t->name }, "%s", text);
        events_add_within(in->events, tenants_budget(in->tenants, t->id), "limit-near", 0,
                          EVENTS_NOBODY, "%s", text);
}

/* Takes a parsed job: recorded before it is scheduled, since the START that may follow at once is
 * undone should the commit fail. */
static int take(Intake *in, const Submission *s, TqJobSpec *spec, Answer *ret) {
        TqLedgerNumbers *numbers = commit_numbers(in->commit);
        size_t mark = commit_mark(in->commit);
        uint64_t id = numbers->next_job;
        int r;

        if (record(in, s, spec, id) < 0)
                return refuse(ret, TQ_CONTROL_FAILED);
        r = schedule(in, s, spec, id, ret);
        if (r < 0) {
                commit_rewind(in->commit, mark);
                return r;
        }
        numbers->next_job++;
        ret->job = id;
        warn(in, s->tenant, &ret->refusal);
        return 0;
}

static void describe(const Submission *s, const TqJobSpec *spec, DoorClaim *ret) {
        TqAfter after[TQ_JOB_AFTER_MAX];
        TqEvent times = {};

        *ret = (DoorClaim){ .claim = s->claim,
                            .spool_bytes = s->size,
                            .memory_bytes = promised_memory(spec) };
        (void)snprintf(ret->queue, sizeof(ret->queue), "%s", spec->queue);
        dispatch_fill_times(&(Job){ .start_after_usec = spec->start_after_usec }, &times);
        ret->not_before = times.j.not_before;
        if (spec->after)
                (void)afters_parse(spec->after, after, &ret->n_after);
}

int intake_submit(Intake *in, const Submission *s, Answer *ret) {
        char text[512];
        TqJobSpec spec;
        int r;

        r = tq_jobfile_parse(s->data, s->size, &spec, NULL, NULL, &ret->err);
        if (r < 0)
                return refuse(ret, TQ_CONTROL_INVALID);
        describe(s, &spec, &ret->claim);
        r = check(in, s, &spec, ret);
        if (r >= 0 && s->claim > 0 &&
            door_must_wait(in->door, s->tenant, &ret->claim, &ret->refusal)) {
                ret->is_behind = true;
                (void)tq_error(&ret->err, -EDQUOT, "%s",
                               tq_admit_format(&ret->refusal, s->tenant->name, text, sizeof(text)));
                r = refuse(ret, TQ_CONTROL_LIMIT);
        }
        if (r >= 0)
                r = take(in, s, &spec, ret);
        tq_jobspec_done(&spec);
        return r;
}

/* The spool ----------------------------------------------------------------------------------- */

static void answer_claim(Intake *in, uint64_t claim, TqClaimOutcome outcome, const char *reason) {
        TqMessage m = { .claim_done = { .claim = claim, .outcome = outcome } };

        (void)tq_link_send(in->link, TQ_MESSAGE_CLAIM_DONE, &m, reason, reason ? strlen(reason) : 0,
                           -EBADF);
}

/* An accepted claim: its file may go. */
typedef struct Accepted {
        Intake *intake;
        uint64_t claim;
} Accepted;

static void on_accepted(void *data, int result) {
        const Accepted *a = data;

        if (result >= 0)
                answer_claim(a->intake, a->claim, TQ_CLAIM_ACCEPTED, NULL);
}

static void note_refused(Intake *in, const TqClaimMessage *m, const char *reason) {
        const Tenant *t = tenants_by_handle(in->tenants, m->tenant);
        char name[512], text[1024];

        (void)tq_format_utf8(m->name, name, sizeof(name));
        (void)tq_format_utf8(reason, text, sizeof(text));
        events_add_within(in->events, t ? tenants_budget(in->tenants, t->id) : NULL, "refused", 0,
                          m->uid, "%s: %s", name, text);
}

static void reject(Intake *in, const TqClaimMessage *m, const char *reason) {
        answer_claim(in, m->claim, TQ_CLAIM_REFUSED, reason);
        note_refused(in, m, reason);
}

static void accept(Intake *in, uint64_t claim) {
        Accepted *a = commit_then(in->commit, on_accepted, sizeof(*a));

        commit_sync_claims(in->commit);
        if (a)
                *a = (Accepted){ .intake = in, .claim = claim };
}

static int on_claim(void *userdata, const TqMessage *message, const char *blob, int *fd) {
        const TqClaimMessage *m = &message->claim;
        Intake *in = userdata;
        Submission s = {
                .tenant = tenants_by_handle(in->tenants, m->tenant),
                .uid = m->uid,
                .claim = m->claim,
                .data = blob,
                .size = message->header.blob_size,
        };
        Answer a = {};
        char text[1024];

        (void)fd;
        if (!s.tenant) {
                reject(in, m, "the tenant is not known");
                return 0;
        }
        if (intake_submit(in, &s, &a) >= 0)
                accept(in, m->claim);
        /* What could not be parsed will not be when there is room. */
        else if (a.claim.claim > 0 &&
                 door_may_wait(in->door, s.tenant, a.is_behind ? NULL : &a.claim, &a.refusal)) {
                door_wait(in->door, s.tenant, &a.claim, &a.refusal);
                return 0;
        } else
                reject(in, m, tq_error_format(&a.err, text, sizeof(text)));
        door_leave(in->door, s.tenant, m->claim);
        return 0;
}

/* Handed over once already, and perhaps the answer was lost with the process that waited for it.
 * Asked while stock is taken, when the worker does not run yet. */
static int on_kept(void *userdata, const TqMessage *m, const char *blob, int *fd) {
        Intake *in = userdata;

        (void)blob;
        (void)fd;
        if (tq_ledger_has_claim(commit_ledger(in->commit), m->number.cookie) > 0)
                answer_claim(in, m->number.cookie, TQ_CLAIM_ACCEPTED, NULL);
        return 0;
}

static int on_refused(void *userdata, const TqMessage *m, const char *blob, int *fd) {
        Intake *in = userdata;
        const Tenant *t = tenants_by_handle(in->tenants, m->claim.tenant);

        (void)fd;
        note_refused(in, &m->claim, blob);
        if (t && m->claim.claim > 0)
                door_leave(in->door, t, m->claim.claim);
        return 0;
}

static int on_late(void *userdata, const TqMessage *m, const char *blob, int *fd) {
        Intake *in = userdata;
        const Tenant *t = tenants_by_handle(in->tenants, m->claim_late.tenant);

        (void)blob;
        (void)fd;
        if (t)
                door_is_late(in->door, t, m->claim_late.claim);
        return 0;
}

void intake_room_made(Intake *in, uint32_t tenant) {
        door_room_made(in->door, tenant);
}

void intake_room_made_all(Intake *in) {
        door_room_made_all(in->door);
}

size_t intake_waiting(const Intake *in, uint32_t tenant) {
        return door_count(in->door, tenant);
}

/* Life ----------------------------------------------------------------------------------------- */

int intake_new(sd_event *event, TqLink *link, Commit *commit, Events *events, Tenants *tenants,
               Settings *settings, Dispatch *dispatch, Intake **ret) {
        Intake *in = calloc(1, sizeof(*in));
        int r;

        if (!in)
                return -ENOMEM;
        *in = (Intake){ .link = link,
                        .commit = commit,
                        .events = events,
                        .tenants = tenants,
                        .settings = settings,
                        .dispatch = dispatch };
        r = door_new(event, link, commit, events, tenants, settings, dispatch_scheduler(dispatch),
                     &in->door);
        if (r < 0) {
                free(in);
                return r;
        }
        tq_link_on(link, TQ_MESSAGE_CLAIM, on_claim, in);
        tq_link_on(link, TQ_MESSAGE_CLAIM_KEPT, on_kept, in);
        tq_link_on(link, TQ_MESSAGE_REFUSED, on_refused, in);
        tq_link_on(link, TQ_MESSAGE_CLAIM_LATE, on_late, in);
        *ret = in;
        return 0;
}

Intake *intake_free(Intake *in) {
        size_t position = 0;
        uint64_t *told;

        if (!in)
                return NULL;
        while ((told = tq_map_next(&in->warned, &position)))
                free(told);
        tq_map_done(&in->warned);
        (void)door_free(in->door);
        free(in);
        return NULL;
}
