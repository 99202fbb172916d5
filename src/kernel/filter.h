/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <linux/filter.h>

#include "base/error.h"

/* seccomp filters (seccomp(2)), compiled by libseccomp once and kept as BPF: what is handed to
 * tenantq-exec needs no library. */
typedef enum TqProfile {
        TQ_PROFILE_DEFAULT, /* jobs */
        TQ_PROFILE_ENGINE,  /* tenantq-engine */
        _TQ_PROFILE_MAX,
        _TQ_PROFILE_INVALID = -EINVAL,
} TqProfile;

typedef struct TqFilter {
        struct sock_filter *code;
        size_t n;
} TqFilter;

/* Compiles a profile. The caller frees with tq_filter_done. Negative errno with err. */
int tq_filter_compile(TqProfile profile, TqFilter *ret, TqError *err);
void tq_filter_done(TqFilter *f);
