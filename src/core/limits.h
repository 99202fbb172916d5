/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/error.h"

/* The names of limits: one table for the command line, the tenant's file, the job file, the
 * kernel's attributes and the man pages (tenantq.conf(5) is compared with it). */
typedef enum TqKey {
        TQ_KEY_CPU,
        TQ_KEY_CPU_WEIGHT,
        TQ_KEY_CPU_BURST,
        TQ_KEY_CPUS,
        TQ_KEY_MEMORY,
        TQ_KEY_MEMORY_HIGH,
        TQ_KEY_MEMORY_LOW,
        TQ_KEY_SWAP,
        TQ_KEY_PIDS,
        TQ_KEY_IO_READ,
        TQ_KEY_IO_WRITE,
        TQ_KEY_IO_RIOPS,
        TQ_KEY_IO_WIOPS,
        TQ_KEY_IO_WEIGHT,
        TQ_KEY_CONCURRENCY,
        TQ_KEY_ENQUEUE_RATE,
        TQ_KEY_QUEUE_DEPTH,
        TQ_KEY_SCHEDULED_JOBS,
        TQ_KEY_SPOOL_BYTES,
        TQ_KEY_WEIGHT,
        TQ_KEY_RESERVED,
        TQ_KEY_RUNTIME,
        _TQ_KEY_MAX,
        _TQ_KEY_INVALID = -EINVAL,
} TqKey;

/* Where a key may stand. */
enum {
        TQ_SCOPE_TENANT = 1 << 0,
        TQ_SCOPE_QUEUE = 1 << 1,
        TQ_SCOPE_JOB = 1 << 2,
};

/* Units of TqLimits.value. */
typedef enum TqKeyType {
        TQ_TYPE_CORES,     /* millionths of a core */
        TQ_TYPE_WEIGHT,    /* 1 … 10000, as cpu.weight */
        TQ_TYPE_BYTES,     /* suffixes of 1024 */
        TQ_TYPE_BANDWIDTH, /* bytes per second, suffixes of 1000 */
        TQ_TYPE_IOPS,      /* operations per second, suffixes of 1000 */
        TQ_TYPE_COUNT,
        TQ_TYPE_SPAN,  /* microseconds */
        TQ_TYPE_RATE,  /* see tq_limits_rate(): events per hour × 4 + the unit it was written in */
        TQ_TYPE_SLOTS, /* see tq_limits_slots(): a number or a share */
        TQ_TYPE_CPUSET, /* not in value but in TqLimits.cpus */
} TqKeyType;

typedef struct TqKeyRow {
        const char *name;
        TqKeyType type;
        unsigned scopes;
        uint64_t min, max;
        uint64_t
                min_tenant; /* of a tenant, where it has to be larger than a job's; 0: it has not */
        const char *controller; /* NULL: the engine enforces it */
        const char *attribute;  /* file of the cgroup; NULL with a controller: composed (io.max) */
        const char *unset_text; /* what the attribute holds when nobody limits */
        bool has_max;           /* "max": unlimited is a value of it */
        bool is_cap;            /* smaller is tighter; a job may not exceed its tenant's */
        bool has_device;        /* NAME@DEVICE */
        bool has_effect;        /* false: known and refused or shown as "no effect yet" */
        const char *help;
} TqKeyRow;

extern const TqKeyRow tq_limits_keys[_TQ_KEY_MAX];

#define TQ_LIMIT_MAX  UINT64_MAX /* "max": unlimited; unset is a bit of TqLimits.set, zero is 0 */
#define TQ_CPUS_MAX   1024
#define TQ_IO_DEVICES 8
#define TQ_DEVICE_MAX 64
#define TQ_CPU_PERIOD 100000 /* usec: the period of cpu.max */
#define TQ_VALUE_MAX  256    /* bytes of a formatted value */

typedef struct TqIoLimit {
        uint32_t key; /* TqKey */
        char device[TQ_DEVICE_MAX];
        uint64_t value;
} TqIoLimit;

/* One scope's limits. Plain data: copied, sent between processes and compared as bytes. */
typedef struct TqLimits {
        uint64_t set; /* bit TqKey: has a value here */
        uint64_t value[_TQ_KEY_MAX];
        uint64_t cpus[TQ_CPUS_MAX / 64];
        uint32_t n_io; /* limits with @device */
        TqIoLimit io[TQ_IO_DEVICES];
} TqLimits;

static inline bool tq_limits_has(const TqLimits *l, TqKey key) {
        return (l->set & (UINT64_C(1) << key)) != 0;
}

/* The value, or fallback when unset. */
static inline uint64_t tq_limits_get(const TqLimits *l, TqKey key, uint64_t fallback) {
        return tq_limits_has(l, key) ? l->value[key] : fallback;
}

/* A rate as the number N of N/s, N/min or N/h, and that period in microseconds. */
uint64_t tq_limits_rate(uint64_t value, uint64_t *ret_period_usec);
/* The same with n jobs, at most as many as it has. */
uint64_t tq_limits_rate_with(uint64_t value, uint64_t n);

#define TQ_SHARE (UINT64_C(1) << 32) /* of a TQ_TYPE_SLOTS: the rest is hundredths of a percent */
/* A number of slots: as it is, or its share (0 … 100 %, rounded up) of total. */
uint64_t tq_limits_slots(uint64_t value, uint64_t total);
int tq_limits_parse_slots(const char *s, uint64_t *ret);
const char *tq_limits_format_slots(uint64_t value, char *buf, size_t size);

/* Whether a struct that came from another process is well-formed (bounded counts, terminated
 * strings, values in range). */
bool tq_limits_is_sane(const TqLimits *l);

/* Finds a key by its name or by systemd's (CPUQuota, MemoryMax, …), without @device.
 * Returns _TQ_KEY_INVALID if there is none. */
TqKey tq_limits_find(const char *name);

/* The name nearest to an unknown one, or NULL. */
const char *tq_limits_nearest(const char *name);

/* Parses NAME[@DEVICE] and VALUE into l. scope is one TQ_SCOPE_*; line is for the error only. With
 * allow_inert keys without effect are stored too. -EBADMSG with err; l is changed only on success.
 */
int tq_limits_set(TqLimits *l, const char *name, const char *value, unsigned scope,
                  bool allow_inert, unsigned line, TqError *err);

/* Removes NAME[@DEVICE]. -EBADMSG with err if the name is not one. */
int tq_limits_unset(TqLimits *l, const char *name, TqError *err);

/* What stands in `over` replaces what stands in `base`. 0; -E2BIG: together more than TQ_IO_DEVICES
 * limits with @device; base is then not what was asked for, and not to be used. */
int tq_limits_overlay(TqLimits *base, const TqLimits *over);

/* Lowers each cap of l to that of ceiling, also where l leaves it unset; likewise the CPUs. 0,
 * -E2BIG as above. */
int tq_limits_clamp(TqLimits *l, const TqLimits *ceiling);

/* Whether every cap set in l is at most that of outer; else -EBADMSG with err naming the key, the
 * value asked and the value allowed (whose: "tenant acme", "[ceilings]"). */
int tq_limits_check_within(const TqLimits *l, const TqLimits *outer, const char *whose,
                           TqError *err);

/* The value as text that parses back; "unset" if it isn't set. Returns buf. */
const char *tq_limits_format(const TqLimits *l, TqKey key, char *buf, size_t size);
/* One value of a key's type. Parsing: -EINVAL, -ERANGE. */
int tq_limits_parse_value(TqKeyType type, const char *s, uint64_t *ret);
/* "50%" of one CPU, in the unit of TQ_TYPE_CORES. */
int tq_limits_parse_percent(const char *s, uint64_t *ret);
/* What a value of that type looks like, for an error's text. */
const char *tq_limits_expected(TqKeyType type);
const char *tq_limits_format_value(TqKey key, uint64_t value, char *buf, size_t size);

/* CPUs as "0-3,8": the table's own syntax, for what is no limit. */
int tq_limits_parse_cpus(const char *s, uint64_t ret_bits[TQ_CPUS_MAX / 64]);
const char *tq_limits_format_cpus(const uint64_t bits[TQ_CPUS_MAX / 64], char *buf, size_t size);

/* What to write into the cgroup attribute of a key that has one: the value, or unset_text. */
const char *tq_limits_attribute(const TqLimits *l, TqKey key, char *buf, size_t size);

/* "io_write@/dev/vda" for a device entry, the row's name otherwise. */
const char *tq_limits_io_name(const TqIoLimit *io, char *buf, size_t size);
