/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/measure.h"

#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "core/verdict.h"
#include "ctl/ctl.h"
#include "kernel/cgroup.h"

/* What runs is measured where the kernel counts it: the daemon says where a tenant's slice is, and
 * everybody may read there. So to look on costs the daemons nothing, however often it is done, and
 * needs no privilege. A leaf is found by two numbers below a directory that is held open; a job
 * that has ended meanwhile has none any more, and what it used is unknown until it is asked again.
 */

int measure_open(const TqTable *tenants, size_t row) {
        const char *path = tq_table_text(tenants, row, "cgroup");

        return path ? tq_cgroup_open(path, &(TqError){}) : -ENOENT;
}

static int open_slice(const TqTable *tenants, const char *name) {
        for (size_t row = 0; name && row < tenants->n_rows; row++)
                if (strcmp(tq_table_text(tenants, row, "tenant"), name) == 0)
                        return measure_open(tenants, row);
        return -ENOENT;
}

static void set(TqTable *t, size_t row, const char *column, uint64_t value) {
        ssize_t i = tq_table_find(t, column);

        if (i >= 0 && value <= INT64_MAX)
                tq_table_put_integer(t, row, (size_t)i, (int64_t)value);
}

static void measure(TqTable *jobs, size_t row, const TqTable *tenants) {
        TQ_CLOSE int slice_fd = open_slice(tenants, tq_table_text(jobs, row, "tenant"));
        TQ_CLOSE int fd = -EBADF;
        TqCounters c;
        char name[64];

        if (slice_fd < 0)
                return;
        fd = tq_fs_open_dir(slice_fd,
                            tq_cgroup_leaf_name((uint64_t)tq_table_integer(jobs, row, "job", 0),
                                                (unsigned)tq_table_integer(jobs, row, "attempt", 0),
                                                name, sizeof(name)));
        if (fd < 0)
                return;
        (void)tq_cgroup_counters(fd, ~0U, &c);
        set(jobs, row, "cpu_usec", c.cpu_usec);
        set(jobs, row, "memory_bytes", tq_cgroup_read_number(fd, "memory.current"));
        set(jobs, row, "memory_peak_bytes", c.memory_peak_bytes);
        set(jobs, row, "oom_kills", c.oom_kills);
        set(jobs, row, "io_read_bytes", c.io_read_bytes);
        set(jobs, row, "io_write_bytes", c.io_write_bytes);
        set(jobs, row, "pids_peak", c.pids_peak);
        set(jobs, row, "pids_denied", c.pids_denied);
}

static bool runs(const TqTable *jobs, size_t row) {
        const char *state = tq_table_text(jobs, row, "state");

        return state && (strcmp(state, "running") == 0 || strcmp(state, "stopping") == 0);
}

/* Of one that has not started yet; what its start had to wait for is not its waiting. */
static bool waits(const TqTable *jobs, size_t row) {
        const char *state = tq_table_text(jobs, row, "state");

        return state && !runs(jobs, row) && strcmp(state, "done") != 0 &&
               strcmp(state, "ending") != 0 && tq_table_integer(jobs, row, "wait_usec", -1) < 0;
}

static uint64_t since_of(const TqTable *jobs, size_t row) {
        return (uint64_t)TQ_MAX(tq_table_integer(jobs, row, "submitted_usec", 0),
                                tq_table_integer(jobs, row, "start_after_usec", 0));
}

void measure_jobs(const Options *o, TqTable *jobs) {
        TQ_TABLE_CLEANUP TqTable tenants = {};
        uint64_t now = tq_clock_realtime_usec();
        bool is_any = false;

        for (size_t row = 0; row < jobs->n_rows; row++) {
                is_any |= runs(jobs, row);
                if (waits(jobs, row))
                        set(jobs, row, "wait_usec", tq_sub_u64(now, since_of(jobs, row)));
        }
        if (!is_any || !call_quietly(o, "ListTenants", &tenants))
                return;
        for (size_t row = 0; row < jobs->n_rows; row++) {
                int64_t since = tq_table_integer(jobs, row, "released_usec", -1);

                if (!runs(jobs, row))
                        continue;
                if (since >= 0)
                        set(jobs, row, "run_usec", tq_sub_u64(now, (uint64_t)since));
                measure(jobs, row, &tenants);
        }
}
