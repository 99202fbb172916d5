/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-event.h>

#include "engine/dispatch/after.h"
#include "engine/dispatch/feed.h"
#include "engine/dispatch/start.h"
#include "engine/dispatch/walk.h"
#include "engine/recovery/recovery.h"
#include "engine/settings/settings.h"

/* What the scheduler decides is carried out: with record before effect, by messages to the
 * supervisor; and what the supervisor says of launches becomes events of the scheduler. */
typedef struct Dispatch Dispatch;

/* Told when it has happened. Each is set. */
typedef struct DispatchHooks {
        void *data;
        void (*started)(void *data, uint64_t job); /* and that is recorded */
        /* Its verdict is recorded. */
        void (*ended)(void *data, uint64_t job, uint32_t tenant);
        void (*has_room)(void *data, uint32_t tenant); /* perhaps: for jobs that wait to be taken */
        /* It is held; not recorded yet. */
        void (*quarantined)(void *data, uint32_t tenant, const Job *job, const char *why);
        StartInput input;
} DispatchHooks;

/* Callers come after the ends of jobs and what the supervisor says. */
#define DISPATCH_PRIORITY_LATE (SD_EVENT_PRIORITY_NORMAL + 10)

int dispatch_new(sd_event *event, TqLink *link, Commit *commit, Tenants *tenants,
                 Settings *settings, Recovery *recovery, Feed *feed, const DispatchHooks *hooks,
                 Dispatch **ret);
Dispatch *dispatch_free(Dispatch *d);

/* The host's policy, and a tenant as settings_describe() says, are made known to the scheduler. 0
 * or as feed_step(). */
int dispatch_tell_host(Dispatch *d);
void dispatch_tell_tenant(Dispatch *d, const Tenant *t);

/* The process before has crashed over that job. Before stock is taken. */
void dispatch_note_crash(Dispatch *d, uint64_t job, int sig);
/* Stock is taken: what the ledger knows is taken up, as recovery decides. Then jobs may start. */
int dispatch_load(Dispatch *d);
int dispatch_open(Dispatch *d);
void dispatch_open_again(Dispatch *d); /* after dispatch_stop_starting() */
/* Before the last commit: what is to be remembered is put down. */
void dispatch_leave(Dispatch *d);
/* Nothing starts until dispatch_open(). For good: what stands at its barrier can't be recorded as
 * running any more, and is undone. */
void dispatch_stop_starting(Dispatch *d, bool for_good);

/* A job that is being taken: job_keep_spec(), if there is room. */
int dispatch_keep_spec(Dispatch *d, Job *job, uint32_t tenant, TqJobSpec *spec);
void dispatch_fill_times(const JobTimes *times, TqEvent *event);

/* A step of the scheduler that somebody outside asks for, and why it refused a job or is near to
 * it.
 */
int dispatch_step(Dispatch *d, const TqEvent *event);
/* One that is recorded, and so can't be refused. */
void dispatch_must(Dispatch *d, const TqEvent *event);
const TqRefusal *dispatch_refusal(const Dispatch *d);
const TqScheduler *dispatch_scheduler(const Dispatch *d);
/* Judged, but its verdict is not recorded yet; or deferred by an old launch. */
bool dispatch_is_ending(const Dispatch *d, uint64_t job);
/* The verdict of one that was judged, while it is not recorded; NULL: it is, or there is none. */
const char *dispatch_verdict(const Dispatch *d, uint64_t job);
void dispatch_abandon(Dispatch *d, const TqJob *job);
Walks *dispatch_walks(Dispatch *d);
Afters *dispatch_afters(Dispatch *d);
