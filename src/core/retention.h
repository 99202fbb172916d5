/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <tenantq/types.h>

#include "base/util.h"

#define TQ_RETENTION_WHOLE UINT64_C(10000) /* hundredths of a percent */

/* How long, and how much, is kept of what has ended. Plain data: sent between processes and
 * compared as bytes. UINT64_MAX: without bound. */
typedef struct TqRetention {
        uint64_t jobs_age_usec; /* since their end */
        uint64_t jobs;          /* of a tenant */
        uint64_t jobs_total;
        uint64_t jobs_kept;  /* of a tenant, that are kept for longer: dead letters, Keep=, Key= */
        uint64_t jobs_bytes; /* of a tenant, of their files and attempts; of those as many again */
        uint64_t dead_age_usec; /* of dead letters: then they are ended jobs as others */
        uint64_t events_age_usec;
        uint64_t events;
        uint64_t audit_age_usec;
        uint64_t output_age_usec; /* since it was written last */
        uint64_t output_bytes;    /* of a tenant */
        uint64_t output_files;    /* of a tenant */
        uint64_t output_total_bytes;
        uint64_t output_floor;    /* hundredths of a percent of its file system, that stay free */
        uint64_t keep_usec;       /* the most that a job's Keep= may ask for */
        uint64_t key_window_usec; /* how long a Key= is the same submission */
} TqRetention;

void tq_retention_init(TqRetention *h);
bool tq_retention_is_sane(const TqRetention *h);

/* Of a file system of that size, so many bytes stay free by output_floor. */
uint64_t tq_retention_floor(uint64_t size, uint64_t floor);

/* The largest number such that each of n counts, cut to it, are together at most total: who has
 * most gives first. UINT64_MAX: nobody has to. Sorts the counts. */
uint64_t tq_retention_allowance(uint64_t *counts, size_t n, uint64_t total);
