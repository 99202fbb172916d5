/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/model.h"

/* What goes into the scheduler, and what comes out of it. */

typedef struct TqScheduler TqScheduler;

typedef enum TqEventType {
        TQ_EVENT_HOST,     /* the host's policy: host. Before the first tenant, or later */
        TQ_EVENT_TENANT,   /* a tenant appears or changes: t */
        TQ_EVENT_SWITCH,   /* of the host, a tenant or a queue: tenant, j.queue, switches */
        TQ_EVENT_STANDING, /* where a pool, then a tenant (0: the host) stood before a restart:
                            * pool_standing, or tenant, standing. While closed, before its jobs */
        TQ_EVENT_SUBMIT,   /* a job that is (about to be) in the ledger: j.* */
        TQ_EVENT_ADOPT,    /* after a restart: a job of the ledger that runs: j.* */
        TQ_EVENT_SPAWNED,  /* launched and waiting at the barrier */
        TQ_EVENT_USED,     /* what a running job has used so far: use */
        TQ_EVENT_ENDED,    /* its cgroup is empty: end */
        TQ_EVENT_REFUSED,  /* the launch failed before anything ran, for now: end, is_own */
        TQ_EVENT_TIMES,    /* the clock of the day was set: j.not_before, j.start_by */
        TQ_EVENT_AFTER,    /* a condition that ended before the job came: after, is_met */
        TQ_EVENT_HOLD,
        TQ_EVENT_RELEASE,
        TQ_EVENT_CANCEL,
        TQ_EVENT_REQUEUE, /* one that runs begins anew; the next attempt is due at once */
        TQ_EVENT_STALLED, /* a running job gets nowhere for want of memory: level */
        TQ_EVENT_OPEN,    /* taking stock is over: jobs may start */
        TQ_EVENT_CLOSE,   /* what starts could not be recorded: nothing starts any more */
        TQ_EVENT_TICK,    /* only the time has passed */
        _TQ_EVENT_MAX,
} TqEventType;

/* What an administrator has switched off. */
typedef struct TqSwitches {
        bool is_paused;   /* nothing starts */
        bool is_draining; /* nothing is taken; what waits still runs */
} TqSwitches;

/* Where a tenant stood (standing.c). Of the host, tenant 0, only the averages mean anything. */
typedef struct TqStanding {
        const char *pool; /* of which the tag is; NULL: the shared one */
        TqPresence presence;
        uint64_t tag;               /* without what running jobs were charged ahead of their use */
        uint64_t largest_advance;   /* as TqTenant.largest_advance */
        uint64_t turn;              /* as TqTenant.turn */
        double usage;               /* log2 of what was left of its use then; TQ_HISTORY_NONE */
        const TqAverages *averages; /* borrowed; NULL: none */
        uint64_t age_usec;          /* how long ago that was */
} TqStanding;

typedef struct TqPoolStanding {
        const char *name;
        uint64_t vtime;
        uint64_t largest_charge;
        bool is_contended;
        uint64_t contended_usec; /* for how long already, if it was */
        uint64_t age_usec;
} TqPoolStanding;

typedef struct TqEvent {
        TqEventType type;
        bool more;   /* another event of the same instant follows: nothing is decided before it */
        bool is_own; /* REFUSED: the job's own limits may be the cause, so it is not tried for ever
                      */
        TqLevel level;   /* STALLED: whose limit it is */
        uint32_t tenant; /* SWITCH: 0 for the host */
        uint64_t job;
        unsigned attempt;
        const TqHostPolicy *host;
        struct {
                const char *name;
                const TqLimits *limits;
                const TqQueueLimit *queue_limits;
                size_t n_queue_limits;
                const char *pool; /* NULL or empty: the shared one */
                bool enabled;
                bool one_per_queue; /* unless a queue says more: also if limits bound all of it */
        } t;
        struct {
                const char *queue; /* SWITCH: NULL or empty for the tenant itself */
                int priority;
                uint64_t name;         /* tq_scheduler_name() */
                uint64_t not_before;   /* CLOCK_BOOTTIME usec */
                uint64_t start_by;     /* CLOCK_BOOTTIME usec */
                uint64_t runtime_usec; /* or TQ_LIMIT_MAX */
                uint64_t stop_usec;
                uint64_t memory_bytes; /* of its limit; 0: none */
                uint64_t spool_bytes;
                const TqAfter *after;
                size_t n_after;
                const TqRetry *retry; /* copied; NULL: one attempt */
                unsigned failures;    /* attempts that failed before */
                uint64_t again_at;    /* CLOCK_BOOTTIME usec, of the next one; 0: there was none */
                uint64_t running_since; /* ADOPT: CLOCK_BOOTTIME usec */
                TqStopReason stop;      /* ADOPT: it was already asked to stop */
                bool is_held;
                bool has_start_by; /* else there is no deadline */
                bool is_promised;  /* of the ledger: no limit on taking jobs concerns it */
                void *userdata;
        } j;
        TqSwitches switches;
        const TqStanding *standing;
        const TqPoolStanding *pool_standing;
        TqAfter after;
        bool is_met;
        uint64_t met_by;  /* AFTER: what became of that job says it; 0: of none */
        uint64_t instead; /* AFTER: the name is this job's, which has not ended */
        bool is_none;     /* AFTER: nobody has the name yet; else is_met says what became of it */
        const TqUse *use;
        const TqEnd *end;
} TqEvent;

typedef enum TqActionType {
        TQ_ACTION_START,   /* launch to the barrier: needs no record, it can be undone */
        TQ_ACTION_RUN,     /* record RUNNING, then release the barrier */
        TQ_ACTION_ABORT,   /* kill a launch that was never released */
        TQ_ACTION_TERM,    /* record the reason, then send SIGTERM */
        TQ_ACTION_KILL,    /* kill the cgroup */
        TQ_ACTION_SAMPLE,  /* ask what it has used; the answer is TQ_EVENT_USED */
        TQ_ACTION_REQUEUE, /* record that it waits again */
        TQ_ACTION_RETRY,   /* record how the attempt ended, then acknowledge; it waits again */
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
        TqVerdict verdict;   /* FINISH, RETRY: of the attempt */
        bool is_dead;        /* FINISH: it is a dead letter */
        bool is_quarantined; /* REQUEUE: and is held, since its launch crashed again; verdict.code:
                                the signal */
        unsigned failures;   /* RETRY: attempts that have failed, with this one */
        uint64_t again_at;   /* RETRY: when the next one is due, CLOCK_BOOTTIME usec */
        void *userdata;      /* the job's */
} TqAction;

typedef struct TqActions {
        TqAction *items;
        size_t n, allocated;
        TqRefusal refusal; /* of a SUBMIT that was refused (-EDQUOT), or that comes near a limit */
} TqActions;

void tq_scheduler_actions_done(TqActions *a);

/* What a running job had used by that time; slot_usec is filled in by who asks. */
typedef TqUse (*TqMeter)(void *userdata, const TqJob *job, uint64_t now_usec);
