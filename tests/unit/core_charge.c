/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "world.h"

/* What a job moves its tenant's tag by: exact, in nanoseconds of the whole host. */

/* A job that nobody knows, or that lasts otherwise than expected, has cost in the end what it
 * really was: slot time over slots, in nanoseconds. */
static const uint64_t real_seconds[] = { 1, 2, 10, 100, 100000 };

START_TEST(estimates_are_put_right) {
        uint64_t real = real_seconds[_i] * SEC, before;
        WORLD w = world_new();

        w.host.max_jobs = 4;
        host(&w);
        tenant(&w, 1, "concurrency=max");
        tenant(&w, 2, "concurrency=max weight=400");
        open_world(&w);
        for (uint64_t job = 1; job <= 3; job++) {
                before = tag_of(&w, 1);
                submit(&w, 1, job);
                ck_assert_int_eq(say(&w, TQ_EVENT_SPAWNED, job), 0);
                ck_assert_uint_gt(tag_of(&w, 1), before);
                w.now += real;
                end(&w, job, 0);
                ck_assert_uint_eq(tag_of(&w, 1), before + real * 1000 / 4);
        }
        /* By weight. */
        before = tag_of(&w, 1); /* where who comes to an idle host begins */
        submit(&w, 2, 9);
        w.now += real;
        end(&w, 9, 0);
        ck_assert_uint_eq(tag_of(&w, 2), before + real * 1000 / 16);
}
END_TEST

/* What never ran costs the time that it held the slot, and teaches nothing about its name. */
START_TEST(launches_that_fail) {
        TqEnd e = { .kind = TQ_END_SPAWN_FAILED, .stage = TQ_STAGE_EXEC, .code = ENOENT };
        WORLD w = world_new();

        w.host.max_jobs = 4;
        host(&w);
        tenant(&w, 1, "concurrency=1");
        open_world(&w);
        submit(&w, 1, 1);
        w.now += SEC;
        ck_assert_int_eq(end_with(&w, 1, &e), 0);
        ck_assert_uint_eq(tag_of(&w, 1), SEC * 1000 / 4);
        submit(&w, 1, 2);
        w.now += SEC;
        ck_assert_int_eq(say(&w, TQ_EVENT_REFUSED, 2), 0);
        ck_assert_uint_eq(tag_of(&w, 1), 2 * SEC * 1000 / 4);
        ck_assert_ptr_null(tq_scheduler_tenant(w.s, 1)->averages);
}
END_TEST

/* What is seen counts at once, and is put right in the end. */
START_TEST(use_that_is_seen) {
        TqUse use = { .cpu_usec = 80 * SEC };
        TqEnd e = { .kind = TQ_END_EXITED, .counters = { .cpu_usec = 80 * SEC } };
        WORLD w = world_new();
        uint64_t before;

        w.host.max_jobs = w.host.cpus = 4;
        host(&w);
        tenant(&w, 1, "concurrency=max");
        open_world(&w);
        submit(&w, 1, 1);
        ck_assert_int_eq(say(&w, TQ_EVENT_SPAWNED, 1), 0);
        before = tag_of(&w, 1);
        w.now += 10 * SEC;
        ck_assert_int_eq(
                step(&w, (TqEvent){ .type = TQ_EVENT_USED, .job = 1, .attempt = 1, .use = &use }),
                0);
        ck_assert_uint_ge(tag_of(&w, 1), 20 * SEC * 1000);
        ck_assert_uint_gt(tag_of(&w, 1), before);
        ck_assert_int_eq(
                step(&w, (TqEvent){ .type = TQ_EVENT_USED, .job = 1, .attempt = 2, .use = &use }),
                -ENOENT);
        ck_assert_int_eq(end_with(&w, 1, &e), 0);
        ck_assert_uint_eq(tag_of(&w, 1), 20 * SEC * 1000);
}
END_TEST

/* Looks --------------------------------------------------------------------------------------- */

static void start(World *w, uint32_t id, uint64_t job) {
        submit(w, id, job);
        ck_assert_int_eq(say(w, TQ_EVENT_SPAWNED, job), 0);
}

static void used(World *w, uint64_t job, TqUse use) {
        ck_assert_int_eq(
                step(w, (TqEvent){ .type = TQ_EVENT_USED, .job = job, .attempt = 1, .use = &use }),
                0);
}

/* While another waits for its slot: after a second, whenever it is a quarter older, and after a
 * minute, or a thousandth of its age, at the latest. */
START_TEST(looks) {
        static const uint64_t at_msec[] = { 1000, 2000, 3000, 4000, 5000, 6250, 7812, 9765 };
        WORLD w = world_new();
        uint64_t started = w.now, n = 0;

        w.host.max_jobs = 1;
        host(&w);
        tenant(&w, 1, "");
        tenant(&w, 2, "");
        open_world(&w);
        start(&w, 1, 1);
        submit(&w, 2, 2);
        expect(&w, "start 1, run 1");
        for (size_t i = 0; i < TQ_ELEMENTSOF(at_msec); i++) {
                uint64_t next = tq_scheduler_next_deadline(w.s);

                ck_assert_uint_eq((next - started) / 1000, at_msec[i]);
                tick(&w, next - w.now - 1);
                expect(&w, "");
                tick(&w, 1);
                expect(&w, "sample 1");
        }
        while (w.now < started + 86400 * SEC) {
                uint64_t next = tq_scheduler_next_deadline(w.s);

                ck_assert_uint_le(next - w.now, TQ_MAX(60 * SEC, (w.now - started) / 1024));
                tick(&w, next - w.now);
                n++;
        }
        ck_assert_uint_le(n, 1400); /* a day */
        ck_assert_uint_eq(w.actions.n, n);
}
END_TEST

/* Idle is idle: with slots to spare, or with nobody but who has all it may have, nobody looks. When
 * somebody comes, each job is looked at once, and then when its time is. */
START_TEST(looks_while_contended) {
        WORLD w = world_new();

        w.host.max_jobs = 2;
        host(&w);
        tenant(&w, 1, "concurrency=2");
        tenant(&w, 2, "");
        open_world(&w);
        start(&w, 1, 1);
        ck_assert_uint_eq(tq_scheduler_next_deadline(w.s), TQ_NEVER);
        start(&w, 1, 2);
        submit(&w, 1, 3);
        expect(&w, "start 1, run 1, start 2, run 2");
        ck_assert_uint_eq(tq_scheduler_next_deadline(w.s), TQ_NEVER);
        tick(&w, 100 * SEC);
        expect(&w, "");
        submit(&w, 2, 4);
        ck_assert_uint_le(tq_scheduler_next_deadline(w.s), w.now);
        tick(&w, 0);
        expect(&w, "sample 1, sample 2");
        ck_assert_uint_eq(tq_scheduler_next_deadline(w.s), w.now + 25 * SEC);
        ck_assert_int_eq(say(&w, TQ_EVENT_CANCEL, 4), 0);
        expect(&w, "finish 4 (cancelled)");
        ck_assert_uint_eq(tq_scheduler_next_deadline(w.s), TQ_NEVER);
        /* Not sooner because somebody comes and goes. */
        submit(&w, 2, 5);
        ck_assert_uint_eq(tq_scheduler_next_deadline(w.s), w.now + 25 * SEC);
        /* Without bound on the slots nobody competes. */
        w.host.max_jobs = TQ_LIMIT_MAX;
        host(&w);
        expect(&w, "start 5");
        ck_assert_uint_eq(tq_scheduler_next_deadline(w.s), TQ_NEVER);
}
END_TEST

/* Those of one moment by their numbers, whether they are a minute apart or less. */
START_TEST(looks_in_order) {
        WORLD w = world_new();

        w.host.max_jobs = 4;
        host(&w);
        tenant(&w, 1, "concurrency=max");
        tenant(&w, 2, "");
        open_world(&w);
        for (uint64_t job = 4; job > 1; job--) {
                start(&w, 1, job);
                tick(&w, 100 * SEC);
        }
        w.now += 1000 * SEC;
        start(&w, 1, 1);
        submit(&w, 2, 5);
        w.actions.n = 0;
        tick(&w, 0);
        expect(&w, "sample 4, sample 3, sample 2"); /* as long as they have been due */
        tick(&w, 60 * SEC);
        expect(&w, "sample 1, sample 2, sample 3, sample 4");
        tick(&w, 60 * SEC);
        expect(&w, "sample 1, sample 2, sample 3, sample 4");
        tick(&w, 3600 * SEC);
        expect(&w, "sample 1, sample 2, sample 3, sample 4");
}
END_TEST

/* A job that stops still holds its slot, and a job that has moved is looked at where it is. */
START_TEST(looks_follow_the_slot) {
        WORLD w = world_new();

        w.host.max_jobs = 3;
        pool(&w, "x", "1");
        host(&w);
        tenant(&w, 1, "");
        tenant(&w, 2, "");
        tenant(&w, 3, "concurrency=max");
        open_world(&w);
        start(&w, 1, 1);
        expect(&w, "start 1, run 1");
        tenant_with(&w, 1, "", "x", NULL, 0);
        tenant_with(&w, 2, "", "x", NULL, 0);
        for (uint64_t job = 11; job <= 13; job++)
                submit(&w, 3, job);
        expect(&w, "start 11, start 12");
        tick(&w, 2 * SEC); /* those of the shared pool have not been spawned */
        expect(&w, "");
        submit(&w, 2, 2);
        tick(&w, 0);
        expect(&w, "sample 1");
        ck_assert_int_eq(say(&w, TQ_EVENT_CANCEL, 1), 0);
        tick(&w, SEC);
        expect(&w, "term 1, sample 1");
        end(&w, 1, 0);
        expect(&w, "finish 1 (exit 0), start 2");
        ck_assert_uint_eq(tq_scheduler_next_deadline(w.s), TQ_NEVER);
}
END_TEST

/* Many looks ---------------------------------------------------------------------------------- */

#define TENANTS 6
#define JOBS    500
#define FOREVER (UINT64_C(1) << 60)

static const struct {
        uint64_t slots, debt_usec;
        uint64_t cpu_percent; /* of a CPU, that a job uses at most */
        bool has_pool, has_memory, has_lane;
        uint64_t tolerance; /* ns of the host: where debt stops a tag, a use is rounded */
} many_rows[] = {
        { 4, FOREVER, 0, false, false, false, 0 },
        { 4, FOREVER, 300, false, false, false, 0 },
        { 9, FOREVER, 300, false, false, false, 0 },
        { 9, FOREVER, 300, true, false, false, 0 },
        { 3, 20 * SEC, 0, false, false, false, 0 },
        { 3, SEC, 0, false, false, false, 0 },
        { 3, 20 * SEC, 300, false, false, false, 2000 },
        { 4, FOREVER, 300, false, true, false, 0 }, /* looks decide: none is taken */
        { 4, FOREVER, 300, false, false, true, 0 },
};

/* Two worlds in which the same happens. In the first one each look is a TICK, its SAMPLE and the
 * USED that answers it, in the second one they are taken at once. */
typedef struct Twins {
        World w[2];
        uint64_t samples[2];
        uint64_t metered, metered_at;
        uint64_t since[JOBS + 1], cpu_percent[JOBS + 1];
        uint64_t jobs, random;
        int row;
} Twins;

static TqUse use_since(const Twins *t, uint64_t job, uint64_t now) {
        return (TqUse){ .cpu_usec = (now - t->since[job]) * t->cpu_percent[job] / 100 };
}

static TqUse meter(void *userdata, const TqJob *job, uint64_t now) {
        Twins *t = userdata;

        unit_must(now >= t->metered_at, "not in the order of time");
        t->metered_at = now;
        t->metered++;
        return use_since(t, job->id, now);
}

/* Launches succeed, and samples are answered. */
static void carry_out(Twins *t, int k) {
        World *w = &t->w[k];

        for (size_t i = 0; i < w->actions.n; i++) {
                TqAction a = w->actions.items[i]; /* they move */

                if (a.type == TQ_ACTION_START) {
                        t->since[a.job] = w->now;
                        unit_must(say(w, TQ_EVENT_SPAWNED, a.job) == 0, "job %ju",
                                  (uintmax_t)a.job);
                } else if (a.type == TQ_ACTION_SAMPLE) {
                        t->samples[k]++;
                        used(w, a.job, use_since(t, a.job, w->now));
                }
        }
        w->actions.n = 0;
}

static void pass(Twins *t, int k, uint64_t until) {
        World *w = &t->w[k];
        uint64_t at;

        if (k == 1)
                tq_scheduler_look(w->s, until, meter, t);
        while ((at = tq_scheduler_next_deadline(w->s)) <= until) {
                tick(w, tq_sub_u64(at, w->now));
                carry_out(t, k);
        }
        w->now = until;
}

static void twins_init(Twins *t, int row) {
        *t = (Twins){ .row = row, .random = 1 + (uint64_t)row };
        for (int k = 0; k < 2; k++) {
                World *w = &t->w[k];

                *w = world_new();
                w->host.max_jobs = w->host.cpus = many_rows[row].slots;
                w->host.debt_usec = many_rows[row].debt_usec;
                w->host.lane_slots = many_rows[row].has_lane;
                if (many_rows[row].has_memory)
                        w->host.memory_bytes = 2 * MIB;
                if (many_rows[row].has_pool)
                        pool(w, "x", "3");
                host(w);
                for (uint32_t id = 1; id <= TENANTS; id++)
                        tenant_with(w, id,
                                    id % 3 == 0 ? "concurrency=max weight=300" : "concurrency=max",
                                    many_rows[row].has_pool && id % 2 == 0 ? "x" : "", NULL, 0);
                open_world(w);
        }
}

static void twins_done(Twins *t) {
        world_done(&t->w[0]);
        world_done(&t->w[1]);
}

#define TWINS TQ_CLEANUP(twins_done) Twins

/* One that runs, or 0. The first two jobs run to the end of the test: where virtual time begins
 * anew is rounded. */
static uint64_t choose_running(Twins *t) {
        uint64_t from = unit_random(&t->random) % t->jobs;

        for (uint64_t i = 0; i < t->jobs; i++) {
                uint64_t job = 1 + (from + i) % t->jobs;

                if (job > 2 && state_of(&t->w[0], job) == TQ_JOB_RUNNING)
                        return job;
        }
        return 0;
}

static void end_or_submit(Twins *t, int k, uint64_t ended, uint32_t id) {
        World *w = &t->w[k];
        TqEvent e = submission(id, t->jobs);
        TqEnd end = { .kind = TQ_END_EXITED };

        if (ended > 0) {
                end.counters.cpu_usec = use_since(t, ended, w->now).cpu_usec;
                ck_assert_int_eq(end_with(w, ended, &end), 0);
        } else {
                e.j.memory_bytes = many_rows[t->row].has_memory ? MIB / 2 : 0;
                must_step(w, e);
        }
        carry_out(t, k);
}

static void happen(Twins *t, uint64_t now) {
        uint64_t ended = t->jobs > 2 && unit_random(&t->random) % 8 < 3 ? choose_running(t) : 0;
        uint32_t id = 1 + (uint32_t)(t->jobs < 2 ? t->jobs : unit_random(&t->random) % TENANTS);

        if (ended == 0)
                t->cpu_percent[++t->jobs] =
                        unit_random(&t->random) % (many_rows[t->row].cpu_percent + 1);
        for (int k = 0; k < 2; k++) {
                pass(t, k, now);
                end_or_submit(t, k, ended, id);
                pass(t, k, now);
        }
}

static void expect_same(const Twins *t, uint64_t a, uint64_t b, const char *what, uint64_t which) {
        unit_must((a > b ? a - b : b - a) <= many_rows[t->row].tolerance,
                  "after %ju jobs: %s %ju: %ju, %ju", (uintmax_t)t->jobs, what, (uintmax_t)which,
                  (uintmax_t)a, (uintmax_t)b);
}

static void compare(const Twins *t) {
        const TqScheduler *a = t->w[0].s, *b = t->w[1].s;

        for (size_t i = 0; tq_scheduler_pool(a, i); i++)
                expect_same(t, tq_scheduler_pool(a, i)->vtime, tq_scheduler_pool(b, i)->vtime,
                            "pool", i);
        for (uint32_t id = 1; id <= TENANTS; id++)
                expect_same(t, tag_of(&t->w[0], id), tag_of(&t->w[1], id), "tenant", id);
        for (uint64_t job = 1; job <= t->jobs; job++)
                unit_must(state_of(&t->w[0], job) == state_of(&t->w[1], job), "job %ju",
                          (uintmax_t)job);
}

START_TEST(many_looks) {
        bool may_decide = many_rows[_i].has_memory || many_rows[_i].has_lane;
        TWINS t;

        twins_init(&t, _i);
        for (uint64_t now = t.w[0].now; t.jobs < JOBS;) {
                /* Mostly seconds, sometimes many minutes, and sometimes the same moment. */
                now += unit_random(&t.random) % 4 * (unit_random(&t.random) % (60 * SEC));
                now += unit_random(&t.random) % 16 == 0 ? 1800 * SEC : 0;
                happen(&t, now);
                compare(&t);
        }
        /* Those of the moment at which something happens have their SAMPLEs as ever. */
        ck_assert_uint_eq(t.samples[1] + t.metered, t.samples[0]);
        ck_assert_uint_gt(t.samples[0], 1000);
        if (may_decide)
                ck_assert_uint_eq(t.metered, 0);
        else
                ck_assert_uint_gt(t.metered, 100);
}
END_TEST

/* Nothing is passed over that is due before. */
START_TEST(many_looks_until_a_timer) {
        TqEvent e = submission(1, 1);
        TWINS t;
        World *w;

        twins_init(&t, 0);
        w = &t.w[1];
        e.j.runtime_usec = 100 * SEC;
        must_step(w, e);
        for (uint64_t job = 2; job <= 5; job++)
                submit(w, 2, job);
        carry_out(&t, 1);
        pass(&t, 1, w->now + SEC); /* the first look at each */
        tq_scheduler_look(w->s, w->now + 1000 * SEC, meter, &t);
        ck_assert_uint_eq(tq_scheduler_next_deadline(w->s), w->now + 99 * SEC);
        ck_assert_uint_gt(t.metered_at, w->now + 50 * SEC);
        ck_assert_uint_lt(t.metered_at, w->now + 99 * SEC);
        tick(w, 99 * SEC);
        ck_assert_int_eq(state_of(w, 1), TQ_JOB_STOPPING);
}
END_TEST

/* Competition --------------------------------------------------------------------------------- */

/* A thousand seconds alone, then ten beside another's job: those ten are charged, by what was used
 * in them, whatever the look before said. The first row was never seen before. */
static const struct {
        uint64_t seen_at, cpu_before, cpu_since; /* seconds */
        uint64_t want;                           /* of the host with its four CPUs */
} alone_rows[] = {
        { 0, 0, 0, 5 },      /* slot time: ten seconds on one of two slots */
        { 0, 4000, 40, 10 }, /* all CPUs */
        { 0, 4000, 0, 5 },   /* has become a sleeper */
        { 900, 0, 40, 10 },  /* was one */
        { 900, 3600, 40, 10 }, { 900, 10, 20, 5 },
};

START_TEST(alone) {
        const uint64_t before = alone_rows[_i].cpu_before * SEC;
        TqEnd e = { .kind = TQ_END_EXITED };
        WORLD w = world_new();
        uint64_t tag, started = w.now;

        w.host.max_jobs = 2;
        w.host.cpus = 4;
        host(&w);
        tenant(&w, 1, "concurrency=max");
        tenant(&w, 2, "concurrency=max");
        open_world(&w);
        start(&w, 1, 1);
        if (alone_rows[_i].seen_at > 0) {
                w.now = started + alone_rows[_i].seen_at * SEC;
                used(&w, 1, (TqUse){ .cpu_usec = before });
        }
        w.now = started + 1000 * SEC;
        tag = tag_of(&w, 1);
        submit(&w, 2, 2);
        submit(&w, 2, 3); /* waits */
        w.actions.n = 0;
        tick(&w, 0);
        expect(&w, "sample 1");
        used(&w, 1, (TqUse){ .cpu_usec = before });
        w.now += 10 * SEC;
        e.counters.cpu_usec = before + alone_rows[_i].cpu_since * SEC;
        ck_assert_int_eq(end_with(&w, 1, &e), 0);
        /* The second that was charged at its start is past. */
        ck_assert_uint_eq(tag_of(&w, 1) - tag, alone_rows[_i].want * SEC * 1000);
}
END_TEST

/* The same when nobody answers, or the answer comes late: by interpolation. */
START_TEST(alone_but_not_seen) {
        TqEnd e = { .kind = TQ_END_EXITED, .counters = { .cpu_usec = 4040 * SEC } };
        WORLD w = world_new();
        uint64_t tag;

        w.host.max_jobs = 2;
        w.host.cpus = 4;
        host(&w);
        tenant(&w, 1, "concurrency=max");
        tenant(&w, 2, "concurrency=max");
        open_world(&w);
        start(&w, 1, 1);
        w.now += 1000 * SEC;
        tag = tag_of(&w, 1);
        submit(&w, 2, 2);
        submit(&w, 2, 3);
        tick(&w, 0);
        w.now += 10 * SEC;
        if (_i == 1)
                used(&w, 1, (TqUse){ .cpu_usec = 4040 * SEC });
        ck_assert_int_eq(end_with(&w, 1, &e), 0);
        ck_assert_uint_eq((tag_of(&w, 1) - tag + SEC / 2) / SEC, 10000);
}
END_TEST

/* What was charged ahead is not charged twice when the competition ends and begins again. */
START_TEST(again) {
        WORLD w = world_new();
        uint64_t tag;

        w.host.max_jobs = 1;
        host(&w);
        tenant(&w, 1, "");
        tenant(&w, 2, "");
        open_world(&w);
        start(&w, 1, 1);
        submit(&w, 2, 2);
        tag = tag_of(&w, 1) - SEC * 1000; /* the first second is charged */
        for (int i = 0; i < 100; i++) {
                tick(&w, SEC);
                ck_assert_int_eq(say(&w, TQ_EVENT_CANCEL, 2), 0);
                submit(&w, 2, 2);
        }
        end(&w, 1, 0);
        /* Between the end that was expected and the look after it nothing was charged ahead. */
        ck_assert_uint_ge(tag_of(&w, 1) - tag, 99 * SEC * 1000);
        ck_assert_uint_le(tag_of(&w, 1) - tag, 100 * SEC * 1000);
}
END_TEST

/* What ran before a restart is not charged after it, nor are its counters, which go on. */
START_TEST(adopted) {
        TqEnd e = { .kind = TQ_END_EXITED, .counters = { .cpu_usec = 40040 * SEC } };
        TqEvent adopt = submission(1, 1);
        WORLD w = world_new();
        uint64_t tag;

        w.host.max_jobs = 2;
        w.host.cpus = 4;
        host(&w);
        tenant(&w, 1, "concurrency=max");
        adopt.type = TQ_EVENT_ADOPT;
        adopt.attempt = 1;
        adopt.j.running_since = w.now - 10000 * SEC;
        must_step(&w, adopt);
        open_world(&w);
        tag = tag_of(&w, 1);
        ck_assert_uint_le(tag, SEC * 1000); /* its first second */
        used(&w, 1, (TqUse){ .cpu_usec = 40000 * SEC });
        w.now += 10 * SEC;
        ck_assert_int_eq(end_with(&w, 1, &e), 0);
        ck_assert_uint_ge(tag_of(&w, 1), 10 * SEC * 1000);
        ck_assert_uint_le(tag_of(&w, 1), 11 * SEC * 1000);
}
END_TEST

static void fill(Suite *s) {
        TCase *estimates = unit_case(s, "estimates"), *at = unit_case(s, "looks");
        TCase *competition = unit_case(s, "competition");

        unit_add_rows(estimates, estimates_are_put_right, real_seconds);
        tcase_add_test(estimates, launches_that_fail);
        tcase_add_test(estimates, use_that_is_seen);
        tcase_add_test(at, looks);
        tcase_add_test(at, looks_while_contended);
        tcase_add_test(at, looks_in_order);
        tcase_add_test(at, looks_follow_the_slot);
        unit_add_rows(at, many_looks, many_rows);
        tcase_add_test(at, many_looks_until_a_timer);
        unit_add_rows(competition, alone, alone_rows);
        tcase_add_loop_test(competition, alone_but_not_seen, 0, 2);
        tcase_add_test(competition, again);
        tcase_add_test(competition, adopted);
}

int main(void) {
        return unit_main("core/charge", fill);
}
