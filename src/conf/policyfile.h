/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/buffer.h"
#include "base/error.h"
#include "core/policy.h"

/* The sections [scheduler] and [pool NAME] of tenantq.conf (tenantq.conf(5)), and of what the
 * simulator reads. */

typedef struct TqPolicyKey {
        const char *section;
        const char *key;
        const char *help;
} TqPolicyKey;

extern const TqPolicyKey tq_policyfile_keys[];
extern const size_t tq_policyfile_n_keys;

/* One line below [scheduler]. -EBADMSG with err. */
int tq_policyfile_set(TqHostPolicy *p, const char *key, const char *value, unsigned line,
                      TqError *err);
/* The head [pool NAME]: later keys of that section go to the pool opened last. */
int tq_policyfile_open_pool(TqHostPolicy *p, const char *name, unsigned line, TqError *err);
int tq_policyfile_set_pool(TqHostPolicy *p, const char *key, const char *value, unsigned line,
                           TqError *err);
/* When all has been read: what is not said follows from the host, and pools fit into it. */
int tq_policyfile_complete(TqHostPolicy *p, TqError *err);
/* The sections, as they can be read back. */
void tq_policyfile_print(const TqHostPolicy *p, TqBuffer *out);
