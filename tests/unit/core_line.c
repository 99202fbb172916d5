/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/line.h"

#include "core/scheduler.h"
#include "unit.h"

#define JOBS 120

static TqJob *job_new(uint64_t sequence, int priority, bool is_short) {
        TqJob *job = calloc(1, sizeof(*job));

        ck_assert_ptr_nonnull(job);
        job->sequence = sequence;
        job->priority = priority;
        job->is_short = is_short;
        tq_list_init(&job->waiting);
        return job;
}

static size_t count_levels(const TqLine *l) {
        size_t n = 0;

        for (const TqList *node = l->levels.next; node != &l->levels; node = node->next)
                n++;
        return n;
}

START_TEST(empty) {
        TqJob *job = job_new(1, 0, false);
        TqLine l;

        tq_line_init(&l);
        ck_assert_uint_eq(l.size, 0);
        ck_assert_ptr_null(tq_line_first(&l, false));
        ck_assert_ptr_null(tq_line_first(&l, true));
        tq_line_remove(&l, job); /* in no line: nothing */
        ck_assert_uint_eq(l.size, 0);
        ck_assert_int_eq(tq_line_insert(&l, job), 0);
        ck_assert_ptr_eq(tq_line_first(&l, false), job);
        ck_assert_ptr_null(tq_line_first(&l, true)); /* it is long */
        ck_assert_uint_eq(tq_line_position(&l, job, 10), 0);
        tq_line_remove(&l, job);
        tq_line_remove(&l, job);
        ck_assert_uint_eq(l.size, 0);
        ck_assert(!job->is_in_line);
        tq_line_done(&l);
        free(job);
}
END_TEST

/* Priority first, then the sequence; whether it is short only matters where that is asked. */
START_TEST(order) {
        static const struct {
                uint64_t sequence;
                int priority;
                bool is_short;
        } rows[] = { { 5, 0, false }, { 1, 0, true },    { 3, 100, false }, { 2, -100, true },
                     { 4, 0, true },  { 7, 100, false }, { 6, 100, true },  { 8, -1, false } };
        static const uint64_t all[] = { 3, 6, 7, 1, 4, 5, 8, 2 }, fast[] = { 6, 1, 4, 2 };
        TqJob *jobs[TQ_ELEMENTSOF(rows)];
        TqLine l;

        tq_line_init(&l);
        for (size_t i = 0; i < TQ_ELEMENTSOF(rows); i++) {
                jobs[i] = job_new(rows[i].sequence, rows[i].priority, rows[i].is_short);
                ck_assert_int_eq(tq_line_insert(&l, jobs[i]), 0);
        }
        ck_assert_uint_eq(count_levels(&l), 4);
        for (size_t i = 0; i < TQ_ELEMENTSOF(rows); i++)
                for (size_t k = 0; k < TQ_ELEMENTSOF(all); k++)
                        if (all[k] == jobs[i]->sequence)
                                ck_assert_uint_eq(tq_line_position(&l, jobs[i], 100), k);
        ck_assert_uint_eq(tq_line_position(&l, jobs[3], 3), 3); /* counts no further */
        ck_assert_uint_eq(tq_line_position(&l, jobs[3], 0), 0);
        for (size_t k = 0; k < TQ_ELEMENTSOF(fast); k++) {
                TqJob *first = tq_line_first(&l, true);

                ck_assert_uint_eq(first->sequence, fast[k]);
                tq_line_remove(&l, first);
        }
        ck_assert_ptr_null(tq_line_first(&l, true));
        for (size_t k = 0; k < TQ_ELEMENTSOF(all); k++) {
                TqJob *first = tq_line_first(&l, false);

                if (first && first->sequence == all[k])
                        tq_line_remove(&l, first);
        }
        ck_assert_uint_eq(l.size, 0);
        ck_assert_uint_eq(count_levels(&l), 1); /* the usual one stays */
        tq_line_done(&l);
        for (size_t i = 0; i < TQ_ELEMENTSOF(rows); i++)
                free(jobs[i]);
}
END_TEST

/* The levels that are left are freed, the jobs are not its own. */
START_TEST(done_with_levels) {
        TqJob *jobs[5];
        TqLine l;

        tq_line_init(&l);
        for (int i = 0; i < 5; i++) {
                jobs[i] = job_new((uint64_t)i + 1, i - 2, false);
                ck_assert_int_eq(tq_line_insert(&l, jobs[i]), 0);
        }
        tq_line_done(&l);
        for (int i = 0; i < 5; i++)
                free(jobs[i]);
}
END_TEST

static bool comes_before(const TqJob *a, const TqJob *b) {
        return a->priority != b->priority ? a->priority > b->priority : a->sequence < b->sequence;
}

static void check_line(const TqLine *l, TqJob *const jobs[JOBS]) {
        const TqJob *first[2] = {}, *head[JOBS];
        uint64_t size = 0;

        for (size_t i = 0; i < JOBS; i++) {
                uint64_t before = 0;

                if (!jobs[i]->is_in_line)
                        continue;
                size++;
                for (size_t k = 0; k < JOBS; k++)
                        before += jobs[k]->is_in_line && comes_before(jobs[k], jobs[i]);
                unit_must(tq_line_position(l, jobs[i], 1000) == before, "position");
                unit_must(tq_line_position(l, jobs[i], 7) == TQ_MIN(before, UINT64_C(7)), "most");
                for (int k = 0; k < 2; k++)
                        if ((k == 0 || jobs[i]->is_short) &&
                            (!first[k] || comes_before(jobs[i], first[k])))
                                first[k] = jobs[i];
        }
        unit_must(l->size == size, "size");
        for (size_t max = 7; max <= JOBS; max += JOBS - 7) {
                size_t n = tq_line_head(l, max, head);

                unit_must(n == TQ_MIN(size, (uint64_t)max), "how many are first");
                for (size_t i = 0; i < n; i++)
                        unit_must(tq_line_position(l, head[i], 1000) == i, "first ones");
        }
        unit_must(tq_line_first(l, false) == first[0], "first");
        unit_must(tq_line_first(l, true) == first[1], "first short");
}

/* Jobs come and go; some come back to where they were. */
START_TEST(against_a_walk) {
        uint64_t random = 4711 + (uint64_t)_i, sequence = 0;
        TqJob *jobs[JOBS];
        TqLine l;

        tq_line_init(&l);
        for (size_t i = 0; i < JOBS; i++)
                jobs[i] = job_new(0, 0, false);
        for (int step = 0; step < 2000; step++) {
                TqJob *job = jobs[unit_random(&random) % JOBS];

                if (job->is_in_line)
                        tq_line_remove(&l, job);
                else {
                        if (job->sequence == 0 || unit_random(&random) % 3 > 0) {
                                job->sequence = ++sequence;
                                job->priority = (int)(unit_random(&random) % 5) - 2;
                                job->is_short = unit_random(&random) % 2;
                        }
                        ck_assert_int_eq(tq_line_insert(&l, job), 0);
                }
                check_line(&l, jobs);
        }
        tq_line_done(&l);
        for (size_t i = 0; i < JOBS; i++)
                free(jobs[i]);
}
END_TEST

/* Very many that come last, and one that comes back to the front: none of it takes a walk. */
START_TEST(many) {
        enum { MANY = 300000 };
        TqJob *jobs = calloc(MANY, sizeof(*jobs));
        TqLine l;

        tq_line_init(&l);
        for (uint64_t i = 0; i < MANY; i++) {
                jobs[i].sequence = i + 1;
                tq_list_init(&jobs[i].waiting);
                ck_assert_int_eq(tq_line_insert(&l, &jobs[i]), 0);
        }
        for (uint64_t i = 0; i < MANY; i++) {
                TqJob *first = tq_line_first(&l, false);

                unit_must(first->sequence == i / 2 + 1, "order");
                tq_line_remove(&l, first);
                if (i % 2 == 0)
                        unit_must(tq_line_insert(&l, first) == 0, "no memory");
        }
        ck_assert_uint_eq(l.size, MANY / 2);
        tq_line_done(&l);
        free(jobs);
}
END_TEST

static TqJob *jobs_in_order(TqLine *l, uint64_t n) {
        TqJob *jobs = calloc(n, sizeof(*jobs));

        ck_assert_ptr_nonnull(jobs);
        tq_line_init(l);
        for (uint64_t i = 0; i < n; i++) {
                jobs[i].sequence = i + 1;
                jobs[i].is_short = i % 7 == 0;
                tq_list_init(&jobs[i].waiting);
                ck_assert_int_eq(tq_line_insert(l, &jobs[i]), 0);
        }
        return jobs;
}

static void take_all(TqLine *l) {
        uint64_t last = 0;
        TqJob *first;

        while ((first = tq_line_first(l, false))) {
                unit_must(first->sequence > last, "order");
                last = first->sequence;
                tq_line_remove(l, first);
        }
        ck_assert_uint_eq(l->size, 0);
        tq_line_done(l);
}

/* All but the last were taken out, and come back in some order: to places between others, far from
 * both ends. None of it takes a walk. */
START_TEST(many_come_back) {
        enum { MANY = 300000, STEP = 7919 /* prime, so that each is met once */ };
        uint64_t step = _i == 0 ? 1 : _i == 1 ? MANY / 2 - 1 : STEP, at = 0;
        TqLine l;
        TqJob *jobs = jobs_in_order(&l, MANY), *last = &jobs[MANY - 1];
        const TqJob *head[500];

        for (uint64_t i = 0; i < MANY / 2; i++)
                tq_line_remove(&l, &jobs[i]);
        for (uint64_t i = 0; i < MANY / 2; i++, at = (at + step) % (MANY / 2))
                unit_must(tq_line_insert(&l, &jobs[at]) == 0, "no memory");
        ck_assert_uint_eq(tq_line_position(&l, last, MANY), MANY - 1);
        ck_assert_uint_eq(tq_line_position(&l, &jobs[MANY / 4], MANY), MANY / 4);
        ck_assert_uint_eq(tq_line_head(&l, TQ_ELEMENTSOF(head), head), TQ_ELEMENTSOF(head));
        for (uint64_t i = 0; i < TQ_ELEMENTSOF(head); i++)
                ck_assert_ptr_eq(head[i], &jobs[i]);
        /* Some leave from between the others once more. */
        for (uint64_t i = 0; i < MANY; i += 3)
                tq_line_remove(&l, &jobs[i]);
        ck_assert_uint_eq(tq_line_position(&l, last, MANY), MANY - 1 - MANY / 3);
        take_all(&l);
        free(jobs);
}
END_TEST

/* What is short is another thing than it was, also for those who came back. */
START_TEST(other_lanes) {
        enum { MANY = 1000 };
        TqLine l;
        TqJob *jobs = jobs_in_order(&l, MANY);
        const TqJob *head[MANY + 10];
        uint64_t last = 0;

        for (uint64_t i = 100; i < 200; i++)
                tq_line_remove(&l, &jobs[i]);
        for (uint64_t i = 100; i < 200; i++)
                ck_assert_int_eq(tq_line_insert(&l, &jobs[i]), 0);
        for (uint64_t i = 0; i < MANY; i++)
                jobs[i].is_short = i % 3 == 0;
        tq_line_sort_lanes(&l);
        ck_assert_uint_eq(l.size, MANY);
        for (size_t max = 0; max < TQ_ELEMENTSOF(head); max += 97) {
                ck_assert_uint_eq(tq_line_head(&l, max, head), TQ_MIN(max, (size_t)MANY));
                for (size_t i = 0; i < TQ_MIN(max, (size_t)MANY); i++)
                        ck_assert_ptr_eq(head[i], &jobs[i]);
        }
        for (uint64_t i = 0; i < MANY; i += 3) {
                TqJob *first = tq_line_first(&l, true);

                unit_must(first && first->is_short && first->sequence > last, "short");
                last = first->sequence;
                tq_line_remove(&l, first);
        }
        ck_assert_ptr_null(tq_line_first(&l, true));
        take_all(&l);
        free(jobs);
}
END_TEST

static void fill(Suite *s) {
        TCase *tcase = unit_case(s, "line");

        tcase_add_test(tcase, empty);
        tcase_add_test(tcase, order);
        tcase_add_test(tcase, done_with_levels);
        tcase_add_loop_test(tcase, against_a_walk, 0, 4);
        tcase_add_test(tcase, many);
        tcase_add_loop_test(tcase, many_come_back, 0, 3);
        tcase_add_test(tcase, other_lanes);
}

int main(void) {
        return unit_main("core/line", fill);
}
