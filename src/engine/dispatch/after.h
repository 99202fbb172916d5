/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/commit/commit.h"
#include "engine/dispatch/feed.h"
#include "engine/dispatch/job.h"

/* After=: which jobs are meant, and what became of those that have ended. */
typedef struct Afters Afters;

int afters_new(sd_event *event, Commit *commit, Feed *feed, Afters **ret);
Afters *afters_free(Afters *a);

/* -EINVAL, -ENOMEM. */
int afters_parse(const char *after, TqAfter ret[TQ_JOB_AFTER_MAX], size_t *ret_n);
/* Parses After= (NULL: none) into ret (TQ_JOB_AFTER_MAX) and keeps its text in the job. 0, -EINVAL,
 * -ENOMEM. */
int afters_keep(Job *job, const char *after, TqAfter *ret, size_t *ret_n);
/* Asks the ledger, after this turn's commit, about all that the job waits for. */
void afters_ask(Afters *a, uint64_t job, uint32_t tenant, const char *after);
/* At once: before the worker has the ledger. */
int afters_settle_now(Afters *a, uint64_t job, uint32_t tenant, const char *after);
