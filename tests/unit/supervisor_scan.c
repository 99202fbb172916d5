/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "supervisor/output/scan.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "fake/fake.h"
#include "store/joblog.h"
#include "unit.h"

#define NOW (1000 * TQ_USEC_PER_SEC)

static int dir_fd;

/* Job 1 lives; job 2 came after the scan began. */
static bool is_live(void *data, uint64_t job, unsigned attempt) {
        (void)data;
        return job == 1 && attempt == 1;
}

static bool is_new(void *data, uint64_t job, unsigned attempt) {
        (void)data;
        return job == 2 && attempt == 1;
}

static void put(const char *name, size_t size, uint64_t when) {
        const struct timespec times[2] = { {}, { (time_t)when, 0 } };
        char text[256] = {};
        int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0640);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(tq_fs_write_all(fd, text, size), 0);
        ck_assert_int_eq(futimens(fd, times), 0);
        (void)close(fd);
}

static Scan *scan(void) {
        const ScanAsk ask = { .dir_fd = dir_fd,
                              .now_usec = NOW,
                              .keep_most_usec = 100 * TQ_USEC_PER_SEC,
                              .is_live = is_live,
                              .is_new = is_new };
        Scan *s;

        ck_assert_int_eq(scan_new(&ask, &s), 0);
        return s;
}

static ScanFound all_of(Scan *s) {
        /* The clock stands. */
        ck_assert_int_eq(scan_step(s, UINT64_MAX), 1);
        return scan_found(s);
}

static const OutputItem *item(const ScanFound *f, uint64_t job) {
        for (size_t i = 0; i < f->n; i++)
                if (f->items[i].job == job)
                        return &f->items[i];
        return NULL;
}

/* Two files of an attempt are one, with the time of the younger; whatever has another name is
 * nothing of ours. */
START_TEST(found) {
        const OutputItem *i;
        ScanFound f;
        Scan *s;

        dir_fd = unit_dir_open();
        put("1.1.out", 100, 10); /* lives: counts, but may not go */
        put("2.1.out", 50, 10);  /* counted elsewhere */
        put("3.1.out", 10, 20);
        put("3.1.err", 5, 30);
        put("4.1.err", 7, 40); /* its other one was renamed */
        put("5.2.out", 1, 50);
        put("5.1.out", 1, 50);
        put(".owner", 9, 50);
        s = scan();
        f = all_of(s);
        ck_assert_uint_eq(f.sum.bytes, 124);
        ck_assert_uint_eq(f.sum.files, 6);
        ck_assert_uint_eq(f.others, 0);
        ck_assert_uint_eq(f.n, 4);
        i = item(&f, 3);
        ck_assert_uint_eq(i->bytes, 15);
        ck_assert_uint_eq(i->files, 2);
        ck_assert_uint_eq(i->written_usec, 30 * TQ_USEC_PER_SEC);
        ck_assert_uint_eq(item(&f, 4)->files, 1);
        ck_assert_ptr_null(scan_free(s));
        put("3.1.out.1", 1, 1);
        put("note", 1, 1);
        put(".note", 1, 1);
        ck_assert_int_eq(mkdirat(dir_fd, "6.1.out", 0700), 0);
        ck_assert_int_eq(symlinkat("3.1.out", dir_fd, "7.1.err"), 0);
        s = scan();
        f = all_of(s);
        ck_assert_uint_eq(f.sum.files, 6);
        ck_assert_uint_eq(f.others, 5);
        ck_assert_uint_eq(f.n, 4);
        ck_assert_ptr_null(scan_free(s));
        ck_assert_ptr_null(scan_free(NULL));
}
END_TEST

/* Its Keep=, as far as it may. */
static const struct {
        uint64_t keep, written; /* seconds */
        bool may_go;
} keeps[] = {
        { 50, 960, false },  { 50, 950, true },  { 50, 949, true },
        { 500, 901, false }, { 500, 900, true }, { 500, 600, true },
};

START_TEST(kept) {
        const struct timespec times[2] = { {}, { (time_t)keeps[_i].written, 0 } };
        ScanFound f;
        Scan *s;
        int fd;

        dir_fd = unit_dir_open();
        fd = tq_joblog_create(dir_fd, 3, 1, TQ_STREAM_OUT, true);
        if (tq_joblog_keep(fd, keeps[_i].keep * TQ_USEC_PER_SEC) < 0)
                unit_skip("only root of the host can write trusted attributes");
        ck_assert_int_eq(futimens(fd, times), 0);
        s = scan();
        f = all_of(s);
        ck_assert_uint_eq(f.sum.files, 1);
        ck_assert_uint_eq(f.n, keeps[_i].may_go);
        ck_assert_ptr_null(scan_free(s));
}
END_TEST

/* Of more than are kept in mind the oldest are; all are counted. */
START_TEST(many) {
        enum { MORE = 100 };
        char name[32];
        ScanFound f;
        Scan *s;

        dir_fd = unit_dir_open();
        for (unsigned i = 0; i < SCAN_OLDEST + MORE; i++) {
                (void)snprintf(name, sizeof(name), "%u.1.out", i + 10);
                /* In no order. */
                put(name, 1, 1 + i * 769 % (SCAN_OLDEST + MORE));
        }
        s = scan();
        f = all_of(s);
        ck_assert_uint_eq(f.sum.files, SCAN_OLDEST + MORE);
        ck_assert_uint_eq(f.sum.bytes, SCAN_OLDEST + MORE);
        ck_assert_uint_eq(f.n, SCAN_OLDEST);
        for (size_t i = 0; i < f.n; i++)
                unit_must(f.items[i].written_usec <= SCAN_OLDEST * TQ_USEC_PER_SEC, "%zu", i);
        ck_assert_ptr_null(scan_free(s));
}
END_TEST

/* A step ends at its time, and the next one goes on. */
START_TEST(steps) {
        char name[32];
        int r, n = 0;
        Scan *s;

        dir_fd = unit_dir_open();
        for (unsigned i = 0; i < 100; i++) {
                (void)snprintf(name, sizeof(name), "%u.1.out", i + 10);
                put(name, 1, 1);
        }
        s = scan();
        while ((r = scan_step(s, fake_now)) == 0)
                n++;
        ck_assert_int_eq(r, 1);
        ck_assert_int_eq(n, 6); /* 102 entries, sixteen at a time */
        ck_assert_uint_eq(scan_found(s).sum.files, 100);
        ck_assert_ptr_null(scan_free(s));
}
END_TEST

static void fill(Suite *s) {
        TCase *c = unit_case(s, "scan");

        tcase_add_test(c, found);
        unit_add_rows(c, kept, keeps);
        tcase_add_test(c, many);
        tcase_add_test(c, steps);
}

int main(void) {
        return unit_main("supervisor/output/scan", fill);
}
