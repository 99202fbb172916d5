/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/inspect.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store_ledger.h"

/* Damage of each kind is named; what is in order is not. */

static void on_problem(void *userdata, const char *check, const char *text) {
        tq_buffer_printf(userdata, "%s: %s\n", check, text);
}

static TqInspection inspect(const char *path, TqBuffer *ret) {
        TqSnapshot *s = NULL;
        TqError err = {};
        TqInspection a;

        ck_assert_msg(tq_snapshot_open(path, &s, &err) == 0, "%s", err.text);
        ck_assert_int_eq(tq_inspect(s, on_problem, ret, &a), 0);
        ck_assert(!tq_snapshot_is_torn(s));
        (void)tq_snapshot_close(s);
        return a;
}

/* Four jobs: 1 has ended, 2 runs, 3 and 4 wait. */
static void make_ledger(Fixture *f) {
        *f = fixture_new();
        accept_four(f);
        ck_assert_int_eq(APPLY(f->l, op_running(1, 1), op_done(1, 1), op_running(2, 1)), 0);
        ck_assert_int_eq(APPLY(f->l, op_audit(1, 1, "", "cpu", NULL, "2", 1),
                               op_audit(2, 1, "", "cpu", "2", "3", 1),
                               op_limit(1, "", "cpu", "3", 1)),
                         0);
        f->l = tq_ledger_close(f->l);
}

static const struct {
        const char *sql, *want;
} damages[] = {
        { "UPDATE jobs SET state = 'gone' WHERE id = 3", "state: job 3: unknown state \"gone\"\n" },
        { "UPDATE jobs SET outcome = 'exat' WHERE id = 1",
          "outcome: job 1: unknown outcome \"exat\"\n" },
        { "UPDATE jobs SET level = 'x' WHERE id = 1", "level: job 1: unknown level \"x\"\n" },
        { "UPDATE jobs SET stage = 'x' WHERE id = 1", "stage: job 1: unknown stage \"x\"\n" },
        { "UPDATE jobs SET stop = 'x' WHERE id = 3",
          "stop: job 3: unknown reason to stop \"x\"\n" },
        { "UPDATE jobs SET stop = 'cancelled' WHERE id = 3", "" },
        { "UPDATE jobs SET name = CAST(x'c3' AS TEXT) WHERE id = 3",
          "text: job 3: its queue, name or a text of it is not valid\n" },
        { "UPDATE jobs SET queue = '/' WHERE id = 3",
          "text: job 3: its queue, name or a text of it is not valid\n" },
        { "UPDATE tenants SET name = '../x' WHERE id = 2",
          "tenant: tenant 2: its name is not valid\n" },
        { "UPDATE jobs SET tenant = 7 WHERE id = 3",
          "reference: jobs 3: its row of tenants is not there\n" },
        { "DELETE FROM tenants WHERE id = 1",
          "reference: jobs 1: its row of tenants is not there\n"
          "reference: jobs 2: its row of tenants is not there\n"
          "limit: limit cpu of tenant 1: there is no such tenant\n" },
        { "INSERT INTO limits VALUES(9, '', 'x', '1', 1, NULL, NULL, NULL)",
          "limit: limit x of tenant 9: there is no such tenant\n" },
        { "UPDATE limits SET value = '9'",
          "limit: limit cpu of tenant 1: it is 9, and by the audit 3\n" },
        { "UPDATE limits SET value = NULL, until_usec = 7",
          "limit: limit cpu of tenant 1: it is unset, and by the audit 3\n" },
        { "DELETE FROM limits",
          "limit: limit cpu of tenant 1: it is not set, and by the audit 3\n" },
        { "UPDATE limits SET queue = 'etl'",
          "limit: limit cpu of tenant 1: it is not set, and by the audit 3\n" },
        { "UPDATE tenants SET ending = 'removed' WHERE id = 1; DELETE FROM limits", "" },
        { "INSERT INTO rollouts VALUES(1, 1, 5, 6, 101, NULL, NULL, NULL, NULL, NULL)", "" },
        { "INSERT INTO rollouts VALUES(9, 1, 5, 6, 200, NULL, NULL, NULL, NULL, NULL)",
          "rollout: rollout of tenant 9: there is no such tenant\n" },
        { "INSERT INTO rollouts VALUES(1, 1, 5, 6, 100, NULL, NULL, NULL, NULL, NULL)",
          "rollout: rollout of tenant 1: 100 % in 6 us since 5\n" },
        { "INSERT INTO rollouts VALUES(1, 1, 5, 0, 200, NULL, NULL, NULL, NULL, NULL)",
          "rollout: rollout of tenant 1: 200 % in 0 us since 5\n" },
        { "INSERT INTO switches VALUES(0, '', 1, 0, 1, 1, NULL)", "" },
        { "INSERT INTO switches VALUES(9, '', 1, 0, 1, 1, NULL)",
          "switch: switches of tenant 9: there is no such tenant\n" },
        { "DELETE FROM jobs WHERE id = 1", "attempt: attempt 1 of job 1: there is no such job\n" },
        { "DELETE FROM attempts WHERE job = 2",
          "attempt: job 2: it runs, and its attempt 1 is not recorded\n" },
        { "UPDATE attempts SET attempt = 0 WHERE job = 1",
          "attempt: attempt 0 of job 1: attempts are numbered from 1\n" },
        { "UPDATE attempts SET attempt = 2 WHERE job = 1",
          "attempt: attempt 2 of job 1: the job is at 1\n" },
        { "UPDATE attempts SET boot = x'00' WHERE job = 1",
          "attempt: attempt 1 of job 1: its boot is of 1 bytes\n" },
        { "UPDATE jobs SET verdict = NULL WHERE id = 1",
          "verdict: job 1: it has ended and has no verdict\n" },
        { "UPDATE jobs SET ended_usec = NULL WHERE id = 1",
          "verdict: job 1: it has ended and has no verdict\n" },
        { "UPDATE jobs SET verdict = 'exit 0' WHERE id = 4",
          "verdict: job 4: it has not ended and has a verdict\n" },
        { "UPDATE jobs SET held = 3 WHERE id = 4", "hold: job 4: held by 3\n" },
        { "UPDATE jobs SET held = 2 WHERE id = 4", "" },
        { "UPDATE jobs SET dead = 1 WHERE id = 1", "" },
        { "UPDATE jobs SET dead = 1 WHERE id = 4",
          "dead: job 4: a dead letter that has not ended\n" },
        { "UPDATE jobs SET failures = -1 WHERE id = 4", "dead: job 4: -1 failures\n" },
        { "UPDATE audit SET why = 'no' WHERE id = 2",
          "audit: row 2 was changed, or another one stands in its place\n" },
        { "DELETE FROM audit WHERE id = 1", "audit: row 1 is missing\n" },
        { "UPDATE tenants SET revision = 0",
          "limit: limit cpu of tenant 1: of revision 1, and the tenant is at 0\n" },
        { "UPDATE jobs SET trace_parent = 'x' WHERE id = 1",
          "text: job 1: its trace is not valid\n" },
        { "INSERT INTO lineage VALUES(4, 'input', 'x', 2)", "" },
        { "INSERT INTO lineage VALUES(4, 'input', 'x', 1)",
          "lineage: lineage of job 4: tenant 1 has no such job\n" },
        { "INSERT INTO lineage VALUES(9, 'input', 'x', 1)",
          "lineage: lineage of job 9: tenant 1 has no such job\n" },
        { "INSERT INTO lineage VALUES(4, 'imput', 'x', 2)",
          "lineage: lineage of job 4: a kind or a name in it is not valid\n" },
        { "INSERT INTO lineage VALUES(4, 'input', CAST(x'ff' AS TEXT), 2)",
          "lineage: lineage of job 4: a kind or a name in it is not valid\n" },
        { "PRAGMA application_id = 5", "file: not a ledger of tenantq (application id 5)\n" },
        { "PRAGMA user_version = 99", "file: schema version 99, and this program knows " },
        { "DROP TABLE switches", "switch: it can't be read: no such table: switches\n" },
        /* An index that does not have what its table has. */
        { "PRAGMA writable_schema=ON; UPDATE sqlite_schema SET sql = 'CREATE INDEX jobs_by_name ON "
          "jobs(tenant, queue, id)' WHERE name = 'jobs_by_name'",
          "pages: " },
};

START_TEST(damaged) {
        TQ_BUFFER_CLEANUP TqBuffer got = {};
        const char *want = damages[_i].want;
        FIXTURE f;

        make_ledger(&f);
        execute(f.path, damages[_i].sql);
        (void)inspect(f.path, &got);
        ck_assert_str_eq(got.size > 0 && want[0] && want[strlen(want) - 1] != '\n'
                                 ? (strncmp(tq_buffer_string(&got), want, strlen(want)) == 0
                                            ? want
                                            : tq_buffer_string(&got))
                                 : tq_buffer_string(&got),
                         want);
}
END_TEST

START_TEST(in_order) {
        TQ_BUFFER_CLEANUP TqBuffer got = {};
        struct stat before, after;
        FIXTURE f;
        TqInspection a;

        make_ledger(&f);
        ck_assert_int_eq(stat(f.path, &before), 0);
        a = inspect(f.path, &got);
        ck_assert_str_eq(tq_buffer_string(&got), "");
        ck_assert(a.tenants == 2 && a.jobs == 4 && a.live == 3 && a.attempts == 2);
        ck_assert_int_eq(stat(f.path, &after), 0);
        ck_assert(before.st_mtim.tv_nsec == after.st_mtim.tv_nsec);
}
END_TEST

/* A kind of which there are many is cut. */
START_TEST(many) {
        TQ_BUFFER_CLEANUP TqBuffer got = {};
        FIXTURE f = fixture_new();
        TqInspection a;

        ck_assert_int_eq(APPLY(f.l, op_tenant(1, "acme")), 0);
        for (uint64_t job = 1; job <= 50; job++)
                ck_assert_int_eq(APPLY(f.l, op_accept(job, 1, job)), 0);
        f.l = tq_ledger_close(f.l);
        execute(f.path, "UPDATE jobs SET state = 'x'");
        a = inspect(f.path, &got);
        ck_assert_uint_eq(a.problems, 21);
        ck_assert_ptr_nonnull(
                strstr(tq_buffer_string(&got), "state: there is more of this kind\n"));
}
END_TEST

/* One whose daemon runs, or was killed: the first is refused, of the second the log counts too, and
 * nothing of it changes. */
START_TEST(in_use) {
        TQ_BUFFER_CLEANUP TqBuffer got = {};
        char log[PATH_MAX + 8];
        FIXTURE f = fixture_new();
        TqSnapshot *s = NULL;
        struct stat before, after;
        TqError err = {};
        TqInspection a;
        int pid;

        (void)snprintf(log, sizeof(log), "%s-wal", f.path);
        f.l = tq_ledger_close(f.l);
        pid = fork();
        if (pid == 0) {
                reopen(&f);
                _exit(APPLY(f.l, op_tenant(1, "acme"), op_accept(1, 1, 1)) < 0);
        }
        ck_assert_int_eq(unit_wait(pid), 0);
        ck_assert_int_eq(stat(log, &before), 0);
        ck_assert_int_gt(before.st_size, 0);
        a = inspect(f.path, &got);
        ck_assert_str_eq(tq_buffer_string(&got), "");
        ck_assert_uint_eq(a.jobs, 1);
        ck_assert_int_eq(stat(log, &after), 0);
        ck_assert(before.st_size == after.st_size && before.st_ino == after.st_ino);
        reopen(&f);
        ck_assert_int_eq(tq_snapshot_open(f.path, &s, &err), -EBUSY);
        ck_assert_ptr_null(s);
        ck_assert_ptr_nonnull(strstr(err.text, "its daemon runs"));
        ck_assert_ptr_null(tq_snapshot_close(NULL));
}
END_TEST

/* Names that mean something in a URI. */
START_TEST(odd_names) {
        static const char *const names[] = { "a b",  "a?mode=rwc", "a#b",
                                             "a%41", "\xc3\xa4",   "a'\"&;" };
        TQ_BUFFER_CLEANUP TqBuffer got = {};
        char path[PATH_MAX + 32];
        FIXTURE f;

        make_ledger(&f);
        (void)snprintf(path, sizeof(path), "%s%s", f.path, names[_i]);
        ck_assert_int_eq(rename(f.path, path), 0);
        ck_assert_uint_eq(inspect(path, &got).jobs, 4);
        ck_assert_str_eq(tq_buffer_string(&got), "");
}
END_TEST

START_TEST(no_ledger) {
        TQ_BUFFER_CLEANUP TqBuffer got = {};
        char path[PATH_MAX];
        TqSnapshot *s = NULL;
        TqError err = {};

        (void)snprintf(path, sizeof(path), "%s/x", unit_dir());
        ck_assert_int_eq(tq_snapshot_open(path, &s, &err), -ENOENT);
        ck_assert_int_eq(close(open(path, O_CREAT | O_WRONLY, 0600)), 0);
        (void)inspect(path, &got);
        ck_assert_str_eq(tq_buffer_string(&got), "file: there is nothing in it\n");
        tq_buffer_reset(&got);
        ck_assert_int_eq(truncate(path, 8192), 0);
        (void)inspect(path, &got);
        ck_assert_str_eq(tq_buffer_string(&got),
                         "file: it can't be read: file is not a database\n");
        err = (TqError){};
        ck_assert_int_eq(tq_snapshot_open("/", &s, &err), -EINVAL);
}
END_TEST

static void fill(Suite *s) {
        TCase *all = unit_case(s, "inspect");

        unit_add_rows(all, damaged, damages);
        tcase_add_test(all, in_order);
        tcase_add_test(all, many);
        tcase_add_test(all, in_use);
        tcase_add_loop_test(all, odd_names, 0, 6);
        tcase_add_test(all, no_ledger);
}

int main(void) {
        return unit_main("store/inspect", fill);
}
