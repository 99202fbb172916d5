/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "sim/workload.h"
#include "unit.h"

/* Workloads out of texts, for the tests of what they hold. */

#define SEC UINT64_C(1000000)

static inline TqWorkload workload_new(void) {
        TqWorkload w;

        tq_workload_init(&w);
        return w;
}

#define WORKLOAD TQ_CLEANUP(tq_workload_done) TqWorkload

static inline void parse_seeded(TqWorkload *w, const char *text, uint64_t seed) {
        TqError err = {};

        ck_assert_msg(tq_workload_parse(w, text, strlen(text), true, seed, &err) == 0,
                      "line %u: %s: %s", err.line, err.key, err.text);
}

static inline void parse(TqWorkload *w, const char *text) {
        parse_seeded(w, text, 1);
}

#define TARGET "expected TENANT/QUEUE with a tenant of the workload"
