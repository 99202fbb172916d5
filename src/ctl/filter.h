/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/table.h"
#include "ctl/options.h"

/* Which jobs of a list are wanted: --filter FIELD=VALUE, and the short ways of it. */

typedef struct Filter Filter;

typedef struct Filters {
        Filter *items;
        size_t n;
        bool ask_ended; /* it is about jobs that have ended, so that -a need not be said */
        bool skip_live; /* only about those */
} Filters;

/* The words that there are; NULL: no more. */
const char *filters_field(size_t i);
const char *filters_state(size_t i);

/* Texts are borrowed from the options. 0, or an exit code, and it is said. */
int filters_read(const Options *o, Filters *ret);
void filters_done(Filters *f);
#define FILTERS_CLEANUP TQ_CLEANUP(filters_done)

/* Whether a row of jobs has all that is asked for. */
bool filters_keep(const Filters *f, const TqTable *t, size_t row);
