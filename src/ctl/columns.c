/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/columns.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/format.h"

static const Column columns[] = {
        /* Jobs. */
        { "job", "Job", FORMAT_TEXT },
        { "name", "Name", FORMAT_NAME },
        { "tenant", "Tenant", FORMAT_NAME },
        { "queue", "Queue", FORMAT_NAME },
        { "state", "State", FORMAT_TEXT },
        { "wait_reason", "Waits for", FORMAT_TEXT },
        { "verdict", "Verdict", FORMAT_PROSE },
        { "outcome", "Outcome", FORMAT_TEXT },
        { "level", "Level", FORMAT_TEXT },
        { "stage", "Stage", FORMAT_TEXT },
        { "code", "Code", FORMAT_COUNT },
        { "stop", "Stopped by", FORMAT_TEXT },
        { "priority", "Priority", FORMAT_COUNT },
        { "attempt", "Attempt", FORMAT_COUNT },
        { "submitted_usec", "Submitted", FORMAT_TIME },
        { "start_after_usec", "Not before", FORMAT_TIME },
        { "deadline_usec", "Not after", FORMAT_TIME },
        { "after", "After", FORMAT_NAME },
        { "started_usec", "Started", FORMAT_TIME },
        { "ended_usec", "Ended", FORMAT_TIME },
        { "wait_usec", "Waited", FORMAT_SPAN },
        { "run_usec", "Ran", FORMAT_SPAN },
        { "cpu_usec", "CPU time", FORMAT_SPAN },
        { "memory_peak_bytes", "Memory peak", FORMAT_SIZE },
        { "oom_kills", "OOM kills", FORMAT_COUNT },
        { "io_read_bytes", "Read", FORMAT_SIZE },
        { "io_write_bytes", "Written", FORMAT_SIZE },
        { "pids_peak", "Processes peak", FORMAT_COUNT },
        { "pids_denied", "Forks refused", FORMAT_COUNT },
        { "dropped_bytes", "Output dropped", FORMAT_SIZE },
        { "silent", "Wrote no output", FORMAT_COUNT },
        { "failures", "Failures", FORMAT_COUNT },
        { "retry_usec", "Next attempt", FORMAT_TIME },
        { "dead", "Dead letter", FORMAT_COUNT },
        { "correlation_id", "Correlation", FORMAT_NAME },
        { "labels", "Labels", FORMAT_NAME },
        { "trace_parent", "Trace", FORMAT_NAME },
        { "key", "Key", FORMAT_NAME },
        { "submitter_uid", "Submitted by", FORMAT_TEXT },
        { "tenant_id", "Tenant's number", FORMAT_TEXT },
        /* Tenants. */
        { "uid", "UID", FORMAT_TEXT },
        { "user", "User", FORMAT_NAME },
        { "running", "Running", FORMAT_COUNT },
        { "waiting", "Waiting", FORMAT_COUNT },
        { "concurrency", "Concurrency", FORMAT_TEXT },
        { "fault", "Fault", FORMAT_PROSE },
        { "cpu_bar", "", FORMAT_TEXT },
        { "cpu_permille", "CPU", FORMAT_CORES },
        { "cpu_max_permille", "Of", FORMAT_CORES },
        { "throttled_permille", "Thr", FORMAT_SHARE },
        { "memory_bar", "", FORMAT_TEXT },
        { "memory_max_bytes", "Of", FORMAT_SIZE },
        { "pids", "Tasks", FORMAT_COUNT },
        { "cpu_pressure_permille", "P-cpu", FORMAT_SHARE },
        { "memory_pressure_permille", "P-mem", FORMAT_SHARE },
        { "io_pressure_permille", "P-io", FORMAT_SHARE },
        { "io_bytes_per_sec", "I/O /s", FORMAT_SIZE },
        { "io_read_bytes_per_sec", "Read /s", FORMAT_SIZE },
        { "io_write_bytes_per_sec", "Written /s", FORMAT_SIZE },
        /* Pools. */
        { "pool", "Pool", FORMAT_NAME },
        { "slots", "Slots", FORMAT_COUNT },
        { "lane_slots", "Lane", FORMAT_COUNT },
        { "reserved", "Reserved", FORMAT_COUNT },
        { "tenants", "Tenants", FORMAT_COUNT },
        { "memory_promised_bytes", "Promised", FORMAT_SIZE },
        { "memory_bytes", "Memory", FORMAT_SIZE },
        /* Limits. */
        { "limit", "Limit", FORMAT_TEXT },
        { "value", "Value", FORMAT_TEXT },
        { "source", "From", FORMAT_TEXT },
        { "kernel", "Kernel", FORMAT_PROSE },
        { "help", "Means", FORMAT_PROSE },
        { "old", "Before", FORMAT_TEXT },
        { "new", "Set to", FORMAT_TEXT },
        { "then", "Then", FORMAT_TEXT },
        { "now", "Now", FORMAT_TEXT },
        { "revision", "Revision", FORMAT_TEXT },
        { "until_usec", "Until", FORMAT_TIME },
        { "attribute", "File", FORMAT_TEXT },
        { "held", "Held", FORMAT_TEXT },
        { "wanted", "Should", FORMAT_TEXT },
        /* Queues. */
        { "reason", "Reason", FORMAT_TEXT },
        { "jobs", "Jobs", FORMAT_COUNT },
        /* Events. */
        { "event", "Number", FORMAT_TEXT },
        { "time_usec", "Time", FORMAT_TIME },
        { "kind", "Event", FORMAT_TEXT },
        { "text", "Text", FORMAT_PROSE },
        { "audit", "Row", FORMAT_TEXT },
        { "by", "By", FORMAT_NAME },
        { "why", "Why", FORMAT_PROSE },
        { "hash", "Hash", FORMAT_TEXT },
        { "login_uid", "Login", FORMAT_TEXT },
        { "session", "Session", FORMAT_TEXT },
        { "sudo_user", "Sudo", FORMAT_NAME },
        { "policy", "Policy", FORMAT_TEXT },
        /* Profiles. */
        { "profile", "Profile", FORMAT_TEXT },
        { "rank", "Rank", FORMAT_TEXT },
        { "otherwise", "Other calls", FORMAT_TEXT },
        { "directory", "From", FORMAT_TEXT },
        /* A simulation's tenants. */
        { "refused", "Refused", FORMAT_COUNT },
        { "wait_p50_usec", "Wait p50", FORMAT_SPAN },
        { "wait_p95_usec", "p95", FORMAT_SPAN },
        { "wait_p99_usec", "p99", FORMAT_SPAN },
        { "slowdown_mean", "Slowdown", FORMAT_COUNT },
        { "slowdown_p99", "p99", FORMAT_COUNT },
        { "share", "Share", FORMAT_COUNT },
        { "entitlement", "Entitled", FORMAT_COUNT },
};

Column columns_get(const char *name) {
        for (size_t i = 0; i < TQ_ELEMENTSOF(columns); i++)
                if (strcmp(columns[i].name, name) == 0)
                        return columns[i];
        return (Column){ name, name, FORMAT_TEXT };
}

const char *columns_format(Format format, const TqCell *cell, char *buf) {
        uint64_t v = (uint64_t)cell->integer;

        if (cell->type == TQ_CELL_NULL)
                (void)snprintf(buf, CELL_MAX, "-");
        else if (cell->type == TQ_CELL_TEXT)
                (void)tq_format_shown(cell->text, buf, CELL_MAX);
        else if (format == FORMAT_TIME)
                (void)tq_format_timestamp(v, buf, CELL_MAX);
        else if (format == FORMAT_SPAN)
                (void)tq_format_span_short(v, buf, CELL_MAX);
        else if (format == FORMAT_SIZE)
                (void)tq_format_size_short(v, buf, CELL_MAX);
        else if (format == FORMAT_SHARE)
                (void)snprintf(buf, CELL_MAX, "%" PRIu64 ".%u%%", v / 10, (unsigned)(v % 10));
        else if (format == FORMAT_CORES)
                (void)snprintf(buf, CELL_MAX, "%" PRIu64 ".%02u", (v + 5) / 1000,
                               (unsigned)((v + 5) % 1000 / 10));
        else
                (void)snprintf(buf, CELL_MAX, "%" PRIi64, cell->integer);
        return buf;
}
