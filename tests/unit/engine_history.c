/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/history/history.h"

#include <stdio.h>

#include "engine_place.h"

/* What is read of old jobs, and what is forgotten of it; by a real ledger. */

static Place *p;
static History *history;

static void apply(const TqLedgerOp *op) {
        ck_assert_int_eq(tq_ledger_apply(fake_ledger, op, 1), 0);
}

static void put_job(uint64_t id, bool is_dead) {
        static char spec[] = "x";
        TqLedgerOp accept = { .type = TQ_LEDGER_ACCEPT,
                              .job = id,
                              .tenant = 1,
                              .time_usec = FAKE_EPOCH + id,
                              .accept = {
                                      .queue = "q", .name = spec, .spec = spec, .spec_size = 1 } };
        TqLedgerOp done = { .type = TQ_LEDGER_DONE,
                            .job = id,
                            .attempt = 1,
                            .is_dead = is_dead,
                            .time_usec = FAKE_EPOCH + 1000 + id };

        apply(&accept);
        apply(&done);
}

/* What all tenants may keep together; 0: as it is by default. */
static uint64_t jobs_total;

/* Jobs 1 to n of acme, which have ended, of a byte each; the first is a dead letter. */
static void begin_with(uint64_t n, uint64_t jobs, uint64_t jobs_kept, uint64_t jobs_bytes) {
        static const uint8_t boot[16];
        TqHello host = {};
        char path[PATH_MAX];
        TqError err = {};

        p = place_closed("concurrency=1", false);
        (void)snprintf(path, sizeof(path), "%s/ledger.db", unit_dir());
        ck_assert_msg(tq_ledger_open(path, boot, &fake_ledger, &err) == 0, "%s", err.text);
        for (uint64_t i = 1; i <= n; i++)
                put_job(i, i == 1);
        tq_policy_init(&host.policy);
        tq_retention_init(&host.retention);
        host.retention.jobs = jobs;
        host.retention.jobs_kept = jobs_kept;
        host.retention.jobs_bytes = jobs_bytes;
        host.retention.jobs_total = jobs_total > 0 ? jobs_total : host.retention.jobs_total;
        settings_hear_host(p->settings, &host);
        ck_assert_int_eq(history_new(p->loop, fake_commit(), p->tenants, p->settings,
                                     feed_scheduler(p->feed), &history),
                         0);
        history_start(history);
        history_look(history);
}

static void begin(uint64_t n, uint64_t jobs, uint64_t jobs_kept) {
        begin_with(n, jobs, jobs_kept, UINT64_MAX);
}

/* Until there is something to be committed, or nothing more to do. */
static size_t forgets(uint64_t *ret_first) {
        size_t n = 0;

        for (int i = 0; i < 20 && n == 0; i++) {
                fake_run(p->loop);
                fake_work(true);
                for (size_t o = 0; o < fake_n_ops(); o++)
                        if (fake_op(o)->type == TQ_LEDGER_FORGET && n++ == 0)
                                *ret_first = fake_op(o)->job;
        }
        return n;
}

static void finish(void) {
        ck_assert_ptr_null(history_free(history));
        fake_ledger = tq_ledger_close(fake_ledger);
}

START_TEST(by_number) {
        uint64_t first = 0;

        begin(10, 4, 1);
        /* The dead letter is counted by itself. */
        ck_assert_uint_eq(forgets(&first), 5);
        ck_assert_uint_eq(first, 2);
        ck_assert_uint_eq(fake_op(0)->forget.ended_usec, FAKE_EPOCH + 1002);
        ck_assert(history_is_forgetting(history, 2) && history_is_forgetting(history, 6));
        ck_assert(!history_is_forgetting(history, 7));
        fake_commit_all(0);
        ck_assert(!history_is_forgetting(history, 2));
        finish();
}
END_TEST

/* Nine of the ten are no dead letters. */
START_TEST(by_number_of_all) {
        uint64_t first = 0;

        jobs_total = 8 + (uint64_t)_i;
        begin(10, 10, 1);
        ck_assert_uint_eq(forgets(&first), _i == 0 ? 1 : 0);
        finish();
}
END_TEST

/* Both kinds, each by itself. */
START_TEST(by_bytes) {
        uint64_t first = 0;

        begin_with(10, 100, 100, 4);
        ck_assert_uint_eq(forgets(&first), 5);
        ck_assert_uint_eq(first, 2);
        fake_commit_all(0);
        finish();
}
END_TEST

START_TEST(kept_by_bytes) {
        uint64_t first = 0;

        begin_with(1, 100, 100, 0);
        ck_assert_uint_eq(forgets(&first), 1);
        ck_assert_uint_eq(first, 1);
        finish();
}
END_TEST

/* What is counted: rows, and the amounts of both kinds. */
START_TEST(counted) {
        TqLedgerOld all = { .tenant = 1, .dead_before_usec = 1 };
        TqLedgerOldCount count = {};
        TqLedgerOldJob jobs[TQ_LEDGER_OLD_MOST];
        size_t n = 0;

        begin(5, 100, 100);
        ck_assert_int_eq(tq_ledger_count_old(fake_ledger, &all, 3, &count), 0);
        ck_assert_uint_eq(count.rows, 3);
        ck_assert_uint_eq(count.last, 3);
        ck_assert_uint_eq(count.may[0].jobs, 2);
        ck_assert_uint_eq(count.may[0].bytes, 2);
        ck_assert_uint_eq(count.may[1].jobs, 1);
        ck_assert_uint_eq(count.may[1].bytes, 1);
        ck_assert_int_eq(tq_ledger_old_jobs(fake_ledger, &all, jobs, &n), 0);
        ck_assert_uint_eq(n, 5);
        ck_assert(jobs[0].is_kept && !jobs[1].is_kept && jobs[4].bytes == 1);
        finish();
}
END_TEST

START_TEST(dead_letters_by_number) {
        uint64_t first = 0;

        begin(10, 100, 0);
        ck_assert_uint_eq(forgets(&first), 1);
        ck_assert_uint_eq(first, 1);
        finish();
}
END_TEST

/* What was read when the settings were others is read again. */
START_TEST(other_settings) {
        TqHello host = {};
        uint64_t first = 0;

        begin(100, 10, 1);
        ck_assert_uint_ge(forgets(&first), 64);
        tq_policy_init(&host.policy);
        tq_retention_init(&host.retention);
        settings_hear_host(p->settings, &host);
        history_look(history);
        fake_commit_all(0);
        ck_assert_uint_eq(forgets(&first), 0);
        finish();
}
END_TEST

static size_t n_jobs(void) {
        TqLedgerOld all = { .tenant = 1 };
        TqLedgerOldCount count = {};

        ck_assert_int_eq(tq_ledger_count_old(fake_ledger, &all, 100, &count), 0);
        return count.rows;
}

/* What has run again since it was read stays. */
START_TEST(not_what_ran_again) {
        TqLedgerOp revive = { .type = TQ_LEDGER_REVIVE, .job = 1 };
        TqLedgerOp done = {
                .type = TQ_LEDGER_DONE, .job = 1, .attempt = 2, .time_usec = FAKE_EPOCH
        };
        uint64_t first = 0;

        begin(3, 100, 0);
        ck_assert_uint_eq(forgets(&first), 1);
        ck_assert_uint_eq(first, 1);
        apply(&revive);
        apply(&done);
        apply(fake_op(0));
        ck_assert_uint_eq(n_jobs(), 3);
        fake_commit_all(0);
        ck_assert_uint_eq(forgets(&first), 0);
        finish();
}
END_TEST

static void fill(Suite *s) {
        TCase *c = unit_case(s, "history");

        tcase_add_test(c, by_number);
        tcase_add_loop_test(c, by_number_of_all, 0, 2);
        tcase_add_test(c, by_bytes);
        tcase_add_test(c, kept_by_bytes);
        tcase_add_test(c, counted);
        tcase_add_test(c, dead_letters_by_number);
        tcase_add_test(c, other_settings);
        tcase_add_test(c, not_what_ran_again);
}

int main(void) {
        return unit_main("engine_history", fill);
}
