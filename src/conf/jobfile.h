/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/jobspec.h"

/* Tells of a key that is accepted, stored and shown but changes nothing in this version. */
typedef void (*TqJobfileNote)(void *userdata, unsigned line, const char *key, const char *text);

/* Parses and validates a job file of at most TQ_JOB_FILE_MAX bytes (tenantq.job(5)). On success
 * fills *ret (to be freed by tq_jobspec_done); note may be NULL. -EBADMSG with line and key in err;
 * -E2BIG (with err) when too large; -ENOMEM. */
int tq_jobfile_parse(const char *data, size_t size, TqJobSpec *ret, TqJobfileNote note,
                     void *userdata, TqError *err);

/* The section in which a key is known, if it is: "Limits" for limits, with @device too; or NULL. */
const char *tq_jobfile_section(const char *key);
