/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/dispatch/standings.h"

#include "base/clock.h"
#include "fake/fake.h"
#include "world.h"

/* Which rows are written with which commit, and what a start makes of them. */

static const uint8_t boot[16] = { 1 };

typedef struct Place {
        Feed *feed;
        Standings *standings;
} Place;

static void tell(Place *p, TqEvent event) {
        ck_assert_int_eq(feed_step(p->feed, &event), 0);
}

static void open_ledger(void) {
        char path[200];

        (void)snprintf(path, sizeof(path), "%s/ledger.db", unit_dir());
        ck_assert_int_eq(tq_ledger_open(path, boot, &fake_ledger, NULL), 0);
}

static void place_load(Place *p, uint32_t n) {
        TqHostPolicy policy;

        tq_policy_init(&policy);
        policy.max_jobs = 1;
        ck_assert_int_eq(feed_new(&p->feed), 0);
        ck_assert_int_eq(standings_new(fake_commit(), p->feed, &p->standings), 0);
        tell(p, (TqEvent){ .type = TQ_EVENT_HOST, .host = &policy });
        for (uint32_t id = 1; id <= n; id++) {
                TqLimits l = limits("concurrency=max");

                tell(p, (TqEvent){ .type = TQ_EVENT_TENANT,
                                   .tenant = id,
                                   .t = { .name = "t", .limits = &l, .enabled = true } });
        }
        ck_assert_int_eq(standings_load(p->standings), 0);
}

static void place_new(Place *p, uint32_t n) {
        if (!fake_ledger)
                open_ledger();
        place_load(p, n);
        tell(p, (TqEvent){ .type = TQ_EVENT_OPEN });
}

static void place_done(Place *p) {
        p->standings = standings_free(p->standings);
        p->feed = feed_free(p->feed);
}

/* A commit that happens anyway: the rows of tenants that it takes along, "p" for a pool's. */
static const char *commit(void) {
        static TqBuffer got;

        tq_buffer_done(&got);
        commit_op(fake_commit(), TQ_LEDGER_EVENT)->kind = "any";
        fake_flush();
        for (size_t i = 1; i < fake_n_ops(); i++)
                if (fake_op(i)->type == TQ_LEDGER_POOL)
                        tq_buffer_printf(&got, "p ");
                else
                        tq_buffer_printf(&got, "%u ", fake_op(i)->tenant);
        ck_assert_int_eq(tq_ledger_apply(fake_ledger, fake_op(0), fake_n_ops()), 0);
        fake_commit_all(0);
        return tq_buffer_string(&got);
}

static void submit_to(Place *p, uint32_t id, uint64_t job) {
        tell(p, submission(id, job));
}

static void end_of(Place *p, uint64_t job, uint64_t cpu_usec) {
        TqEnd e = { .kind = TQ_END_EXITED, .counters = { .cpu_usec = cpu_usec } };

        tell(p, (TqEvent){ .type = TQ_EVENT_ENDED, .job = job, .attempt = 1, .end = &e });
}

/* With no commit, or no change, there is no row; else one of each at once, then each 5 s. */
START_TEST(when) {
        Place p;

        place_new(&p, 3);
        fake_flush();
        ck_assert_uint_eq(fake_n_ops(), 0);
        ck_assert_str_eq(commit(), "");
        submit_to(&p, 1, 1);
        ck_assert_str_eq(commit(), "1 p ");
        ck_assert_str_eq(commit(), "");
        /* Somebody competes: known at once, also of one who was written a moment ago. */
        submit_to(&p, 2, 2);
        ck_assert_str_eq(commit(), "2 p ");
        submit_to(&p, 1, 3);
        ck_assert_str_eq(commit(), "1 p ");
        fake_now += STANDINGS_EVERY_USEC - 1;
        submit_to(&p, 1, 4);
        ck_assert_str_eq(commit(), "");
        fake_now++;
        ck_assert_str_eq(commit(), "1 p ");
        fake_now += 100 * SEC;
        ck_assert_str_eq(commit(), "");
        /* The host's averages with them. */
        end_of(&p, 1, 5);
        ck_assert_str_eq(commit(), "1 2 p 0 ");
        end_of(&p, 2, 5);
        ck_assert_str_eq(commit(), "");
        end_of(&p, 3, 5);
        ck_assert_str_eq(commit(), "p ");
        end_of(&p, 4, 5);
        standings_leave(p.standings);
        ck_assert_uint_eq(fake_n_ops(), 4); /* 1, 2, the pool, the host */
        fake_commit_all(0);
        standings_leave(p.standings);
        ck_assert_uint_eq(fake_n_ops(), 0);
        place_done(&p);
}
END_TEST

static size_t count(const char *rows) {
        size_t n = 0;

        for (; *rows; rows++)
                n += *rows == ' ';
        return n;
}

/* So many with one commit, and each comes to its turn. */
START_TEST(many) {
        Place p;

        place_new(&p, 100);
        for (uint32_t id = 1; id <= 100; id++)
                submit_to(&p, id, id);
        for (size_t left = 100; left > 0; left -= TQ_MIN(left, (size_t)STANDINGS_MOST))
                ck_assert_uint_eq(count(commit()), TQ_MIN(left, (size_t)STANDINGS_MOST) + 1);
        ck_assert_str_eq(commit(), "");
        /* Nothing is different: no row, although all were looked at. */
        tell(&p, (TqEvent){ .type = TQ_EVENT_CLOSE });
        tell(&p, (TqEvent){ .type = TQ_EVENT_OPEN });
        place_done(&p);
}
END_TEST

/* What the next start has is what this one had. */
START_TEST(over_a_restart) {
        const TqTenant *t;
        uint64_t tag;
        Place p;

        place_new(&p, 2);
        submit_to(&p, 1, 1);
        submit_to(&p, 2, 2);
        fake_now += 10 * SEC;
        end_of(&p, 1, 5);
        end_of(&p, 2, 5);
        (void)commit();
        tag = tq_scheduler_tenant(feed_scheduler(p.feed), 1)->tag;
        ck_assert_uint_ge(tag, 9000 * SEC);
        place_done(&p);
        fake_now += 20 * SEC;
        place_load(&p, 2);
        t = tq_scheduler_tenant(feed_scheduler(p.feed), 1);
        ck_assert_uint_eq(t->tag, tag);
        ck_assert_ptr_nonnull(t->averages);
        ck_assert_uint_eq(tq_fair_predict(t->averages, 0)->cpu_usec, 5);
        /* All of it is as it was written. */
        tell(&p, (TqEvent){ .type = TQ_EVENT_OPEN });
        ck_assert_str_eq(commit(), "");
        place_done(&p);
}
END_TEST

static void apply(TqLedgerOp op) {
        op.time_usec = tq_clock_realtime_usec();
        ck_assert_int_eq(tq_ledger_apply(fake_ledger, &op, 1), 0);
}

/* Tags near their end begin again further down, all in one commit. */
START_TEST(rebased) {
        const uint64_t vtime = (UINT64_C(1) << 62) + 5;
        TqLedgerOp op = { .type = TQ_LEDGER_STANDING,
                          .standing = { .pool = "shared", .usage = TQ_HISTORY_NONE } };
        TqLedgerOp pool = { .type = TQ_LEDGER_POOL, .pool = { .name = "shared", .vtime = vtime } };
        const TqScheduler *s;
        Place p;

        open_ledger();
        apply(pool);
        for (op.tenant = 1; op.tenant <= 40; op.tenant++) {
                op.standing.tag = vtime + op.tenant * 1000 - 20000;
                apply(op);
        }
        place_load(&p, 40);
        s = feed_scheduler(p.feed);
        for (uint32_t id = 1; id <= 40; id++)
                ck_assert_int_eq(
                        (int64_t)(tq_scheduler_tenant(s, id)->tag - tq_scheduler_pool(s, 0)->vtime),
                        (int64_t)id * 1000 - 20000);
        ck_assert_uint_lt(tq_scheduler_pool(s, 0)->vtime, UINT64_C(1) << 60);
        ck_assert_uint_eq(fake_n_ops(), 41);
        ck_assert_int_eq(tq_ledger_apply(fake_ledger, fake_op(0), fake_n_ops()), 0);
        fake_commit_all(0);
        place_done(&p);
        place_load(&p, 40);
        ck_assert_uint_eq(fake_n_ops(), 0);
        ck_assert_uint_eq(tq_scheduler_pool(feed_scheduler(p.feed), 0)->vtime, UINT64_C(1) << 56);
        place_done(&p);
}
END_TEST

/* Rows of a later version, of a pool and of a tenant that are no more: no start fails by them. */
START_TEST(strange) {
        TqLedgerOp op = { .type = TQ_LEDGER_STANDING,
                          .tenant = 1,
                          .standing = { .pool = "shared",
                                        .presence = TQ_PRESENCE_COMPETING,
                                        .tag = 5,
                                        .usage = TQ_HISTORY_NONE,
                                        .averages = (uint8_t *)"\xFF of another version",
                                        .averages_size = 20 } };
        TqLedgerOp pool = { .type = TQ_LEDGER_POOL, .pool = { .name = "gone", .vtime = 5 } };
        Place p;

        open_ledger();
        apply(pool);
        apply(op);
        op.tenant = 9;
        apply(op);
        op.tenant = 0;
        apply(op);
        place_load(&p, 1);
        ck_assert_uint_eq(tq_scheduler_tenant(feed_scheduler(p.feed), 1)->tag, 5);
        ck_assert_ptr_null(tq_scheduler_tenant(feed_scheduler(p.feed), 1)->averages);
        place_done(&p);
}
END_TEST

static void fill(Suite *s) {
        TCase *rows = unit_case(s, "rows"), *starts = unit_case(s, "starts");

        tcase_add_test(rows, when);
        tcase_add_test(rows, many);
        tcase_add_test(starts, over_a_restart);
        tcase_add_test(starts, rebased);
        tcase_add_test(starts, strange);
}

int main(void) {
        return unit_main("engine/standings", fill);
}
