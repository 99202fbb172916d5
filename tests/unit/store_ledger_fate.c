/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store_ledger.h"

/* What became of a job that another one waits for. */

static TqLedgerOp op_named(uint64_t job, uint32_t id, const char *name) {
        TqLedgerOp op = op_accept(job, id, job);

        op.accept.name = (char *)name;
        return op;
}

static TqLedgerOp op_ended(uint64_t job, TqVerdict v) {
        return (TqLedgerOp){ .type = TQ_LEDGER_DONE, .job = job, .attempt = 1, .verdict = v };
}

/* 1 well, 2 exit 3, 3 another tenant's, 4 cancelled, 5 runs, 6 waits, 7 another name. */
static Fixture fates(void) {
        Fixture f = fixture_new();

        ck_assert_int_eq(APPLY(f.l, op_tenant(1, "acme"), op_tenant(2, "globex"),
                               op_named(1, 1, "x"), op_named(2, 1, "x"), op_named(3, 2, "x"),
                               op_named(4, 1, "x"), op_named(5, 1, "x"), op_named(6, 1, "x"),
                               op_named(7, 1, "y"), op_running(1, 1), op_running(2, 1),
                               op_running(5, 1),
                               op_ended(1, (TqVerdict){ .outcome = TQ_OUTCOME_EXIT, .code = 0 }),
                               op_ended(2, (TqVerdict){ .outcome = TQ_OUTCOME_EXIT, .code = 3 }),
                               op_ended(3, (TqVerdict){ .outcome = TQ_OUTCOME_EXIT, .code = 0 }),
                               op_ended(4, (TqVerdict){ .outcome = TQ_OUTCOME_CANCELLED })),
                         0);
        return f;
}

static const struct {
        uint32_t tenant;
        uint64_t job;
        const char *name;
        uint64_t before, want_job;
        TqLedgerFate want;
} fate_rows[] = {
        { 1, 1, NULL, 0, 1, TQ_FATE_WELL },
        { 1, 2, NULL, 0, 2, TQ_FATE_FAILED },
        { 1, 4, NULL, 0, 4, TQ_FATE_FAILED },
        { 1, 5, NULL, 0, 5, TQ_FATE_LIVE },
        { 1, 6, NULL, 0, 6, TQ_FATE_LIVE },
        { 1, 3, NULL, 0, 0, TQ_FATE_FAILED }, /* another tenant's */
        { 2, 3, NULL, 0, 3, TQ_FATE_WELL },
        { 2, 1, NULL, 0, 0, TQ_FATE_FAILED },
        { 1, 8, NULL, 0, 0, TQ_FATE_FAILED },
        { 1, 0, "x", UINT64_MAX, 6, TQ_FATE_LIVE },
        { 1, 0, "x", 7, 6, TQ_FATE_LIVE },
        { 1, 0, "x", 6, 5, TQ_FATE_LIVE },
        { 1, 0, "x", 5, 4, TQ_FATE_FAILED },
        { 1, 0, "x", 4, 2, TQ_FATE_FAILED }, /* 3 is another tenant's */
        { 1, 0, "x", 2, 1, TQ_FATE_WELL },
        { 1, 0, "x", 1, 2, TQ_FATE_FAILED }, /* none before: the next one behind it */
        { 1, 0, "x", 0, 1, TQ_FATE_WELL },
        { 2, 0, "x", 2, 3, TQ_FATE_WELL },
        { 2, 0, "x", 3, 0, TQ_FATE_FAILED }, /* not itself */
        { 1, 0, "y", 9, 7, TQ_FATE_LIVE },
        { 2, 0, "x", 9, 3, TQ_FATE_WELL },
        { 2, 0, "y", 9, 0, TQ_FATE_FAILED },
        { 1, 0, "X", 9, 0, TQ_FATE_FAILED },
        { 1, 0, "", 9, 0, TQ_FATE_FAILED },
};

START_TEST(fate) {
        TQ_CLEANUP(fixture_done) Fixture f = fates();

        for (size_t i = 0; i < TQ_ELEMENTSOF(fate_rows); i++) {
                TqLedgerFate got = TQ_FATE_LIVE;
                uint64_t job = 99;

                ck_assert_int_eq(tq_ledger_fate(f.l, fate_rows[i].tenant, fate_rows[i].job,
                                                fate_rows[i].name, fate_rows[i].before, &job, &got),
                                 0);
                ck_assert_msg(job == fate_rows[i].want_job && got == fate_rows[i].want,
                              "row %zu: job %ju, fate %d", i, (uintmax_t)job, (int)got);
        }
}
END_TEST

static void fill(Suite *s) {
        tcase_add_test(unit_case(s, "fate"), fate);
}

int main(void) {
        return unit_main("store/ledger fate", fill);
}
