/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/tree.h"

#include <assert.h>

/* A treap: ordered by `before` from left to right, and by a random weight from top to bottom. The
 * weights make its shape that of a random search tree whatever the order of insertion, so its depth
 * is O(log n) with overwhelming probability, and the recursion as deep. */

static uint32_t next_weight(TqTree *t) {
        uint32_t x = t->random ? t->random : 0x9E3779B9;

        /* xorshift32 (Marsaglia, 2003): never 0. */
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        t->random = x;
        return x;
}

static void summarise(const TqTree *t, TqTreeNode *node) {
        if (t->summarise)
                t->summarise(node);
}

/* Parts the tree at `at`: what comes before it, and the rest. */
static void split(const TqTree *t, TqTreeNode *root, const TqTreeNode *at, TqTreeNode **ret_left,
                  TqTreeNode **ret_right) {
        if (!root) {
                *ret_left = *ret_right = NULL;
                return;
        }
        if (t->before(root, at)) {
                split(t, root->right, at, &root->right, ret_right);
                *ret_left = root;
        } else {
                split(t, root->left, at, ret_left, &root->left);
                *ret_right = root;
        }
        summarise(t, root);
}

static TqTreeNode *insert(TqTree *t, TqTreeNode *root, TqTreeNode *node) {
        if (!root || node->weight > root->weight) {
                split(t, root, node, &node->left, &node->right);
                root = node;
        } else if (t->before(node, root))
                root->left = insert(t, root->left, node);
        else
                root->right = insert(t, root->right, node);
        summarise(t, root);
        return root;
}

static TqTreeNode *merge(const TqTree *t, TqTreeNode *left, TqTreeNode *right) {
        if (!left || !right)
                return left ? left : right;
        if (left->weight > right->weight) {
                left->right = merge(t, left->right, right);
                summarise(t, left);
                return left;
        }
        right->left = merge(t, left, right->left);
        summarise(t, right);
        return right;
}

static TqTreeNode *take_out(const TqTree *t, TqTreeNode *root, const TqTreeNode *node) {
        assert(root); /* else a key was changed while its node was in the tree */
        if (root == node)
                return merge(t, root->left, root->right);
        if (t->before(node, root))
                root->left = take_out(t, root->left, node);
        else
                root->right = take_out(t, root->right, node);
        summarise(t, root);
        return root;
}

void tq_tree_insert(TqTree *t, TqTreeNode *node) {
        assert(!tq_tree_contains(node));
        *node = (TqTreeNode){ .weight = next_weight(t) };
        t->root = insert(t, t->root, node);
        t->size++;
}

void tq_tree_remove(TqTree *t, TqTreeNode *node) {
        if (!tq_tree_contains(node))
                return;
        t->root = take_out(t, t->root, node);
        t->size--;
        *node = (TqTreeNode){};
}

static TqTreeNode *find(TqTreeNode *root, const TqTreeQuery *q) {
        while (root && q->may_contain(root, q->data)) {
                TqTreeNode *found = find(root->left, q);

                if (found)
                        return found;
                if (q->fits(root, q->data))
                        return root;
                root = root->right;
        }
        return NULL;
}

TqTreeNode *tq_tree_find(const TqTree *t, const TqTreeQuery *query) {
        return find(t->root, query);
}
