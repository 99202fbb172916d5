/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store_ledger.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "store/ledger_schema.h"

/* The ledger's file: new, opened again, damaged, another program's, gone while it is open. */

START_TEST(new_ledger) {
        FIXTURE f = fixture_new();
        TqLedgerNumbers n;

        ck_assert_int_eq(tq_ledger_numbers(f.l, &n), 0);
        ck_assert_uint_eq(n.next_job, 1);
        ck_assert_uint_eq(n.next_claim, 1);
        ck_assert_uint_eq(n.next_tenant, 1);
        ck_assert_uint_eq(n.next_revision, 1);
        expect_live(&f, "");
        expect_limits(&f, "");
        expect_jobs(&f, (TqLedgerFilter){ .tenant = -1, .limit = 10 }, "");
        f.l = tq_ledger_close(f.l);
        ck_assert_int_eq(query_number(f.path, "PRAGMA application_id"), TQ_LEDGER_APPLICATION_ID);
        ck_assert_int_eq(query_number(f.path, "PRAGMA user_version"), TQ_LEDGER_VERSION);
        ck_assert_int_eq(query_number(f.path, "SELECT count(*) FROM pragma_journal_mode "
                                              "WHERE journal_mode = 'wal'"),
                         1);
}
END_TEST

START_TEST(reopened) {
        FIXTURE f = fixture_new();
        TqLedgerNumbers n;

        ck_assert_int_eq(APPLY(f.l, op_tenant(1, "acme"), op_accept(1, 1, 10), op_accept(2, 1, 20),
                               op_accept(3, 1, 30), op_running(1, 1), op_running(2, 1),
                               op_done(1, 1)),
                         0);
        reopen(&f);
        expect_live(&f, "2 t1 etl p-5 after77 running attempt1 released2000002 none spec26\n"
                        "3 t1 etl p-5 after77 queued attempt0 released0 none spec26\n");
        ck_assert_int_eq(tq_ledger_numbers(f.l, &n), 0);
        ck_assert_uint_eq(n.next_job, 4);
        ck_assert_uint_eq(n.next_claim, 31);
        ck_assert_int_eq(tq_ledger_has_claim(f.l, 20), 1);
        f.l = tq_ledger_close(f.l);
        ck_assert_int_eq(query_number(f.path,
                                      "SELECT count(*) FROM attempts WHERE substr(boot, 1, 16) ="
                                      " x'0102030405060708090a0b0c0d0e0f10'"),
                         2);
}
END_TEST

/* Files that are not a ledger of this version: refused, and left as they were. */
static const struct {
        const char *sql, *error;
} foreign_rows[] = {
        { "CREATE TABLE x(y); PRAGMA application_id=12345", "not a ledger of tenantq" },
        { "CREATE TABLE x(y)", "not a ledger of tenantq" },
        { "PRAGMA application_id=12345", "not a ledger of tenantq" },
        { "PRAGMA application_id=1416712497; PRAGMA user_version=99; CREATE TABLE x(y)",
          "has schema version 99, this program knows " },
        { "PRAGMA application_id=1416712497; PRAGMA user_version=0; CREATE TABLE x(y)",
          "has schema version 0, this program knows " },
};

START_TEST(foreign) {
        TqLedger *l = NULL;
        char path[PATH_MAX];
        TqError err = {};

        ck_assert_int_eq(TQ_LEDGER_APPLICATION_ID, 1416712497);
        (void)snprintf(path, sizeof(path), "%s/x.db", unit_dir());
        execute(path, foreign_rows[_i].sql);
        ck_assert_int_eq(tq_ledger_open(path, boot, &l, &err), -EBADMSG);
        ck_assert_ptr_null(l);
        ck_assert_msg(strstr(err.text, foreign_rows[_i].error) != NULL, "says: %s", err.text);
        ck_assert_int_eq(query_number(path, "SELECT count(*) FROM pragma_journal_mode "
                                            "WHERE journal_mode = 'wal'"),
                         0);
        ck_assert_int_eq(
                query_number(path, "SELECT count(*) FROM sqlite_schema WHERE name = 'jobs'"), 0);
}
END_TEST

START_TEST(not_a_database) {
        char path[PATH_MAX], garbage[8192];
        TqLedger *l = NULL;
        TqError err = {};
        int fd;

        (void)snprintf(path, sizeof(path), "%s/x.db", unit_dir());
        memset(garbage, 'x', sizeof(garbage));
        fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(write(fd, garbage, sizeof(garbage)), (ssize_t)sizeof(garbage));
        (void)close(fd);
        ck_assert_int_eq(tq_ledger_open(path, boot, &l, &err), -EBADMSG);
        ck_assert_ptr_null(l);
        ck_assert_ptr_nonnull(strstr(err.text, "ledger"));
}
END_TEST

/* A file that lost its second half is not mistaken for an empty ledger. */
START_TEST(truncated) {
        FIXTURE f = fixture_new();
        TqLedger *l = NULL;
        TqError err = {};
        struct stat st;

        ck_assert_int_eq(APPLY(f.l, op_tenant(1, "acme")), 0);
        for (uint64_t job = 1; job <= 200; job++)
                ck_assert_int_eq(APPLY(f.l, op_accept(job, 1, job)), 0);
        f.l = tq_ledger_close(f.l);
        ck_assert_int_eq(stat(f.path, &st), 0);
        ck_assert_int_gt(st.st_size, 16384);
        ck_assert_int_eq(truncate(f.path, st.st_size / 2 / 4096 * 4096), 0);
        ck_assert_int_eq(tq_ledger_open(f.path, boot, &l, &err), -EBADMSG);
        ck_assert_ptr_null(l);
        ck_assert_str_ne(err.text, "");
}
END_TEST

START_TEST(no_path) {
        TqLedger *l = NULL;
        char path[PATH_MAX];
        TqError err = {};

        (void)snprintf(path, sizeof(path), "%s/missing/x.db", unit_dir());
        ck_assert_int_lt(tq_ledger_open(path, boot, &l, &err), 0);
        ck_assert_ptr_null(l);
        ck_assert_str_ne(err.text, "");
        ck_assert_ptr_null(tq_ledger_close(NULL));
}
END_TEST

/* A second one, while the first is open, is kept out. */
START_TEST(exclusive) {
        FIXTURE f = fixture_new();
        TqLedger *l = NULL;
        TqError err = {};
        int r;

        ck_assert_int_eq(APPLY(f.l, op_tenant(1, "acme")), 0);
        r = tq_ledger_open(f.path, boot, &l, &err);
        ck_assert_int_lt(r, 0);
        ck_assert_ptr_null(l);
        ck_assert_int_eq(APPLY(f.l, op_tenant(2, "globex")), 0);
}
END_TEST

/* Somebody removes its log, or puts another file there, while it is open. */
START_TEST(log_goes) {
        FIXTURE f = fixture_new();
        char log[PATH_MAX + 8];
        struct stat st;

        (void)snprintf(log, sizeof(log), "%s-wal", f.path);
        ck_assert_int_eq(APPLY(f.l, op_tenant(1, "acme"), op_accept(1, 1, 1)), 0);
        ck_assert_int_eq(tq_ledger_check(f.l), 0);
        for (uint64_t i = 0; i < 2; i++) {
                ck_assert_int_eq(unlink(log), 0);
                if (i == 1)
                        ck_assert_int_eq(close(open(log, O_CREAT | O_WRONLY, 0600)), 0);
                ck_assert_int_eq(tq_ledger_check(f.l), 1);
                ck_assert_int_eq(stat(log, &st), 0);
                /* All that was recorded is in the database itself. */
                ck_assert_int_eq(tq_ledger_check(f.l), 0);
                ck_assert_int_eq(APPLY(f.l, op_accept(i + 2, 1, i + 2)), 0);
        }
        expect_live(&f, "1 t1 etl p-5 after77 queued attempt0 released0 none spec26\n"
                        "2 t1 etl p-5 after77 queued attempt0 released0 none spec26\n"
                        "3 t1 etl p-5 after77 queued attempt0 released0 none spec26\n");
        ck_assert_int_eq(unlink(log), 0);
        ck_assert_int_eq(tq_ledger_check(f.l), 1);
        reopen(&f);
        expect_live(&f, "1 t1 etl p-5 after77 queued attempt0 released0 none spec26\n"
                        "2 t1 etl p-5 after77 queued attempt0 released0 none spec26\n"
                        "3 t1 etl p-5 after77 queued attempt0 released0 none spec26\n");
        ck_assert_int_eq(unlink(f.path), 0);
        ck_assert_int_eq(tq_ledger_check(f.l), -ESTALE);
        ck_assert_int_eq(close(open(f.path, O_CREAT | O_WRONLY, 0600)), 0);
        ck_assert_int_eq(tq_ledger_check(f.l), -ESTALE);
}
END_TEST

static void fill(Suite *s) {
        TCase *files = unit_case(s, "files");

        tcase_add_test(files, log_goes);
        tcase_add_test(files, new_ledger);
        tcase_add_test(files, reopened);
        unit_add_rows(files, foreign, foreign_rows);
        tcase_add_test(files, not_a_database);
        tcase_add_test(files, truncated);
        tcase_add_test(files, no_path);
        tcase_add_test(files, exclusive);
}

int main(void) {
        return unit_main("store/ledger file", fill);
}
