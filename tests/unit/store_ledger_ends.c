/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store_ledger.h"

/* What is intended with a tenant, and what is left of one that was removed: nothing but its number.
 */

typedef struct Seen {
        char text[512];
} Seen;

static int see(void *data, const TqLedgerTenant *t) {
        Seen *s = data;
        size_t n = strlen(s->text);

        (void)snprintf(s->text + n, sizeof(s->text) - n, "%u %s [%s] to=%s by %u: %s\n", t->id,
                       t->name, tq_ledger_ending_to_string(t->ending), t->ending_to, t->ending_uid,
                       t->ending_why);
        return 0;
}

static void tenants_are(TqLedger *l, const char *want) {
        Seen s = {};

        ck_assert_int_eq(tq_ledger_each_tenant(l, see, &s), 0);
        ck_assert_str_eq(s.text, want);
}

static void apply(TqLedger *l, TqLedgerOp op) {
        ck_assert_int_eq(tq_ledger_apply(l, &op, 1), 0);
}

static TqLedgerOp op_ending(uint32_t id, TqLedgerEnding what, const char *to, const char *why) {
        TqLedgerOp op = { .type = TQ_LEDGER_ENDING, .tenant = id, .uid = 7, .text = (char *)why };

        op.ending.what = what;
        (void)snprintf(op.ending.to, sizeof(op.ending.to), "%s", to);
        return op;
}

static uint64_t jobs_of(TqLedger *l, uint32_t tenant) {
        uint64_t last;
        size_t n;

        ck_assert_int_eq(tq_ledger_count_jobs(l, tenant, 0, 1000, &n, &last), 0);
        return n;
}

START_TEST(words) {
        for (int i = 0; i < _TQ_ENDING_MAX; i++)
                ck_assert_int_eq(
                        tq_ledger_ending_from_string(tq_ledger_ending_to_string((TqLedgerEnding)i)),
                        i);
        ck_assert_int_eq(tq_ledger_ending_from_string(NULL), TQ_ENDING_NONE);
        ck_assert_int_eq(tq_ledger_ending_from_string("burn"), TQ_ENDING_NONE);
}
END_TEST

START_TEST(intended) {
        FIXTURE f = fixture_new();

        apply(f.l, op_tenant(1, "acme"));
        tenants_are(f.l, "1 acme [] to= by 0: \n");
        apply(f.l, op_ending(1, TQ_ENDING_RENAME, "other", "why"));
        reopen(&f);
        tenants_are(f.l, "1 acme [rename] to=other by 7: why\n");
        /* Another owner is recorded meanwhile: what is intended stays. */
        apply(f.l, op_tenant(1, "acme"));
        tenants_are(f.l, "1 acme [rename] to=other by 7: why\n");
        apply(f.l, (TqLedgerOp){ .type = TQ_LEDGER_RENAME, .tenant = 1, .text = (char *)"other" });
        tenants_are(f.l, "1 other [] to= by 0: \n");
        apply(f.l, op_ending(1, TQ_ENDING_DELETE, "", NULL));
        apply(f.l, op_ending(1, TQ_ENDING_NONE, "", NULL));
        reopen(&f);
        tenants_are(f.l, "1 other [] to= by 0: \n");
}
END_TEST

/* Of one tenant all of it, of the other nothing; and no number is given out again. */
START_TEST(erased) {
        TqLedgerOp limit = { .type = TQ_LEDGER_LIMIT,
                             .tenant = 2,
                             .limit = {
                                     .name = (char *)"cpu", .value = (char *)"1", .revision = 1 } };
        TqLedgerOp drain = { .type = TQ_LEDGER_SWITCH, .tenant = 2 };
        TqLedgerOp erase = { .type = TQ_LEDGER_ERASE, .tenant = 2, .forget = { .most = 2 } };
        FIXTURE f = fixture_new();
        uint64_t dead, limits;
        TqLedgerNumbers n;

        apply(f.l, op_tenant(1, "acme"));
        apply(f.l, op_tenant(2, "globex"));
        apply(f.l, op_accept(1, 1, 11));
        for (uint64_t job = 2; job <= 4; job++) {
                apply(f.l, op_accept(job, 2, 10 + job));
                apply(f.l, op_running(job, 1));
        }
        limit.tenant = 1;
        apply(f.l, limit);
        limit.tenant = 2;
        limit.limit.revision = 2;
        apply(f.l, limit);
        apply(f.l, drain);
        ck_assert_int_eq(tq_ledger_count_others(f.l, 2, &dead, &limits), 0);
        ck_assert(dead == 0 && limits == 1);
        apply(f.l, erase);
        ck_assert_uint_eq(jobs_of(f.l, 2), 1);
        apply(f.l, erase);
        apply(f.l, erase);
        ck_assert_uint_eq(jobs_of(f.l, 2), 0);
        ck_assert_uint_eq(jobs_of(f.l, 1), 1);
        apply(f.l, (TqLedgerOp){ .type = TQ_LEDGER_ERASED, .tenant = 2 });
        ck_assert_int_eq(tq_ledger_count_others(f.l, 2, &dead, &limits), 0);
        ck_assert_uint_eq(limits, 0);
        ck_assert_int_eq(tq_ledger_count_others(f.l, 1, &dead, &limits), 0);
        ck_assert_uint_eq(limits, 1);
        tenants_are(f.l, "1 acme [] to= by 0: \n");
        reopen(&f);
        ck_assert_int_eq(tq_ledger_numbers(f.l, &n), 0);
        ck_assert_uint_eq(n.next_job, 5);
        ck_assert_uint_eq(n.next_claim, 15);
        ck_assert_uint_eq(n.next_revision, 3);
        ck_assert_uint_eq(n.next_tenant, 3);
        limit.tenant = 1;
        limit.limit.revision = 3;
        apply(f.l, limit);
        ck_assert_int_eq(tq_ledger_numbers(f.l, &n), 0);
        ck_assert_uint_eq(n.next_revision, 4);
}
END_TEST

/* A job of many attempts is many rows, that a commit of others would wait for. */
START_TEST(erased_by_weight) {
        TqLedgerOp erase = { .type = TQ_LEDGER_ERASE, .tenant = 1, .forget = { .most = 8 } };
        static const unsigned attempts[] = { 1, 1, 24, 1, 1000, 1, 1, 1, 1, 1, 1, 1, 1, 1 };
        FIXTURE f = fixture_new();

        apply(f.l, op_tenant(1, "acme"));
        for (uint64_t job = 1; job <= TQ_ELEMENTSOF(attempts); job++) {
                apply(f.l, op_accept(job, 1, job));
                for (unsigned i = 1; i <= attempts[job - 1]; i++)
                        apply(f.l, op_running(job, i));
        }
        /* 1 + 1 + 7, then 1 + 251, then eight, then the last. */
        apply(f.l, erase);
        ck_assert_uint_eq(jobs_of(f.l, 1), 11);
        apply(f.l, erase);
        ck_assert_uint_eq(jobs_of(f.l, 1), 9);
        apply(f.l, erase);
        ck_assert_uint_eq(jobs_of(f.l, 1), 1);
        apply(f.l, erase);
        ck_assert_uint_eq(jobs_of(f.l, 1), 0);
}
END_TEST

static void fill(Suite *s) {
        TCase *c = unit_case(s, "ends");

        tcase_add_test(c, words);
        tcase_add_test(c, intended);
        tcase_add_test(c, erased);
        tcase_add_test(c, erased_by_weight);
}

int main(void) {
        return unit_main("store_ledger_ends", fill);
}
