/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernel/usage.h"

#include <string.h>

#include "base/fs.h"
#include "base/parse.h"
#include "kernel/cgroup.h"

/* Each file is read once: to sum up a cgroup's counters is work for the kernel. */

static uint64_t find(const char *text, const char *word) {
        uint64_t v;

        return tq_cgroup_find(text, word, &v) ? v : TQ_UNKNOWN;
}

/* "50000 100000": so much of each period. */
static uint64_t read_cpu_max(int fd) {
        char text[64], *period;
        uint64_t quota, length;

        (void)tq_fs_read_at(fd, "cpu.max", text, sizeof(text));
        text[strcspn(text, "\n")] = '\0';
        period = strchr(text, ' ');
        if (!period)
                return TQ_UNKNOWN;
        *period++ = '\0';
        if (tq_parse_u64_in(text, 0, UINT64_MAX / 1000, &quota) < 0 ||
            tq_parse_u64_in(period, 1, UINT64_MAX, &length) < 0)
                return TQ_UNKNOWN;
        return quota * 1000 / length;
}

/* "some avg10=12.34 avg60=…": per cent with two digits behind the point. */
#define HUNDRED_PERCENT 10000 /* in hundredths of one, as it is written */

static uint64_t read_pressure(int fd, const char *file) {
        static const char word[] = "some avg10=";
        char text[256];
        uint64_t v;

        if (tq_fs_read_at(fd, file, text, sizeof(text)) < 0 ||
            strncmp(text, word, strlen(word)) != 0)
                return TQ_UNKNOWN;
        text[strcspn(text + strlen(word), " ") + strlen(word)] = '\0';
        return tq_parse_decimal(text + strlen(word), 2, &v) < 0 || v > HUNDRED_PERCENT ? TQ_UNKNOWN
                                                                                       : v / 10;
}

void tq_usage_read(int fd, TqUsage *ret) {
        static const char *const pressures[_TQ_PRESSURE_MAX] = {
                [TQ_PRESSURE_CPU] = "cpu.pressure",
                [TQ_PRESSURE_MEMORY] = "memory.pressure",
                [TQ_PRESSURE_IO] = "io.pressure",
        };
        char text[8192];

        (void)tq_fs_read_at(fd, "cpu.stat", text, sizeof(text));
        ret->cpu_usec = find(text, "usage_usec");
        ret->periods = find(text, "nr_periods");
        ret->throttled_periods = find(text, "nr_throttled");
        ret->cpu_max_permille = read_cpu_max(fd);
        ret->memory_bytes = tq_cgroup_read_number(fd, "memory.current");
        ret->memory_max_bytes = tq_cgroup_read_number(fd, "memory.max");
        (void)tq_fs_read_at(fd, "memory.events", text, sizeof(text));
        ret->oom_kills = find(text, "oom_kill");
        ret->io_read_bytes = ret->io_write_bytes = TQ_UNKNOWN;
        if (tq_fs_read_at(fd, "io.stat", text, sizeof(text)) >= 0) {
                ret->io_read_bytes = tq_cgroup_sum_io(text, "rbytes=");
                ret->io_write_bytes = tq_cgroup_sum_io(text, "wbytes=");
        }
        ret->pids = tq_cgroup_read_number(fd, "pids.current");
        for (size_t i = 0; i < _TQ_PRESSURE_MAX; i++)
                ret->pressure_permille[i] = read_pressure(fd, pressures[i]);
}
