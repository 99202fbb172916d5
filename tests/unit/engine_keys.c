/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/intake/keys.h"

#include <limits.h>
#include <stdio.h>

#include "fake/fake.h"
#include "unit.h"

/* Who is asked about, who waits, and what each is told. */

typedef struct Told {
        int n;
        uint64_t job;
        int error;
} Told;

static void on_answer(void *data, uint64_t job, int error) {
        Told *t = data;

        t->n++;
        t->job = job;
        t->error = error;
}

static Keys *keys_with_ledger(void) {
        static const uint8_t boot[16] = { 1 };
        static char path[PATH_MAX];
        TqLedgerOp ops[] = {
                { .type = TQ_LEDGER_TENANT, .tenant = 1, .text = "acme" },
                { .type = TQ_LEDGER_TENANT, .tenant = 2, .text = "globex" },
                { .type = TQ_LEDGER_ACCEPT,
                  .job = 7,
                  .tenant = 1,
                  .time_usec = 1000,
                  .accept = { .name = "n", .key = "known", .spec = "x", .spec_size = 1 } },
        };
        Keys *k;

        (void)snprintf(path, sizeof(path), "%s/ledger.db", unit_dir());
        ck_assert_int_eq(tq_ledger_open(path, boot, &fake_ledger, NULL), 0);
        ck_assert_int_eq(tq_ledger_apply(fake_ledger, ops, TQ_ELEMENTSOF(ops)), 0);
        ck_assert_int_eq(keys_new(fake_commit(), &k), 0);
        return k;
}

static void ask(Keys *k, uint32_t tenant, const char *key, Told *t) {
        ck_assert_int_eq(keys_ask(k, tenant, key, 5000, on_answer, t), 0);
}

static void expect(const Told *t, int n, uint64_t job, int error) {
        ck_assert_int_eq(t->n, n);
        ck_assert_uint_eq(t->job, job);
        ck_assert_int_eq(t->error, error);
}

/* One that has not ended is known however old it is; another tenant's is not. */
START_TEST(known) {
        Keys *k = keys_with_ledger();
        Told a = {}, b = {}, c = {};

        ask(k, 1, "known", &a);
        ask(k, 1, "known", &b);
        ask(k, 2, "known", &c);
        expect(&a, 0, 0, 0);
        fake_work(true);
        fake_work(true);
        expect(&a, 1, 7, 0);
        expect(&b, 1, 7, 0);
        expect(&c, 1, 0, 0);
        keys_settle(k, 2, "known", 0);
        ck_assert_ptr_null(keys_free(k));
}
END_TEST

/* The second one waits for what becomes of the first: the same job, or its own turn. */
START_TEST(taken_or_not) {
        Keys *k = keys_with_ledger();
        Told a = {}, b = {}, c = {}, d = {};

        ask(k, 1, "new", &a);
        ask(k, 1, "new", &b);
        ask(k, 1, "new", &c);
        fake_work(true);
        expect(&a, 1, 0, 0);
        expect(&b, 0, 0, 0);
        keys_settle(k, 1, "new", 0); /* refused */
        fake_work(true);
        expect(&b, 1, 0, 0);
        expect(&c, 0, 0, 0);
        keys_settle(k, 1, "new", 9);
        expect(&c, 1, 9, 0);
        fake_work(true);
        ask(k, 1, "new", &d); /* the ledger is asked anew */
        fake_work(true);
        expect(&d, 1, 0, 0);
        keys_settle(k, 1, "other", 3); /* nobody's */
        keys_settle(k, 1, "new", 9);
        ck_assert_ptr_null(keys_free(k));
}
END_TEST

/* Whoever still waits is told that we leave, once. */
START_TEST(leaving) {
        Keys *k = keys_with_ledger();
        Told a = {}, b = {}, c = {};

        ask(k, 1, "new", &a);
        fake_work(true);
        ask(k, 1, "new", &b);
        ask(k, 2, "new", &c);
        ck_assert_ptr_null(keys_free(k));
        expect(&a, 1, 0, 0);
        expect(&b, 1, 0, -ECANCELED);
        expect(&c, 1, 0, -ECANCELED);
        ck_assert_ptr_null(keys_free(NULL));
}
END_TEST

static void fill(Suite *s) {
        TCase *t = unit_case(s, "keys");

        tcase_add_test(t, known);
        tcase_add_test(t, taken_or_not);
        tcase_add_test(t, leaving);
}

int main(void) {
        return unit_main("engine/keys", fill);
}
