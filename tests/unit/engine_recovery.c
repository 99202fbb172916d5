/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/recovery/recovery.h"

#include "unit.h"

/* The whole table: ledger × stock. */
static const struct {
        bool was_running;
        enum { NOTHING, LIVES, ENDED, OTHER_LIVES, OTHER_ENDED } stock;
        RecoveryFate want;
} rows[] = {
        { true, NOTHING, RECOVERY_LOST },       { true, LIVES, RECOVERY_ADOPT },
        { true, ENDED, RECOVERY_END },          { true, OTHER_LIVES, RECOVERY_LOST },
        { true, OTHER_ENDED, RECOVERY_LOST },   { false, NOTHING, RECOVERY_QUEUE },
        { false, LIVES, RECOVERY_DEFER },       { false, ENDED, RECOVERY_FORGET },
        { false, OTHER_LIVES, RECOVERY_DEFER }, { false, OTHER_ENDED, RECOVERY_FORGET },
};

START_TEST(table) {
        StockItem item = { .job = 5,
                           .attempt = rows[_i].stock >= OTHER_LIVES ? 3 : 2,
                           .has_ended = rows[_i].stock == ENDED || rows[_i].stock == OTHER_ENDED };

        ck_assert_int_eq(
                recovery_decide(rows[_i].was_running, 2, rows[_i].stock == NOTHING ? NULL : &item),
                rows[_i].want);
}
END_TEST

START_TEST(stock) {
        TqEnd end = { .kind = TQ_END_EXITED, .code = 3 };
        StockItem *item;
        Recovery *r;

        ck_assert_int_eq(recovery_new(&r), 0);
        ck_assert_int_eq(recovery_note(r, 5, 1, 7, NULL), 0);
        ck_assert_int_eq(recovery_note(r, 6, 2, 8, &end), 0);
        /* One launch of a job exists. */
        ck_assert_int_eq(recovery_note(r, 6, 3, 8, NULL), -EEXIST);
        ck_assert_ptr_null(recovery_take(r, 4));
        item = recovery_take(r, 6);
        ck_assert(item->has_ended && item->attempt == 2 && item->handle == 8);
        ck_assert_int_eq(item->end.code, 3);
        free(item);
        item = recovery_take_rest(r);
        ck_assert(!item->has_ended && item->job == 5);
        free(item);
        ck_assert_ptr_null(recovery_take_rest(r));
        ck_assert_ptr_null(recovery_free(r));
}
END_TEST

START_TEST(deferred) {
        char queue[] = "etl";
        TqAfter after = { .job = 1 };
        TqRetry retry = { .max_attempts = 3 };
        TqEvent e = { .type = TQ_EVENT_SUBMIT,
                      .job = 5,
                      .tenant = 2,
                      .j = { .queue = queue,
                             .after = &after,
                             .n_after = 1,
                             .retry = &retry,
                             .again_at = 77 } };
        TqEvent got;
        Recovery *r;

        ck_assert_int_eq(recovery_new(&r), 0);
        ck_assert_int_eq(recovery_defer(r, &e), 0);
        queue[0] = 'x'; /* it has a copy */
        retry.max_attempts = 1;
        ck_assert(recovery_is_deferred(r, 5) && !recovery_is_deferred(r, 6));
        ck_assert(!recovery_let_go(r, 6, &got));
        ck_assert(recovery_let_go(r, 5, &got));
        ck_assert_str_eq(got.j.queue, "etl");
        ck_assert_uint_eq(got.tenant, 2);
        ck_assert_uint_eq(got.j.retry->max_attempts, 3);
        ck_assert_uint_eq(got.j.again_at, 77);
        /* It had been launched: what it waited for had come. */
        ck_assert_uint_eq(got.j.n_after, 0);
        ck_assert(!recovery_is_deferred(r, 5) && !recovery_let_go(r, 5, &got));
        e.j.retry = NULL;
        ck_assert_int_eq(recovery_defer(r, &e), 0);
        ck_assert(recovery_let_go(r, 5, &got));
        ck_assert_ptr_null(got.j.retry);
        ck_assert_int_eq(recovery_defer(r, &e), 0);
        ck_assert_ptr_null(recovery_free(r)); /* with one that still waits */
}
END_TEST

static void fill(Suite *s) {
        TCase *t = unit_case(s, "recovery");

        unit_add_rows(t, table, rows);
        tcase_add_test(t, stock);
        tcase_add_test(t, deferred);
}

int main(void) {
        return unit_main("engine_recovery", fill);
}
