/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/heap.h"

#include "unit.h"

typedef struct Item {
        uint64_t key;
        TqHeapNode node;
} Item;

static bool before(const TqHeapNode *a, const TqHeapNode *b) {
        return TQ_CONTAINER_OF(a, Item, node)->key < TQ_CONTAINER_OF(b, Item, node)->key;
}

static uint64_t top_key(const TqHeap *h) {
        return TQ_CONTAINER_OF(tq_heap_top(h), Item, node)->key;
}

START_TEST(empty) {
        TqHeap h = { .before = before };
        Item item = {};

        ck_assert_ptr_null(tq_heap_top(&h));
        ck_assert(!tq_heap_contains(&item.node));
        tq_heap_remove(&h, &item.node);
        ck_assert_uint_eq(h.size, 0);
        tq_heap_done(&h);
}
END_TEST

static const struct {
        uint64_t keys[8];
        size_t n;
} order_rows[] = {
        { { 1 }, 1 },
        { { 2, 1 }, 2 },
        { { 1, 2, 3, 4, 5, 6, 7, 8 }, 8 },
        { { 8, 7, 6, 5, 4, 3, 2, 1 }, 8 },
        { { 3, 1, 3, 1, 3, 1, 3, 1 }, 8 },
        { { UINT64_MAX, 0, UINT64_MAX, 0 }, 4 },
};

START_TEST(order) {
        TqHeap h = { .before = before };
        Item items[8] = {};
        uint64_t last = 0;
        size_t n = 0;

        for (size_t i = 0; i < order_rows[_i].n; i++) {
                items[i].key = order_rows[_i].keys[i];
                ck_assert_int_eq(tq_heap_insert(&h, &items[i].node), 0);
                ck_assert(tq_heap_contains(&items[i].node));
        }
        while (tq_heap_top(&h)) {
                TqHeapNode *node = tq_heap_top(&h);

                ck_assert_uint_le(last, top_key(&h));
                last = top_key(&h);
                tq_heap_remove(&h, node);
                ck_assert(!tq_heap_contains(node));
                n++;
        }
        ck_assert_uint_eq(n, order_rows[_i].n);
        tq_heap_done(&h);
}
END_TEST

#define ITEMS 300

/* Insert, remove and change of any, against the smallest by a walk. */
START_TEST(against_a_walk) {
        static Item items[ITEMS];
        TqHeap h = { .before = before };
        uint64_t state = 777;

        for (int round = 0; round < 60000; round++) {
                Item *item = &items[unit_random(&state) % ITEMS];
                uint64_t smallest = UINT64_MAX;
                size_t n = 0;

                if (!tq_heap_contains(&item->node)) {
                        item->key = unit_random(&state) % 1000;
                        ck_assert_int_eq(tq_heap_insert(&h, &item->node), 0);
                } else if (unit_random(&state) % 2)
                        tq_heap_remove(&h, &item->node);
                else {
                        item->key = unit_random(&state) % 1000;
                        tq_heap_update(&h, &item->node);
                }
                for (size_t i = 0; i < ITEMS; i++)
                        if (tq_heap_contains(&items[i].node)) {
                                smallest = TQ_MIN(smallest, items[i].key);
                                n++;
                        }
                if (h.size != n || (n > 0 && top_key(&h) != smallest))
                        ck_abort_msg("round %d", round);
        }
        tq_heap_done(&h);
}
END_TEST

static void fill(Suite *s) {
        TCase *tcase = unit_case(s, "heap");

        tcase_add_test(tcase, empty);
        unit_add_rows(tcase, order, order_rows);
        tcase_add_test(tcase, against_a_walk);
}

int main(void) {
        return unit_main("base/heap", fill);
}
