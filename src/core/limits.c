/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/limits.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/format.h"
#include "base/parse.h"

/* The table of limits. A row says everything about a key; no other place knows its name, its units,
 * its bounds, its file or where it may stand. Values are kept in the row's unit and printed in the
 * largest unit that is exact, so that what is echoed can be typed back.
 *
 * The bounds are those of the kernel (block/blk-throttle.c takes no 0 and 1, and holds UINT32_MAX
 * operations for "max"). A tenant's are higher where less would let nothing start: what
 * tenantq-exec needs is added to a job's limits (supervisor/launch.c), but it is within its
 * tenant's.
 *
 * Unset, unlimited and zero are three values: unset means that the next scope out decides (or the
 * kernel's default), `max` stands over a lower scope's number, and 0 is a number. */

#define TENANT TQ_SCOPE_TENANT
#define QUEUE  TQ_SCOPE_QUEUE
#define JOB    TQ_SCOPE_JOB

#define MIB (UINT64_C(1) << 20)
#define EIB (UINT64_C(1) << 60)

const TqKeyRow tq_limits_keys[_TQ_KEY_MAX] = {
        [TQ_KEY_CPU] = { "cpu", TQ_TYPE_CORES, TENANT | JOB, 10000, UINT64_C(100000) * 1000000, 0,
                         "cpu", "cpu.max", "max 100000", true, true, false, true,
                         "CPU time per second, in cores" },
        [TQ_KEY_CPU_WEIGHT] = { "cpu_weight", TQ_TYPE_WEIGHT, TENANT | JOB, 1, 10000, 0, "cpu",
                                "cpu.weight", "100", false, false, false, true,
                                "share of the CPU among siblings that compete" },
        [TQ_KEY_CPU_BURST] = { "cpu_burst", TQ_TYPE_SPAN, TENANT | JOB, 0, 1000000, 0, "cpu",
                               "cpu.max.burst", "0", false, true, false, false,
                               "unused quota that may be carried over" },
        [TQ_KEY_CPUS] = { "cpus", TQ_TYPE_CPUSET, TENANT | JOB, 0, 0, 0, "cpuset", "cpuset.cpus",
                          "", false, false, false, true, "the CPUs that may be used" },
        [TQ_KEY_MEMORY] = { "memory", TQ_TYPE_BYTES, TENANT | JOB, 4096, EIB, MIB, "memory",
                            "memory.max", "max", true, true, false, true,
                            "memory; over it the job is killed" },
        [TQ_KEY_MEMORY_HIGH] = { "memory_high", TQ_TYPE_BYTES, TENANT | JOB, 4096, EIB, MIB,
                                 "memory", "memory.high", "max", true, true, false, true,
                                 "memory; over it the job is slowed and reclaimed from" },
        [TQ_KEY_MEMORY_LOW] = { "memory_low", TQ_TYPE_BYTES, TENANT | JOB, 0, EIB, 0, "memory",
                                "memory.low", "0", false, true, false, true,
                                "memory that is reclaimed last" },
        [TQ_KEY_SWAP] = { "swap", TQ_TYPE_BYTES, TENANT | JOB, 0, EIB, 0, "memory",
                          "memory.swap.max", "max", true, true, false, true, "swap space" },
        [TQ_KEY_PIDS] = { "pids", TQ_TYPE_COUNT, TENANT | JOB, 1, 4194304, 2, "pids", "pids.max",
                          "max", true, true, false, true, "processes and threads" },
        [TQ_KEY_IO_READ] = { "io_read", TQ_TYPE_BANDWIDTH, TENANT | JOB, 2, EIB, 0, "io", NULL,
                             NULL, true, true, true, true, "bytes read per second from a device" },
        [TQ_KEY_IO_WRITE] = { "io_write", TQ_TYPE_BANDWIDTH, TENANT | JOB, 2, EIB, 0, "io", NULL,
                              NULL, true, true, true, true,
                              "bytes written per second to a device" },
        [TQ_KEY_IO_RIOPS] = { "io_riops", TQ_TYPE_IOPS, TENANT | JOB, 2, UINT32_MAX - 1, 0, "io",
                              NULL, NULL, true, true, true, true, "read operations per second" },
        [TQ_KEY_IO_WIOPS] = { "io_wiops", TQ_TYPE_IOPS, TENANT | JOB, 2, UINT32_MAX - 1, 0, "io",
                              NULL, NULL, true, true, true, true, "write operations per second" },
        [TQ_KEY_IO_WEIGHT] = { "io_weight", TQ_TYPE_WEIGHT, TENANT | JOB, 1, 10000, 0, "io",
                               "io.weight", "default 100", false, false, false, true,
                               "share of the device among siblings that compete" },
        [TQ_KEY_CONCURRENCY] = { "concurrency", TQ_TYPE_COUNT, TENANT | QUEUE, 0, 1000000, 0, NULL,
                                 NULL, NULL, true, true, false, true,
                                 "jobs that run at the same time" },
        [TQ_KEY_ENQUEUE_RATE] = { "enqueue_rate", TQ_TYPE_RATE, TENANT | QUEUE, 0, EIB, 0, NULL,
                                  NULL, NULL, true, true, false, true, "jobs accepted per time" },
        [TQ_KEY_QUEUE_DEPTH] = { "queue_depth", TQ_TYPE_COUNT, TENANT | QUEUE, 0, EIB, 0, NULL,
                                 NULL, NULL, true, true, false, true, "jobs that wait" },
        [TQ_KEY_SCHEDULED_JOBS] = { "scheduled_jobs", TQ_TYPE_COUNT, TENANT, 0, EIB, 0, NULL, NULL,
                                    NULL, true, true, false, true,
                                    "jobs that wait for their time" },
        [TQ_KEY_SPOOL_BYTES] = { "spool_bytes", TQ_TYPE_BYTES, TENANT, 0, EIB, 0, NULL, NULL, NULL,
                                 true, true, false, true, "bytes of the job files that wait" },
        [TQ_KEY_WEIGHT] = { "weight", TQ_TYPE_WEIGHT, TENANT, 1, 10000, 0, NULL, NULL, NULL, false,
                            false, false, true, "share of the host among tenants" },
        [TQ_KEY_RESERVED] = { "reserved", TQ_TYPE_SLOTS, TENANT, 0, TQ_SHARE | 10000, 0, NULL, NULL,
                              NULL, false, false, false, true,
                              "slots that the tenant gets first: a number or a share" },
        [TQ_KEY_RUNTIME] = { "runtime", TQ_TYPE_SPAN, TENANT | JOB, 1, UINT64_MAX / 4, 0, NULL,
                             NULL, NULL, true, true, false, true, "how long a job may run" },
};

/* systemd's names for the same things (systemd.resource-control(5)); values in systemd's syntax. */
static const struct {
        const char *name;
        TqKey key;
        enum { SAME, PERCENT, DEVICE_FIRST, CPU_LIST } syntax;
} synonyms[] = {
        { "CPUQuota", TQ_KEY_CPU, PERCENT },
        { "CPUWeight", TQ_KEY_CPU_WEIGHT, SAME },
        { "AllowedCPUs", TQ_KEY_CPUS, CPU_LIST },
        { "MemoryMax", TQ_KEY_MEMORY, SAME },
        { "MemoryHigh", TQ_KEY_MEMORY_HIGH, SAME },
        { "MemoryLow", TQ_KEY_MEMORY_LOW, SAME },
        { "MemorySwapMax", TQ_KEY_SWAP, SAME },
        { "TasksMax", TQ_KEY_PIDS, SAME },
        { "IOReadBandwidthMax", TQ_KEY_IO_READ, DEVICE_FIRST },
        { "IOWriteBandwidthMax", TQ_KEY_IO_WRITE, DEVICE_FIRST },
        { "IOReadIOPSMax", TQ_KEY_IO_RIOPS, DEVICE_FIRST },
        { "IOWriteIOPSMax", TQ_KEY_IO_WIOPS, DEVICE_FIRST },
        { "IOWeight", TQ_KEY_IO_WEIGHT, SAME },
        { "RuntimeMaxSec", TQ_KEY_RUNTIME, SAME },
};

TqKey tq_limits_find(const char *name) {
        for (int i = 0; i < _TQ_KEY_MAX; i++)
                if (strcmp(tq_limits_keys[i].name, name) == 0)
                        return (TqKey)i;
        for (size_t i = 0; i < TQ_ELEMENTSOF(synonyms); i++)
                if (strcmp(synonyms[i].name, name) == 0)
                        return synonyms[i].key;
        return _TQ_KEY_INVALID;
}

static int syntax_of(const char *name) {
        for (size_t i = 0; i < TQ_ELEMENTSOF(synonyms); i++)
                if (strcmp(synonyms[i].name, name) == 0)
                        return (int)synonyms[i].syntax;
        return SAME;
}

const char *tq_limits_nearest(const char *name) {
        const char *names[_TQ_KEY_MAX + TQ_ELEMENTSOF(synonyms)];
        size_t n = 0;

        for (int i = 0; i < _TQ_KEY_MAX; i++)
                names[n++] = tq_limits_keys[i].name;
        for (size_t i = 0; i < TQ_ELEMENTSOF(synonyms); i++)
                names[n++] = synonyms[i].name;
        return tq_parse_nearest(name, names, n);
}

/* Below /dev, in directories that only root writes to: root will look the path up, and /dev/shm and
 * the like hold what tenants put there. */
static bool path_is_valid(const char *s) {
        static const char *const directories[] = { "mapper/", "disk/", "block/" };
        static const char allowed[] =
                "-_.:@+=abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/";

        if (strspn(s, allowed) != strlen(s) || strstr(s, "//") || strstr(s, "/.") || s[0] == '.' ||
            s[0] == '/' || s[0] == '\0')
                return false;
        if (!strchr(s, '/'))
                return true;
        for (size_t i = 0; i < TQ_ELEMENTSOF(directories); i++)
                if (strncmp(s, directories[i], strlen(directories[i])) == 0)
                        return s[strlen(directories[i])] != '\0';
        return false;
}

/* A device is a path below /dev or MAJOR:MINOR; whether there is one is the kernel layer's
 * question. */
static bool device_is_valid(const char *s) {
        uint64_t number;
        char major[16];
        const char *colon;

        if (strlen(s) >= TQ_DEVICE_MAX)
                return false;
        if (strncmp(s, "/dev/", 5) == 0)
                return path_is_valid(s + 5);
        colon = strchr(s, ':');
        if (!colon || (size_t)(colon - s) >= sizeof(major))
                return false;
        memcpy(major, s, (size_t)(colon - s));
        major[colon - s] = '\0';
        return tq_parse_u64_in(major, 0, UINT32_MAX, &number) == 0 &&
               tq_parse_u64_in(colon + 1, 0, UINT32_MAX, &number) == 0;
}

typedef struct Assignment {
        TqKey key;
        char name[TQ_DEVICE_MAX]; /* without device */
        char device[TQ_DEVICE_MAX];
        char value[TQ_VALUE_MAX];
} Assignment;

/* Takes NAME[@DEVICE] apart and finds the key. */
static int resolve_name(const char *name, unsigned line, Assignment *a, TqError *err) {
        const char *at = strchr(name, '@');
        size_t n = at ? (size_t)(at - name) : strlen(name);
        const char *nearest;

        *a = (Assignment){ .key = _TQ_KEY_INVALID };
        if (n < sizeof(a->name)) {
                memcpy(a->name, name, n);
                a->key = tq_limits_find(a->name);
        }
        if (a->key < 0) {
                nearest = a->name[0] ? tq_limits_nearest(a->name) : NULL;
                return tq_error_at(err, -EBADMSG, line, a->name, "unknown limit%s%s%s",
                                   nearest ? "; did you mean " : "", nearest ? nearest : "",
                                   nearest ? "?" : "");
        }
        assert(a->key >= 0);
        if (!at)
                return 0;
        if (!tq_limits_keys[a->key].has_device)
                return tq_error_at(err, -EBADMSG, line, a->name, "takes no @device");
        if (!device_is_valid(at + 1))
                return tq_error_at(err, -EBADMSG, line, a->name,
                                   "expected a device as /dev/NAME or MAJOR:MINOR behind the @");
        (void)snprintf(a->device, sizeof(a->device), "%s", at + 1);
        return 0;
}

/* systemd separates CPUs by blanks, commas or both; here it is one comma. */
static void join_with_commas(char *s) {
        char *to = s;

        for (const char *p = s; *p; p++) {
                bool is_separator = *p == ',' || *p == ' ' || *p == '\t';

                if (!is_separator)
                        *to++ = *p;
                else if (to > s && to[-1] != ',')
                        *to++ = ',';
        }
        if (to > s && to[-1] == ',')
                to--;
        *to = '\0';
}

/* systemd's "DEVICE VALUE" becomes device and value. */
static int resolve_value(const char *value, unsigned line, Assignment *a, TqError *err) {
        int syntax = syntax_of(a->name);

        if (syntax == DEVICE_FIRST) {
                size_t n = strcspn(value, " \t");

                if (a->device[0] != '\0' || value[n] == '\0' || n >= sizeof(a->device))
                        return tq_error_at(err, -EBADMSG, line, a->name,
                                           "expected DEVICE VALUE, such as /dev/vda 10M");
                memcpy(a->device, value, n);
                a->device[n] = '\0';
                if (!device_is_valid(a->device))
                        return tq_error_at(err, -EBADMSG, line, a->name,
                                           "expected a device as /dev/NAME or MAJOR:MINOR");
                value += n + strspn(value + n, " \t");
        }
        if (strlen(value) >= sizeof(a->value))
                return tq_error_at(err, -EBADMSG, line, a->name, "value too long");
        (void)snprintf(a->value, sizeof(a->value), "%s",
                       strcmp(value, "infinity") == 0 ? "max" : value);
        if (syntax == CPU_LIST)
                join_with_commas(a->value);
        return 0;
}

/* What systemd knows and this does not: said as such, not as a wrong number. */
static int check_subset(const Assignment *a, unsigned line, TqError *err) {
        const TqKeyRow *row = &tq_limits_keys[a->key];
        size_t n = strlen(a->value);

        if ((row->type == TQ_TYPE_BYTES || row->type == TQ_TYPE_COUNT) && n > 1 &&
            a->value[n - 1] == '%' && strspn(a->value, "0123456789.") == n - 1)
                return tq_error_at(err, -EBADMSG, line, a->name,
                                   "a share of the host is not taken here; expected %s",
                                   tq_limits_expected(row->type));
        if (a->key == TQ_KEY_CPU_WEIGHT && strcmp(a->value, "idle") == 0)
                return tq_error_at(err, -EBADMSG, line, a->name,
                                   "\"idle\" is not taken here; expected %s",
                                   tq_limits_expected(row->type));
        return 0;
}

static int parse_number(const Assignment *a, unsigned scope, unsigned line, uint64_t *ret,
                        TqError *err) {
        const TqKeyRow *row = &tq_limits_keys[a->key];
        uint64_t min = scope == TENANT && row->min_tenant > 0 ? row->min_tenant : row->min;
        bool percent = syntax_of(a->name) == PERCENT;
        char low[TQ_FORMAT_MAX], high[TQ_FORMAT_MAX];
        uint64_t v;
        int r;

        if (row->has_max && strcmp(a->value, "max") == 0) {
                *ret = TQ_LIMIT_MAX;
                return 0;
        }
        r = check_subset(a, line, err);
        if (r < 0)
                return r;
        r = percent ? tq_limits_parse_percent(a->value, &v)
                    : tq_limits_parse_value(row->type, a->value, &v);
        if (r == -EINVAL)
                return tq_error_at(err, -EBADMSG, line, a->name, "expected %s%s",
                                   percent ? "a percentage of one CPU such as 50%"
                                           : tq_limits_expected(row->type),
                                   row->has_max ? ", or max" : "");
        if (r >= 0 && v < min && row->type == TQ_TYPE_SPAN)
                return tq_error_at(err, -EBADMSG, line, a->name,
                                   "out of range: expected %s or more, or max",
                                   tq_limits_format_value(a->key, min, low, sizeof(low)));
        if (r < 0 || v < min || v > row->max)
                return tq_error_at(err, -EBADMSG, line, a->name, "out of range: expected %s to %s",
                                   tq_limits_format_value(a->key, min, low, sizeof(low)),
                                   tq_limits_format_value(a->key, row->max, high, sizeof(high)));
        *ret = v;
        return 0;
}

static TqIoLimit *find_io(const TqLimits *l, TqKey key, const char *device) {
        for (uint32_t i = 0; i < l->n_io; i++)
                if (l->io[i].key == (uint32_t)key && strcmp(l->io[i].device, device) == 0)
                        return (TqIoLimit *)&l->io[i];
        return NULL;
}

static int store_io(TqLimits *l, const Assignment *a, uint64_t value) {
        TqIoLimit *io = find_io(l, a->key, a->device);

        if (!io) {
                if (l->n_io >= TQ_IO_DEVICES)
                        return -E2BIG;
                io = &l->io[l->n_io++];
                *io = (TqIoLimit){ .key = (uint32_t)a->key };
                (void)snprintf(io->device, sizeof(io->device), "%s", a->device);
        }
        io->value = value;
        return 0;
}

/* At least one CPU, and few enough ranges to be written whole into an attribute. */
static bool cpus_are_sane(const uint64_t *bits) {
        char text[TQ_VALUE_MAX * 2];
        uint64_t any = 0;

        for (size_t i = 0; i < TQ_CPUS_MAX / 64; i++)
                any |= bits[i];
        return any != 0 && strlen(tq_limits_format_cpus(bits, text, sizeof(text))) < TQ_VALUE_MAX;
}

static int check_scope(const Assignment *a, unsigned scope, bool allow_inert, unsigned line,
                       TqError *err) {
        const TqKeyRow *row = &tq_limits_keys[a->key];

        if (!(row->scopes & scope))
                return tq_error_at(err, -EBADMSG, line, a->name, "is not a limit of a %s",
                                   scope == JOB     ? "job"
                                   : scope == QUEUE ? "queue"
                                                    : "tenant");
        if (!row->has_effect && !allow_inert)
                return tq_error_at(err, -EBADMSG, line, a->name,
                                   "is known but not enforced by this version; leave it out");
        return 0;
}

int tq_limits_set(TqLimits *l, const char *name, const char *value, unsigned scope,
                  bool allow_inert, unsigned line, TqError *err) {
        uint64_t v = 0;
        Assignment a;
        int r;

        r = resolve_name(name, line, &a, err);
        if (r < 0)
                return r;
        assert(a.key >= 0);
        r = check_scope(&a, scope, allow_inert, line, err);
        if (r < 0)
                return r;
        r = resolve_value(value, line, &a, err);
        if (r < 0)
                return r;
        if (tq_limits_keys[a.key].type == TQ_TYPE_CPUSET) {
                uint64_t cpus[TQ_ELEMENTSOF(l->cpus)];

                if (tq_limits_parse_cpus(a.value, cpus) < 0)
                        return tq_error_at(err, -EBADMSG, line, a.name, "expected %s, below %d",
                                           tq_limits_expected(TQ_TYPE_CPUSET), TQ_CPUS_MAX);
                if (!cpus_are_sane(cpus))
                        return tq_error_at(err, -EBADMSG, line, a.name,
                                           "too many ranges: they take more than %d bytes",
                                           TQ_VALUE_MAX - 1);
                memcpy(l->cpus, cpus, sizeof(cpus));
                l->set |= UINT64_C(1) << a.key;
                return 0;
        }
        r = parse_number(&a, scope, line, &v, err);
        if (r < 0)
                return r;
        if (a.device[0] != '\0') {
                if (store_io(l, &a, v) < 0)
                        return tq_error_at(err, -EBADMSG, line, a.name,
                                           "at most %d limits with @device", TQ_IO_DEVICES);
                return 0;
        }
        l->value[a.key] = v;
        l->set |= UINT64_C(1) << a.key;
        return 0;
}

int tq_limits_unset(TqLimits *l, const char *name, TqError *err) {
        TqIoLimit *io;
        Assignment a;
        int r;

        r = resolve_name(name, 0, &a, err);
        if (r < 0)
                return r;
        assert(a.key >= 0);
        if (a.device[0] == '\0') {
                l->set &= ~(UINT64_C(1) << a.key);
                l->value[a.key] = 0;
                if (a.key == TQ_KEY_CPUS)
                        memset(l->cpus, 0, sizeof(l->cpus));
                return 0;
        }
        io = find_io(l, a.key, a.device);
        if (io) {
                *io = l->io[--l->n_io];
                l->io[l->n_io] = (TqIoLimit){};
        }
        return 0;
}

int tq_limits_overlay(TqLimits *base, const TqLimits *over) {
        int r = 0;

        for (int i = 0; i < _TQ_KEY_MAX; i++)
                if (tq_limits_has(over, (TqKey)i))
                        base->value[i] = over->value[i];
        if (tq_limits_has(over, TQ_KEY_CPUS))
                memcpy(base->cpus, over->cpus, sizeof(base->cpus));
        base->set |= over->set;
        for (uint32_t i = 0; i < over->n_io; i++) {
                Assignment a = { .key = (TqKey)over->io[i].key };

                (void)snprintf(a.device, sizeof(a.device), "%s", over->io[i].device);
                if (store_io(base, &a, over->io[i].value) < 0)
                        r = -E2BIG;
        }
        return r;
}

/* What the outer scope allows on a device: what it says of it, and what it says of none in
 * particular. */
static uint64_t bound_of(const TqLimits *outer, const TqIoLimit *io) {
        const TqIoLimit *same = find_io(outer, (TqKey)io->key, io->device);

        return TQ_MIN(same ? same->value : TQ_LIMIT_MAX,
                      tq_limits_get(outer, (TqKey)io->key, TQ_LIMIT_MAX));
}

/* CPUs outside the ceiling are taken away; if none is left, the ceiling's are what there is. */
static void clamp_cpus(TqLimits *l, const TqLimits *ceiling) {
        uint64_t left = 0;

        if (!tq_limits_has(ceiling, TQ_KEY_CPUS))
                return;
        for (size_t i = 0; tq_limits_has(l, TQ_KEY_CPUS) && i < TQ_ELEMENTSOF(l->cpus); i++) {
                l->cpus[i] &= ceiling->cpus[i];
                left |= l->cpus[i];
        }
        if (left == 0)
                memcpy(l->cpus, ceiling->cpus, sizeof(l->cpus));
        l->set |= UINT64_C(1) << TQ_KEY_CPUS;
}

int tq_limits_clamp(TqLimits *l, const TqLimits *ceiling) {
        int r = 0;

        clamp_cpus(l, ceiling);
        for (int i = 0; i < _TQ_KEY_MAX; i++) {
                if (!tq_limits_keys[i].is_cap || !tq_limits_has(ceiling, (TqKey)i))
                        continue;
                /* Unset means unlimited only where there is such a value; memory_low means none. */
                if (!tq_limits_keys[i].has_max && !tq_limits_has(l, (TqKey)i))
                        continue;
                l->value[i] = TQ_MIN(tq_limits_get(l, (TqKey)i, TQ_LIMIT_MAX), ceiling->value[i]);
                l->set |= UINT64_C(1) << i;
        }
        for (uint32_t i = 0; i < l->n_io; i++)
                l->io[i].value = TQ_MIN(l->io[i].value, bound_of(ceiling, &l->io[i]));
        for (uint32_t i = 0; i < ceiling->n_io; i++) {
                Assignment a = { .key = (TqKey)ceiling->io[i].key };

                (void)snprintf(a.device, sizeof(a.device), "%s", ceiling->io[i].device);
                if (find_io(l, a.key, a.device))
                        continue;
                if (store_io(l, &a, ceiling->io[i].value) < 0)
                        r = -E2BIG;
        }
        return r;
}

static int exceeds(TqKey key, uint64_t asked, uint64_t allowed, const char *whose, TqError *err) {
        char a[TQ_FORMAT_MAX], b[TQ_FORMAT_MAX];

        if (asked <= allowed)
                return 0;
        return tq_error_at(err, -EBADMSG, 0, tq_limits_keys[key].name,
                           "asks for %s, above the %s of %s",
                           tq_limits_format_value(key, asked, a, sizeof(a)),
                           tq_limits_format_value(key, allowed, b, sizeof(b)), whose);
}

int tq_limits_check_within(const TqLimits *l, const TqLimits *outer, const char *whose,
                           TqError *err) {
        char text[TQ_VALUE_MAX];
        int r;

        for (int i = 0; i < _TQ_KEY_MAX; i++) {
                if (!tq_limits_keys[i].is_cap || !tq_limits_has(l, (TqKey)i))
                        continue;
                r = exceeds((TqKey)i, l->value[i], tq_limits_get(outer, (TqKey)i, TQ_LIMIT_MAX),
                            whose, err);
                if (r < 0)
                        return r;
        }
        for (uint32_t i = 0; i < l->n_io; i++) {
                r = exceeds((TqKey)l->io[i].key, l->io[i].value, bound_of(outer, &l->io[i]), whose,
                            err);
                if (r < 0)
                        return r;
        }
        if (!tq_limits_has(l, TQ_KEY_CPUS) || !tq_limits_has(outer, TQ_KEY_CPUS))
                return 0;
        for (size_t i = 0; i < TQ_ELEMENTSOF(l->cpus); i++)
                if (l->cpus[i] & ~outer->cpus[i])
                        return tq_error_at(
                                err, -EBADMSG, 0, "cpus", "asks for CPUs outside the %s of %s",
                                tq_limits_format_cpus(outer->cpus, text, sizeof(text)), whose);
        return 0;
}

bool tq_limits_is_sane(const TqLimits *l) {
        if (l->set >> _TQ_KEY_MAX || l->n_io > TQ_IO_DEVICES)
                return false;
        for (int i = 0; i < _TQ_KEY_MAX; i++) {
                const TqKeyRow *row = &tq_limits_keys[i];
                uint64_t v = l->value[i];

                if (!tq_limits_has(l, (TqKey)i) || row->type == TQ_TYPE_CPUSET)
                        continue;
                if (!(row->has_max && v == TQ_LIMIT_MAX) && (v < row->min || v > row->max))
                        return false;
        }
        if (tq_limits_has(l, TQ_KEY_CPUS) && !cpus_are_sane(l->cpus))
                return false;
        for (uint32_t i = 0; i < l->n_io; i++) {
                const TqIoLimit *io = &l->io[i];

                if (io->key >= _TQ_KEY_MAX || !tq_limits_keys[io->key].has_device ||
                    strnlen(io->device, TQ_DEVICE_MAX) == TQ_DEVICE_MAX ||
                    !device_is_valid(io->device))
                        return false;
                if (io->value != TQ_LIMIT_MAX && (io->value < tq_limits_keys[io->key].min ||
                                                  io->value > tq_limits_keys[io->key].max))
                        return false;
        }
        return true;
}

const char *tq_limits_format(const TqLimits *l, TqKey key, char *buf, size_t size) {
        if (!tq_limits_has(l, key)) {
                (void)snprintf(buf, size, "unset");
                return buf;
        }
        if (tq_limits_keys[key].type == TQ_TYPE_CPUSET)
                return tq_limits_format_cpus(l->cpus, buf, size);
        return tq_limits_format_value(key, l->value[key], buf, size);
}

const char *tq_limits_attribute(const TqLimits *l, TqKey key, char *buf, size_t size) {
        const TqKeyRow *row = &tq_limits_keys[key];
        uint64_t v = l->value[key];

        if (!tq_limits_has(l, key) || (row->has_max && v == TQ_LIMIT_MAX)) {
                (void)snprintf(buf, size, "%s", row->unset_text);
                return buf;
        }
        switch (row->type) {
        case TQ_TYPE_CORES:
                (void)snprintf(buf, size, "%" PRIu64 " %d", v / (1000000 / TQ_CPU_PERIOD),
                               TQ_CPU_PERIOD);
                return buf;
        case TQ_TYPE_CPUSET:
                return tq_limits_format_cpus(l->cpus, buf, size);
        default:
                (void)snprintf(buf, size, "%s%" PRIu64, key == TQ_KEY_IO_WEIGHT ? "default " : "",
                               v);
                return buf;
        }
}

const char *tq_limits_io_name(const TqIoLimit *io, char *buf, size_t size) {
        (void)snprintf(buf, size, "%s@%s", tq_limits_keys[io->key].name, io->device);
        return buf;
}
