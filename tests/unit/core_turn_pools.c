/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "world.h"

/* Pools: each has its own slots and its own turns; tenants move, pools come and go. */

/* Pools stay while a tenant is in them: when there is no place for more, a reload changes nothing,
 * not even what was charged. */
START_TEST(no_place_for_pools) {
        WORLD w = world_new();
        uint64_t tag;
        char name[16];

        w.host.max_jobs = 1000;
        for (uint32_t round = 0; round < 3; round++) {
                w.host.n_pools = 0;
                for (uint32_t i = 0; i < TQ_POOLS_MAX - 1; i++) {
                        (void)snprintf(name, sizeof(name), "p%u-%u", round, i);
                        pool(&w, name, "1");
                }
                if (round == 2)
                        break;
                host(&w);
                for (uint32_t i = 0; i < TQ_POOLS_MAX - 1; i++)
                        tenant_with(&w, 1 + round * 100 + i, "", w.host.pools[i].name, NULL, 0);
        }
        open_world(&w);
        submit(&w, 101, 1);
        ck_assert_int_eq(say(&w, TQ_EVENT_SPAWNED, 1), 0);
        w.now += 100 * SEC;
        tag = tag_of(&w, 101);
        w.host.max_jobs = 2000;
        ck_assert_int_eq(step(&w, (TqEvent){ .type = TQ_EVENT_HOST, .host = &w.host }), -ENOSPC);
        ck_assert_uint_eq(tag_of(&w, 101), tag);
        ck_assert_uint_eq(tq_scheduler_pool(w.s, 0)->slots, 1000 - (TQ_POOLS_MAX - 1));
        /* The places of pools that nobody is in are taken again. */
        for (uint32_t i = 0; i < TQ_POOLS_MAX - 1; i++)
                tenant(&w, 1 + i, "");
        host(&w);
        ck_assert_uint_eq(tq_scheduler_pool(w.s, 0)->slots, 2000 - (TQ_POOLS_MAX - 1));
}
END_TEST

START_TEST(pools_are_apart) {
        WORLD w = world_new();

        w.host.max_jobs = 6;
        pool(&w, "gpu", "2");
        host(&w);
        tenant(&w, 1, "concurrency=max");
        tenant_with(&w, 2, "concurrency=max", "gpu", NULL, 0);
        open_world(&w);
        ck_assert_uint_eq(tq_scheduler_pool(w.s, 0)->slots, 4);
        ck_assert_uint_eq(tq_scheduler_pool(w.s, 1)->slots, 2);
        ck_assert_ptr_null(tq_scheduler_pool(w.s, 2));
        for (uint64_t job = 1; job <= 5; job++) {
                submit(&w, 1, job);
                submit(&w, 2, 10 + job);
        }
        w.actions.n = 0;
        ck_assert_uint_eq(tq_scheduler_tenant(w.s, 1)->running, 4);
        ck_assert_uint_eq(tq_scheduler_tenant(w.s, 2)->running, 2);
        expect_reasons(&w, 5, "slots");
        ck_assert_uint_eq(reason_of(&w, 5, TQ_WAIT_SLOTS).maximum, 4);
        ck_assert_uint_eq(reason_of(&w, 13, TQ_WAIT_SLOTS).maximum, 2);
        end(&w, 1, 0);
        expect(&w, "finish 1 (exit 0), start 5");
        end(&w, 2, 0);
        expect(&w, "finish 2 (exit 0)"); /* nothing for the other pool */
        end(&w, 11, 0);
        expect(&w, "finish 11 (exit 0), start 13");
}
END_TEST

/* A tenant takes its running jobs along. */
START_TEST(tenant_moves) {
        WORLD w = world_new();

        w.host.max_jobs = 6;
        pool(&w, "gpu", "2");
        host(&w);
        tenant(&w, 1, "concurrency=max reserved=1");
        open_world(&w);
        for (uint64_t job = 1; job <= 6; job++)
                submit(&w, 1, job);
        expect(&w, "start 1, start 2, start 3, start 4");
        tenant_with(&w, 1, "concurrency=max reserved=50%", "gpu", NULL, 0);
        expect(&w, "");
        ck_assert_uint_eq(tq_scheduler_pool(w.s, 0)->running, 0);
        ck_assert_uint_eq(tq_scheduler_pool(w.s, 0)->reserved, 0);
        ck_assert_uint_eq(tq_scheduler_pool(w.s, 1)->running, 4);
        ck_assert_uint_eq(tq_scheduler_pool(w.s, 1)->reserved, 1);
        for (uint64_t job = 1; job <= 2; job++)
                end(&w, job, 0);
        expect(&w, "finish 1 (exit 0), finish 2 (exit 0)");
        end(&w, 3, 0);
        expect(&w, "finish 3 (exit 0), start 5");
        tenant(&w, 1, "concurrency=max");
        expect(&w, "start 6");
        ck_assert_uint_eq(tq_scheduler_pool(w.s, 0)->running, 3);
}
END_TEST

/* Who is in a pool that is configured no longer waits until it is moved. */
START_TEST(pool_goes) {
        WORLD w = world_new();

        w.host.max_jobs = 6;
        pool(&w, "gpu", "2");
        host(&w);
        tenant_with(&w, 1, "concurrency=max reserved=50%", "gpu", NULL, 0);
        open_world(&w);
        for (uint64_t job = 1; job <= 3; job++)
                submit(&w, 1, job);
        expect(&w, "start 1, start 2");
        w.host.n_pools = 0;
        host(&w);
        end(&w, 1, 0);
        expect(&w, "finish 1 (exit 0)");
        expect_reasons(&w, 3, "slots");
        ck_assert_uint_eq(reason_of(&w, 3, TQ_WAIT_SLOTS).maximum, 0);
        ck_assert_uint_eq(tq_scheduler_tenant(w.s, 1)->reserved, 0);
        tenant(&w, 1, "concurrency=max");
        expect(&w, "start 3");
}
END_TEST

/* Pools without slots and without tenants are pools. */
START_TEST(pools_without_slots) {
        WORLD w = world_new();

        w.host.max_jobs = 6;
        pool(&w, "x", "0");
        host(&w);
        pool(&w, "y", "2");
        host(&w);
        host(&w);
        ck_assert_str_eq(tq_scheduler_pool(w.s, 1)->name, "x");
        ck_assert_str_eq(tq_scheduler_pool(w.s, 2)->name, "y");
        ck_assert_uint_eq(tq_scheduler_pool(w.s, 1)->slots, 0);
        ck_assert_uint_eq(tq_scheduler_pool(w.s, 2)->slots, 2);
}
END_TEST

/* However often the pools are others, there is room; and too many at once change nothing. */
START_TEST(pools_come_and_go) {
        WORLD w = world_new();

        w.host.max_jobs = 100;
        open_world(&w);
        for (int i = 0; i < 100; i++) {
                w.host.n_pools = 0;
                for (int k = 0; k < TQ_POOLS_MAX - 1; k++) {
                        char name[16];

                        (void)snprintf(name, sizeof(name), "p%d", (i * 7 + k) % 90);
                        pool(&w, name, "2");
                }
                host(&w);
                tenant_with(&w, 1, "concurrency=max", w.host.pools[i % 15].name, NULL, 0);
                ck_assert_uint_eq(tq_scheduler_pool(w.s, 0)->slots, 70);
                submit(&w, 1, (uint64_t)i + 1);
                ck_assert_int_eq(state_of(&w, (uint64_t)i + 1), TQ_JOB_STARTING);
                end(&w, (uint64_t)i + 1, 0);
        }
}
END_TEST

START_TEST(too_many_pools) {
        char name[16];
        WORLD w = world_new();

        w.host.max_jobs = 100;
        for (int k = 0; k < 31; k++) {
                w.host.n_pools = 0;
                (void)snprintf(name, sizeof(name), "p%d", k);
                pool(&w, name, "1");
                host(&w);
                tenant_with(&w, (uint32_t)k + 1, "concurrency=max", name, NULL, 0);
        }
        w.host.n_pools = 0;
        pool(&w, "p0", "1");
        host(&w);
        (void)strcpy(w.host.pools[0].name, "one-more");
        ck_assert_int_eq(step(&w, (TqEvent){ .type = TQ_EVENT_HOST, .host = &w.host }), -ENOSPC);
        open_world(&w);
        submit(&w, 1, 1);
        submit(&w, 1, 2);
        expect(&w, "start 1");
        submit(&w, 2, 3);
        expect(&w, "");
}
END_TEST

static void fill(Suite *s) {
        TCase *pools = unit_case(s, "pools");

        tcase_add_test(pools, no_place_for_pools);
        tcase_add_test(pools, pools_are_apart);
        tcase_add_test(pools, tenant_moves);
        tcase_add_test(pools, pool_goes);
        tcase_add_test(pools, pools_without_slots);
        tcase_add_test(pools, pools_come_and_go);
        tcase_add_test(pools, too_many_pools);
}

int main(void) {
        return unit_main("core/turn pools", fill);
}
