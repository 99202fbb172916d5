/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/heap.h"

#include <assert.h>

void tq_heap_done(TqHeap *h) {
        free((void *)h->nodes);
        h->nodes = NULL;
        h->size = h->allocated = 0;
}

static void place(TqHeap *h, size_t i, TqHeapNode *node) {
        h->nodes[i] = node;
        node->index = i + 1;
}

static void rise(TqHeap *h, size_t i) {
        TqHeapNode *node = h->nodes[i];

        while (i > 0 && h->before(node, h->nodes[(i - 1) / 2])) {
                place(h, i, h->nodes[(i - 1) / 2]);
                i = (i - 1) / 2;
        }
        place(h, i, node);
}

static void sink(TqHeap *h, size_t i) {
        TqHeapNode *node = h->nodes[i];

        for (;;) {
                size_t child = 2 * i + 1;

                if (child + 1 < h->size && h->before(h->nodes[child + 1], h->nodes[child]))
                        child++;
                if (child >= h->size || !h->before(h->nodes[child], node))
                        break;
                place(h, i, h->nodes[child]);
                i = child;
        }
        place(h, i, node);
}

int tq_heap_insert(TqHeap *h, TqHeapNode *node) {
        assert(node->index == 0);
        if (h->size == h->allocated) {
                size_t n = TQ_MAX(h->allocated * 2, (size_t)16);
                TqHeapNode **nodes;

                nodes = (TqHeapNode **)realloc((void *)h->nodes, n * sizeof(*nodes));
                if (!nodes)
                        return -ENOMEM;
                h->nodes = nodes;
                h->allocated = n;
        }
        place(h, h->size++, node);
        rise(h, h->size - 1);
        return 0;
}

void tq_heap_update(TqHeap *h, TqHeapNode *node) {
        assert(node->index > 0 && h->nodes[node->index - 1] == node);
        rise(h, node->index - 1);
        sink(h, node->index - 1);
}

void tq_heap_remove(TqHeap *h, TqHeapNode *node) {
        size_t i = node->index;
        TqHeapNode *last;

        if (i == 0)
                return;
        last = h->nodes[--h->size];
        node->index = 0;
        if (last == node)
                return;
        place(h, i - 1, last);
        tq_heap_update(h, last);
}
