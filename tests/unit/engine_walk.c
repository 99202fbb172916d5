/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/dispatch/walk.h"

#include "world.h"

#define MOST 2000

typedef struct Seen {
        uint64_t jobs[MOST];
        size_t n, n_ends;
        uint32_t only; /* the tenant whose jobs are meant */
} Seen;

static bool is_of(const TqJob *job, const void *data) {
        return job->queue->tenant->id == ((const Seen *)data)->only;
}

static void note(void *data, const TqJob *job) {
        Seen *s = data;

        s->jobs[s->n++] = job->id;
}

static void ended(void *data) {
        ((Seen *)data)->n_ends++;
}

static World world_of(size_t n) {
        World w = world_new();

        tenant(&w, 1, "concurrency=1");
        tenant(&w, 2, "concurrency=1");
        /* Numbers that no table keeps in order. */
        for (size_t i = 0; i < n; i++)
                submit(&w, 1, 1 + (i * 7919) % 100003);
        submit(&w, 2, 200000);
        return w;
}

/* Each once, by number, in parts; then the end is told. */
START_TEST(in_parts) {
        WORLD w = world_of(600);
        Seen seen = { .only = 1 };
        Walks *walks;

        ck_assert_int_eq(walks_new(w.s, &walks), 0);
        ck_assert(!walks_are_under_way(walks));
        walks_go_on(walks); /* nothing to do */
        ck_assert_int_eq(walks_start(walks, is_of, note, ended, &seen), 0);
        ck_assert(walks_are_under_way(walks));
        ck_assert_uint_eq(seen.n, 0);
        walks_go_on(walks);
        ck_assert_uint_eq(seen.n, 256);
        walks_go_on(walks);
        ck_assert_uint_eq(seen.n, 512);
        ck_assert_uint_eq(seen.n_ends, 0);
        walks_go_on(walks);
        ck_assert_uint_eq(seen.n, 600);
        ck_assert_uint_eq(seen.n_ends, 1);
        ck_assert(!walks_are_under_way(walks));
        for (size_t i = 1; i < seen.n; i++)
                ck_assert_uint_lt(seen.jobs[i - 1], seen.jobs[i]);
        ck_assert_ptr_null(walks_free(walks));
}
END_TEST

/* Who has ended meanwhile is left out; who came meanwhile is not meant. */
START_TEST(meanwhile) {
        WORLD w = world_of(300);
        Seen seen = { .only = 1 };
        uint64_t last = 0;
        Walks *walks;

        for (size_t i = 0; i < 300; i++)
                last = TQ_MAX(last, 1 + (i * 7919) % 100003);
        ck_assert_int_eq(walks_new(w.s, &walks), 0);
        ck_assert_int_eq(walks_start(walks, is_of, note, ended, &seen), 0);
        walks_go_on(walks);
        ck_assert_int_eq(say(&w, TQ_EVENT_CANCEL, last), 0);
        submit(&w, 1, 150000);
        walks_go_on(walks);
        ck_assert_uint_eq(seen.n, 299);
        ck_assert_uint_eq(seen.n_ends, 1);
        ck_assert_ptr_null(walks_free(walks));
}
END_TEST

/* One after the other; one that concerns nobody ends in its turn too. */
START_TEST(in_turn) {
        WORLD w = world_of(300);
        Seen first = { .only = 1 }, nobody = { .only = 9 }, last = { .only = 2 };
        Walks *walks;

        ck_assert_int_eq(walks_new(w.s, &walks), 0);
        ck_assert_int_eq(walks_start(walks, is_of, note, ended, &first), 0);
        ck_assert_int_eq(walks_start(walks, is_of, note, ended, &nobody), 0);
        ck_assert_int_eq(walks_start(walks, is_of, note, ended, &last), 0);
        walks_go_on(walks);
        walks_go_on(walks);
        ck_assert(first.n_ends == 1 && nobody.n_ends == 0 && last.n == 0);
        walks_go_on(walks);
        ck_assert(nobody.n_ends == 1 && nobody.n == 0 && last.n == 0);
        walks_go_on(walks);
        ck_assert(last.n == 1 && last.n_ends == 1);
        ck_assert(!walks_are_under_way(walks));
        ck_assert_ptr_null(walks_free(walks));
}
END_TEST

/* What is freed under way tells nobody. */
START_TEST(freed) {
        WORLD w = world_of(300);
        Seen seen = { .only = 1 };
        Walks *walks;

        ck_assert_int_eq(walks_new(w.s, &walks), 0);
        for (int i = 0; i < 3; i++)
                ck_assert_int_eq(walks_start(walks, is_of, note, ended, &seen), 0);
        walks_go_on(walks);
        ck_assert_ptr_null(walks_free(walks));
        ck_assert_uint_eq(seen.n_ends, 0);
}
END_TEST

static void fill(Suite *s) {
        TCase *t = unit_case(s, "walk");

        tcase_add_test(t, in_parts);
        tcase_add_test(t, meanwhile);
        tcase_add_test(t, in_turn);
        tcase_add_test(t, freed);
}

int main(void) {
        return unit_main("engine_walk", fill);
}
