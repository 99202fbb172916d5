/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/settings/rollout.h"

#include <stdio.h>

#include "engine/settings/change.h"
#include "engine_place.h"

/* Changes that are looked after: when they are looked at, and what becomes of them; by a real
 * ledger. */

#define SEC UINT64_C(1000000)

static Place *p;
static Rollouts *rollouts;
static Drift *drift;

/* What was asked of the commits so far is done, in the ledger too. */
static void commit(void) {
        for (size_t i = 0; i < fake_n_ops(); i++)
                ck_assert_int_eq(tq_ledger_apply(fake_ledger, fake_op(i), 1), 0);
        fake_commit_all(0);
}

static void begin(void) {
        static const uint8_t boot[16];
        char path[PATH_MAX];
        TqLink *link;
        TqError err = {};

        p = place_closed("concurrency=1", false);
        (void)snprintf(path, sizeof(path), "%s/ledger.db", unit_dir());
        ck_assert_msg(tq_ledger_open(path, boot, &fake_ledger, &err) == 0, "%s", err.text);
        ck_assert_int_eq(tq_ledger_apply(fake_ledger,
                                         &(TqLedgerOp){ .type = TQ_LEDGER_TENANT,
                                                        .tenant = p->t->id,
                                                        .text = (char *)"acme",
                                                        .uid = 1001 },
                                         1),
                         0);
        ck_assert_int_eq(tq_link_new(NULL, NULL, NULL, &link), 0);
        ck_assert_int_eq(drift_new(link, p->settings, &drift), 0);
        ck_assert_int_eq(rollouts_new(p->loop, p->settings, drift, &rollouts), 0);
        rollouts_start(rollouts);
        while (fake_said())
                ;
}

static void on_done(void *data, const Change *c, TqControlError error, const char *text) {
        (void)data;
        (void)c;
        (void)error;
        ck_assert_msg(!text, "%s", text);
}

/* Of a queue: nothing of it is the kernel's. */
static void set(const char *assignment, uint64_t watch_usec) {
        ChangeRequest request = { .uid = 42, .watch_usec = watch_usec };
        TqError err = {};
        Change *c;

        ck_assert_int_eq(change_new(p->settings, p->t, &request, on_done, NULL, &c), 0);
        ck_assert_int_eq(change_assign(c, "q", assignment, &err), 0);
        ck_assert_msg(change_start(c, &err) == 0, "%s", err.text);
        commit();
}

/* The look that is due now: the supervisor is asked. */
static uint64_t looks(void) {
        const TqMessage *m;

        fake_run(p->loop);
        m = fake_said_type(TQ_MESSAGE_APPLY);
        ck_assert_uint_eq(m->apply.how, TQ_APPLY_LOOK);
        fake_said_nothing();
        return m->apply.cookie;
}

static void sees(uint64_t cookie) {
        TqCgroupCpu cpu = TQ_CGROUP_CPU_UNKNOWN;

        fake_answer(cookie, 0, &cpu, sizeof(cpu));
        fake_work(true);
}

/* Five that end with that code, of one second. */
static void put_jobs(uint64_t first, uint64_t at, int code) {
        static char spec[] = "x";

        for (uint64_t job = first; job < first + 5; job++) {
                TqEnd end = { .kind = TQ_END_EXITED, .code = code, .ended_usec = at };
                TqLedgerOp ops[] = {
                        { .type = TQ_LEDGER_ACCEPT,
                          .job = job,
                          .tenant = p->t->id,
                          .time_usec = at,
                          .accept = { .queue = "q", .name = spec, .spec = spec, .spec_size = 1 } },
                        { .type = TQ_LEDGER_RUNNING, .job = job, .attempt = 1, .time_usec = at },
                        { .type = TQ_LEDGER_DONE,
                          .job = job,
                          .attempt = 1,
                          .time_usec = at,
                          .verdict = tq_verdict_judge(&end, TQ_STOP_NONE) },
                };

                ck_assert_int_eq(tq_ledger_apply(fake_ledger, ops, 3), 0);
        }
}

/* What was asked to be recorded, in short; then it is. */
static void expect_ops(const char *want) {
        TQ_BUFFER_CLEANUP TqBuffer got = {};

        for (size_t i = 0; i < fake_n_ops(); i++) {
                const TqLedgerOp *op = fake_op(i);

                if (op->type == TQ_LEDGER_LIMIT)
                        tq_buffer_printf(&got, "%s=%s; ", op->limit.name,
                                         op->limit.value ? op->limit.value : "unset");
                else if (op->type == TQ_LEDGER_AUDIT)
                        tq_buffer_printf(&got, "%s; ", op->audit.about);
                else
                        tq_buffer_printf(&got, "%s; ",
                                         op->type == TQ_LEDGER_ROLLED_OUT ? "over" : "?");
        }
        ck_assert_str_eq(got.size > 0 ? tq_buffer_string(&got) : "", want);
        commit();
}

#define UNTIL (FAKE_EPOCH + fake_now)

START_TEST(stays) {
        begin();
        set("concurrency=2", 32 * SEC);
        ck_assert_uint_eq(rollouts_until(rollouts, p->t->id), UNTIL + 32 * SEC);
        sees(looks());
        expect_ops("");
        /* The sixteenth of its time is the pause. */
        fake_now += 2 * SEC;
        sees(looks());
        fake_now += 30 * SEC;
        sees(looks());
        expect_ops("over; revision 1 stays: 0 waited, 95 % of them up to 0us; of 0 that ended 0 "
                   "failed, "
                   "0 for want of memory; throttled: not known; ");
        ck_assert_uint_eq(rollouts_until(rollouts, p->t->id), 0);
        fake_run(p->loop);
        fake_said_nothing();
}
END_TEST

START_TEST(goes_back) {
        begin();
        set("concurrency=2", 0);
        fake_now += SEC;
        put_jobs(1, UNTIL, 0);
        fake_now += SEC;
        set("concurrency=3", 32 * SEC);
        fake_now += SEC;
        put_jobs(6, UNTIL, 1);
        sees(looks());
        expect_ops("concurrency=2; revision 2 is taken back: 5 of 5 failed, before that 0 of 5; ");
        ck_assert_uint_eq(rollouts_until(rollouts, p->t->id), 0);
        fake_run(p->loop);
        fake_said_nothing();
}
END_TEST

/* What was before is not in the audit any more: it is over all the same, and that is said. */
START_TEST(forgotten) {
        TqLedgerOp ops[] = {
                { .type = TQ_LEDGER_AUDIT,
                  .kind = "reload",
                  .time_usec = UNTIL + 100 * SEC, /* the last row stays */
                  .uid = UINT32_MAX,
                  .audit = { .login_uid = UINT32_MAX } },
                { .type = TQ_LEDGER_FORGET_AUDIT, .forget = { .before_usec = UNTIL + 90 * SEC } },
        };

        begin();
        set("concurrency=2", 0);
        fake_now += SEC;
        put_jobs(1, UNTIL, 0);
        fake_now += SEC;
        set("concurrency=3", 32 * SEC);
        fake_now += SEC;
        put_jobs(6, UNTIL, 1);
        ck_assert_int_eq(tq_ledger_apply(fake_ledger, ops, TQ_ELEMENTSOF(ops)), 0);
        sees(looks());
        expect_ops("over; revision 2 stays, though: 5 of 5 failed, before that 0 of 5; what was "
                   "before it is not in the audit any more ([history] audit_age); ");
        ck_assert_uint_eq(rollouts_until(rollouts, p->t->id), 0);
}
END_TEST

/* Changed again while it is looked at: one look is under way, never two, and none judges the other.
 */
START_TEST(again_meanwhile) {
        uint64_t cookie;

        begin();
        put_jobs(1, UNTIL, 0);
        fake_now += SEC;
        set("concurrency=3", 32 * SEC);
        fake_now += SEC;
        put_jobs(6, UNTIL, 1);
        cookie = looks();
        fake_now += SEC;
        set("concurrency=4", 32 * SEC);
        fake_run(p->loop);
        fake_said_nothing();
        /* What the first look has seen is of nobody any more. */
        sees(cookie);
        expect_ops("");
        ck_assert_uint_eq(rollouts_until(rollouts, p->t->id), UNTIL + 32 * SEC);
        /* The second: before it five of ten failed, and since nothing ended. */
        sees(looks());
        expect_ops("");
}
END_TEST

/* The same, while the worker reads. */
START_TEST(again_while_it_is_read) {
        TqCgroupCpu cpu = TQ_CGROUP_CPU_UNKNOWN;

        begin();
        put_jobs(1, UNTIL, 0);
        fake_now += SEC;
        set("concurrency=3", 32 * SEC);
        fake_now += SEC;
        put_jobs(6, UNTIL, 1);
        fake_answer(looks(), 0, &cpu, sizeof(cpu));
        if (_i == 0)
                set("concurrency=4", 32 * SEC);
        else
                set("concurrency=4", 0);
        fake_run(p->loop);
        fake_said_nothing();
        fake_work(true);
        expect_ops(
                _i == 0 ? ""
                        : "over; revision 1 is not looked after any more: the limits were changed "
                          "again; ");
}
END_TEST

/* What the ledger has, a new engine goes on with: what is left of the time, and no longer; but not
 * with what was changed since. */
START_TEST(after_a_restart) {
        begin();
        set("concurrency=2", 32 * SEC);
        (void)rollouts_free(rollouts);
        fake_now += 30 * SEC;
        /* Which is no time that has passed. */
        fake_set = 3 * 3600 * SEC;
        ((Tenant *)p->t)->revision = 1 + (uint64_t)_i;
        ck_assert_int_eq(rollouts_new(p->loop, p->settings, drift, &rollouts), 0);
        ck_assert_int_eq(rollouts_load(rollouts), 0);
        ck_assert_uint_eq(rollouts_until(rollouts, p->t->id), _i == 0 ? UNTIL + 2 * SEC : 0);
        expect_ops(_i == 0 ? "" : "over; ");
        rollouts_start(rollouts);
        if (_i == 0)
                sees(looks());
        fake_set = 0;
        expect_ops("");
}
END_TEST

static void fill(Suite *s) {
        TCase *t = unit_case(s, "rollout");

        tcase_add_test(t, stays);
        tcase_add_test(t, goes_back);
        tcase_add_test(t, forgotten);
        tcase_add_test(t, again_meanwhile);
        tcase_add_loop_test(t, again_while_it_is_read, 0, 2);
        tcase_add_loop_test(t, after_a_restart, 0, 2);
}

int main(void) {
        return unit_main("engine/rollout", fill);
}
