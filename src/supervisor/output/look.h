/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <limits.h>

#include "base/map.h"
#include "store/joblog.h"
#include "supervisor/output/scan.h"

typedef struct Store Store;

/* The directory that is looked at. */
typedef struct Look {
        bool is_on;
        Store *store; /* NULL: of no tenant that there is */
        char name[NAME_MAX + 1];
        int dir_fd;
        Scan *scan;
        bool is_scanned;
        uint64_t generation; /* of the store when it began */
        uint64_t written;    /* by its page */
        uint64_t took;       /* usec of work */
        TqMap fresh;         /* output_key() → its store: what was launched since it began */
        ScanFound found;
        OutputSum left;            /* of a directory that no tenant has */
        size_t next, gone;         /* of what was found */
        int large[_TQ_STREAM_MAX]; /* that are removed, but for what they hold of the disk */
        uint64_t n_stuck;          /* that could not be removed, */
        int error;                 /* and why not the first */
} Look;
