/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "supervisor/output/output.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "fake/fake.h"
#include "store/joblog.h"
#include "store/logpage.h"
#include "unit.h"

/* The room as a whole, with directories of the test's and a clock that stands. */

static struct {
        sd_event *loop;
        Host host;
        Tenants *tenants;
        Output *output;
        uint64_t live; /* a job */
} p;

static bool is_live(void *data, uint64_t job, unsigned attempt) {
        (void)data;
        (void)attempt;
        return job == p.live;
}

static void place(uint64_t bytes, uint64_t files) {
        static const TenantsHooks none;
        TqLink *link;

        ck_assert_int_eq(sd_event_new(&p.loop), 0);
        tq_retention_init(&p.host.config.retention);
        p.host.config.retention.output_bytes = bytes;
        p.host.config.retention.output_files = files;
        p.host.config.retention.output_floor = 0;
        fake_own[OWN_LOGS] = unit_dir_open();
        fake_own[OWN_PAGES] = tq_fs_mkdir_open(fake_own[OWN_LOGS], ".pages", 0700);
        ck_assert_int_eq(tq_link_new(NULL, NULL, NULL, &link), 0);
        ck_assert_int_eq(tenants_new(&p.host, NULL, NULL, link, &none, &p.tenants), 0);
        ck_assert_int_ge(output_new(p.loop, &p.host, NULL, p.tenants, is_live, NULL, &p.output), 0);
        ck_assert_ptr_nonnull(freopen("/dev/null", "w", stderr));
}

/* Another tenantqd, with the same directories. */
static Tenant *restart(Tenant *t) {
        ck_assert_ptr_null(output_free(p.output));
        ck_assert_int_ge(output_new(p.loop, &p.host, NULL, p.tenants, is_live, NULL, &p.output), 0);
        return t;
}

static Tenant *tenant(const char *name) {
        Tenant *t = tenants_ensure(p.tenants, name);

        t->is_enabled = true;
        t->is_gone = false;
        t->fault[0] = '\0';
        t->log_fd = tq_fs_mkdir_open(fake_own[OWN_LOGS], name, 0700);
        ck_assert_int_ge(t->log_fd, 0);
        return t;
}

static OutputFiles make(Tenant *t, uint64_t job) {
        const TqStartMessage m = { .job = job, .attempt = 1 };
        OutputFiles f;

        ck_assert_int_eq(output_make(p.output, t, &m, false, &f), 0);
        return f;
}

static uint64_t write_as_job(const OutputFiles *f, uint64_t bytes) {
        char text[4096] = {};
        TqLoss loss;
        TqLogPage *page;
        uint64_t n;

        ck_assert_int_eq(tq_logpage_map(f->page_fd, &page), 0);
        n = tq_logpage_take(page, bytes, &loss);
        for (uint64_t i = 0; i < n; i += 1024)
                ck_assert_int_eq(tq_fs_write_all(f->out, text, TQ_MIN(n - i, (uint64_t)1024)), 0);
        tq_logpage_wrote(page, n, n);
        return n;
}

static bool is_there(const Tenant *t, const char *name) {
        return faccessat(t->log_fd, name, F_OK, 0) >= 0;
}

static void age(const Tenant *t, const char *name, uint64_t seconds) {
        const struct timespec times[2] = {
                {}, { (time_t)((FAKE_EPOCH + fake_now) / TQ_USEC_PER_SEC - seconds), 0 }
        };

        ck_assert_int_eq(utimensat(t->log_fd, name, times, 0), 0);
}

/* All steps that there are. */
static void run(void) {
        for (int i = 0; i < 20; i++)
                fake_run(p.loop);
}

/* What was there counts, from the first launch on. */
START_TEST(bytes) {
        OutputFiles f, g;
        Tenant *t;

        place(100000, 1000);
        t = tenant("acme");
        f = make(t, 1);
        ck_assert_uint_eq(write_as_job(&f, 60000), 60000);
        g = make(t, 2);
        ck_assert_int_eq(g.page_fd, f.page_fd);
        ck_assert_uint_eq(write_as_job(&g, 60000), 40000);
        ck_assert_str_eq(t->note, "");
        output_ended(p.output, t, TQ_LOSS_NONE);
        /* Known by what its watcher says; both live as far as anybody knows. */
        p.live = 1;
        age(t, "1.1.out", 10);
        age(t, "2.1.out", 5);
        output_ended(p.output, t, TQ_LOSS_BOUND);
        ck_assert_str_eq(t->note,
                         "output of jobs is dropped: the tenant has as much as it may (100000), "
                         "until some of it may go");
        run();
        ck_assert(is_there(t, "1.1.out")); /* it lives, though it is older */
        ck_assert(!is_there(t, "2.1.out"));
        ck_assert_str_eq(t->note, "");
        g = make(t, 3);
        ck_assert_uint_eq(write_as_job(&g, 60000), 40000);
        ck_assert_ptr_null(output_free(p.output));
}
END_TEST

/* Who wrote before a restart is bounded by what the next tenantqd finds, and told of the floor. */
START_TEST(over_a_restart) {
        OutputFiles f, g;
        TqLogPage *page;
        Tenant *t;

        place(100000, 1000);
        t = tenant("acme");
        f = make(t, 1);
        p.live = 1;
        ck_assert_uint_eq(write_as_job(&f, 30000), 30000);
        ck_assert_int_eq(tq_logpage_map(f.page_fd, &page), 0);
        f.page_fd = dup(f.page_fd);
        tq_logpage_floor(page, 0);
        t = restart(t);
        output_adopted(p.output, t);
        run();
        /* There is room, for all that this one knows. */
        ck_assert_uint_eq(tq_logpage_room(page), 70000);
        g = make(t, 2);
        ck_assert_uint_eq(write_as_job(&g, 50000), 50000);
        ck_assert_uint_eq(write_as_job(&f, 50000), 20000);
        output_ended(p.output, t, TQ_LOSS_NONE);
        output_ended(p.output, t, TQ_LOSS_NONE);
        ck_assert_ptr_null(output_free(p.output));
}
END_TEST

/* The first that begins beside one that was adopted has of what is above the floor, too. */
START_TEST(floor_beside_an_adopted_one) {
        OutputFiles f;
        Tenant *t, *other;

        place(100000, 1000);
        p.host.config.retention.output_floor = 1;
        t = tenant("acme");
        other = tenant("globex");
        t = restart(t);
        output_adopted(p.output, t);
        f = make(other, 1);
        ck_assert_uint_eq(write_as_job(&f, 5000), 5000);
        output_ended(p.output, other, TQ_LOSS_NONE);
        f = make(t, 2);
        ck_assert_uint_eq(write_as_job(&f, 5000), 5000);
        output_ended(p.output, t, TQ_LOSS_NONE);
        output_ended(p.output, t, TQ_LOSS_NONE);
        ck_assert_ptr_null(output_free(p.output));
}
END_TEST

/* What a tenant had that is removed, or gone, is taken from nobody. */
START_TEST(total_without_the_gone) {
        Tenant *big, *t;
        OutputFiles f;

        place(100000, 1000);
        p.host.config.retention.output_total_bytes = 10000;
        output_reconfigure(p.output);
        big = tenant("big");
        t = tenant("acme");
        f = make(big, 1);
        ck_assert_uint_eq(write_as_job(&f, 5500), 5500);
        output_ended(p.output, big, TQ_LOSS_NONE);
        big->is_gone = true;
        big->owner++;
        f = make(t, 2);
        ck_assert_uint_eq(write_as_job(&f, 7000), 7000);
        output_ended(p.output, t, TQ_LOSS_NONE);
        fake_now += 3600 * TQ_USEC_PER_SEC;
        run();
        ck_assert(is_there(t, "2.1.out"));
        ck_assert_ptr_null(output_free(p.output));
}
END_TEST

/* What wrote nothing leaves its files to the next, and they count as one's that runs. */
START_TEST(silent) {
        struct stat before, after;
        OutputFiles f;
        Tenant *t;

        place(100000, 4);
        t = tenant("acme");
        f = make(t, 1);
        ck_assert_int_eq(fstat(f.out, &before), 0);
        (void)close(f.out);
        (void)close(f.err);
        output_ended(p.output, t, TQ_LOSS_NONE);
        ck_assert(is_there(t, "1.1.out")); /* until that is recorded */
        output_put_by(p.output, t, 1, 1);
        ck_assert(!is_there(t, "1.1.out") && !is_there(t, "1.1.err"));
        f = make(t, 2);
        ck_assert_int_eq(fstat(f.out, &after), 0);
        ck_assert_uint_eq(after.st_ino, before.st_ino);
        ck_assert_int_ge(make(t, 3).out, 0);
        ck_assert_int_lt(make(t, 4).out, 0); /* as many as it may */
        ck_assert_uint_eq(write_as_job(&f, 1), 1);
        output_ended(p.output, t, TQ_LOSS_NONE);
        output_put_by(p.output, t, 2, 1); /* somebody has written to it all the same */
        ck_assert(is_there(t, "2.1.out"));
        ck_assert_int_lt(make(t, 5).out, 0);
        ck_assert_ptr_null(output_free(p.output));
}
END_TEST

START_TEST(files) {
        Tenant *t;

        place(100000, 10);
        t = tenant("acme");
        p.live = 3;
        for (uint64_t job = 1; job <= 5; job++) {
                OutputFiles f = make(t, job);

                ck_assert_int_ge(f.out, 0);
                ck_assert_uint_eq(write_as_job(&f, 1), 1);
        }
        ck_assert_int_lt(make(t, 6).out, 0);
        ck_assert_str_eq(t->note,
                         "output of jobs is dropped: the tenant has as many files as it may (10), "
                         "until some of them may go");
        age(t, "1.1.out", 10);
        age(t, "1.1.err", 10);
        age(t, "3.1.out", 20);
        output_ended(p.output, t, TQ_LOSS_NONE);
        run();
        ck_assert(!is_there(t, "1.1.out") && !is_there(t, "1.1.err"));
        ck_assert(is_there(t, "2.1.out") && is_there(t, "3.1.out"));
        ck_assert_str_eq(t->note, "");
        ck_assert_int_ge(make(t, 7).out, 0);
        /* Of a launch that failed nothing is left, and it counts for nothing. */
        ck_assert_int_lt(make(t, 8).out, 0);
        output_remove(p.output, t, 7, 1);
        ck_assert(!is_there(t, "7.1.out"));
        ck_assert_int_ge(make(t, 9).out, 0);
        ck_assert_str_eq(t->note, "");
}
END_TEST

/* What keeps a file from being made costs output only; said once, until it works. */
START_TEST(no_files) {
        const TqStartMessage m = { .job = 2, .attempt = 1 };
        OutputFiles f;
        Tenant *t;
        int dir_fd;

        place(100000, 1000);
        t = tenant("acme");
        ck_assert_int_ge(make(t, 1).out, 0);
        dir_fd = t->log_fd;
        /* No directory, which is to be mended first. */
        t->log_fd = -EBADF;
        ck_assert_int_eq(output_make(p.output, t, &m, false, &f), -ENOENT);
        ck_assert_str_eq(t->note, "");
        ck_assert_int_eq(output_make(p.output, t, &m, true, &f), 0);
        ck_assert(f.out < 0 && f.err < 0 && f.page_fd < 0);
        ck_assert_ptr_nonnull(strstr(t->note, "its files can't be made"));
        /* In the way of the second file: the first one goes too. */
        t->log_fd = dir_fd;
        ck_assert_int_eq(mkdirat(dir_fd, "3.1.err", 0700), 0);
        f = make(t, 3);
        ck_assert(f.out < 0 && f.err < 0 && f.page_fd < 0);
        ck_assert(!is_there(t, "3.1.out"));
        (void)fake_said_type(TQ_MESSAGE_TENANT);
        fake_said_nothing();
        f = make(t, 4);
        ck_assert_int_ge(f.out, 0);
        ck_assert_str_eq(t->note, "");
        (void)fake_said_type(TQ_MESSAGE_TENANT);
        fake_said_nothing();
}
END_TEST

/* What has become too old goes; of a tenant that is gone also the directory, some time later. */
START_TEST(old) {
        const uint64_t month = 31 * 86400;
        Tenant *t, *gone;

        place(UINT64_MAX, UINT64_MAX);
        t = tenant("acme");
        gone = tenant("globex");
        (void)make(t, 1);
        (void)make(t, 2);
        age(t, "1.1.out", month);
        age(t, "1.1.err", month);
        age(t, "2.1.err", month); /* the other one is young */
        (void)make(gone, 3);
        age(gone, "3.1.out", month);
        age(gone, "3.1.err", month);
        (void)close(openat(gone->log_fd, ".owner", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
        gone->is_gone = true;
        output_look(p.output);
        run();
        ck_assert(!is_there(t, "1.1.out") && !is_there(t, "1.1.err"));
        ck_assert(is_there(t, "2.1.out") && is_there(t, "2.1.err"));
        ck_assert(!is_there(gone, "3.1.out"));
        ck_assert(is_there(gone, ".owner"));
        age(gone, ".", month);
        output_look(p.output);
        run();
        ck_assert_int_lt(faccessat(fake_own[OWN_LOGS], "globex", F_OK, 0), 0);
        ck_assert_int_ge(faccessat(fake_own[OWN_LOGS], "acme", F_OK, 0), 0);
}
END_TEST

/* Another owner's account is another one. */
START_TEST(other_owner) {
        OutputFiles f, g;
        Tenant *t;

        place(100000, 1000);
        t = tenant("acme");
        f = make(t, 1);
        ck_assert_uint_eq(write_as_job(&f, 90000), 90000);
        t->owner++;
        ck_assert_int_eq(renameat(fake_own[OWN_LOGS], "acme", fake_own[OWN_LOGS], "acme.former-1"),
                         0);
        t->log_fd = tq_fs_mkdir_open(fake_own[OWN_LOGS], "acme", 0700);
        g = make(t, 2);
        ck_assert_uint_eq(write_as_job(&g, 100000), 100000);
        ck_assert_uint_eq(write_as_job(&g, 1), 0);
}
END_TEST

/* Less than before may be kept: at once. */
START_TEST(reload) {
        OutputFiles f;
        Tenant *t;

        place(100000, 1000);
        t = tenant("acme");
        f = make(t, 1);
        ck_assert_uint_eq(write_as_job(&f, 90000), 90000);
        age(t, "1.1.out", 10);
        p.host.config.retention.output_bytes = 200000;
        output_reconfigure(p.output);
        ck_assert_uint_eq(write_as_job(&f, 120000), 110000);
        age(t, "1.1.out", 10);
        p.host.config.retention.output_bytes = 65536;
        output_reconfigure(p.output);
        ck_assert_uint_eq(write_as_job(&f, 1), 0);
        run();
        ck_assert(!is_there(t, "1.1.out"));
}
END_TEST

static void fill(Suite *s) {
        TCase *c = unit_case(s, "output");

        tcase_add_test(c, bytes);
        tcase_add_test(c, over_a_restart);
        tcase_add_test(c, floor_beside_an_adopted_one);
        tcase_add_test(c, total_without_the_gone);
        tcase_add_test(c, files);
        tcase_add_test(c, silent);
        tcase_add_test(c, no_files);
        tcase_add_test(c, old);
        tcase_add_test(c, other_owner);
        tcase_add_test(c, reload);
}

int main(void) {
        return unit_main("supervisor/output", fill);
}
