/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/limits.h"

#include <stdio.h>

#include "unit.h"

#define TENANT TQ_SCOPE_TENANT
#define QUEUE  TQ_SCOPE_QUEUE
#define JOB    TQ_SCOPE_JOB
#define GIB    (UINT64_C(1) << 30)
#define EIB    (UINT64_C(1) << 60)
#define SEC    UINT64_C(1000000)
#define SHARE  (UINT64_C(1) << 32) /* of a number of slots: hundredths of a percent follow */

/* Names and values --------------------------------------------------------------------------- */

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
                        continue; /* cpuset below */
                for (size_t k = 0; k < TQ_ELEMENTSOF(values); k++)
                        check_round_trip((TqKey)i, values[k]);
        }
}
END_TEST

START_TEST(table) {
        const TqKeyRow *row = &tq_limits_keys[_i];

        ck_assert_ptr_nonnull(row->name);
        ck_assert_int_eq(tq_limits_find(row->name), _i);
        ck_assert_uint_ne(row->scopes, 0);
        ck_assert_uint_le(row->min, row->max);
        ck_assert_msg(row->help && row->help[0], "%s has no help", row->name);
        /* Who enforces it: the kernel by a file with a default to go back to, or the engine. */
        if (row->attribute) {
                ck_assert_ptr_nonnull(row->controller);
                ck_assert_ptr_nonnull(row->unset_text);
        }
        ck_assert(!row->has_device || (row->controller && strcmp(row->controller, "io") == 0));
        for (int i = 0; i < _i; i++)
                ck_assert_str_ne(tq_limits_keys[i].name, row->name);
}
END_TEST

static const struct {
        const char *name, *nearest;
} nearest_rows[] = {
        { "memmory", "memory" }, { "memory_hig", "memory_high" }, { "TaskMax", "TasksMax" },
        { "pid", "pids" },       { "runtme", "runtime" },         { "qqqqqq", NULL },
};

START_TEST(nearest) {
        const char *got = tq_limits_nearest(nearest_rows[_i].name);

        if (nearest_rows[_i].nearest) {
                ck_assert_ptr_nonnull(got);
                ck_assert_str_eq(got, nearest_rows[_i].nearest);
        } else
                ck_assert_ptr_null(got);
}
END_TEST

/* Rates and slots ----------------------------------------------------------------------------- */

static const struct {
        const char *text;
        uint64_t n, period;
} rate_rows[] = {
        { "0/s", 0, SEC },
        { "1/s", 1, SEC },
        { "1000000/s", 1000000, SEC },
        { "1/min", 1, 60 * SEC },
        { "7/min", 7, 60 * SEC },
        { "60/min", 60, 60 * SEC },
        { "3600/h", 3600, 3600 * SEC },
        { "59/h", 59, 3600 * SEC },
        { "288230376151711744/h", UINT64_C(1) << 58, 3600 * SEC },
};

/* 60/min and 1/s come to the same in an hour, but let another number in at once. */
START_TEST(rate) {
        uint64_t period = 0;
        TqLimits l = {};

        ck_assert_int_eq(
                tq_limits_set(&l, "enqueue_rate", rate_rows[_i].text, TENANT, false, 0, NULL), 0);
        ck_assert_uint_eq(tq_limits_rate(l.value[TQ_KEY_ENQUEUE_RATE], &period), rate_rows[_i].n);
        ck_assert_uint_eq(period, rate_rows[_i].period);
}
END_TEST

static const struct {
        const char *text;
        uint64_t total, slots;
} slots_rows[] = {
        { "0", 10, 0 },
        { "7", 10, 7 },
        { "11", 10, 11 }, /* a number is a number */
        { "1000000", TQ_LIMIT_MAX, 1000000 },
        { "0%", 10, 0 },
        { "10%", 10, 1 },
        { "10.01%", 10, 2 }, /* rounded up */
        { "0.01%", 1, 1 },
        { "0.01%", 10000, 1 },
        { "0.01%", 10001, 2 },
        { "99.99%", 10000, 9999 },
        { "100%", 7, 7 },
        { "100%", 0, 0 },
        { "100%", UINT64_MAX - 1, UINT64_MAX - 1 },
        { "50%", UINT64_MAX - 1, UINT64_MAX / 2 },
        { "50%", TQ_LIMIT_MAX, 0 }, /* a share of what has no bound is none */
};

START_TEST(slots) {
        uint64_t value;

        ck_assert_int_eq(tq_limits_parse_slots(slots_rows[_i].text, &value), 0);
        ck_assert_uint_eq(tq_limits_slots(value, slots_rows[_i].total), slots_rows[_i].slots);
}
END_TEST

START_TEST(slots_bad) {
        static const char *const bad[] = { "",
                                           "%",
                                           "x",
                                           "5 %",
                                           "1e3",
                                           "1000001",
                                           "-",
                                           "100.01%",
                                           "101%",
                                           "00000000000000000000000000001%%",
                                           "000000000000000000000000000000000000000000000000005%" };

        for (size_t i = 0; i < TQ_ELEMENTSOF(bad); i++) {
                uint64_t value = 12345;

                ck_assert_msg(tq_limits_parse_slots(bad[i], &value) < 0, "%s", bad[i]);
                ck_assert_uint_eq(value, 12345);
        }
}
END_TEST

/* Scopes and inert keys ----------------------------------------------------------------------- */

static const struct {
        const char *name, *value;
        unsigned scopes; /* where it may stand */
        bool has_effect;
} scope_rows[] = {
        { "cpu", "1", TENANT | JOB, true },
        { "cpu_weight", "1", TENANT | JOB, true },
        { "cpu_burst", "0", TENANT | JOB, false },
        { "cpus", "0", TENANT | JOB, true },
        { "memory", "1G", TENANT | JOB, true },
        { "memory_high", "1G", TENANT | JOB, true },
        { "memory_low", "1G", TENANT | JOB, true },
        { "swap", "1G", TENANT | JOB, true },
        { "pids", "2", TENANT | JOB, true },
        { "io_read", "2", TENANT | JOB, true },
        { "io_write", "2", TENANT | JOB, true },
        { "io_riops", "2", TENANT | JOB, true },
        { "io_wiops", "2", TENANT | JOB, true },
        { "io_weight", "1", TENANT | JOB, true },
        { "concurrency", "1", TENANT | QUEUE, true },
        { "enqueue_rate", "1/s", TENANT | QUEUE, true },
        { "queue_depth", "1", TENANT | QUEUE, true },
        { "scheduled_jobs", "1", TENANT, true },
        { "spool_bytes", "1", TENANT, true },
        { "weight", "1", TENANT, true },
        { "reserved", "1", TENANT, true },
        { "runtime", "1s", TENANT | JOB, true },
};

START_TEST(scopes) {
        static const struct {
                unsigned scope;
                const char *text;
        } all[] = { { TENANT, "is not a limit of a tenant" },
                    { QUEUE, "is not a limit of a queue" },
                    { JOB, "is not a limit of a job" } };

        for (size_t i = 0; i < TQ_ELEMENTSOF(all); i++) {
                TqError err = {}, inert = {};
                TqLimits l = {};
                int r = tq_limits_set(&l, scope_rows[_i].name, scope_rows[_i].value, all[i].scope,
                                      true, 3, &err);

                if (!(scope_rows[_i].scopes & all[i].scope)) {
                        ck_assert_int_eq(r, -EBADMSG);
                        ck_assert_str_eq(err.text, all[i].text);
                        ck_assert_str_eq(err.key, scope_rows[_i].name);
                        continue;
                }
                ck_assert_msg(r == 0, "%s: %s", scope_rows[_i].name, err.text);
                l = (TqLimits){};
                r = tq_limits_set(&l, scope_rows[_i].name, scope_rows[_i].value, all[i].scope,
                                  false, 3, &inert);
                ck_assert_int_eq(r, scope_rows[_i].has_effect ? 0 : -EBADMSG);
                if (!scope_rows[_i].has_effect) {
                        ck_assert_ptr_nonnull(strstr(inert.text, "not enforced by this version"));
                        ck_assert_uint_eq(l.set, 0);
                }
        }
}
END_TEST

START_TEST(every_key_has_a_scope_row) {
        ck_assert_uint_eq(TQ_ELEMENTSOF(scope_rows), _TQ_KEY_MAX);
        for (size_t i = 0; i < TQ_ELEMENTSOF(scope_rows); i++)
                ck_assert_int_eq(tq_limits_find(scope_rows[i].name), (int)i);
}
END_TEST

/* CPU sets ------------------------------------------------------------------------------------ */

static const struct {
        const char *text, *formatted; /* NULL: refused */
} cpuset_rows[] = {
        { "0", "0" },           { "0-3,8", "0-3,8" }, { "8,0-3", "0-3,8" }, { "0,1,2,3", "0-3" },
        { "0-1,1-2", "0-2" },   { "5-5", "5" },       { "63,64", "63-64" }, { "1023", "1023" },
        { "0-1023", "0-1023" }, { "1024", NULL },     { "0-1024", NULL },   { "3-0", NULL },
        { "", NULL },           { ",", NULL },        { "0,", NULL },       { ",0", NULL },
        { "0,,1", NULL },       { "0-", NULL },       { "-3", NULL },       { "0--1", NULL },
        { "0-1-2", NULL },      { "a", NULL },        { "0 1", NULL },      { "0, 1", NULL },
        { "max", NULL },        { "all", NULL },      { "0x1", NULL },      { "4294967296", NULL },
        { "\xD9\xA3", NULL },
};

/* As systemd separates them, under its name. */
START_TEST(allowed_cpus) {
        static const char *const rows[][2] = {
                { "0 1", "0-1" },     { "0, 1", "0-1" }, { "0-3 8", "0-3,8" }, { "0,,1", "0-1" },
                { "  0\t2 ", "0,2" }, { "0,", "0" },     { ",0", "0" },
        };

        for (size_t i = 0; i < TQ_ELEMENTSOF(rows); i++) {
                char text[TQ_VALUE_MAX];
                TqLimits l = {};

                ck_assert_int_eq(tq_limits_set(&l, "AllowedCPUs", rows[i][0], JOB, false, 1, NULL),
                                 0);
                ck_assert_str_eq(tq_limits_format(&l, TQ_KEY_CPUS, text, sizeof(text)), rows[i][1]);
        }
}
END_TEST

START_TEST(cpuset) {
        TqLimits l = {}, untouched = {}, again = {};
        char text[TQ_VALUE_MAX];
        TqError err = {};
        int r = tq_limits_set(&l, "cpus", cpuset_rows[_i].text, JOB, false, 1, &err);

        if (!cpuset_rows[_i].formatted) {
                ck_assert_msg(r == -EBADMSG, "\"%s\"", cpuset_rows[_i].text);
                ck_assert_str_eq(err.text, "expected a list of CPUs such as 0-3,8, below 1024");
                ck_assert_mem_eq(&l, &untouched, sizeof(l));
                return;
        }
        ck_assert_int_eq(r, 0);
        ck_assert_str_eq(tq_limits_format(&l, TQ_KEY_CPUS, text, sizeof(text)),
                         cpuset_rows[_i].formatted);
        ck_assert_int_eq(tq_limits_set(&again, "cpus", text, JOB, false, 0, NULL), 0);
        ck_assert_mem_eq(&l, &again, sizeof(l));
        ck_assert_str_eq(tq_limits_attribute(&l, TQ_KEY_CPUS, text, sizeof(text)),
                         cpuset_rows[_i].formatted);
}
END_TEST

/* Devices ------------------------------------------------------------------------------------- */

static const struct {
        const char *name, *value;
        TqKey key;
        const char *device;
        uint64_t stored;
        const char *formatted;
} device_rows[] = {
        { "io_read@/dev/vda", "10M", TQ_KEY_IO_READ, "/dev/vda", 10000000, "io_read@/dev/vda" },
        { "io_write@8:0", "max", TQ_KEY_IO_WRITE, "8:0", TQ_LIMIT_MAX, "io_write@8:0" },
        { "io_riops@/dev/disk/by-id/x-1.2:3", "5", TQ_KEY_IO_RIOPS, "/dev/disk/by-id/x-1.2:3", 5,
          "io_riops@/dev/disk/by-id/x-1.2:3" },
        { "io_wiops@4294967295:4294967295", "2K", TQ_KEY_IO_WIOPS, "4294967295:4294967295", 2000,
          "io_wiops@4294967295:4294967295" },
        { "IOReadBandwidthMax", "/dev/vda 5M", TQ_KEY_IO_READ, "/dev/vda", 5000000,
          "io_read@/dev/vda" },
        { "IOWriteBandwidthMax", "/dev/vda \t 5M", TQ_KEY_IO_WRITE, "/dev/vda", 5000000,
          "io_write@/dev/vda" },
        { "IOReadIOPSMax", "8:0 100", TQ_KEY_IO_RIOPS, "8:0", 100, "io_riops@8:0" },
        { "IOWriteIOPSMax", "8:0 1K", TQ_KEY_IO_WIOPS, "8:0", 1000, "io_wiops@8:0" },
};

START_TEST(devices) {
        TqLimits l = {}, empty = {};
        TqError err = {};
        char text[TQ_VALUE_MAX];

        ck_assert_msg(tq_limits_set(&l, device_rows[_i].name, device_rows[_i].value, TENANT, false,
                                    0, &err) == 0,
                      "%s", err.text);
        ck_assert_uint_eq(l.set, 0);
        ck_assert_uint_eq(l.n_io, 1);
        ck_assert_uint_eq(l.io[0].key, device_rows[_i].key);
        ck_assert_uint_eq(l.io[0].value, device_rows[_i].stored);
        ck_assert_str_eq(l.io[0].device, device_rows[_i].device);
        ck_assert_str_eq(tq_limits_io_name(&l.io[0], text, sizeof(text)),
                         device_rows[_i].formatted);
        ck_assert(tq_limits_is_sane(&l));
        /* A second value of the same name takes its place. */
        ck_assert_int_eq(tq_limits_set(&l, device_rows[_i].formatted, "77", TENANT, false, 0, NULL),
                         0);
        ck_assert_uint_eq(l.n_io, 1);
        ck_assert_uint_eq(l.io[0].value, 77);
        ck_assert_int_eq(tq_limits_unset(&l, device_rows[_i].formatted, NULL), 0);
        ck_assert_mem_eq(&l, &empty, sizeof(l));
}
END_TEST

START_TEST(devices_full) {
        TqError err = {};
        TqLimits l = {}, before;
        char name[64];

        for (int i = 0; i < TQ_IO_DEVICES; i++) {
                (void)snprintf(name, sizeof(name), "io_read@8:%d", i);
                ck_assert_int_eq(tq_limits_set(&l, name, "1M", TENANT, false, 0, NULL), 0);
        }
        before = l;
        ck_assert_int_eq(tq_limits_set(&l, "io_read@8:8", "1M", TENANT, false, 9, &err), -EBADMSG);
        ck_assert_str_eq(err.text, "at most 8 limits with @device");
        ck_assert_mem_eq(&l, &before, sizeof(l));
        ck_assert_int_eq(tq_limits_set(&l, "io_read@8:7", "2M", TENANT, false, 0, NULL), 0);
        ck_assert_uint_eq(l.io[7].value, 2000000);
        /* One out of the middle. */
        ck_assert_int_eq(tq_limits_unset(&l, "io_read@8:3", NULL), 0);
        ck_assert_uint_eq(l.n_io, 7);
        for (uint32_t i = 0; i < l.n_io; i++)
                ck_assert_str_ne(l.io[i].device, "8:3");
        ck_assert_int_eq(tq_limits_unset(&l, "io_read@8:3", NULL), 0);
        ck_assert_uint_eq(l.n_io, 7);
        ck_assert(tq_limits_is_sane(&l));
}
END_TEST

START_TEST(device_too_long) {
        char name[128] = "io_read@/dev/";
        TqLimits l = {};

        memset(name + strlen(name), 'x', TQ_DEVICE_MAX - 1 - strlen("/dev/"));
        ck_assert_int_eq(tq_limits_set(&l, name, "1M", TENANT, false, 0, NULL), 0);
        ck_assert_uint_eq(strlen(l.io[0].device), TQ_DEVICE_MAX - 1);
        (void)strcat(name, "x");
        ck_assert_int_eq(tq_limits_set(&l, name, "1M", TENANT, false, 0, NULL), -EBADMSG);
        ck_assert_uint_eq(l.n_io, 1);
}
END_TEST

/* Unset, overlay, clamp ----------------------------------------------------------------------- */

static TqLimits limits_of(const char *const *pairs) {
        TqLimits l = {};

        for (; pairs[0]; pairs += 2) {
                TqError err = {};
                TqKey key = tq_limits_find(pairs[0]);
                unsigned all = key >= 0 ? tq_limits_keys[key].scopes : TENANT;

                ck_assert_msg(tq_limits_set(&l, pairs[0], pairs[1], all & -all, true, 0, &err) == 0,
                              "%s=%s: %s", pairs[0], pairs[1], err.text);
        }
        return l;
}

#define LIMITS(...) limits_of((const char *const[]){ __VA_ARGS__, NULL, NULL })

START_TEST(unset_each) {
        static const TqLimits empty;
        TqLimits l = {};

        ck_assert_int_eq(tq_limits_set(&l, scope_rows[_i].name, scope_rows[_i].value,
                                       scope_rows[_i].scopes & -scope_rows[_i].scopes, true, 0,
                                       NULL),
                         0);
        ck_assert(tq_limits_has(&l, (TqKey)_i));
        ck_assert_int_eq(tq_limits_unset(&l, scope_rows[_i].name, NULL), 0);
        ck_assert(!tq_limits_has(&l, (TqKey)_i));
        /* limits.h: compared as bytes. */
        ck_assert_mem_eq(&l, &empty, sizeof(l));
}
END_TEST

START_TEST(unset_names) {
        TqLimits l = LIMITS("memory", "1G");
        char text[TQ_VALUE_MAX];
        TqError err = {};

        ck_assert_int_eq(tq_limits_unset(&l, "memry", &err), -EBADMSG);
        ck_assert_str_eq(err.text, "unknown limit; did you mean memory?");
        ck_assert_str_eq(tq_limits_format(&l, TQ_KEY_MEMORY, text, sizeof(text)), "1G");
        ck_assert_int_eq(tq_limits_unset(&l, "MemoryMax", NULL), 0);
        ck_assert_str_eq(tq_limits_format(&l, TQ_KEY_MEMORY, text, sizeof(text)), "unset");
        ck_assert_int_eq(tq_limits_unset(&l, "memory@/dev/vda", NULL), -EBADMSG);
}
END_TEST

START_TEST(overlay) {
        TqLimits base = LIMITS("cpu", "1", "memory", "1G", "cpus", "0-3", "io_read@8:0", "1M");
        TqLimits over = LIMITS("cpu", "max", "pids", "5", "cpus", "2", "io_read@8:0", "2M",
                               "io_read@8:16", "3M");
        TqLimits want = LIMITS("cpu", "max", "memory", "1G", "pids", "5", "cpus", "2",
                               "io_read@8:0", "2M", "io_read@8:16", "3M");
        TqLimits empty = {}, same = base;

        tq_limits_overlay(&same, &empty);
        ck_assert_mem_eq(&same, &base, sizeof(base));
        tq_limits_overlay(&base, &over);
        ck_assert_mem_eq(&base, &want, sizeof(base));
        /* An explicit max and an explicit zero stand over a number. */
        ck_assert_uint_eq(base.value[TQ_KEY_CPU], TQ_LIMIT_MAX);
        over = LIMITS("swap", "0");
        base = LIMITS("swap", "1G");
        tq_limits_overlay(&base, &over);
        ck_assert(tq_limits_has(&base, TQ_KEY_SWAP));
        ck_assert_uint_eq(base.value[TQ_KEY_SWAP], 0);
}
END_TEST

/* NULL: unset. */
static const struct {
        const char *key, *value, *ceiling, *result;
} clamp_rows[] = {
        { "cpu", "2", "1", "1" },
        { "cpu", "1", "2", "1" },
        { "cpu", "1", "1", "1" },
        { "cpu", "max", "4", "4" },
        { "cpu", NULL, "4", "4" },
        { "cpu", "1", NULL, "1" },
        { "cpu", NULL, NULL, NULL },
        { "cpu", "2", "max", "2" },
        { "cpu", NULL, "max", "max" },
        { "memory", "8G", "4G", "4G" },
        { "memory", NULL, "4G", "4G" },
        { "memory_high", "8G", "4G", "4G" },
        { "swap", "1G", "0", "0" },
        { "swap", NULL, "0", "0" },
        { "swap", "0", "1G", "0" },
        { "pids", "11", "10", "10" },
        { "io_write", "11M", "10M", "10M" },
        { "io_write", NULL, "10M", "10M" },
        { "concurrency", "5", "0", "0" },
        { "concurrency", NULL, "3", "3" },
        { "runtime", "2h", "1h", "1h" },
        { "runtime", "max", "1h", "1h" },
        { "memory_low", "2G", "1G", "1G" },
        { "memory_low", NULL, "1G", NULL },      /* unset means none there */
        { "cpu_weight", "5000", "100", "5000" }, /* no cap */
        { "cpu_weight", NULL, "100", NULL },
        { "cpus", "0-3", "2-5", "2-3" },
        { "cpus", "0-3", "0-1023", "0-3" },
        { "cpus", "0-1", "4-5", "4-5" }, /* none is left */
        { "cpus", NULL, "4-5", "4-5" },
        { "cpus", "0-1", NULL, "0-1" },
};

START_TEST(clamp) {
        const char *key = clamp_rows[_i].key;
        TqKey k = tq_limits_find(key);
        char text[TQ_VALUE_MAX];
        TqLimits l = {}, ceiling = {};

        if (clamp_rows[_i].value)
                l = LIMITS(key, clamp_rows[_i].value);
        if (clamp_rows[_i].ceiling)
                ceiling = LIMITS(key, clamp_rows[_i].ceiling);
        tq_limits_clamp(&l, &ceiling);
        ck_assert_str_eq(tq_limits_format(&l, k, text, sizeof(text)),
                         clamp_rows[_i].result ? clamp_rows[_i].result : "unset");
        ck_assert_uint_eq(l.set & ~(UINT64_C(1) << k), 0);
        ck_assert(tq_limits_is_sane(&l));
}
END_TEST

/* A ceiling with a device bounds the limit of that device. */
START_TEST(clamp_devices) {
        TqLimits l = LIMITS("io_write@8:0", "50M", "io_write@8:16", "50M", "io_read@8:0", "50M");
        TqLimits ceiling = LIMITS("io_write", "20M");

        tq_limits_clamp(&l, &ceiling);
        ck_assert_uint_eq(l.io[0].value, 20000000);
        ck_assert_uint_eq(l.io[1].value, 20000000);
        ck_assert_uint_eq(l.io[2].value, 50000000);
        ceiling = LIMITS("io_write@8:0", "10M");
        tq_limits_clamp(&l, &ceiling);
        ck_assert_uint_eq(l.io[0].value, 10000000);
        ck_assert_uint_eq(l.io[1].value, 20000000);
        ck_assert_uint_eq(l.io[2].value, 50000000);
}
END_TEST

static const struct {
        const char *key, *value, *outer, *error; /* NULL: allowed */
} within_rows[] = {
        { "cpu", "2", "2", NULL },
        { "cpu", "2.000001", "2", "asks for 2.000001, above the 2 of tenant acme" },
        { "cpu", "max", "2", "asks for max, above the 2 of tenant acme" },
        { "cpu", "max", "max", NULL },
        { "cpu", "max", NULL, NULL },
        { "cpu", "100", NULL, NULL },
        { "memory", "4G", "4G", NULL },
        { "memory", "5G", "4G", "asks for 5G, above the 4G of tenant acme" },
        { "memory_low", "2G", "1G", "asks for 2G, above the 1G of tenant acme" },
        { "swap", "1", "0", "asks for 1, above the 0 of tenant acme" },
        { "pids", "101", "100", "asks for 101, above the 100 of tenant acme" },
        { "runtime", "2h", "1h", "asks for 2h, above the 1h of tenant acme" },
        { "io_read", "11M", "10M", "asks for 11M, above the 10M of tenant acme" },
        { "io_read@8:0", "11M", "10M", "asks for 11M, above the 10M of tenant acme" },
        { "io_read@8:0", "10M", "10M", NULL },
        { "cpu_weight", "10000", "1", NULL },
        { "io_weight", "10000", "1", NULL },
        { "cpus", "0-3", "0-3", NULL },
        { "cpus", "1", "0-3", NULL },
        { "cpus", "4", "0-3", "asks for CPUs outside the 0-3 of tenant acme" },
        { "cpus", "0-4", "0-3", "asks for CPUs outside the 0-3 of tenant acme" },
        { "cpus", "1023", NULL, NULL },
};

START_TEST(within) {
        TqLimits l = LIMITS(within_rows[_i].key, within_rows[_i].value), outer = {};
        TqError err = {};
        int r;

        if (within_rows[_i].outer)
                outer = LIMITS(within_rows[_i].key, within_rows[_i].outer);
        r = tq_limits_check_within(&l, &outer, "tenant acme", &err);
        if (!within_rows[_i].error) {
                ck_assert_msg(r == 0, "%s", err.text);
                ck_assert_str_eq(err.text, "");
                return;
        }
        ck_assert_int_eq(r, -EBADMSG);
        ck_assert_str_eq(err.text, within_rows[_i].error);
        ck_assert_uint_eq(strncmp(within_rows[_i].key, err.key, strlen(err.key)), 0);
        ck_assert_uint_gt(strlen(err.key), 0);
}
END_TEST

START_TEST(within_unset) {
        TqLimits outer = LIMITS("cpu", "1", "memory", "1G", "cpus", "0", "io_read@8:0", "1M"),
                 l = {};

        ck_assert_int_eq(tq_limits_check_within(&l, &outer, "x", NULL), 0);
}
END_TEST

/* Whatever is clamped is within. */
START_TEST(clamped_is_within) {
        uint64_t state = 0x1234567890ABCDEF;

        for (int round = 0; round < 2000; round++) {
                TqLimits l = {}, ceiling = {};
                TqError err = {};

                for (int i = 0; i < _TQ_KEY_MAX; i++) {
                        const TqKeyRow *row = &tq_limits_keys[i];
                        TqLimits *both[] = { &l, &ceiling };

                        for (size_t k = 0; k < 2 && row->type != TQ_TYPE_CPUSET; k++) {
                                uint64_t x = unit_random(&state);

                                if (x % 3 == 0)
                                        continue;
                                both[k]->set |= UINT64_C(1) << i;
                                both[k]->value[i] =
                                        x % 5 == 0 && row->has_max
                                                ? TQ_LIMIT_MAX
                                                : row->min + x % (row->max - row->min + 1);
                        }
                }
                tq_limits_clamp(&l, &ceiling);
                ck_assert(tq_limits_is_sane(&l));
                ck_assert_msg(tq_limits_check_within(&l, &ceiling, "ceiling", &err) == 0, "%s %s",
                              err.key, err.text);
        }
}
END_TEST

/* Attributes ---------------------------------------------------------------------------------- */

static const struct {
        const char *key, *value, *text; /* NULL value: unset */
} attribute_rows[] = {
        { "cpu", NULL, "max 100000" },
        { "cpu", "max", "max 100000" },
        { "cpu", "2", "200000 100000" },
        { "cpu", "0.5", "50000 100000" },
        { "cpu", "0.01", "1000 100000" },
        { "cpu", "0.333333", "33333 100000" },
        { "cpu", "100000", "10000000000 100000" },
        { "cpu_weight", NULL, "100" },
        { "cpu_weight", "250", "250" },
        { "cpu_burst", "5ms", "5000" },
        { "cpu_burst", NULL, "0" },
        { "cpus", NULL, "" },
        { "cpus", "0,2-3", "0,2-3" },
        { "memory", NULL, "max" },
        { "memory", "max", "max" },
        { "memory", "512M", "536870912" },
        { "memory_high", "1G", "1073741824" },
        { "memory_high", NULL, "max" },
        { "memory_low", NULL, "0" },
        { "memory_low", "1G", "1073741824" },
        { "swap", NULL, "max" },
        { "swap", "0", "0" },
        { "pids", NULL, "max" },
        { "pids", "max", "max" },
        { "pids", "4194304", "4194304" },
        { "io_weight", NULL, "default 100" },
        { "io_weight", "50", "default 50" },
};

START_TEST(attribute) {
        TqKey key = tq_limits_find(attribute_rows[_i].key);
        char text[TQ_VALUE_MAX];
        TqLimits l = {};

        if (attribute_rows[_i].value)
                l = LIMITS(attribute_rows[_i].key, attribute_rows[_i].value);
        ck_assert_str_eq(tq_limits_attribute(&l, key, text, sizeof(text)), attribute_rows[_i].text);
}
END_TEST

/* From another process ------------------------------------------------------------------------ */

START_TEST(sane_values) {
        for (int i = 0; i < _TQ_KEY_MAX; i++) {
                const TqKeyRow *row = &tq_limits_keys[i];
                TqLimits l = { .set = UINT64_C(1) << i };

                if (row->type == TQ_TYPE_CPUSET)
                        continue; /* not in value */
                l.value[i] = row->min;
                ck_assert(tq_limits_is_sane(&l));
                l.value[i] = row->max;
                ck_assert(tq_limits_is_sane(&l));
                l.value[i] = row->max + 1;
                ck_assert(!tq_limits_is_sane(&l));
                l.value[i] = TQ_LIMIT_MAX;
                ck_assert_int_eq(tq_limits_is_sane(&l), row->has_max);
                l.value[i] = row->min - 1; /* of 0: max */
                ck_assert_int_eq(tq_limits_is_sane(&l), row->min == 0 && row->has_max);
                l.set = 0;
                ck_assert(tq_limits_is_sane(&l)); /* what is not set does not count */
        }
}
END_TEST

START_TEST(sane_shape) {
        TqLimits l = LIMITS("io_read@/dev/vda", "1M"), good = l;

        l.set = UINT64_C(1) << _TQ_KEY_MAX;
        ck_assert(!tq_limits_is_sane(&l));
        l.set = UINT64_C(1) << 63;
        ck_assert(!tq_limits_is_sane(&l));
        l = good;
        l.n_io = TQ_IO_DEVICES + 1;
        ck_assert(!tq_limits_is_sane(&l));
        l.n_io = UINT32_MAX;
        ck_assert(!tq_limits_is_sane(&l));
        l = good;
        l.io[0].key = TQ_KEY_MEMORY;
        ck_assert(!tq_limits_is_sane(&l));
        l.io[0].key = _TQ_KEY_MAX;
        ck_assert(!tq_limits_is_sane(&l));
        l.io[0].key = UINT32_MAX;
        ck_assert(!tq_limits_is_sane(&l));
        l = good;
        memset(l.io[0].device, 'a', sizeof(l.io[0].device));
        memcpy(l.io[0].device, "/dev/", 5);
        ck_assert(!tq_limits_is_sane(&l));
        l = good;
        (void)strcpy(l.io[0].device, "/etc/passwd");
        ck_assert(!tq_limits_is_sane(&l));
        l = good;
        l.io[0].value = 0;
        ck_assert(!tq_limits_is_sane(&l));
        l.io[0].value = EIB + 1;
        ck_assert(!tq_limits_is_sane(&l));
        l.io[0].value = TQ_LIMIT_MAX;
        ck_assert(tq_limits_is_sane(&l));
}
END_TEST

/* A set of CPUs that is well-formed fits into an attribute whole; a cut list would name other CPUs.
 */
START_TEST(sane_cpus) {
        TqLimits l = { .set = UINT64_C(1) << TQ_KEY_CPUS }, again = {};
        char text[TQ_VALUE_MAX * 2];

        for (size_t i = 0; i < TQ_ELEMENTSOF(l.cpus); i++)
                l.cpus[i] = UINT64_C(0x5555555555555555);
        if (!tq_limits_is_sane(&l))
                return; /* refused: as good */
        (void)tq_limits_attribute(&l, TQ_KEY_CPUS, text, sizeof(text));
        ck_assert_int_eq(tq_limits_set(&again, "cpus", text, TQ_SCOPE_JOB, false, 0, NULL), 0);
        ck_assert_mem_eq(again.cpus, l.cpus, sizeof(l.cpus));
}
END_TEST

static void fill(Suite *s) {
        TCase *values = unit_case(s, "values"), *scope = unit_case(s, "scope");
        TCase *change = unit_case(s, "change"), *kernel = unit_case(s, "kernel");

        unit_add_rows(values, rate, rate_rows);
        unit_add_rows(values, slots, slots_rows);
        tcase_add_test(values, slots_bad);
        unit_add_rows(values, set_value, set_rows);
        tcase_add_test(values, round_trip);
        tcase_add_loop_test(values, table, 0, _TQ_KEY_MAX);
        unit_add_rows(values, nearest, nearest_rows);
        unit_add_rows(values, cpuset, cpuset_rows);
        tcase_add_test(values, allowed_cpus);
        unit_add_rows(scope, scopes, scope_rows);
        tcase_add_test(scope, every_key_has_a_scope_row);
        unit_add_rows(change, devices, device_rows);
        tcase_add_test(change, devices_full);
        tcase_add_test(change, device_too_long);
        unit_add_rows(change, unset_each, scope_rows);
        tcase_add_test(change, unset_names);
        tcase_add_test(change, overlay);
        unit_add_rows(change, clamp, clamp_rows);
        tcase_add_test(change, clamp_devices);
        unit_add_rows(change, within, within_rows);
        tcase_add_test(change, within_unset);
        tcase_add_test(change, clamped_is_within);
        unit_add_rows(kernel, attribute, attribute_rows);
        tcase_add_test(kernel, sane_values);
        tcase_add_test(kernel, sane_shape);
        tcase_add_test(kernel, sane_cpus);
}

int main(void) {
        return unit_main("core/limits", fill);
}
