/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/util.h"

/* An intrusive doubly linked ring. A head and a node are the same type; both must be initialised,
 * and an unlinked node points to itself, so that unlinking twice is harmless. */
typedef struct TqList {
        struct TqList *previous;
        struct TqList *next;
} TqList;

static inline void tq_list_init(TqList *l) {
        l->previous = l->next = l;
}

static inline bool tq_list_is_empty(const TqList *l) {
        return l->next == l;
}

static inline void tq_list_append(TqList *head, TqList *node) {
        node->previous = head->previous;
        node->next = head;
        head->previous->next = node;
        head->previous = node;
}

static inline void tq_list_unlink(TqList *node) {
        node->previous->next = node->next;
        node->next->previous = node->previous;
        tq_list_init(node);
}

static inline TqList *tq_list_first(const TqList *head) {
        return head->next == head ? NULL : head->next;
}

#define TQ_LIST_ENTRY(node, type, member) TQ_CONTAINER_OF(node, type, member)

/* NOLINTBEGIN(bugprone-macro-parentheses): `node` declares a variable */
/* Safe against unlinking `node` itself in the body. */
#define TQ_LIST_FOREACH(node, head)                                                                \
        for (TqList *node = (head)->next, *node##_next = node->next; node != (head);               \
             node = node##_next, node##_next = node->next)
/* NOLINTEND(bugprone-macro-parentheses) */
