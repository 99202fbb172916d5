/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/heap.h"
#include "core/retention.h"

/* Which output goes: of numbers only. */

/* What an attempt has written, both files together: it goes as a whole. Times are CLOCK_REALTIME.
 */
typedef struct OutputItem {
        TqHeapNode node;
        uint64_t job;
        unsigned attempt;
        unsigned files; /* 1 or 2 */
        bool is_live;   /* the attempt */
        bool goes;      /* the answer */
        uint64_t bytes;
        uint64_t written_usec;    /* last */
        uint64_t keep_until_usec; /* 0: as all */
} OutputItem;

typedef struct OutputSum {
        uint64_t bytes, files;
} OutputSum;

/* Above `high` there is too much, and what is oldest goes until it is no more than `low`: so that
 * not each file that comes takes one look at all of them. UINT64_MAX: no bound. */
typedef struct OutputBounds {
        uint64_t now_usec, age_usec;
        OutputSum high, low;
} OutputBounds;

/* allowance: of bytes, for now, by output_total. */
OutputBounds choose_bounds(const TqRetention *h, uint64_t allowance, uint64_t now_usec);
bool choose_is_over(const OutputBounds *b, const OutputSum *have);

/* Nobody writes it, and nobody has asked to keep it. */
bool choose_may_go(const OutputItem *item, uint64_t now_usec);
bool choose_is_older(const OutputItem *a, const OutputItem *b);

/* Sorts the items, oldest first, and says of each whether it goes. have: what all that there is
 * comes to, also what is not among the items. Returns what would be left. */
OutputSum choose(OutputItem *items, size_t n, OutputSum have, const OutputBounds *b);
