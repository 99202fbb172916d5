/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/heap.h"
#include "base/list.h"

/* Those of all tenants that end by themselves. */
typedef struct LiveDue {
        TqHeap heap;
        void (*changed)(void *data); /* the first of them may be another one; NULL: nobody asks */
        void *data;
} LiveDue;

/* A tenant's. */
typedef struct LiveLimits {
        TqList all; /* of LiveLimit.link */
        LiveDue *due;
        void *owner;
} LiveLimits;

/* What is known of a limit that is set live, beside its value among the layers: since which
 * revision, until when, what holds then, and what is wrong with it. */
typedef struct LiveLimit {
        TqList link;    /* of its tenant's */
        TqHeapNode due; /* among those that end by themselves */
        LiveLimits *of;
        char *queue; /* empty: the tenant's own */
        char *name;  /* KEY or KEY@DEVICE */
        char *value; /* NULL: unset, until then */
        uint64_t revision;
        uint64_t until_usec;          /* CLOCK_REALTIME; 0: for good */
        uint64_t until_boottime_usec; /* the same instant */
        uint64_t delay_usec;          /* it was to end, and could not: of the next try */
        char *back;                   /* what is set then; NULL: nothing */
        char *fault;                  /* why it can't hold; NULL: it does */
} LiveLimit;

/* Texts are copied. NULL: out of memory. */
LiveLimit *live_new(LiveLimits *of, const char *queue, const char *name, const char *value);
LiveLimit *live_free(LiveLimit *l); /* also of those that are linked in; NULL is no error */

/* NULL: none. */
LiveLimit *live_find(const LiveLimits *of, const char *queue, const char *name);
/* In place of the one of that name. -ENOMEM: but it will not end by itself. */
int live_put(LiveLimit *l);
void live_drop(LiveLimits *of, const char *queue, const char *name);
/* The first that can't hold; NULL: none. */
const LiveLimit *live_fault(const LiveLimits *of);

void live_init(LiveLimits *of, LiveDue *due, void *owner);
void live_done(LiveLimits *of); /* frees all */
void live_due_init(LiveDue *due);
void live_due_done(LiveDue *due);
