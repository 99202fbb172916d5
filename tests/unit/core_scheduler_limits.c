/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core_scheduler.h"

/* How many jobs the limits of tenants and queues let start, in which order, and what a change of
 * them does to a backlog. */

static TqQueueLimit queue_of(const char *name, uint64_t concurrency) {
        TqQueueLimit q = { .set = UINT64_C(1) << TQ_KEY_CONCURRENCY, .concurrency = concurrency };

        (void)snprintf(q.name, sizeof(q.name), "%s", name);
        return q;
}

static uint64_t concurrency_of(const World *w, uint32_t id, const char *queue) {
        const TqQueue *q = tq_scheduler_queue(tq_scheduler_tenant(w->s, id), queue);

        ck_assert_ptr_nonnull(q);
        return q->concurrency;
}

/* Of six jobs, two in each of three queues, so many start. queue "a" has a limit of its own. */
static const struct {
        const char *tenant;
        uint64_t queue_a; /* 0 … ; UINT64_MAX - 1: not configured */
        const char *start;
        TqWait why_2, why_6;
} concurrency_rows[] = {
        { NULL, UINT64_MAX - 1, "start 1.1, start 3.1, start 5.1", TQ_WAIT_QUEUE_CONCURRENCY,
          TQ_WAIT_QUEUE_CONCURRENCY },
        { "0", UINT64_MAX - 1, "", TQ_WAIT_TENANT_CONCURRENCY, TQ_WAIT_TENANT_CONCURRENCY },
        { "1", UINT64_MAX - 1, "start 1.1", TQ_WAIT_TENANT_CONCURRENCY,
          TQ_WAIT_TENANT_CONCURRENCY },
        { "5", UINT64_MAX - 1, "start 1.1, start 2.1, start 3.1, start 4.1, start 5.1",
          TQ_WAIT_NONE, TQ_WAIT_TENANT_CONCURRENCY },
        { "6", UINT64_MAX - 1, "start 1.1, start 2.1, start 3.1, start 4.1, start 5.1, start 6.1",
          TQ_WAIT_NONE, TQ_WAIT_NONE },
        { "max", UINT64_MAX - 1, "start 1.1, start 2.1, start 3.1, start 4.1, start 5.1, start 6.1",
          TQ_WAIT_NONE, TQ_WAIT_NONE },
        { "6", 1, "start 1.1, start 3.1, start 4.1, start 5.1, start 6.1",
          TQ_WAIT_QUEUE_CONCURRENCY, TQ_WAIT_NONE },
        { "2", 1, "start 1.1, start 3.1", TQ_WAIT_TENANT_CONCURRENCY, TQ_WAIT_TENANT_CONCURRENCY },
        { "6", 0, "start 3.1, start 4.1, start 5.1, start 6.1", TQ_WAIT_QUEUE_CONCURRENCY,
          TQ_WAIT_NONE },
        { NULL, 2, "start 1.1, start 2.1, start 3.1, start 5.1", TQ_WAIT_NONE,
          TQ_WAIT_QUEUE_CONCURRENCY },
        { NULL, TQ_LIMIT_MAX, "start 1.1, start 2.1, start 3.1, start 5.1", TQ_WAIT_NONE,
          TQ_WAIT_QUEUE_CONCURRENCY },
};

START_TEST(concurrency) {
        TqQueueLimit a = queue_of("a", concurrency_rows[_i].queue_a);
        size_t n = a.concurrency == UINT64_MAX - 1 ? 0 : 1;
        WORLD w = world_new();

        tenant_full(&w, 1, concurrency_rows[_i].tenant, NULL, &a, n, true);
        open_world(&w);
        for (uint64_t job = 1; job <= 6; job++)
                submit_to(&w, 1, job, job <= 2 ? "a" : job <= 4 ? "b" : "c");
        expect_attempts(&w, concurrency_rows[_i].start);
        ck_assert_int_eq(why(&w, 2), concurrency_rows[_i].why_2);
        ck_assert_int_eq(why(&w, 6), concurrency_rows[_i].why_6);
        ck_assert_uint_eq(queues_of(&w, 1), 3);
}
END_TEST

START_TEST(limit_of_a_queue) {
        TqQueueLimit limits[] = { queue_of("a", 3), queue_of("b", 0) };
        WORLD w = world_new();

        tenant_full(&w, 1, NULL, NULL, limits, 2, true);
        submit_to(&w, 1, 1, "c");
        ck_assert_uint_eq(concurrency_of(&w, 1, "a"), 3);
        ck_assert_uint_eq(concurrency_of(&w, 1, "b"), 0);
        ck_assert_uint_eq(concurrency_of(&w, 1, "c"), 1);
        submit_to(&w, 1, 2, "b");
        tenant_full(&w, 1, "5", NULL, limits, 1, true);
        ck_assert_uint_eq(concurrency_of(&w, 1, "a"), 3);
        ck_assert_uint_eq(concurrency_of(&w, 1, "b"), TQ_LIMIT_MAX);
        ck_assert_uint_eq(concurrency_of(&w, 1, "c"), TQ_LIMIT_MAX);
        ck_assert_ptr_null(tq_scheduler_queue(tq_scheduler_tenant(w.s, 1), "d"));
        /* A queue that nothing is said about any more goes when its last job does. */
        ck_assert_int_eq(say_of(&w, TQ_EVENT_CANCEL, 2, 0), 0);
        ck_assert_ptr_null(tq_scheduler_queue(tq_scheduler_tenant(w.s, 1), "b"));
        ck_assert_uint_eq(queues_of(&w, 1), 2);
}
END_TEST

/* Limits of one tenant are nothing to another. */
START_TEST(tenants_are_apart) {
        WORLD w = world_new();

        tenant_of(&w, 1, "1");
        tenant_of(&w, 2, "2");
        open_world(&w);
        for (uint64_t job = 1; job <= 4; job++) {
                submit_to(&w, 1, job, "q");
                submit_to(&w, 2, job + 10, "q");
        }
        expect_attempts(&w, "start 1.1, start 11.1, start 12.1");
        ck_assert_int_eq(end_as(&w, 11, 1, TQ_END_EXITED, 0), 0);
        expect_attempts(&w, "finish 11.1 (exit 0), start 13.1");
        ck_assert_uint_eq(tq_scheduler_tenant(w.s, 1)->running, 1);
        ck_assert_uint_eq(tq_scheduler_tenant(w.s, 2)->running, 2);
}
END_TEST

/* Tenants take turns, and so do a tenant's queues. */
START_TEST(turns) {
        WORLD w = world_new();

        tenant_of(&w, 1, "4");
        tenant_of(&w, 2, "2");
        for (uint64_t job = 1; job <= 4; job++)
                submit_to(&w, 1, job, job <= 2 ? "a" : "b");
        for (uint64_t job = 11; job <= 14; job++)
                submit_to(&w, 2, job, "q");
        expect_attempts(&w, "");
        open_world(&w);
        expect_attempts(&w, "start 1.1, start 11.1, start 3.1, start 12.1, start 2.1, start 4.1");
}
END_TEST

START_TEST(order_in_a_queue) {
        static const int priorities[] = { 0, 5, -100, 5, 100, 0, -1 };
        WORLD w = world_new();

        tenant_of(&w, 1, "1");
        for (uint64_t i = 0; i < TQ_ELEMENTSOF(priorities); i++) {
                TqEvent e = submission_to(1, 10 + i, "q");

                e.j.priority = priorities[i];
                ck_assert_int_eq(step(&w, e), 0);
        }
        ck_assert_int_eq(why(&w, 14), TQ_WAIT_RECOVERY);
        open_world(&w);
        expect_attempts(&w, "start 14.1");
        for (size_t i = 0; i < TQ_ELEMENTSOF(priorities); i++) {
                static const uint64_t order[] = { 14, 11, 13, 10, 15, 16, 12 };

                ck_assert_int_eq(state_of(&w, order[i]), TQ_JOB_STARTING);
                ck_assert_int_eq(end_as(&w, order[i], 1, TQ_END_EXITED, 0), 0);
        }
        ck_assert_uint_eq(queues_of(&w, 1), 0);
}
END_TEST

START_TEST(behind) {
        WORLD w = world_new();

        tenant_full(&w, 1, "5", NULL, NULL, 0, false);
        submit_to(&w, 1, 1, "q");
        submit_to(&w, 1, 2, "q");
        open_world(&w);
        expect_attempts(&w, "");
        ck_assert_int_eq(why(&w, 1), TQ_WAIT_TENANT_DISABLED);
        tenant_full(&w, 1, "5", NULL, NULL, 0, true);
        expect_attempts(&w, "start 1.1, start 2.1");
        tenant_full(&w, 1, "5", NULL, NULL, 0, false);
        submit_to(&w, 1, 3, "q");
        ck_assert_int_eq(end_as(&w, 1, 1, TQ_END_EXITED, 0), 0);
        expect_attempts(&w, "finish 1.1 (exit 0)");
        ck_assert_int_eq(why(&w, 3), TQ_WAIT_TENANT_DISABLED);
        tenant_full(&w, 1, "5", NULL, NULL, 0, true);
        expect_attempts(&w, "start 3.1");
}
END_TEST

/* Raising starts what waits at once; lowering ends nothing and starts nothing until there is room.
 */
START_TEST(limits_change_under_a_backlog) {
        WORLD w = world_new();

        tenant_of(&w, 1, "2");
        open_world(&w);
        for (uint64_t job = 1; job <= 9; job++)
                submit_to(&w, 1, job, "q");
        expect_attempts(&w, "start 1.1, start 2.1");
        tenant_of(&w, 1, "5");
        expect_attempts(&w, "start 3.1, start 4.1, start 5.1");
        tenant_of(&w, 1, "1");
        expect_attempts(&w, "");
        ck_assert_uint_eq(tq_scheduler_tenant(w.s, 1)->running, 5);
        for (uint64_t job = 1; job <= 4; job++)
                ck_assert_int_eq(end_as(&w, job, 1, TQ_END_EXITED, 0), 0);
        expect_attempts(&w,
                        "finish 1.1 (exit 0), finish 2.1 (exit 0), finish 3.1 (exit 0), finish 4.1 "
                        "(exit 0)");
        ck_assert_int_eq(end_as(&w, 5, 1, TQ_END_EXITED, 0), 0);
        expect_attempts(&w, "finish 5.1 (exit 0), start 6.1");
        tenant_of(&w, 1, "0");
        ck_assert_int_eq(end_as(&w, 6, 1, TQ_END_EXITED, 0), 0);
        expect_attempts(&w, "finish 6.1 (exit 0)");
        tenant_of(&w, 1, "max");
        expect_attempts(&w, "start 7.1, start 8.1, start 9.1");
}
END_TEST

START_TEST(queue_limits_change_under_a_backlog) {
        TqQueueLimit q = queue_of("q", 1);
        WORLD w = world_new();

        tenant_full(&w, 1, NULL, NULL, &q, 1, true);
        open_world(&w);
        for (uint64_t job = 1; job <= 5; job++)
                submit_to(&w, 1, job, "q");
        expect_attempts(&w, "start 1.1");
        q.concurrency = 3;
        tenant_full(&w, 1, NULL, NULL, &q, 1, true);
        expect_attempts(&w, "start 2.1, start 3.1");
        q.concurrency = 2;
        tenant_full(&w, 1, NULL, NULL, &q, 1, true);
        ck_assert_int_eq(end_as(&w, 1, 1, TQ_END_EXITED, 0), 0);
        expect_attempts(&w, "finish 1.1 (exit 0)");
        ck_assert_int_eq(end_as(&w, 2, 1, TQ_END_EXITED, 0), 0);
        expect_attempts(&w, "finish 2.1 (exit 0), start 4.1");
        /* Back to what anybody gets. */
        tenant_full(&w, 1, NULL, NULL, NULL, 0, true);
        expect_attempts(&w, "");
        tenant_full(&w, 1, "3", NULL, NULL, 0, true);
        expect_attempts(&w, "start 5.1");
}
END_TEST

START_TEST(too_many_queues) {
        WORLD w = world_new();
        char name[16];

        tenant_of(&w, 1, "0");
        open_world(&w);
        for (int i = 0; i < TQ_QUEUES_MAX; i++) {
                (void)snprintf(name, sizeof(name), "q%d", i);
                submit_to(&w, 1, (uint64_t)i + 1, name);
        }
        ck_assert_int_eq(step(&w, submission_to(1, 1000, "one-more")), -EDQUOT);
        ck_assert_int_eq(w.actions.refusal.kind, TQ_REFUSAL_QUEUES);
        ck_assert_uint_eq(w.actions.refusal.maximum, TQ_QUEUES_MAX);
        ck_assert_ptr_null(tq_scheduler_job(w.s, 1000));
        ck_assert_int_eq(step(&w, submission_to(1, 1000, "q0")), 0);
        ck_assert_int_eq(say_of(&w, TQ_EVENT_CANCEL, 2, 0), 0);
        ck_assert_int_eq(step(&w, submission_to(1, 1001, "one-more")), 0);
        ck_assert_uint_eq(queues_of(&w, 1), TQ_QUEUES_MAX);
}
END_TEST

static void fill(Suite *s) {
        TCase *limits = unit_case(s, "limits");

        unit_add_rows(limits, concurrency, concurrency_rows);
        tcase_add_test(limits, limit_of_a_queue);
        tcase_add_test(limits, tenants_are_apart);
        tcase_add_test(limits, turns);
        tcase_add_test(limits, order_in_a_queue);
        tcase_add_test(limits, behind);
        tcase_add_test(limits, limits_change_under_a_backlog);
        tcase_add_test(limits, queue_limits_change_under_a_backlog);
        tcase_add_test(limits, too_many_queues);
}

int main(void) {
        return unit_main("core/scheduler limits", fill);
}
