/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core_limits.h"

/* The values of each limit: which are taken, what is stored, and that it is printed such that it
 * parses back to the same. */

#define GIB   (UINT64_C(1) << 30)
#define SHARE (UINT64_C(1) << 32) /* of a number of slots: hundredths of a percent follow */

/* value: what is stored; NULL text: refused, and error is part of what is said. */
typedef struct SetRow {
        const char *name, *value;
        TqKey key;
        uint64_t stored;
        const char *text;  /* as formatted again */
        const char *error; /* part of the message of a refusal */
} SetRow;

static const SetRow set_rows[] = {
        { "cpu", "2", TQ_KEY_CPU, 2000000, "2", NULL },
        { "cpu", "0.5", TQ_KEY_CPU, 500000, "0.5", NULL },
        { "cpu", "0.01", TQ_KEY_CPU, 10000, "0.01", NULL },
        { "cpu", "0.009999", TQ_KEY_CPU, 0, NULL, "out of range: expected 0.01 to 100000" },
        { "cpu", "100000", TQ_KEY_CPU, UINT64_C(100000000000), "100000", NULL },
        { "cpu", "100000.000001", TQ_KEY_CPU, 0, NULL, "out of range" },
        { "cpu", "0", TQ_KEY_CPU, 0, NULL, "out of range" },
        { "cpu", "max", TQ_KEY_CPU, TQ_LIMIT_MAX, "max", NULL },
        { "cpu", "infinity", TQ_KEY_CPU, TQ_LIMIT_MAX, "max", NULL },
        { "cpu", "-1", TQ_KEY_CPU, 0, NULL, "expected a number of cores" },
        { "cpu", "50%", TQ_KEY_CPU, 0, NULL, "expected a number of cores" },
        { "cpu", "", TQ_KEY_CPU, 0, NULL, "expected a number of cores" },
        { "cpu", " 2", TQ_KEY_CPU, 0, NULL, "expected a number of cores" },
        { "cpu", "18446744073709551616", TQ_KEY_CPU, 0, NULL, "out of range" },
        { "CPUQuota", "50%", TQ_KEY_CPU, 500000, "0.5", NULL },
        { "CPUQuota", "250%", TQ_KEY_CPU, 2500000, "2.5", NULL },
        { "CPUQuota", "1%", TQ_KEY_CPU, 10000, "0.01", NULL },
        { "CPUQuota", "0.9999%", TQ_KEY_CPU, 0, NULL, "out of range" },
        { "CPUQuota", "33.3333%", TQ_KEY_CPU, 333333, "0.333333", NULL },
        { "CPUQuota", "infinity", TQ_KEY_CPU, TQ_LIMIT_MAX, "max", NULL },
        { "CPUQuota", "2", TQ_KEY_CPU, 0, NULL, "a percentage of one CPU" },
        { "CPUQuota", "%", TQ_KEY_CPU, 0, NULL, "a percentage of one CPU" },
        { "CPUQuota", "50%%", TQ_KEY_CPU, 0, NULL, "a percentage of one CPU" },
        { "CPUQuota", "-50%", TQ_KEY_CPU, 0, NULL, "a percentage of one CPU" },
        { "CPUQuota", "1111111111111111111111111111111%", TQ_KEY_CPU, 0, NULL, "out of range" },
        { "CPUQuota", "11111111111111111111111111111111%", TQ_KEY_CPU, 0, NULL, "expected" },
        { "cpu_weight", "1", TQ_KEY_CPU_WEIGHT, 1, "1", NULL },
        { "cpu_weight", "10000", TQ_KEY_CPU_WEIGHT, 10000, "10000", NULL },
        { "cpu_weight", "0", TQ_KEY_CPU_WEIGHT, 0, NULL, "out of range: expected 1 to 10000" },
        { "cpu_weight", "10001", TQ_KEY_CPU_WEIGHT, 0, NULL, "out of range" },
        { "cpu_weight", "max", TQ_KEY_CPU_WEIGHT, 0, NULL, "a whole number from 1 to 10000" },
        { "cpu_weight", "infinity", TQ_KEY_CPU_WEIGHT, 0, NULL, "a whole number" },
        { "CPUWeight", "200", TQ_KEY_CPU_WEIGHT, 200, "200", NULL },
        { "CPUWeight", "idle", TQ_KEY_CPU_WEIGHT, 0, NULL, "\"idle\" is not taken here" },
        { "cpu_burst", "5ms", TQ_KEY_CPU_BURST, 5000, "5ms", NULL },
        { "cpu_burst", "0", TQ_KEY_CPU_BURST, 0, "0", NULL },
        { "cpu_burst", "1s", TQ_KEY_CPU_BURST, SEC, "1s", NULL },
        { "cpu_burst", "1s 1us", TQ_KEY_CPU_BURST, 0, NULL, "out of range" },
        { "memory", "1M", TQ_KEY_MEMORY, 1 << 20, "1M", NULL },
        { "memory", "1048575", TQ_KEY_MEMORY, 0, NULL, "out of range: expected 1M to 1E" },
        { "memory", "512M", TQ_KEY_MEMORY, UINT64_C(512) << 20, "512M", NULL },
        { "memory", "1E", TQ_KEY_MEMORY, EIB, "1E", NULL },
        { "memory", "1152921504606846977", TQ_KEY_MEMORY, 0, NULL, "out of range" },
        { "memory", "16777216T", TQ_KEY_MEMORY, 0, NULL, "out of range" },
        { "memory", "18446744073709551615", TQ_KEY_MEMORY, 0, NULL, "out of range" },
        { "memory", "0", TQ_KEY_MEMORY, 0, NULL, "out of range" },
        { "memory", "-1", TQ_KEY_MEMORY, 0, NULL, "number of bytes" },
        { "memory", "50%", TQ_KEY_MEMORY, 0, NULL, "a share of the host is not taken here" },
        { "MemoryMax", "1.5G", TQ_KEY_MEMORY, UINT64_C(1536) << 20, "1536M", NULL },
        { "MemoryMax", "1.5", TQ_KEY_MEMORY, 0, NULL, "number of bytes" },
        { "TasksMax", "10%", TQ_KEY_PIDS, 0, NULL, "a share of the host is not taken here" },
        { "memory", "1e9", TQ_KEY_MEMORY, 0, NULL, "number of bytes" },
        { "memory", "0x10", TQ_KEY_MEMORY, 0, NULL, "number of bytes" },
        { "memory", "max", TQ_KEY_MEMORY, TQ_LIMIT_MAX, "max", NULL },
        { "MemoryMax", "4G", TQ_KEY_MEMORY, 4 * GIB, "4G", NULL },
        { "MemoryMax", "infinity", TQ_KEY_MEMORY, TQ_LIMIT_MAX, "max", NULL },
        { "memory_high", "3G", TQ_KEY_MEMORY_HIGH, 3 * GIB, "3G", NULL },
        { "MemoryHigh", "3G", TQ_KEY_MEMORY_HIGH, 3 * GIB, "3G", NULL },
        { "memory_low", "0", TQ_KEY_MEMORY_LOW, 0, "0", NULL },
        { "memory_low", "1G", TQ_KEY_MEMORY_LOW, GIB, "1G", NULL },
        { "memory_low", "max", TQ_KEY_MEMORY_LOW, 0, NULL, "number of bytes" },
        { "MemoryLow", "1G", TQ_KEY_MEMORY_LOW, GIB, "1G", NULL },
        { "swap", "0", TQ_KEY_SWAP, 0, "0", NULL },
        { "swap", "max", TQ_KEY_SWAP, TQ_LIMIT_MAX, "max", NULL },
        { "MemorySwapMax", "1G", TQ_KEY_SWAP, GIB, "1G", NULL },
        { "pids", "2", TQ_KEY_PIDS, 2, "2", NULL },
        { "pids", "1", TQ_KEY_PIDS, 0, NULL, "out of range: expected 2 to 4194304" },
        { "pids", "0", TQ_KEY_PIDS, 0, NULL, "out of range" },
        { "pids", "4194304", TQ_KEY_PIDS, 4194304, "4194304", NULL },
        { "pids", "4194305", TQ_KEY_PIDS, 0, NULL, "out of range" },
        { "pids", "1K", TQ_KEY_PIDS, 0, NULL, "a whole number" },
        { "TasksMax", "512", TQ_KEY_PIDS, 512, "512", NULL },
        { "TasksMax", "infinity", TQ_KEY_PIDS, TQ_LIMIT_MAX, "max", NULL },
        { "io_read", "10M", TQ_KEY_IO_READ, 10000000, "10M", NULL },
        { "io_read", "2", TQ_KEY_IO_READ, 2, "2", NULL },
        { "io_write", "1", TQ_KEY_IO_WRITE, 0, NULL, "out of range: expected 2 to" },
        { "io_read", "0", TQ_KEY_IO_READ, 0, NULL, "out of range" },
        { "io_write", "1024", TQ_KEY_IO_WRITE, 1024, "1024", NULL },
        { "io_write", "max", TQ_KEY_IO_WRITE, TQ_LIMIT_MAX, "max", NULL },
        { "io_riops", "2K", TQ_KEY_IO_RIOPS, 2000, "2K", NULL },
        { "io_riops", "4294967294", TQ_KEY_IO_RIOPS, UINT32_MAX - 1, "4294967294", NULL },
        { "io_riops", "4294967295", TQ_KEY_IO_RIOPS, 0, NULL, "out of range" },
        { "io_wiops", "500", TQ_KEY_IO_WIOPS, 500, "500", NULL },
        { "io_weight", "100", TQ_KEY_IO_WEIGHT, 100, "100", NULL },
        { "IOWeight", "50", TQ_KEY_IO_WEIGHT, 50, "50", NULL },
        { "concurrency", "0", TQ_KEY_CONCURRENCY, 0, "0", NULL },
        { "concurrency", "1000000", TQ_KEY_CONCURRENCY, 1000000, "1000000", NULL },
        { "concurrency", "1000001", TQ_KEY_CONCURRENCY, 0, NULL, "out of range" },
        { "concurrency", "max", TQ_KEY_CONCURRENCY, TQ_LIMIT_MAX, "max", NULL },
        { "concurrency", "-1", TQ_KEY_CONCURRENCY, 0, NULL, "a whole number" },
        { "enqueue_rate", "10/s", TQ_KEY_ENQUEUE_RATE, 36000 * 4 + 2, "10/s", NULL },
        { "enqueue_rate", "60/h", TQ_KEY_ENQUEUE_RATE, 60 * 4, "60/h", NULL },
        { "enqueue_rate", "1/min", TQ_KEY_ENQUEUE_RATE, 60 * 4 + 1, "1/min", NULL },
        { "enqueue_rate", "100/min", TQ_KEY_ENQUEUE_RATE, 6000 * 4 + 1, "100/min", NULL },
        { "enqueue_rate", "7/h", TQ_KEY_ENQUEUE_RATE, 7 * 4, "7/h", NULL },
        { "enqueue_rate", "0/h", TQ_KEY_ENQUEUE_RATE, 0, "0/h", NULL },
        { "enqueue_rate", "0/s", TQ_KEY_ENQUEUE_RATE, 2, "0/s", NULL },
        { "enqueue_rate", "288230376151711744/h", TQ_KEY_ENQUEUE_RATE, EIB, "288230376151711744/h",
          NULL },
        { "enqueue_rate", "288230376151711745/h", TQ_KEY_ENQUEUE_RATE, 0, NULL, "out of range" },
        { "enqueue_rate", "max", TQ_KEY_ENQUEUE_RATE, TQ_LIMIT_MAX, "max", NULL },
        { "enqueue_rate", "10", TQ_KEY_ENQUEUE_RATE, 0, NULL, "a rate such as" },
        { "enqueue_rate", "/s", TQ_KEY_ENQUEUE_RATE, 0, NULL, "a rate such as" },
        { "enqueue_rate", "1/", TQ_KEY_ENQUEUE_RATE, 0, NULL, "a rate such as" },
        { "enqueue_rate", "1/d", TQ_KEY_ENQUEUE_RATE, 0, NULL, "a rate such as" },
        { "enqueue_rate", "1/s/s", TQ_KEY_ENQUEUE_RATE, 0, NULL, "a rate such as" },
        { "enqueue_rate", "-1/s", TQ_KEY_ENQUEUE_RATE, 0, NULL, "a rate such as" },
        { "enqueue_rate", "18446744073709551615/s", TQ_KEY_ENQUEUE_RATE, 0, NULL, "out of range" },
        { "queue_depth", "1000", TQ_KEY_QUEUE_DEPTH, 1000, "1000", NULL },
        { "queue_depth", "max", TQ_KEY_QUEUE_DEPTH, TQ_LIMIT_MAX, "max", NULL },
        { "scheduled_jobs", "5", TQ_KEY_SCHEDULED_JOBS, 5, "5", NULL },
        { "weight", "10000", TQ_KEY_WEIGHT, 10000, "10000", NULL },
        { "weight", "10001", TQ_KEY_WEIGHT, 0, NULL, "out of range" },
        { "reserved", "2", TQ_KEY_RESERVED, 2, "2", NULL },
        { "reserved", "1000000", TQ_KEY_RESERVED, 1000000, "1000000", NULL },
        { "reserved", "1000001", TQ_KEY_RESERVED, 0, NULL, "out of range" },
        { "reserved", "max", TQ_KEY_RESERVED, 0, NULL, "a whole number" },
        { "reserved", "0%", TQ_KEY_RESERVED, SHARE, "0%", NULL },
        { "reserved", "25%", TQ_KEY_RESERVED, SHARE | 2500, "25%", NULL },
        { "reserved", "0.01%", TQ_KEY_RESERVED, SHARE | 1, "0.01%", NULL },
        { "reserved", "100%", TQ_KEY_RESERVED, SHARE | 10000, "100%", NULL },
        { "reserved", "100.01%", TQ_KEY_RESERVED, 0, NULL, "out of range" },
        { "reserved", "0.001%", TQ_KEY_RESERVED, 0, NULL, "or a share such as" },
        { "reserved", "%", TQ_KEY_RESERVED, 0, NULL, "or a share such as" },
        { "reserved", "-1%", TQ_KEY_RESERVED, 0, NULL, "or a share such as" },
        { "reserved", "1%%", TQ_KEY_RESERVED, 0, NULL, "or a share such as" },
        { "spool_bytes", "1G", TQ_KEY_SPOOL_BYTES, 1 << 30, "1G", NULL },
        { "spool_bytes", "0", TQ_KEY_SPOOL_BYTES, 0, "0", NULL },
        { "spool_bytes", "max", TQ_KEY_SPOOL_BYTES, TQ_LIMIT_MAX, "max", NULL },
        { "runtime", "1h 30min", TQ_KEY_RUNTIME, UINT64_C(5400) * SEC, "1h 30min", NULL },
        { "runtime", "1us", TQ_KEY_RUNTIME, 1, "1us", NULL },
        { "runtime", "0", TQ_KEY_RUNTIME, 0, NULL, "out of range" },
        { "runtime", "4611686018427387903us", TQ_KEY_RUNTIME, UINT64_MAX / 4,
          "53375995d 14h 27s 387ms 903us", NULL },
        { "runtime", "4611686018427387904us", TQ_KEY_RUNTIME, 0, NULL, "out of range" },
        { "runtime", "infinity", TQ_KEY_RUNTIME, TQ_LIMIT_MAX, "max", NULL },
        { "RuntimeMaxSec", "90", TQ_KEY_RUNTIME, 90 * SEC, "1min 30s", NULL },
        { "RuntimeMaxSec", "1.5", TQ_KEY_RUNTIME, SEC * 3 / 2, "1s 500ms", NULL },
        { "memmory", "1G", _TQ_KEY_INVALID, 0, NULL, "unknown limit; did you mean memory?" },
        { "MemoyMax", "1G", _TQ_KEY_INVALID, 0, NULL, "unknown limit; did you mean MemoryMax?" },
        { "CPU", "1", _TQ_KEY_INVALID, 0, NULL, "unknown limit; did you mean cpu?" },
        { "memorymax", "1G", _TQ_KEY_INVALID, 0, NULL, "did you mean MemoryMax?" },
        { "", "1", _TQ_KEY_INVALID, 0, NULL, "unknown limit" },
        { "@/dev/vda", "1", _TQ_KEY_INVALID, 0, NULL, "unknown limit" },
        { "weltschmerz", "1", _TQ_KEY_INVALID, 0, NULL, "unknown limit" },
        { "abcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghij", "1",
          _TQ_KEY_INVALID, 0, NULL, "unknown limit" },
        { "memory@/dev/vda", "1G", _TQ_KEY_INVALID, 0, NULL, "takes no @device" },
        { "io_weight@/dev/vda", "100", _TQ_KEY_INVALID, 0, NULL, "takes no @device" },
        { "IOReadBandwidthMax", "10M", _TQ_KEY_INVALID, 0, NULL, "expected DEVICE VALUE" },
        { "IOReadBandwidthMax", "/dev/vda", _TQ_KEY_INVALID, 0, NULL, "expected DEVICE VALUE" },
        { "IOReadBandwidthMax@/dev/vda", "10M", _TQ_KEY_INVALID, 0, NULL, "expected DEVICE VALUE" },
        { "IOReadBandwidthMax", "vda 10M", _TQ_KEY_INVALID, 0, NULL, "expected a device" },
        { "IOReadBandwidthMax", "/dev/vda 10X", _TQ_KEY_INVALID, 0, NULL, "bytes per second" },
        { "io_read@", "10M", _TQ_KEY_INVALID, 0, NULL, "behind the @" },
        { "io_read@vda", "10M", _TQ_KEY_INVALID, 0, NULL, "behind the @" },
        { "io_read@/dev/", "10M", _TQ_KEY_INVALID, 0, NULL, "behind the @" },
        { "io_read@/dev/../etc/passwd", "10M", _TQ_KEY_INVALID, 0, NULL, "behind the @" },
        { "io_read@/etc/passwd", "10M", _TQ_KEY_INVALID, 0, NULL, "behind the @" },
        { "io_read@/dev/v da", "10M", _TQ_KEY_INVALID, 0, NULL, "behind the @" },
        { "io_read@8", "10M", _TQ_KEY_INVALID, 0, NULL, "behind the @" },
        { "io_read@8:", "10M", _TQ_KEY_INVALID, 0, NULL, "behind the @" },
        { "io_read@:0", "10M", _TQ_KEY_INVALID, 0, NULL, "behind the @" },
        { "io_read@8:0:1", "10M", _TQ_KEY_INVALID, 0, NULL, "behind the @" },
        { "io_read@-8:0", "10M", _TQ_KEY_INVALID, 0, NULL, "behind the @" },
        { "io_read@4294967296:0", "10M", _TQ_KEY_INVALID, 0, NULL, "behind the @" },
};

START_TEST(set_value) {
        const SetRow *row = &set_rows[_i];
        TqLimits l = {}, untouched = {};
        TqError err = {};
        char text[TQ_VALUE_MAX];
        unsigned scope = row->key >= 0 ? tq_limits_keys[row->key].scopes : TENANT;
        int r;

        scope &= ~(scope - 1); /* one of them */
        r = tq_limits_set(&l, row->name, row->value, scope, true, 17, &err);
        if (!row->text) {
                ck_assert_msg(r == -EBADMSG, "%s=%s: %d", row->name, row->value, r);
                ck_assert_mem_eq(&l, &untouched, sizeof(l));
                ck_assert_uint_eq(err.line, 17);
                ck_assert_msg(strstr(err.text, row->error) != NULL, "%s=%s says: %s", row->name,
                              row->value, err.text);
                if (row->key >= 0)
                        ck_assert_str_eq(err.key, row->name);
                return;
        }
        ck_assert_msg(r == 0, "%s=%s: %s", row->name, row->value, err.text);
        ck_assert_str_eq(err.text, "");
        ck_assert_uint_eq(l.set, UINT64_C(1) << row->key);
        ck_assert_uint_eq(l.value[row->key], row->stored);
        ck_assert_uint_eq(tq_limits_get(&l, row->key, 123), row->stored);
        ck_assert(tq_limits_is_sane(&l));
        ck_assert_str_eq(tq_limits_format(&l, row->key, text, sizeof(text)), row->text);
}
END_TEST

static void check_round_trip(TqKey key, uint64_t value) {
        const TqKeyRow *row = &tq_limits_keys[key];
        char text[TQ_VALUE_MAX];
        TqError err = {};
        TqLimits l = {};
        int r;

        uint64_t min = row->scopes & TENANT && row->min_tenant > 0 ? row->min_tenant : row->min;

        if (value == TQ_LIMIT_MAX ? !row->has_max : value < min || value > row->max)
                return;
        /* Not every number is a rate or slots: set_rows has these. */
        if (value != TQ_LIMIT_MAX && (row->type == TQ_TYPE_RATE || row->type == TQ_TYPE_SLOTS))
                return;
        (void)tq_limits_format_value(key, value, text, sizeof(text));
        r = tq_limits_set(&l, row->name, text, row->scopes & -row->scopes, true, 0, &err);
        ck_assert_msg(r == 0, "%s=%s: %s", row->name, text, err.text);
        ck_assert_msg(l.value[key] == value, "%s=%s: %ju, not %ju", row->name, text,
                      (uintmax_t)l.value[key], (uintmax_t)value);
}

/* Whatever a key holds is printed such that it parses back to the same. */
START_TEST(round_trip) {
        for (int i = 0; i < _TQ_KEY_MAX; i++) {
                const TqKeyRow *row = &tq_limits_keys[i];
                const uint64_t values[] = { row->min,     row->min + 1, row->max, row->max - 1,
                                            row->max / 2, TQ_LIMIT_MAX, 999999,   123456789,
                                            5000,         1023,         1024,     1025,
                                            3600,         60,           3601,     61 };

                if (row->type == TQ_TYPE_CPUSET)
                        continue; /* core_limits_cpus.c */
                for (size_t k = 0; k < TQ_ELEMENTSOF(values); k++)
                        check_round_trip((TqKey)i, values[k]);
        }
}
END_TEST

static void fill(Suite *s) {
        TCase *values = unit_case(s, "values");

        unit_add_rows(values, set_value, set_rows);
        tcase_add_test(values, round_trip);
}

int main(void) {
        return unit_main("core/limits values", fill);
}
