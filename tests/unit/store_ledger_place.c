/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store_ledger.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "store/ledger_backup.h"

/* What may lie at a ledger's path (T76): whatever it is, a start refuses it in words that say what
 * to do, or has all that was recorded. It never begins anew. */

enum { JOBS = 300 };

static char work[PATH_MAX]; /* the command's directory */

/* A ledger that was closed, or one whose engine was killed: then it has a log and a mark. */
static void leave_one(const char *path, uint64_t first, bool is_killed) {
        int pid = fork();

        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
                TqLedger *l = NULL;

                if (tq_ledger_open(path, boot, &l, NULL) < 0 || APPLY(l, op_tenant(1, "acme")) < 0)
                        _exit(1);
                for (uint64_t job = first; job < first + JOBS; job++)
                        if (APPLY(l, op_accept(job, 1, job)) < 0)
                                _exit(1);
                if (!is_killed)
                        (void)tq_ledger_close(l);
                _exit(0);
        }
        ck_assert_int_eq(unit_wait(pid), 0);
}

static void run(const char *command) {
        char line[PATH_MAX + 512];

        (void)snprintf(line, sizeof(line), "cd '%s' && { %s; }", work, command);
        ck_assert_msg(system(line) == 0, "%s", line); /* NOLINT(cert-env33-c) */
}

/* A backup of what is there, as ./backup. */
static void make_backup(const char *path) {
        TqLedgerBackup *b = NULL;
        TqLedger *l = NULL;
        char name[PATH_MAX + 16];
        int r, fd, to;

        ck_assert_int_eq(tq_ledger_open(path, boot, &l, NULL), 0);
        ck_assert_int_eq(tq_ledger_backup_new(l, &b), 0);
        while ((r = tq_ledger_backup_step(b)) > 0)
                ;
        ck_assert_int_eq(r, 0);
        fd = tq_ledger_backup_take_fd(b);
        (void)tq_ledger_backup_free(b);
        (void)tq_ledger_close(l);
        (void)snprintf(name, sizeof(name), "%s/backup", work);
        to = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        ck_assert_int_eq(tq_fs_copy(fd, to, NULL), 0);
        (void)close(fd);
        (void)close(to);
}

/* Two rounds of jobs: a backup between them, an older copy as it lay there; the last round is in
 * the log if the engine was killed. jobs: -1: refused. */
static const struct {
        const char *damage, *says;
        int jobs;
        bool is_killed;
} places[] = {
        { "true", NULL, 2 * JOBS, false },
        { "true", NULL, 2 * JOBS, true },
        { "truncate -s 8192 ledger.db", "damaged", -1, false },
        { "truncate -s 100 ledger.db", "damaged", -1, false },
        { "truncate -s 5000 ledger.db", "damaged", -1, false },
        { "truncate -s 99 ledger.db", "damaged", -1, false },
        { "rm ledger.db", "it is missing, and what belongs to it is there", -1, true },
        { ": >ledger.db", "it is empty, and what belongs to it is there", -1, true },
        { "rm ledger.db ledger.db-wal", "it is missing, and what belongs to it", -1, true },
        { "rm ledger.db-wal", "its log (ledger.db-wal) is gone", -1, true },
        /* sqlite3(1) was there. */
        { "sqlite3 ledger.db 'PRAGMA wal_checkpoint(TRUNCATE)' >out", "If sqlite3 has put", -1,
          true },
        { "sqlite3 ledger.db 'PRAGMA wal_checkpoint(TRUNCATE)' >out && rm ledger.db-open", NULL,
          2 * JOBS, true },
        /* The backup in its place, with and without what was there. */
        { "cp backup ledger.db", NULL, JOBS, false },
        { "cp backup ledger.db", "it is a backup, and the log beside it", -1, true },
        { "rm ledger.db*; cp backup ledger.db", NULL, JOBS, true },
        { "rm ledger.db-wal; cp backup ledger.db", NULL, JOBS, true },
        /* An older one that was no backup. */
        { "rm ledger.db; cp older ledger.db", "another file than the one whose log", -1, true },
        { "mv older ledger.db", "another file than the one whose log", -1, true },
        { "mv older ledger.db", NULL, JOBS, false },
        /* The whole directory, copied. */
        { "mkdir x; cp ledger.db* x; rm ledger.db*; mv x/* .", "If both were copied together", -1,
          true },
        { "mkdir x; cp ledger.db* x; rm ledger.db*; mv x/* .; rm ledger.db-open", NULL, 2 * JOBS,
          true },
        /* A mark that was not written as a whole. */
        { "truncate -s 5 ledger.db-open", NULL, 2 * JOBS, true },
        { "truncate -s -1 ledger.db-open; truncate -s +1 ledger.db-open", NULL, 2 * JOBS, true },
        { ": >ledger.db-open", NULL, 2 * JOBS, true },
        { "ln -s backup link; rm ledger.db*; mv link ledger.db", "ledger", -1, false },
        { "sqlite3 ledger.db 'PRAGMA user_version=99'", "has schema version 99", -1, false },
};

START_TEST(place) {
        char path[PATH_MAX + 16];
        TqLedger *l = NULL;
        TqTable t = {};
        TqError err = {};
        int r;

        (void)snprintf(work, sizeof(work), "%s", unit_dir());
        (void)snprintf(path, sizeof(path), "%s/ledger.db", work);
        if (strstr(places[_i].damage, "sqlite3 ") &&
            system("command -v sqlite3 >/dev/null") != 0) /* NOLINT(cert-env33-c) */
                unit_skip("there is no sqlite3");
        leave_one(path, 1, false);
        make_backup(path);
        run("cp ledger.db older");
        leave_one(path, JOBS + 1, places[_i].is_killed);
        run(places[_i].damage);
        r = tq_ledger_open(path, boot, &l, &err);
        if (places[_i].jobs < 0) {
                ck_assert_int_lt(r, 0);
                ck_assert_ptr_null(l);
                ck_assert_msg(strstr(err.text, places[_i].says) != NULL, "says: %s", err.text);
                return;
        }
        ck_assert_msg(r == 0, "%s", err.text);
        ck_assert_int_eq(tq_ledger_jobs(l, &(TqLedgerFilter){ .tenant = -1, .limit = 10000 }, &t),
                         0);
        ck_assert_uint_eq(t.n_rows, (size_t)places[_i].jobs);
        tq_table_done(&t);
        (void)tq_ledger_close(l);
}
END_TEST

/* Bits of pages' headers, one after the other. */
START_TEST(flipped_page) {
        char path[PATH_MAX + 16], byte;
        unsigned refused = 0, tried = 0;
        struct stat st;
        int fd;

        (void)snprintf(work, sizeof(work), "%s", unit_dir());
        (void)snprintf(path, sizeof(path), "%s/ledger.db", work);
        leave_one(path, 1, false);
        ck_assert_int_eq(stat(path, &st), 0);
        run("cp ledger.db whole");
        for (off_t page = 0; page < st.st_size; page += 4096) {
                TqLedgerNumbers n = {};
                TqLedger *l = NULL;
                TqError err = {};
                off_t at = page == 0 ? 103 : page + 3;

                run("rm -f ledger.db*; cp whole ledger.db");
                fd = open(path, O_RDWR | O_CLOEXEC);
                ck_assert_int_eq(pread(fd, &byte, 1, at), 1);
                byte ^= 0x10;
                ck_assert_int_eq(pwrite(fd, &byte, 1, at), 1);
                (void)close(fd);
                tried++;
                if (tq_ledger_open(path, boot, &l, &err) < 0) {
                        ck_assert_msg(strstr(err.text, "bring back a backup") != NULL, "says: %s",
                                      err.text);
                        refused++;
                        continue;
                }
                ck_assert_int_eq(tq_ledger_numbers(l, &n), 0);
                ck_assert_uint_eq(n.next_job, JOBS + 1);
                (void)tq_ledger_close(l);
        }
        ck_assert_uint_gt(tried, 20);
        ck_assert_uint_eq(refused, tried);
}
END_TEST

/* Of a new one nothing is expected, of one that was made something. */
START_TEST(must_exist) {
        char path[PATH_MAX + 16];
        TqError err = {};

        (void)snprintf(work, sizeof(work), "%s", unit_dir());
        (void)snprintf(path, sizeof(path), "%s/ledger.db", work);
        ck_assert_int_eq(tq_ledger_must_exist(path, &err), -EBADMSG);
        ck_assert_ptr_nonnull(strstr(err.text, "it is missing, and there was one"));
        run(": >ledger.db");
        err = (TqError){};
        ck_assert_int_eq(tq_ledger_must_exist(path, &err), -EBADMSG);
        ck_assert_ptr_nonnull(strstr(err.text, "it is empty, and there was one"));
        leave_one(path, 1, false);
        ck_assert_int_eq(tq_ledger_must_exist(path, NULL), 0);
}
END_TEST

static void fill(Suite *s) {
        TCase *all = unit_case(s, "places");

        unit_add_rows(all, place, places);
        tcase_add_test(all, flipped_page);
        tcase_add_test(all, must_exist);
}

int main(void) {
        return unit_main("store/ledger place", fill);
}
