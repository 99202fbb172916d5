/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store_ledger.h"

#include "core/standing.h"

/* Where tenants and pools stood, for the next start. */

static TqLedgerOp op_standing(uint32_t id, const char *pool, uint64_t tag) {
        TqLedgerOp op = { .type = TQ_LEDGER_STANDING,
                          .tenant = id,
                          .time_usec = 1000,
                          .boottime_usec = 100,
                          .standing = { .presence = TQ_PRESENCE_COMPETING,
                                        .tag = tag,
                                        .largest_advance = 7,
                                        .turn = 8,
                                        .usage = -1.5,
                                        .averages = (uint8_t *)"abc",
                                        .averages_size = 3 } };

        (void)snprintf(op.standing.pool, sizeof(op.standing.pool), "%s", pool);
        return op;
}

static TqLedgerOp op_pool(const char *name, uint64_t vtime, bool is_contended) {
        TqLedgerOp op = { .type = TQ_LEDGER_POOL,
                          .time_usec = 1000,
                          .boottime_usec = 100,
                          .pool = { .vtime = vtime,
                                    .largest_charge = 9,
                                    .contended_usec = 11,
                                    .is_contended = is_contended } };

        (void)snprintf(op.pool.name, sizeof(op.pool.name), "%s", name);
        return op;
}

static int tell_standing(void *userdata, const TqLedgerStanding *x) {
        const TqStanding *s = &x->standing;

        tq_buffer_printf(
                userdata, "t%u %s %s tag%ju largest%ju turn%ju usage%.17g age%ju \"%.*s\"\n",
                x->tenant, s->pool, s->presence < 0 ? "?" : tq_presence_to_string(s->presence),
                (uintmax_t)s->tag, (uintmax_t)s->largest_advance, (uintmax_t)s->turn, s->usage,
                (uintmax_t)s->age_usec, (int)x->averages_size,
                x->averages ? (const char *)x->averages : "");
        return 0;
}

static int tell_pool(void *userdata, const TqPoolStanding *p) {
        tq_buffer_printf(userdata, "%s vtime%ju largest%ju age%ju", p->name, (uintmax_t)p->vtime,
                         (uintmax_t)p->largest_charge, (uintmax_t)p->age_usec);
        if (p->is_contended)
                tq_buffer_printf(userdata, " contended%ju", (uintmax_t)p->contended_usec);
        tq_buffer_printf(userdata, "\n");
        return 0;
}

static void expect_standings(Fixture *f, uint64_t now, uint64_t boottime, const char *want) {
        TQ_BUFFER_CLEANUP TqBuffer got = {};

        ck_assert_int_eq(tq_ledger_each_pool(f->l, now, boottime, tell_pool, &got), 0);
        ck_assert_int_eq(tq_ledger_each_standing(f->l, now, boottime, tell_standing, &got), 0);
        ck_assert_str_eq(tq_buffer_string(&got), want);
}

START_TEST(round_trip) {
        TqLedgerOp none = op_standing(3, "gpu", 0), host = op_standing(0, "", 0);
        FIXTURE f = fixture_new();

        none.standing.usage = TQ_HISTORY_NONE;
        none.standing.averages = NULL;
        none.standing.presence = TQ_PRESENCE_IDLE;
        ck_assert_int_eq(APPLY(f.l, op_tenant(1, "acme"), op_standing(1, "shared", 5), none, host,
                               op_standing(2, "shared", UINT64_MAX),
                               op_pool("shared", UINT64_MAX, true), op_pool("gpu", 6, false)),
                         0);
        /* The last row counts. */
        ck_assert_int_eq(APPLY(f.l, op_standing(1, "shared", 6), op_pool("gpu", 7, false)), 0);
        reopen(&f);
        expect_standings(&f, 5, 150,
                         "gpu vtime7 largest9 age50\n"
                         "shared vtime18446744073709551615 largest9 age50 contended11\n"
                         "t0  competing tag0 largest7 turn8 usage-1.5 age50 \"abc\"\n"
                         "t1 shared competing tag6 largest7 turn8 usage-1.5 age50 \"abc\"\n"
                         "t2 shared competing tag18446744073709551615 largest7 turn8 usage-1.5 "
                         "age50 \"abc\"\n"
                         "t3 gpu idle tag0 largest7 turn8 usage-inf age50 \"\"\n");
}
END_TEST

/* In the same boot by the clock that runs on; else as the clock of the day tells, and that may have
 * been set back. */
START_TEST(age) {
        static const char other[] = "UPDATE pools SET boot = x'00'; UPDATE standings SET boot ="
                                    " x'01020304050607080102030405060708"
                                    "6400000000000000'";
        FIXTURE f = fixture_new();

        ck_assert_int_eq(
                APPLY(f.l, op_tenant(1, "acme"), op_standing(1, "p", 5), op_pool("p", 6, true)), 0);
        expect_standings(&f, 1, 100,
                         "p vtime6 largest9 age0 contended11\n"
                         "t1 p competing tag5 largest7 turn8 usage-1.5 age0 \"abc\"\n");
        f.l = tq_ledger_close(f.l);
        execute(f.path, other);
        reopen(&f);
        expect_standings(&f, 1030, 5,
                         "p vtime6 largest9 age30 contended11\n"
                         "t1 p competing tag5 largest7 turn8 usage-1.5 age30 \"abc\"\n");
        expect_standings(&f, 999, 5,
                         "p vtime6 largest9 age0 contended11\n"
                         "t1 p competing tag5 largest7 turn8 usage-1.5 age0 \"abc\"\n");
}
END_TEST

/* Words of a later version, and numbers that somebody wrote. */
START_TEST(strange) {
        FIXTURE f = fixture_new();

        ck_assert_int_eq(APPLY(f.l, op_tenant(1, "acme"), op_standing(1, "p", 5)), 0);
        f.l = tq_ledger_close(f.l);
        execute(f.path, "UPDATE standings SET presence = 'asleep', tag_nsec = -1, usage = 9e999");
        reopen(&f);
        expect_standings(&f, 1, 100, "t1 p ? tag0 largest7 turn8 usageinf age0 \"abc\"\n");
}
END_TEST

static void fill(Suite *s) {
        TCase *rows = unit_case(s, "rows");

        tcase_add_test(rows, round_trip);
        tcase_add_test(rows, age);
        tcase_add_test(rows, strange);
}

int main(void) {
        return unit_main("store/ledger standings", fill);
}
