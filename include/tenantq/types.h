/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

/* The public contract of tenantq: sizes, names and exit codes that other programs may rely on. */

/* Of a number of a job; there are as many above it as there will ever be. */
#define TQ_JOB_MAX         (INT64_MAX / 2)
#define TQ_JOB_FILE_MAX    65536 /* bytes of a job file */
#define TQ_JOB_SUFFIX      ".job"
#define TQ_TENANT_NAME_MAX 48 /* bytes of a tenant's name */
#define TQ_QUEUE_NAME_MAX  48
#define TQ_QUEUE_DEFAULT   "default"

#define TQ_CONTROL_SOCKET "/run/tenantq/control.sock"
#ifndef TQ_CONFIG_DIR /* make SYSCONFDIR= */
#define TQ_CONFIG_DIR "/etc/tenantq"
#endif

/* Exit codes of tenantqctl; tenantqctl(1) lists them. `run --wait` and `wait` of one job exit with
 * the job's own code, or 128 + signal, as a shell would. */
#define TQ_EXIT_OK          0
#define TQ_EXIT_FAILURE     1  /* the request failed */
#define TQ_EXIT_USAGE       2  /* the command line is wrong */
#define TQ_EXIT_INVALID     3  /* a job file or a limit is not valid */
#define TQ_EXIT_REFUSED     4  /* the daemon refuses it for now */
#define TQ_EXIT_NOT_FOUND   5  /* no such job or tenant (or not yours) */
#define TQ_EXIT_DENIED      6  /* you may not do that */
#define TQ_EXIT_UNAVAILABLE 7  /* no daemon answers */
#define TQ_EXIT_LIMIT       8  /* a limit refuses it for now; the answer says when to try again */
#define TQ_EXIT_BUSY        9  /* too many connections or waits, of yours or of all; try again */
#define TQ_EXIT_CHANGED     10 /* it was changed by somebody else: --if-revision */
#define TQ_EXIT_NOT_RUN     99 /* the awaited job ended without an exit code of its own */
