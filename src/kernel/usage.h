/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/util.h"

/* What a cgroup uses at this moment and has used since it is there, for whoever looks on: the files
 * are readable by all. TQ_UNKNOWN where this kernel or hierarchy does not count it. */

typedef enum TqPressure {
        TQ_PRESSURE_CPU,
        TQ_PRESSURE_MEMORY,
        TQ_PRESSURE_IO,
        _TQ_PRESSURE_MAX
} TqPressure;

typedef struct TqUsage {
        uint64_t cpu_usec;
        uint64_t cpu_max_permille;           /* of one processor; TQ_UNKNOWN also: no bound */
        uint64_t periods, throttled_periods; /* of its own bound (cpu.stat) */
        uint64_t memory_bytes;
        uint64_t memory_max_bytes; /* TQ_UNKNOWN also: no bound */
        uint64_t oom_kills;
        uint64_t io_read_bytes, io_write_bytes;
        uint64_t pids;
        /* Of the last ten seconds, those in which something waited for it ("some"). */
        uint64_t pressure_permille[_TQ_PRESSURE_MAX];
} TqUsage;

/* fd: of the cgroup's directory. What vanishes meanwhile is unknown. */
void tq_usage_read(int fd, TqUsage *ret);
