/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/explain.h"
#include "world.h"

/* What would hold a job that is not there: what then holds it once it was handed in. */

/* "start-after, host-paused" */
static const char *reasons_of(const World *w, const TqJob *job, TqReason *ret_behind, char *buf,
                              size_t size) {
        TqReason reasons[_TQ_WAIT_MAX];
        size_t n = tq_scheduler_explain(w->s, job, w->now, reasons), used = 0;

        buf[0] = '\0';
        for (size_t i = 0; i < n; i++) {
                used += (size_t)snprintf(buf + used, size - used, "%s%s", i > 0 ? ", " : "",
                                         tq_reason_to_string(reasons[i].wait));
                if (reasons[i].wait == TQ_WAIT_BEHIND)
                        *ret_behind = reasons[i];
        }
        return buf;
}

/* Imagines it, hands it in, and compares; it waits for `want`, or starts. */
static void check_at(World *w, int line, TqEvent e, const char *want) {
        TqReason before = {}, behind = {};
        char imagined[512], real[512];
        const TqJob *job;
        TqImagined would;

        ck_assert(tq_scheduler_imagine(w->s, &e, w->now, &would));
        (void)reasons_of(w, &would.job, &before, imagined, sizeof(imagined));
        ck_assert_msg(strcmp(imagined, want) == 0, "line %d: imagined \"%s\", expected \"%s\"",
                      line, imagined, want);
        must_step(w, e);
        job = tq_scheduler_job(w->s, e.job);
        ck_assert_ptr_nonnull(job);
        (void)reasons_of(w, job, &behind, real, sizeof(real));
        ck_assert_msg(strcmp(real, want) == 0, "line %d: \"%s\", expected \"%s\"", line, real,
                      want);
        ck_assert_msg((job->state == TQ_JOB_STARTING) == (want[0] == '\0'), "line %d: state %d",
                      line, (int)job->state);
        ck_assert_uint_eq(before.current, behind.current);
        ck_assert_uint_eq(before.job, behind.job);
}

#define check(w, e, want) check_at(w, __LINE__, e, want)

static TqEvent in_queue(uint64_t job, const char *queue, int priority) {
        TqEvent e = submission(1, job);

        e.j.queue = queue;
        e.j.priority = priority;
        return e;
}

START_TEST(starts) {
        WORLD w = world_new();
        TqImagined would;
        TqEvent e = submission(2, 1);

        ck_assert(!tq_scheduler_imagine(w.s, &e, w.now, &would));
        tenant(&w, 1, "concurrency=2");
        check(&w, in_queue(1, "q", 0), "recovery");
        open_world(&w);
        check(&w, in_queue(2, "r", 0), "");
        check(&w, in_queue(3, "s", 0), "tenant-concurrency");
}
END_TEST

START_TEST(orders) {
        WORLD w = world_new();
        TqAfter after = { .name = 1 };
        TqEvent e = in_queue(1, "q", 0);

        tenant(&w, 1, "");
        open_world(&w);
        e.j.not_before = w.now + SEC;
        check(&w, e, "start-after");
        e = in_queue(2, "q", 0);
        e.j.after = &after;
        e.j.n_after = 1;
        check(&w, e, "after");
        switches(&w, 1, "q", true, false);
        check(&w, in_queue(3, "q", 0), "queue-paused");
        switches(&w, 1, NULL, true, false);
        check(&w, in_queue(4, "q", 0), "tenant-paused, queue-paused, behind");
        check(&w, in_queue(5, "other", 0), "tenant-paused");
}
END_TEST

/* Who comes before it. */
START_TEST(priorities) {
        WORLD w = world_new();

        tenant(&w, 1, "");
        open_world(&w);
        check(&w, in_queue(1, "q", 0), "");
        check(&w, in_queue(2, "q", 0), "queue-concurrency");
        check(&w, in_queue(3, "q", 0), "queue-concurrency, behind");
        check(&w, in_queue(4, "q", 5), "queue-concurrency");
        check(&w, in_queue(5, "q", 5), "queue-concurrency, behind");
        check(&w, in_queue(6, "q", 3), "queue-concurrency, behind");
        check(&w, in_queue(7, "q", -3), "queue-concurrency, behind");
        check(&w, in_queue(8, "q", 9), "queue-concurrency");
        check(&w, in_queue(9, "q", -9), "queue-concurrency, behind");
}
END_TEST

/* What the host lacks. */
START_TEST(host_is_full) {
        WORLD w = world_new();
        TqEvent e = in_queue(3, "q", 0);

        w.host.max_jobs = 2;
        w.host.memory_bytes = 100 * MIB;
        host(&w);
        tenant(&w, 1, "concurrency=9");
        open_world(&w);
        e.j.memory_bytes = 60 * MIB;
        check(&w, e, "");
        e.job = 4;
        e.j.queue = "r";
        check(&w, e, "memory");
        e.job = 5;
        e.j.queue = "s";
        e.j.memory_bytes = 0;
        check(&w, e, "");
        e.job = 6;
        e.j.queue = "t";
        check(&w, e, "slots");
}
END_TEST

static void fill(Suite *s) {
        TCase *c = unit_case(s, "imagine");

        tcase_add_test(c, starts);
        tcase_add_test(c, orders);
        tcase_add_test(c, priorities);
        tcase_add_test(c, host_is_full);
}

int main(void) {
        return unit_main("core/imagine", fill);
}
