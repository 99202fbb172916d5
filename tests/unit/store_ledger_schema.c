/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <signal.h>
#include <sys/resource.h>

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
        ck_assert_int_eq(query_number(f.path, "SELECT count(*) FROM audit WHERE revision = 5 AND"
                                              " name = 'cpu' AND length(hash) = 32"),
                         1);
        ck_assert_int_eq(query_number(f.path, "SELECT id FROM chain WHERE what = 'last'"), 1);
        ck_assert_int_eq(query_number(f.path, "SELECT revision FROM tenants WHERE id = 1"), 5);
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

#define LIMITS_10                                                                                  \
        "CREATE TABLE limits("                                                                     \
        "  revision INTEGER PRIMARY KEY, time_usec INTEGER NOT NULL, uid INTEGER NOT NULL,"        \
        "  tenant INTEGER NOT NULL REFERENCES tenants, queue TEXT NOT NULL, name TEXT NOT NULL,"   \
        "  old_value TEXT, new_value TEXT, kernel TEXT, why TEXT) STRICT;"                         \
        "CREATE INDEX limits_by_name ON limits(tenant, queue, name, revision);"

/* What versions 12 and 13 have added is not there, as before them. */
static void make_version_11(const char *path) {
        execute(path, "ALTER TABLE attempts DROP COLUMN silent; DROP TRIGGER lineage_gone; DROP "
                      "TABLE lineage; DROP TABLE rollouts;"
                      "ALTER TABLE jobs DROP COLUMN trace_parent; PRAGMA user_version=11");
}

/* Nor what version 11 has. */
static void make_version_10(const char *path) {
        make_version_11(path);
        execute(path, "DROP TABLE audit; DROP TABLE chain; DROP TABLE limits; DROP TABLE "
                      "policies; DROP TABLE files;" LIMITS_10
                      "ALTER TABLE tenants DROP COLUMN revision; PRAGMA user_version=10");
}

/* Nor what versions 8 and 9 have. */
static void make_version_7(const char *path) {
        make_version_10(path);
        execute(path, "DROP INDEX jobs_dead_by_queue; DROP TRIGGER standings_gone;"
                      "DROP TABLE standings; DROP TABLE pools;"
                      "DROP TABLE floors; ALTER TABLE tenants DROP COLUMN ending;"
                      "ALTER TABLE tenants DROP COLUMN ending_to;"
                      "ALTER TABLE tenants DROP COLUMN ending_uid;"
                      "ALTER TABLE tenants DROP COLUMN ending_why;"
                      "PRAGMA user_version=7");
}

static int no_row(void *userdata, const TqLedgerStanding *x) {
        (void)userdata;
        (void)x;
        return -EEXIST;
}

static int no_pool(void *userdata, const TqPoolStanding *x) {
        (void)userdata;
        (void)x;
        return -EEXIST;
}

/* Nothing is known of anybody, and what becomes known from now on stays. */
START_TEST(migrated_from_7) {
        TqLedgerOp op = { .type = TQ_LEDGER_STANDING, .tenant = 1, .standing = { .tag = 5 } };
        FIXTURE f = fixture_new();

        accept_four(&f);
        f.l = tq_ledger_close(f.l);
        make_version_7(f.path);
        reopen(&f);
        expect_jobs(&f, (TqLedgerFilter){ .tenant = -1, .limit = 10 }, "4 3 2 1");
        ck_assert_int_eq(tq_ledger_each_standing(f.l, 0, 0, no_row, NULL), 0);
        ck_assert_int_eq(tq_ledger_each_pool(f.l, 0, 0, no_pool, NULL), 0);
        ck_assert_int_eq(APPLY(f.l, op), 0);
        f.l = tq_ledger_close(f.l);
        ck_assert_int_eq(query_number(f.path, "PRAGMA user_version"), TQ_LEDGER_VERSION);
        ck_assert_int_eq(query_number(f.path, "SELECT tag_nsec FROM standings WHERE tenant = 1"),
                         5);
        execute(f.path, "DELETE FROM tenants WHERE id = 1");
        ck_assert_int_eq(query_number(f.path, "SELECT count(*) FROM standings"), 0);
}
END_TEST

/* Each of a job's columns has a value of its own; `after` is the first of those behind the spec, as
 * before version 10. */
#define COLUMNS                                                                                    \
        "id, claim, tenant, queue, name, state, priority, submitted_usec, submitter_uid,"          \
        " start_after_usec, correlation_id, labels, stop, attempt, spec, outcome, level, stage,"   \
        " code, verdict, ended_usec, held, deadline_usec, after, runtime_usec, stop_usec,"         \
        " memory_bytes, retry, failures, retry_usec, dead, keep_usec, key, crashes, quarantine"

START_TEST(migrated_from_9) {
        FIXTURE f = fixture_new();

        accept_four(&f);
        f.l = tq_ledger_close(f.l);
        make_version_10(f.path);
        execute(f.path,
                "UPDATE jobs SET claim = 101, queue = 'c3', name = 'c4', priority = 6,"
                " submitted_usec = 107, submitter_uid = 108, start_after_usec = 109,"
                " correlation_id = 'c10', labels = 'c11', stop = 'c12', attempt = 13,"
                " spec = x'14', outcome = 'c15', level = 'c16', stage = 'c17', code = 18,"
                " verdict = 'c19', ended_usec = 120, held = 1, deadline_usec = 122,"
                " after = 'c23', runtime_usec = 124, stop_usec = 125, memory_bytes = 126,"
                " retry = 'c27', failures = 28, retry_usec = 129, dead = 1, keep_usec = 131,"
                " key = 'c32', crashes = 33, quarantine = 'c34' WHERE id = 2;"
                "CREATE TABLE before AS SELECT " COLUMNS " FROM jobs;"
                /* What was meant to say that its file is still in .claims. */
                "UPDATE jobs SET keep_usec = 9223372036854775807 WHERE id = 3;"
                "UPDATE before SET keep_usec = -1 WHERE id = 3;"
                "DROP VIEW sums; ALTER TABLE jobs RENAME COLUMN spec TO spec_10;"
                "ALTER TABLE jobs ADD COLUMN spec BLOB; UPDATE jobs SET spec = spec_10;"
                "ALTER TABLE jobs DROP COLUMN spec_10;"
                "CREATE VIEW sums AS SELECT 1; PRAGMA user_version=9");
        reopen(&f);
        expect_jobs(&f, (TqLedgerFilter){ .tenant = -1, .limit = 10 }, "4 3 2 1");
        f.l = tq_ledger_close(f.l);
        ck_assert_int_eq(query_number(f.path, "SELECT count(*) FROM before"), 4);
        ck_assert_int_eq(query_number(f.path, "SELECT count(*) FROM (SELECT * FROM before EXCEPT"
                                              " SELECT " COLUMNS " FROM jobs)"),
                         0);
        ck_assert_int_eq(query_number(f.path, "SELECT max(cid) = (SELECT cid FROM"
                                              " pragma_table_info('jobs') WHERE name = 'spec')"
                                              " FROM pragma_table_info('jobs')"),
                         1);
        ck_assert_int_eq(query_number(f.path, "SELECT count(*) FROM sums"), 0);
}
END_TEST

/* Revisions of version 10 are the first rows of the chain, each with what it found set; what they
 * left set is. */
START_TEST(migrated_from_10) {
        FIXTURE f = fixture_new();
        TQ_TABLE_CLEANUP TqTable t = {};
        TqLedgerNumbers n;

        ck_assert_int_eq(APPLY(f.l, op_tenant(1, "acme"), op_tenant(2, "globex")), 0);
        f.l = tq_ledger_close(f.l);
        make_version_10(f.path);
        execute(f.path, "INSERT INTO limits VALUES"
                        "(3, 30, 0, 1, '', 'cpu', '1', '2', 'k', 'first'),"
                        "(4, 40, 7, 2, '', 'cpu', NULL, '9', NULL, NULL),"
                        "(5, 50, 0, 1, 'etl', 'concurrency', NULL, '3', NULL, NULL),"
                        "(8, 80, 0, 1, '', 'cpu', '2', '4', NULL, NULL),"
                        "(9, 90, 0, 1, 'etl', 'concurrency', '3', NULL, NULL, NULL)");
        reopen(&f);
        expect_limits(&f, "t2 |cpu=9 r4\nt1 |cpu=4 r8\n");
        ck_assert_int_eq(tq_ledger_numbers(f.l, &n), 0);
        ck_assert_uint_eq(n.next_revision, 10);
        ck_assert_int_eq(
                tq_ledger_limits_at(
                        f.l, &(TqLedgerFilter){ .tenant = 1, .before = 5, .other = TQ_LEDGER_NOW },
                        &t),
                0);
        ck_assert_uint_eq(t.n_rows, 2);
        ck_assert_str_eq(tq_table_text(&t, 0, "then"), "2");
        ck_assert_str_eq(tq_table_text(&t, 0, "now"), "4");
        ck_assert_str_eq(tq_table_text(&t, 1, "then"), "3");
        ck_assert_ptr_null(tq_table_text(&t, 1, "now"));
        ck_assert_int_eq(APPLY(f.l, op_audit(1, 1, "", "cpu", "4", "5", 10)), 0);
        expect_chain(&f, NULL, "");
        f.l = tq_ledger_close(f.l);
        ck_assert_int_eq(query_number(f.path, "SELECT count(*) = 6 AND max(id) = 6 AND"
                                              " sum(queue = 'etl') = 2 FROM audit"),
                         1);
        ck_assert_int_eq(query_number(f.path, "SELECT why = 'first' AND uid = 0 AND kernel = 'k'"
                                              " AND old_set IS NULL AND old_value = '1' AND"
                                              " time_usec = 30 FROM audit WHERE id = 1"),
                         1);
}
END_TEST

/* Nothing is known of where jobs came from; from now on it is noted. */
START_TEST(migrated_from_11) {
        TqLedgerOp op = op_accept(5, 1, 50);
        TQ_TABLE_CLEANUP TqTable t = {};
        FIXTURE f = fixture_new();

        accept_four(&f);
        f.l = tq_ledger_close(f.l);
        make_version_11(f.path);
        execute(f.path, "UPDATE jobs SET quarantine = 'q', key = 'k', labels = 'l=' WHERE id = 2;"
                        "CREATE TABLE before AS SELECT * FROM jobs");
        reopen(&f);
        expect_jobs(&f, (TqLedgerFilter){ .tenant = -1, .limit = 10 }, "4 3 2 1");
        op.accept.trace_parent = (char *)"00-1";
        op.accept.ties = (char *)"ix\0";
        ck_assert_int_eq(APPLY(f.l, op), 0);
        ck_assert_int_eq(tq_ledger_jobs(f.l, &(TqLedgerFilter){ .tenant = -1, .limit = 2 }, &t), 0);
        ck_assert_str_eq(tq_table_text(&t, 0, "trace_parent"), "00-1");
        ck_assert_ptr_null(tq_table_text(&t, 1, "trace_parent"));
        f.l = tq_ledger_close(f.l);
        ck_assert_int_eq(query_number(f.path, "SELECT count(*) FROM (SELECT " COLUMNS
                                              " FROM before EXCEPT SELECT " COLUMNS " FROM jobs)"),
                         0);
        ck_assert_int_eq(query_number(f.path, "SELECT count(*) FROM lineage WHERE job = 5"), 1);
        execute(f.path, "DELETE FROM jobs WHERE id = 5");
        ck_assert_int_eq(query_number(f.path, "SELECT count(*) FROM lineage"), 0);
}
END_TEST

/* What a later version wrote is left as it is. */
START_TEST(later_version) {
        FIXTURE f = fixture_new();
        TqLedger *l = NULL;
        TqError err = {};

        accept_four(&f);
        f.l = tq_ledger_close(f.l);
        execute(f.path, "PRAGMA user_version=99");
        ck_assert_int_eq(tq_ledger_open(f.path, boot, &l, &err), -EBADMSG);
        ck_assert_ptr_null(l);
        ck_assert_ptr_nonnull(
                strstr(err.text, "ledger: has schema version 99, this program knows "));
        ck_assert_int_eq(query_number(f.path, "PRAGMA user_version"), 99);
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

/* A file system that is full in the middle of it: RLIMIT_FSIZE, of the log that a step grows to. */
START_TEST(migration_has_no_room) {
        TQ_CLEANUP(fixture_done) Fixture f = version_1();
        struct rlimit was;
        TqLedger *l = NULL;
        TqError err = {};

        execute(f.path, "WITH RECURSIVE n(i) AS (VALUES(10) UNION ALL SELECT i + 1 FROM n WHERE"
                        " i < 3000) INSERT INTO jobs(id, tenant, queue, name, state, priority,"
                        " submitted_usec, submitter_uid, spec, outcome, ended_usec) SELECT i, 1,"
                        " 'q', 'n', 'done', 0, 1, 0, zeroblob(1000), 'exit', 1 FROM n");
        ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &was), 0);
        ck_assert(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
        ck_assert_int_eq(
                setrlimit(RLIMIT_FSIZE, &(struct rlimit){ UINT64_C(4) << 20, was.rlim_max }), 0);
        ck_assert_int_lt(tq_ledger_open(f.path, boot, &l, &err), 0);
        ck_assert_ptr_null(l);
        ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &was), 0);
        ck_assert_msg(strstr(err.text, "bringing it to this version") != NULL, "%s", err.text);
        ck_assert_int_lt(query_number(f.path, "PRAGMA user_version"), TQ_LEDGER_VERSION);
        ck_assert_int_eq(query_number(f.path, "SELECT count(*) FROM jobs"), 2995);
        reopen(&f);
        expect_live(&f, live_1);
        f.l = tq_ledger_close(f.l);
        ck_assert_int_eq(query_number(f.path, "SELECT count(*) FROM jobs"), 2995);
}
END_TEST

static void fill(Suite *s) {
        TCase *versions = unit_case(s, "versions");

        tcase_add_test(versions, later_version);
        tcase_add_test(versions, migrated);
        tcase_add_test(versions, migrated_goes_on);
        tcase_add_test(versions, migrated_looks_new);
        tcase_add_test(versions, migrated_from_7);
        tcase_add_test(versions, migrated_from_9);
        tcase_add_test(versions, migrated_from_10);
        tcase_add_test(versions, migrated_from_11);
        tcase_add_test(versions, migration_fails);
        tcase_add_test(versions, migration_has_no_room);
}

int main(void) {
        return unit_main("store/ledger schema", fill);
}
