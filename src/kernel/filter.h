/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <linux/filter.h>

#include "core/profile.h"

/* seccomp filters (seccomp(2)), compiled by libseccomp once and kept as BPF: what is handed to
 * tenantq-exec needs no library. */

typedef struct TqFilter {
        struct sock_filter *code;
        size_t n;
} TqFilter;

/* What a filter does with a call that it does not let through. */
typedef enum TqFilterMode {
        TQ_FILTER_ALONE,   /* nobody listens: a call that ends the job does so by SIGSYS */
        TQ_FILTER_WATCHED, /* tenantq-exec is told of a call that ends the job */
        TQ_FILTER_AUDIT,   /* tenantq-exec is told of each call that is not allowed */
        _TQ_FILTER_MAX,
} TqFilterMode;

/* Compiles a profile. The caller frees with tq_filter_done. -EBADMSG with err (line): a call that
 * the library does not know; other negative errno. */
int tq_filter_compile(const TqProfile *profile, TqFilterMode mode, TqFilter *ret, TqError *err);
void tq_filter_done(TqFilter *f);

/* The name of a call of this architecture, or of a foreign one (TQ_CALL_…, core/verdict.h), such as
 * "ptrace" or "i386 ptrace". Returns buf. */
const char *tq_filter_call_name(int32_t call, char *buf, size_t size);
