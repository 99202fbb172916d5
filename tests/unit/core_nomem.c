/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/map.h"
#include "world.h"

/* Memory runs out: each allocation of each event of a small world fails once. The event is said
 * again, as the engine would, and then the world must go on as if nothing had been: every job
 * starts as often as it would have and ends once, in whatever order. */

static unsigned long until_failure; /* 0: none is to fail */
static bool has_failed;

static bool fails(void) {
        if (until_failure == 0 || --until_failure > 0)
                return false;
        has_failed = true;
        return true;
}

/* Linked with --wrap: these stand before the C library's. */
void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);

void *__wrap_malloc(size_t size) {
        return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size) {
        return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size) {
        return fails() ? NULL : __real_realloc(p, size);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size) {
        return fails() ? NULL : __real_aligned_alloc(alignment, size);
}

#define JOBS 90

typedef struct Run {
        World w;
        unsigned events, fail_at; /* the event in which an allocation fails, from 1 */
        unsigned long fail_nth;
        size_t done; /* actions that were carried out */
        unsigned started[JOBS + 1], finished[JOBS + 1];
} Run;

static int tell(Run *run, TqEvent e) {
        int r;

        until_failure = ++run->events == run->fail_at ? run->fail_nth : 0;
        r = step(&run->w, e);
        until_failure = 0;
        if (r != -ENOMEM)
                return r;
        unit_must(run->events == run->fail_at, "out of memory by itself");
        r = step(&run->w, e);
        /* It had been done, but for what may start after it. */
        return r == -EEXIST || r == -EALREADY || r == -ENOENT ? 0 : r;
}

static void must_tell(Run *run, TqEvent e) {
        int r = tell(run, e);

        unit_must(r == 0, "event %u (%d): %d", run->events, (int)e.type, r);
}

/* Some launches fail at first. */
static unsigned starts_of(uint64_t job) {
        return job % 10 == 9 || job % 10 == 3 || job % 10 == 6 ? 2 : 1;
}

/* And some attempts. */
static bool fails_at_first(uint64_t job) {
        return job % 10 == 6;
}

static TqEvent launched(const Run *run, const TqAction *a, const TqEnd *never) {
        bool is_last = run->started[a->job] == starts_of(a->job) || fails_at_first(a->job);

        return (TqEvent){ .type = is_last            ? TQ_EVENT_SPAWNED
                                  : a->job % 10 == 9 ? TQ_EVENT_ENDED
                                                     : TQ_EVENT_REFUSED,
                          .job = a->job,
                          .attempt = a->attempt,
                          .end = never };
}

static void carry_out(Run *run) {
        TqEnd end = { .kind = TQ_END_EXITED }, never = { .kind = TQ_END_NEVER_STARTED };
        TqUse use = { .cpu_usec = SEC };

        for (; run->done < run->w.actions.n; run->done++) {
                TqAction a = run->w.actions.items[run->done];

                switch (a.type) {
                case TQ_ACTION_START:
                        run->started[a.job]++;
                        must_tell(run, launched(run, &a, &never));
                        break;
                case TQ_ACTION_RUN:
                        end.code = fails_at_first(a.job) && run->started[a.job] == 1;
                        run->w.now += SEC;
                        must_tell(run, (TqEvent){ .type = TQ_EVENT_TICK });
                        must_tell(run, (TqEvent){ .type = TQ_EVENT_USED,
                                                  .job = a.job,
                                                  .attempt = a.attempt,
                                                  .use = &use });
                        must_tell(run, (TqEvent){ .type = TQ_EVENT_ENDED,
                                                  .job = a.job,
                                                  .attempt = a.attempt,
                                                  .end = &end });
                        break;
                case TQ_ACTION_FINISH:
                        run->finished[a.job]++;
                        break;
                default:
                        break;
                }
        }
}

static void submit_all(Run *run) {
        static const char *const queues[] = { "a", "b", "c" };
        TqRetry retry;

        tq_retry_init(&retry);
        retry.max_attempts = 2;
        retry.delay_usec = SEC;
        tq_retry_set_failures(&retry.on);
        for (uint64_t job = 1; job <= JOBS; job++) {
                TqEvent e = submission(1 + (uint32_t)(job % 3), job);
                TqAfter after[2] = { { .job = job - 3 }, { .name = 1000 + job + 3 } };

                e.j.queue = queues[job % 7 % 3];
                e.j.priority = (int)(job % 5) - 2;
                e.j.name = 1000 + job;
                e.j.memory_bytes = job % 4 * MIB;
                e.j.runtime_usec = job % 2 ? TQ_LIMIT_MAX : 100 * SEC;
                e.j.not_before = job % 6 == 5 ? run->w.now + 10 * SEC : 0;
                e.j.after = after;
                e.j.n_after = job % 8 == 4 ? 1 : job % 16 == 8 && job + 3 <= JOBS ? 2 : 0;
                e.j.retry = fails_at_first(job) ? &retry : NULL;
                must_tell(run, e);
                if (e.j.n_after == 2)
                        must_tell(run, (TqEvent){ .type = TQ_EVENT_AFTER,
                                                  .job = job,
                                                  .after = after[1],
                                                  .is_none = true });
        }
}

/* Those that still wait: each but the first and the last of a line comes back between others. */
static void hold_all(Run *run) {
        for (TqEventType type = TQ_EVENT_HOLD; type <= TQ_EVENT_RELEASE; type++)
                for (uint64_t job = 1; job <= JOBS; job++) {
                        const TqJob *waiting = tq_scheduler_job(run->w.s, job);
                        bool is_meant = waiting && waiting->state <= TQ_JOB_QUEUED;

                        if (is_meant && (type == TQ_EVENT_RELEASE || job / 3 % 2 == 1))
                                (void)tell(run, (TqEvent){ .type = type, .job = job });
                }
}

/* The whole life of the world. Whether the allocation that was to fail was reached. */
static bool live(unsigned fail_at, unsigned long fail_nth) {
        TqQueueLimit queues[2] = { queue_limits("a", "concurrency=1"),
                                   queue_limits("b", "queue_depth=100") };
        Run run = { .w = world_new(), .fail_at = fail_at, .fail_nth = fail_nth };
        TqLimits l = limits("concurrency=2");

        has_failed = false;
        run.w.host.max_jobs = 3;
        run.w.host.memory_bytes = 4 * MIB;
        run.w.host.lane_slots = 1;
        pool(&run.w, "x", "1");
        must_tell(&run, (TqEvent){ .type = TQ_EVENT_HOST, .host = &run.w.host });
        for (uint32_t id = 1; id <= 3; id++)
                must_tell(&run, (TqEvent){ .type = TQ_EVENT_TENANT,
                                           .tenant = id,
                                           .t = { .name = "t",
                                                  .limits = &l,
                                                  .queue_limits = queues,
                                                  .n_queue_limits = TQ_MIN(id, 2U),
                                                  .pool = id == 3 ? "x" : NULL,
                                                  .enabled = true } });
        must_tell(&run, (TqEvent){ .type = TQ_EVENT_OPEN });
        submit_all(&run);
        hold_all(&run);
        must_tell(&run,
                  (TqEvent){ .type = TQ_EVENT_TENANT,
                             .tenant = 1,
                             .t = { .name = "t", .limits = &l, .pool = "x", .enabled = true } });
        must_tell(&run, (TqEvent){ .type = TQ_EVENT_SWITCH,
                                   .tenant = 2,
                                   .j.queue = "new",
                                   .switches = { .is_paused = true } });
        carry_out(&run);
        for (int i = 0; i < 100 && tq_scheduler_next_deadline(run.w.s) != TQ_NEVER; i++) {
                run.w.now = TQ_MAX(run.w.now, tq_scheduler_next_deadline(run.w.s));
                must_tell(&run, (TqEvent){ .type = TQ_EVENT_TICK });
                carry_out(&run);
        }
        for (uint64_t job = 1; job <= JOBS; job++)
                unit_must(run.started[job] == starts_of(job) && run.finished[job] == 1,
                          "event %u, allocation %lu: job %ju was started %u times and ended %u",
                          fail_at, fail_nth, (uintmax_t)job, run.started[job], run.finished[job]);
        unit_must(tq_scheduler_memory_promised(run.w.s) == 0, "memory is still promised");
        for (size_t i = 0; tq_scheduler_pool(run.w.s, i); i++)
                unit_must(tq_scheduler_pool(run.w.s, i)->running == 0, "a slot is still taken");
        unit_must(fail_at > 0 || run.events > 100, "%u events", run.events);
        world_done(&run.w);
        return has_failed;
}

START_TEST(each_fails_once) {
        unsigned long failures = 0;
        unsigned quiet = 0;

        (void)live(0, 0);
        for (unsigned at = 1; quiet < 400; at++) {
                unsigned long nth = 1;

                while (live(at, nth))
                        nth++;
                failures += nth - 1;
                quiet = nth > 1 ? 0 : quiet + 1;
        }
        ck_assert_uint_gt(failures, 80);
}
END_TEST

static void fill(Suite *s) {
        tcase_add_test(unit_case(s, "memory"), each_fails_once);
}

int main(void) {
        return unit_main("core without memory", fill);
}
