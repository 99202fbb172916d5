/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store_ledger.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "store/inspect.h"
#include "store/ledger_backup.h"

/* Copies of a ledger that is in use: what they have, what they leave, and what becomes of the
 * ledger when they fail. */

enum { JOBS = 30000 };

/* Some steps' worth of pages. */
static void fill_ledger(Fixture *f) {
        static TqLedgerOp ops[JOBS];

        ck_assert_int_eq(APPLY(f->l, op_tenant(1, "acme")), 0);
        for (uint64_t i = 0; i < JOBS; i++)
                ops[i] = op_accept(i + 1, 1, i + 1);
        ck_assert_int_eq(tq_ledger_apply(f->l, ops, JOBS), 0);
        reopen(f);
}

static int copy(TqLedger *l, TqLedgerBackup **ret, int *ret_fd) {
        TqLedgerBackup *b = NULL;
        int r = tq_ledger_backup_new(l, &b);

        while (r >= 0 && (r = tq_ledger_backup_step(b)) > 0)
                ;
        *ret_fd = r < 0 ? -EBADF : tq_ledger_backup_take_fd(b);
        if (ret)
                *ret = b;
        else
                (void)tq_ledger_backup_free(b);
        return r;
}

static const char *keep(const Fixture *f, int fd) {
        static char path[PATH_MAX + 8];
        int to;

        (void)snprintf(path, sizeof(path), "%s.kept", f->path);
        to = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        ck_assert_int_ge(to, 0);
        ck_assert_int_eq(tq_fs_copy(fd, to, NULL), 0);
        (void)close(to);
        (void)close(fd);
        return path;
}

static void on_problem(void *userdata, const char *check, const char *text) {
        (void)userdata;
        ck_abort_msg("%s: %s", check, text);
}

static void expect_whole(const char *path, uint64_t jobs) {
        TqSnapshot *s = NULL;
        TqError err = {};
        TqInspection audit;

        ck_assert_msg(tq_snapshot_open(path, &s, &err) == 0, "%s", err.text);
        ck_assert_int_eq(tq_inspect(s, on_problem, NULL, &audit), 0);
        ck_assert_uint_eq(audit.problems, 0);
        ck_assert_uint_eq(audit.jobs, jobs);
        (void)tq_snapshot_close(s);
}

static size_t n_files(const Fixture *f) {
        char dir[PATH_MAX];
        size_t n = 0;
        DIR *d;

        (void)snprintf(dir, sizeof(dir), "%s", f->path);
        *strrchr(dir, '/') = '\0';
        d = opendir(dir);
        ck_assert_ptr_nonnull(d);
        while (readdir(d))
                n++;
        (void)closedir(d);
        return n - 2;
}

/* What is written between the steps is in it, whether its page was copied already or not. */
START_TEST(while_writing) {
        FIXTURE f = fixture_new();
        TqLedgerBackup *b = NULL;
        int r, steps = 0, fd;
        const char *path;
        struct stat st;

        fill_ledger(&f);
        ck_assert_int_eq(tq_ledger_backup_new(f.l, &b), 0);
        while ((r = tq_ledger_backup_step(b)) > 0) {
                uint64_t first = (uint64_t)steps + 1, last = JOBS - (uint64_t)steps;

                steps++;
                ck_assert_int_eq(APPLY(f.l, op_accept(JOBS + first, 1, JOBS + first),
                                       op_running(first, 1), op_done(first, 1),
                                       op_running(last, 1)),
                                 0);
        }
        ck_assert_int_eq(r, 0);
        ck_assert_int_gt(steps, 3);
        fd = tq_ledger_backup_take_fd(b);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(fstat(fd, &st), 0);
        ck_assert_uint_eq(st.st_nlink, 0);
        ck_assert_int_eq(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
        ck_assert_ptr_null(tq_ledger_backup_free(b));
        path = keep(&f, fd);
        expect_whole(path, JOBS + (uint64_t)steps);
        ck_assert_int_eq(query_number(path, "SELECT count(*) FROM jobs WHERE state = 'done'"),
                         steps);
        ck_assert_int_eq(query_number(path, "SELECT count(*) FROM attempts"), 2L * steps);
        /* It is whole without a log. */
        ck_assert_int_eq(query_number(path, "SELECT count(*) FROM pragma_journal_mode WHERE "
                                            "journal_mode = 'delete'"),
                         1);
        /* The ledger, its log, the mark, and what was kept. */
        ck_assert_uint_eq(n_files(&f), 4);
}
END_TEST

/* A copy is a ledger: in place of one that was lost, nothing of it is missing. */
START_TEST(brought_back) {
        FIXTURE f = fixture_new();
        char log[PATH_MAX + 8];
        int fd;

        fill_ledger(&f);
        ck_assert_int_eq(copy(f.l, NULL, &fd), 0);
        ck_assert_int_eq(APPLY(f.l, op_running(1, 1)), 0);
        f.l = tq_ledger_close(f.l);
        ck_assert_int_eq(rename(keep(&f, fd), f.path), 0);
        (void)snprintf(log, sizeof(log), "%s-wal", f.path);
        ck_assert_int_lt(access(log, F_OK), 0);
        reopen(&f);
        ck_assert_int_eq(APPLY(f.l, op_accept(JOBS + 1, 1, JOBS + 1)), 0);
        f.l = tq_ledger_close(f.l);
        expect_whole(f.path, JOBS + 1);
        ck_assert_int_eq(query_number(f.path, "SELECT count(*) FROM attempts"), 0);
}
END_TEST

START_TEST(one_at_a_time) {
        FIXTURE f = fixture_new();
        TqLedgerBackup *b = NULL, *other = NULL;
        int fd;

        fill_ledger(&f);
        ck_assert_int_eq(tq_ledger_backup_new(f.l, &b), 0);
        ck_assert_int_eq(tq_ledger_backup_step(b), 1);
        ck_assert_int_eq(tq_ledger_backup_new(f.l, &other), -EBUSY);
        ck_assert_ptr_null(other);
        /* Given up half-way; nothing is left. */
        ck_assert_int_eq(tq_ledger_backup_take_fd(b), -EBADF);
        ck_assert_ptr_null(tq_ledger_backup_free(b));
        ck_assert_uint_eq(n_files(&f), 3);
        ck_assert_int_eq(APPLY(f.l, op_running(1, 1)), 0);
        ck_assert_int_eq(copy(f.l, &b, &fd), 0);
        ck_assert_ptr_null(tq_ledger_backup_free(b));
        expect_whole(keep(&f, fd), JOBS);
        ck_assert_ptr_null(tq_ledger_backup_free(NULL));
}
END_TEST

/* The copy can't be written to its end, be it in a step or in a commit: the ledger can. */
START_TEST(copy_fails) {
        struct rlimit limit = { 2 << 20, RLIM_INFINITY };
        FIXTURE f = fixture_new();
        TqLedgerBackup *b = NULL;
        uint64_t job = 0;
        int r;

        fill_ledger(&f);
        (void)signal(SIGXFSZ, SIG_IGN);
        ck_assert_int_eq(tq_ledger_backup_new(f.l, &b), 0);
        ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
        while ((r = tq_ledger_backup_step(b)) > 0) {
                job++;
                ck_assert_int_eq(APPLY(f.l, op_running(job, 1), op_done(job, 1)), 0);
        }
        ck_assert_int_lt(r, 0);
        ck_assert_int_eq(tq_ledger_backup_take_fd(b), -EBADF);
        ck_assert_ptr_null(tq_ledger_backup_free(b));
        ck_assert_uint_eq(n_files(&f), 3);
        limit.rlim_cur = RLIM_INFINITY;
        ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
        ck_assert_int_eq(APPLY(f.l, op_running(JOBS, 1)), 0);
        f.l = tq_ledger_close(f.l);
        expect_whole(f.path, JOBS);
}
END_TEST

/* What a crash left, or what somebody has put there, is removed and not written to. */
START_TEST(leftovers) {
        FIXTURE f = fixture_new();
        char left[PATH_MAX + 8], target[PATH_MAX + 8];
        struct stat st;
        int fd;

        (void)snprintf(left, sizeof(left), "%s-backup", f.path);
        (void)snprintf(target, sizeof(target), "%s.target", f.path);
        ck_assert_int_eq(close(open(left, O_CREAT | O_WRONLY, 0600)), 0);
        reopen(&f);
        ck_assert_int_lt(access(left, F_OK), 0);
        ck_assert_int_eq(close(open(target, O_CREAT | O_WRONLY, 0600)), 0);
        ck_assert_int_eq(symlink(target, left), 0);
        ck_assert_int_eq(APPLY(f.l, op_tenant(1, "acme")), 0);
        ck_assert_int_eq(copy(f.l, NULL, &fd), 0);
        (void)close(fd);
        ck_assert_int_eq(stat(target, &st), 0);
        ck_assert_int_eq(st.st_size, 0);
        ck_assert_int_lt(lstat(left, &st), 0);
        ck_assert_int_eq(mkdir(left, 0700), 0);
        ck_assert_int_eq(copy(f.l, NULL, &fd), -EEXIST);
        ck_assert_int_eq(rmdir(left), 0);
        ck_assert_int_eq(copy(f.l, NULL, &fd), 0);
        (void)close(fd);
}
END_TEST

static void fill(Suite *s) {
        TCase *backups = unit_case(s, "backups");

        tcase_add_test(backups, while_writing);
        tcase_add_test(backups, brought_back);
        tcase_add_test(backups, one_at_a_time);
        tcase_add_test(backups, copy_fails);
        tcase_add_test(backups, leftovers);
}

int main(void) {
        return unit_main("store/ledger backup", fill);
}
