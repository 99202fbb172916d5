/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "world.h"

/* Whether a job is taken: each limit at its boundary, and which is named when several refuse. */

static int try_event(World *w, TqEvent e) {
        int r = step(w, e);

        unit_must(r == 0 || r == -EDQUOT, "%d", r);
        unit_must((tq_scheduler_job(w->s, e.job) != NULL) == (r == 0), "half taken");
        return r;
}

/* What was said of the last one: "", "limit queue_depth 5/5", "near queue_depth of q 4/5". */
static void said_at(const World *w, int line, const char *want) {
        static const char *const kinds[_TQ_REFUSAL_MAX] = { "",      "near",     "limit",  "queues",
                                                            "after", "draining", "too-big" };
        const TqRefusal *r = &w->actions.refusal;
        char got[160];

        (void)snprintf(got, sizeof(got), "%s", kinds[r->kind]);
        if (r->kind == TQ_REFUSAL_LIMIT || r->kind == TQ_REFUSAL_NEAR)
                (void)snprintf(got, sizeof(got), "%s %s%s%s %ju/%ju", kinds[r->kind],
                               tq_admit_limit(r), r->queue[0] ? " of " : "", r->queue,
                               (uintmax_t)tq_admit_number(r, r->current),
                               (uintmax_t)tq_admit_number(r, r->maximum));
        if (r->kind == TQ_REFUSAL_DRAINING)
                (void)snprintf(got, sizeof(got), "draining %s", r->is_host ? "host" : r->queue);
        ck_assert_msg(strcmp(got, want) == 0, "line %d: \"%s\", expected \"%s\"", line, got, want);
}

#define said(w, want) said_at(w, __LINE__, want)

static void refused(World *w, TqEvent e, const char *want) {
        size_t queues = tq_scheduler_tenant(w->s, e.tenant)->n_queues;

        ck_assert_int_eq(try_event(w, e), -EDQUOT);
        said(w, want);
        ck_assert_uint_eq(tq_scheduler_tenant(w->s, e.tenant)->n_queues, queues);
}

static void taken(World *w, TqEvent e, const char *want) {
        ck_assert_int_eq(try_event(w, e), 0);
        said(w, want);
}

START_TEST(unlimited) {
        WORLD w = world_new();

        tenant(&w, 1, "");
        open_world(&w);
        for (uint64_t job = 1; job <= 1000; job++)
                taken(&w, submission(1, job), "");
        ck_assert_uint_eq(tq_scheduler_tenant(w.s, 1)->waiting.jobs, 999);
}
END_TEST

START_TEST(depth_of_a_tenant) {
        WORLD w = world_new();

        tenant(&w, 1, "queue_depth=5 concurrency=1");
        open_world(&w);
        taken(&w, submission(1, 1), ""); /* runs: it does not wait */
        for (uint64_t job = 2; job <= 4; job++)
                taken(&w, submission(1, job), "");
        taken(&w, submission(1, 5), "near queue_depth 4/5");
        taken(&w, submission(1, 6), "near queue_depth 5/5");
        refused(&w, submission(1, 7), "limit queue_depth 5/5");
        ck_assert_uint_eq(w.actions.refusal.retry_usec,
                          10 * SEC); /* nothing is known of its jobs */
        end(&w, 1, 0);
        taken(&w, submission(1, 7), "near queue_depth 5/5");
        refused(&w, submission(1, 8), "limit queue_depth 5/5");
        tenant(&w, 1, "queue_depth=0 concurrency=1");
        refused(&w, submission(1, 8), "limit queue_depth 5/0");
        tenant(&w, 1, "queue_depth=max concurrency=1");
        taken(&w, submission(1, 8), "");
}
END_TEST

/* Zero admits nothing, whether a slot is free or not. */
START_TEST(depth_zero) {
        WORLD w = world_new();

        tenant(&w, 1, "queue_depth=0");
        open_world(&w);
        refused(&w, submission(1, 1), "limit queue_depth 0/0");
}
END_TEST

START_TEST(depth_of_a_queue) {
        TqQueueLimit q = queue_limits("etl", "queue_depth=2 concurrency=1");
        TqEvent e = submission(1, 0);
        WORLD w = world_new();

        tenant_with(&w, 1, "queue_depth=4", NULL, &q, 1);
        open_world(&w);
        e.j.queue = "etl";
        for (e.job = 1; e.job <= 3; e.job++)
                taken(&w, e, "");
        refused(&w, e, "limit queue_depth of etl 2/2");
        for (uint64_t job = 10; job <= 11; job++)
                taken(&w, submission(1, job), "");
        taken(&w, submission(1, 12), ""); /* maxima below 5 have no "near" */
        refused(&w, submission(1, 13), "limit queue_depth 4/4");
        refused(&w, e, "limit queue_depth of etl 2/2"); /* the queue's is named first */
}
END_TEST

START_TEST(scheduled_jobs) {
        const TqAfter other = { .job = 1 };
        TqEvent later = submission(1, 0), after = submission(1, 50);
        WORLD w = world_new();

        tenant(&w, 1, "scheduled_jobs=2 concurrency=1");
        open_world(&w);
        after.j.after = &other;
        after.j.n_after = 1;
        later.j.not_before = w.now + 5 * SEC;
        submit(&w, 1, 1);
        for (later.job = 10; later.job <= 11; later.job++)
                taken(&w, later, "");
        refused(&w, later, "limit scheduled_jobs 2/2");
        refused(&w, after, "limit scheduled_jobs 2/2");
        later.j.not_before = w.now; /* that is now */
        taken(&w, later, "");
        tick(&w, 5 * SEC);
        taken(&w, after, "");
        later.job = 20;
        later.j.not_before = w.now + 1;
        taken(&w, later, "");
        later.job = 21;
        refused(&w, later, "limit scheduled_jobs 2/2");
        end(&w, 1, 0);
        taken(&w, later, "");
        tenant(&w, 1, "scheduled_jobs=0 concurrency=1");
        later.job = 22;
        refused(&w, later, "limit scheduled_jobs 2/0");
        taken(&w, submission(1, 23), "");
}
END_TEST

START_TEST(spool_bytes) {
        TqEvent e = submission(1, 1);
        WORLD w = world_new();

        tenant(&w, 1, "spool_bytes=1000 concurrency=1");
        open_world(&w);
        e.j.spool_bytes = 1001;
        refused(&w, e, "limit spool_bytes 0/1000");
        e.j.spool_bytes = 1000;
        taken(&w, e, "near spool_bytes 1000/1000"); /* as it comes; it runs: nothing waits */
        ck_assert_uint_eq(tq_scheduler_tenant(w.s, 1)->waiting.bytes, 0);
        e.job = 2;
        e.j.spool_bytes = 799;
        taken(&w, e, "");
        e.job = 3;
        e.j.spool_bytes = 202;
        refused(&w, e, "limit spool_bytes 799/1000");
        e.j.spool_bytes = UINT64_MAX;
        refused(&w, e, "limit spool_bytes 799/1000");
        e.j.spool_bytes = 1;
        taken(&w, e, "near spool_bytes 800/1000");
        e.job = 4;
        e.j.spool_bytes = 200;
        taken(&w, e, "near spool_bytes 1000/1000");
        e.job = 5;
        e.j.spool_bytes = 0;
        taken(&w, e, "near spool_bytes 1000/1000");
        ck_assert_int_eq(say(&w, TQ_EVENT_CANCEL, 4), 0);
        ck_assert_uint_eq(tq_scheduler_tenant(w.s, 1)->waiting.bytes, 800);
}
END_TEST

START_TEST(rate_of_a_tenant) {
        WORLD w = world_new();

        tenant(&w, 1, "enqueue_rate=3/min");
        open_world(&w);
        for (uint64_t job = 1; job <= 3; job++)
                taken(&w, submission(1, job), "");
        refused(&w, submission(1, 4), "limit enqueue_rate 3/3");
        ck_assert_uint_eq(w.actions.refusal.retry_usec, 20 * SEC);
        w.now += 20 * SEC - 1;
        refused(&w, submission(1, 4), "limit enqueue_rate 3/3");
        ck_assert_uint_eq(w.actions.refusal.retry_usec, 1);
        w.now++;
        taken(&w, submission(1, 4), "");
        refused(&w, submission(1, 5), "limit enqueue_rate 3/3");
        w.now += 3600 * SEC;
        for (uint64_t job = 5; job <= 7; job++)
                taken(&w, submission(1, job), "");
        refused(&w, submission(1, 8), "limit enqueue_rate 3/3");
        /* Its end gives nothing back. */
        end(&w, 1, 0);
        refused(&w, submission(1, 8), "limit enqueue_rate 3/3");
        tenant(&w, 1, "enqueue_rate=0/s");
        refused(&w, submission(1, 8), "limit enqueue_rate 0/0");
        ck_assert_uint_eq(w.actions.refusal.retry_usec, UINT64_MAX);
        tenant(&w, 1, "");
        taken(&w, submission(1, 8), "");
}
END_TEST

/* A refusal takes no token, neither of the queue that refuses nor of the tenant. */
START_TEST(rate_of_a_queue) {
        TqQueueLimit q = queue_limits("q", "enqueue_rate=2/min");
        TqEvent other = submission(1, 10);
        WORLD w = world_new();

        tenant_with(&w, 1, "enqueue_rate=3/min", NULL, &q, 1);
        open_world(&w);
        taken(&w, submission(1, 1), "");
        taken(&w, submission(1, 2), "");
        for (int i = 0; i < 10; i++)
                refused(&w, submission(1, 3), "limit enqueue_rate of q 2/2");
        other.j.queue = "other";
        taken(&w, other, "");
        other.job = 11;
        refused(&w, other, "limit enqueue_rate 3/3");
        refused(&w, submission(1, 3), "limit enqueue_rate of q 2/2");
        w.now += 20 * SEC;
        refused(&w, submission(1, 3), "limit enqueue_rate of q 2/2");
        taken(&w, other, ""); /* the tenant's token was still there */
        w.now += 10 * SEC;
        refused(&w, submission(1, 3), "limit enqueue_rate 3/3");
}
END_TEST

/* The queue's bucket stays when nothing of the queue is left. */
START_TEST(rate_outlives_jobs) {
        TqQueueLimit q = queue_limits("q", "enqueue_rate=1/h");
        WORLD w = world_new();

        tenant_with(&w, 1, "", NULL, &q, 1);
        open_world(&w);
        taken(&w, submission(1, 1), "");
        end(&w, 1, 0);
        refused(&w, submission(1, 2), "limit enqueue_rate of q 1/1");
        tenant_with(&w, 1, "", NULL, &q, 1); /* said again: nothing new */
        refused(&w, submission(1, 2), "limit enqueue_rate of q 1/1");
}
END_TEST

/* It warns before it refuses, as the other limits do. */
START_TEST(rate_is_near) {
        TqQueueLimit q = queue_limits("q", "enqueue_rate=5/h");
        TqEvent other = submission(1, 10);
        WORLD w = world_new();

        tenant_with(&w, 1, "enqueue_rate=10/min", NULL, &q, 1);
        open_world(&w);
        for (uint64_t job = 1; job <= 3; job++)
                taken(&w, submission(1, job), "");
        taken(&w, submission(1, 4), "near enqueue_rate of q 4/5");
        taken(&w, submission(1, 5), "near enqueue_rate of q 5/5");
        other.j.queue = "other";
        for (; other.job < 12; other.job++)
                taken(&w, other, "");
        taken(&w, other, "near enqueue_rate 8/10");
        w.now += 60 * SEC;
        for (other.job = 20; other.job < 27; other.job++)
                taken(&w, other, "");
        taken(&w, other, "near enqueue_rate 8/10");
        refused(&w, submission(1, 6), "limit enqueue_rate of q 5/5");
}
END_TEST

START_TEST(draining) {
        TqQueueLimit q = queue_limits("q", "queue_depth=0");
        WORLD w = world_new();

        tenant(&w, 1, "concurrency=1");
        tenant(&w, 2, "");
        open_world(&w);
        submit(&w, 1, 1);
        submit(&w, 1, 2);
        switches(&w, 1, "q", false, true);
        refused(&w, submission(1, 3), "draining q");
        ck_assert_uint_eq(w.actions.refusal.retry_usec, UINT64_MAX);
        switches(&w, 1, NULL, false, true);
        refused(&w, submission(1, 3), "draining ");
        taken(&w, submission(2, 4), "");
        switches(&w, 0, NULL, false, true);
        refused(&w, submission(1, 3), "draining host");
        refused(&w, submission(2, 5), "draining host");
        /* What waits still runs, and it comes before any limit. */
        tenant_with(&w, 1, "concurrency=1 queue_depth=0 enqueue_rate=0/s", NULL, &q, 1);
        refused(&w, submission(1, 3), "draining host");
        w.actions.n = 0;
        end(&w, 1, 0);
        expect(&w, "finish 1 (exit 0), start 2");
        switches(&w, 0, NULL, false, false);
        refused(&w, submission(1, 3), "draining ");
        switches(&w, 1, NULL, false, false);
        refused(&w, submission(1, 3), "draining q");
        switches(&w, 1, "q", false, false);
        refused(&w, submission(1, 3), "limit queue_depth of q 0/0");
        ck_assert(!tq_scheduler_host_switches(w.s).is_draining);
}
END_TEST

START_TEST(too_big) {
        TqEvent e = submission(1, 1);
        WORLD w = world_new();

        w.host.memory_bytes = 8 * MIB;
        host(&w);
        tenant(&w, 1, "queue_depth=0");
        open_world(&w);
        e.j.memory_bytes = 8 * MIB + 1;
        refused(&w, e, "too-big");
        ck_assert_uint_eq(w.actions.refusal.current, 8 * MIB + 1);
        ck_assert_uint_eq(w.actions.refusal.maximum, 8 * MIB);
        ck_assert_uint_eq(w.actions.refusal.retry_usec, UINT64_MAX);
        e.j.memory_bytes = 8 * MIB;
        refused(&w, e, "limit queue_depth 0/0");
        tenant(&w, 1, "");
        taken(&w, e, "");
        expect(&w, "start 1");
        w.host.memory_bytes = TQ_LIMIT_MAX;
        host(&w);
        e.job = 2;
        e.j.memory_bytes = UINT64_MAX;
        taken(&w, e, "");
}
END_TEST

/* From what is switched off, to what is full, to what is used up. */
START_TEST(order_of_reasons) {
        static const char *const said_in_order[] = { "draining host",
                                                     "draining ",
                                                     "draining q",
                                                     "too-big",
                                                     "limit queue_depth of q 0/0",
                                                     "limit queue_depth 0/0",
                                                     "limit scheduled_jobs 0/0",
                                                     "limit spool_bytes 0/0",
                                                     "limit enqueue_rate of q 0/0",
                                                     "limit enqueue_rate 0/0" };
        static const char *const of_tenant[] = { "queue_depth=0 ", "scheduled_jobs=0 ",
                                                 "spool_bytes=0 ", "enqueue_rate=0/s" };
        static const char *const of_queue[] = { "queue_depth=0 ", "enqueue_rate=0/s" };
        TqEvent e = submission(1, 1);
        WORLD w = world_new();

        e.j.memory_bytes = 2;
        e.j.spool_bytes = 1;
        e.j.not_before = w.now + SEC;
        open_world(&w);
        for (int i = 0; i < 10; i++) { /* the first i no longer hold */
                char text[128] = "", queue_text[64] = "";
                TqQueueLimit q;

                for (int k = 0; k < 4; k++)
                        if (i <= (k == 0 ? 5 : k == 3 ? 9 : 5 + k))
                                (void)strcat(text, of_tenant[k]);
                for (int k = 0; k < 2; k++)
                        if (i <= (k == 0 ? 4 : 8))
                                (void)strcat(queue_text, of_queue[k]);
                q = queue_limits("q", queue_text);
                w.host.memory_bytes = i <= 3 ? 1 : TQ_LIMIT_MAX;
                host(&w);
                tenant_with(&w, 1, text, NULL, &q, 1);
                switches(&w, 0, NULL, false, i <= 0);
                switches(&w, 1, NULL, false, i <= 1);
                switches(&w, 1, "q", false, i <= 2);
                refused(&w, e, said_in_order[i]);
        }
}
END_TEST

/* What the ledger has promised is taken, whatever the limits say, and takes no token. */
START_TEST(promised) {
        TqEvent e = submission(1, 1);
        WORLD w = world_new();

        w.host.memory_bytes = 1;
        host(&w);
        tenant(&w, 1, "queue_depth=0 scheduled_jobs=0 spool_bytes=0 enqueue_rate=0/s");
        switches(&w, 0, NULL, false, true);
        e.j.is_promised = true;
        e.j.memory_bytes = 2;
        e.j.spool_bytes = 10;
        e.j.not_before = w.now + SEC;
        for (e.job = 1; e.job <= 2 * TQ_QUEUES_MAX; e.job++) {
                char name[16];

                (void)snprintf(name, sizeof(name), "q%ju", (uintmax_t)e.job);
                e.j.queue = name;
                taken(&w, e, "");
        }
        ck_assert_uint_eq(tq_scheduler_tenant(w.s, 1)->waiting.jobs, 2 * TQ_QUEUES_MAX);
        ck_assert_uint_eq(tq_scheduler_tenant(w.s, 1)->waiting.bytes, 20 * TQ_QUEUES_MAX);
        /* They count for the others. */
        switches(&w, 0, NULL, false, false);
        tenant(&w, 1, "queue_depth=128");
        refused(&w, submission(1, 1000), "queues");
        e.j.queue = "q1";
        e.j.is_promised = false;
        e.j.memory_bytes = 0;
        e.job = 1000;
        refused(&w, e, "limit queue_depth 128/128");
}
END_TEST

START_TEST(promised_takes_no_token) {
        TqEvent e = submission(1, 1);
        WORLD w = world_new();

        tenant(&w, 1, "enqueue_rate=2/h queue_depth=5");
        e.j.is_promised = true;
        for (e.job = 1; e.job <= 4; e.job++)
                taken(&w, e, ""); /* nor does it say that a limit is near */
        taken(&w, submission(1, 5), "near queue_depth 5/5");
        tenant(&w, 1, "enqueue_rate=2/h");
        taken(&w, submission(1, 6), "");
        refused(&w, submission(1, 7), "limit enqueue_rate 2/2");
}
END_TEST

/* A queue that is only configured does not count as one that is used. */
START_TEST(queues) {
        TqQueueLimit q[2] = { queue_limits("x", "concurrency=1"),
                              queue_limits("y", "concurrency=1") };
        TqEvent e = submission(1, 1);
        char name[16];
        WORLD w = world_new();

        tenant_with(&w, 1, "concurrency=0", NULL, q, 2);
        open_world(&w);
        e.j.queue = name;
        for (e.job = 1; e.job <= TQ_QUEUES_MAX; e.job++) {
                (void)snprintf(name, sizeof(name), "q%ju", (uintmax_t)e.job);
                taken(&w, e, "");
        }
        (void)strcpy(name, "one-more");
        refused(&w, e, "queues");
        ck_assert_uint_eq(w.actions.refusal.current, TQ_QUEUES_MAX);
        (void)strcpy(name, "x");
        refused(&w, e, "queues");
        ck_assert_int_eq(say(&w, TQ_EVENT_CANCEL, 1), 0);
        taken(&w, e, "");
        (void)strcpy(name, "y");
        e.job++;
        refused(&w, e, "queues");
        (void)strcpy(name, "q2");
        taken(&w, e, "");
}
END_TEST

/* When to try again: when the next of its running jobs will probably end. */
START_TEST(retry_after) {
        WORLD w = world_new();

        tenant(&w, 1, "concurrency=2 queue_depth=1");
        tenant(&w, 2, "concurrency=1 queue_depth=0");
        tenant(&w, 3, "concurrency=1 queue_depth=1");
        open_world(&w);
        submit(&w, 1, 1);
        w.now += 60 * SEC;
        end(&w, 1, 0);
        for (uint64_t job = 2; job <= 4; job++)
                submit(&w, 1, job);
        refused(&w, submission(1, 5), "limit queue_depth 1/1");
        ck_assert_uint_eq(w.actions.refusal.retry_usec, 30 * SEC);
        /* Of whom nothing is known: as long as others' jobs. */
        submit(&w, 3, 10);
        submit(&w, 3, 11);
        refused(&w, submission(3, 12), "limit queue_depth 1/1");
        ck_assert_uint_eq(w.actions.refusal.retry_usec, 60 * SEC);
        /* Where nothing waits, nothing will go. */
        refused(&w, submission(2, 5), "limit queue_depth 0/0");
        ck_assert_uint_eq(w.actions.refusal.retry_usec, UINT64_MAX);
}
END_TEST

static void fill(Suite *s) {
        TCase *each = unit_case(s, "each"), *together = unit_case(s, "together");

        tcase_add_test(each, unlimited);
        tcase_add_test(each, depth_of_a_tenant);
        tcase_add_test(each, depth_zero);
        tcase_add_test(each, depth_of_a_queue);
        tcase_add_test(each, scheduled_jobs);
        tcase_add_test(each, spool_bytes);
        tcase_add_test(each, rate_of_a_tenant);
        tcase_add_test(each, rate_of_a_queue);
        tcase_add_test(each, rate_outlives_jobs);
        tcase_add_test(each, rate_is_near);
        tcase_add_test(each, draining);
        tcase_add_test(each, too_big);
        tcase_add_test(each, queues);
        tcase_add_test(together, order_of_reasons);
        tcase_add_test(together, promised);
        tcase_add_test(together, promised_takes_no_token);
        tcase_add_test(together, retry_after);
}

int main(void) {
        return unit_main("core/admission", fill);
}
