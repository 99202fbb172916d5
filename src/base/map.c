/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/map.h"

struct TqMapEntry {
        uint64_t key;
        void *value;
};

void tq_map_done(TqMap *m) {
        free(m->entries);
        *m = (TqMap){};
}

/* Where the search for key begins: four numbers that follow each other lie side by side, in a cache
 * line of their own, since that is how most come and go. */
static size_t home_of(const TqMap *m, uint64_t key) {
        return (tq_mix64(key / 4) * 4 + key % 4) & (m->allocated - 1);
}

/* The place of key, or the free one where it would go. The map is never full. */
static size_t find(const TqMap *m, uint64_t key) {
        size_t i = home_of(m, key);

        while (m->entries[i].value && m->entries[i].key != key)
                i = (i + 1) & (m->allocated - 1);
        return i;
}

void *tq_map_get(const TqMap *m, uint64_t key) {
        return m->size > 0 ? m->entries[find(m, key)].value : NULL;
}

static int grow(TqMap *m) {
        TqMap bigger = { .allocated = TQ_MAX(m->allocated * 2, (size_t)16), .size = m->size };

        bigger.entries = calloc(bigger.allocated, sizeof(*bigger.entries));
        if (!bigger.entries)
                return -ENOMEM;
        for (size_t i = 0; i < m->allocated; i++)
                if (m->entries[i].value)
                        bigger.entries[find(&bigger, m->entries[i].key)] = m->entries[i];
        free(m->entries);
        *m = bigger;
        return 0;
}

int tq_map_put(TqMap *m, uint64_t key, void *value) {
        size_t i;

        if (m->size * 4 >= m->allocated * 3) {
                int r = grow(m);

                if (r < 0)
                        return r;
        }
        i = find(m, key);
        if (m->entries[i].value)
                return -EEXIST;
        m->entries[i].key = key;
        m->entries[i].value = value;
        m->size++;
        return 0;
}

void *tq_map_remove(TqMap *m, uint64_t key) {
        size_t mask = m->allocated - 1, hole, i;
        void *value;

        if (m->size == 0)
                return NULL;
        hole = find(m, key);
        value = m->entries[hole].value;
        if (!value)
                return NULL;
        for (i = (hole + 1) & mask; m->entries[i].value; i = (i + 1) & mask) {
                size_t home = home_of(m, m->entries[i].key);

                /* Move it back unless its home lies cyclically in (hole, i]. */
                if (((i - home) & mask) >= ((i - hole) & mask)) {
                        m->entries[hole] = m->entries[i];
                        hole = i;
                }
        }
        m->entries[hole].value = NULL;
        m->size--;
        return value;
}

void *tq_map_next(const TqMap *m, size_t *position) {
        while (*position < m->allocated) {
                void *value = m->entries[(*position)++].value;

                if (value)
                        return value;
        }
        return NULL;
}
