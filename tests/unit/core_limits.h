/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/limits.h"
#include "unit.h"

/* Limits as they are written, for the tests of what becomes of them. */

#define TENANT TQ_SCOPE_TENANT
#define QUEUE  TQ_SCOPE_QUEUE
#define JOB    TQ_SCOPE_JOB
#define EIB    (UINT64_C(1) << 60)
#define SEC    UINT64_C(1000000)

static inline TqLimits limits_of(const char *const *pairs) {
        TqLimits l = {};

        for (; pairs[0]; pairs += 2) {
                TqError err = {};
                TqKey key = tq_limits_find(pairs[0]);
                unsigned all = key >= 0 ? tq_limits_keys[key].scopes : TENANT;

                ck_assert_msg(tq_limits_set(&l, pairs[0], pairs[1], all & -all, true, 0, &err) == 0,
                              "%s=%s: %s", pairs[0], pairs[1], err.text);
        }
        return l;
}

#define LIMITS(...) limits_of((const char *const[]){ __VA_ARGS__, NULL, NULL })
