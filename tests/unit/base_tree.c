/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/tree.h"

#include "unit.h"

/* Against a sorted array that does everything the slow way. */

#define ITEMS 200

typedef struct Item {
        TqTreeNode node;
        uint64_t key, need, least; /* least need of the subtree */
        uint64_t summaries;
} Item;

typedef struct Sorted {
        Item *items[ITEMS];
        size_t n;
} Sorted;

static Item *item_of(const TqTreeNode *node) {
        return TQ_CONTAINER_OF(node, Item, node);
}

static bool key_before(const TqTreeNode *a, const TqTreeNode *b) {
        return item_of(a)->key < item_of(b)->key;
}

static void summarise(TqTreeNode *node) {
        Item *item = item_of(node);

        item->least = item->need;
        if (node->left)
                item->least = TQ_MIN(item->least, item_of(node->left)->least);
        if (node->right)
                item->least = TQ_MIN(item->least, item_of(node->right)->least);
        item->summaries++;
}

static size_t place_of(const Sorted *s, const Item *item) {
        size_t i = 0;

        while (i < s->n && s->items[i]->key < item->key)
                i++;
        return i;
}

static void sorted_insert(Sorted *s, Item *item) {
        size_t at = place_of(s, item);

        memmove(&s->items[at + 1], &s->items[at], (s->n++ - at) * sizeof(Item *));
        s->items[at] = item;
}

static void sorted_remove(Sorted *s, const Item *item) {
        size_t at = place_of(s, item);

        memmove(&s->items[at], &s->items[at + 1], (--s->n - at) * sizeof(Item *));
}

typedef struct Ask {
        uint64_t most; /* of need */
        size_t *asked;
} Ask;

static bool may_contain(const TqTreeNode *node, const void *data) {
        const Ask *ask = data;

        ++*ask->asked;
        return item_of(node)->least <= ask->most;
}

static bool fits(const TqTreeNode *node, const void *data) {
        return item_of(node)->need <= ((const Ask *)data)->most;
}

/* In order, each summary that of what is below, each parent heavier. Returns the depth. */
static size_t check_below(const TqTreeNode *node, const Sorted *s, size_t *at) {
        const Item *item = item_of(node);
        uint64_t least = item->need;
        size_t left = 0, right = 0;

        if (node->left) {
                unit_must(node->left->weight <= node->weight, "no heap");
                left = check_below(node->left, s, at);
                least = TQ_MIN(least, item_of(node->left)->least);
        }
        unit_must(*at < s->n && s->items[*at] == item, "place %zu", *at);
        ++*at;
        if (node->right) {
                unit_must(node->right->weight <= node->weight, "no heap");
                right = check_below(node->right, s, at);
                least = TQ_MIN(least, item_of(node->right)->least);
        }
        unit_must(item->least == least, "the summary is wrong");
        return 1 + TQ_MAX(left, right);
}

static void check_tree(const TqTree *t, const Sorted *s) {
        size_t at = 0;

        unit_must(t->size == s->n, "size %zu, not %zu", t->size, s->n);
        unit_must((t->root == NULL) == (s->n == 0), "root");
        if (t->root)
                (void)check_below(t->root, s, &at);
        unit_must(at == s->n, "%zu nodes", at);
}

static void check_find(const TqTree *t, const Sorted *s, uint64_t most) {
        size_t asked = 0, i = 0;
        Ask ask = { .most = most, .asked = &asked };
        TqTreeQuery query = { .may_contain = may_contain, .fits = fits, .data = &ask };
        const TqTreeNode *found = tq_tree_find(t, &query);

        while (i < s->n && s->items[i]->need > most)
                i++;
        unit_must(found == (i < s->n ? &s->items[i]->node : NULL), "finds another");
}

static const uint64_t seeds[] = { 1, 2, 3, 0x123456789ABCDEF, 20261120 };

START_TEST(against_an_array) {
        TqTree t = { .before = key_before, .summarise = summarise };
        Item *items = calloc(ITEMS, sizeof(*items));
        uint64_t random = seeds[_i];
        Sorted s = {};

        for (int step = 0; step < 20000; step++) {
                Item *item = &items[unit_random(&random) % ITEMS];

                if (tq_tree_contains(&item->node)) {
                        tq_tree_remove(&t, &item->node);
                        sorted_remove(&s, item);
                        unit_must(!tq_tree_contains(&item->node), "still there");
                } else {
                        /* The number of the item makes the key unique. */
                        item->key = unit_random(&random) % 50 * ITEMS + (uint64_t)(item - items);
                        item->need = unit_random(&random) % 100;
                        tq_tree_insert(&t, &item->node);
                        sorted_insert(&s, item);
                }
                check_tree(&t, &s);
                check_find(&t, &s, unit_random(&random) % 12);
        }
        while (s.n > 0) {
                Item *item = s.items[s.n / 2];

                tq_tree_remove(&t, &item->node);
                sorted_remove(&s, item);
                check_tree(&t, &s);
        }
        free(items);
}
END_TEST

START_TEST(empty) {
        TqTree t = { .before = key_before };
        size_t asked = 0;
        Ask ask = { .asked = &asked };
        TqTreeQuery query = { .may_contain = may_contain, .fits = fits, .data = &ask };
        Item item = {};

        ck_assert_ptr_null(tq_tree_find(&t, &query));
        ck_assert_uint_eq(asked, 0);
        ck_assert(!tq_tree_contains(&item.node));
        tq_tree_remove(&t, &item.node); /* in no tree: nothing */
        ck_assert_uint_eq(t.size, 0);
        /* Without summaries it is a tree too. */
        tq_tree_insert(&t, &item.node);
        ck_assert_ptr_eq(t.root, &item.node);
        tq_tree_remove(&t, &item.node);
        tq_tree_remove(&t, &item.node);
        ck_assert_ptr_null(t.root);
        ck_assert_uint_eq(item.summaries, 0);
}
END_TEST

#define MANY 100000

/* However they come, it stays shallow, and a search asks few. */
static const char *const orders[] = { "ascending", "descending", "random", "zigzag" };

static uint64_t key_of(uint64_t i, int order) {
        switch (order) {
        case 0:
                return i;
        case 1:
                return MANY - i;
        case 2:
                return i * 2654435761 % (MANY * UINT64_C(16));
        default:
                return i % 2 ? i : 2 * MANY - i;
        }
}

static size_t depth_of(const TqTreeNode *node) {
        size_t left = node ? depth_of(node->left) : 0, right = node ? depth_of(node->right) : 0;

        return node ? 1 + TQ_MAX(left, right) : 0;
}

START_TEST(stays_shallow) {
        TqTree t = { .before = key_before, .summarise = summarise };
        Item *items = calloc(MANY, sizeof(*items));
        uint64_t summaries = 0;
        size_t asked = 0;
        Ask ask = { .asked = &asked };
        TqTreeQuery query = { .may_contain = may_contain, .fits = fits, .data = &ask };

        for (uint64_t i = 0; i < MANY; i++) {
                items[i].key = key_of(i, _i);
                items[i].need = i == MANY / 3 ? 0 : 1;
                tq_tree_insert(&t, &items[i].node);
        }
        ck_assert_uint_le(depth_of(t.root), 80); /* 4.7 log2; expected: about 40 */
        ck_assert_ptr_eq(tq_tree_find(&t, &query), &items[MANY / 3].node);
        ck_assert_uint_le(asked, 200);
        for (uint64_t i = 0; i < MANY; i++)
                summaries += items[i].summaries;
        ck_assert_uint_le(summaries / MANY, 80);
        for (uint64_t i = 0; i < MANY; i += 2)
                tq_tree_remove(&t, &items[i].node);
        ck_assert_uint_eq(t.size, MANY / 2);
        ck_assert_uint_le(depth_of(t.root), 80);
        free(items);
}
END_TEST

static void fill(Suite *s) {
        TCase *tcase = unit_case(s, "tree");

        unit_add_rows(tcase, against_an_array, seeds);
        tcase_add_test(tcase, empty);
        unit_add_rows(tcase, stays_shallow, orders);
}

int main(void) {
        return unit_main("base/tree", fill);
}
