/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/model.h"
#include "ctl/ctl.h"
#include "kernel/usage.h"

/* What tenants use of the host, from one reading to the next. The essay is in top_read.c. */

#define TOP_DELAY_LEAST_USEC (100 * TQ_USEC_PER_MSEC)
#define TOP_DELAY_MOST_USEC  (3600 * TQ_USEC_PER_SEC)
/* At most so long to the first figures, which are the difference of two readings. */
#define TOP_FIRST_USEC (500 * TQ_USEC_PER_MSEC)

#define TOP_COLUMNS                                                                                \
        "tenant,running,waiting,cpu_permille,cpu_max_permille,throttled_permille,memory_bytes,"    \
        "memory_max_bytes,pids,cpu_pressure_permille,memory_pressure_permille,"                    \
        "io_pressure_permille,io_bytes_per_sec,oom_kills"
#define TOP_SORT "-cpu_permille"

typedef struct TopReading {
        char tenant[TQ_TENANT_TITLE_MAX];
        uint64_t usec; /* CLOCK_MONOTONIC */
        TqUsage usage;
} TopReading;

typedef struct Top {
        const Options *options;
        bool is_patient; /* a daemon that goes away is waited for */
        int bar;         /* how wide bars are; 0: there are none */
        uint64_t n;      /* readings after which it ends; 0: none */
        uint64_t delay_usec;
        Call call;
        TopReading *last;
        size_t n_last;
} Top;

/* Takes a reading: a row for each tenant that the caller may see. An exit code, and it is said. */
int top_read(Top *t, TqTable *ret);
void top_done(Top *t);

/* What that is made of: the columns, then of each tenant, a row of ListTenants, what was read now
 * compared with t->last. 0 or -ENOMEM. */
int top_begin(const Top *t, TqTable *ret);
int top_add(const Top *t, const TqTable *tenants, size_t row, const TopReading *now,
            TqTable *table);

/* top_screen.c: on the terminal, until that is enough. An exit code. */
int top_screen(Top *t);
