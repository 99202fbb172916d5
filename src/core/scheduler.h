/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <tenantq/types.h>

#include "base/heap.h"
#include "base/list.h"
#include "base/map.h"
#include "core/limits.h"
#include "core/verdict.h"

/* The one mutator. See the essay in scheduler.c. */

#define TQ_NEVER        UINT64_MAX
#define TQ_QUEUE_LIMITS 32 /* configured queues of a tenant */
#define TQ_QUEUES_MAX   64 /* queues of a tenant that hold jobs at the same time */

typedef enum TqJobState {
        TQ_JOB_SCHEDULED, /* waits for StartAfter= or for a retry of the launch */
        TQ_JOB_QUEUED,
        TQ_JOB_STARTING, /* launched, at the barrier */
        TQ_JOB_RUNNING,
        TQ_JOB_STOPPING, /* asked to end */
        TQ_JOB_DONE,
        _TQ_JOB_STATE_MAX,
} TqJobState;

const char *tq_scheduler_state_to_string(TqJobState s);

/* Why a job does not start now. */
typedef enum TqWait {
        TQ_WAIT_NONE,               /* nothing holds it */
        TQ_WAIT_RECOVERY,           /* the daemon is taking stock */
        TQ_WAIT_TENANT_DISABLED,    /* its tenant has a fault, see `tenantqctl tenants` */
        TQ_WAIT_TENANT_CONCURRENCY, /* the tenant's jobs fill its limit */
        TQ_WAIT_QUEUE_CONCURRENCY,  /* the queue's jobs fill its limit */
        TQ_WAIT_BEHIND,             /* others of its queue come first */
        TQ_WAIT_START_AFTER,        /* its time has not come */
        TQ_WAIT_LAUNCH_RETRY,       /* its launch failed for now and is tried again */
        _TQ_WAIT_MAX,
} TqWait;

const char *tq_scheduler_wait_to_string(TqWait w);

typedef struct TqTenant TqTenant;
typedef struct TqQueue TqQueue;

typedef struct TqQueueLimit {
        char name[TQ_QUEUE_NAME_MAX + 1];
        uint64_t concurrency; /* TQ_LIMIT_MAX: unlimited */
} TqQueueLimit;

typedef struct TqJob {
        uint64_t id;
        TqTenant *tenant;
        TqQueue *queue;
        TqJobState state;
        TqStopReason stop;
        unsigned attempt; /* of the launch under way or the next one, from 1 */
        int priority;
        bool is_retry;          /* SCHEDULED because a launch failed for now */
        bool abort;             /* to be killed before it ever ran */
        uint64_t not_before;    /* CLOCK_BOOTTIME usec */
        uint64_t runtime_usec;  /* the job's own bound, or TQ_LIMIT_MAX */
        uint64_t stop_usec;     /* from TERM to KILL */
        uint64_t running_since; /* CLOCK_BOOTTIME usec */
        uint64_t deadline;      /* what the timer heap sorts by */
        TqHeapNode timer;
        TqHeapNode waiting;
        TqList active;  /* in the tenant's list of jobs that hold a slot */
        void *userdata; /* the engine's */
} TqJob;

struct TqQueue {
        char name[TQ_QUEUE_NAME_MAX + 1];
        TqTenant *tenant;
        uint64_t concurrency;
        uint64_t jobs;    /* all that name it: it exists as long as there is one */
        uint64_t running; /* jobs of it in the tenant's active list */
        TqHeap waiting;   /* by priority, then by id */
        TqList ready;     /* in the tenant's ring of queues that could start a job */
        TqList all;
};

struct TqTenant {
        uint32_t id;
        char name[TQ_TENANT_NAME_MAX + 1];
        bool enabled;
        TqLimits limits; /* effective */
        TqQueueLimit queue_limits[TQ_QUEUE_LIMITS];
        size_t n_queue_limits;
        uint64_t running; /* length of active */
        uint64_t waiting; /* queued and scheduled */
        size_t n_queues;
        TqList active;
        TqList queues;
        TqList ready_queues;
        TqList ready; /* in the scheduler's ring */
        TqList all;
};

typedef enum TqEventType {
        TQ_EVENT_TENANT,  /* a tenant appears or changes: tenant, limits, queue_limits, enabled */
        TQ_EVENT_SUBMIT,  /* a job that is (about to be) in the ledger: job.* */
        TQ_EVENT_ADOPT,   /* after a restart: a job of the ledger that runs: job.*, end.started */
        TQ_EVENT_SPAWNED, /* launched and waiting at the barrier */
        TQ_EVENT_ENDED,   /* its cgroup is empty: end */
        TQ_EVENT_REFUSED, /* the launch failed before there was a cgroup, for now: try again later
                           */
        TQ_EVENT_CANCEL,
        TQ_EVENT_OPEN, /* taking stock is over: jobs may start */
        TQ_EVENT_TICK, /* only the time has passed */
        _TQ_EVENT_MAX,
} TqEventType;

typedef struct TqEvent {
        TqEventType type;
        uint32_t tenant;
        uint64_t job;
        unsigned attempt;
        struct {
                const char *name;
                const TqLimits *limits;
                const TqQueueLimit *queue_limits;
                size_t n_queue_limits;
                bool enabled;
        } t;
        struct {
                const char *queue;
                int priority;
                uint64_t not_before;   /* CLOCK_BOOTTIME usec */
                uint64_t runtime_usec; /* or TQ_LIMIT_MAX */
                uint64_t stop_usec;
                uint64_t running_since; /* ADOPT: CLOCK_BOOTTIME usec */
                TqStopReason stop;      /* ADOPT: it was already asked to stop */
                bool is_promised;       /* of the ledger: no limit on taking jobs concerns it */
                void *userdata;
        } j;
        const TqEnd *end;
} TqEvent;

typedef enum TqActionType {
        TQ_ACTION_START,   /* launch to the barrier: needs no record, it can be undone */
        TQ_ACTION_RUN,     /* record RUNNING, then release the barrier */
        TQ_ACTION_ABORT,   /* kill a launch that was never released */
        TQ_ACTION_TERM,    /* record the reason, then send SIGTERM */
        TQ_ACTION_KILL,    /* kill the cgroup */
        TQ_ACTION_REQUEUE, /* record that it waits again */
        TQ_ACTION_FINISH,  /* record the verdict, then acknowledge; the job is no longer known here
                            */
        _TQ_ACTION_MAX,
} TqActionType;

typedef struct TqAction {
        TqActionType type;
        uint64_t job;
        uint32_t tenant;
        unsigned attempt;
        TqStopReason stop;
        TqVerdict verdict; /* FINISH */
        void *userdata;    /* the job's */
} TqAction;

typedef struct TqActions {
        TqAction *items;
        size_t n, allocated;
} TqActions;

void tq_scheduler_actions_done(TqActions *a);

typedef struct TqScheduler TqScheduler;

/* NULL when out of memory. A new scheduler is closed: it starts nothing before TQ_EVENT_OPEN. */
TqScheduler *tq_scheduler_new(void);
/* The jobs' userdata must have been taken care of (tq_scheduler_next_job). Returns NULL. */
TqScheduler *tq_scheduler_free(TqScheduler *s);

/* Applies one event at CLOCK_BOOTTIME now_usec and appends what is to be done to *actions, in
 * order. 0; -ENOENT (no such tenant or job: nothing changed); -EDQUOT (SUBMIT: TQ_QUEUES_MAX
 * reached); -EEXIST (SUBMIT of a known job); -EALREADY (CANCEL of one that is already stopping);
 * -ENOMEM (nothing changed, except that a job may start later than it could). */
int tq_scheduler_step(TqScheduler *s, const TqEvent *event, uint64_t now_usec, TqActions *actions);

/* When TQ_EVENT_TICK is next needed (CLOCK_BOOTTIME usec), or TQ_NEVER. */
uint64_t tq_scheduler_next_deadline(const TqScheduler *s);

/* What holds the job now: the same function that decides. */
TqWait tq_scheduler_why(const TqScheduler *s, const TqJob *job);

/* Borrowed views. */
const TqJob *tq_scheduler_job(const TqScheduler *s, uint64_t id);
const TqTenant *tq_scheduler_tenant(const TqScheduler *s, uint32_t id);
const TqJob *tq_scheduler_next_job(const TqScheduler *s, size_t *position);
uint64_t tq_scheduler_queue_limit(const TqTenant *t, const char *queue);
