/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sys/types.h>

#include "base/util.h"

/* Output of jobs: LOGS/TENANT/JOB.ATTEMPT.out and .err, root's, readable for the tenant's user
 * alone (by an access list; where the file system has none, for root alone). */
typedef enum TqStream { TQ_STREAM_OUT, TQ_STREAM_ERR, _TQ_STREAM_MAX } TqStream;

/* Makes or repairs a tenant's directory (root's, and uid may read) below logs_fd and opens it. */
int tq_joblog_open_dir(int logs_fd, const char *tenant, uid_t uid);
/* From now on only root may enter it. */
int tq_joblog_close_dir(int dir_fd);

/* Makes a new, empty file for appending. Returns a descriptor or negative errno. */
int tq_joblog_create(int dir_fd, uint64_t job, unsigned attempt, TqStream stream);

/* Opens one for reading. */
int tq_joblog_open(int dir_fd, uint64_t job, unsigned attempt, TqStream stream);

/* Removes both files of an attempt that never ran. */
void tq_joblog_remove(int dir_fd, uint64_t job, unsigned attempt);
