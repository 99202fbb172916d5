/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/commit/events.h"

#include "fake/fake.h"
#include "unit.h"

static Events *events(void) {
        static sd_event *loop;
        static Events *e;

        ck_assert_int_ge(sd_event_new(&loop), 0);
        ck_assert_int_eq(events_new(loop, fake_commit(), &e), 0);
        return e;
}

START_TEST(one_row) {
        Events *e = events();
        const TqLedgerOp *op;

        events_add(e, TQ_KIND_PAUSE, 3, 7, 42, "%s by user %u", "acme", 42U);
        ck_assert_uint_eq(fake_n_ops(), 1);
        op = fake_op(0);
        ck_assert_int_eq(op->type, TQ_LEDGER_EVENT);
        ck_assert_str_eq(op->kind, "pause");
        ck_assert_str_eq(op->text, "acme by user 42");
        ck_assert_uint_eq(op->tenant, 3);
        ck_assert_uint_eq(op->job, 7);
        ck_assert_uint_eq(op->uid, 42);
}
END_TEST

/* What was cut within a character is no text. */
START_TEST(broken_text) {
        Events *e = events();

        events_add(e, TQ_KIND_NOTE, 0, 0, EVENTS_NOBODY, "%.3s", "a\xC3\xA4\xC3\xA4");
        events_add(e, TQ_KIND_NOTE, 0, 0, EVENTS_NOBODY, "%.2s", "a\xC3\xA4");
        ck_assert_str_eq(fake_op(0)->text, "a\xC3\xA4");
        ck_assert_str_ne(fake_op(1)->text, "a\xC3");
}
END_TEST

/* 120 a minute; what is beyond is counted by kind, and the sum is one row. */
START_TEST(budget) {
        Events *e = events();
        EventBudget b;

        events_budget_init(&b, 5);
        for (int i = 0; i < 120; i++)
                events_add_within(e, &b, TQ_KIND_REFUSED, 0, 1, "file %d", i);
        ck_assert_uint_eq(fake_n_ops(), 120);
        for (int i = 0; i < 7; i++)
                events_add_within(e, &b, TQ_KIND_REFUSED, 0, 1, "more");
        events_add_within(e, &b, TQ_KIND_CANCEL, 9, 1, "more");
        ck_assert_uint_eq(fake_n_ops(), 120);
        events_flush(e);
        ck_assert_uint_eq(fake_n_ops(), 121);
        ck_assert_str_eq(fake_op(120)->kind, "repeated");
        ck_assert_str_eq(fake_op(120)->text, "7 more refused, 1 more cancel (beyond 120/min)");
        ck_assert_uint_eq(fake_op(120)->tenant, 5);
        /* Said once. */
        events_flush(e);
        ck_assert_uint_eq(fake_n_ops(), 121);
        /* Half a second brings one token back: 120 a minute. */
        fake_now += TQ_USEC_PER_SEC / 2 - 1;
        events_add_within(e, &b, TQ_KIND_REFUSED, 0, 1, "too early");
        ck_assert_uint_eq(fake_n_ops(), 121);
        fake_now++;
        events_add_within(e, &b, TQ_KIND_REFUSED, 0, 1, "in time");
        ck_assert_uint_eq(fake_n_ops(), 122);
        ck_assert_str_eq(fake_op(121)->text, "in time");
}
END_TEST

/* One tenant's do not use up another's, nor those that concern none. */
START_TEST(budgets_are_apart) {
        Events *e = events();
        EventBudget a, b;

        events_budget_init(&a, 1);
        events_budget_init(&b, 2);
        for (int i = 0; i < 200; i++)
                events_add_within(e, &a, TQ_KIND_REFUSED, 0, 1, "x");
        ck_assert_uint_eq(fake_n_ops(), 120);
        events_add_within(e, &b, TQ_KIND_REFUSED, 0, 1, "x");
        events_add_within(e, NULL, TQ_KIND_REFUSED, 0, 1, "x");
        ck_assert_uint_eq(fake_n_ops(), 122);
        ck_assert_uint_eq(fake_op(121)->tenant, 0);
        /* What administrators do is never counted instead. */
        events_add(e, TQ_KIND_RELOAD, 1, 0, 0, "x");
        ck_assert_uint_eq(fake_n_ops(), 123);
}
END_TEST

static void fill(Suite *s) {
        TCase *t = unit_case(s, "events");

        tcase_add_test(t, one_row);
        tcase_add_test(t, broken_text);
        tcase_add_test(t, budget);
        tcase_add_test(t, budgets_are_apart);
}

int main(void) {
        return unit_main("engine_events", fill);
}
