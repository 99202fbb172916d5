/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <tenantq/types.h>

#include "core/limits.h"

/* What the administrator says about the host as a whole, and about queues. Plain data: sent between
 * processes and compared as bytes. */

#define TQ_QUEUE_LIMITS  32 /* configured queues of a tenant */
#define TQ_POOLS_MAX     16 /* the shared one among them */
#define TQ_POOL_NAME_MAX 48
#define TQ_POOL_SHARED   "shared"

/* By what tenants take turns. Only TQ_POLICY_FAIR serves jobs; the others are what the simulator
 * compares it with. */
typedef enum TqPolicy {
        TQ_POLICY_FAIR,        /* by weighted use */
        TQ_POLICY_ROUND_ROBIN, /* one job each */
        TQ_POLICY_FIFO,        /* by the age of the job, whoever's it is */
        _TQ_POLICY_MAX,
        _TQ_POLICY_INVALID = -EINVAL,
} TqPolicy;

const char *tq_policy_to_string(TqPolicy p);
TqPolicy tq_policy_from_string(const char *s);

typedef struct TqPoolPolicy {
        char name[TQ_POOL_NAME_MAX + 1];
        uint8_t has_cpus;
        uint64_t slots;                  /* a number or a share of max_jobs (TQ_TYPE_SLOTS) */
        uint64_t cpus[TQ_CPUS_MAX / 64]; /* that only its tenants use */
} TqPoolPolicy;

typedef struct TqHostPolicy {
        uint64_t max_jobs;         /* slots, or TQ_LIMIT_MAX */
        uint64_t memory_bytes;     /* that jobs are promised at the same time, or TQ_LIMIT_MAX */
        uint64_t cpus;             /* of the host */
        uint64_t io_bytes_per_sec; /* that the disks can move; TQ_LIMIT_MAX: not counted */
        uint64_t lane_slots;       /* of the shared pool only for short jobs (TQ_TYPE_SLOTS) */
        uint64_t lane_runtime_usec;
        uint64_t half_life_usec; /* of the usage that orders equals */
        uint64_t debt_usec;      /* of the whole host's time: how far a tenant may fall behind */
        uint64_t memory_patience_usec; /* after that, memory is kept for who has waited */
        uint64_t rollback_percent;     /* of what was: a change that makes more of it goes back */
        uint32_t policy;               /* TqPolicy */
        uint32_t n_pools;              /* beside the shared one */
        TqPoolPolicy pools[TQ_POOLS_MAX - 1];
} TqHostPolicy;

/* No limits at all, and the usual times. */
void tq_policy_init(TqHostPolicy *p);

/* Whether a struct that came from another process is well-formed. */
bool tq_policy_is_sane(const TqHostPolicy *p);

/* The slots of the shared pool: what the others leave. -ERANGE: they take more than there are. */
int tq_policy_shared_slots(const TqHostPolicy *p, uint64_t *ret);

/* A queue's own limits: those of its name whose bit is set. */
typedef struct TqQueueLimit {
        char name[TQ_QUEUE_NAME_MAX + 1];
        uint64_t set; /* bit TqKey */
        uint64_t concurrency;
        uint64_t enqueue_rate;
        uint64_t queue_depth;
} TqQueueLimit;

/* The field of a key that a queue may have, or NULL. */
uint64_t *tq_policy_queue_field(TqQueueLimit *q, TqKey key);
/* Parses KEY and VALUE into q. -EBADMSG with err. */
int tq_policy_queue_set(TqQueueLimit *q, const char *key, const char *value, unsigned line,
                        TqError *err);
/* What is set in `over` replaces what is set in q. */
void tq_policy_queue_overlay(TqQueueLimit *q, const TqQueueLimit *over);
/* The queue's own value, or fallback. */
uint64_t tq_policy_queue_get(const TqQueueLimit *q, TqKey key, uint64_t fallback);
