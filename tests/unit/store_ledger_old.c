/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store_ledger.h"

/* What of a tenant's jobs may go, and how much it is. */

#define SPEC_BYTES 26 /* of op_accept()'s file */
#define ROW_BYTES  128

static TqLedgerOldCount count(const Fixture *f) {
        const TqLedgerOld o = { .tenant = 1, .now_usec = 5000000, .keep_usec = 60000000 };
        TqLedgerOldCount c = {};

        ck_assert_int_eq(tq_ledger_count_old(f->l, &o, 100, &c), 0);
        return c;
}

static void end_job(const Fixture *f, uint64_t job, unsigned attempts, uint64_t keep_usec) {
        TqLedgerOp accept = op_accept(job, 1, job);

        accept.accept.keep_usec = keep_usec;
        ck_assert_int_eq(tq_ledger_apply(f->l, &accept, 1), 0);
        for (unsigned i = 1; i <= attempts; i++)
                ck_assert_int_eq(APPLY(f->l, op_running(job, i)), 0);
        ck_assert_int_eq(APPLY(f->l, op_done(job, attempts)), 0);
}

/* Each of its attempts is a row, too. */
START_TEST(bytes) {
        FIXTURE f = fixture_new();
        TqLedgerOldJob old[TQ_LEDGER_OLD_MOST];
        const TqLedgerOld o = { .tenant = 1, .now_usec = 5000000 };
        TqLedgerOldCount c;
        size_t n;

        ck_assert_int_eq(APPLY(f.l, op_tenant(1, "acme")), 0);
        end_job(&f, 1, 1, 0);
        end_job(&f, 2, 1000, 0);
        c = count(&f);
        ck_assert_uint_eq(c.rows, 2);
        ck_assert_uint_eq(c.may[0].jobs, 2);
        ck_assert_uint_eq(c.may[0].bytes, 2 * SPEC_BYTES + 1001 * ROW_BYTES);
        ck_assert_int_eq(tq_ledger_old_jobs(f.l, &o, old, &n), 0);
        ck_assert_uint_eq(n, 2);
        ck_assert_uint_eq(old[1].bytes, SPEC_BYTES + 1000 * ROW_BYTES);
        ck_assert_uint_eq(old[1].attempts, 1000);
}
END_TEST

/* No Keep= keeps a job from ever going: only that its file is still in .claims does. */
START_TEST(kept) {
        static const uint64_t longest[] = { UINT64_MAX, INT64_MAX, (uint64_t)INT64_MAX - 1 };
        FIXTURE f = fixture_new();
        TqLedgerOldCount c;

        ck_assert_int_eq(APPLY(f.l, op_tenant(1, "acme")), 0);
        for (uint64_t i = 0; i < TQ_ELEMENTSOF(longest); i++)
                end_job(&f, i + 1, 1, longest[i]);
        end_job(&f, 4, 1, 0);
        c = count(&f);
        ck_assert_uint_eq(c.may[1].jobs, 3);
        ck_assert_uint_eq(c.may[0].jobs, 1);
        ck_assert_int_eq(APPLY(f.l, (TqLedgerOp){ .type = TQ_LEDGER_KEEP, .job = 2 },
                               (TqLedgerOp){ .type = TQ_LEDGER_FORGET,
                                             .job = 1,
                                             .forget = { .ended_usec = 4000000 } },
                               (TqLedgerOp){ .type = TQ_LEDGER_FORGET,
                                             .job = 2,
                                             .forget = { .ended_usec = 4000000 } }),
                         0);
        c = count(&f);
        ck_assert_uint_eq(c.rows, 3);
        ck_assert_uint_eq(c.may[1].jobs, 1);
        expect_jobs(&f, (TqLedgerFilter){ .tenant = -1, .limit = 10 }, "4 3 2");
}
END_TEST

static void fill(Suite *s) {
        TCase *c = unit_case(s, "old");

        tcase_add_test(c, bytes);
        tcase_add_test(c, kept);
}

int main(void) {
        return unit_main("store_ledger_old", fill);
}
