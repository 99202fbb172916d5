/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <tenantq/types.h>

#include "base/heap.h"
#include "base/list.h"
#include "base/map.h"
#include "base/tournament.h"
#include "base/tree.h"
#include "core/admit.h"
#include "core/fair.h"
#include "core/limits.h"
#include "core/line.h"
#include "core/policy.h"
#include "core/reason.h"
#include "core/verdict.h"

/* The one mutator. See the essay in scheduler.c. */

#define TQ_NEVER UINT64_MAX
/* Bytes of what a tenant is called: its name, or its name and number when that has another owner.
 */
#define TQ_TENANT_TITLE_MAX (TQ_TENANT_NAME_MAX + sizeof(".former-4294967295"))

#define TQ_QUEUES_MAX     64     /* queues of a tenant that hold jobs at the same time */
#define TQ_CONDITIONS_MAX 100000 /* of After=, of a tenant's waiting jobs together */

/* Of what an event brings about for other jobs (they end with what they waited for, or when their
 * time has come; or they may start) a step does this much. The rest is due at once. */
#define TQ_STEP_MOST 256

typedef enum TqJobState {
        TQ_JOB_SCHEDULED, /* waits for StartAfter=, for After= or for a retry of the launch */
        TQ_JOB_HELD,      /* somebody holds it */
        TQ_JOB_QUEUED,
        TQ_JOB_STARTING, /* launched, at the barrier */
        TQ_JOB_RUNNING,
        TQ_JOB_STOPPING, /* asked to end */
        TQ_JOB_DONE,
        _TQ_JOB_STATE_MAX,
} TqJobState;

const char *tq_scheduler_state_to_string(TqJobState s);

typedef struct TqTenant TqTenant;
typedef struct TqQueue TqQueue;
typedef struct TqPool TqPool;

/* A job, or the first job of a name, that must have ended well. */
typedef struct TqAfter {
        uint64_t job;  /* 0: by name */
        uint64_t name; /* tq_scheduler_name() of it */
} TqAfter;

/* One condition of a waiting job. */
typedef struct TqCondition {
        TqList link; /* in the ring of those that wait for the same */
        TqJob *owner;
        TqAfter after;
        bool is_met;
        bool is_open;   /* by name: there is no such job yet, the next one is meant */
        bool was_named; /* one came before that was known */
} TqCondition;

/* In the order in which starting a job looks at it: with a million jobs each cache line counts. */
struct TqJob {
        TqList waiting; /* in a level of its queue's line */
        TqTenant *tenant;
        TqQueue *queue;
        TqLineLevel *level;    /* NULL: it does not wait there */
        uint64_t sequence;     /* its place among equals; 0: was not ready yet */
        uint64_t memory_bytes; /* what it is promised: counted against the host's */
        TqJobState state;
        int priority;

        bool is_retry;       /* SCHEDULED because a launch failed for now */
        bool is_held;        /* somebody holds it */
        bool is_short;       /* its own bound is within the host's lane_runtime */
        bool counts_as_long; /* holds one of the slots that long jobs may have */
        bool abort;          /* to be killed before it ever ran */
        unsigned attempt;    /* of the launch under way or the next one, from 1 */
        TqStopReason stop;
        TqWait placed, counted; /* why it is not in the line, while it waits elsewhere */
        uint64_t id;
        uint64_t name;         /* tq_scheduler_name() of Name= */
        uint64_t runtime_usec; /* the job's own bound, or TQ_LIMIT_MAX */
        uint64_t slot_since;   /* since when it holds its slot */
        uint64_t look_at;      /* when its use is looked at next, if somebody competes then */
        uint64_t noted;        /* of its charge, in the tenant's usage */
        uint64_t advance;      /* by what the tenant's tag has been moved for it since base */

        TqHeapNode timer;
        TqList active;  /* in the tenant's list of jobs that hold a slot */
        void *userdata; /* the engine's */
        TqCondition *conditions;
        size_t n_conditions, n_unmet;
        uint64_t not_before; /* StartAfter=, CLOCK_BOOTTIME usec */

        TqUse expected;  /* of the whole job */
        TqUse seen;      /* at the last look; slot_usec 0: there was none */
        TqUse base;      /* what it had used when competition began: not charged */
        TqHeapNode look; /* while it runs, in the pool's looks */
        TqList minute;   /* or in its minutes */

        uint64_t start_by;      /* Deadline=, CLOCK_BOOTTIME usec, or TQ_NEVER */
        uint64_t deadline;      /* what the timer heap sorts by */
        uint64_t running_since; /* CLOCK_BOOTTIME usec */
        uint64_t stop_usec;     /* from TERM to KILL */
        uint64_t spool_bytes;   /* of its job file */
        uint64_t retry_at;      /* is_retry: when the launch is tried again */
        unsigned retries;       /* launches that failed for now, one after the other */
        unsigned failed_execs;  /* attempts whose program could not be executed for now */
        union {
                TqList doomed; /* what it waited for has failed */
                TqList looked; /* it runs, was seen, and is not charged for that yet */
        };
        TqList unplaced; /* there was no memory to queue it: tried again */
};

struct TqQueue {
        char name[TQ_QUEUE_NAME_MAX + 1];
        TqTenant *tenant;
        uint64_t concurrency;
        uint64_t depth;   /* of jobs that wait, or TQ_LIMIT_MAX */
        uint64_t jobs;    /* all that name it: it exists as long as there is one, or it is kept */
        uint64_t running; /* jobs of it in the tenant's active list */
        bool is_paused, is_draining;
        bool is_kept; /* has limits or switches of its own */
        TqBucket rate;
        TqLine line;
        TqList ready; /* in the tenant's ring of queues that could start a job */
        TqList all;
        /* Jobs that wait elsewhere than in the line: HELD, START_AFTER, AFTER, LAUNCH_RETRY. */
        uint64_t placed[TQ_WAIT_LAUNCH_RETRY + 1];
};

/* How many jobs of a tenant wait, by what they wait for. */
typedef struct TqWaiting {
        uint64_t jobs; /* all of them */
        uint64_t scheduled, held;
        uint64_t bytes; /* of their job files */
} TqWaiting;

/* Where a tenant stands in its pool. */
typedef enum TqStand {
        TQ_STAND_OUT,    /* could not start a job, had it a slot */
        TQ_STAND_READY,  /* could */
        TQ_STAND_PARKED, /* could, but did not fit the memory or the lane when it was its turn */
} TqStand;

struct TqTenant {
        /* What a decision looks at, first and close together. */
        TqStand stand;
        uint32_t player;          /* its number in the pool's tournament */
        uint64_t rank;            /* the pool's order: the tag, or what the policy orders by */
        uint64_t shortfall;       /* slots below the reservation */
        TqHistory history;        /* orders equals */
        uint64_t tag;             /* start tag: moved by each charge, divided by weight */
        uint64_t largest_advance; /* of one job, fading */
        TqHistory usage;          /* of which history is what the tree compares */
        uint64_t turn;            /* when it last started a job, in starts */
        TqPool *pool;
        uint32_t id;
        uint32_t weight;
        uint64_t running; /* length of active */
        uint64_t running_long;
        uint64_t concurrency, runtime; /* or TQ_LIMIT_MAX */
        uint64_t reserved;             /* slots */
        TqList ready_queues;
        TqList active;
        TqAverages *averages;
        bool enabled;
        bool one_per_queue;
        bool is_paused, is_draining;
        bool is_idle;    /* runs nothing and wants nothing, or did until it competes again */
        bool was_parked; /* since its last start */
        TqWaiting waiting;

        TqList moved;       /* its tag has, while many looks are taken */
        TqHeapNode resting; /* OUT, but holds slots: in the pool's heap */
        TqTreeNode order;   /* PARKED: in the pool's tree */
        uint64_t need[2];  /* PARKED: least memory that would start a job: of any, of a short one */
        uint64_t least[2]; /* the same, of the subtree below */
        TqBucket rate;
        size_t n_queues;
        size_t n_conditions; /* of After=, of all its jobs */
        TqList queues;
        TqList all;
        char name[TQ_TENANT_TITLE_MAX];
        TqQueueLimit *queue_limits;
        size_t n_queue_limits;
        TqLimits limits; /* effective */
};

/* A tenant in its pool's tournament, and where what its next start will look at is likely to be. */
typedef struct TqPlayer {
        TqTenant *tenant; /* NULL: a free number */
        const TqQueue *queue;
        const TqJob *job;
        const TqAverages *averages;
} TqPlayer;

/* Slots that only its tenants use. The first one, "shared", is everybody else's. */
struct TqPool {
        char name[TQ_POOL_NAME_MAX + 1];
        uint64_t slots;      /* or TQ_LIMIT_MAX */
        uint64_t lane_slots; /* of them only for short jobs */
        uint64_t running, running_long;
        uint64_t reserved; /* Σ of its tenants */
        size_t n_tenants;
        TqCapacity capacity;
        uint64_t vtime; /* virtual time: the start tag of the latest start */
        uint64_t max_tag;
        uint64_t
                contended_since; /* the last time that somebody began to compete where nobody did */
        uint64_t largest_charge; /* of one job, fading */
        TqTournament ready;      /* of tenants by rank */
        TqTree parked;           /* the same order */
        TqHeap resting;          /* of TqTenant.resting by tag */
        TqPlayer *players;
        uint32_t n_players;
        TqHeap looks;   /* of TqJob.look by look_at */
        TqList minutes; /* of TqJob.minute, sorted: looks that were planned a minute ahead */
};

typedef enum TqEventType {
        TQ_EVENT_HOST,    /* the host's policy: host. Before the first tenant, or later */
        TQ_EVENT_TENANT,  /* a tenant appears or changes: t */
        TQ_EVENT_SWITCH,  /* of the host, a tenant or a queue: tenant, j.queue, switches */
        TQ_EVENT_SUBMIT,  /* a job that is (about to be) in the ledger: j.* */
        TQ_EVENT_ADOPT,   /* after a restart: a job of the ledger that runs: j.* */
        TQ_EVENT_SPAWNED, /* launched and waiting at the barrier */
        TQ_EVENT_USED,    /* what a running job has used so far: use */
        TQ_EVENT_ENDED,   /* its cgroup is empty: end */
        TQ_EVENT_REFUSED, /* the launch failed before anything ran, for now: end, is_own */
        TQ_EVENT_TIMES,   /* the clock of the day was set: j.not_before, j.start_by */
        TQ_EVENT_AFTER,   /* a condition that ended before the job came: after, is_met */
        TQ_EVENT_HOLD,
        TQ_EVENT_RELEASE,
        TQ_EVENT_CANCEL,
        TQ_EVENT_OPEN,  /* taking stock is over: jobs may start */
        TQ_EVENT_CLOSE, /* what starts could not be recorded: nothing starts any more */
        TQ_EVENT_TICK,  /* only the time has passed */
        _TQ_EVENT_MAX,
} TqEventType;

/* What an administrator has switched off. */
typedef struct TqSwitches {
        bool is_paused;   /* nothing starts */
        bool is_draining; /* nothing is taken; what waits still runs */
} TqSwitches;

typedef struct TqEvent {
        TqEventType type;
        bool more;   /* another event of the same instant follows: nothing is decided before it */
        bool is_own; /* REFUSED: the job's own limits may be the cause, so it is not tried for ever
                      */
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
                uint64_t running_since; /* ADOPT: CLOCK_BOOTTIME usec */
                TqStopReason stop;      /* ADOPT: it was already asked to stop */
                bool is_held;
                bool has_start_by; /* else there is no deadline */
                bool is_promised;  /* of the ledger: no limit on taking jobs concerns it */
                void *userdata;
        } j;
        TqSwitches switches;
        TqAfter after;
        bool is_met;
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
        TqRefusal refusal; /* of a SUBMIT that was refused (-EDQUOT), or that comes near a limit */
} TqActions;

void tq_scheduler_actions_done(TqActions *a);

typedef struct TqScheduler TqScheduler;

/* NULL when out of memory. A new scheduler is closed: it starts nothing before TQ_EVENT_OPEN. Until
 * TQ_EVENT_HOST the host is without limits. */
TqScheduler *tq_scheduler_new(void);
/* The jobs' userdata must have been taken care of (tq_scheduler_next_job). Returns NULL. */
TqScheduler *tq_scheduler_free(TqScheduler *s);

/* Applies one event at CLOCK_BOOTTIME now_usec and appends what is to be done to *actions, in
 * order. 0; -ENOENT (no such tenant, pool or job: nothing changed); -EDQUOT (SUBMIT: a limit
 * refuses it, see actions->refusal); -EEXIST (SUBMIT of a known job); -EALREADY (CANCEL of one that
 * is already stopping, HOLD of a held one, RELEASE of one that is not); -EBUSY (HOLD of one that
 * has started); -EAGAIN (AFTER with is_none: one came meanwhile, look again); -ENOMEM (nothing
 * changed, except that a job may start later than it could). */
int tq_scheduler_step(TqScheduler *s, const TqEvent *event, uint64_t now_usec, TqActions *actions);

/* What a running job had used by that time; slot_usec is filled in by who asks. */
typedef TqUse (*TqMeter)(void *userdata, const TqJob *job, uint64_t now_usec);

/* Takes at once, without TICK, SAMPLE and USED for each, all looks at running jobs that are due
 * before until_usec and before anything else: for a simulation, which can say at any time what a
 * job had used at an earlier one. The meter is asked in the order of time. Nothing else may happen
 * before until_usec, and TQ_EVENT_TICK is due as ever for what tq_scheduler_next_deadline() says
 * then. Takes none where a look may let somebody start: with a limit of memory, with a lane, or
 * after a step with `more`.
 *
 * Uses that grow evenly lead to the same tags as looks one by one, but for the rounding of a use
 * where the host's `debt` stops a tag, or in where virtual time begins anew. */
void tq_scheduler_look(TqScheduler *s, uint64_t until_usec, TqMeter meter, void *userdata);

/* When TQ_EVENT_TICK is next needed (CLOCK_BOOTTIME usec), or TQ_NEVER. Not after the latest step:
 * at once, since that left a rest (TQ_STEP_MOST). */
uint64_t tq_scheduler_next_deadline(const TqScheduler *s);

/* What holds the job now, the first reason in the order of TqWait: the same function that decides.
 * now_usec: of the latest step or later. */
TqWait tq_scheduler_why(const TqScheduler *s, const TqJob *job, uint64_t now_usec);

/* All that holds the job, each with its numbers; TQ_WAIT_NONE is not among them. Returns how many.
 * Its numbers may cost a walk over tenants and the jobs before it: not for a job's path. */
size_t tq_scheduler_explain(const TqScheduler *s, const TqJob *job, uint64_t now_usec,
                            TqReason ret[_TQ_WAIT_MAX]);

/* The job that would start next in a pool, were a slot free; NULL: none could. */
const TqJob *tq_scheduler_next(const TqScheduler *s, const TqPool *pool, uint64_t now_usec);

/* How many jobs of a queue wait, by the first reason. O(1) but for those at its head. */
void tq_scheduler_count(const TqScheduler *s, const TqQueue *queue, uint64_t now_usec,
                        uint64_t ret[_TQ_WAIT_MAX]);

/* Whether the tenant could have this reservation (as the key's value) in that pool: the slots that
 * the others leave are in *ret_free. -ENOENT: no such pool. */
int tq_scheduler_check_reserved(const TqScheduler *s, uint32_t tenant, const char *pool,
                                uint64_t reserved, uint64_t *ret_free);

/* Whether a SUBMIT (tenant, j.queue, j.spool_bytes, j.memory_bytes, j.not_before, j.n_after) would
 * be taken: 0, or -EDQUOT with *ret. Changes nothing. */
int tq_scheduler_would_take(const TqScheduler *s, const TqEvent *submit, uint64_t now_usec,
                            TqRefusal *ret);

/* What jobs are averaged by and After= waits for: a hash of a name. */
uint64_t tq_scheduler_name(const char *name);

/* Borrowed views. */
const TqJob *tq_scheduler_job(const TqScheduler *s, uint64_t id);
const TqTenant *tq_scheduler_tenant(const TqScheduler *s, uint32_t id);
const TqQueue *tq_scheduler_queue(const TqTenant *t, const char *name);
const TqJob *tq_scheduler_next_job(const TqScheduler *s, size_t *position);
const TqPool *tq_scheduler_pool(const TqScheduler *s, size_t i); /* NULL: no more */
TqSwitches tq_scheduler_host_switches(const TqScheduler *s);
uint64_t tq_scheduler_memory_promised(const TqScheduler *s);
