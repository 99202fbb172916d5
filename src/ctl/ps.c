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

int ps_list(const Options *o, const char *tenant, bool all, TqTable *ret) {
        CALL_CLEANUP Call c = {};
        int r;

        r = call_open(o, &c, "ListJobs");
        if (r != 0)
                return r;
        r = sd_bus_message_append(c.request, "sbtu", tenant, (int)all, (uint64_t)0,
                                  (uint32_t)o->rows);
        return r < 0 ? fail(TQ_EXIT_FAILURE, "%s", strerror(-r)) : call_table(&c, ret);
}

void ps_print(const Options *o, const TqTable *t, bool all) {
        if (t->n_rows == 0)
                (void)puts(all ? "no jobs" : "no jobs wait or run; -a shows those that have ended");
        else
                output_table(t, columns, TQ_ELEMENTSOF(columns));
        if (t->n_rows == o->rows)
                (void)printf("(the newest %zu; more with -n)\n", t->n_rows);
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
