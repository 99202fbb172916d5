/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim/workload.h"

#include <stdio.h>
#include <string.h>

void tq_workload_init(TqWorkload *w) {
        *w = (TqWorkload){};
        tq_policy_init(&w->host);
        w->host.max_jobs = TQ_WORKLOAD_SLOTS;
}

void tq_workload_done(TqWorkload *w) {
        size_t position = 0;
        uint32_t *index;

        while ((index = tq_map_next(&w->by_name, &position)))
                free(index);
        for (size_t i = 0; i < w->n_tenants; i++)
                free(w->tenants[i].queues);
        free(w->tenants);
        free(w->jobs);
        free(w->queues);
        tq_map_done(&w->by_name);
        *w = (TqWorkload){};
}

/* The map knows the first of a hash; should two names have one, the second is looked for. */
static ssize_t find(const TqWorkload *w, const char *name) {
        const uint32_t *hint = tq_map_get(&w->by_name, tq_scheduler_name(name));

        if (!hint)
                return -ENOENT;
        for (size_t i = *hint; i < w->n_tenants; i++)
                if (strcmp(w->tenants[i].name, name) == 0)
                        return (ssize_t)i;
        return -ENOENT;
}

int tq_workload_tenant(TqWorkload *w, const char *name, uint32_t *ret) {
        ssize_t i = find(w, name);
        uint32_t *index;
        int r;

        if (i >= 0) {
                *ret = (uint32_t)i;
                return 0;
        }
        r = tq_make_room((void **)&w->tenants, w->n_tenants, &w->allocated_tenants,
                         sizeof(*w->tenants));
        if (r < 0)
                return r;
        index = malloc(sizeof(*index));
        if (!index)
                return -ENOMEM;
        *index = (uint32_t)w->n_tenants;
        r = tq_map_put(&w->by_name, tq_scheduler_name(name), index);
        if (r < 0)
                free(index);
        if (r < 0 && r != -EEXIST)
                return r;
        w->tenants[w->n_tenants] = (TqSimTenant){};
        (void)snprintf(w->tenants[w->n_tenants].name, sizeof(w->tenants[0].name), "%s", name);
        *ret = (uint32_t)w->n_tenants++;
        return 0;
}

TqSimTenant *tq_workload_find(TqWorkload *w, const char *name) {
        ssize_t i = find(w, name);

        return i < 0 ? NULL : &w->tenants[i];
}

int tq_workload_queue(TqWorkload *w, const char *name, uint32_t *ret) {
        void *bigger;

        for (size_t i = 0; i < w->n_queues; i++)
                if (strcmp(w->queues[i], name) == 0) {
                        *ret = (uint32_t)i;
                        return 0;
                }
        bigger = realloc(w->queues, (w->n_queues + 1) * sizeof(*w->queues));
        if (!bigger)
                return -ENOMEM;
        w->queues = bigger;
        (void)snprintf(w->queues[w->n_queues], sizeof(w->queues[0]), "%s", name);
        *ret = (uint32_t)w->n_queues++;
        return 0;
}

int tq_workload_add(TqWorkload *w, const TqSimJob *job) {
        int r = tq_make_room((void **)&w->jobs, w->n_jobs, &w->allocated_jobs, sizeof(*w->jobs));

        if (r < 0)
                return r;
        w->jobs[w->n_jobs] = *job;
        w->jobs[w->n_jobs].run_usec = TQ_MAX(job->run_usec, UINT64_C(1));
        w->n_jobs++;
        return 0;
}

static int by_submission(const void *a, const void *b) {
        const TqSimJob *x = a, *y = b;

        return (x->submit_usec > y->submit_usec) - (x->submit_usec < y->submit_usec);
}

void tq_workload_sort(TqWorkload *w) {
        /* glibc's qsort merges, and so keeps equals in order, as long as it gets the memory; the
         * jobs are mostly sorted already. */
        if (w->n_jobs > 1)
                qsort(w->jobs, w->n_jobs, sizeof(*w->jobs), by_submission);
}
