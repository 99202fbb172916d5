/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/format.h"
#include "base/parse.h"
#include "ctl/ctl.h"

static const Column columns[] = {
        { "job", "Job", FORMAT_TEXT },
        { "name", "Name", FORMAT_TEXT },
        { "tenant", "Tenant", FORMAT_TEXT },
        { "queue", "Queue", FORMAT_TEXT },
        { "state", "State", FORMAT_TEXT },
        { "wait_reason", "Waits for", FORMAT_TEXT },
        { "verdict", "Verdict", FORMAT_TEXT },
        { "stop", "Stopped by", FORMAT_TEXT },
        { "priority", "Priority", FORMAT_TEXT },
        { "attempt", "Attempt", FORMAT_TEXT },
        { "submitted_usec", "Submitted", FORMAT_TIME },
        { "start_after_usec", "Not before", FORMAT_TIME },
        { "started_usec", "Started", FORMAT_TIME },
        { "ended_usec", "Ended", FORMAT_TIME },
        { "wait_usec", "Waited", FORMAT_SPAN },
        { "run_usec", "Ran", FORMAT_SPAN },
        { "cpu_usec", "CPU time", FORMAT_SPAN },
        { "memory_peak_bytes", "Memory peak", FORMAT_SIZE },
        { "oom_kills", "OOM kills", FORMAT_TEXT },
        { "io_read_bytes", "Read", FORMAT_SIZE },
        { "io_write_bytes", "Written", FORMAT_SIZE },
        { "pids_peak", "Processes peak", FORMAT_TEXT },
        { "pids_denied", "Forks refused", FORMAT_TEXT },
        { "dropped_bytes", "Output dropped", FORMAT_SIZE },
        { "correlation_id", "Correlation", FORMAT_TEXT },
        { "labels", "Labels", FORMAT_TEXT },
        { "submitter_uid", "Submitted by", FORMAT_TEXT },
};

static void print_file(const char *spec) {
        char shown[1024], line[512];

        if (!spec)
                return;
        (void)puts("\nJob file:");
        while (*spec) {
                size_t n = strcspn(spec, "\n");

                (void)snprintf(line, sizeof(line), "%.*s", (int)TQ_MIN(n, sizeof(line) - 1), spec);
                (void)printf("  %s\n", tq_format_escape(line, shown, sizeof(shown)));
                spec += n + (spec[n] == '\n');
        }
}

static int show_job(const Options *o, uint64_t job) {
        TQ_TABLE_CLEANUP TqTable t = {};
        CALL_CLEANUP Call c = {};
        int r;

        r = call_open(o, &c, "GetJob");
        if (r != 0)
                return r;
        (void)sd_bus_message_append(c.request, "t", job);
        r = call_table(&c, &t);
        if (r != 0)
                return r;
        if (o->json) {
                output_json(&t, "tenantq.jobs.v1", "jobs");
                return 0;
        }
        output_record(&t, 0, columns, TQ_ELEMENTSOF(columns));
        print_file(tq_table_text(&t, 0, "spec"));
        return 0;
}

/* A number is a job, anything else a tenant. */
int verb_status(const Options *o, int argc, char *argv[]) {
        Options in_short = *o;
        uint64_t job;
        int r;

        if (argc > 0 && tq_parse_u64(argv[0], &job) >= 0)
                return show_job(o, job);
        if (argc == 0) {
                r = verb_tenants(o, 0, NULL);
                if (r == 0 && !o->json)
                        (void)putchar('\n');
                return r != 0 || o->json ? r : verb_ps(o, 0, NULL);
        }
        if (o->json) {
                in_short.all = true;
                return verb_ps(&in_short, 1, argv);
        }
        r = verb_limits(o, 2, (char *[]){ (char *)"get", argv[0] });
        if (r != 0)
                return r;
        (void)putchar('\n');
        in_short.all = true;
        in_short.rows = TQ_MIN(o->rows, (uint64_t)20);
        return verb_ps(&in_short, 1, argv);
}
