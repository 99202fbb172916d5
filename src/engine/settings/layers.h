/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/buffer.h"
#include "base/error.h"
#include "core/policy.h"
#include "ipc/message.h"

/* The limits of one tenant, in layers, each standing over the one before: [defaults] of
 * tenantq.conf, the tenant's file, the live revisions of the ledger; then [ceilings] and the CPUs
 * of its pool cap the result. Pure: no ledger, no link. */

typedef struct Layers {
        TqLimits file, live, effective;
        TqQueueLimit file_queues[TQ_QUEUE_LIMITS], live_queues[TQ_QUEUE_LIMITS];
        size_t n_file_queues, n_live_queues;
        char pool[TQ_POOL_NAME_MAX + 1]; /* empty: the shared one */
        char profile[TQ_PROFILE_NAME_MAX + 1];
        TqProfileRank rank; /* of the profile */
} Layers;

/* What the layers say with these live limits, be it more than [ceilings] or a pool allows. -E2BIG.
 */
int layers_compose(const Layers *l, const TqHello *host, const TqLimits *live, TqLimits *ret);
/* What would hold with these live limits. -E2BIG with err: more limits with @device than there is
 * room for. host: as the supervisor has told it. */
int layers_resolve(const Layers *l, const TqHello *host, const TqLimits *live, TqLimits *ret,
                   TqError *err);

/* Whether anything but a ceiling says how many of its jobs may run. */
bool layers_has_concurrency(const Layers *l, const TqHello *host);

/* The highest layer that has the key: "set", "file", "default"; "ceiling" when these have lowered
 * what it says; "unset". */
const char *layers_source(const Layers *l, const TqHello *host, TqKey key);

/* Those of its file and the live ones together: how many; -E2BIG: more than TQ_QUEUE_LIMITS. */
int layers_queues(const Layers *l, TqQueueLimit ret[TQ_QUEUE_LIMITS]);
/* NULL: none of that name. */
const TqQueueLimit *layers_find_queue(const TqQueueLimit *queues, size_t n, const char *queue);
/* Sets or unsets a queue's own limit among the live ones. -E2BIG. */
int layers_set_queue(Layers *l, const char *queue, const TqQueueLimit *set);
void layers_unset_queue(Layers *l, const char *queue, TqKey key);

/* The value of KEY or KEY@DEVICE as text in buf (TQ_VALUE_MAX); NULL: unset. */
const char *layers_value(const TqLimits *l, const char *name, char *buf, size_t size);
/* The same of a queue. */
const char *layers_queue_value(const Layers *l, const char *queue, TqKey key, char *buf,
                               size_t size);

/* KEY, `between`, VALUE and a line feed for each that is set, in the order of the table; `before`
 * stands in front of each. */
void layers_print(const TqLimits *l, const char *before, const char *between, TqBuffer *out);
void layers_print_queue(const TqQueueLimit *q, const char *before, const char *between,
                        TqBuffer *out);
