/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/dispatch/job.h"

#include <fcntl.h>
#include <signal.h>

#include "unit.h"

/* Which parsed jobs are kept in memory: a tenant with a backlog leaves room for others. */

#define JOBS 6000

typedef struct Backlog {
        Shares shares; /* kept, as the room of tenants counts */
        size_t n_jobs;
        Job *jobs[JOBS];
} Backlog;

static bool keep(Specs *specs, Backlog *b, bool must) {
        Job *job = job_new(1, specs, &b->shares);
        TqJobSpec spec = {};

        ck_assert_ptr_nonnull(job);
        ck_assert_int_eq(job_keep_spec(job, &spec, must), 0);
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
        ck_assert_uint_eq(b->shares.specs, 0);
        free(b);
}

START_TEST(one_keeps_half) {
        Specs specs = {};
        Backlog *a = backlog(&specs, JOBS / 2), *b;

        ck_assert_uint_eq(a->shares.specs, SPECS_MAX / 2);
        b = backlog(&specs, 10);
        ck_assert_uint_eq(b->shares.specs, 10);
        ck_assert(!keep(&specs, a, false));
        ck_assert(keep(&specs, a, true));
        ck_assert_uint_eq(specs.all.specs, SPECS_MAX / 2 + 11);
        done(a);
        done(b);
        ck_assert_uint_eq(specs.all.specs, 0);
}
END_TEST

/* As long as they start jobs, those who came first come down to what the others have. */
START_TEST(shares_meet) {
        Specs specs = {};
        Backlog *a = backlog(&specs, JOBS / 2), *b = backlog(&specs, JOBS / 2);

        ck_assert_uint_eq(b->shares.specs, SPECS_MAX / 4);
        for (size_t i = 0; i < SPECS_MAX; i++) {
                job_drop_spec(a->jobs[i % a->n_jobs]);
                job_drop_spec(b->jobs[i % b->n_jobs]);
                (void)keep(&specs, a, false);
                (void)keep(&specs, b, false);
                if (a->n_jobs == JOBS)
                        break;
        }
        ck_assert_uint_le(a->shares.specs, SPECS_MAX / 3 + 2);
        ck_assert_uint_le(b->shares.specs, SPECS_MAX / 3 + 2);
        ck_assert(specs.all.specs <= SPECS_MAX);
        done(a);
        done(b);
}
END_TEST

/* Never more than all, but for those that must; a stranger's count somewhere too. */
START_TEST(bounded) {
        Backlog *all[100];
        Specs specs = {};
        Job *stranger = job_new(1, &specs, NULL);
        TqJobSpec spec = {};

        ck_assert_int_eq(job_keep_spec(stranger, &spec, false), 0);
        ck_assert_uint_eq(specs.strangers.specs, 1);
        for (size_t i = 0; i < TQ_ELEMENTSOF(all); i++) {
                all[i] = backlog(&specs, JOBS / 2);
                ck_assert_uint_le(specs.all.specs, SPECS_MAX);
        }
        for (size_t i = 0; i < SPECS_MAX / 4; i++)
                (void)keep(&specs, all[0], true);
        ck_assert_uint_gt(specs.all.specs, SPECS_MAX);
        ck_assert(!keep(&specs, all[99], false));
        for (size_t i = 0; i < TQ_ELEMENTSOF(all); i++)
                done(all[i]);
        ck_assert_ptr_null(job_free(stranger));
        ck_assert_uint_eq(specs.all.specs + specs.strangers.specs, 0);
}
END_TEST

/* Pipes: copies that go with the job; one tenant's leave room for another's. */
START_TEST(inputs) {
        int fds[2], n = 0;
        Specs specs = {};
        Shares one = {}, other = {};
        Job *jobs[INPUTS_MAX], *late = job_new(1, &specs, &other);
        char byte;

        ck_assert_int_eq(pipe2(fds, O_NONBLOCK), 0);
        ck_assert_int_lt(late->input_fd, 0);
        for (int r = 0; r == 0; n += r == 0) {
                jobs[n] = job_new(2, &specs, &one);
                r = job_keep_input(jobs[n], fds[0]);
                ck_assert(r == 0 || r == -EBUSY);
                ck_assert_int_eq(jobs[n]->had_input, r == 0);
        }
        ck_assert_ptr_null(job_free(jobs[n]));
        ck_assert_int_eq(n, INPUTS_MAX / 2);
        ck_assert_int_eq(job_keep_input(late, fds[0]), 0);
        ck_assert_uint_eq(other.inputs, 1);
        ck_assert_uint_eq(specs.all.inputs, INPUTS_MAX / 2 + 1);

        (void)close(fds[0]);
        ck_assert_int_eq(write(fds[1], "x", 1), 1);
        ck_assert_int_eq(read(late->input_fd, &byte, 1), 1);
        job_drop_input(late);
        job_drop_input(late);
        ck_assert(late->had_input);
        while (n > 0)
                ck_assert_ptr_null(job_free(jobs[--n]));
        ck_assert_ptr_null(job_free(late));
        ck_assert_uint_eq(specs.all.inputs + one.inputs + other.inputs, 0);
        (void)signal(SIGPIPE, SIG_IGN);
        ck_assert_int_lt(write(fds[1], "x", 1), 0); /* no copy is left */
        (void)close(fds[1]);
}
END_TEST

static void fill(Suite *s) {
        TCase *t = unit_case(s, "specs");

        tcase_add_test(t, one_keeps_half);
        tcase_add_test(t, shares_meet);
        tcase_add_test(t, bounded);
        tcase_add_test(t, inputs);
}

int main(void) {
        return unit_main("engine_job", fill);
}
