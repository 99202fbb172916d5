/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/buffer.h"
#include "base/error.h"
#include "core/retention.h"

/* The section [history] of tenantq.conf (tenantq.conf(5)). */

typedef struct TqRetentionKey {
        const char *key;
        const char *help;
} TqRetentionKey;

extern const TqRetentionKey tq_retentionfile_keys[];
extern const size_t tq_retentionfile_n_keys;

/* One line of it. -EBADMSG with err. */
int tq_retentionfile_set(TqRetention *h, const char *key, const char *value, unsigned line,
                         TqError *err);

/* The section as it would have to be written. */
void tq_retentionfile_print(const TqRetention *h, TqBuffer *out);
