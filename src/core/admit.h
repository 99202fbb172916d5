/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <tenantq/types.h>

#include "base/error.h"
#include "core/limits.h"

/* Admission: whether a job is taken at all, and what is said when it is not. */

/* A token bucket (RFC 2697 §2 describes the idea): it holds as many tokens as its rate names for
 * its period (10/s: ten, 100/min: a hundred), fills evenly, and each job takes one.
 * Zero-initialised is full. */
typedef struct TqBucket {
        uint64_t rate;     /* value of TQ_TYPE_RATE, or TQ_LIMIT_MAX: without bound */
        uint64_t empty_at; /* usec: when it would have been empty, at its rate: its level */
} TqBucket;

/* Tokens at now_usec, rounded down. */
uint64_t tq_admit_tokens(const TqBucket *b, uint64_t now_usec);
/* How long until there is one, usec; 0: now; UINT64_MAX: never. */
uint64_t tq_admit_delay(const TqBucket *b, uint64_t now_usec);
/* Takes one; there must be one. */
void tq_admit_take(TqBucket *b, uint64_t now_usec);
/* A new rate: a bucket that was full is full, one that was drained stays drained as long as it
 * would have been. */
void tq_admit_set_rate(TqBucket *b, uint64_t rate, uint64_t now_usec);

typedef enum TqRefusalKind {
        TQ_REFUSAL_NONE,
        TQ_REFUSAL_NEAR,     /* taken, but `current` is near `maximum` */
        TQ_REFUSAL_LIMIT,    /* a limit of the tenant or the queue */
        TQ_REFUSAL_QUEUES,   /* jobs in too many queues at the same time */
        TQ_REFUSAL_AFTER,    /* its jobs wait for too many others */
        TQ_REFUSAL_DRAINING, /* the host, the tenant or the queue takes nothing */
        TQ_REFUSAL_TOO_BIG,  /* more memory than the host ever promises */
        _TQ_REFUSAL_MAX,
} TqRefusalKind;

/* Why a job was not taken. */
typedef struct TqRefusal {
        TqRefusalKind kind;
        TqKey key;                         /* LIMIT, NEAR */
        char queue[TQ_QUEUE_NAME_MAX + 1]; /* empty: the tenant's */
        bool is_host;                      /* DRAINING: the host's */
        uint64_t current, maximum;         /* in the key's unit */
        uint64_t retry_usec;               /* when to try again; UINT64_MAX: not by itself */
} TqRefusal;

/* The code of a refusal: TENANT_LIMIT_EXCEEDED is the Open Job Spec's (ojs-multi-tenancy §8.2). */
const char *tq_admit_code(const TqRefusal *r);
/* The limit's name in the answer: of its key, or a word for what has none. */
const char *tq_admit_limit(const TqRefusal *r);
/* One sentence: which limit, current, maximum, when to try again. */
const char *tq_admit_format(const TqRefusal *r, const char *tenant, char *buf, size_t size);
/* current or maximum as a plain number: of a rate, the jobs that it allows in its period. */
uint64_t tq_admit_number(const TqRefusal *r, uint64_t v);
/* Seconds, rounded up, at least 1; 0: not by itself. */
uint64_t tq_admit_retry_after(const TqRefusal *r);

/* From which fill a limit is near: eight tenths. */
bool tq_admit_is_near(uint64_t current, uint64_t maximum);
