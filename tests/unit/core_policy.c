/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/policy.h"

#include <stdio.h>

#include "unit.h"

#define SEC UINT64_C(1000000)

START_TEST(words) {
        static const char *const all[] = { "fair", "round-robin", "fifo" };

        ck_assert_uint_eq(TQ_ELEMENTSOF(all), _TQ_POLICY_MAX);
        for (int i = 0; i < _TQ_POLICY_MAX; i++) {
                ck_assert_str_eq(tq_policy_to_string((TqPolicy)i), all[i]);
                ck_assert_int_eq(tq_policy_from_string(all[i]), i);
        }
        ck_assert_int_eq(tq_policy_from_string(""), _TQ_POLICY_INVALID);
        ck_assert_int_eq(tq_policy_from_string("Fair"), _TQ_POLICY_INVALID);
        ck_assert_int_eq(tq_policy_from_string("fifo "), _TQ_POLICY_INVALID);
}
END_TEST

START_TEST(initial) {
        TqHostPolicy p;
        uint64_t shared;

        memset(&p, 0xFF, sizeof(p));
        tq_policy_init(&p);
        ck_assert(tq_policy_is_sane(&p));
        ck_assert_uint_eq(p.max_jobs, TQ_LIMIT_MAX);
        ck_assert_uint_eq(p.memory_bytes, TQ_LIMIT_MAX);
        ck_assert_uint_eq(p.lane_slots, 0);
        ck_assert_uint_eq(p.n_pools, 0);
        ck_assert_uint_eq(p.policy, TQ_POLICY_FAIR);
        ck_assert_uint_eq(p.half_life_usec, 3600 * SEC);
        ck_assert_int_eq(tq_policy_shared_slots(&p, &shared), 0);
        ck_assert_uint_eq(shared, TQ_LIMIT_MAX);
}
END_TEST

static TqHostPolicy policy_of(uint64_t max_jobs, const char *const pools[2]) {
        TqHostPolicy p;

        tq_policy_init(&p);
        p.max_jobs = max_jobs;
        for (int i = 0; i < 2 && pools[i]; i++) {
                TqPoolPolicy *pool = &p.pools[p.n_pools++];

                (void)snprintf(pool->name, sizeof(pool->name), "p%d", i);
                ck_assert_int_eq(tq_limits_parse_slots(pools[i], &pool->slots), 0);
        }
        return p;
}

/* What the pools leave; at least one slot. */
static const struct {
        uint64_t max_jobs;
        const char *pools[2];
        uint64_t shared;
        int result;
} shared_rows[] = {
        { 10, { NULL, NULL }, 10, 0 },
        { 0, { NULL, NULL }, 0, 0 },
        { 10, { "3", NULL }, 7, 0 },
        { 10, { "3", "6" }, 1, 0 },
        { 10, { "3", "7" }, 0, -ERANGE },
        { 10, { "11", NULL }, 0, -ERANGE },
        { 10, { "0", NULL }, 10, 0 },
        { 10, { "50%", NULL }, 5, 0 },
        { 10, { "50%", "41%" }, 0, -ERANGE }, /* rounded up: 5 and 5 */
        { 10, { "50%", "40%" }, 1, 0 },
        { 10, { "100%", NULL }, 0, -ERANGE },
        { TQ_LIMIT_MAX, { "5", "50%" }, TQ_LIMIT_MAX, 0 },
        { 1000001, { "1000000", NULL }, 1, 0 },
};

START_TEST(shared_slots) {
        TqHostPolicy p = policy_of(shared_rows[_i].max_jobs, shared_rows[_i].pools);
        uint64_t got = 12345;

        ck_assert_int_eq(tq_policy_shared_slots(&p, &got), shared_rows[_i].result);
        ck_assert_uint_eq(got, shared_rows[_i].result == 0 ? shared_rows[_i].shared : 12345);
        ck_assert(tq_policy_is_sane(&p) == (shared_rows[_i].result == 0));
}
END_TEST

START_TEST(insane) {
        const char *const pools[2] = { "1", "1" };
        TqHostPolicy good = policy_of(10, pools), p;

        ck_assert(tq_policy_is_sane(&good));
        p = good;
        p.policy = _TQ_POLICY_MAX;
        ck_assert(!tq_policy_is_sane(&p));
        p = good;
        p.n_pools = TQ_POOLS_MAX;
        ck_assert(!tq_policy_is_sane(&p));
        p.n_pools = UINT32_MAX;
        ck_assert(!tq_policy_is_sane(&p));
        p = good;
        p.half_life_usec = 0;
        ck_assert(!tq_policy_is_sane(&p));
        p = good;
        p.cpus = 0;
        ck_assert(!tq_policy_is_sane(&p));
        p = good;
        p.io_bytes_per_sec = 0;
        ck_assert(!tq_policy_is_sane(&p));
        p = good;
        memset(p.pools[1].name, 'x', sizeof(p.pools[1].name));
        ck_assert(!tq_policy_is_sane(&p));
        p = good;
        p.pools[1].name[0] = '\0';
        ck_assert(!tq_policy_is_sane(&p));
        p = good;
        (void)strcpy(p.pools[1].name, "../x");
        ck_assert(!tq_policy_is_sane(&p));
}
END_TEST

/* Two of one name would be one pool with the sum taken off the shared one. */
START_TEST(pools_have_names_of_their_own) {
        const char *const pools[2] = { "1", "1" };
        TqHostPolicy p = policy_of(10, pools);

        (void)strcpy(p.pools[1].name, p.pools[0].name);
        ck_assert(!tq_policy_is_sane(&p));
        (void)strcpy(p.pools[1].name, TQ_POOL_SHARED);
        ck_assert(!tq_policy_is_sane(&p));
}
END_TEST

START_TEST(most_pools) {
        TqHostPolicy p;
        uint64_t shared;

        tq_policy_init(&p);
        p.max_jobs = TQ_POOLS_MAX;
        p.n_pools = TQ_POOLS_MAX - 1;
        for (uint32_t i = 0; i < p.n_pools; i++) {
                (void)snprintf(p.pools[i].name, sizeof(p.pools[i].name), "p%u", i);
                p.pools[i].slots = 1;
        }
        ck_assert(tq_policy_is_sane(&p));
        ck_assert_int_eq(tq_policy_shared_slots(&p, &shared), 0);
        ck_assert_uint_eq(shared, 1);
}
END_TEST

/* Queues ------------------------------------------------------------------------------------- */

START_TEST(queue_fields) {
        TqQueueLimit q = {};

        ck_assert_ptr_eq(tq_policy_queue_field(&q, TQ_KEY_CONCURRENCY), &q.concurrency);
        ck_assert_ptr_eq(tq_policy_queue_field(&q, TQ_KEY_ENQUEUE_RATE), &q.enqueue_rate);
        ck_assert_ptr_eq(tq_policy_queue_field(&q, TQ_KEY_QUEUE_DEPTH), &q.queue_depth);
        /* Each key that may stand in a queue's section has its field, and no other. */
        for (int i = 0; i < _TQ_KEY_MAX; i++)
                ck_assert((tq_policy_queue_field(&q, (TqKey)i) != NULL) ==
                          ((tq_limits_keys[i].scopes & TQ_SCOPE_QUEUE) != 0));
}
END_TEST

START_TEST(queue_values) {
        TqQueueLimit q = {}, before;
        TqError err = {}, scope = {};

        ck_assert_uint_eq(tq_policy_queue_get(&q, TQ_KEY_CONCURRENCY, 7), 7);
        ck_assert_int_eq(tq_policy_queue_set(&q, "concurrency", "0", 1, &err), 0);
        ck_assert_uint_eq(tq_policy_queue_get(&q, TQ_KEY_CONCURRENCY, 7), 0);
        ck_assert_uint_eq(tq_policy_queue_get(&q, TQ_KEY_QUEUE_DEPTH, 7), 7);
        ck_assert_int_eq(tq_policy_queue_set(&q, "queue_depth", "max", 1, &err), 0);
        ck_assert_uint_eq(tq_policy_queue_get(&q, TQ_KEY_QUEUE_DEPTH, 7), TQ_LIMIT_MAX);
        ck_assert_int_eq(tq_policy_queue_set(&q, "enqueue_rate", "2/s", 1, &err), 0);
        ck_assert_uint_eq(tq_policy_queue_get(&q, TQ_KEY_ENQUEUE_RATE, 7), 2 * 3600 * 4 + 2);
        ck_assert_uint_eq(q.set, UINT64_C(1) << TQ_KEY_CONCURRENCY |
                                         UINT64_C(1) << TQ_KEY_QUEUE_DEPTH |
                                         UINT64_C(1) << TQ_KEY_ENQUEUE_RATE);
        before = q;
        ck_assert_int_eq(tq_policy_queue_set(&q, "concurrency", "x", 5, &err), -EBADMSG);
        ck_assert_uint_eq(err.line, 5);
        ck_assert_int_eq(tq_policy_queue_set(&q, "memory", "1G", 6, &scope), -EBADMSG);
        ck_assert_str_eq(scope.text, "is not a limit of a queue");
        ck_assert_int_eq(tq_policy_queue_set(&q, "nonsense", "1", 7, &err), -EBADMSG);
        ck_assert_mem_eq(&q, &before, sizeof(q));
}
END_TEST

START_TEST(queue_overlay) {
        TqQueueLimit q = { .name = "a" }, over = { .name = "b" }, none = {};

        ck_assert_int_eq(tq_policy_queue_set(&q, "concurrency", "1", 0, NULL), 0);
        ck_assert_int_eq(tq_policy_queue_set(&q, "queue_depth", "2", 0, NULL), 0);
        ck_assert_int_eq(tq_policy_queue_set(&over, "concurrency", "5", 0, NULL), 0);
        ck_assert_int_eq(tq_policy_queue_set(&over, "enqueue_rate", "0/s", 0, NULL), 0);
        tq_policy_queue_overlay(&q, &none);
        ck_assert_uint_eq(q.concurrency, 1);
        tq_policy_queue_overlay(&q, &over);
        ck_assert_str_eq(q.name, "a");
        ck_assert_uint_eq(tq_policy_queue_get(&q, TQ_KEY_CONCURRENCY, 9), 5);
        ck_assert_uint_eq(tq_policy_queue_get(&q, TQ_KEY_QUEUE_DEPTH, 9), 2);
        ck_assert_uint_eq(tq_policy_queue_get(&q, TQ_KEY_ENQUEUE_RATE, 9), 2);
        tq_policy_queue_overlay(&none, &q);
        ck_assert_uint_eq(none.set, q.set);
        ck_assert_uint_eq(none.concurrency, 5);
}
END_TEST

static void fill(Suite *s) {
        TCase *of_host = unit_case(s, "host"), *queues = unit_case(s, "queues");

        tcase_add_test(of_host, words);
        tcase_add_test(of_host, initial);
        unit_add_rows(of_host, shared_slots, shared_rows);
        tcase_add_test(of_host, insane);
        tcase_add_test(of_host, pools_have_names_of_their_own);
        tcase_add_test(of_host, most_pools);
        tcase_add_test(queues, queue_fields);
        tcase_add_test(queues, queue_values);
        tcase_add_test(queues, queue_overlay);
}

int main(void) {
        return unit_main("core/policy", fill);
}
