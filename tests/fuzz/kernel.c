/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/verdict.h"
#include "fuzz.h"
#include "kernel/cgroup.h"
#include "kernel/usage.h"

/* What the kernel's files say, and what they don't: read from a directory in which each has these
 * bytes. */

static const char *const files[] = { "cpu.stat",    "cpu.max",         "memory.current",
                                     "memory.peak", "memory.events",   "memory.stat",
                                     "memory.max",  "io.stat",         "pids.current",
                                     "pids.peak",   "pids.events",     "cgroup.events",
                                     "io.pressure", "memory.pressure", "cpu.pressure" };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        TQ_FREE char *text = NULL;
        TqCounters counters;
        TqCgroupCpu cpu;
        TqUsage usage;
        uint64_t n;
        int fd;

        if (size < 1 || size > 8192)
                return 0;
        fd = fuzz_directory(files[data[0] % TQ_ELEMENTSOF(files)], data + 1, size - 1);
        tq_usage_read(fd, &usage);
        tq_cgroup_cpu(fd, &cpu);
        (void)tq_cgroup_counters(fd, ~0U, &counters);
        (void)tq_cgroup_memory_held(fd);
        (void)tq_cgroup_is_populated(fd);
        for (int i = 0; i < _TQ_PRESSURE_MAX; i++)
                FUZZ_ASSERT(usage.pressure_permille[i] <= 1000 ||
                            usage.pressure_permille[i] == TQ_UNKNOWN);
        text = fuzz_text(data + 1, size - 1);
        (void)tq_cgroup_find(text, "populated", &n);
        (void)tq_cgroup_sum_io(text, "rbytes=");
        (void)fuzz_directory(files[data[0] % TQ_ELEMENTSOF(files)], NULL, 0);
        return 0;
}
