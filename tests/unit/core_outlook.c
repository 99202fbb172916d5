/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/outlook.h"

#include "world.h"

/* In which order the jobs are told that wait for their turn. */

#define MOST 64

static size_t tenants_of(const World *w, const TqTenant *ret[], uint32_t n) {
        for (uint32_t id = n; id > 0; id--)
                ret[n - id] = tq_scheduler_tenant(w->s, id);
        return n;
}

/* However it is asked for in pieces, it is the same. */
static void expect_order(const World *w, uint32_t n_tenants, const char *want) {
        const TqTenant *tenants[8];
        size_t n = tenants_of(w, tenants, n_tenants);
        uint64_t all[MOST], part[MOST];
        TQ_BUFFER_CLEANUP TqBuffer got = {};
        ssize_t found = tq_outlook(tenants, n, 0, MOST, all);

        ck_assert_int_ge(found, 0);
        for (ssize_t i = 0; i < found; i++)
                tq_buffer_printf(&got, "%s%ju", i > 0 ? " " : "", (uintmax_t)all[i]);
        ck_assert_str_eq(tq_buffer_string(&got), want);
        for (size_t skip = 0; skip <= (size_t)found + 1; skip++)
                for (size_t max = 1; max <= (size_t)found + 1; max++) {
                        size_t left = (size_t)tq_sub_u64((uint64_t)found, skip);

                        ck_assert_int_eq(tq_outlook(tenants, n, skip, max, part),
                                         (ssize_t)TQ_MIN(max, left));
                        for (size_t i = 0; i < TQ_MIN(max, left); i++)
                                ck_assert_uint_eq(part[i], all[skip + i]);
                }
}

static void put(World *w, uint32_t tenant, uint64_t job, const char *queue, int priority) {
        TqEvent e = submission(tenant, job);

        e.j.queue = queue;
        e.j.priority = priority;
        must_step(w, e);
}

/* The only slot is taken. */
static World full(void) {
        World w = world_new();

        w.host.max_jobs = 1;
        host(&w);
        for (uint32_t id = 1; id <= 4; id++)
                tenant(&w, id, "concurrency=max");
        open_world(&w);
        put(&w, 4, 99, "q", 0);
        expect(&w, "start 99");
        return w;
}

START_TEST(nothing) {
        WORLD w = full();

        expect_order(&w, 0, "");
        expect_order(&w, 4, "");
}
END_TEST

/* Tenants in turn, of each its queues in turn, of each what comes first; what can't start, last. */
START_TEST(in_rounds) {
        WORLD w = full();

        for (uint64_t job = 1; job <= 4; job++)
                put(&w, 1, job, "a", job == 3 ? 5 : 0);
        put(&w, 1, 5, "b", 0);
        put(&w, 1, 6, "b", 0);
        for (uint64_t job = 11; job <= 13; job++)
                put(&w, 2, job, "a", 0);
        put(&w, 3, 21, "a", 0);
        put(&w, 3, 22, "b", 0);
        switches(&w, 3, NULL, true, false);
        expect_order(&w, 4, "3 11 5 12 1 13 6 2 4 21 22");
        expect_order(&w, 1, "3 5 1 6 2 4");
        /* Nor what a pause of its queue keeps. */
        switches(&w, 1, "a", true, false);
        expect_order(&w, 1, "5 3 6 1 2 4");
        switches(&w, 1, "a", false, false);
        /* It is so: the first of them does start. A queue that comes back is the last of them. */
        expect_order(&w, 3, "5 11 3 12 6 13 1 2 4 21 22");
        end(&w, 99, 0);
        expect(&w, "finish 99 (exit 0), start 5");
}
END_TEST

/* Only what is in line has a turn. */
START_TEST(not_in_line) {
        TqEvent later = submission(1, 2);
        WORLD w = full();

        later.j.not_before = w.now + SEC;
        put(&w, 1, 1, "a", 0);
        must_step(&w, later);
        put(&w, 1, 3, "a", 0);
        put(&w, 1, 4, "a", 0);
        ck_assert_int_eq(say(&w, TQ_EVENT_HOLD, 3), 0);
        expect_order(&w, 4, "1 4");
}
END_TEST

/* Who has used more comes later. */
START_TEST(by_share) {
        WORLD w = full();

        put(&w, 4, 41, "q", 0);
        put(&w, 1, 1, "q", 0);
        tick(&w, 10 * SEC);
        end(&w, 99, 0);
        expect(&w, "finish 99 (exit 0), start 1");
        put(&w, 2, 11, "q", 0);
        put(&w, 4, 42, "q", 0);
        expect_order(&w, 4, "11 41 42");
}
END_TEST

static void fill(Suite *s) {
        TCase *c = unit_case(s, "outlook");

        tcase_add_test(c, nothing);
        tcase_add_test(c, in_rounds);
        tcase_add_test(c, not_in_line);
        tcase_add_test(c, by_share);
}

int main(void) {
        return unit_main("core/outlook", fill);
}
