/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/verdict.h"
#include "supervisor/tenants/tenants.h"

/* The output of jobs: how much of it each tenant has, what goes, and what is dropped instead of
 * being written. */
typedef struct Output Output;

/* Whether an attempt is known that may still write. */
typedef bool (*OutputIsLive)(void *data, uint64_t job, unsigned attempt);

int output_new(sd_event *event, const Host *host, Own *own, Tenants *tenants, OutputIsLive is_live,
               void *data, Output **ret);
Output *output_free(Output *o);

/* All directories are to be looked at, in the time that nobody else needs. */
void output_look(Output *o);
/* The bounds may be others. */
void output_reconfigure(Output *o);

typedef struct OutputFiles {
        int out, err; /* negative: dropped, and that is said; the caller's */
        int page_fd;  /* store/logpage.h; borrowed; negative with them */
} OutputFiles;

/* For a launch, which it never keeps from going on: 0, also if there is no output. But -ENOENT: the
 * directory has gone and may be made again (not if it was already: is_again); or a shortage, of
 * memory or descriptors. Each 0 is followed by one output_ended(). */
int output_make(Output *o, Tenant *t, const TqStartMessage *m, bool is_again, OutputFiles *ret);
/* An attempt that ran before tenantqd was started may still write: one output_ended() follows. */
void output_adopted(Output *o, Tenant *t);
/* The attempt has never run: nothing is kept of it. */
void output_remove(Output *o, Tenant *t, uint64_t job, unsigned attempt);
/* Nobody writes it any more. loss: what its watcher says. */
void output_ended(Output *o, Tenant *t, TqLoss loss);
/* That it has written nothing is recorded: its files are for others, or go. */
void output_put_by(Output *o, Tenant *t, uint64_t job, unsigned attempt);
