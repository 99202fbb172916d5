/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/util.h"

/* Names of system calls by what a profile does with them; NULL-terminated. */
extern const char *const tq_filter_job_allowed[];
extern const char *const tq_filter_job_denied[];
extern const char *const tq_filter_engine_allowed[];
