/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/api/call.h"

/* The control socket as a whole. */
typedef struct Api Api;

/* context: what the verbs have to do with; connections and waiters are made here. Takes listen_fd.
 */
int api_new(sd_event *event, int listen_fd, const ApiContext *context, Api **ret);
Api *api_free(Api *a);
/* Callers are let in. */
int api_start(Api *a);
/* Who administrates: a group. */
void api_set_admins(Api *a, gid_t gid);
/* Another socket; takes fd. */
int api_listen(Api *a, int fd);
/* Those who wait for a job are told. */
void api_job_started(Api *a, uint64_t job);
void api_job_ended(Api *a, uint64_t job);
/* What brings the job its input, now that it starts; the caller's. Negative: nobody does. */
int api_job_input(Api *a, uint64_t job);
/* And those who follow what happens: of these changes of the ledger, some may be rows of its logs.
 */
void api_recorded(Api *a, const TqLedgerOp *ops, size_t n);
