/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store_ledger.h"

/* Who changed what: a row that was changed, removed or put elsewhere is found and named; and what
 * was set at a revision is known as long as what came after it is. */

/* Rows 1 to 5: acme's cpu, memory, cpu again, a limit of a queue, and globex's cpu. */
static Fixture five(void) {
        Fixture f = fixture_new();

        ck_assert_int_eq(APPLY(f.l, op_tenant(1, "acme"), op_tenant(2, "globex")), 0);
        ck_assert_int_eq(APPLY(f.l, op_audit(10, 1, "", "cpu", NULL, "2", 1),
                               op_limit(1, "", "cpu", "2", 1),
                               op_audit(20, 1, "", "memory", NULL, "1G", 1),
                               op_limit(1, "", "memory", "1G", 1)),
                         0);
        ck_assert_int_eq(
                APPLY(f.l, op_audit(30, 1, "", "cpu", "2", "4", 2), op_limit(1, "", "cpu", "4", 2)),
                0);
        ck_assert_int_eq(APPLY(f.l, op_audit(40, 1, "etl", "concurrency", NULL, "3", 3),
                               op_limit(1, "etl", "concurrency", "3", 3),
                               op_audit(50, 2, "", "cpu", NULL, "9", 4),
                               op_limit(2, "", "cpu", "9", 4)),
                         0);
        return f;
}

static const struct {
        const char *sql, *want;
} damages[] = {
        { "SELECT 1", "" },
        { "UPDATE audit SET new_value = '8' WHERE id = 3",
          "row 3 was changed, or another one stands in its place\n" },
        { "UPDATE audit SET time_usec = time_usec + 1 WHERE id = 1",
          "row 1 was changed, or another one stands in its place\n" },
        { "UPDATE audit SET why = NULL WHERE id = 5",
          "row 5 was changed, or another one stands in its place\n" },
        { "UPDATE audit SET uid = 1000 WHERE id = 4",
          "row 4 was changed, or another one stands in its place\n" },
        /* Text moves from one column to the next. */
        { "UPDATE audit SET name = 'cp', old_value = 'u' WHERE id = 1",
          "row 1 was changed, or another one stands in its place\n" },
        { "UPDATE audit SET hash = x'00' WHERE id = 2",
          "row 2 was changed, or another one stands in its place\n"
          "row 3 was changed, or another one stands in its place\n" },
        { "DELETE FROM audit WHERE id = 1", "row 1 is missing\n" },
        { "DELETE FROM audit WHERE id IN (2, 3)", "rows 2 to 3 are missing\n" },
        { "DELETE FROM audit WHERE id = 5", "row 5 is missing\n" },
        { "DELETE FROM audit WHERE id > 3", "rows 4 to 5 are missing\n" },
        { "DELETE FROM audit", "rows 1 to 5 are missing\n" },
        /* As if it had never been. */
        { "DELETE FROM audit WHERE id = 3; UPDATE audit SET id = id - 1 WHERE id > 3",
          "row 3 was changed, or another one stands in its place\n"
          "row 4 was changed, or another one stands in its place\n"
          "row 5 is missing\n" },
        { "UPDATE audit SET id = 99 WHERE id = 3; UPDATE audit SET id = 3 WHERE id = 4;"
          "UPDATE audit SET id = 4 WHERE id = 99",
          "row 3 was changed, or another one stands in its place\n"
          "row 4 was changed, or another one stands in its place\n"
          "row 5 was changed, or another one stands in its place\n" },
        { "CREATE TEMP TABLE x AS SELECT * FROM audit WHERE id = 5; UPDATE x SET id = 6;"
          "INSERT INTO audit SELECT * FROM x",
          "row 6 was changed, or another one stands in its place\n"
          "row 6 is not the one that was written last\n" },
        { "UPDATE chain SET id = 4", "row 5 is not the one that was written last\n" },
        { "UPDATE chain SET hash = x'00'", "where it begins or ends was changed\n"
                                           "row 5 is not the one that was written last\n" },
};

START_TEST(damaged) {
        Fixture f = five();

        f.l = tq_ledger_close(f.l);
        execute(f.path, damages[_i].sql);
        expect_chain_of(f.path, NULL, damages[_i].want);
}
END_TEST

/* It goes on behind a restart; and what was not committed is not in it. */
START_TEST(goes_on) {
        FIXTURE f = five();

        reopen(&f);
        ck_assert_int_eq(APPLY(f.l, op_audit(60, 1, "", "cpu", "4", "5", 5)), 0);
        /* One attempt twice can't be: the row before it is taken back with it. */
        ck_assert_int_lt(APPLY(f.l, op_audit(70, 1, "", "cpu", "5", "6", 6), op_running(1, 1),
                               op_running(1, 1)),
                         0);
        ck_assert_int_eq(APPLY(f.l, op_audit(80, 1, "", "cpu", "5", "7", 6)), 0);
        expect_chain(&f, NULL, "");
        f.l = tq_ledger_close(f.l);
        ck_assert_int_eq(query_number(f.path, "SELECT count(*) = 7 AND max(id) = 7 FROM audit"), 1);
}
END_TEST

static TqLedgerOp op_forget(uint64_t before) {
        return (TqLedgerOp){ .type = TQ_LEDGER_FORGET_AUDIT, .forget = { .before_usec = before } };
}

/* What is old goes from the beginning, the last row never; the chain is whole behind it. */
START_TEST(forgotten) {
        FIXTURE f = five();
        uint8_t mark[TQ_CHAIN_HASH];
        TqChain last;
        sqlite3 *db;

        f.l = tq_ledger_close(f.l);
        ck_assert_int_eq(sqlite3_open(f.path, &db), SQLITE_OK);
        ck_assert_int_eq(tq_chain_read(db, &last), SQLITE_OK);
        (void)sqlite3_close(db);
        ck_assert_uint_eq(last.id, 5);
        memcpy(mark, last.hash, sizeof(mark));
        reopen(&f);
        ck_assert_int_eq(tq_ledger_has_old_audit(f.l, 10), 0);
        ck_assert_int_eq(tq_ledger_has_old_audit(f.l, 11), 1);
        ck_assert_int_eq(APPLY(f.l, op_forget(10)), 0);
        expect_chain(&f, mark, "");
        ck_assert_int_eq(APPLY(f.l, op_forget(31)), 0);
        expect_chain(&f, mark, "");
        ck_assert_int_eq(tq_ledger_has_old_audit(f.l, 31), 0);
        ck_assert_int_eq(APPLY(f.l, op_forget(UINT64_MAX)), 0);
        ck_assert_int_eq(tq_ledger_has_old_audit(f.l, UINT64_MAX), 0);
        ck_assert_int_eq(APPLY(f.l, op_audit(60, 1, "", "cpu", "4", "5", 5)), 0);
        expect_chain(&f, mark, "");
        f.l = tq_ledger_close(f.l);
        ck_assert_int_eq(query_number(f.path, "SELECT min(id) = 5 AND max(id) = 6 FROM audit"), 1);
        execute(f.path, "DELETE FROM audit WHERE id = 5");
        expect_chain_of(f.path, NULL, "row 5 is missing\n");
}
END_TEST

/* What was set ------------------------------------------------------------------------------------
 */

static void expect_diff(Fixture *f, uint64_t from, uint64_t to, const char *want) {
        TqLedgerFilter filter = { .tenant = 1, .before = from, .other = to };
        TQ_BUFFER_CLEANUP TqBuffer got = {};
        TQ_TABLE_CLEANUP TqTable t = {};
        int r = tq_ledger_limits_at(f->l, &filter, &t);

        if (r < 0)
                tq_buffer_printf(&got, "%s", r == -ENOENT ? "none" : r == -ESTALE ? "old" : "?");
        for (size_t row = 0; row < t.n_rows; row++) {
                const char *then = tq_table_text(&t, row, "then"),
                           *now = tq_table_text(&t, row, "now");
                const char *queue = tq_table_text(&t, row, "queue");

                tq_buffer_printf(&got, "%s|%s %s-%s ", queue ? queue : "",
                                 tq_table_text(&t, row, "limit"), then ? then : "", now ? now : "");
        }
        ck_assert_str_eq(tq_buffer_string(&got), want);
}

START_TEST(set_at) {
        FIXTURE f = five();

        expect_diff(&f, 0, TQ_LEDGER_NOW, "|cpu -4 |memory -1G etl|concurrency -3 ");
        expect_diff(&f, 1, TQ_LEDGER_NOW, "|cpu 2-4 etl|concurrency -3 ");
        expect_diff(&f, 1, 2, "|cpu 2-4 ");
        expect_diff(&f, 2, 1, "|cpu 4-2 ");
        expect_diff(&f, 3, 0, "|cpu 4- |memory 1G- etl|concurrency 3- ");
        expect_diff(&f, 3, TQ_LEDGER_NOW, "");
        expect_diff(&f, 3, 3, "");
        expect_diff(&f, 4, TQ_LEDGER_NOW, "none"); /* globex's */
        expect_diff(&f, 1, 9, "none");
        /* There and back again. */
        ck_assert_int_eq(APPLY(f.l, op_audit(60, 1, "", "cpu", "4", NULL, 5),
                               op_limit(1, "", "cpu", NULL, 5),
                               op_audit(70, 1, "", "cpu", NULL, "4", 6),
                               op_limit(1, "", "cpu", "4", 6)),
                         0);
        expect_diff(&f, 3, TQ_LEDGER_NOW, "");
        expect_diff(&f, 5, TQ_LEDGER_NOW, "|cpu -4 ");
        expect_diff(&f, 3, 5, "|cpu 4- ");
}
END_TEST

/* What came before a revision need not be there; what came after it must. */
START_TEST(set_at_forgotten) {
        FIXTURE f = five();

        ck_assert_int_eq(APPLY(f.l, op_forget(21)), 0); /* revision 1 */
        expect_diff(&f, 2, TQ_LEDGER_NOW, "etl|concurrency -3 ");
        expect_diff(&f, 1, TQ_LEDGER_NOW, "old");
        expect_diff(&f, 0, TQ_LEDGER_NOW, "old");
        ck_assert_int_eq(APPLY(f.l, op_forget(UINT64_MAX)), 0);
        expect_diff(&f, 3, TQ_LEDGER_NOW, ""); /* the tenant's last */
        expect_diff(&f, 2, TQ_LEDGER_NOW, "old");
}
END_TEST

START_TEST(hex) {
        uint8_t hash[TQ_CHAIN_HASH] = { 0x00, 0xff, 0x1a }, back[TQ_CHAIN_HASH] = {};
        char text[TQ_CHAIN_HEX];

        ck_assert_int_eq(strncmp(tq_chain_format(hash, text), "00ff1a00", 8), 0);
        ck_assert_int_eq(tq_chain_parse(text, back), 0);
        ck_assert_mem_eq(hash, back, sizeof(hash));
        text[5] = 'g';
        ck_assert_int_eq(tq_chain_parse(text, back), -EINVAL);
        ck_assert_int_eq(tq_chain_parse("00ff", back), -EINVAL);
        ck_assert_int_eq(tq_chain_parse("", back), -EINVAL);
}
END_TEST

static void fill(Suite *s) {
        TCase *chain = unit_case(s, "chain"), *set = unit_case(s, "what was set");

        unit_add_rows(chain, damaged, damages);
        tcase_add_test(chain, goes_on);
        tcase_add_test(chain, forgotten);
        tcase_add_test(chain, hex);
        tcase_add_test(set, set_at);
        tcase_add_test(set, set_at_forgotten);
}

int main(void) {
        return unit_main("store/chain", fill);
}
