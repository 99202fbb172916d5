/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "ctl/ctl.h"
#include "ctl/measure.h"
#include "ctl/table.h"
#include "ctl/verbs.h"

#define ANY_COLUMNS  "job,tenant,queue,name,state,wait_reason,wait_usec,run_usec,cpu_usec"
#define LIVE_COLUMNS ANY_COLUMNS ",memory_bytes"
#define COLUMNS      ANY_COLUMNS ",memory_peak_bytes,verdict"

/* Where a list goes on. */
typedef struct Ask {
        const char *tenant;
        bool all;
} Ask;

static int ask_jobs(Call *c, void *userdata, uint64_t from, uint32_t rows) {
        const Ask *a = userdata;

        return sd_bus_message_append(c->request, "sbtu", a->tenant, (int)a->all, from, rows);
}

static int ask_active(Call *c, void *userdata, uint64_t from, uint32_t rows) {
        const Ask *a = userdata;

        return sd_bus_message_append(c->request, "stu", a->tenant, from, rows);
}

/* What runs, however old it is, then the newest of what waits. */
static int list_live(const Options *o, Ask *ask, TqTable *ret) {
        TQ_TABLE_CLEANUP TqTable live = {};
        int r;

        r = call_pages(o, "ListActive", ask_active, ask, o->rows, ret);
        if (r != 0 || ret->n_rows >= o->rows)
                return r;
        r = call_pages(o, "ListJobs", ask_jobs, ask, o->rows, &live);
        if (r != 0)
                return r;
        return tq_table_merge(ret, &live, "job", o->rows) < 0
                       ? fail(TQ_EXIT_FAILURE, "out of memory")
                       : 0;
}

int ps_list(const Options *o, const char *tenant, bool all, TqTable *ret) {
        Ask ask = { tenant, all };
        int r = all ? call_pages(o, "ListJobs", ask_jobs, &ask, o->rows, ret)
                    : list_live(o, &ask, ret);

        if (r == 0)
                measure_jobs(o, ret);
        return r;
}

int ps_print(const Options *o, const TqTable *t, bool all) {
        int r = 0;

        if (t->n_rows == 0)
                output_remark(o, all ? "no jobs"
                                     : "no jobs wait or run; -a shows those that have ended");
        else
                r = table_print(o, t, all ? COLUMNS : LIVE_COLUMNS);
        if (r == 0 && t->n_rows == o->rows)
                output_remark(o,
                              all ? "(the newest %zu; more with -n)"
                                  : "(those that run, and the newest that wait: %zu; more with -n)",
                              t->n_rows);
        return r;
}

int verb_ps(const Options *o, int argc, char *argv[]) {
        TQ_TABLE_CLEANUP TqTable t = {};
        int r;

        r = ps_list(o, argc > 0 ? argv[0] : o->tenant ? o->tenant : "", o->all, &t);
        if (r != 0)
                return r;
        if (!o->json)
                return ps_print(o, &t, o->all);
        output_json(&t, "tenantq.jobs.v1", "jobs");
        return 0;
}
