/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/util.h"

/* How a job ended, in the words that the ledger, the command line and JSON share. */
typedef enum TqOutcome {
        TQ_OUTCOME_NONE,        /* not ended */
        TQ_OUTCOME_EXIT,        /* code: the exit code */
        TQ_OUTCOME_SIGNAL,      /* code: the signal */
        TQ_OUTCOME_OOM,         /* the kernel killed it for memory; level says whose limit */
        TQ_OUTCOME_TIMEOUT,     /* RuntimeMaxSec= or the tenant's runtime */
        TQ_OUTCOME_STALLED,     /* it got nowhere above memory_high; level says whose */
        TQ_OUTCOME_SECCOMP,     /* ended by its profile (SIGSYS) */
        TQ_OUTCOME_CANCELLED,   /* somebody cancelled it */
        TQ_OUTCOME_LOST,        /* nobody can know: the host went down while it ran */
        TQ_OUTCOME_DEADLINE,    /* not started by its Deadline= */
        TQ_OUTCOME_DEPENDENCY,  /* a job of its After= did not end well, or there is none such */
        TQ_OUTCOME_SPAWN,       /* never ran: stage and code (errno) say why */
        TQ_OUTCOME_INTERRUPTED, /* the host was shut down while it ran */
        TQ_OUTCOME_REQUEUED,    /* of an attempt: somebody requeued its job */
        _TQ_OUTCOME_MAX,
        _TQ_OUTCOME_INVALID = -EINVAL,
} TqOutcome;

const char *tq_verdict_outcome_to_string(TqOutcome o);

/* Whose limit ended it. */
typedef enum TqLevel {
        TQ_LEVEL_NONE,
        TQ_LEVEL_JOB,
        TQ_LEVEL_TENANT,
        TQ_LEVEL_HOST,
        _TQ_LEVEL_MAX,
} TqLevel;

const char *tq_verdict_level_to_string(TqLevel l);

/* Where a launch failed: the supervisor's steps, then tenantq-exec's, in their order. */
typedef enum TqStage {
        TQ_STAGE_NONE,
        TQ_STAGE_TENANT,       /* the tenant is not ready (no slice, no directory) */
        TQ_STAGE_RESULT,       /* result record */
        TQ_STAGE_LOG,          /* log files */
        TQ_STAGE_CGROUP,       /* making the job's cgroup */
        TQ_STAGE_LIMITS,       /* writing its limits */
        TQ_STAGE_PLAN,         /* sealing or reading the plan */
        TQ_STAGE_CLONE,        /* clone3 */
        TQ_STAGE_HELPER,       /* executing tenantq-exec */
        TQ_STAGE_SURROUNDINGS, /* scheduling, CPUs, keyring: what a process inherits */
        TQ_STAGE_SANDBOX,      /* its namespaces and mounts */
        TQ_STAGE_PATHS,        /* BindPaths=, ReadOnlyPaths= and the like; its output says which */
        TQ_STAGE_PIPES,        /* its pipes */
        TQ_STAGE_RLIMITS,      /* resource limits */
        TQ_STAGE_CREDENTIALS,  /* giving up root */
        TQ_STAGE_CHDIR,        /* WorkingDirectory= */
        TQ_STAGE_SECCOMP,      /* installing the filter */
        TQ_STAGE_BARRIER,      /* it was never released */
        TQ_STAGE_EXEC,         /* executing ExecStart= */
        TQ_STAGE_INTERPRETER,  /* it is there, but what its first line or its header names is not;
                                  code EILSEQ: the first line ends with a carriage return */
        TQ_STAGE_NETWORK, /* its tenant's way out of the host; last, since records have numbers */
        TQ_STAGE_INPUT,   /* StandardInput=client: nothing of it is left */
        _TQ_STAGE_MAX,
} TqStage;

const char *tq_verdict_stage_to_string(TqStage s);
/* What root prepares before anything of the job is looked at: a failure there is the host's or the
 * configuration's. */
bool tq_verdict_is_before_job(TqStage s) TQ_PURE;

#define TQ_UNKNOWN UINT64_MAX /* a counter that this host could not measure */

typedef struct TqCounters {
        uint64_t cpu_usec;
        uint64_t memory_peak_bytes;
        uint64_t oom_kills;
        uint64_t io_read_bytes;
        uint64_t io_write_bytes;
        uint64_t pids_peak;
        uint64_t pids_denied; /* forks that pids.max refused */
} TqCounters;

/* A system call: its number, and by what other way into the kernel than this program's. */
enum {
        TQ_CALL_NUMBER = 0xFFFF,
        TQ_CALL_I386 = 1 << 16,
        TQ_CALL_X32 = 1 << 17,
};

/* Numbers of calls, as bits. */
#define TQ_CALLS 512
typedef struct TqCallSet {
        uint64_t bits[TQ_CALLS / 64];
} TqCallSet;

static inline void tq_call_set_add(TqCallSet *s, uint32_t number) {
        if (number < TQ_CALLS)
                s->bits[number / 64] |= UINT64_C(1) << number % 64;
}

static inline bool tq_call_set_has(const TqCallSet *s, uint32_t number) {
        return number < TQ_CALLS && s->bits[number / 64] >> number % 64 & 1;
}

/* What the supervisor knows when a job's cgroup is empty. */
typedef enum TqEndKind {
        TQ_END_UNKNOWN,       /* no result record and nobody who waited */
        TQ_END_EXITED,        /* code */
        TQ_END_SIGNALED,      /* code: the signal */
        TQ_END_NEVER_STARTED, /* the barrier was never released: it is safe to start it again */
        TQ_END_SPAWN_FAILED,  /* stage, code: errno */
        TQ_END_INTERRUPTED,   /* by the signals of a shutdown, in an earlier boot */
        TQ_END_CALL,    /* by a system call that its profile ends a job for; code: TQ_CALL_* */
        TQ_END_CRASHED, /* tenantq-exec was, by the signal `code`, before it let the program begin:
                           nothing of the job has run. Seen by the supervisor, in no record */
        _TQ_END_MAX,
} TqEndKind;

/* What makes one of our own programs crash so often is put in quarantine: held, with an event. */
#define TQ_CRASHES_MOST 2

/* Why some of a job's output is not there, but for its own cap; the worst is the last. */
typedef enum TqLoss {
        TQ_LOSS_NONE,
        TQ_LOSS_BOUND,  /* of its tenant's output */
        TQ_LOSS_FLOOR,  /* what is to stay free of the disk */
        TQ_LOSS_FAILED, /* it could not be written */
        _TQ_LOSS_MAX,
} TqLoss;

typedef struct TqEnd {
        uint32_t kind;  /* TqEndKind */
        uint32_t stage; /* TqStage */
        int32_t code;
        uint32_t output_lost; /* TqLoss */
        uint32_t oom_level;   /* TqLevel: where memory ran out, if oom_kills says that it did */
        uint32_t unreachable; /* 1: somebody in its network met "unreachable" meanwhile */
        uint32_t path; /* which of the plan's paths its launch failed for, from 1; 0: none is known
                        */
        uint32_t is_silent;    /* 1: it is known to have written nothing to its output */
        uint64_t started_usec; /* CLOCK_REALTIME; 0: never */
        uint64_t ended_usec;
        uint64_t run_usec;      /* by CLOCK_BOOTTIME */
        uint64_t dropped_bytes; /* output that was not kept: beyond a cap or a bound, or lost */
        TqCounters counters;
        TqCallSet calls; /* that an audited job made beyond its profile */
} TqEnd;

typedef struct TqVerdict {
        TqOutcome outcome;
        TqLevel level;
        TqStage stage;
        int code;
        char call[40]; /* of an outcome `seccomp`: its name, if whoever judges knows it */
        TqEnd end;
} TqVerdict;

/* Why tenantq itself asked a job to stop. */
typedef enum TqStopReason {
        TQ_STOP_NONE,
        TQ_STOP_CANCELLED,
        TQ_STOP_TIMEOUT_JOB,
        TQ_STOP_TIMEOUT_TENANT,
        TQ_STOP_STALLED_JOB,
        TQ_STOP_STALLED_TENANT,
        TQ_STOP_REQUEUED, /* another attempt follows, however this one ends */
        _TQ_STOP_MAX,
} TqStopReason;

const char *tq_verdict_stop_to_string(TqStopReason r);

/* Judges: memory comes before the rest (the kernel's word), then what tenantq asked for, then how
 * the process ended. Pure. A job asked to stop that had already ended with code 0 keeps its exit.
 */
TqVerdict tq_verdict_judge(const TqEnd *end, TqStopReason stop);

/* The job did what it was to do. */
static inline bool tq_verdict_is_well(const TqVerdict *v) {
        return v->outcome == TQ_OUTCOME_EXIT && v->code == 0;
}

/* "exit 0", "signal 9 (KILL)", "oom (tenant)", "spawn (exec: No such file or directory)". */
const char *tq_verdict_format(const TqVerdict *v, char *buf, size_t size);
