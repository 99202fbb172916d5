/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "store/snapshot.h"

/* Whether a ledger is whole: its pages, and what its rows say of each other. */

typedef struct TqInspection {
        int64_t version;
        uint64_t tenants, jobs, live, attempts;
        size_t problems;
} TqInspection;

/* Called for each problem: the name of the check that found it, and a sentence. Of one kind there
 * are at most 20, and one that says that there are more. */
typedef void (*TqInspectProblem)(void *userdata, const char *check, const char *text);

/* 0, also with problems, or -ENOMEM. */
int tq_inspect(const TqSnapshot *s, TqInspectProblem problem, void *userdata, TqInspection *ret);
