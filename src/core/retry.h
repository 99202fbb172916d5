/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/buffer.h"
#include "core/verdict.h"

/* Which ends of a job are no end yet: [Retry] and OnLost= of its file. */

#define TQ_RETRY_ATTEMPTS_MAX  1000
#define TQ_RETRY_LOST_ATTEMPTS 5                        /* of OnLost=requeue without MaxAttempts= */
#define TQ_RETRY_USEC          (30 * TQ_USEC_PER_SEC)   /* RestartSec= unless given */
#define TQ_RETRY_MAX_USEC      (3600 * TQ_USEC_PER_SEC) /* RestartMaxSec= unless given */
#define TQ_RETRY_TEXT_MAX      1024 /* of such a set as it is written, and of a policy */

/* Ends: by what they are called, and of those by an exit or a signal, which ones. */
typedef struct TqEndSet {
        uint32_t outcomes; /* bits of TqOutcome; `exit` and `signal` here mean all of them */
        uint64_t codes[256 / 64];
        uint64_t signals; /* bit N-1 */
} TqEndSet;

typedef struct TqRetry {
        unsigned max_attempts; /* in all; 1: it is not repeated */
        bool is_exponential;
        uint64_t delay_usec;     /* before the second attempt */
        uint64_t max_delay_usec; /* exponential: never longer than that */
        TqEndSet on, never;
} TqRetry;

/* One attempt, no more. */
void tq_retry_init(TqRetry *r);

/* Adds the words of a text, separated by blanks or commas: a code (1 to 255), a range of them
 * (1-3), a signal (TERM, SIGTERM), or exit, signal, oom, timeout, stalled, seccomp, spawn, lost.
 * -EINVAL, with *set as it was. */
int tq_retry_parse_ends(const char *text, TqEndSet *set);

/* All ends that are failures of the job: but `lost`, which may have done its work. */
void tq_retry_set_failures(TqEndSet *set);

static inline bool tq_retry_is_empty(const TqEndSet *set) {
        return !set->outcomes && !set->codes[0] && !set->codes[1] && !set->codes[2] &&
               !set->codes[3] && !set->signals;
}

/* Whether a job is tried again that has ended so, for the n-th time. Pure. */
bool tq_retry_applies(const TqRetry *r, const TqVerdict *v, unsigned failures);

/* Whether one that ended so for good is a dead letter: a failure of a job that names in its file
 * what is to be done then (r NULL: it does not), or an end that nobody can know. */
bool tq_retry_is_dead(const TqRetry *r, const TqVerdict *v);

/* How long it waits then, ± a tenth, by a number of its own: those that failed together are not
 * tried again together. */
uint64_t tq_retry_delay(const TqRetry *r, unsigned failures, uint64_t job);

/* "attempts=3 backoff=exponential delay_usec=30000000 max_usec=3600000000 on=oom,1-3 never=75", for
 * the ledger. */
void tq_retry_format(const TqRetry *r, TqBuffer *out);
/* What that wrote. -EINVAL. */
int tq_retry_parse(const char *text, TqRetry *ret);
