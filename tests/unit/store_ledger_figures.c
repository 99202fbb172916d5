/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store_ledger.h"

/* How jobs fared before an instant and since, as their rows tell: from 1000 to 2000 and to 3000. */

static TqLedgerOp accept_at(uint64_t job, uint64_t at, uint64_t start_after) {
        TqLedgerOp op = op_accept(job, 1, 0);

        op.time_usec = at;
        op.accept.start_after_usec = start_after;
        return op;
}

static TqLedgerOp running_at(uint64_t job, unsigned attempt, uint64_t at) {
        TqLedgerOp op = op_running(job, attempt);

        op.time_usec = at;
        return op;
}

static TqLedgerOp done_at(uint64_t job, unsigned attempt, uint64_t at, int code, uint64_t kills) {
        TqLedgerOp op = op_done(job, attempt);

        op.verdict.end.ended_usec = at;
        op.verdict.code = op.verdict.end.code = code;
        op.verdict.end.counters.oom_kills = kills;
        return op;
}

static void expect(Fixture *f, uint32_t tenant, const char *before, const char *since) {
        const char *want[2] = { before, since };
        TqFigures figures[2];
        char got[128];

        ck_assert_int_eq(tq_ledger_figures(f->l, tenant, 1000, 2000, 3000, figures), 0);
        for (int i = 0; i < 2; i++) {
                (void)snprintf(got, sizeof(got), "%ju up to %ju; %ju %ju %ju",
                               (uintmax_t)figures[i].waits, (uintmax_t)figures[i].wait_p95_usec,
                               (uintmax_t)figures[i].ended, (uintmax_t)figures[i].failed,
                               (uintmax_t)figures[i].killed);
                ck_assert_str_eq(got, want[i]);
                ck_assert(!figures[i].has_cpu);
        }
}

START_TEST(windows) {
        FIXTURE f = fixture_new();
        TqLedgerOp later, held, stop = { .type = TQ_LEDGER_STOP, .stop = TQ_STOP_CANCELLED };

        ck_assert_int_eq(APPLY(f.l, op_tenant(1, "acme"), op_tenant(2, "globex")), 0);
        expect(&f, 1, "0 up to 0; 0 0 0", "0 up to 0; 0 0 0");
        /* Started before, ended since; what could not start before 1200 did not wait until then. */
        ck_assert_int_eq(APPLY(f.l, accept_at(1, 1100, 1200), running_at(1, 1, 1500),
                               done_at(1, 1, 2000, 0, 0)),
                         0);
        expect(&f, 1, "1 up to 300; 0 0 0", "0 up to 0; 1 0 0");
        /* It waited at 2000, and started behind it. */
        ck_assert_int_eq(APPLY(f.l, accept_at(2, 1900, 0), running_at(2, 1, 2600),
                               done_at(2, 1, 2700, 1, 3)),
                         0);
        expect(&f, 1, "2 up to 300; 0 0 0", "1 up to 700; 2 1 1");
        /* One that waits still, and one that nobody lets start. */
        held = op_hold(4, TQ_HOLD_OWN);
        ck_assert_int_eq(APPLY(f.l, accept_at(3, 2100, 0), accept_at(4, 1100, 0), held), 0);
        later = accept_at(5, 1100, 0);
        later.accept.after = (char *)"1";
        ck_assert_int_eq(APPLY(f.l, later), 0);
        expect(&f, 1, "2 up to 300; 0 0 0", "2 up to 900; 2 1 1");
        /* Its time has not come. */
        ck_assert_int_eq(APPLY(f.l, accept_at(6, 2100, 3001)), 0);
        expect(&f, 1, "2 up to 300; 0 0 0", "2 up to 900; 2 1 1");
        /* Of two attempts both ends count, and one wait; what was cancelled has no end. */
        later = done_at(7, 1, 1700, 3, 0);
        later.type = TQ_LEDGER_RETRY;
        stop.job = 8;
        ck_assert_int_eq(APPLY(f.l, accept_at(7, 1400, 0), running_at(7, 1, 1400), later,
                               running_at(7, 2, 1999), done_at(7, 2, 1999, 0, 0),
                               accept_at(8, 1400, 0), running_at(8, 1, 1401), stop,
                               done_at(8, 1, 1500, 9, 0)),
                         0);
        expect(&f, 1, "4 up to 300; 2 1 0", "2 up to 900; 2 1 1");
        /* What somebody or the host has ended says nothing of the job. */
        later = done_at(11, 1, 2500, 0, 0);
        later.verdict.outcome = TQ_OUTCOME_REQUEUED;
        ck_assert_int_eq(APPLY(f.l, accept_at(11, 1, 0), running_at(11, 1, 2), later), 0);
        later = done_at(12, 1, 2500, 0, 0);
        later.verdict.outcome = TQ_OUTCOME_LOST;
        ck_assert_int_eq(APPLY(f.l, accept_at(12, 1, 0), running_at(12, 1, 2), later), 0);
        expect(&f, 1, "4 up to 300; 2 1 0", "2 up to 900; 2 1 1");
        /* Out of both, on both sides. */
        ck_assert_int_eq(APPLY(f.l, accept_at(9, 1, 0), running_at(9, 1, 999),
                               done_at(9, 1, 999, 1, 0), accept_at(10, 3001, 0),
                               running_at(10, 1, 3001), done_at(10, 1, 3002, 1, 0)),
                         0);
        expect(&f, 1, "4 up to 300; 2 1 0", "2 up to 900; 2 1 1");
        expect(&f, 2, "0 up to 0; 0 0 0", "0 up to 0; 0 0 0");
}
END_TEST

/* The 95th of a hundred is the 95th, not the 96th. */
START_TEST(ranks) {
        FIXTURE f = fixture_new();

        ck_assert_int_eq(APPLY(f.l, op_tenant(1, "acme")), 0);
        for (uint64_t i = 1; i <= 100; i++)
                ck_assert_int_eq(APPLY(f.l, accept_at(i, 1500 - i, 0), running_at(i, 1, 1500)), 0);
        expect(&f, 1, "100 up to 95; 0 0 0", "0 up to 0; 0 0 0");
        ck_assert_int_eq(APPLY(f.l, accept_at(101, 1300, 0), running_at(101, 1, 1500)), 0);
        expect(&f, 1, "101 up to 96; 0 0 0", "0 up to 0; 0 0 0");
}
END_TEST

/* Behind a long queue that came since, those that are worked off are seen nevertheless. */
START_TEST(long_queue) {
        FIXTURE f = fixture_new();
        uint64_t job = 0;

        ck_assert_int_eq(APPLY(f.l, op_tenant(1, "acme")), 0);
        while (job++ < 50)
                ck_assert_int_eq(APPLY(f.l, accept_at(job, 1400, 0), running_at(job, 1, 1500),
                                       done_at(job, 1, 1600, 1, 0)),
                                 0);
        while (job++ < 3000)
                ck_assert_int_eq(APPLY(f.l, accept_at(job, 2900, 0)), 0);
        expect(&f, 1, "50 up to 100; 50 50 0", "1200 up to 100; 0 0 0");
}
END_TEST

static int tell_rollout(void *userdata, uint32_t tenant, const TqLedgerRollout *r) {
        tq_buffer_printf(userdata, "t%u r%ju %ju+%ju %ju%%", tenant, (uintmax_t)r->revision,
                         (uintmax_t)r->begun_usec, (uintmax_t)r->span_usec, (uintmax_t)r->percent);
        if (r->has_cpu)
                tq_buffer_printf(userdata, " %ju/%ju", (uintmax_t)r->cpu_usec,
                                 (uintmax_t)r->throttled_usec);
        if (r->has_before)
                tq_buffer_printf(userdata, " after %ju/%ju", (uintmax_t)r->before_cpu_usec,
                                 (uintmax_t)r->before_throttled_usec);
        tq_buffer_printf(userdata, "\n");
        return 0;
}

static void expect_rollouts(Fixture *f, const char *want) {
        TQ_BUFFER_CLEANUP TqBuffer got = {};

        ck_assert_int_eq(tq_ledger_each_rollout(f->l, tell_rollout, &got), 0);
        ck_assert_str_eq(tq_buffer_string(&got), want);
}

START_TEST(rollouts) {
        FIXTURE f = fixture_new();
        TqLedgerOp op = { .type = TQ_LEDGER_ROLLOUT, .tenant = 2 };

        ck_assert_int_eq(APPLY(f.l, op_tenant(1, "acme"), op_tenant(2, "globex")), 0);
        op.rollout =
                (TqLedgerRollout){ .revision = 3, .begun_usec = 4, .span_usec = 5, .percent = 200 };
        ck_assert_int_eq(APPLY(f.l, op), 0);
        op.tenant = 1;
        ck_assert_int_eq(APPLY(f.l, op), 0);
        op.rollout = (TqLedgerRollout){ .revision = 7,
                                        .begun_usec = 8,
                                        .span_usec = 9,
                                        .percent = 150,
                                        .has_cpu = true,
                                        .cpu_usec = 0,
                                        .throttled_usec = 1,
                                        .has_before = true,
                                        .before_cpu_usec = 2,
                                        .before_throttled_usec = 0 };
        ck_assert_int_eq(APPLY(f.l, op), 0);
        reopen(&f);
        expect_rollouts(&f, "t1 r7 8+9 150% 0/1 after 2/0\nt2 r3 4+5 200%\n");
        ck_assert_int_eq(APPLY(f.l, { .type = TQ_LEDGER_ROLLED_OUT, .tenant = 2 }), 0);
        expect_rollouts(&f, "t1 r7 8+9 150% 0/1 after 2/0\n");
        ck_assert_int_eq(APPLY(f.l, { .type = TQ_LEDGER_ERASED, .tenant = 1 }), 0);
        expect_rollouts(&f, "");
}
END_TEST

START_TEST(before_a_revision) {
        FIXTURE f = fixture_new();
        TQ_TABLE_CLEANUP TqTable t = {};

        ck_assert_int_eq(APPLY(f.l, op_tenant(1, "acme"), op_audit(1, 1, "", "weight", "5", "7", 4),
                               op_audit(1, 1, "etl", "concurrency", NULL, "2", 4),
                               op_audit(1, 1, "", "weight", "7", "9", 5)),
                         0);
        ck_assert_int_eq(tq_ledger_before_revision(f.l, 1, 4, &t), 0);
        ck_assert_uint_eq(t.n_rows, 2);
        ck_assert_str_eq(tq_table_text(&t, 0, "limit"), "weight");
        ck_assert_str_eq(tq_table_text(&t, 0, "then"), "5");
        ck_assert_ptr_null(tq_table_text(&t, 0, "queue"));
        ck_assert_str_eq(tq_table_text(&t, 1, "queue"), "etl");
        ck_assert_ptr_null(tq_table_text(&t, 1, "then"));
}
END_TEST

static void fill(Suite *s) {
        TCase *t = unit_case(s, "figures");

        tcase_add_test(t, windows);
        tcase_add_test(t, ranks);
        tcase_add_test(t, long_queue);
        tcase_add_test(t, rollouts);
        tcase_add_test(t, before_a_revision);
}

int main(void) {
        return unit_main("store/ledger_figures", fill);
}
