/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "ctl/ctl.h"
#include "sim/simulator.h"

/* What the files of `simulate` share. */
typedef struct Run {
        TqPolicy policy;
        uint64_t slots;
        TqSimReport report;
} Run;

/* history.c: the jobs of the daemon's ledger that were submitted since; an exit code. */
int history_load(const Options *o, TqWorkload *w);

/* chart.c: waits and shares by tenant as SVG 1.1; before may be NULL. An exit code. */
int chart_write(const char *file, const TqWorkload *w, const Run *before, const Run *after);
