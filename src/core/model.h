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
#include "core/policy.h"
#include "core/reason.h"
#include "core/retry.h"

/* What the scheduler knows: jobs, queues, tenants, pools. Outside of core/ it is looked at only. */

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
        TQ_JOB_SCHEDULED, /* waits for StartAfter=, for After= or for its next attempt */
        TQ_JOB_HELD,      /* somebody holds it */
        TQ_JOB_QUEUED,
        TQ_JOB_STARTING, /* launched, at the barrier */
        TQ_JOB_RUNNING,
        TQ_JOB_STOPPING, /* asked to end */
        TQ_JOB_DONE,
        _TQ_JOB_STATE_MAX,
} TqJobState;

typedef struct TqJob TqJob;
typedef struct TqTenant TqTenant;
typedef struct TqQueue TqQueue;
typedef struct TqPool TqPool;

/* Why a job that has been launched waits for a time. */
typedef enum TqAgain {
        TQ_AGAIN_NOT,
        TQ_AGAIN_LAUNCH, /* its launch failed for now */
        TQ_AGAIN_RETRY,  /* its attempt failed, and its file says that it is tried again */
} TqAgain;

typedef enum TqLane {
        TQ_LANE_LONG,  /* may run longer than the host's lane_runtime, or without bound */
        TQ_LANE_SHORT, /* is bounded by it */
        _TQ_LANE_MAX,
} TqLane;

/* The jobs of one priority. */
typedef struct TqLineLevel {
        TqList link;
        int priority;
        TqJob *first[_TQ_LANE_MAX];      /* NULL: there is none */
        uint64_t sequence[_TQ_LANE_MAX]; /* of the first; UINT64_MAX: there is none */
        TqList jobs[_TQ_LANE_MAX];       /* of TqJob.waiting: those that came in their order */
        TqHeap returned[_TQ_LANE_MAX];   /* of TqJob.returned: those that came between others */
} TqLineLevel;

typedef struct TqLine {
        TqList levels; /* the highest priority first; empty ones are freed */
        uint64_t size;
        TqLineLevel usual; /* priority 0: is never freed, and mostly the only one */
} TqLine;

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

/* After=: what a job waits for. Written by condition.c. */
typedef struct TqConditions {
        TqCondition *items;
        size_t n, n_unmet;
        TqList doomed; /* one of them can't be met any more: in the scheduler's list */
} TqConditions;

/* What a job is charged for. Written by charge.c. */
typedef struct TqCharge {
        uint64_t slot_since; /* since when it holds its slot */
        uint64_t noted;      /* of its charge, in the tenant's usage */
        uint64_t advance;    /* by what the tenant's tag has been moved for it since base */
        TqUse expected;      /* of the whole job */
        uint64_t look_at;    /* when its use is looked at next, if somebody competes then */
        TqUse seen;          /* at the last look; slot_usec 0: there was none */
        TqUse base;          /* what it had used when competition began: not charged */
        bool is_adopted;     /* it ran before a restart: who starts it anew was not there */
        TqHeapNode look;     /* while it runs, in the pool's looks */
        TqList minute;       /* or in its minutes */
        TqList looked;       /* it was seen, and is not charged for that yet */
} TqCharge;

/* What only a job has that is launched, tried again, timed, held or conditional. A queue may be a
 * million jobs long that are none of this: it is made when it first matters, and stays then. */
typedef struct TqJobCold {
        TqJob *job;
        TqList active;     /* in the tenant's list of jobs that hold a slot */
        uint64_t start_by; /* Deadline=, CLOCK_BOOTTIME usec, or TQ_NEVER */
        TqHeapNode timer;
        uint64_t deadline; /* what the timer heap sorts by */
        TqCharge charge;

        TqConditions after;
        uint64_t not_before;      /* StartAfter=, CLOCK_BOOTTIME usec */
        uint64_t running_since;   /* CLOCK_BOOTTIME usec */
        uint64_t again_at;        /* CLOCK_BOOTTIME usec: not before, while `again` says why */
        unsigned retries;         /* launches that failed for now, one after the other */
        unsigned failed_execs;    /* attempts whose program could not be executed for now */
        unsigned failed_launches; /* that failed before that, for the host's reasons */
        unsigned crashes;         /* launches that crashed since the last one that did not */
        uint64_t crashed_since;   /* CLOCK_BOOTTIME usec, of the first of them */
        unsigned failures;        /* attempts that count against those that it may have */
        TqRetry *retry;           /* owned; NULL: it has one */
        TqList unplaced;          /* there was no memory to queue it: tried again */
} TqJobCold;

/* In the order in which starting a job looks at it, and no larger than it must be: with a million
 * jobs each cache line counts, and so does each byte. */
struct TqJob {
        union {
                TqList waiting;      /* in a level of its queue's line */
                TqHeapNode returned; /* is_returned: there, among those that came between others */
        };
        TqQueue *queue;
        uint64_t sequence;     /* its place among equals; 0: was not ready yet */
        uint64_t memory_bytes; /* what it is promised: counted against the host's */
        uint64_t name;         /* tq_scheduler_name() of Name= */
        TqJobCold *cold;       /* owned; NULL: it is, or will be, in the line as it came */
        TqJobState state : 8;
        int priority : 16;
        TqWait placed : 8, counted : 8; /* why it is not in the line, while it waits elsewhere */
        TqAgain again : 4;
        TqStopReason stop : 8;
        bool is_in_line : 1;
        bool is_returned : 1;
        bool is_held : 1;        /* somebody holds it */
        bool is_short : 1;       /* its own bound is within the host's lane_runtime */
        bool counts_as_long : 1; /* holds one of the slots that long jobs may have */
        bool abort : 1;          /* to be killed before it ever ran */
        uint64_t id;
        uint64_t runtime_usec; /* the job's own bound, or TQ_LIMIT_MAX */
        uint64_t stop_usec;    /* from TERM to KILL */
        void *userdata;        /* the engine's */
        unsigned attempt;      /* of the launch under way or the next one, from 1 */
        uint32_t spool_bytes;  /* of its job file */
};

/* A job that malloc() gives 112 bytes, of which the second cache line is its own. */
_Static_assert(sizeof(TqJob) <= 104, "a job that waits has become larger");

/* To look at: of a job that has none, what holds for it. */
static inline const TqJobCold *tq_model_cold(const TqJob *job) {
        static const TqJobCold none = { .start_by = TQ_NEVER };

        return job->cold ? job->cold : &none;
}

struct TqQueue {
        /* What a decision looks at, first and close together. */
        TqTenant *tenant;
        TqList ready; /* in the tenant's ring of queues that could start a job */
        uint64_t concurrency;
        uint64_t running; /* jobs of it in the tenant's active list */
        bool is_paused, is_draining;
        bool is_kept; /* has limits or switches of its own */
        TqLine line;

        uint64_t depth; /* of jobs that wait, or TQ_LIMIT_MAX */
        uint64_t jobs;  /* all that name it: it exists as long as there is one, or it is kept */
        TqBucket rate;
        TqList all;
        /* Jobs that wait elsewhere than in the line: HELD, START_AFTER, AFTER, LAUNCH_RETRY, RETRY.
         */
        uint64_t placed[TQ_WAIT_RETRY + 1];
        char name[TQ_QUEUE_NAME_MAX + 1];
};

/* How many jobs of a tenant wait, by what they wait for. */
typedef struct TqWaiting {
        uint64_t jobs; /* all of them */
        uint64_t scheduled, held;
        uint64_t bytes; /* of their job files */
} TqWaiting;

/* What a tenant did in its pool, before a restart. */
typedef enum TqPresence {
        TQ_PRESENCE_IDLE,      /* ran nothing and wanted nothing: begins where virtual time is */
        TQ_PRESENCE_RUNNING,   /* could start no other job */
        TQ_PRESENCE_COMPETING, /* could, had it a slot or memory */
        _TQ_PRESENCE_MAX,
        _TQ_PRESENCE_INVALID = -EINVAL,
} TqPresence;

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
        bool is_resting; /* OUT, but holds slots: among those of the pool */
        TqWaiting waiting;
        TqList dirty;      /* something about it has changed in this step */
        TqList changed;    /* or since tq_scheduler_next_changed() named it */
        uint64_t begun_at; /* as TqScheduler.begun_at, of its own jobs */

        TqPresence was;    /* before a restart, until it is there again */
        uint64_t kept_at;  /* before a restart: up to then its tag has what it used; 0: none */
        TqTreeNode order;  /* PARKED: in the pool's tree */
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
        TqLimits limits;         /* effective */
        uint64_t crash_job;      /* whose launch crashed last, and */
        uint64_t crash_at;       /* when; and when one of */
        uint64_t other_crash_at; /* another job did. CLOCK_BOOTTIME usec, 0: never */
};

/* A tenant in its pool's tournament, and where what its next start will look at is likely to be. */
typedef struct TqPlayer {
        TqTenant *tenant; /* NULL: a free number */
        const TqQueue *queue;
        const TqJob *job, *after; /* and the one that is then the first */
        const void *average;
} TqPlayer;

/* Slots that only its tenants use. The first one, "shared", is everybody else's. */
struct TqPool {
        char name[TQ_POOL_NAME_MAX + 1];
        uint64_t slots;      /* or TQ_LIMIT_MAX */
        uint64_t lane_slots; /* of them only for short jobs */
        uint64_t running, running_long;
        uint64_t reserved; /* Σ of its tenants */
        size_t n_tenants;
        size_t n_competing; /* of them: not TQ_STAND_OUT */
        TqCapacity capacity;
        uint64_t vtime; /* virtual time: the start tag of the latest start */
        uint64_t max_tag;
        uint64_t
                contended_since; /* the last time that somebody began to compete where nobody did */
        uint64_t largest_charge; /* of one job, fading */
        bool was_contended;      /* before a restart */
        TqTournament ready;      /* of tenants by rank */
        TqTournament resting;    /* of the same, by tag: who is OUT, but holds slots */
        TqTree parked;           /* the same order */
        TqPlayer *players;
        uint32_t n_players;
        TqHeap looks;   /* of TqJob.look by look_at */
        TqList minutes; /* of TqJob.minute, sorted: looks that were planned a minute ahead */
};
