/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/fair.h"

#include <endian.h>
#include <math.h>
#include <string.h>

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

double tq_fair_history_at(TqHistory history, uint64_t now_usec, uint64_t half_life_usec) {
        return history - (double)now_usec / (double)TQ_MAX(half_life_usec, 1U);
}

TqHistory tq_fair_history_of(double left, uint64_t at_usec_ago, uint64_t now_usec,
                             uint64_t half_life_usec) {
        if (!isfinite(left))
                return TQ_HISTORY_NONE;
        return left + ((double)now_usec - (double)at_usec_ago) / (double)TQ_MAX(half_life_usec, 1U);
}

typedef struct Average {
        uint64_t name;
        TqUse use; /* slot_usec 0: none */
} Average;

struct TqAverages {
        TqUse all;
        Average names[TQ_FAIR_NAMES];
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
        of_name = &(*a)->names[name % TQ_FAIR_NAMES];
        if (of_name->name != name)
                *of_name = (Average){ .name = name };
        average(&of_name->use, use);
}

_Static_assert(sizeof(Average) == TQ_FAIR_PLACE_BYTES, "what predict() looks at first");

const void *tq_fair_place(const TqAverages *a, uint64_t name) {
        return a ? &a->names[name % TQ_FAIR_NAMES] : NULL;
}

const TqUse *tq_fair_predict(const TqAverages *a, uint64_t name) {
        const Average *of_name;

        if (!a)
                return NULL;
        of_name = &a->names[name % TQ_FAIR_NAMES];
        return of_name->name == name && of_name->use.slot_usec > 0 ? &of_name->use : &a->all;
}

/* As bytes ------------------------------------------------------------------------------------ */

/* A byte of version, one that counts the names, the average of all, and of each name its number and
 * its average: all in 8 bytes each, little endian. */
#define VERSION 1

static void put(uint8_t **at, uint64_t v) {
        v = htole64(v);
        memcpy(*at, &v, sizeof(v));
        *at += sizeof(v);
}

static void put_use(uint8_t **at, const TqUse *use) {
        put(at, use->slot_usec);
        put(at, use->cpu_usec);
        put(at, use->memory_bytes);
        put(at, use->io_bytes);
}

size_t tq_fair_write(const TqAverages *a, uint8_t buf[TQ_FAIR_AVERAGES_MAX]) {
        uint8_t *at = buf + 2;

        if (!a)
                return 0;
        buf[0] = VERSION;
        buf[1] = 0;
        put_use(&at, &a->all);
        for (size_t i = 0; i < TQ_FAIR_NAMES; i++) {
                if (a->names[i].use.slot_usec == 0)
                        continue;
                buf[1]++;
                put(&at, a->names[i].name);
                put_use(&at, &a->names[i].use);
        }
        return (size_t)(at - buf);
}

static uint64_t get(const uint8_t **at) {
        uint64_t v;

        memcpy(&v, *at, sizeof(v));
        *at += sizeof(v);
        return le64toh(v);
}

static TqUse get_use(const uint8_t **at) {
        TqUse use = { .slot_usec = get(at) };

        use.cpu_usec = get(at);
        use.memory_bytes = get(at);
        use.io_bytes = get(at);
        return use;
}

int tq_fair_read(const void *bytes, size_t size, TqAverages **ret) {
        const uint8_t *at = bytes;
        TQ_FREE TqAverages *a = NULL;

        if (size < 2 || at[0] != VERSION || at[1] > TQ_FAIR_NAMES ||
            size != 2 + sizeof(TqUse) + at[1] * sizeof(Average))
                return -EBADMSG;
        a = calloc(1, sizeof(*a));
        if (!a)
                return -ENOMEM;
        at += 2;
        a->all = get_use(&at);
        if (a->all.slot_usec == 0)
                return -EBADMSG;
        while (at < (const uint8_t *)bytes + size) {
                uint64_t name = get(&at);
                Average *of_name = &a->names[name % TQ_FAIR_NAMES];

                /* Each has one place. */
                if (of_name->use.slot_usec > 0)
                        return -EBADMSG;
                *of_name = (Average){ .name = name, .use = get_use(&at) };
                if (of_name->use.slot_usec == 0)
                        return -EBADMSG;
        }
        *ret = TQ_TAKE_PTR(a);
        return 0;
}

TqAverages *tq_fair_copy(const TqAverages *a) {
        TqAverages *copy = malloc(sizeof(*copy));

        if (copy)
                *copy = *a;
        return copy;
}
