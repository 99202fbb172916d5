/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store_ledger.h"

/* What does not start: jobs that are held, and the switches of the host, tenants and queues. */

static int tell_hold(void *userdata, const TqLedgerLive *j) {
        tq_buffer_printf(userdata, "%s%ju:%d", ((TqBuffer *)userdata)->size > 0 ? " " : "",
                         (uintmax_t)j->id, j->hold);
        return 0;
}

static void expect_holds(Fixture *f, const char *want) {
        TQ_BUFFER_CLEANUP TqBuffer got = {};

        ck_assert_int_eq(tq_ledger_each_live(f->l, tell_hold, &got), 0);
        ck_assert_str_eq(tq_buffer_string(&got), want);
}

static const struct {
        uint64_t job;
        TqHoldLevel level;
        const char *want;
} hold_rows[] = {
        { 1, TQ_HOLD_OWN, "1:1 2:0 3:0 4:0" },
        { 4, TQ_HOLD_ADMIN, "1:0 2:0 3:0 4:2" },
        { 9, TQ_HOLD_ADMIN, "1:0 2:0 3:0 4:0" },
};

START_TEST(hold) {
        FIXTURE f = fixture_new();

        accept_four(&f);
        for (size_t i = 0; i < TQ_ELEMENTSOF(hold_rows); i++) {
                ck_assert_int_eq(APPLY(f.l, op_hold(hold_rows[i].job, hold_rows[i].level)), 0);
                expect_holds(&f, hold_rows[i].want);
                ck_assert_int_eq(APPLY(f.l, op_hold(hold_rows[i].job, TQ_HOLD_NONE)), 0);
                expect_holds(&f, "1:0 2:0 3:0 4:0");
        }
        ck_assert_int_eq(APPLY(f.l, op_hold(2, TQ_HOLD_ADMIN)), 0);
        reopen(&f);
        expect_holds(&f, "1:0 2:2 3:0 4:0");
}
END_TEST

/* Only what waits is held, and what runs no longer is. */
START_TEST(hold_ends) {
        FIXTURE f = fixture_new();

        accept_four(&f);
        for (uint64_t job = 1; job <= 4; job++)
                ck_assert_int_eq(APPLY(f.l, op_hold(job, TQ_HOLD_ADMIN)), 0);
        ck_assert_int_eq(APPLY(f.l, op_running(1, 1), op_running(2, 1), op_done(2, 1)), 0);
        expect_holds(&f, "1:0 3:2 4:2");
        ck_assert_int_eq(APPLY(f.l, op_hold(1, TQ_HOLD_OWN), op_hold(2, TQ_HOLD_OWN),
                               op_hold(3, TQ_HOLD_OWN)),
                         0);
        expect_holds(&f, "1:0 3:1 4:2");
        ck_assert_int_eq(APPLY(f.l, (TqLedgerOp){ .type = TQ_LEDGER_REQUEUE, .job = 1 }), 0);
        expect_holds(&f, "1:0 3:1 4:2");
        ck_assert_int_eq(APPLY(f.l, op_hold(1, TQ_HOLD_OWN)), 0);
        expect_holds(&f, "1:1 3:1 4:2");
}
END_TEST

static int tell_crashes(void *userdata, const TqLedgerLive *j) {
        tq_buffer_printf(userdata, "%s%ju:%d,%u,%s", ((TqBuffer *)userdata)->size > 0 ? " " : "",
                         (uintmax_t)j->id, j->hold, j->crashes,
                         j->quarantine ? j->quarantine : "-");
        return 0;
}

static void expect_crashes(Fixture *f, const char *want) {
        TQ_BUFFER_CLEANUP TqBuffer got = {};

        ck_assert_int_eq(tq_ledger_each_live(f->l, tell_crashes, &got), 0);
        ck_assert_str_eq(tq_buffer_string(&got), want);
}

static TqLedgerOp op_crash(uint64_t job, TqLedgerOpType type) {
        return (TqLedgerOp){ .type = type, .job = job, .text = (char *)"why" };
}

/* The second crash holds what waits; not what runs or has ended. A release begins anew, and so does
 * a start. */
START_TEST(crashes) {
        FIXTURE f = fixture_new();

        accept_four(&f);
        ck_assert_int_eq(APPLY(f.l, op_running(2, 1), op_running(3, 1), op_done(3, 1)), 0);
        for (uint64_t job = 1; job <= 3; job++)
                ck_assert_int_eq(APPLY(f.l, op_crash(job, TQ_LEDGER_CRASH)), 0);
        ck_assert_int_eq(APPLY(f.l, op_crash(99, TQ_LEDGER_CRASH)), 0);
        expect_crashes(&f, "1:0,1,- 2:0,1,- 4:0,0,-");
        reopen(&f);
        ck_assert_int_eq(APPLY(f.l, op_crash(1, TQ_LEDGER_CRASH), op_crash(2, TQ_LEDGER_CRASH)), 0);
        expect_crashes(&f, "1:2,2,why 2:0,2,- 4:0,0,-");
        ck_assert_int_eq(APPLY(f.l, op_hold(1, TQ_HOLD_ADMIN)), 0);
        expect_crashes(&f, "1:2,2,why 2:0,2,- 4:0,0,-");
        ck_assert_int_eq(APPLY(f.l, op_hold(1, TQ_HOLD_NONE)), 0);
        expect_crashes(&f, "1:0,0,- 2:0,2,- 4:0,0,-");
        ck_assert_int_eq(APPLY(f.l, op_crash(4, TQ_LEDGER_CRASH), op_running(4, 1)), 0);
        expect_crashes(&f, "1:0,0,- 2:0,2,- 4:0,0,-");
        /* For a launch, the scheduler has counted. */
        ck_assert_int_eq(
                APPLY(f.l, op_crash(1, TQ_LEDGER_QUARANTINE), op_crash(2, TQ_LEDGER_QUARANTINE)),
                0);
        expect_crashes(&f, "1:2,0,why 2:0,2,- 4:0,0,-");
}
END_TEST

START_TEST(switches) {
        FIXTURE f = fixture_new();

        expect_switches(&f, "");
        ck_assert_int_eq(APPLY(f.l, op_switch(2, "", true, true), op_switch(1, "web", false, true),
                               op_switch(1, "", true, false), op_switch(0, "", true, false),
                               op_switch(1, "etl", true, false), op_switch(3, "", false, false)),
                         0);
        expect_switches(&f, "t0 |paused\nt1 |paused\nt1 etl|paused\nt1 web|draining\n"
                            "t2 |pauseddraining\n");
        ck_assert_int_eq(APPLY(f.l, op_switch(0, "", false, false), op_switch(1, "", false, true),
                               op_switch(2, "", false, true), op_switch(1, "etl", false, false)),
                         0);
        reopen(&f);
        expect_switches(&f, "t1 |draining\nt1 web|draining\nt2 |draining\n");
        f.l = tq_ledger_close(f.l);
        ck_assert_int_eq(query_number(f.path, "SELECT count(*) FROM switches WHERE uid = 8 AND "
                                              "time_usec = 9 AND why = 'why'"),
                         6);
}
END_TEST

static void fill(Suite *s) {
        TCase *holds = unit_case(s, "holds");

        tcase_add_test(holds, hold);
        tcase_add_test(holds, hold_ends);
        tcase_add_test(holds, crashes);
        tcase_add_test(holds, switches);
}

int main(void) {
        return unit_main("store/ledger holds", fill);
}
