/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "core/verdict.h"
#include "ctl/measure.h"
#include "ctl/top.h"

/* The daemon is asked who the tenants are, what of theirs runs and waits, and where their slices
 * are; all else is read there, ten small files for each tenant. A share or a rate is the difference
 * of two readings of a tenant by the time between them, so of one that has been read once only it
 * is unknown. Counters of a slice that was made anew begin at nothing: that counts as no use, never
 * as a huge one. */

enum {
        TENANT,
        STATE,
        RUNNING,
        WAITING,
        CPU,
        CPU_MAX,
        THROTTLED,
        MEMORY,
        MEMORY_MAX,
        PIDS,
        CPU_PRESSURE,
        MEMORY_PRESSURE,
        IO_PRESSURE,
        IO,
        IO_READ,
        IO_WRITE,
        OOM_KILLS,
        CPU_USEC,
        TIME,
        CPU_BAR, /* these are for a screen only */
        MEMORY_BAR,
        N_COLUMNS,
};

static const char *const columns[N_COLUMNS] = {
        [TENANT] = "tenant",
        [STATE] = "state",
        [RUNNING] = "running",
        [WAITING] = "waiting",
        [CPU] = "cpu_permille",
        [CPU_MAX] = "cpu_max_permille",
        [THROTTLED] = "throttled_permille",
        [MEMORY] = "memory_bytes",
        [MEMORY_MAX] = "memory_max_bytes",
        [PIDS] = "pids",
        [CPU_PRESSURE] = "cpu_pressure_permille",
        [MEMORY_PRESSURE] = "memory_pressure_permille",
        [IO_PRESSURE] = "io_pressure_permille",
        [IO] = "io_bytes_per_sec",
        [IO_READ] = "io_read_bytes_per_sec",
        [IO_WRITE] = "io_write_bytes_per_sec",
        [OOM_KILLS] = "oom_kills",
        [CPU_USEC] = "cpu_usec",
        [TIME] = "time_usec",
        [CPU_BAR] = "cpu_bar",
        [MEMORY_BAR] = "memory_bar",
};

static void set(TqTable *t, size_t column, uint64_t value) {
        if (value <= INT64_MAX)
                tq_table_set_integer(t, column, (int64_t)value);
}

/* How much more it is; TQ_UNKNOWN if one of the two is. */
static uint64_t more(uint64_t now, uint64_t before) {
        return now == TQ_UNKNOWN || before == TQ_UNKNOWN ? TQ_UNKNOWN : tq_sub_u64(now, before);
}

/* So many of `whole` as part is of all. */
static uint64_t share(uint64_t part, uint64_t all, uint64_t whole) {
        return part == TQ_UNKNOWN || all == TQ_UNKNOWN ? TQ_UNKNOWN
               : all == 0                              ? 0
                          : (uint64_t)((double)part / (double)all * (double)whole);
}

static void set_rates(TqTable *table, const TopReading *now, const TopReading *before) {
        const TqUsage *a = &before->usage, *b = &now->usage;
        uint64_t usec = now->usec - before->usec;
        uint64_t read = more(b->io_read_bytes, a->io_read_bytes);
        uint64_t written = more(b->io_write_bytes, a->io_write_bytes);

        set(table, CPU, share(more(b->cpu_usec, a->cpu_usec), usec, 1000));
        set(table, THROTTLED,
            share(more(b->throttled_periods, a->throttled_periods), more(b->periods, a->periods),
                  1000));
        set(table, IO_READ, share(read, usec, TQ_USEC_PER_SEC));
        set(table, IO_WRITE, share(written, usec, TQ_USEC_PER_SEC));
        if (read != TQ_UNKNOWN && written != TQ_UNKNOWN)
                set(table, IO, share(tq_add_u64(read, written), usec, TQ_USEC_PER_SEC));
}

static void set_usage(TqTable *table, const TqUsage *u) {
        set(table, CPU_MAX, u->cpu_max_permille);
        set(table, CPU_USEC, u->cpu_usec);
        set(table, MEMORY, u->memory_bytes);
        set(table, MEMORY_MAX, u->memory_max_bytes);
        set(table, PIDS, u->pids);
        set(table, CPU_PRESSURE, u->pressure_permille[TQ_PRESSURE_CPU]);
        set(table, MEMORY_PRESSURE, u->pressure_permille[TQ_PRESSURE_MEMORY]);
        set(table, IO_PRESSURE, u->pressure_permille[TQ_PRESSURE_IO]);
        set(table, OOM_KILLS, u->oom_kills);
}

/* Of its limit, or without one of the host's. */
static int set_bar(const Top *t, TqTable *table, size_t column, size_t used, size_t max,
                   uint64_t host) {
        const TqCell *has = tq_table_cell(table, table->n_rows - 1, used);
        const TqCell *of = tq_table_cell(table, table->n_rows - 1, max);
        uint64_t all = of->type == TQ_CELL_INTEGER ? (uint64_t)of->integer : host, full = 0;
        char bar[64] = "";

        if (has->type != TQ_CELL_INTEGER)
                return 0;
        full = share((uint64_t)has->integer, all, (uint64_t)t->bar);
        for (int i = 0; i < TQ_MIN(t->bar, (int)sizeof(bar) - 1); i++)
                bar[i] = (uint64_t)i < full ? '|' : '.';
        return tq_table_set_text(table, column, bar);
}

static int set_bars(const Top *t, TqTable *table) {
        uint64_t processors = (uint64_t)sysconf(_SC_NPROCESSORS_ONLN);
        uint64_t memory = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
        int r = set_bar(t, table, CPU_BAR, CPU, CPU_MAX, processors * 1000);

        return r < 0 ? r : set_bar(t, table, MEMORY_BAR, MEMORY, MEMORY_MAX, memory);
}

/* Nearly always they are the same ones in the same order. */
static const TopReading *find_last(const Top *t, const char *tenant, size_t likely) {
        for (size_t i = 0; i < t->n_last; i++) {
                const TopReading *r = &t->last[(likely + i) % t->n_last];

                if (strcmp(r->tenant, tenant) == 0)
                        return r;
        }
        return NULL;
}

int top_begin(const Top *t, TqTable *ret) {
        return tq_table_add_columns(ret, columns, t->bar > 0 ? N_COLUMNS : CPU_BAR);
}

int top_add(const Top *t, const TqTable *tenants, size_t row, const TopReading *now,
            TqTable *table) {
        const TopReading *before = find_last(t, now->tenant, row);
        int r = tq_table_add_row(table);

        if (r >= 0)
                r = tq_table_set_text(table, TENANT, now->tenant);
        if (r >= 0)
                r = tq_table_set_text(table, STATE, tq_table_text(tenants, row, "state"));
        if (r < 0)
                return r;
        set(table, RUNNING, (uint64_t)tq_table_integer(tenants, row, "running", -1));
        set(table, WAITING, (uint64_t)tq_table_integer(tenants, row, "waiting", -1));
        set(table, TIME, tq_clock_realtime_usec());
        set_usage(table, &now->usage);
        if (before && before->usec < now->usec)
                set_rates(table, now, before);
        return t->bar > 0 ? set_bars(t, table) : 0;
}

static void read_slice(const TqTable *tenants, size_t row, TopReading *ret) {
        TQ_CLOSE int fd = measure_open(tenants, row);

        (void)snprintf(ret->tenant, sizeof(ret->tenant), "%s",
                       tq_table_text(tenants, row, "tenant"));
        memset(&ret->usage, 0xFF, sizeof(ret->usage)); /* TQ_UNKNOWN */
        if (fd >= 0)
                tq_usage_read(fd, &ret->usage);
        ret->usec = tq_clock_monotonic_usec();
}

static int read_slices(Top *t, const TqTable *tenants, TqTable *ret) {
        TopReading *now = calloc(TQ_MAX(tenants->n_rows, (size_t)1), sizeof(*now));
        int r = now ? top_begin(t, ret) : -ENOMEM;

        for (size_t row = 0; r >= 0 && row < tenants->n_rows; row++) {
                read_slice(tenants, row, &now[row]);
                r = top_add(t, tenants, row, &now[row], ret);
        }
        if (r < 0) {
                free(now);
                return fail(TQ_EXIT_FAILURE, "out of memory");
        }
        free(t->last);
        t->last = now;
        t->n_last = tenants->n_rows;
        return 0;
}

int top_read(Top *t, TqTable *ret) {
        TQ_TABLE_CLEANUP TqTable tenants = {};
        int r;

        if (t->is_patient) {
                r = call_with_texts(t->options, &t->call, "ListTenants", NULL, 0, false);
                if (r == 0)
                        r = call_read_table(&t->call, &tenants);
        } else
                r = tenants_list(t->options, &tenants);
        return r != 0 ? r : read_slices(t, &tenants, ret);
}

void top_done(Top *t) {
        call_done(&t->call);
        free(t->last);
}
