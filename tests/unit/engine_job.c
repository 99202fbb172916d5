/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/dispatch/job.h"

#include "unit.h"

/* Which parsed jobs are kept in memory: a tenant with a backlog leaves room for others. */

#define JOBS 6000

typedef struct Backlog {
        size_t n; /* kept, as the room of tenants counts */
        size_t n_jobs;
        Job *jobs[JOBS];
} Backlog;

static bool keep(Specs *specs, Backlog *b, bool must) {
        Job *job = job_new(1);
        TqJobSpec spec = {};

        ck_assert_ptr_nonnull(job);
        ck_assert_int_eq(job_keep_spec(job, specs, &b->n, &spec, must), 0);
        b->jobs[b->n_jobs++] = job;
        return job->spec != NULL;
}

static Backlog *backlog(Specs *specs, size_t n) {
        Backlog *b = calloc(1, sizeof(*b));

        ck_assert_ptr_nonnull(b);
        while (n-- > 0)
                (void)keep(specs, b, false);
        return b;
}

static void done(Backlog *b) {
        while (b->n_jobs > 0)
                ck_assert_ptr_null(job_free(b->jobs[--b->n_jobs]));
        ck_assert_uint_eq(b->n, 0);
        free(b);
}

START_TEST(one_keeps_half) {
        Specs specs = {};
        Backlog *a = backlog(&specs, JOBS / 2), *b;

        ck_assert_uint_eq(a->n, SPECS_MAX / 2);
        b = backlog(&specs, 10);
        ck_assert_uint_eq(b->n, 10);
        ck_assert(!keep(&specs, a, false));
        ck_assert(keep(&specs, a, true));
        ck_assert_uint_eq(specs.n, SPECS_MAX / 2 + 11);
        done(a);
        done(b);
        ck_assert_uint_eq(specs.n, 0);
}
END_TEST

/* As long as they start jobs, those who came first come down to what the others have. */
START_TEST(shares_meet) {
        Specs specs = {};
        Backlog *a = backlog(&specs, JOBS / 2), *b = backlog(&specs, JOBS / 2);

        ck_assert_uint_eq(b->n, SPECS_MAX / 4);
        for (size_t i = 0; i < SPECS_MAX; i++) {
                job_drop_spec(a->jobs[i % a->n_jobs]);
                job_drop_spec(b->jobs[i % b->n_jobs]);
                (void)keep(&specs, a, false);
                (void)keep(&specs, b, false);
                if (a->n_jobs == JOBS)
                        break;
        }
        ck_assert_uint_le(a->n, SPECS_MAX / 3 + 2);
        ck_assert_uint_le(b->n, SPECS_MAX / 3 + 2);
        ck_assert(specs.n <= SPECS_MAX);
        done(a);
        done(b);
}
END_TEST

/* Never more than all, but for those that must; a stranger's count somewhere too. */
START_TEST(bounded) {
        Backlog *all[100];
        Specs specs = {};
        Job *stranger = job_new(1);
        TqJobSpec spec = {};

        ck_assert_int_eq(job_keep_spec(stranger, &specs, NULL, &spec, false), 0);
        ck_assert_uint_eq(specs.n_strangers, 1);
        for (size_t i = 0; i < TQ_ELEMENTSOF(all); i++) {
                all[i] = backlog(&specs, JOBS / 2);
                ck_assert_uint_le(specs.n, SPECS_MAX);
        }
        for (size_t i = 0; i < SPECS_MAX / 4; i++)
                (void)keep(&specs, all[0], true);
        ck_assert_uint_gt(specs.n, SPECS_MAX);
        ck_assert(!keep(&specs, all[99], false));
        for (size_t i = 0; i < TQ_ELEMENTSOF(all); i++)
                done(all[i]);
        ck_assert_ptr_null(job_free(stranger));
        ck_assert_uint_eq(specs.n + specs.n_strangers, 0);
}
END_TEST

static void fill(Suite *s) {
        TCase *t = unit_case(s, "specs");

        tcase_add_test(t, one_keeps_half);
        tcase_add_test(t, shares_meet);
        tcase_add_test(t, bounded);
}

int main(void) {
        return unit_main("engine_job", fill);
}
