/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/util.h"

/* The arithmetic of shares: what a job's use costs, and what the next one will probably use. */

/* What a job used, or is expected to. */
typedef struct TqUse {
        uint64_t slot_usec;    /* how long it held its slot */
        uint64_t cpu_usec;     /* CPU time */
        uint64_t memory_bytes; /* held for slot_usec */
        uint64_t io_bytes;     /* read and written */
} TqUse;

/* What the host has of each; UINT64_MAX or 0: not counted. */
typedef struct TqCapacity {
        uint64_t slots;
        uint64_t cpus;
        uint64_t memory_bytes;
        uint64_t io_bytes_per_sec;
} TqCapacity;

#define TQ_WEIGHT_DEFAULT 100

/* The dominant share of a use: how long, in nanoseconds, the whole host would have to work for it,
 * by the resource of which it takes the most (Ghodsi et al., "Dominant resource fairness", 2011).
 * At least 1, saturating. */
uint64_t tq_fair_charge(const TqUse *use, const TqCapacity *capacity);

/* By how much a charge moves the tag of a tenant of this weight (1 … 10000). At least 1. */
uint64_t tq_fair_advance(uint64_t charge, uint64_t weight);

/* Usage that fades. It is kept as a logarithm on a scale that grows with time instead, so that two
 * histories compare the same at any later time and nothing has to be aged. */
typedef double TqHistory;
#define TQ_HISTORY_NONE (-1.0 / 0.0)
TqHistory tq_fair_history_add(TqHistory history, uint64_t charge, uint64_t weight,
                              uint64_t now_usec, uint64_t half_life_usec);

/* What a tenant's jobs use on average, by the name of the job; of a few names, the latest. */
typedef struct TqAverages TqAverages;
TqAverages *tq_fair_averages_free(TqAverages *a);
/* Moves the averages towards what a job of this name has used by a quarter. *a is made when it is
 * first needed; out of memory: nothing is learned. */
void tq_fair_learn(TqAverages **a, uint64_t name, const TqUse *use);
/* Where predict() will look, for who asks the memory for it; nothing is looked at. */
#define TQ_FAIR_PLACE_BYTES 40
const void *tq_fair_place(const TqAverages *a, uint64_t name);
/* The average of that name, else of all the tenant's jobs, else NULL. */
const TqUse *tq_fair_predict(const TqAverages *a, uint64_t name);

/* The averages as bytes, for who keeps them, and back. `write` returns how many, at most
 * TQ_FAIR_AVERAGES_MAX; 0 of NULL. -EBADMSG: a later version wrote them, or nobody did; -ENOMEM. */
#define TQ_FAIR_NAMES        16 /* of one tenant; a power of two */
#define TQ_FAIR_AVERAGES_MAX (2 + 32 + TQ_FAIR_NAMES * 40)
size_t tq_fair_write(const TqAverages *a, uint8_t buf[TQ_FAIR_AVERAGES_MAX]);
int tq_fair_read(const void *bytes, size_t size, TqAverages **ret);
TqAverages *tq_fair_copy(const TqAverages *a);

/* What is left of a history at a time, on a scale that does not grow, and back. */
double tq_fair_history_at(TqHistory history, uint64_t now_usec, uint64_t half_life_usec);
TqHistory tq_fair_history_of(double left, uint64_t at_usec_ago, uint64_t now_usec,
                             uint64_t half_life_usec);
