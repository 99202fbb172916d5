/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "world.h"

/* Slots that are reserved for a tenant: met before anybody's share, lent while they aren't wanted,
 * and no more of them than there are. */

/* The host is full of another's jobs: each end gives a slot to who has one reserved. */
START_TEST(reservation_is_met) {
        WORLD w = world_new();

        w.host.max_jobs = 4;
        host(&w);
        tenant(&w, 1, "concurrency=max");
        tenant(&w, 2, "concurrency=max reserved=2 weight=1");
        open_world(&w);
        for (uint64_t job = 1; job <= 8; job++)
                submit(&w, 1, job);
        expect(&w, "start 1, start 2, start 3, start 4");
        for (uint64_t job = 11; job <= 15; job++)
                submit(&w, 2, job);
        expect(&w, "");
        end(&w, 1, 0);
        expect(&w, "finish 1 (exit 0), start 11");
        end(&w, 2, 0);
        expect(&w, "finish 2 (exit 0), start 12");
        end(&w, 3, 0); /* it has what was reserved: by weight again */
        expect(&w, "finish 3 (exit 0), start 5");
        end(&w, 11, 0);
        expect(&w, "finish 11 (exit 0), start 13");
}
END_TEST

/* What is reserved but not wanted is used by others, and who lacks most is first. */
START_TEST(reservations_in_order) {
        WORLD w = world_new();

        w.host.max_jobs = 10;
        host(&w);
        tenant(&w, 1, "concurrency=max reserved=10%");
        tenant(&w, 2, "concurrency=max reserved=3");
        tenant(&w, 3, "concurrency=max reserved=21%"); /* rounded up: 3 */
        tenant(&w, 4, "concurrency=max");
        ck_assert_uint_eq(tq_scheduler_tenant(w.s, 1)->reserved, 1);
        ck_assert_uint_eq(tq_scheduler_tenant(w.s, 3)->reserved, 3);
        ck_assert_uint_eq(tq_scheduler_pool(w.s, 0)->reserved, 7);
        open_world(&w);
        for (uint64_t job = 1; job <= 10; job++)
                submit(&w, 4, job);
        expect(&w, "start 1, start 2, start 3, start 4, start 5, start 6, start 7, start 8, "
                   "start 9, start 10");
        for (uint64_t job = 1; job <= 4; job++) {
                submit(&w, 1, 10 + job);
                submit(&w, 2, 20 + job);
        }
        for (uint64_t job = 1; job <= 5; job++)
                end(&w, job, 0);
        expect(&w, "finish 1 (exit 0), start 21, finish 2 (exit 0), start 22, finish 3 (exit 0), "
                   "start 11, finish 4 (exit 0), start 23, finish 5 (exit 0), start 12");
        /* Its own limits hold all the same. */
        tenant(&w, 2, "concurrency=3 reserved=5");
        end(&w, 6, 0);
        w.actions.n = 0;
        ck_assert_uint_eq(tq_scheduler_tenant(w.s, 2)->running, 3);
        ck_assert_int_eq(state_of(&w, 24), TQ_JOB_QUEUED);
}
END_TEST

START_TEST(reserved_is_checked) {
        WORLD w = world_new();
        uint64_t left = 0;

        w.host.max_jobs = 10;
        pool(&w, "gpu", "4");
        host(&w);
        tenant(&w, 1, "reserved=4");
        tenant_with(&w, 2, "reserved=50%", "gpu", NULL, 0);
        ck_assert_int_eq(tq_scheduler_check_reserved(w.s, 3, NULL, slots_of("2"), &left), 0);
        ck_assert_uint_eq(left, 2);
        ck_assert_int_eq(tq_scheduler_check_reserved(w.s, 3, "", slots_of("3"), &left), -EDQUOT);
        ck_assert_int_eq(tq_scheduler_check_reserved(w.s, 1, "shared", slots_of("6"), &left), 0);
        ck_assert_uint_eq(left, 6);
        ck_assert_int_eq(tq_scheduler_check_reserved(w.s, 1, NULL, slots_of("7"), &left), -EDQUOT);
        ck_assert_int_eq(tq_scheduler_check_reserved(w.s, 1, "gpu", slots_of("50%"), &left), 0);
        ck_assert_uint_eq(left, 2);
        ck_assert_int_eq(tq_scheduler_check_reserved(w.s, 1, "gpu", slots_of("51%"), &left),
                         -EDQUOT);
        ck_assert_int_eq(tq_scheduler_check_reserved(w.s, 1, "nowhere", 1, &left), -ENOENT);
        w.host = (TqHostPolicy){};
        tq_policy_init(&w.host);
        host(&w);
        ck_assert_int_eq(tq_scheduler_check_reserved(w.s, 3, NULL, 1000000, &left), 0);
        ck_assert_uint_eq(left, TQ_LIMIT_MAX);
}
END_TEST

static void fill(Suite *s) {
        TCase *reserved = unit_case(s, "reserved");

        tcase_add_test(reserved, reservation_is_met);
        tcase_add_test(reserved, reservations_in_order);
        tcase_add_test(reserved, reserved_is_checked);
}

int main(void) {
        return unit_main("core/turn reserved", fill);
}
