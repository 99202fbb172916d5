/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "ctl/simulate.h"

/* The ledger's own history as a workload: what was submitted when, and how long it really ran. The
 * daemon holds the ledger alone, so it is asked, page by page from the newest job backwards. */

static int add_row(TqWorkload *w, const TqTable *t, size_t row, uint64_t since) {
        const char *tenant = tq_table_text(t, row, "tenant"), *queue;
        uint64_t submitted = (uint64_t)tq_table_integer(t, row, "submitted_usec", 0);
        int64_t run = tq_table_integer(t, row, "run_usec", -1);
        const char *name = tq_table_text(t, row, "name");
        TqSimJob job = { .bound_usec = TQ_LIMIT_MAX };
        int r;

        if (!tenant || run < 0)
                return 0; /* it has not ended, or never ran */
        queue = tq_table_text(t, row, "queue");
        job.submit_usec = tq_sub_u64(submitted, since);
        job.run_usec = (uint64_t)run;
        job.cpu_usec = (uint64_t)TQ_MAX(tq_table_integer(t, row, "cpu_usec", 0), INT64_C(0));
        job.priority = (int32_t)tq_table_integer(t, row, "priority", 0);
        job.name = name ? tq_scheduler_name(name) : 0;
        r = tq_workload_tenant(w, tenant, &job.tenant);
        if (r >= 0)
                r = tq_workload_queue(w, queue ? queue : TQ_QUEUE_DEFAULT, &job.queue);
        return r < 0 ? r : tq_workload_add(w, &job);
}

/* 0: there may be more before *before. */
static int read_page(const Options *o, TqWorkload *w, uint64_t since, uint64_t *before,
                     bool *ret_is_last) {
        CALL_CLEANUP Call c = {};
        TQ_TABLE_CLEANUP TqTable t = {};
        int r;

        r = call_open(o, &c, "ListJobs");
        if (r != 0)
                return r;
        r = sd_bus_message_append(c.request, "sbtu", o->tenant ? o->tenant : "", 1, *before,
                                  (uint32_t)TQ_PAGE_ROWS);
        r = r < 0 ? fail(TQ_EXIT_FAILURE, "%s", strerror(-r)) : call_table(&c, &t);
        if (r != 0)
                return r;
        if (sd_bus_message_read(c.reply, "t", before) < 0)
                return fail(TQ_EXIT_FAILURE, "the daemon's answer can't be read");
        *ret_is_last = *before == 0;
        for (size_t row = 0; row < t.n_rows; row++) {
                if ((uint64_t)tq_table_integer(&t, row, "submitted_usec", 0) < since) {
                        *ret_is_last = true;
                        break;
                }
                if (add_row(w, &t, row, since) < 0)
                        return fail(TQ_EXIT_FAILURE, "out of memory");
        }
        return 0;
}

/* The settings that the daemon has now, so that only what --set changes differs. */
static int load_settings(const Options *o, TqWorkload *w) {
        TQ_FREE char *text = NULL;
        char message[1024];
        TqError err = {};
        int r;

        r = export_get(o, &text);
        if (r != 0)
                return r;
        if (tq_workload_parse(w, text, strlen(text), false, o->seed, &err) < 0)
                return fail(TQ_EXIT_FAILURE, "the daemon's settings: %s",
                            tq_error_format(&err, message, sizeof(message)));
        w->one_per_queue = true;
        w->host.cpus = (uint64_t)TQ_MAX(sysconf(_SC_NPROCESSORS_ONLN), 1L);
        return 0;
}

int history_load(const Options *o, TqWorkload *w) {
        uint64_t since, before = 0;
        bool is_last = false;
        int r;

        r = options_since(o->since, &since);
        if (r == 0)
                r = load_settings(o, w);
        while (r == 0 && !is_last)
                r = read_page(o, w, since, &before, &is_last);
        tq_workload_sort(w);
        return r;
}
