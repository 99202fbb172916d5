/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "base/format.h"
#include "base/fs.h"
#include "base/parse.h"
#include "conf/policyfile.h"
#include "ctl/simulate.h"
#include "ctl/table.h"
#include "ctl/verbs.h"

/* tenantqctl simulate: loads a workload, runs it once as it is and, where --set changes something,
 * once more, and shows both. */

#define FILE_MAX (UINT64_C(4) << 30)

static int read_input(const char *name, TqBuffer *ret) {
        int r = input_read(name, FILE_MAX, ret);

        return r < 0 ? fail(TQ_EXIT_FAILURE, "%s: %s", name, strerror(-r)) : 0;
}

static int invalid(const char *file, TqError *err) {
        char text[1024];

        tq_error_set_file(err, file);
        return fail(TQ_EXIT_INVALID, "%s", tq_error_format(err, text, sizeof(text)));
}

static int load_swf(const Options *o, TqWorkload *w) {
        TQ_BUFFER_CLEANUP TqBuffer data = {};
        TqError err = {};
        size_t skipped;
        int r;

        r = read_input(o->swf, &data);
        if (r != 0)
                return r;
        if (tq_workload_parse_swf(w, tq_buffer_string(&data), data.size, &skipped, &err) < 0)
                return invalid(o->swf, &err);
        if (skipped > 0)
                (void)fprintf(stderr, "tenantqctl: %s: %zu jobs without a run time are left out\n",
                              o->swf, skipped);
        return 0;
}

static int load_file(const Options *o, const char *name, bool may_submit, TqWorkload *w) {
        TQ_BUFFER_CLEANUP TqBuffer data = {};
        TqError err = {};
        int r;

        r = read_input(name, &data);
        if (r != 0)
                return r;
        return tq_workload_parse(w, tq_buffer_string(&data), data.size, may_submit, o->seed, &err) <
                               0
                       ? invalid(name, &err)
                       : 0;
}

static int load(const Options *o, TqWorkload *w) {
        int sources = (o->swf != NULL) + (o->workload != NULL) + (o->since != NULL), r;

        if (sources != 1)
                return fail(TQ_EXIT_USAGE,
                            "expected one of --swf FILE, --workload FILE and --since TIME");
        if (o->tenant && !o->since)
                return fail(TQ_EXIT_USAGE, "-t chooses from the history: expected --since TIME");
        r = o->swf        ? load_swf(o, w)
            : o->workload ? load_file(o, o->workload, true, w)
                          : history_load(o, w);
        if (r == 0 && o->tenants)
                r = load_file(o, o->tenants, false, w);
        if (r == 0 && o->slots > 0)
                w->host.max_jobs = o->slots;
        if (r == 0 && w->n_jobs == 0)
                r = fail(TQ_EXIT_INVALID, "there is no job in the workload");
        return r;
}

static int run(const TqWorkload *w, Run *ret) {
        TqHostPolicy host = w->host;
        TqError err = {};
        char text[1024];

        ret->slots = w->host.max_jobs;
        if (tq_policyfile_complete(&host, &err) < 0 ||
            tq_sim_run(w, ret->policy, &ret->report, &err) < 0)
                return fail(TQ_EXIT_INVALID, "%s", tq_error_format(&err, text, sizeof(text)));
        return 0;
}

static int change(const Options *o, TqWorkload *w) {
        TqError err = {};
        char text[1024];

        for (size_t i = 0; i < o->assignments.n; i++)
                if (tq_workload_set(w, o->assignments.items[i], &err) < 0)
                        return fail(TQ_EXIT_INVALID, "--set %s: %s", o->assignments.items[i],
                                    tq_error_format(&err, text, sizeof(text)));
        return 0;
}

/* Output -------------------------------------------------------------------------------------- */

/* null: nobody competed for long enough to be judged. */
static void print_json_error(const TqWorkload *w, const TqSimReport *r) {
        if (r->share_error_tenant == TQ_SIM_NOBODY) {
                (void)fputs("\"share_error_max\":null,\"share_error_tenant\":null", stdout);
                return;
        }
        (void)printf("\"share_error_max\":%.6f,\"share_error_tenant\":", r->share_error_max);
        output_json_string(w->tenants[r->share_error_tenant].name);
}

static void print_json_report(const TqWorkload *w, const Run *run) {
        const TqSimReport *r = &run->report;

        (void)printf("\"policy\":\"%s\",\"slots\":%" PRIu64 ",\"jobs\":%" PRIu64
                     ",\"makespan_s\":%.6f,\"jain\":%.6f,\"jain_weighted\":%.6f,",
                     tq_policy_to_string(run->policy), run->slots, r->jobs, r->makespan_s, r->jain,
                     r->jain_weighted);
        print_json_error(w, r);
        (void)printf(",\"idle_while_eligible_s\":%.6f,\"decisions\":%" PRIu64
                     ",\"decision_ns_median\":%.0f,\n\"tenants\":[",
                     r->idle_while_eligible_s, r->decisions, r->decision_ns_median);
        for (size_t i = 0; i < r->n_tenants; i++) {
                const TqSimResult *t = &r->tenants[i];

                (void)fputs(i > 0 ? ",\n{\"tenant\":" : "\n{\"tenant\":", stdout);
                output_json_string(w->tenants[t->tenant].name);
                (void)printf(",\"jobs\":%" PRIu64 ",\"refused\":%" PRIu64
                             ",\"wait_p50_s\":%.6f,\"wait_p95_s\":%.6f,\"wait_p99_s\":%.6f,"
                             "\"slowdown_mean\":%.6f,\"slowdown_p99\":%.6f,\"use\":%.6f,"
                             "\"share\":%.6f,\"entitlement\":%.6f}",
                             t->jobs, t->refused, t->wait_p50_s, t->wait_p95_s, t->wait_p99_s,
                             t->slowdown_mean, t->slowdown_p99, t->use, t->share, t->entitlement);
        }
        (void)fputs("]", stdout);
}

static void print_json(const TqWorkload *w, const Run *before, const Run *after) {
        (void)fputs("{\"schema\":\"tenantq.simulate.v1\",", stdout);
        print_json_report(w, after);
        if (before) {
                (void)fputs(",\n\"before\":{", stdout);
                print_json_report(w, before);
                (void)fputs("}", stdout);
        }
        (void)puts("}");
}

static const char *const columns[] = { "tenant",        "jobs",          "refused",
                                       "wait_p50_usec", "wait_p95_usec", "wait_p99_usec",
                                       "slowdown_mean", "slowdown_p99",  "share",
                                       "entitlement" };
static int set_number(TqTable *t, size_t column, double v) {
        char text[32];

        (void)snprintf(text, sizeof(text), "%.2f", v);
        return tq_table_set_text(t, column, text);
}

static int set_percent(TqTable *t, size_t column, double v) {
        char text[32];

        (void)snprintf(text, sizeof(text), "%.1f%%", v * 100);
        return tq_table_set_text(t, column, text);
}

static int add_row(TqTable *table, const char *name, const TqSimResult *t) {
        int r = tq_table_add_row(table);

        if (r >= 0)
                r = tq_table_set_text(table, 0, name);
        if (r < 0)
                return r;
        tq_table_set_integer(table, 1, (int64_t)t->jobs);
        tq_table_set_integer(table, 2, (int64_t)t->refused);
        tq_table_set_integer(table, 3, (int64_t)(t->wait_p50_s * 1e6));
        tq_table_set_integer(table, 4, (int64_t)(t->wait_p95_s * 1e6));
        tq_table_set_integer(table, 5, (int64_t)(t->wait_p99_s * 1e6));
        r = set_number(table, 6, t->slowdown_mean);
        if (r >= 0)
                r = set_number(table, 7, t->slowdown_p99);
        if (r >= 0)
                r = set_percent(table, 8, t->share);
        return r < 0 ? r : set_percent(table, 9, t->entitlement);
}

static void print_fairness(const TqWorkload *w, const TqSimReport *r) {
        (void)printf("Jain's index weighted by entitlement %.4f", r->jain_weighted);
        if (r->share_error_tenant != TQ_SIM_NOBODY)
                (void)printf(", largest share error %.1f%% (%s)", r->share_error_max * 100,
                             w->tenants[r->share_error_tenant].name);
        (void)putchar('\n');
}

static int print_report(const Options *o, const char *title, const TqWorkload *w, const Run *run) {
        const TqSimReport *report = &run->report;
        TQ_TABLE_CLEANUP TqTable table = {};
        char makespan[TQ_FORMAT_MAX];
        uint64_t never = 0;
        int r;

        r = tq_table_add_columns(&table, columns, TQ_ELEMENTSOF(columns));
        for (size_t i = 0; r >= 0 && i < report->n_tenants; i++)
                r = add_row(&table, w->tenants[report->tenants[i].tenant].name,
                            &report->tenants[i]);
        if (r < 0)
                return fail(TQ_EXIT_FAILURE, "%s", strerror(-r));
        (void)printf("%s%" PRIu64 " jobs of %zu tenants on %" PRIu64 " slots, policy %s: done in "
                     "%s, Jain's index %.4f, decision %.2f us\n",
                     title, report->jobs, report->n_tenants, run->slots,
                     tq_policy_to_string(run->policy),
                     tq_format_span_short((uint64_t)(report->makespan_s * 1e6), makespan,
                                          sizeof(makespan)),
                     report->jain, report->decision_ns_median / 1e3);
        print_fairness(w, report);
        (void)putchar('\n');
        r = table_print(o, &table, NULL);
        for (size_t i = 0; i < report->n_tenants; i++)
                never += report->tenants[i].jobs - report->tenants[i].refused -
                         report->tenants[i].started;
        if (never > 0)
                (void)printf("\n%" PRIu64 " jobs never started: their limits do not let them\n",
                             never);
        if (report->idle_while_eligible_s > 0)
                (void)printf("\nslots were idle for %.3f s while a job could have run\n",
                             report->idle_while_eligible_s);
        return r;
}

static int show(const Options *o, const TqWorkload *w, const Run *before, const Run *after) {
        int r = 0;

        if (o->json) {
                print_json(w, before, after);
                return 0;
        }
        if (before) {
                r = print_report(o, "before: ", w, before);
                (void)putchar('\n');
        }
        return r != 0 ? r : print_report(o, before ? "after: " : "", w, after);
}

static int simulate(const Options *o, TqWorkload *w, TqPolicy policy) {
        Run before = { .policy = policy }, after = { .policy = policy };
        bool has_before = o->assignments.n > 0;
        int r = 0;

        if (has_before)
                r = run(w, &before);
        if (r == 0)
                r = change(o, w);
        if (r == 0)
                r = run(w, &after);
        if (r == 0)
                r = show(o, w, has_before ? &before : NULL, &after);
        if (r == 0 && o->svg)
                r = chart_write(o->svg, w, has_before ? &before : NULL, &after);
        tq_sim_report_done(&before.report);
        tq_sim_report_done(&after.report);
        return r;
}

int verb_simulate(const Options *o, int argc, char *argv[]) {
        TqPolicy policy = o->policy ? tq_policy_from_string(o->policy) : TQ_POLICY_FAIR;
        TqWorkload w;
        int r;

        (void)argc;
        (void)argv;
        if (policy < 0)
                return fail(TQ_EXIT_USAGE, "--policy: \"%s\": expected fair, round-robin or fifo",
                            o->policy);
        tq_workload_init(&w);
        r = load(o, &w);
        if (r == 0)
                r = simulate(o, &w, policy);
        tq_workload_done(&w);
        return r;
}
