/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/dispatch/start.h"

#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "conf/jobfile.h"

struct Starts {
        TqLink *link;
        Commit *commit;
        Tenants *tenants;
        Feed *feed;
        Specs specs;
        StartInput input;
        void *data;
};

int starts_new(TqLink *link, Commit *commit, Tenants *tenants, Feed *feed, StartInput input,
               void *data, Starts **ret) {
        Starts *s = calloc(1, sizeof(*s));

        if (!s)
                return -ENOMEM;
        *s = (Starts){ .link = link,
                       .commit = commit,
                       .tenants = tenants,
                       .feed = feed,
                       .input = input,
                       .data = data };
        *ret = s;
        return 0;
}

Starts *starts_free(Starts *s) {
        free(s);
        return NULL;
}

int starts_keep_spec(Starts *s, Job *job, uint32_t tenant, TqJobSpec *spec, bool must) {
        return job_keep_spec(job, &s->specs, tenants_specs(s->tenants, tenant), spec, must);
}

static void never_started(Starts *s, uint64_t job, unsigned attempt, TqEndKind kind, TqStage stage,
                          int error) {
        TqEnd end = { .kind = kind, .stage = stage, .code = error };

        memset(&end.counters, 0xFF, sizeof(end.counters));
        feed_must(
                s->feed,
                &(TqEvent){ .type = TQ_EVENT_ENDED, .job = job, .attempt = attempt, .end = &end });
}

static int send_start(Starts *s, Job *job, const Tenant *t, unsigned attempt, int input_fd) {
        TQ_BUFFER_CLEANUP TqBuffer body = {};
        TqMessage m = {
                .start = { .job = job->id,
                           .attempt = attempt,
                           .tenant = t->handle,
                           .owner = t->owner,
                           .private_network = job->spec->private_network,
                           .has_paths = job->spec->n_paths > 0,
                           .has_input = job->spec->has_input,
                           .keep_usec = job->spec->keep_usec,
                           .limits = job->spec->limits },
        };
        int r;

        (void)snprintf(m.start.profile, sizeof(m.start.profile), "%s", job->spec->profile);

        r = tq_jobspec_encode(job->spec,
                              &(TqJobIdentity){
                                      .id = job->id,
                                      .attempt = attempt,
                                      .tenant = t->name,
                                      .user = t->user[0] ? t->user : NULL,
                                      .home = t->home[0] ? t->home : NULL,
                              },
                              &body);
        if (r < 0)
                return r;
        job->is_sent = true;
        return tq_link_send(s->link, TQ_MESSAGE_START, &m, body.data, body.size, input_fd);
}

/* What fails here is no fault of the job, which stays as it is: -EPIPE: the supervisor is gone, and
 * so are we in a moment. */
static void start(Starts *s, Job *job, uint32_t tenant, unsigned attempt) {
        TQ_CLOSE int input_fd = job->spec->has_input ? s->input(s->data, job->id) : -EBADF;
        TqCrumb before;
        int r;

        if (job->spec->has_input && input_fd < 0) {
                never_started(s, job->id, attempt, TQ_END_SPAWN_FAILED, TQ_STAGE_INPUT, EPIPE);
                return;
        }
        job->had_input |= job->spec->has_input;
        before = tq_crumb_leave(tq_link_crumb(s->link), job_crumb(job));
        r = send_start(s, job, tenants_get(s->tenants, tenant), attempt, input_fd);
        tq_crumb_put_back(tq_link_crumb(s->link), before);
        if (r < 0 && r != -EPIPE)
                commit_degrade(s->commit, r);
}

/* Reading a job back from the ledger, when its parsed form is not in memory. */
typedef struct SpecTask {
        TqTask task;
        Starts *starts;
        uint64_t job;
        unsigned attempt;
        char *data;
        size_t size;
        int result;
} SpecTask;

static void on_spec_run(TqTask *task) {
        SpecTask *st = TQ_CONTAINER_OF(task, SpecTask, task);

        st->result =
                tq_ledger_spec(commit_ledger(st->starts->commit), st->job, &st->data, &st->size);
}

static int parse(const SpecTask *st, Job *job, uint32_t tenant) {
        TqCrumb *crumb = tq_link_crumb(st->starts->link);
        TqCrumb before = tq_crumb_leave(crumb, job_crumb(job));
        TqJobSpec spec = {};
        TqError err = {};
        int r;

        r = tq_jobfile_parse(st->data, st->size, &spec, NULL, NULL, &err);
        if (r >= 0 && !job->spec)
                r = starts_keep_spec(st->starts, job, tenant, &spec, true);
        tq_jobspec_done(&spec);
        tq_crumb_put_back(crumb, before);
        return r;
}

static void on_spec_done(TqTask *task, void *userdata) {
        SpecTask *st = TQ_CONTAINER_OF(task, SpecTask, task);
        Starts *s = st->starts;
        const TqJob *live = tq_scheduler_job(feed_scheduler(s->feed), st->job);
        Job *job = job_of(live);
        int r;

        (void)userdata;
        /* It may have been cancelled meanwhile; and when we are leaving, the next engine starts it.
         */
        if (!commit_is_leaving(s->commit) && live && live->state == TQ_JOB_STARTING &&
            live->attempt == st->attempt && !live->abort && !job->is_sent) {
                r = st->result >= 0 ? parse(st, job, live->queue->tenant->id) : st->result;
                if (r >= 0)
                        start(s, job, live->queue->tenant->id, st->attempt);
                else if (r == -EBADMSG)
                        never_started(s, st->job, st->attempt, TQ_END_SPAWN_FAILED, TQ_STAGE_PLAN,
                                      -r);
                else /* the ledger's trouble, or memory: the next start tries again */
                        commit_degrade(s->commit, r);
        }
        free(st->data);
        free(st);
}

static void on_spec_wanted(void *data, int result) {
        SpecTask *st = *(SpecTask **)data;

        if (result < 0 || commit_is_leaving(st->starts->commit))
                free(st);
        else
                commit_ask(st->starts->commit, &st->task);
}

void starts_start(Starts *s, const TqAction *a) {
        Job *job = a->userdata;
        SpecTask *st;
        void *data;

        job->is_sent = false;
        if (job->spec) {
                start(s, job, a->tenant, a->attempt);
                return;
        }
        st = calloc(1, sizeof(*st));
        /* After the commit of this turn, which may be the one that accepts the job. */
        data = st ? commit_then(s->commit, on_spec_wanted, sizeof(SpecTask *)) : NULL;
        if (!data) {
                free(st);
                commit_degrade(s->commit, -ENOMEM);
                return;
        }
        *st = (SpecTask){ .task = { .run = on_spec_run, .done = on_spec_done },
                          .starts = s,
                          .job = a->job,
                          .attempt = a->attempt };
        tq_list_init(&st->task.link);
        *(SpecTask **)data = st;
}

void starts_abort(Starts *s, const TqAction *a) {
        const Job *job = a->userdata;
        const Tenant *t = tenants_get(s->tenants, a->tenant);

        if (job->is_sent)
                (void)tq_link_send_attempt(s->link, TQ_MESSAGE_ABORT, t ? t->handle : 0, a->job,
                                           a->attempt);
        else
                never_started(s, a->job, a->attempt, TQ_END_NEVER_STARTED, TQ_STAGE_NONE, 0);
}
