/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/dispatch/walk.h"

/* What concerns many jobs (all that wait in a queue are held; the clock of the day was set) is done
 * in parts, and between them callers, ends of jobs and commits have their turn. Which jobs are
 * meant is settled at once: by number, as any of them may end before it is reached. One walk is
 * done after the other, so that a release comes after the hold that was asked for before it. */

#define JOBS_PER_TURN 256

typedef struct Walk {
        TqList link;
        uint64_t *jobs;
        size_t n, next;
        WalkStep step;
        WalkEnd end;
        void *data;
} Walk;

struct Walks {
        const TqScheduler *scheduler;
        TqList all; /* of Walk */
};

int walks_new(const TqScheduler *scheduler, Walks **ret) {
        Walks *w = calloc(1, sizeof(*w));

        if (!w)
                return -ENOMEM;
        w->scheduler = scheduler;
        tq_list_init(&w->all);
        *ret = w;
        return 0;
}

static void walk_free(Walk *w) {
        tq_list_unlink(&w->link);
        free(w->jobs);
        free(w);
}

Walks *walks_free(Walks *w) {
        if (!w)
                return NULL;
        TQ_LIST_FOREACH(node, &w->all)
        walk_free(TQ_LIST_ENTRY(node, Walk, link));
        free(w);
        return NULL;
}

static int by_number(const void *a, const void *b) {
        uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

        return (x > y) - (x < y);
}

static int collect(const TqScheduler *scheduler, Walk *w, WalkFilter is_meant) {
        size_t position = 0, allocated = 0;
        const TqJob *job;

        while ((job = tq_scheduler_next_job(scheduler, &position))) {
                if (!is_meant(job, w->data))
                        continue;
                if (w->n == allocated) {
                        uint64_t *bigger;

                        allocated = TQ_MAX(allocated * 2, (size_t)256);
                        bigger = realloc(w->jobs, allocated * sizeof(*bigger));
                        if (!bigger)
                                return -ENOMEM;
                        w->jobs = bigger;
                }
                w->jobs[w->n++] = job->id;
        }
        /* In their order: a queue takes each at its end, and who never queued keeps its turn. */
        if (w->n > 1)
                qsort(w->jobs, w->n, sizeof(*w->jobs), by_number);
        return 0;
}

int walks_start(Walks *walks, WalkFilter is_meant, WalkStep step, WalkEnd end, void *data) {
        Walk *w = calloc(1, sizeof(*w));

        if (!w)
                return -ENOMEM;
        *w = (Walk){ .step = step, .end = end, .data = data };
        tq_list_init(&w->link);
        if (collect(walks->scheduler, w, is_meant) < 0) {
                walk_free(w);
                return -ENOMEM;
        }
        tq_list_append(&walks->all, &w->link);
        return 0;
}

void walks_go_on(Walks *walks) {
        TqList *first = tq_list_first(&walks->all);
        Walk *w = first ? TQ_LIST_ENTRY(first, Walk, link) : NULL;
        size_t until;

        if (!w)
                return;
        until = TQ_MIN(w->n, w->next + JOBS_PER_TURN);
        for (; w->next < until; w->next++) {
                const TqJob *job = tq_scheduler_job(walks->scheduler, w->jobs[w->next]);

                if (job)
                        w->step(w->data, job);
        }
        if (w->next < w->n)
                return;
        w->end(w->data);
        walk_free(w);
}

bool walks_are_under_way(const Walks *w) {
        return !tq_list_is_empty(&w->all);
}
