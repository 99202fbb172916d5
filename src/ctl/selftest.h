/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <limits.h>

#include "conf/hostfile.h"
#include "ctl/ctl.h"

/* What selftest.c and the jobs that it runs share. */

#define SELFTEST_TENANT "tenantq-selftest"

typedef struct Selftest {
        Options options;
        TqHostConfig *config;
        char directory[PATH_MAX + 32];
        char file[64]; /* to be read from the disk; empty: none */
        size_t failed, skipped;
} Selftest;

typedef struct Ended {
        TqTable row;
        char output[512]; /* the beginning of what it said */
} Ended;

void selftest_ended_done(Ended *e);
#define ENDED_CLEANUP TQ_CLEANUP(selftest_ended_done)

/* SIGINT and SIGTERM end what is waited for. */
void selftest_listen(void);
bool selftest_is_interrupted(void);

/* All of them: 0, or an exit code, and it is said. */
/* script: without double quotes and backslashes; more: lines of the job file. */
int selftest_submit(Selftest *s, const char *script, const char *more, uint64_t *ret_job);
/* Waits for its end, for a bounded time: a job that goes on, or waits, is cancelled then. */
int selftest_wait(Selftest *s, uint64_t job, Ended *ret);
int selftest_cancel(const Selftest *s, uint64_t job);
/* Runs a script to its end. */
int selftest_run(Selftest *s, const char *script, const char *more, Ended *ret);
