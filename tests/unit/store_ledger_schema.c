/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store_ledger.h"

#include "store/ledger_schema.h"

/* A ledger of another version: a former one's is brought to this one, a later one's is left. */

/* As that version made it. */
static const char schema_1[] =
        "CREATE TABLE tenants("
        "  id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, uid INTEGER NOT NULL,"
        "  first_seen_usec INTEGER NOT NULL) STRICT;"

        "CREATE TABLE jobs("
        "  id INTEGER PRIMARY KEY, claim INTEGER UNIQUE, tenant INTEGER NOT NULL REFERENCES "
        "tenants,"
        "  queue TEXT NOT NULL, name TEXT NOT NULL, state TEXT NOT NULL, priority INTEGER NOT NULL,"
        "  submitted_usec INTEGER NOT NULL, submitter_uid INTEGER NOT NULL,"
        "  start_after_usec INTEGER, correlation_id TEXT, labels TEXT, stop TEXT,"
        "  attempt INTEGER NOT NULL DEFAULT 0, spec BLOB NOT NULL,"
        "  outcome TEXT, level TEXT, stage TEXT, code INTEGER, verdict TEXT, ended_usec INTEGER) "
        "STRICT;"
        "CREATE INDEX jobs_by_tenant ON jobs(tenant, id);"
        "CREATE INDEX jobs_live ON jobs(id) WHERE state <> 'done';"

        "CREATE TABLE attempts("
        "  job INTEGER NOT NULL REFERENCES jobs, attempt INTEGER NOT NULL, boot BLOB NOT NULL,"
        "  released_usec INTEGER NOT NULL, started_usec INTEGER, ended_usec INTEGER, run_usec "
        "INTEGER,"
        "  verdict TEXT, cpu_usec INTEGER, memory_peak_bytes INTEGER, oom_kills INTEGER,"
        "  io_read_bytes INTEGER, io_write_bytes INTEGER, pids_peak INTEGER, pids_denied INTEGER,"
        "  dropped_bytes INTEGER, PRIMARY KEY(job, attempt)) STRICT, WITHOUT ROWID;"

        "CREATE TABLE events("
        "  id INTEGER PRIMARY KEY, time_usec INTEGER NOT NULL, kind TEXT NOT NULL, tenant INTEGER,"
        "  job INTEGER, uid INTEGER, text TEXT NOT NULL) STRICT;"

        "CREATE TABLE limits("
        "  revision INTEGER PRIMARY KEY, time_usec INTEGER NOT NULL, uid INTEGER NOT NULL,"
        "  tenant INTEGER NOT NULL REFERENCES tenants, queue TEXT NOT NULL, name TEXT NOT NULL,"
        "  old_value TEXT, new_value TEXT, kernel TEXT, why TEXT) STRICT;"
        "CREATE INDEX limits_by_name ON limits(tenant, queue, name, revision);";

static const char rows_1[] =
        "PRAGMA application_id=1416712497; PRAGMA user_version=1; PRAGMA journal_mode=WAL;"
        "INSERT INTO tenants VALUES(1, 'acme', 1001, 5), (2, 'globex', 1002, 6);"
        "INSERT INTO jobs(id, claim, tenant, queue, name, state, priority, submitted_usec,"
        " submitter_uid, start_after_usec, stop, attempt, spec, outcome, code, verdict, ended_usec)"
        " VALUES"
        "(1, 10, 1, 'etl', 'a', 'done', 0, 100, 7, NULL, NULL, 1, x'61', 'exit', 0, 'exit 0', 900),"
        "(2, 20, 1, 'etl', 'b', 'running', 3, 200, 7, NULL, NULL, 2, x'6262', NULL, NULL, NULL, "
        "NULL),"
        "(3, NULL, 2, 'web', 'c', 'queued', -4, 300, 8, 77, NULL, 0, x'636363', NULL, NULL, NULL,"
        " NULL),"
        "(4, 40, 2, 'web', 'd', 'stopping', 0, 400, 8, NULL, 'cancelled', 1, x'64', NULL, NULL, "
        "NULL, NULL);"
        "INSERT INTO attempts(job, attempt, boot, released_usec) VALUES"
        "(1, 1, x'00', 110), (2, 1, x'00', 210), (2, 2, x'00', 220), (4, 1, x'00', 410);"
        "INSERT INTO events VALUES(1, 1, 'started', NULL, NULL, 0, 'words');"
        "INSERT INTO limits VALUES(5, 1, 0, 1, '', 'cpu', NULL, '2', NULL, NULL);";

static Fixture version_1(void) {
        Fixture f = {};

        (void)snprintf(f.path, sizeof(f.path), "%s/ledger.db", unit_dir());
        execute(f.path, schema_1);
        execute(f.path, rows_1);
        return f;
}

static const char live_1[] = "2 t1 etl p3 after0 running attempt2 released220 none spec2\n"
                             "3 t2 web p-4 after77 queued attempt0 released0 none spec3\n"
                             "4 t2 web p0 after0 running attempt1 released410 cancelled spec1\n";

/* Its jobs have their bounds in the spec only. */
START_TEST(migrated) {
        TQ_CLEANUP(fixture_done) Fixture f = version_1();
        TqLedgerNumbers n;

        for (int i = 0; i < 2; i++) {
                reopen(&f);
                expect_live(&f, live_1);
                expect_bounds(&f, "2 b hold0 deadline0 after - \"bb\"\n"
                                  "3 c hold0 deadline0 after - \"ccc\"\n"
                                  "4 d hold0 deadline0 after - \"d\"\n");
                expect_limits(&f, "t1 |cpu=2 r5\n");
                expect_switches(&f, "");
                expect_jobs(&f, (TqLedgerFilter){ .tenant = -1, .limit = 10 }, "4 3 2 1");
                ck_assert_int_eq(tq_ledger_numbers(f.l, &n), 0);
                ck_assert_uint_eq(n.next_job, 5);
                ck_assert_uint_eq(n.next_claim, 41);
                ck_assert_uint_eq(n.next_tenant, 3);
                ck_assert_uint_eq(n.next_revision, 6);
        }
        f.l = tq_ledger_close(f.l);
        ck_assert_int_eq(query_number(f.path, "PRAGMA user_version"), TQ_LEDGER_VERSION);
        ck_assert_int_eq(query_number(f.path, "PRAGMA application_id"), TQ_LEDGER_APPLICATION_ID);
        ck_assert_int_eq(query_number(f.path, "SELECT count(*) FROM attempts"), 4);
        ck_assert_int_eq(query_number(f.path, "SELECT count(*) FROM events"), 1);
}
END_TEST

/* It goes on as a ledger of this version. */
START_TEST(migrated_goes_on) {
        TQ_CLEANUP(fixture_done) Fixture f = version_1();
        TqLedgerOp op = op_accept(5, 1, 50);
        TqLedgerFate got;
        uint64_t job;

        reopen(&f);
        op.accept.runtime_usec = 60;
        ck_assert_int_eq(APPLY(f.l, op, op_hold(3, TQ_HOLD_ADMIN), op_done(2, 2),
                               op_switch(1, "", true, false), op_accept(6, 1, 10)),
                         0);
        expect_bounds(&f, "3 c hold2 deadline0 after - \"ccc\"\n"
                          "4 d hold0 deadline0 after - \"d\"\n"
                          "5 nightly hold0 deadline0 after - runtime60 stop0 memory0\n");
        expect_switches(&f, "t1 |paused\n");
        ck_assert_int_eq(tq_ledger_fate(f.l, 1, 0, "a", 5, &job, &got), 0);
        ck_assert_uint_eq(job, 1);
        ck_assert_int_eq(got, TQ_FATE_WELL);
        ck_assert_int_eq(tq_ledger_fate(f.l, 1, 2, NULL, 0, &job, &got), 0);
        ck_assert_uint_eq(job, 2);
        ck_assert_int_eq(got, TQ_FATE_FAILED);
}
END_TEST

/* The same columns in the same order and the same indices as in a new one. */
START_TEST(migrated_looks_new) {
        TQ_CLEANUP(fixture_done) Fixture f = version_1();
        FIXTURE fresh = fixture_new();
        char sql[PATH_MAX + 512];

        reopen(&f);
        f.l = tq_ledger_close(f.l);
        fresh.l = tq_ledger_close(fresh.l);
#define LAYOUT(db)                                                                                 \
        "SELECT s.type, s.name, s.tbl_name, c.* FROM " db ".sqlite_schema s LEFT JOIN "            \
        "pragma_table_xinfo(s.name, '" db "') c"
        (void)snprintf(sql, sizeof(sql),
                       "ATTACH '%s' AS fresh; CREATE TEMP TABLE t(x NOT NULL);"
                       "INSERT INTO t SELECT 1 / ((SELECT count(*) FROM "
                       "(" LAYOUT("main") " EXCEPT " LAYOUT("fresh") ")) = 0);"
                                                                     "SELECT 1",
                       fresh.path);
        execute(f.path, sql);
        ck_assert_int_eq(query_number(f.path, "SELECT count(*) FROM sqlite_schema"),
                         query_number(fresh.path, "SELECT count(*) FROM sqlite_schema"));
}
END_TEST

/* What a later version wrote is left as it is. */
START_TEST(later_version) {
        FIXTURE f = fixture_new();
        TqLedger *l = NULL;
        TqError err = {};

        accept_four(&f);
        f.l = tq_ledger_close(f.l);
        execute(f.path, "PRAGMA user_version=5");
        ck_assert_int_eq(tq_ledger_open(f.path, boot, &l, &err), -EBADMSG);
        ck_assert_ptr_null(l);
        ck_assert_str_eq(err.text, "ledger: has schema version 5, this program knows 4");
        ck_assert_int_eq(query_number(f.path, "PRAGMA user_version"), 5);
        ck_assert_int_eq(query_number(f.path, "SELECT count(*) FROM jobs"), 4);
}
END_TEST

/* One that stands in the way of the new columns: nothing is changed. */
START_TEST(migration_fails) {
        TQ_CLEANUP(fixture_done) Fixture f = version_1();
        TqLedger *l = NULL;
        TqError err = {};

        execute(f.path, "CREATE TABLE switches(x)");
        ck_assert_int_lt(tq_ledger_open(f.path, boot, &l, &err), 0);
        ck_assert_ptr_null(l);
        ck_assert_msg(strstr(err.text, "bringing it to this version") != NULL, "%s", err.text);
        ck_assert_int_eq(query_number(f.path, "PRAGMA user_version"), 1);
        ck_assert_int_eq(query_number(f.path, "SELECT count(*) FROM pragma_table_info('jobs') "
                                              "WHERE name = 'held'"),
                         0);
        execute(f.path, "DROP TABLE switches");
        reopen(&f);
        expect_live(&f, live_1);
}
END_TEST

static void fill(Suite *s) {
        TCase *versions = unit_case(s, "versions");

        tcase_add_test(versions, later_version);
        tcase_add_test(versions, migrated);
        tcase_add_test(versions, migrated_goes_on);
        tcase_add_test(versions, migrated_looks_new);
        tcase_add_test(versions, migration_fails);
}

int main(void) {
        return unit_main("store/ledger schema", fill);
}
