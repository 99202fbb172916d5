/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernel/usage.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/fs.h"
#include "core/verdict.h"
#include "unit.h"

static void put(int dir_fd, const char *name, const char *text) {
        TQ_CLOSE int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(tq_fs_write_all(fd, text, strlen(text)), 0);
}

START_TEST(nothing) {
        TqUsage u = {};

        tq_usage_read(unit_dir_open(), &u);
        ck_assert_uint_eq(u.cpu_usec, TQ_UNKNOWN);
        ck_assert_uint_eq(u.cpu_max_permille, TQ_UNKNOWN);
        ck_assert_uint_eq(u.periods, TQ_UNKNOWN);
        ck_assert_uint_eq(u.throttled_periods, TQ_UNKNOWN);
        ck_assert_uint_eq(u.memory_bytes, TQ_UNKNOWN);
        ck_assert_uint_eq(u.memory_max_bytes, TQ_UNKNOWN);
        ck_assert_uint_eq(u.oom_kills, TQ_UNKNOWN);
        ck_assert_uint_eq(u.io_read_bytes, TQ_UNKNOWN);
        ck_assert_uint_eq(u.io_write_bytes, TQ_UNKNOWN);
        ck_assert_uint_eq(u.pids, TQ_UNKNOWN);
        for (size_t i = 0; i < _TQ_PRESSURE_MAX; i++)
                ck_assert_uint_eq(u.pressure_permille[i], TQ_UNKNOWN);
}
END_TEST

START_TEST(everything) {
        int fd = unit_dir_open();
        TqUsage u = {};

        put(fd, "cpu.stat",
            "usage_usec 123\nuser_usec 100\nsystem_usec 23\nnr_periods 40\nnr_throttled 10\n"
            "throttled_usec 5\n");
        put(fd, "cpu.max", "50000 100000\n");
        put(fd, "memory.current", "4096\n");
        put(fd, "memory.max", "8192\n");
        put(fd, "memory.events", "low 0\nhigh 1\nmax 2\noom 3\noom_kill 4\noom_group_kill 5\n");
        put(fd, "io.stat",
            "8:0 rbytes=10 wbytes=20 rios=1 wios=2 dbytes=0 dios=0\n259:0 rbytes=5 wbytes=7\n");
        put(fd, "pids.current", "6\n");
        put(fd, "cpu.pressure",
            "some avg10=12.34 avg60=1.00 avg300=0.10 total=5\nfull avg10=0.00 avg60=0.00\n");
        put(fd, "memory.pressure", "some avg10=0.00 avg60=1.00 avg300=0.10 total=5\n");
        put(fd, "io.pressure", "some avg10=100.00 avg60=1.00 avg300=0.10 total=5\n");
        tq_usage_read(fd, &u);
        ck_assert_uint_eq(u.cpu_usec, 123);
        ck_assert_uint_eq(u.cpu_max_permille, 500);
        ck_assert_uint_eq(u.periods, 40);
        ck_assert_uint_eq(u.throttled_periods, 10);
        ck_assert_uint_eq(u.memory_bytes, 4096);
        ck_assert_uint_eq(u.memory_max_bytes, 8192);
        ck_assert_uint_eq(u.oom_kills, 4);
        ck_assert_uint_eq(u.io_read_bytes, 15);
        ck_assert_uint_eq(u.io_write_bytes, 27);
        ck_assert_uint_eq(u.pids, 6);
        ck_assert_uint_eq(u.pressure_permille[TQ_PRESSURE_CPU], 123);
        ck_assert_uint_eq(u.pressure_permille[TQ_PRESSURE_MEMORY], 0);
        ck_assert_uint_eq(u.pressure_permille[TQ_PRESSURE_IO], 1000);
}
END_TEST

static const struct {
        const char *text;
        uint64_t want;
} maxima[] = {
        { "max 100000\n", TQ_UNKNOWN },
        { "0 100000\n", 0 },
        { "150000 100000\n", 1500 },
        { "1000 100000", 10 },
        { "18446744073709551615 1\n", TQ_UNKNOWN }, /* not even a product */
        { "50000 0\n", TQ_UNKNOWN },
        { "50000\n", TQ_UNKNOWN },
        { "50000 100000 7\n", TQ_UNKNOWN },
        { "", TQ_UNKNOWN },
};

START_TEST(cpu_max) {
        int fd = unit_dir_open();
        TqUsage u = {};

        put(fd, "cpu.max", maxima[_i].text);
        tq_usage_read(fd, &u);
        ck_assert_uint_eq(u.cpu_max_permille, maxima[_i].want);
}
END_TEST

static const struct {
        const char *text;
        uint64_t want;
} pressures[] = {
        { "some avg10=100.01 avg60=0.00\n", TQ_UNKNOWN },
        { "some avg10=0.09 avg60=0.00\n", 0 },
        { "some avg10=0.10", 1 },
        { "full avg10=5.00 avg60=0.00\n", TQ_UNKNOWN },
        { "some avg10=\n", TQ_UNKNOWN },
        { "some avg10=-1.00 \n", TQ_UNKNOWN },
        { "some", TQ_UNKNOWN },
};

START_TEST(pressure) {
        int fd = unit_dir_open();
        TqUsage u = {};

        put(fd, "memory.pressure", pressures[_i].text);
        tq_usage_read(fd, &u);
        ck_assert_uint_eq(u.pressure_permille[TQ_PRESSURE_MEMORY], pressures[_i].want);
}
END_TEST

/* No bound, not a bound of nothing. */
START_TEST(memory_max) {
        int fd = unit_dir_open();
        TqUsage u = {};

        put(fd, "memory.max", "max\n");
        tq_usage_read(fd, &u);
        ck_assert_uint_eq(u.memory_max_bytes, TQ_UNKNOWN);
}
END_TEST

static void fill(Suite *s) {
        TCase *c = unit_case(s, "usage");

        tcase_add_test(c, nothing);
        tcase_add_test(c, everything);
        unit_add_rows(c, cpu_max, maxima);
        unit_add_rows(c, pressure, pressures);
        tcase_add_test(c, memory_max);
}

int main(void) {
        return unit_main("kernel_usage", fill);
}
