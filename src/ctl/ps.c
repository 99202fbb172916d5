/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "ctl/ctl.h"

static const Column columns[] = {
        { "job", "JOB", FORMAT_TEXT },          { "tenant", "TENANT", FORMAT_TEXT },
        { "queue", "QUEUE", FORMAT_TEXT },      { "name", "NAME", FORMAT_TEXT },
        { "state", "STATE", FORMAT_TEXT },      { "wait_reason", "WAITS FOR", FORMAT_TEXT },
        { "wait_usec", "WAITED", FORMAT_SPAN }, { "run_usec", "RAN", FORMAT_SPAN },
        { "cpu_usec", "CPU", FORMAT_SPAN },     { "memory_peak_bytes", "MEMORY", FORMAT_SIZE },
        { "verdict", "VERDICT", FORMAT_TEXT },
};

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

        return all ? call_pages(o, "ListJobs", ask_jobs, &ask, o->rows, ret)
                   : list_live(o, &ask, ret);
}

void ps_print(const Options *o, const TqTable *t, bool all) {
        if (t->n_rows == 0)
                (void)puts(all ? "no jobs" : "no jobs wait or run; -a shows those that have ended");
        else
                output_table(t, columns, TQ_ELEMENTSOF(columns));
        if (t->n_rows == o->rows)
                (void)printf(
                        all ? "(the newest %zu; more with -n)\n"
                            : "(those that run, and the newest that wait: %zu; more with -n)\n",
                        t->n_rows);
}

int verb_ps(const Options *o, int argc, char *argv[]) {
        TQ_TABLE_CLEANUP TqTable t = {};
        int r;

        r = ps_list(o, argc > 0 ? argv[0] : o->tenant ? o->tenant : "", o->all, &t);
        if (r != 0)
                return r;
        if (o->json)
                output_json(&t, "tenantq.jobs.v1", "jobs");
        else
                ps_print(o, &t, o->all);
        return 0;
}
