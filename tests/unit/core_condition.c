/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <time.h>

#include "world.h"

/* After=: who waits for whom, and what becomes of those whose wait is in vain. */

static TqEvent after(uint32_t id, uint64_t job, const TqAfter *conditions, size_t n) {
        TqEvent e = submission(id, job);

        e.j.after = conditions;
        e.j.n_after = n;
        return e;
}

static void submit_after(World *w, uint32_t id, uint64_t job, uint64_t other) {
        must_step(w, after(id, job, &(TqAfter){ .job = other }, 1));
}

static void submit_named(World *w, uint32_t id, uint64_t job, const char *name) {
        TqEvent e = submission(id, job);

        e.j.name = tq_scheduler_name(name);
        must_step(w, e);
}

static int settle(World *w, uint64_t job, TqAfter what, bool is_met) {
        return step(w, (TqEvent){ .type = TQ_EVENT_AFTER,
                                  .job = job,
                                  .attempt = 1,
                                  .after = what,
                                  .is_met = is_met });
}

static World world_with(const char *limits_text) {
        World w = world_new();

        tenant(&w, 1, limits_text);
        tenant(&w, 2, limits_text);
        open_world(&w);
        return w;
}

START_TEST(by_id) {
        WORLD w = world_with("concurrency=max");

        submit(&w, 1, 1);
        submit_after(&w, 1, 2, 1);
        expect(&w, "start 1");
        ck_assert_int_eq(state_of(&w, 2), TQ_JOB_SCHEDULED);
        expect_reasons(&w, 2, "after");
        ck_assert_uint_eq(reason_of(&w, 2, TQ_WAIT_AFTER).job, 1);
        ck_assert_uint_eq(reason_of(&w, 2, TQ_WAIT_AFTER).current, 0);
        ck_assert_uint_eq(reason_of(&w, 2, TQ_WAIT_AFTER).maximum, 1);
        ck_assert_uint_eq(tq_scheduler_tenant(w.s, 1)->waiting.scheduled, 1);
        ck_assert_uint_eq(tq_scheduler_next_deadline(w.s), TQ_NEVER);
        tick(&w, 1000 * SEC);
        expect(&w, "");
        end(&w, 1, 0);
        expect(&w, "finish 1 (exit 0), start 2");
        ck_assert_uint_eq(tq_scheduler_tenant(w.s, 1)->waiting.scheduled, 0);
}
END_TEST

/* How it ends, and whether that is well. */
static const struct {
        TqEndKind kind;
        int code;
        const char *want;
} end_rows[] = {
        { TQ_END_EXITED, 0, "finish 1 (exit 0), start 2" },
        { TQ_END_EXITED, 1, "finish 1 (exit 1), finish 2 (dependency)" },
        { TQ_END_SIGNALED, 9, "finish 1 (signal 9 (KILL)), finish 2 (dependency)" },
        { TQ_END_UNKNOWN, 0, "finish 1 (lost), finish 2 (dependency)" },
        { TQ_END_NEVER_STARTED, 0, "requeue 1, start 1" }, /* it has not ended */
};

START_TEST(ends) {
        TqEnd e = { .kind = end_rows[_i].kind, .code = end_rows[_i].code };
        WORLD w = world_with("concurrency=max");

        submit(&w, 1, 1);
        submit_after(&w, 1, 2, 1);
        expect(&w, "start 1");
        ck_assert_int_eq(end_with(&w, 1, &e), 0);
        expect(&w, end_rows[_i].want);
        ck_assert_uint_eq(tq_scheduler_tenant(w.s, 1)->waiting.scheduled,
                          e.kind == TQ_END_NEVER_STARTED);
}
END_TEST

START_TEST(cancelled) {
        WORLD w = world_with("concurrency=0");

        submit(&w, 1, 1);
        submit_after(&w, 1, 2, 1);
        submit_after(&w, 1, 3, 2);
        submit_after(&w, 1, 4, 2);
        ck_assert_int_eq(say(&w, TQ_EVENT_CANCEL, 2), 0);
        expect(&w, "finish 2 (cancelled), finish 3 (dependency), finish 4 (dependency)");
        ck_assert_int_eq(state_of(&w, 1), TQ_JOB_QUEUED);
        ck_assert_uint_eq(tq_scheduler_tenant(w.s, 1)->waiting.jobs, 1);
        /* Nobody waits for it any more. */
        ck_assert_int_eq(say(&w, TQ_EVENT_CANCEL, 1), 0);
        expect(&w, "finish 1 (cancelled)");
}
END_TEST

START_TEST(several) {
        const TqAfter three[] = { { .job = 1 }, { .job = 2 }, { .job = 3 } };
        WORLD w = world_with("concurrency=max");

        for (uint64_t job = 1; job <= 3; job++)
                submit(&w, 1, job);
        must_step(&w, after(1, 9, three, 3));
        w.actions.n = 0;
        ck_assert_uint_eq(reason_of(&w, 9, TQ_WAIT_AFTER).job, 1);
        end(&w, 1, 0);
        end(&w, 3, 0);
        expect(&w, "finish 1 (exit 0), finish 3 (exit 0)");
        ck_assert_uint_eq(reason_of(&w, 9, TQ_WAIT_AFTER).job, 2);
        ck_assert_uint_eq(reason_of(&w, 9, TQ_WAIT_AFTER).current, 2);
        ck_assert_uint_eq(reason_of(&w, 9, TQ_WAIT_AFTER).maximum, 3);
        end(&w, 2, 0);
        expect(&w, "finish 2 (exit 0), start 9");
}
END_TEST

/* One that fails is enough; what the others do is then nothing to it. */
START_TEST(one_of_several_fails) {
        const TqAfter three[] = { { .job = 1 }, { .job = 2 }, { .job = 1 } };
        WORLD w = world_with("concurrency=max");

        submit(&w, 1, 1);
        submit(&w, 1, 2);
        must_step(&w, after(1, 9, three, 3)); /* the same twice */
        w.actions.n = 0;
        end(&w, 1, 7);
        expect(&w, "finish 1 (exit 7), finish 9 (dependency)");
        end(&w, 2, 0);
        expect(&w, "finish 2 (exit 0)");
}
END_TEST

/* What the ledger says of a name that nobody has had: the next that comes is meant. */
static int nobody_has(World *w, uint64_t job, TqAfter what) {
        return step(w, (TqEvent){ .type = TQ_EVENT_AFTER,
                                  .job = job,
                                  .attempt = 1,
                                  .after = what,
                                  .is_none = true });
}

/* The first that comes, whichever ends first. */
START_TEST(by_name) {
        const TqAfter build = { .name = tq_scheduler_name("build") };
        WORLD w = world_with("concurrency=max");

        must_step(&w, after(1, 9, &build, 1));
        ck_assert_uint_eq(reason_of(&w, 9, TQ_WAIT_AFTER).job, 0);
        ck_assert_uint_eq(tq_scheduler_job(w.s, 9)->cold->after.items[0].after.name, build.name);
        ck_assert_int_eq(nobody_has(&w, 9, build), 0);
        submit_named(&w, 1, 11, "build");
        submit_named(&w, 1, 12, "build");
        submit_named(&w, 1, 13, "deploy");
        w.actions.n = 0;
        ck_assert_uint_eq(reason_of(&w, 9, TQ_WAIT_AFTER).job, 11);
        end(&w, 13, 0);
        expect(&w, "finish 13 (exit 0)");
        end(&w, 12, 1);
        expect(&w, "finish 12 (exit 1)");
        end(&w, 11, 0);
        expect(&w, "finish 11 (exit 0), start 9");
}
END_TEST

/* Before the ledger has answered no end says anything; one that came meanwhile is looked for. */
START_TEST(by_name_unresolved) {
        const TqAfter build = { .name = tq_scheduler_name("build") };
        WORLD w = world_with("concurrency=max");

        submit_named(&w, 1, 1, "build");
        must_step(&w, after(1, 9, &build, 1));
        submit_named(&w, 1, 11, "build");
        w.actions.n = 0;
        end(&w, 1, 1);
        end(&w, 11, 0);
        expect(&w, "finish 1 (exit 1), finish 11 (exit 0)");
        expect_reasons(&w, 9, "after");
        ck_assert_int_eq(nobody_has(&w, 9, build), -EAGAIN);
        ck_assert_int_eq(settle(&w, 9, build, true), 0);
        expect(&w, "start 9");
}
END_TEST

START_TEST(by_name_fails) {
        const TqAfter build = { .name = tq_scheduler_name("build") };
        WORLD w = world_with("concurrency=max");

        must_step(&w, after(1, 9, &build, 1));
        ck_assert_int_eq(nobody_has(&w, 9, build), 0);
        submit_named(&w, 1, 11, "build");
        w.actions.n = 0;
        end(&w, 11, 1);
        expect(&w, "finish 11 (exit 1), finish 9 (dependency)");
}
END_TEST

/* A name is its tenant's: others' jobs of that name say nothing, nor do they when they fail. */
START_TEST(names_are_apart) {
        const TqAfter build = { .name = tq_scheduler_name("build") };
        WORLD w = world_with("concurrency=max");

        for (uint64_t job = 8; job <= 10; job++) {
                must_step(&w, after(job == 9 ? 2 : 1, job, &build, 1));
                ck_assert_int_eq(nobody_has(&w, job, build), 0);
        }
        submit_named(&w, 1, 11, "build");
        submit_named(&w, 2, 12, "build");
        submit_named(&w, 2, 13, "build");
        w.actions.n = 0;
        end(&w, 12, 0);
        expect(&w, "finish 12 (exit 0), start 9");
        end(&w, 13, 1);
        expect(&w, "finish 13 (exit 1)");
        end(&w, 11, 0);
        expect(&w, "finish 11 (exit 0), start 8, start 10");
}
END_TEST

/* What had ended before the job came is said by an event. */
START_TEST(settled_by_event) {
        const TqAfter two[] = { { .job = 7 }, { .name = 77 } };
        WORLD w = world_with("concurrency=max");

        must_step(&w, after(1, 9, two, 2));
        must_step(&w, after(1, 10, two, 2));
        ck_assert_int_eq(settle(&w, 9, (TqAfter){ .job = 8 }, true), -ENOENT);
        ck_assert_int_eq(settle(&w, 8, two[0], true), -ENOENT);
        ck_assert_int_eq(settle(&w, 9, two[0], true), 0);
        ck_assert_int_eq(settle(&w, 9, two[0], true), -ENOENT); /* it is */
        expect(&w, "");
        ck_assert_uint_eq(reason_of(&w, 9, TQ_WAIT_AFTER).current, 1);
        ck_assert_int_eq(settle(&w, 9, two[1], true), 0);
        expect(&w, "start 9");
        ck_assert_int_eq(settle(&w, 10, two[1], false), 0);
        expect(&w, "finish 10 (dependency)");
}
END_TEST

/* A name turns out to be that of a job, for which it waits from then on. */
START_TEST(named_by_event) {
        const TqAfter build = { .name = tq_scheduler_name("build") };
        TqEvent e = { .type = TQ_EVENT_AFTER, .attempt = 1, .after = build, .instead = 1 };
        WORLD w = world_with("concurrency=max");

        submit(&w, 1, 1);
        submit_named(&w, 1, 2, "build");
        for (e.job = 8; e.job <= 9; e.job++) {
                must_step(&w, after(1, e.job, &build, 1));
                must_step(&w, e);
                ck_assert_int_eq(step(&w, e), -ENOENT); /* it no longer waits for the name */
        }
        w.actions.n = 0;
        end(&w, 2, 0);
        expect(&w, "finish 2 (exit 0)");
        expect_reasons(&w, 8, "after");
        ck_assert_uint_eq(reason_of(&w, 8, TQ_WAIT_AFTER).job, 1);
        ck_assert_int_eq(say(&w, TQ_EVENT_CANCEL, 9), 0);
        end(&w, 1, 0);
        expect(&w, "finish 9 (cancelled), finish 1 (exit 0), start 8");
}
END_TEST

/* Both its time and its condition must have come, in whichever order; then it joins at the end. */
START_TEST(with_a_time) {
        TqEvent e = after(1, 2, &(TqAfter){ .job = 1 }, 1);
        WORLD w = world_with("concurrency=1");

        submit(&w, 1, 1);
        e.j.not_before = w.now + 10 * SEC;
        must_step(&w, e);
        e.job = 3;
        e.j.not_before = w.now + 2 * SEC;
        must_step(&w, e);
        expect_reasons(&w, 2, "start-after, after, tenant-concurrency");
        tick(&w, 2 * SEC);
        expect_reasons(&w, 3, "after, tenant-concurrency");
        submit(&w, 1, 4);
        end(&w, 1, 0);
        expect(&w, "start 1, finish 1 (exit 0), start 4");
        ck_assert_int_eq(state_of(&w, 3), TQ_JOB_QUEUED);
        expect_reasons(&w, 2, "start-after, tenant-concurrency");
        end(&w, 4, 0);
        expect(&w, "finish 4 (exit 0), start 3");
        tick(&w, 8 * SEC);
        end(&w, 3, 0);
        expect(&w, "finish 3 (exit 0), start 2");
}
END_TEST

START_TEST(with_a_hold) {
        TqEvent e = after(1, 2, &(TqAfter){ .job = 1 }, 1);
        WORLD w = world_with("concurrency=max");

        submit(&w, 1, 1);
        e.j.is_held = true;
        must_step(&w, e);
        ck_assert_int_eq(state_of(&w, 2), TQ_JOB_SCHEDULED);
        expect_reasons(&w, 2, "held, after");
        end(&w, 1, 0);
        expect(&w, "start 1, finish 1 (exit 0)");
        ck_assert_int_eq(state_of(&w, 2), TQ_JOB_HELD);
        expect_reasons(&w, 2, "held");
        ck_assert_int_eq(say(&w, TQ_EVENT_RELEASE, 2), 0);
        expect(&w, "start 2");
}
END_TEST

/* The one that waits goes first: its conditions are forgotten. */
START_TEST(waiter_goes_first) {
        TqEvent e = after(1, 3, &(TqAfter){ .job = 1 }, 1);
        WORLD w = world_with("concurrency=max");

        submit(&w, 1, 1);
        submit_after(&w, 1, 2, 1);
        e.j.has_start_by = true;
        e.j.start_by = w.now + SEC;
        must_step(&w, e);
        ck_assert_int_eq(say(&w, TQ_EVENT_CANCEL, 2), 0);
        expect(&w, "start 1, finish 2 (cancelled)");
        tick(&w, SEC);
        expect(&w, "finish 3 (deadline)");
        end(&w, 1, 1);
        expect(&w, "finish 1 (exit 1)");
}
END_TEST

/* Who waits for itself waits until somebody cancels it. */
START_TEST(for_itself) {
        WORLD w = world_with("concurrency=max");

        submit_after(&w, 1, 1, 1);
        expect_reasons(&w, 1, "after");
        submit_after(&w, 1, 2, 3);
        submit_after(&w, 1, 3, 2);
        ck_assert_int_eq(say(&w, TQ_EVENT_CANCEL, 1), 0);
        expect(&w, "finish 1 (cancelled)");
        ck_assert_int_eq(say(&w, TQ_EVENT_CANCEL, 2), 0);
        expect(&w, "finish 2 (cancelled), finish 3 (dependency)");
        ck_assert_uint_eq(tq_scheduler_tenant(w.s, 1)->waiting.jobs, 0);
}
END_TEST

START_TEST(most_conditions) {
        enum { N = 64 };
        TqAfter all[N];
        WORLD w = world_with("concurrency=max");

        for (uint64_t i = 0; i < N; i++) {
                submit(&w, 1, i + 1);
                all[i] = (TqAfter){ .job = i + 1 };
        }
        must_step(&w, after(1, 1000, all, N));
        w.actions.n = 0;
        for (uint64_t i = 0; i < N; i++) {
                ck_assert_int_eq(state_of(&w, 1000), TQ_JOB_SCHEDULED);
                end(&w, N - i, 0);
        }
        ck_assert_int_eq(state_of(&w, 1000), TQ_JOB_STARTING);
}
END_TEST

#define MANY 100000

/* The steps that a crowd's fate is settled in, each bounded. */
static void settle_in_parts(World *w) {
        size_t n = w->actions.n;

        ck_assert_uint_le(n, TQ_STEP_MOST + 1);
        while (tq_scheduler_next_deadline(w->s) <= w->now) {
                tick(w, 0);
                unit_must(w->actions.n <= n + TQ_STEP_MOST, "%zu actions in a step",
                          w->actions.n - n);
                n = w->actions.n;
        }
        ck_assert_uint_eq(tq_scheduler_next_deadline(w->s), TQ_NEVER);
}

/* A chain of any length ends with its first one that fails, without recursion. */
START_TEST(long_chain) {
        WORLD w = world_with("concurrency=max");

        submit(&w, 1, 1);
        for (uint64_t job = 2; job <= MANY; job++)
                submit_after(&w, 1, job, job - 1);
        expect(&w, "start 1");
        end(&w, 1, 1);
        settle_in_parts(&w);
        ck_assert_uint_eq(w.actions.n, MANY);
        for (uint64_t i = 0; i < MANY; i++) {
                unit_must(w.actions.items[i].job == i + 1, "order");
                unit_must(w.actions.items[i].type == TQ_ACTION_FINISH, "action");
                unit_must(i == 0 || w.actions.items[i].verdict.outcome == TQ_OUTCOME_DEPENDENCY,
                          "outcome");
        }
        ck_assert_uint_eq(tq_scheduler_tenant(w.s, 1)->waiting.jobs, 0);
        ck_assert_uint_eq(tq_scheduler_tenant(w.s, 1)->n_queues, 0);
}
END_TEST

/* What is meant by a job that has not ended, whether it is met or not, is known to be. */
START_TEST(named) {
        WORLD w = world_with("concurrency=max");

        submit(&w, 1, 1);
        submit_after(&w, 1, 2, 1);
        submit_after(&w, 1, 3, 1);
        ck_assert(tq_scheduler_is_named(w.s, 1));
        ck_assert(!tq_scheduler_is_named(w.s, 2));
        end(&w, 1, 0);
        /* Met, and both run. */
        ck_assert(tq_scheduler_is_named(w.s, 1));
        end(&w, 2, 0);
        ck_assert(tq_scheduler_is_named(w.s, 1));
        end(&w, 3, 0);
        ck_assert(!tq_scheduler_is_named(w.s, 1));
        /* By a name that the ledger knows. */
        must_step(&w, (TqEvent){ .type = TQ_EVENT_SUBMIT,
                                 .tenant = 1,
                                 .job = 5,
                                 .j = { .queue = "q",
                                        .after = &(TqAfter){ .name = 77 },
                                        .n_after = 1,
                                        .runtime_usec = TQ_LIMIT_MAX } });
        ck_assert(!tq_scheduler_is_named(w.s, 4));
        must_step(&w, (TqEvent){ .type = TQ_EVENT_AFTER,
                                 .job = 5,
                                 .after = { .name = 77 },
                                 .is_met = true,
                                 .met_by = 4 });
        ck_assert(tq_scheduler_is_named(w.s, 4));
        end(&w, 5, 0);
        ck_assert(!tq_scheduler_is_named(w.s, 4));
}
END_TEST

/* As many that wait for one, and all may start. */
START_TEST(wide) {
        WORLD w = world_with("concurrency=max");

        submit(&w, 1, 1);
        for (uint64_t job = 2; job <= MANY; job++)
                submit_after(&w, 1, job, 1);
        expect(&w, "start 1");
        end(&w, 1, 0);
        settle_in_parts(&w);
        ck_assert_uint_eq(w.actions.n, MANY);
        for (uint64_t i = 1; i < MANY; i++)
                unit_must(w.actions.items[i].type == TQ_ACTION_START &&
                                  w.actions.items[i].job == i + 1,
                          "order");
}
END_TEST

/* As many that wait for one and end with it; meanwhile some are cancelled, and one more comes. */
START_TEST(crowd) {
        WORLD w = world_with("concurrency=max");

        submit(&w, 1, 1);
        for (uint64_t job = 2; job <= MANY; job++)
                submit_after(&w, 1, job, 1);
        expect(&w, "start 1");
        end(&w, 1, 1);
        ck_assert_uint_le(w.actions.n, TQ_STEP_MOST + 1);
        for (uint64_t job = MANY - 9; job <= MANY; job++)
                must_step(&w, (TqEvent){ .type = TQ_EVENT_CANCEL, .job = job });
        submit(&w, 1, MANY + 1);
        ck_assert_uint_eq(state_of(&w, MANY + 1), TQ_JOB_STARTING);
        w.actions.n = TQ_MIN(w.actions.n, (size_t)TQ_STEP_MOST);
        settle_in_parts(&w);
        ck_assert_uint_eq(tq_scheduler_tenant(w.s, 1)->waiting.jobs, 0);
        ck_assert_uint_eq(tq_scheduler_tenant(w.s, 1)->running, 1);
}
END_TEST

/* However many wait, for however many: each tenant has a bound. */
START_TEST(bounded) {
        WORLD w = world_with("concurrency=max");
        TqAfter after[64];
        uint64_t job = 1;

        for (size_t i = 0; i < TQ_ELEMENTSOF(after); i++)
                after[i] = (TqAfter){ .name = 1000 + i };
        for (; job * 64 <= TQ_CONDITIONS_MAX; job++)
                must_step(&w, (TqEvent){ .type = TQ_EVENT_SUBMIT,
                                         .tenant = 1,
                                         .job = job,
                                         .j = { .queue = "q",
                                                .runtime_usec = TQ_LIMIT_MAX,
                                                .after = after,
                                                .n_after = 64 } });
        ck_assert_int_eq(step(&w, (TqEvent){ .type = TQ_EVENT_SUBMIT,
                                             .tenant = 1,
                                             .job = job,
                                             .j = { .queue = "q",
                                                    .runtime_usec = TQ_LIMIT_MAX,
                                                    .after = after,
                                                    .n_after = 64 } }),
                         -EDQUOT);
        ck_assert_int_eq(w.actions.refusal.kind, TQ_REFUSAL_AFTER);
        ck_assert_uint_eq(w.actions.refusal.current, (job - 1) * 64);
        ck_assert_uint_eq(w.actions.refusal.maximum, TQ_CONDITIONS_MAX);
        /* Those that it has promised already are taken all the same. */
        must_step(&w, (TqEvent){ .type = TQ_EVENT_CANCEL, .job = 1 });
        ck_assert_uint_eq(tq_scheduler_tenant(w.s, 1)->n_conditions, (job - 2) * 64);
        submit(&w, 1, job);
}
END_TEST

/* What is not settled yet goes with the scheduler. */
START_TEST(unsettled) {
        WORLD w = world_with("concurrency=max");

        submit(&w, 1, 1);
        for (uint64_t job = 2; job <= 3 * TQ_STEP_MOST; job++)
                submit_after(&w, 1, job, 1);
        end(&w, 1, 1);
        ck_assert_uint_eq(tq_scheduler_next_deadline(w.s), w.now);
}
END_TEST

/* A thousand deadlines at the same instant. */
START_TEST(noon) {
        WORLD w = world_with("concurrency=1");

        submit(&w, 1, 1);
        for (uint64_t job = 2; job <= MANY; job++)
                must_step(&w, (TqEvent){ .type = TQ_EVENT_SUBMIT,
                                         .tenant = 1,
                                         .job = job,
                                         .j = { .queue = "q",
                                                .has_start_by = true,
                                                .start_by = w.now + 5 * SEC,
                                                .runtime_usec = TQ_LIMIT_MAX } });
        w.actions.n = 0;
        tick(&w, 5 * SEC);
        ck_assert_uint_ge(w.actions.n, TQ_STEP_MOST);
        settle_in_parts(&w);
        ck_assert_uint_eq(w.actions.n, MANY - 1);
        ck_assert_uint_eq(tq_scheduler_tenant(w.s, 1)->waiting.jobs, 0);
}
END_TEST

/* CPU time of a thousand jobs of that name. */
static clock_t time_of_ends(World *w, uint64_t first) {
        clock_t since = clock();

        for (uint64_t job = first; job < first + 1000; job++) {
                submit_named(w, 2, job, "build");
                end(w, job, 0);
                w->actions.n = 0;
        }
        return clock() - since;
}

/* What one tenant's jobs wait for costs another nothing: its jobs of that name end as fast. */
START_TEST(wide_of_another) {
        const TqAfter build = { .name = tq_scheduler_name("build") };
        WORLD w = world_with("concurrency=max");
        clock_t before, now;

        before = TQ_MAX(time_of_ends(&w, 2 * MANY), CLOCKS_PER_SEC / 1000);
        for (uint64_t job = 1; job <= MANY; job++)
                must_step(&w, after(1, job, &build, 1));
        now = time_of_ends(&w, 3 * MANY);
        ck_assert_msg(now < 30 * before, "%jd, not %jd", (intmax_t)now, (intmax_t)before);
        ck_assert_uint_eq(tq_scheduler_tenant(w.s, 1)->waiting.scheduled, MANY);
}
END_TEST

static void fill(Suite *s) {
        TCase *tcase = unit_case(s, "condition"), *large = unit_case(s, "large");

        tcase_add_test(tcase, by_id);
        unit_add_rows(tcase, ends, end_rows);
        tcase_add_test(tcase, cancelled);
        tcase_add_test(tcase, several);
        tcase_add_test(tcase, one_of_several_fails);
        tcase_add_test(tcase, by_name);
        tcase_add_test(tcase, by_name_fails);
        tcase_add_test(tcase, by_name_unresolved);
        tcase_add_test(tcase, names_are_apart);
        tcase_add_test(tcase, settled_by_event);
        tcase_add_test(tcase, named_by_event);
        tcase_add_test(tcase, with_a_time);
        tcase_add_test(tcase, with_a_hold);
        tcase_add_test(tcase, waiter_goes_first);
        tcase_add_test(tcase, for_itself);
        tcase_add_test(tcase, most_conditions);
        tcase_add_test(large, long_chain);
        tcase_add_test(large, crowd);
        tcase_add_test(large, bounded);
        tcase_add_test(large, unsettled);
        tcase_add_test(large, noon);
        tcase_add_test(large, named);
        tcase_add_test(large, wide);
        tcase_add_test(large, wide_of_another);
}

int main(void) {
        return unit_main("core/condition", fill);
}
