/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/commit/commit.h"

/* Key=: the same submission, however often and by whatever way it comes, is one job of its tenant.
 * Whether there is one the ledger knows; of several that come at once, one is asked about, and the
 * others wait for what becomes of it. */
typedef struct Keys Keys;

/* Called once. job > 0: that is the job. 0: there is none, and whoever asked takes his and says by
 * keys_settle() what became of it. error < 0: the ledger can't tell (-ECANCELED: we leave). */
typedef void (*KeysAnswer)(void *data, uint64_t job, int error);

int keys_new(Commit *commit, Keys **ret);
/* Answers those who wait with -ECANCELED. */
Keys *keys_free(Keys *k);

/* since_usec: CLOCK_REALTIME; a job that has ended, and was submitted before, does not count.
 * -ENOMEM: there will be no answer. */
int keys_ask(Keys *k, uint32_t tenant, const char *key, uint64_t since_usec, KeysAnswer fn,
             void *data);
/* Its job is recorded; 0: it was not taken. */
void keys_settle(Keys *k, uint32_t tenant, const char *key, uint64_t job);
