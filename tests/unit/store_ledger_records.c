/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store_ledger.h"

/* What is recorded beside jobs: tenants, their limits, and events. */

static int tell_tenant(void *userdata, const TqLedgerTenant *x) {
        tq_buffer_printf(userdata, "%u %s %u %s\n", x->id, x->name, x->uid, x->user);
        return 0;
}

START_TEST(tenants) {
        FIXTURE f = fixture_new();
        TQ_BUFFER_CLEANUP TqBuffer got = {};
        TqLedgerOp other = op_tenant(3, "acme");

        ck_assert_int_eq(
                APPLY(f.l, op_tenant(2, "globex"), op_tenant(1, "acme"), op_tenant(2, "globex")),
                0);
        /* The name comes to another owner, and is one more tenant. */
        other.uid = 1234;
        other.user = (char *)"bob";
        ck_assert_int_eq(APPLY(f.l, other), 0);
        ck_assert_int_eq(tq_ledger_each_tenant(f.l, tell_tenant, &got), 0);
        ck_assert_str_eq(tq_buffer_string(&got), "1 acme 1001 \n2 globex 1002 \n3 acme 1234 bob\n");
}
END_TEST

static int stop_at_once(void *userdata, const TqLedgerTenant *x) {
        (void)x;
        ++*(int *)userdata;
        return -ECANCELED;
}

START_TEST(callback_ends_it) {
        FIXTURE f = fixture_new();
        int calls = 0;

        ck_assert_int_eq(APPLY(f.l, op_tenant(2, "globex"), op_tenant(1, "acme")), 0);
        ck_assert_int_eq(tq_ledger_each_tenant(f.l, stop_at_once, &calls), -ECANCELED);
        ck_assert_int_eq(calls, 1);
}
END_TEST

/* What was set last of each name is in force, per tenant and queue; an unset takes it back. */
START_TEST(limits) {
        FIXTURE f = fixture_new();
        TqLedgerNumbers n;

        ck_assert_int_eq(APPLY(f.l, op_tenant(1, "acme"), op_tenant(2, "globex"),
                               op_limit(1, "", "cpu", "1", 1), op_limit(1, "", "memory", "1G", 2),
                               op_limit(1, "", "cpu", "2", 3), op_limit(2, "", "cpu", "9", 4),
                               op_limit(1, "etl", "concurrency", "3", 5),
                               op_limit(1, "", "io_write@/dev/vda", "10M", 6)),
                         0);
        expect_limits(&f, "t1 |memory=1G r2\nt1 |cpu=2 r3\nt2 |cpu=9 r4\n"
                          "t1 etl|concurrency=3 r5\nt1 |io_write@/dev/vda=10M r6\n");
        ck_assert_int_eq(APPLY(f.l, op_limit(1, "", "cpu", NULL, 7),
                               op_limit(1, "etl", "concurrency", NULL, 8)),
                         0);
        expect_limits(&f, "t1 |memory=1G r2\nt2 |cpu=9 r4\nt1 |io_write@/dev/vda=10M r6\n");
        ck_assert_int_eq(APPLY(f.l, op_limit(1, "", "cpu", "4", 9)), 0);
        reopen(&f);
        expect_limits(&f, "t1 |memory=1G r2\nt2 |cpu=9 r4\nt1 |io_write@/dev/vda=10M r6\n"
                          "t1 |cpu=4 r9\n");
        ck_assert_int_eq(tq_ledger_numbers(f.l, &n), 0);
        ck_assert_uint_eq(n.next_revision, 10);
        ck_assert_uint_eq(n.next_tenant, 3);
}
END_TEST

/* What ends by itself is known with its end, in this boot by its own clock; what is unset until
 * then too. */
START_TEST(limits_for_some_time) {
        static const uint8_t other_boot[16] = { 9 };
        FIXTURE f = fixture_new();
        TqLedgerOp set = op_limit(1, "", "cpu", "8", 1), unset = op_limit(1, "", "memory", NULL, 1);
        TqError err = {};

        set.limit.until_usec = unset.limit.until_usec = 5000;
        set.limit.until_boottime_usec = unset.limit.until_boottime_usec = 70;
        set.limit.back = (char *)"2";
        ck_assert_int_eq(APPLY(f.l, op_tenant(1, "acme"), set, unset), 0);
        reopen(&f);
        expect_limits(&f, "t1 |cpu=8 r1 until5000 boot70 then 2\n"
                          "t1 |memory=unset r1 until5000 boot70 then unset\n");
        f.l = tq_ledger_close(f.l);
        ck_assert_int_eq(tq_ledger_open(f.path, other_boot, &f.l, &err), 0);
        expect_limits(&f, "t1 |cpu=8 r1 until5000 other0 then 2\n"
                          "t1 |memory=unset r1 until5000 other0 then unset\n");
        ck_assert_int_eq(
                APPLY(f.l, op_limit(1, "", "cpu", "2", 2), op_limit(1, "", "memory", NULL, 2)), 0);
        expect_limits(&f, "t1 |cpu=2 r2\n");
}
END_TEST

START_TEST(events) {
        FIXTURE f = fixture_new();
        TqLedgerOp e = { .type = TQ_LEDGER_EVENT, .kind = "refused", .time_usec = 3, .uid = 8 };

        ck_assert_int_eq(APPLY(f.l, op_tenant(1, "acme"), e), 0);
        e.text = (char *)"it's \"quoted\"; DROP TABLE jobs;--";
        e.tenant = 1;
        e.job = 5;
        ck_assert_int_eq(APPLY(f.l, e), 0);
        f.l = tq_ledger_close(f.l);
        ck_assert_int_eq(query_number(f.path,
                                      "SELECT count(*) FROM events WHERE kind = 'refused' AND "
                                      "job IS NULL AND tenant IS NULL AND text = ''"),
                         1);
        ck_assert_int_eq(query_number(f.path,
                                      "SELECT count(*) FROM events WHERE job = 5 AND tenant = 1 "
                                      "AND uid = 8 AND text LIKE '%DROP TABLE%'"),
                         1);
}
END_TEST

static void fill(Suite *s) {
        TCase *records = unit_case(s, "records");

        tcase_add_test(records, tenants);
        tcase_add_test(records, callback_ends_it);
        tcase_add_test(records, limits);
        tcase_add_test(records, limits_for_some_time);
        tcase_add_test(records, events);
}

int main(void) {
        return unit_main("store/ledger records", fill);
}
