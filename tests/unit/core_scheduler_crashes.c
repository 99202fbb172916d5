/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <signal.h>

#include "core_scheduler.h"

/* Launches that crash: tried again, later each time; the job is held if it is the job, and no job
 * is if it is all of them. */

static void launch(World *w, uint64_t job) {
        must_step(w, (TqEvent){ .type = TQ_EVENT_SPAWNED,
                                .job = job,
                                .attempt = tq_scheduler_job(w->s, job)->attempt });
        w->actions.n = 0;
}

static void ends(World *w, uint64_t job, TqEnd end) {
        w->actions.n = 0;
        must_step(w, (TqEvent){ .type = TQ_EVENT_ENDED,
                                .job = job,
                                .attempt = tq_scheduler_job(w->s, job)->attempt,
                                .end = &end });
}

static void crash(World *w, uint64_t job, int sig) {
        ends(w, job, (TqEnd){ .kind = TQ_END_CRASHED, .code = sig });
}

/* Another job of tenant 2 is launched now, and gets as far as its program. */
static void another_works(World *w, uint64_t job) {
        submit(w, 2, job);
        launch(w, job);
        ends(w, job, (TqEnd){ .kind = TQ_END_EXITED });
        w->actions.n = 0;
}

static World crashing(void) {
        World w = world_new();

        tenant_of(&w, 1, "5");
        tenant_of(&w, 2, "5");
        open_world(&w);
        submit(&w, 1, 1);
        w.actions.n = 0;
        return w;
}

/* The second time, where others get further. */
START_TEST(held) {
        WORLD w = crashing();

        launch(&w, 1);
        crash(&w, 1, SIGSEGV);
        expect_attempts(&w, "requeue 1.1");
        ck_assert_int_eq(why(&w, 1), TQ_WAIT_LAUNCH_RETRY);
        ck_assert_uint_eq(tq_scheduler_next_deadline(w.s), w.now + SEC);
        tick(&w, SEC / 2);
        another_works(&w, 2);
        tick(&w, SEC / 2);
        expect_attempts(&w, "start 1.2");
        launch(&w, 1);
        crash(&w, 1, SIGSEGV);
        ck_assert_uint_eq(w.actions.n, 1);
        ck_assert_int_eq(w.actions.items[0].type, TQ_ACTION_REQUEUE);
        ck_assert(w.actions.items[0].is_quarantined);
        ck_assert_int_eq(w.actions.items[0].verdict.code, SIGSEGV);
        ck_assert_int_eq(state_of(&w, 1), TQ_JOB_HELD);
        ck_assert_int_eq(why(&w, 1), TQ_WAIT_HELD);
        ck_assert_uint_eq(tq_scheduler_next_deadline(w.s), TQ_NEVER);
        ck_assert_uint_eq(tq_scheduler_tenant(w.s, 1)->running, 0);
        w.actions.n = 0;
        tick(&w, 3600 * SEC);
        expect_attempts(&w, "");
        /* Released it begins anew: it has its two times again. */
        ck_assert_int_eq(say_of(&w, TQ_EVENT_RELEASE, 1, 0), 0);
        expect_attempts(&w, "start 1.3");
        launch(&w, 1);
        crash(&w, 1, SIGSEGV);
        ck_assert(!w.actions.items[0].is_quarantined);
        ck_assert_uint_eq(tq_scheduler_next_deadline(w.s), w.now + SEC);
}
END_TEST

/* At its barrier, or before SPAWNED was heard: the number stays. */
START_TEST(before_it_is_recorded) {
        WORLD w = crashing();

        crash(&w, 1, SIGILL);
        expect_attempts(&w, "requeue 1.1");
        another_works(&w, 2);
        tick(&w, SEC);
        expect_attempts(&w, "start 1.1");
        another_works(&w, 3);
        crash(&w, 1, SIGILL);
        ck_assert(w.actions.items[0].is_quarantined);
}
END_TEST

/* tenantq-exec is broken: all wait, and none is held for it. */
START_TEST(all_crash) {
        WORLD w = crashing();

        submit(&w, 2, 2);
        w.actions.n = 0;
        for (unsigned i = 0; i < 12; i++) {
                uint64_t delay = TQ_MIN((UINT64_C(1) << TQ_MIN(i, 6U)) * SEC, 60 * SEC);

                for (uint64_t job = 1; job <= 2; job++) {
                        launch(&w, job);
                        crash(&w, job, SIGSEGV);
                        ck_assert(!w.actions.items[0].is_quarantined);
                        ck_assert_int_eq(why(&w, job), TQ_WAIT_LAUNCH_RETRY);
                }
                ck_assert_uint_eq(tq_scheduler_next_deadline(w.s), w.now + delay);
                w.actions.n = 0;
                tick(&w, delay - 1);
                expect_attempts(&w, "");
                tick(&w, 1);
                ck_assert_uint_eq(w.actions.n, 2);
        }
        /* Mended: both run. */
        for (uint64_t job = 1; job <= 2; job++) {
                launch(&w, job);
                ends(&w, job, (TqEnd){ .kind = TQ_END_EXITED });
                ck_assert_int_eq(w.actions.items[0].type, TQ_ACTION_FINISH);
        }
}
END_TEST

/* What was launched before the first crash, by a tenantq-exec that may have been another one, says
 * nothing, whenever it ends; nor does one of the same instant. */
START_TEST(others_were_before) {
        WORLD w = crashing();

        submit(&w, 2, 2);
        launch(&w, 2);
        launch(&w, 1);
        crash(&w, 1, SIGSEGV);
        tick(&w, SEC);
        ends(&w, 2, (TqEnd){ .kind = TQ_END_EXITED });
        launch(&w, 1);
        crash(&w, 1, SIGSEGV);
        ck_assert(!w.actions.items[0].is_quarantined);
        /* Nor one that did not get that far. */
        tick(&w, SEC);
        submit(&w, 2, 3);
        launch(&w, 3);
        ends(&w, 3, (TqEnd){ .kind = TQ_END_SPAWN_FAILED, .stage = TQ_STAGE_EXEC });
        tick(&w, SEC);
        launch(&w, 1);
        crash(&w, 1, SIGSEGV);
        ck_assert(!w.actions.items[0].is_quarantined);
        another_works(&w, 4);
        tick(&w, 4 * SEC);
        launch(&w, 1);
        crash(&w, 1, SIGSEGV);
        ck_assert(w.actions.items[0].is_quarantined);
}
END_TEST

/* It may be what root has configured for the tenant: others' jobs say nothing about that, and its
 * own do. */
START_TEST(all_of_a_tenant) {
        WORLD w = crashing();

        submit(&w, 1, 2);
        for (unsigned i = 0; i < 4; i++) {
                for (uint64_t job = 1; job <= 2; job++) {
                        launch(&w, job);
                        crash(&w, job, SIGSEGV);
                        ck_assert(!w.actions.items[0].is_quarantined);
                        tick(&w, 1);
                        another_works(&w, 100 + 2 * i + job);
                }
                tick(&w, 60 * SEC);
        }
        submit(&w, 1, 3);
        launch(&w, 3);
        ends(&w, 3, (TqEnd){ .kind = TQ_END_EXITED });
        for (uint64_t job = 1; job <= 2; job++) {
                launch(&w, job);
                crash(&w, job, SIGSEGV);
                ck_assert(w.actions.items[0].is_quarantined);
        }
}
END_TEST

/* What crashed before its first time is another matter. */
START_TEST(crashes_of_before) {
        WORLD w = crashing();

        submit(&w, 1, 2);
        launch(&w, 1);
        crash(&w, 1, SIGSEGV);
        ck_assert_int_eq(say_of(&w, TQ_EVENT_CANCEL, 1, 0), 0);
        tick(&w, 1);
        launch(&w, 2);
        crash(&w, 2, SIGSEGV);
        tick(&w, 1);
        another_works(&w, 3);
        tick(&w, SEC);
        launch(&w, 2);
        crash(&w, 2, SIGSEGV);
        ck_assert(w.actions.items[0].is_quarantined);
}
END_TEST

/* SIGKILL is somebody's, or the host's for memory: tried again for ever. */
START_TEST(killed) {
        TqEnd tenants = { .kind = TQ_END_CRASHED,
                          .code = SIGKILL,
                          .oom_level = TQ_LEVEL_TENANT,
                          .counters = { .oom_kills = 1 } };
        WORLD w = crashing();

        for (unsigned i = 0; i < 10; i++) {
                launch(&w, 1);
                if (i % 2)
                        crash(&w, 1, SIGKILL);
                else
                        ends(&w, 1, tenants);
                ck_assert_int_eq(w.actions.items[0].type, TQ_ACTION_REQUEUE);
                ck_assert(!w.actions.items[0].is_quarantined);
                another_works(&w, 100 + i);
                tick(&w, 60 * SEC);
        }
}
END_TEST

/* Its own limit of memory is too tight for its launch: a few times, then that is its verdict. */
START_TEST(own_memory) {
        TqEnd own = { .kind = TQ_END_CRASHED,
                      .code = SIGKILL,
                      .oom_level = TQ_LEVEL_JOB,
                      .counters = { .oom_kills = 1 } };
        WORLD w = crashing();

        for (unsigned i = 0; i < 4; i++) {
                launch(&w, 1);
                ends(&w, 1, own);
                ck_assert_int_eq(w.actions.items[0].type, TQ_ACTION_REQUEUE);
                ck_assert_uint_eq(tq_scheduler_next_deadline(w.s), w.now + (SEC << i));
                tick(&w, SEC << i);
        }
        launch(&w, 1);
        ends(&w, 1, own);
        expect_attempts(&w, "finish 1.5 (oom (job))");
}
END_TEST

/* Cancelled meanwhile, it is over. */
START_TEST(cancelled) {
        WORLD w = crashing();

        ck_assert_int_eq(say_of(&w, TQ_EVENT_CANCEL, 1, 0), 0);
        w.actions.n = 0;
        crash(&w, 1, SIGSEGV);
        expect_attempts(&w, "finish 1.1 (cancelled)");
}
END_TEST

static void fill(Suite *s) {
        TCase *c = unit_case(s, "crashes");

        tcase_add_test(c, held);
        tcase_add_test(c, before_it_is_recorded);
        tcase_add_test(c, all_crash);
        tcase_add_test(c, others_were_before);
        tcase_add_test(c, all_of_a_tenant);
        tcase_add_test(c, crashes_of_before);
        tcase_add_test(c, killed);
        tcase_add_test(c, own_memory);
        tcase_add_test(c, cancelled);
}

int main(void) {
        return unit_main("core/scheduler crashes", fill);
}
