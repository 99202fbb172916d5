/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <string.h>

#include "base/format.h"
#include "base/parse.h"
#include "conf/jobfile.h"
#include "ctl/ctl.h"
#include "ctl/measure.h"
#include "ctl/table.h"
#include "ctl/verbs.h"

static const char *const columns[] = {
        "job",
        "name",
        "tenant",
        "queue",
        "state",
        "wait_reason",
        "verdict",
        "stop",
        "priority",
        "attempt",
        "submitted_usec",
        "start_after_usec",
        "deadline_usec",
        "after",
        "started_usec",
        "ended_usec",
        "wait_usec",
        "run_usec",
        "cpu_usec",
        "memory_bytes",
        "memory_peak_bytes",
        "oom_kills",
        "io_read_bytes",
        "io_write_bytes",
        "pids_peak",
        "pids_denied",
        "dropped_bytes",
        "correlation_id",
        "labels",
        "trace_parent",
        "submitter_uid",
        "retry_usec",
        "key",
};

#define ATTEMPT_COLUMNS "attempt,started_usec,run_usec,cpu_usec,memory_peak_bytes,verdict"

static void print_file(const char *spec) {
        char shown[1024], line[512];

        if (!spec)
                return;
        (void)puts("\nJob file:");
        while (*spec) {
                size_t n = strcspn(spec, "\n");

                (void)snprintf(line, sizeof(line), "%.*s", (int)TQ_MIN(n, sizeof(line) - 1), spec);
                (void)printf("  %s\n", tq_format_shown(line, shown, sizeof(shown)));
                spec += n + (spec[n] == '\n');
        }
}

/* Of a job that has not ended: the profile that it asks for, or its tenant's as it is now. */
static void print_profile(const Options *o, const TqTable *job) {
        const char *spec = tq_table_text(job, 0, "spec"), *tenant = tq_table_text(job, 0, "tenant");
        const char *state = tq_table_text(job, 0, "state"), *profile;
        TQ_TABLE_CLEANUP TqTable tenants = {};
        TqJobSpec parsed = {};

        if (!spec || !state || strcmp(state, "done") == 0)
                return;
        if (tq_jobfile_parse(spec, strlen(spec), &parsed, NULL, NULL, &(TqError){}) < 0)
                return;
        if (parsed.profile[0])
                (void)printf("\nProfile: %s, by its file\n", parsed.profile);
        else if (tenants_list(o, &tenants) == 0)
                for (size_t i = 0; i < tenants.n_rows; i++) {
                        profile = tq_table_text(&tenants, i, "profile");
                        if (profile && strcmp(tq_table_text(&tenants, i, "tenant"), tenant) == 0)
                                (void)printf("\nProfile: %s, its tenant's\n", profile);
                }
        tq_jobspec_done(&parsed);
}

/* Several tables as one object. */
static void print_json(const char *schema, const TqTable *const tables[], const char *const keys[],
                       size_t n) {
        (void)printf("{\"schema\":\"%s\"", schema);
        for (size_t i = 0; i < n; i++) {
                (void)putchar(',');
                output_json_rows(tables[i], keys[i]);
        }
        (void)puts("}");
}

int status_show_job(const Options *o, uint64_t job) {
        TQ_TABLE_CLEANUP TqTable t = {}, attempts = {};
        CALL_CLEANUP Call c = {};
        int r;

        r = call_open(o, &c, "GetJob");
        if (r != 0)
                return r;
        (void)sd_bus_message_append(c.request, "t", job);
        r = call_table(&c, &t);
        if (r == 0)
                r = call_again(&c, "ListAttempts");
        if (r == 0 && sd_bus_message_append(c.request, "t", job) >= 0)
                r = call_table(&c, &attempts);
        if (r != 0)
                return r;
        measure_jobs(o, &t);
        if (o->json) {
                print_json("tenantq.jobs.v1", (const TqTable *[]){ &t, &attempts },
                           (const char *[]){ "jobs", "attempts" }, 2);
                return 0;
        }
        output_record(&t, 0, columns, TQ_ELEMENTSOF(columns));
        if (tq_table_integer(&t, 0, "dead", 0) != 0)
                (void)printf("\nDead letter: tenantqctl dead retry %" PRIu64
                             " tries it again, dead purge takes it out of the list\n",
                             job);
        if (attempts.n_rows > 1) {
                (void)puts("\nAttempts:");
                r = table_print(o, &attempts, ATTEMPT_COLUMNS);
        }
        print_profile(o, &t);
        print_file(tq_table_text(&t, 0, "spec"));
        return r;
}

/* Byte for byte, for a program; a terminal is not to do what a tenant wrote. */
static int show_spec(const Options *o, uint64_t job) {
        TQ_TABLE_CLEANUP TqTable t = {};
        CALL_CLEANUP Call c = {};
        const char *spec;
        int r;

        r = call_open(o, &c, "GetJob");
        if (r != 0)
                return r;
        (void)sd_bus_message_append(c.request, "t", job);
        r = call_table(&c, &t);
        if (r != 0)
                return r;
        spec = tq_table_text(&t, 0, "spec");
        if (!spec)
                return fail(TQ_EXIT_FAILURE, "the daemon's answer has no job file");
        if (o->width > 0)
                (void)output_safe(stdout, spec, strlen(spec));
        else
                (void)fputs(spec, stdout);
        return 0;
}

#define POOL_COLUMNS                                                                               \
        "pool,state,slots,running,lane_slots,reserved,tenants,memory_promised_bytes,memory_bytes"

int pools_list(const Options *o, TqTable *ret) {
        CALL_CLEANUP Call c = {};
        int r;

        r = call_open(o, &c, "ListPools");
        return r != 0 ? r : call_table(&c, ret);
}

/* Everything in short: the host, tenants, then what waits or runs. */
static int show_all(const Options *o) {
        TQ_TABLE_CLEANUP TqTable pools = {}, tenants = {}, jobs = {};
        int r;

        r = pools_list(o, &pools);
        if (r == 0)
                r = tenants_list(o, &tenants);
        if (r == 0)
                r = ps_list(o, "", false, &jobs);
        if (r != 0)
                return r;
        if (o->json) {
                print_json("tenantq.status.v1", (const TqTable *[]){ &pools, &tenants, &jobs },
                           (const char *[]){ "pools", "tenants", "jobs" }, 3);
                return 0;
        }
        if (pools.n_rows > 0) {
                const char *fault = tq_table_text(&pools, 0, "fault");

                r = table_print(o, &pools, POOL_COLUMNS);
                if (fault)
                        (void)printf("\nNothing is taken or started: %s\n", fault);
                (void)putchar('\n');
        }
        if (r == 0)
                r = tenants_print(o, &tenants);
        (void)putchar('\n');
        return r != 0 ? r : ps_print(o, &jobs, false);
}

/* A tenant: its state and what is wrong, its limits and its newest jobs, ended ones too. */
static int show_tenant(const Options *o, const char *name) {
        TQ_TABLE_CLEANUP TqTable tenant = {}, limits = {}, jobs = {};
        Options in_short = *o;
        int r;

        in_short.rows = TQ_MIN(o->rows, (uint64_t)20);
        r = limits_list(o, name, &limits);
        if (r == 0)
                r = tenants_list(o, &tenant);
        tenants_keep(&tenant, name);
        if (r == 0)
                r = ps_list(&in_short, name, true, &jobs);
        if (r != 0)
                return r;
        if (o->json) {
                print_json("tenantq.tenant.v1", (const TqTable *[]){ &tenant, &limits, &jobs },
                           (const char *[]){ "tenants", "limits", "jobs" }, 3);
                return 0;
        }
        /* A former owner that has no jobs any more is not among the tenants. */
        if (tenant.n_rows > 0) {
                const char *profile = tq_table_text(&tenant, 0, "profile");

                r = tenants_print(o, &tenant);
                /* A former owner has no file. */
                if (profile && !strchr(name, '.'))
                        (void)printf("\nProfile: %s; tenants.d/%s.conf has what else is granted\n",
                                     profile, name);
                (void)putchar('\n');
        }
        if (r == 0)
                r = limits_print(o, &limits);
        (void)putchar('\n');
        return r != 0 ? r : ps_print(&in_short, &jobs, true);
}

/* A number is a job, anything else a tenant. */
int verb_status(const Options *o, int argc, char *argv[]) {
        uint64_t job = 0;
        bool is_one = argc > 0 && tq_parse_u64(argv[0], &job) >= 0;

        if (o->spec && (!is_one || o->json))
                return fail(TQ_EXIT_USAGE,
                            o->json ? "--spec prints the job file as it is: without --json"
                                    : "--spec: expected a job's number");
        if (o->spec)
                return show_spec(o, job);
        if (argc == 0)
                return show_all(o);
        return is_one ? status_show_job(o, job) : show_tenant(o, argv[0]);
}
