/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "ctl/ctl.h"

/* Waits, prints nothing, and gives the job's row. With was_there a daemon has answered just now:
 * one that doesn't is waited for. */
int wait_for_job(const Options *o, uint64_t job, bool was_there, TqTable *ret);
int wait_exit_code(const TqTable *t);
/* Waits for all and prints how each has ended, in their order; of several also how far it is, if
 * standard error is a terminal. The exit code: of one its own; of several 0 if all of them have 0,
 * else TQ_EXIT_FAILURE. */
int wait_for_jobs(const Options *o, const uint64_t jobs[], size_t n, bool was_there);
