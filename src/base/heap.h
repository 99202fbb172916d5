/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/util.h"

/* A binary heap of nodes embedded in their objects: smallest (by `before`) on top, O(log n) insert,
 * remove and update of any node. Owns only its array. Zero-initialise apart from `before`. */
typedef struct TqHeapNode {
        size_t index; /* 1 + place in the array; 0: not in a heap */
} TqHeapNode;

typedef bool (*TqHeapBefore)(const TqHeapNode *a, const TqHeapNode *b);

typedef struct TqHeap {
        TqHeapNode **nodes;
        size_t size;
        size_t allocated;
        TqHeapBefore before;
} TqHeap;

void tq_heap_done(TqHeap *h);
/* 0 or -ENOMEM. The node must not be in a heap. */
int tq_heap_insert(TqHeap *h, TqHeapNode *node);
/* Does nothing if the node is in no heap. */
void tq_heap_remove(TqHeap *h, TqHeapNode *node);
/* Restores the order after the node's key has changed. */
void tq_heap_update(TqHeap *h, TqHeapNode *node);

static inline TqHeapNode *tq_heap_top(const TqHeap *h) {
        return h->size > 0 ? h->nodes[0] : NULL;
}

static inline bool tq_heap_contains(const TqHeapNode *node) {
        return node->index > 0;
}
