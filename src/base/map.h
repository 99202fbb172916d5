/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/util.h"

/* Spreads the bits of x over all 64: the finaliser of splitmix64 (Steele, Lea, Flood 2014). */
static inline uint64_t tq_mix64(uint64_t x) {
        x = (x ^ (x >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
        x = (x ^ (x >> 27)) * UINT64_C(0x94D049BB133111EB);
        return x ^ (x >> 31);
}

/* An open-addressing hash map from uint64_t to a pointer it does not own. Linear probing with
 * backward-shift deletion (Knuth, TAOCP 3, 6.4, algorithm R): no tombstones, so it stays fast when
 * jobs come and go for months. Keys are mixed, so that counting ids don't cluster. NULL is no
 * value. Zero-initialised is empty and valid. */
typedef struct TqMap {
        struct TqMapEntry *entries;
        size_t size;
        size_t allocated; /* 0 or a power of two */
} TqMap;

void tq_map_done(TqMap *m);
void *tq_map_get(const TqMap *m, uint64_t key);
/* 0, -EEXIST if the key is there, -ENOMEM. */
int tq_map_put(TqMap *m, uint64_t key, void *value);
/* Removes and returns the value, or NULL. */
void *tq_map_remove(TqMap *m, uint64_t key);
/* Steps through all values: start with *position = 0; NULL at the end. Don't change the map
 * between. */
void *tq_map_next(const TqMap *m, size_t *position);
