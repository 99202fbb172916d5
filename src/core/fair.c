/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/fair.h"

#include <math.h>

#define NAMES         16 /* of one tenant; a power of two */
#define NSEC_PER_USEC 1000

static bool is_counted(uint64_t capacity) {
        return capacity > 0 && capacity < UINT64_MAX;
}

static uint64_t saturate(unsigned __int128 v) {
        return v > UINT64_MAX ? UINT64_MAX : (uint64_t)v;
}

/* v × factor / by, rounded down, saturating. Most products fill no more than 64 bits, and dividing
 * those is several times as fast. */
static uint64_t scale(uint64_t v, uint64_t factor, uint64_t by) {
        uint64_t product;

        if (__builtin_mul_overflow(v, factor, &product))
                return saturate((unsigned __int128)v * factor / by);
        return product / by;
}

uint64_t tq_fair_charge(const TqUse *use, const TqCapacity *capacity) {
        uint64_t charge = 1;

        if (is_counted(capacity->slots))
                charge = TQ_MAX(charge, scale(use->slot_usec, NSEC_PER_USEC, capacity->slots));
        if (is_counted(capacity->cpus))
                charge = TQ_MAX(charge, scale(use->cpu_usec, NSEC_PER_USEC, capacity->cpus));
        /* Bytes × time may fill 128 bits: the thousand is applied last. */
        if (is_counted(capacity->memory_bytes))
                charge = TQ_MAX(charge,
                                saturate((unsigned __int128)use->memory_bytes * use->slot_usec /
                                         capacity->memory_bytes * NSEC_PER_USEC));
        if (is_counted(capacity->io_bytes_per_sec))
                charge = TQ_MAX(charge, scale(use->io_bytes, NSEC_PER_USEC * TQ_USEC_PER_SEC,
                                              capacity->io_bytes_per_sec));
        return charge;
}

uint64_t tq_fair_advance(uint64_t charge, uint64_t weight) {
        return TQ_MAX(scale(charge, TQ_WEIGHT_DEFAULT, TQ_MAX(weight, 1U)), UINT64_C(1));
}

/* history is log2 of Σ charge × 2^(time of the charge / half-life): as time passes every term loses
 * the same factor against a new one, and the order of two sums never changes by itself. */
TqHistory tq_fair_history_add(TqHistory history, uint64_t charge, uint64_t weight,
                              uint64_t now_usec, uint64_t half_life_usec) {
        double term = log2((double)tq_fair_advance(charge, weight)) +
                      (double)now_usec / (double)TQ_MAX(half_life_usec, 1U);
        double high = fmax(history, term), low = fmin(history, term);

        return isinf(low) ? high : high + log2(1.0 + exp2(low - high));
}

typedef struct Average {
        uint64_t name;
        TqUse use; /* slot_usec 0: none */
} Average;

struct TqAverages {
        TqUse all;
        Average names[NAMES];
};

TqAverages *tq_fair_averages_free(TqAverages *a) {
        free(a);
        return NULL;
}

static uint64_t towards(uint64_t average, uint64_t v) {
        return v >= average ? average + (v - average) / 4 : average - (average - v) / 4;
}

static void average(TqUse *a, const TqUse *use) {
        if (a->slot_usec == 0)
                *a = *use;
        else
                *a = (TqUse){
                        .slot_usec = towards(a->slot_usec, use->slot_usec),
                        .cpu_usec = towards(a->cpu_usec, use->cpu_usec),
                        .memory_bytes = towards(a->memory_bytes, use->memory_bytes),
                        .io_bytes = towards(a->io_bytes, use->io_bytes),
                };
        a->slot_usec = TQ_MAX(a->slot_usec, UINT64_C(1));
}

void tq_fair_learn(TqAverages **a, uint64_t name, const TqUse *use) {
        Average *of_name;

        if (!*a)
                *a = calloc(1, sizeof(**a));
        if (!*a)
                return;
        average(&(*a)->all, use);
        of_name = &(*a)->names[name % NAMES];
        if (of_name->name != name)
                *of_name = (Average){ .name = name };
        average(&of_name->use, use);
}

void tq_fair_prefetch(const TqAverages *a, uint64_t name) {
        if (a)
                __builtin_prefetch(&a->names[name % NAMES]);
}

const TqUse *tq_fair_predict(const TqAverages *a, uint64_t name) {
        const Average *of_name;

        if (!a)
                return NULL;
        of_name = &a->names[name % NAMES];
        return of_name->name == name && of_name->use.slot_usec > 0 ? &of_name->use : &a->all;
}
