/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/settings/live.h"

#include <stdlib.h>
#include <string.h>

LiveLimit *live_new(LiveLimits *of, const char *queue, const char *name, const char *value) {
        LiveLimit *l = calloc(1, sizeof(*l));

        if (!l)
                return NULL;
        tq_list_init(&l->link);
        l->of = of;
        l->queue = strdup(queue);
        l->name = strdup(name);
        l->value = value ? strdup(value) : NULL;
        return l->queue && l->name && !l->value == !value ? l : live_free(l);
}

LiveLimit *live_free(LiveLimit *l) {
        if (!l)
                return NULL;
        tq_list_unlink(&l->link);
        tq_heap_remove(&l->of->due->heap, &l->due);
        free(l->queue);
        free(l->name);
        free(l->value);
        free(l->back);
        free(l->fault);
        free(l);
        return NULL;
}

LiveLimit *live_find(const LiveLimits *of, const char *queue, const char *name) {
        TQ_LIST_FOREACH(node, &of->all) {
                LiveLimit *l = TQ_LIST_ENTRY(node, LiveLimit, link);

                if (strcmp(l->name, name) == 0 && strcmp(l->queue, queue) == 0)
                        return l;
        }
        return NULL;
}

int live_put(LiveLimit *l) {
        LiveDue *due = l->of->due;
        int r;

        live_drop(l->of, l->queue, l->name);
        tq_list_append(&l->of->all, &l->link);
        if (l->until_usec == 0)
                return 0;
        r = tq_heap_insert(&due->heap, &l->due);
        if (r >= 0 && due->changed)
                due->changed(due->data);
        return r;
}

void live_drop(LiveLimits *of, const char *queue, const char *name) {
        (void)live_free(live_find(of, queue, name));
}

const LiveLimit *live_fault(const LiveLimits *of) {
        TQ_LIST_FOREACH(node, &of->all) {
                const LiveLimit *l = TQ_LIST_ENTRY(node, LiveLimit, link);

                if (l->fault)
                        return l;
        }
        return NULL;
}

static bool before(const TqHeapNode *a, const TqHeapNode *b) {
        return TQ_CONTAINER_OF(a, LiveLimit, due)->until_boottime_usec <
               TQ_CONTAINER_OF(b, LiveLimit, due)->until_boottime_usec;
}

void live_init(LiveLimits *of, LiveDue *due, void *owner) {
        *of = (LiveLimits){ .due = due, .owner = owner };
        tq_list_init(&of->all);
}

void live_done(LiveLimits *of) {
        TQ_LIST_FOREACH(node, &of->all)
        (void)live_free(TQ_LIST_ENTRY(node, LiveLimit, link));
}

void live_due_init(LiveDue *due) {
        *due = (LiveDue){ .heap = { .before = before } };
}

void live_due_done(LiveDue *due) {
        tq_heap_done(&due->heap);
}
