/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/jobspec.h"

/* The keys of [Job], [Sandbox] and [Retry] of a job file, and what each does with its value;
 * [Limits] is tq_limits_keys. */

/* Puts a value into the spec. 0; -EINVAL, with what was expected; -ENOMEM. */
typedef int (*TqJobfileSetter)(TqJobSpec *spec, const char *value, const char **ret_expected);

typedef struct TqJobfileKey {
        const char *section;
        const char *key;
        bool is_repeatable;
        TqJobfileSetter set;
        const char *help;
} TqJobfileKey;

#define TQ_JOBFILE_KEYS_MAX 64
extern const TqJobfileKey tq_jobfile_keys[];
extern const size_t tq_jobfile_n_keys;
