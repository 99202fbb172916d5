/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "supervisor/jobs/jobs_private.h"

Attempt *attempt_new(Jobs *j, Tenant *t, uint64_t job, unsigned attempt) {
        Attempt *a = calloc(1, sizeof(*a));

        if (!a)
                return NULL;
        *a = (Attempt){
                .jobs = j,
                .job = job,
                .attempt = attempt,
                .tenant = t,
                .pidfd = -EBADF,
                .leaf_fd = -EBADF,
                .barrier_fd = -EBADF,
                .released_fd = -EBADF,
                .events_fd = -EBADF,
                .slot = -1,
        };
        /* Nothing is known of what it used. */
        memset(&a->end.counters, 0xFF, sizeof(a->end.counters));
        if (t) /* a record alone does not say whose it is */
                t->n_attempts++;
        return a;
}

Attempt *attempt_free(Attempt *a) {
        if (!a)
                return NULL;
        if (attempt_find(a->jobs, a->job) == a)
                (void)tq_map_remove(&a->jobs->attempts, a->job);
        if (a->tenant)
                a->tenant->n_attempts--;
        (void)sd_event_source_disable_unref(a->term_source);
        (void)tq_procs_free(a->term_procs);
        (void)sd_event_source_disable_unref(a->remove_source);
        (void)sd_event_source_disable_unref(a->stall_source);
        (void)sd_event_source_disable_unref(a->look_source);
        (void)sd_event_source_disable_unref(a->exit_source);
        (void)sd_event_source_disable_unref(a->events_source);
        (void)tq_close(a->events_fd);
        (void)tq_close(a->pidfd);
        (void)tq_close(a->leaf_fd);
        (void)tq_close(a->barrier_fd);
        (void)tq_close(a->released_fd);
        free(a);
        return NULL;
}

Attempt *attempt_find(const Jobs *j, uint64_t job) {
        return tq_map_get(&j->attempts, job);
}
