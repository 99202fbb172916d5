/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/util.h"

/* An ordered tree of nodes embedded in their objects, where each node carries a summary of the
 * nodes below it, so that "the first in order for which X holds" costs O(log n) (Seidel and Aragon,
 * "Randomized search trees", 1996; augmented as the run queue of Linux's EEVDF is). Owns nothing.
 *
 * A key must not change while its node is in the tree. */
typedef struct TqTreeNode {
        struct TqTreeNode *left, *right;
        uint32_t weight; /* 0: not in a tree */
} TqTreeNode;

typedef struct TqTree {
        TqTreeNode *root;
        size_t size;
        uint32_t random;
        /* A strict total order. */
        bool (*before)(const TqTreeNode *a, const TqTreeNode *b);
        /* Computes the node's summary from its own values and its children's summaries; NULL: there
         * is none. */
        void (*summarise)(TqTreeNode *node);
} TqTree;

/* What a search asks. */
typedef struct TqTreeQuery {
        bool (*may_contain)(const TqTreeNode *subtree, const void *data); /* by its summary */
        bool (*fits)(const TqTreeNode *node, const void *data);
        const void *data;
} TqTreeQuery;

/* The node must not be in a tree. */
void tq_tree_insert(TqTree *t, TqTreeNode *node);
/* Does nothing if the node is in no tree. */
void tq_tree_remove(TqTree *t, TqTreeNode *node);
/* The first in order that fits, or NULL. O(log n) if may_contain() is true only of subtrees that
 * hold one that fits. */
TqTreeNode *tq_tree_find(const TqTree *t, const TqTreeQuery *query);

static inline bool tq_tree_contains(const TqTreeNode *node) {
        return node->weight > 0;
}
