/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "supervisor/output/choose.h"

/* A directory of output, read in steps: what is there, and the oldest of what may go. */
typedef struct Scan Scan;

#define SCAN_OLDEST 2048 /* attempts that one scan can say of that they go */

typedef struct ScanAsk {
        int dir_fd; /* borrowed */
        uint64_t now_usec;
        uint64_t keep_most_usec;
        /* Whether the attempt lives; whether it came after the scan began, and counts by itself. */
        bool (*is_live)(void *data, uint64_t job, unsigned attempt);
        bool (*is_new)(void *data, uint64_t job, unsigned attempt);
        void *data;
} ScanAsk;

/* What was found, when it is done. */
typedef struct ScanFound {
        OutputSum sum;     /* of all files that are output */
        uint64_t others;   /* entries that are something else, but for the mark of the owner */
        int error;         /* of one that could not be looked at; 0: of none */
        OutputItem *items; /* that may go: the scan's, in no order */
        size_t n;
} ScanFound;

int scan_new(const ScanAsk *ask, Scan **ret);
Scan *scan_free(Scan *s);
/* Goes on until the deadline (CLOCK_MONOTONIC). 1: done; 0: not yet; negative errno. */
int scan_step(Scan *s, uint64_t deadline_usec);
ScanFound scan_found(Scan *s);
