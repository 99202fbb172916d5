/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core_restart.h"

#include <math.h>

/* What outlives a restart: the same goes on in the same order, shares stay, and nobody gains. */

#define TENANTS 6

/* Exact numbers -------------------------------------------------------------------------------- */

static const TqStanding *standing(const World *w, uint32_t id) {
        static TqStanding s;

        s = tq_standing_of(w->s, tq_scheduler_tenant(w->s, id), w->now);
        return &s;
}

static void one_slot(World *w) {
        w->host.max_jobs = 1;
        host(w);
        tenant(w, 1, "concurrency=max");
        tenant(w, 2, "concurrency=max weight=200");
}

static int give(World *w, uint32_t id, TqStanding s) {
        return step(w, (TqEvent){ .type = TQ_EVENT_STANDING, .tenant = id, .standing = &s });
}

static int give_pool(World *w, TqPoolStanding p) {
        return step(w, (TqEvent){ .type = TQ_EVENT_STANDING, .pool_standing = &p });
}

static void adopt(World *w, uint32_t id, uint64_t job, uint64_t since) {
        TqEvent e = submission(id, job);

        e.type = TQ_EVENT_ADOPT;
        e.attempt = 1;
        e.j.running_since = since;
        must_step(w, e);
}

/* Of a job that runs, what was charged ahead is left out; and after the restart what it used
 * meanwhile is charged, once. */
START_TEST(numbers) {
        TqEnd e = { .kind = TQ_END_EXITED, .run_usec = 5 * SEC };
        WORLD w = world_new(), v = world_new();
        uint64_t start = w.now;
        TqPoolStanding p;

        one_slot(&w);
        open_world(&w);
        submit(&w, 1, 1);
        ck_assert_int_eq(say(&w, TQ_EVENT_SPAWNED, 1), 0);
        ck_assert_int_eq(standing(&w, 1)->presence, TQ_PRESENCE_RUNNING);
        submit(&w, 1, 2);
        submit(&w, 2, 3);
        tick(&w, SEC);
        ck_assert_uint_eq(tag_of(&w, 1), 2000 * SEC);
        ck_assert_uint_eq(standing(&w, 1)->tag, 1000 * SEC);
        w.now += SEC / 2;
        ck_assert_uint_eq(standing(&w, 1)->tag, 1500 * SEC);
        ck_assert_int_eq(standing(&w, 1)->presence, TQ_PRESENCE_COMPETING);
        ck_assert_uint_eq(standing(&w, 1)->turn, 1);
        ck_assert_str_eq(standing(&w, 1)->pool, "shared");
        ck_assert_uint_eq(standing(&w, 2)->tag, 1000 * SEC);
        ck_assert(isinf(standing(&w, 2)->usage));
        /* The first second was noted. */
        ck_assert_double_eq_tol(standing(&w, 1)->usage, log2(1e9) - 1.5 / 3600, 1e-9);
        p = tq_standing_of_pool(tq_scheduler_pool(w.s, 0), w.now);
        ck_assert(p.is_contended);
        ck_assert_uint_eq(p.contended_usec, 3 * SEC / 2);
        ck_assert_uint_eq(p.vtime, 1000 * SEC);

        p.age_usec = 10 * SEC;
        v.now = w.now + p.age_usec;
        one_slot(&v);
        ck_assert_int_eq(give_pool(&v, p), 0);
        for (uint32_t id = 1; id <= 2; id++) {
                TqStanding s = *standing(&w, id);

                s.age_usec = p.age_usec;
                ck_assert_int_eq(give(&v, id, s), 0);
        }
        ck_assert_uint_eq(tag_of(&v, 1), 1500 * SEC);
        adopt(&v, 1, 1, start);
        submit(&v, 1, 2);
        submit(&v, 2, 3);
        /* 1.5 s, 10 s, and the first second ahead. */
        ck_assert_uint_eq(tag_of(&v, 1), 12500 * SEC);
        ck_assert_uint_eq(standing(&v, 1)->tag, 11500 * SEC);
        /* Faded, and not noted twice. */
        ck_assert_double_eq_tol(standing(&v, 1)->usage, log2(1e9) - 11.5 / 3600, 1e-9);
        /* It had ended meanwhile. */
        ck_assert_int_eq(end_with(&v, 1, &e), 0);
        ck_assert_uint_eq(tag_of(&v, 1), 5000 * SEC);
        v.actions.n = 0;
        open_world(&v);
        expect(&v, "start 3");
}
END_TEST

/* Nobody competed as far as is known: what it used since then is not charged. */
START_TEST(not_contended) {
        WORLD w = world_new();

        one_slot(&w);
        ck_assert_int_eq(
                give_pool(&w,
                          (TqPoolStanding){ .name = "shared", .vtime = 7, .age_usec = 10 * SEC }),
                0);
        ck_assert_int_eq(give(&w, 1,
                              (TqStanding){ .presence = TQ_PRESENCE_RUNNING,
                                            .tag = 1000 * SEC,
                                            .usage = TQ_HISTORY_NONE,
                                            .age_usec = 10 * SEC }),
                         0);
        adopt(&w, 1, 1, w.now - 20 * SEC);
        ck_assert_uint_eq(tag_of(&w, 1), 2000 * SEC);
        /* Of whom nothing is known. */
        ck_assert_uint_eq(tag_of(&w, 2), 7);
}
END_TEST

/* Competition began later than the tenant was written. */
START_TEST(contended_later) {
        WORLD w = world_new();

        one_slot(&w);
        ck_assert_int_eq(give_pool(&w, (TqPoolStanding){ .name = "shared",
                                                         .is_contended = true,
                                                         .contended_usec = 2 * SEC,
                                                         .age_usec = 3 * SEC }),
                         0);
        ck_assert_int_eq(give(&w, 1,
                              (TqStanding){ .presence = TQ_PRESENCE_RUNNING,
                                            .tag = 1000 * SEC,
                                            .usage = TQ_HISTORY_NONE,
                                            .age_usec = 10 * SEC }),
                         0);
        adopt(&w, 1, 1, w.now - 20 * SEC);
        ck_assert_uint_eq(tag_of(&w, 1), 7000 * SEC);
}
END_TEST

/* An end that nobody knows: charged up to the restart as it was known, and nothing is learned. */
START_TEST(lost) {
        TqEnd e = { .kind = TQ_END_UNKNOWN };
        WORLD w = world_new();

        memset(&e.counters, 0xFF, sizeof(e.counters));
        one_slot(&w);
        ck_assert_int_eq(give_pool(&w, (TqPoolStanding){ .name = "shared",
                                                         .is_contended = true,
                                                         .age_usec = 50 * SEC }),
                         0);
        ck_assert_int_eq(give(&w, 1,
                              (TqStanding){ .presence = TQ_PRESENCE_RUNNING,
                                            .tag = 1000 * SEC,
                                            .usage = TQ_HISTORY_NONE,
                                            .age_usec = 50 * SEC }),
                         0);
        adopt(&w, 1, 1, w.now - 60 * SEC);
        ck_assert_int_eq(end_with(&w, 1, &e), 0);
        ck_assert_uint_eq(tag_of(&w, 1), 1000 * SEC + 1);
        ck_assert_ptr_null(tq_scheduler_tenant(w.s, 1)->averages);
}
END_TEST

START_TEST(refused) {
        WORLD w = world_new();

        one_slot(&w);
        ck_assert_int_eq(give(&w, 3, (TqStanding){}), -ENOENT);
        ck_assert_int_eq(give_pool(&w, (TqPoolStanding){ .name = "gone" }), -ENOENT);
        open_world(&w);
        ck_assert_int_eq(give(&w, 1, (TqStanding){ .tag = 9 }), -EBUSY);
        ck_assert_int_eq(give_pool(&w, (TqPoolStanding){ .name = "shared", .vtime = 9 }), -EBUSY);
        ck_assert_uint_eq(tag_of(&w, 1), 0);
}
END_TEST

/* Numbers that somebody made up, or that have come to their end. */
START_TEST(saturation) {
        const TqStanding most = { .presence = TQ_PRESENCE_COMPETING,
                                  .tag = UINT64_MAX,
                                  .largest_advance = 0,
                                  .turn = UINT64_MAX,
                                  .usage = INFINITY,
                                  .age_usec = UINT64_MAX };
        WORLD w = world_new();

        one_slot(&w);
        ck_assert_int_eq(give_pool(&w, (TqPoolStanding){ .name = "shared",
                                                         .vtime = 5,
                                                         .largest_charge = UINT64_MAX,
                                                         .is_contended = true,
                                                         .contended_usec = UINT64_MAX,
                                                         .age_usec = UINT64_MAX }),
                         0);
        ck_assert_int_eq(give(&w, 1, most), 0);
        adopt(&w, 1, 1, w.now - 10 * SEC);
        ck_assert_uint_eq(tag_of(&w, 1), UINT64_MAX);
        ck_assert(isfinite(tq_scheduler_tenant(w.s, 1)->usage)); /* the adopted job's */
        submit(&w, 1, 2);
        submit(&w, 2, 3);
        open_world(&w);
        /* Debt is capped as ever. */
        ck_assert_uint_eq(tag_of(&w, 1), 5 + w.host.debt_usec * 1000);
        ck_assert_uint_eq(tag_of(&w, 2), tag_of(&w, 1));
}
END_TEST

/* Who gains nothing ---------------------------------------------------------------------------- */

/* Behind virtual time: with a backlog it was owed that, idle it is not. */
static const struct {
        TqPresence presence;
        uint64_t tag;
} credit_rows[] = {
        { TQ_PRESENCE_IDLE, 1000 },
        { TQ_PRESENCE_COMPETING, 400 },
};

START_TEST(credit) {
        WORLD w = world_new();

        one_slot(&w);
        ck_assert_int_eq(give_pool(&w, (TqPoolStanding){ .name = "shared", .vtime = 1000 }), 0);
        ck_assert_int_eq(give(&w, 1,
                              (TqStanding){ .presence = credit_rows[_i].presence,
                                            .tag = 400,
                                            .usage = TQ_HISTORY_NONE }),
                         0);
        ck_assert_int_eq(give(&w, 2,
                              (TqStanding){ .presence = TQ_PRESENCE_COMPETING,
                                            .tag = 1000,
                                            .usage = TQ_HISTORY_NONE }),
                         0);
        submit(&w, 1, 1);
        submit(&w, 2, 2);
        must_step(&w, (TqEvent){ .type = TQ_EVENT_OPEN, .more = true });
        ck_assert_uint_eq(tag_of(&w, 1), credit_rows[_i].tag);
}
END_TEST

/* The pool was not empty: nobody begins anew because one of them was idle and is looked at first.
 */
START_TEST(not_anew) {
        WORLD w = world_new();

        one_slot(&w);
        ck_assert_int_eq(give_pool(&w, (TqPoolStanding){ .name = "shared", .vtime = 1000 }), 0);
        ck_assert_int_eq(give(&w, 2,
                              (TqStanding){ .presence = TQ_PRESENCE_COMPETING,
                                            .tag = 900000,
                                            .usage = TQ_HISTORY_NONE }),
                         0);
        tenant(&w, 3, "concurrency=max");
        ck_assert_int_eq(give(&w, 3,
                              (TqStanding){ .presence = TQ_PRESENCE_COMPETING,
                                            .tag = 2000,
                                            .usage = TQ_HISTORY_NONE }),
                         0);
        for (uint32_t id = 1; id <= 3; id++)
                submit(&w, id, id);
        must_step(&w, (TqEvent){ .type = TQ_EVENT_OPEN, .more = true });
        ck_assert_uint_eq(tag_of(&w, 1), 2000);
        ck_assert_uint_eq(tag_of(&w, 2), 900000);
        ck_assert_uint_eq(tag_of(&w, 3), 2000);
}
END_TEST

static void set_enabled(World *w, uint32_t id, bool enabled) {
        TqLimits l = limits("concurrency=max");

        must_step(w, (TqEvent){ .type = TQ_EVENT_TENANT,
                                .tenant = id,
                                .t = { .name = "t", .limits = &l, .enabled = enabled } });
}

/* Made ready after the scheduler has opened: in time it goes on, too late it has been idle. */
static const struct {
        uint64_t later;
        uint64_t tag;
} return_rows[] = {
        { 0, 400 },
        { 60 * SEC, 400 },
        { 60 * SEC + 1, 5000 },
};

START_TEST(returns) {
        WORLD w = world_new();

        one_slot(&w);
        set_enabled(&w, 2, false);
        ck_assert_int_eq(give_pool(&w, (TqPoolStanding){ .name = "shared",
                                                         .vtime = 1000,
                                                         .is_contended = true,
                                                         .contended_usec = 30 * SEC,
                                                         .age_usec = 10 * SEC }),
                         0);
        for (uint32_t id = 1; id <= 2; id++)
                ck_assert_int_eq(give(&w, id,
                                      (TqStanding){ .presence = TQ_PRESENCE_COMPETING,
                                                    .tag = id == 1 ? 5000 : 400,
                                                    .usage = TQ_HISTORY_NONE,
                                                    .age_usec = 10 * SEC }),
                                 0);
        tenant(&w, 3, "concurrency=max");
        adopt(&w, 3, 9, w.now - 20 * SEC);
        for (uint32_t id = 1; id <= 3; id++)
                submit(&w, id, id);
        open_world(&w);
        ck_assert_int_eq(standing(&w, 2)->presence, TQ_PRESENCE_COMPETING);
        w.now += return_rows[_i].later;
        set_enabled(&w, 2, true);
        ck_assert_uint_eq(tag_of(&w, 2), return_rows[_i].tag);
        ck_assert_uint_eq(tag_of(&w, 1), 5000);
        /* It has been going on. */
        ck_assert_uint_eq(tq_scheduler_pool(w.s, 0)->contended_since, 100000 * SEC - 40 * SEC);
}
END_TEST

/* Who is ready first is not alone: what those who were there are owed is not forgotten for it. */
START_TEST(first_to_return) {
        WORLD w = world_new();

        one_slot(&w);
        set_enabled(&w, 2, false);
        ck_assert_int_eq(give_pool(&w, (TqPoolStanding){ .name = "shared",
                                                         .vtime = 1000,
                                                         .is_contended = true }),
                         0);
        ck_assert_int_eq(give(&w, 2,
                              (TqStanding){ .presence = TQ_PRESENCE_COMPETING,
                                            .tag = 900000,
                                            .usage = TQ_HISTORY_NONE }),
                         0);
        submit(&w, 1, 1);
        submit(&w, 2, 2);
        must_step(&w, (TqEvent){ .type = TQ_EVENT_OPEN, .more = true });
        ck_assert_uint_eq(tag_of(&w, 1), 1000);
        set_enabled(&w, 2, true);
        ck_assert_uint_eq(tag_of(&w, 2), 900000);
}
END_TEST

/* It was empty: all do, as they would have without a restart. */
START_TEST(anew) {
        WORLD w = world_new();

        one_slot(&w);
        ck_assert_int_eq(give_pool(&w, (TqPoolStanding){ .name = "shared", .vtime = 1000 }), 0);
        ck_assert_int_eq(give(&w, 2, (TqStanding){ .tag = 900000, .usage = TQ_HISTORY_NONE }), 0);
        open_world(&w);
        submit(&w, 1, 1);
        ck_assert_uint_eq(tq_scheduler_pool(w.s, 0)->vtime, 900000);
}
END_TEST

/* Its tag was of another pool: the rest is its own. */
START_TEST(another_pool) {
        const TqTenant *t;
        WORLD w = world_new();

        one_slot(&w);
        ck_assert_int_eq(give_pool(&w, (TqPoolStanding){ .name = "shared", .vtime = 1000 }), 0);
        ck_assert_int_eq(give(&w, 1,
                              (TqStanding){ .pool = "gpu",
                                            .presence = TQ_PRESENCE_COMPETING,
                                            .tag = 900000,
                                            .largest_advance = 8,
                                            .usage = 3 }),
                         0);
        t = tq_scheduler_tenant(w.s, 1);
        ck_assert_uint_eq(t->tag, 1000);
        ck_assert(t->is_idle);
        ck_assert_uint_eq(t->largest_advance, 8);
        ck_assert_double_eq_tol(standing(&w, 1)->usage, 3, 1e-9);
}
END_TEST

/* Of two that stand alike who has used less is first, and use has faded meanwhile. */
START_TEST(usage) {
        WORLD w = world_new();

        one_slot(&w);
        for (uint32_t id = 1; id <= 2; id++)
                ck_assert_int_eq(
                        give(&w, id,
                             (TqStanding){ .usage = 10, .age_usec = id * w.host.half_life_usec }),
                        0);
        ck_assert_double_eq_tol(standing(&w, 1)->usage, 9, 1e-9);
        ck_assert_double_eq_tol(standing(&w, 2)->usage, 8, 1e-9);
        submit(&w, 1, 1);
        submit(&w, 2, 2);
        open_world(&w);
        expect(&w, "start 2");
}
END_TEST

/* Order ---------------------------------------------------------------------------------------- */

/* A random history with as random tenants: of two worlds, which are the same, one is restarted
 * while nothing runs, and from there on both start the same jobs at the same times. */
static Sim *history(uint64_t seed) {
        Sim *s = sim_new();

        s->random += seed * 7919;
        s->w.host.policy = seed % 4 == 3 ? TQ_POLICY_ROUND_ROBIN : TQ_POLICY_FAIR;
        s->w.host.cpus = 4;
        sim_open(s, 1 + unit_random(&s->random) % 6);
        for (uint32_t id = 1; id <= TENANTS; id++) {
                SimTenant *t = &s->tenants[id];
                char text[64];

                (void)snprintf(text, sizeof(text), "concurrency=%s weight=%u",
                               unit_random(&s->random) % 3 ? "max" : "1",
                               (unsigned)(1 + unit_random(&s->random) % 500));
                tenant(&s->w, id, text);
                t->length_usec = 1 + unit_random(&s->random) % (20 * SEC);
                t->spread_usec = 1 + unit_random(&s->random) % (10 * SEC);
                t->cpu_permille = unit_random(&s->random) % 3000;
                t->name = 1 + unit_random(&s->random) % 3;
                /* Others come now and then. */
                if (id <= TENANTS / 2)
                        sim_backlog(s, id, 10);
        }
        return s;
}

static void go_on(Sim *s, uint64_t usec) {
        uint32_t id = 1 + (uint32_t)(unit_random(&s->random) % TENANTS);

        if (unit_random(&s->random) % 2)
                for (uint64_t n = unit_random(&s->random) % 4; n > 0; n--)
                        (void)sim_submit(s, id);
        sim_run(s, usec);
}

/* All that runs ends, and nothing is decided yet. */
static void end_what_runs(Sim *s) {
        TqHeapNode *node;

        while ((node = tq_heap_top(&s->ends)))
                sim_end(s, TQ_CONTAINER_OF(node, SimJob, node));
        for (size_t i = 0; i < s->w.actions.n; i++)
                if (s->w.actions.items[i].type == TQ_ACTION_FINISH)
                        sim_ended(s, s->w.actions.items[i].userdata);
        s->w.actions.n = 0;
}

START_TEST(order) {
        SIM *a = history((uint64_t)_i), *b = history((uint64_t)_i);
        uint64_t random = 4711 + (uint64_t)_i;
        KEPT *k = kept_new();

        for (int round = 0; round < 5; round++) {
                for (uint64_t n = 20 + unit_random(&random) % 50; n > 0; n--) {
                        uint64_t usec = unit_random(&random) % (5 * SEC);

                        go_on(a, usec);
                        go_on(b, usec);
                }
                end_what_runs(a);
                end_what_runs(b);
                keep_all(k, &b->w, TENANTS);
                sim_restart(b, k, TENANTS);
                for (int i = 0; i < 200; i++) {
                        go_on(a, SEC / 2);
                        go_on(b, SEC / 2);
                        for (uint32_t id = 1; id <= TENANTS; id++)
                                unit_must(a->tenants[id].started == b->tenants[id].started,
                                          "round %d, %d: tenant %u started %ju jobs, and %ju with "
                                          "a restart",
                                          round, i, id, (uintmax_t)a->tenants[id].started,
                                          (uintmax_t)b->tenants[id].started);
                }
        }
        for (uint32_t id = 1; id <= TENANTS; id++)
                ck_assert_uint_eq(tag_of(&a->w, id), tag_of(&b->w, id));
}
END_TEST

/* Shares --------------------------------------------------------------------------------------- */

static const struct {
        unsigned weight[3];
        uint64_t length[3], cpu_permille[3], slots, every, seconds;
        bool bites; /* without memory shares are others */
} share_rows[] = {
        { { 100, 100, 100 }, { 2, 20, 200 }, { 0, 0, 0 }, 4, 100, 20000, true },
        { { 100, 300, 50 }, { 2, 20, 200 }, { 0, 0, 0 }, 4, 100, 20000, true },
        { { 300, 100, 100 }, { 500, 2, 2 }, { 0, 0, 0 }, 8, 60, 20000, true },
        { { 100, 100, 200 }, { 5, 5, 5 }, { 1000, 3000, 100 }, 4, 50, 20000, false },
        { { 100, 1000, 100 }, { 1000, 30, 100 }, { 500, 500, 500 }, 5, 333, 40000, true },
        { { 100, 100, 100 }, { 900, 9, 9 }, { 0, 0, 0 }, 3, 120, 40000, true },
};

/* Rows as the engine writes them: each tenant's at most each 5 s, and at times not for long. */
static void run_with_restarts(Sim *s, KeptAll *k, uint64_t seconds, uint64_t every, uint64_t seed) {
        uint64_t random = 991 + seed * 7919, next = every / 2;

        for (uint64_t i = 0; i < seconds; i++) {
                sim_run(s, SEC);
                for (uint32_t id = 0; k && id <= 3; id++)
                        if (unit_random(&random) % 5 == 0)
                                keep(k, &s->w, id);
                if (every == 0 || i < next)
                        continue;
                next = i + 1 + unit_random(&random) % (2 * every);
                sim_restart(s, k, 3);
        }
}

static Sim *shares_sim(size_t row, uint64_t seed) {
        Sim *s = sim_new();

        s->random += seed * 7919;
        s->w.host.cpus = 4;
        sim_open(s, share_rows[row].slots);
        for (uint32_t id = 1; id <= 3; id++) {
                char text[64];

                (void)snprintf(text, sizeof(text), "concurrency=max weight=%u",
                               share_rows[row].weight[id - 1]);
                tenant(&s->w, id, text);
                s->tenants[id].length_usec = share_rows[row].length[id - 1] * SEC;
                s->tenants[id].spread_usec = s->tenants[id].length_usec / 2;
                s->tenants[id].cpu_permille = share_rows[row].cpu_permille[id - 1];
                sim_backlog(s, id, BACKLOG);
        }
        return s;
}

START_TEST(shares) {
        size_t row = (size_t)_i / 4;
        uint64_t seed = (uint64_t)_i % 4;
        SIM *a = shares_sim(row, seed), *b = shares_sim(row, seed), *c = shares_sim(row, seed);
        double furthest = 0;
        Marks start = {};
        KEPT *k = kept_new();

        run_with_restarts(a, NULL, share_rows[row].seconds, 0, seed);
        run_with_restarts(b, k, share_rows[row].seconds, share_rows[row].every, seed);
        run_with_restarts(c, NULL, share_rows[row].seconds, share_rows[row].every, seed);
        for (uint32_t id = 1; id <= 3; id++) {
                double want = sim_share(a, &start, id, 3), got = sim_share(b, &start, id, 3);

                ck_assert_double_eq_tol(got, want, 0.02);
                furthest = fmax(furthest, fabs(sim_share(c, &start, id, 3) - want));
        }
        ck_assert(!share_rows[row].bites || furthest > 0.05);
}
END_TEST

static void fill(Suite *s) {
        TCase *numbers_of = unit_case(s, "numbers"), *gains = unit_case(s, "gains");
        TCase *same = unit_case(s, "order"), *part = unit_case(s, "shares");

        tcase_add_test(numbers_of, numbers);
        tcase_add_test(numbers_of, not_contended);
        tcase_add_test(numbers_of, contended_later);
        tcase_add_test(numbers_of, lost);
        tcase_add_test(numbers_of, refused);
        tcase_add_test(numbers_of, saturation);
        unit_add_rows(gains, credit, credit_rows);
        tcase_add_test(gains, not_anew);
        unit_add_rows(gains, returns, return_rows);
        tcase_add_test(gains, first_to_return);
        tcase_add_test(gains, anew);
        tcase_add_test(gains, another_pool);
        tcase_add_test(gains, usage);
        tcase_add_loop_test(same, order, 0, 12);
        tcase_add_loop_test(part, shares, 0, 4 * (int)TQ_ELEMENTSOF(share_rows));
}

int main(void) {
        return unit_main("core/standing", fill);
}
