/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "ctl/ctl.h"
#include "ctl/filter.h"
#include "ctl/measure.h"
#include "ctl/table.h"
#include "ctl/verbs.h"

#define ANY_COLUMNS "job,tenant,queue,name,state,wait_reason,??wait_usec,??run_usec,?cpu_usec"

static const char live_columns[] = ANY_COLUMNS ",?memory_bytes";
static const char all_columns[] = ANY_COLUMNS ",?memory_peak_bytes,verdict";
static const char ended_columns[] = "job,tenant,queue,name,ended_usec,??wait_usec,?run_usec,"
                                    "??cpu_usec,??memory_peak_bytes,verdict";

/* A list is put together of what is asked one after the other: each job is taken where it is met
 * first. */
typedef struct JobList {
        const char *tenant;
        Filters filters;
        bool all;
        bool ended_only; /* of what is asked now */
        TqTable *rows;
} JobList;

static int ask_jobs(Call *c, void *userdata, uint64_t from, uint32_t rows) {
        const JobList *l = userdata;

        return sd_bus_message_append(c->request, "sbtu", l->tenant, (int)l->ended_only, from, rows);
}

static int ask_live(Call *c, void *userdata, uint64_t from, uint32_t rows) {
        const JobList *l = userdata;

        return sd_bus_message_append(c->request, "stu", l->tenant, from, rows);
}

static bool has_ended(const TqTable *t, size_t row) {
        const char *state = tq_table_text(t, row, "state");

        return state && (strcmp(state, "done") == 0 || strcmp(state, "ending") == 0);
}

static bool has_job(const TqTable *t, int64_t job) {
        ssize_t column = tq_table_find(t, "job");

        for (size_t row = 0; row < t->n_rows; row++)
                if (tq_table_cell(t, row, (size_t)column)->integer == job)
                        return true;
        return false;
}

static bool keep(void *userdata, const TqTable *page, size_t row) {
        const JobList *l = userdata;

        return (!l->ended_only || has_ended(page, row)) && filters_keep(&l->filters, page, row) &&
               !has_job(l->rows, tq_table_integer(page, row, "job", 0));
}

/* What runs, however old it is, what waits in the order of its turn, then what waits for something
 * else and, if asked for, what has ended, both the newest first. */
static int list(const Options *o, JobList *l) {
        static const struct {
                const char *method;
                CallAsk ask;
                bool ended;
        } parts[] = {
                { "ListActive", ask_live, false },
                { "ListQueued", ask_live, false },
                { "ListJobs", ask_jobs, false },
                { "ListJobs", ask_jobs, true },
        };
        int r = 0;

        for (size_t i = 0; r == 0 && i < TQ_ELEMENTSOF(parts); i++) {
                if (parts[i].ended ? !l->all : l->filters.skip_live)
                        continue;
                if (l->rows->n_rows >= o->rows)
                        break;
                l->ended_only = parts[i].ended;
                r = call_pages_of(o, parts[i].method, parts[i].ask, keep, l, o->rows, l->rows);
        }
        if (r == 0)
                measure_jobs(o, l->rows);
        return r;
}

int ps_list(const Options *o, const char *tenant, bool all, TqTable *ret) {
        return list(o, &(JobList){ .tenant = tenant, .all = all, .rows = ret });
}

static int print(const Options *o, const TqTable *t, const char *columns, bool is_filtered) {
        int r = 0;

        if (t->n_rows == 0)
                output_remark(o, is_filtered ? "no such jobs"
                                 : columns == live_columns
                                         ? "no jobs wait or run; -a shows those that have ended"
                                         : "no jobs");
        else
                r = table_print(o, t, columns);
        if (r == 0 && t->n_rows == o->rows)
                output_remark(o, "(the first %zu; more with -n)", t->n_rows);
        return r;
}

int ps_print(const Options *o, const TqTable *t, bool all) {
        return print(o, t, all ? all_columns : live_columns, false);
}

int verb_ps(const Options *o, int argc, char *argv[]) {
        JobList l = { .tenant = argc > 0 ? argv[0] : o->tenant ? o->tenant : "" };
        TQ_TABLE_CLEANUP TqTable t = {};
        int r = filters_read(o, &l.filters);

        l.rows = &t;
        l.all = o->all || l.filters.ask_ended;
        if (r == 0)
                r = list(o, &l);
        if (r == 0 && !o->json)
                r = print(o, &t,
                          l.filters.skip_live ? ended_columns
                          : l.all             ? all_columns
                                              : live_columns,
                          l.filters.n > 0);
        else if (r == 0)
                output_json(&t, "tenantq.jobs.v1", "jobs");
        filters_done(&l.filters);
        return r;
}
