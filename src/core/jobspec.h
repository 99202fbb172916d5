/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <tenantq/types.h>

#include "base/buffer.h"
#include "core/limits.h"
#include "core/profile.h"
#include "core/retry.h"

/* What a job changes in what it sees, in the order in which it is done. */
typedef enum TqJobPath {
        TQ_JOB_PATH_BIND = 'b',         /* BindPaths=FROM:TO */
        TQ_JOB_PATH_READ_WRITE = 'w',   /* of what it may write, only this */
        TQ_JOB_PATH_READ_ONLY = 'r',    /* ReadOnlyPaths= */
        TQ_JOB_PATH_INACCESSIBLE = 'x', /* InaccessiblePaths= */
} TqJobPath;

/* How a job and a name belong together: a job, something that jobs make, or free text. */
typedef enum TqJobTie {
        TQ_JOB_TIE_PARENT = 'p', /* Parent=: what it comes of */
        TQ_JOB_TIE_INPUT = 'i',  /* Inputs= */
        TQ_JOB_TIE_OUTPUT = 'o', /* Outputs= */
} TqJobTie;

#define TQ_JOB_PATHS_MAX    64
#define TQ_JOB_ARGS_MAX     4096
#define TQ_JOB_ENV_MAX      1024
#define TQ_JOB_NAME_MAX     128
#define TQ_JOB_AFTER_MAX    64 /* jobs of After= */
#define TQ_JOB_PRIORITY_MAX 100
#define TQ_JOB_LABELS_MAX   64
#define TQ_JOB_TIES_MAX     32 /* of one kind */
#define TQ_JOB_TIE_NAME_MAX 255
#define TQ_JOB_TRACE_SIZE   55                     /* of a TraceParent= */
#define TQ_JOB_STOP_USEC    (10 * TQ_USEC_PER_SEC) /* TimeoutStopSec= unless given */

/* One job as its file describes it: parsed, validated, nothing looked up. Owns all its strings. */
typedef struct TqJobSpec {
        char *name;
        char queue[TQ_QUEUE_NAME_MAX + 1];
        char **argv; /* NULL-terminated; argv[0] is an absolute path */
        size_t argc;
        char **environment; /* NAME=VALUE, each its own allocation */
        size_t n_environment;
        char *working_directory; /* absolute, or NULL: the home, or / where that is none */
        char *correlation_id;
        char *key;          /* Key=: the same submission of its tenant has the same; or NULL */
        char *labels;       /* as written: blank-separated KEY=VALUE */
        char *trace_parent; /* W3C Trace Context; or NULL */
        char **ties;        /* TqJobTie and, behind it, a name; each its own allocation */
        size_t n_ties;
        int priority;
        uint64_t start_after_usec; /* CLOCK_REALTIME; 0: now */
        bool has_deadline;
        uint64_t deadline_usec;     /* CLOCK_REALTIME: not started later */
        char *after;                /* blank-separated numbers and names of jobs, or NULL */
        uint64_t stop_timeout_usec; /* between TERM and KILL */
        char profile[TQ_PROFILE_NAME_MAX + 1]; /* empty: its tenant's */
        unsigned profile_line;
        bool private_network;
        bool has_input; /* StandardInput=client: from whoever hands it in, while it runs */
        unsigned input_line;
        bool repeats_lost; /* OnLost=requeue; it is part of `retry` */
        bool has_retry;
        char **paths; /* TqJobPath and, behind it, "PATH" or "PATH:PATH"; each its own allocation */
        size_t n_paths;
        TqLimits limits;                   /* RuntimeMaxSec= is its `runtime` */
        unsigned limit_lines[_TQ_KEY_MAX]; /* where each stands in the file */
        uint64_t keep_usec; /* how long its output is kept after its end; 0: as all */
        TqRetry retry;
} TqJobSpec;

void tq_jobspec_done(TqJobSpec *spec);

/* A name that tenantq, systemd or the loader keeps for itself and that a job's Environment= may
 * therefore not set (NOTIFY_SOCKET, LISTEN_FDS, TENANTQ_…). */
bool tq_jobspec_env_is_reserved(const char *name, size_t n);

/* [A-Za-z_][A-Za-z0-9_]* of n bytes. */
bool tq_jobspec_env_name_is_valid(const char *name, size_t n);

/* 00-TRACE-SPAN-FLAGS in lower-case hexadecimal, neither of them 0: W3C Trace Context, 3.2. */
bool tq_jobspec_trace_is_valid(const char *text);

typedef struct TqJobIdentity {
        uint64_t id;
        unsigned attempt;
        const char *tenant;
        const char *user; /* NULL if the uid has no name */
        const char *home; /* NULL: / */
} TqJobIdentity;

/* Writes the part of a launch plan that only the payload's own process reads, after it has become
 * the tenant: `u32 argc, u32 envc, u32 paths`, then working directory (behind a '-': or / if it
 * can't be entered), arguments, environment and paths as terminated strings. The environment is:
 * PATH, HOME, USER, LOGNAME, SHELL, LANG, TENANTQ_JOB, TENANTQ_ATTEMPT, TENANTQ_TENANT,
 * TENANTQ_QUEUE, TENANTQ_CORRELATION_ID, TENANTQ_LABEL_…, TRACEPARENT, then the job's own, which
 * stand over all that is not called TENANTQ_…. -ENOMEM. */
int tq_jobspec_encode(const TqJobSpec *spec, const TqJobIdentity *who, TqBuffer *ret);
