/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "world.h"

/* A world seen closer, for the tests of what may happen to a job: with the numbers of attempts and
 * the queues. */

static inline TqLimits limits_of(const char *concurrency, const char *runtime) {
        TqLimits l = {};

        if (concurrency)
                ck_assert_int_eq(tq_limits_set(&l, "concurrency", concurrency, TQ_SCOPE_TENANT,
                                               true, 0, NULL),
                                 0);
        if (runtime)
                ck_assert_int_eq(
                        tq_limits_set(&l, "runtime", runtime, TQ_SCOPE_TENANT, true, 0, NULL), 0);
        return l;
}

static inline void tenant_full(World *w, uint32_t id, const char *concurrency, const char *runtime,
                               const TqQueueLimit *queues, size_t n_queues, bool enabled) {
        TqLimits l = limits_of(concurrency, runtime);

        ck_assert_int_eq(step(w, (TqEvent){ .type = TQ_EVENT_TENANT,
                                            .tenant = id,
                                            .t = { .name = "acme",
                                                   .limits = &l,
                                                   .queue_limits = queues,
                                                   .n_queue_limits = n_queues,
                                                   .enabled = enabled } }),
                         0);
}

static inline void tenant_of(World *w, uint32_t id, const char *concurrency) {
        tenant_full(w, id, concurrency, NULL, NULL, 0, true);
}

static inline TqEvent submission_to(uint32_t id, uint64_t job, const char *queue) {
        TqEvent e = submission(id, job);

        e.j.queue = queue;
        return e;
}

static inline void submit_to(World *w, uint32_t id, uint64_t job, const char *queue) {
        ck_assert_int_eq(step(w, submission_to(id, job, queue)), 0);
}

static inline int say_of(World *w, TqEventType type, uint64_t job, unsigned attempt) {
        return step(w, (TqEvent){ .type = type, .job = job, .attempt = attempt });
}

static inline int end_as(World *w, uint64_t job, unsigned attempt, TqEndKind kind, int code) {
        TqEnd end = { .kind = kind, .code = code, .stage = TQ_STAGE_EXEC };

        if (kind != TQ_END_SPAWN_FAILED)
                end.stage = TQ_STAGE_NONE;
        return step(
                w,
                (TqEvent){ .type = TQ_EVENT_ENDED, .job = job, .attempt = attempt, .end = &end });
}

/* As expect(), with the numbers of attempts and why a job is stopped: "start 1.1, run 2.1, term 3.1
 * (cancelled), finish 4.2 (exit 0)". */
#define expect_attempts(w, want) expect_at(w, __LINE__, true, want)

static inline TqWait why(const World *w, uint64_t job) {
        const TqJob *j = tq_scheduler_job(w->s, job);

        ck_assert_ptr_nonnull(j);
        return tq_scheduler_why(w->s, j, w->now);
}

static inline size_t queues_of(const World *w, uint32_t id) {
        return tq_scheduler_tenant(w->s, id)->n_queues;
}
