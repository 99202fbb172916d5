/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sys/types.h>

#include "base/util.h"

/* Output of jobs: LOGS/TENANT/JOB.ATTEMPT.out and .err, root's, readable for the tenant's user
 * alone (by an access list; where the file system has none, for root alone). */
typedef enum TqStream { TQ_STREAM_OUT, TQ_STREAM_ERR, _TQ_STREAM_MAX } TqStream;

/* Makes or repairs a tenant's directory (root's, and uid may read) below logs_fd and opens it. */
int tq_joblog_open_dir(int logs_fd, const char *tenant, uid_t uid);
/* All files in it become that user's to read, and nobody else's. Negative errno of the last that
 * could not be. */
int tq_joblog_give(int dir_fd, uid_t uid);
/* From now on only root may enter it. */
int tq_joblog_close_dir(int dir_fd);

/* Makes a new, empty file for appending. Returns a descriptor or negative errno. is_kept: it is
 * marked, and tq_joblog_keep() is to follow. */
int tq_joblog_create(int dir_fd, uint64_t job, unsigned attempt, TqStream stream, bool is_kept);
/* How long it is kept after it was written last; -EOPNOTSUPP: the file system can't hold that. */
int tq_joblog_keep(int fd, uint64_t usec);

/* Whether a name is one that tq_joblog_create() makes. */
bool tq_joblog_parse(const char *name, uint64_t *ret_job, unsigned *ret_attempt,
                     TqStream *ret_stream);

typedef struct TqJoblogStat {
        uint64_t bytes;
        uint64_t written_usec; /* last: CLOCK_REALTIME */
        uint64_t keep_usec;    /* 0: as all */
} TqJoblogStat;

/* -ENOENT: there is none, or it is no file. */
int tq_joblog_stat(int dir_fd, uint64_t job, unsigned attempt, TqStream stream, TqJoblogStat *ret);

/* What an attempt that wrote nothing leaves: */
typedef enum TqJoblogRest {
        TQ_JOBLOG_KEPT,   /* its files: they are not as they were made, or can't be removed */
        TQ_JOBLOG_SILENT, /* nothing */
        TQ_JOBLOG_SPARE,  /* nothing; its files are the spare pair of that number */
} TqJoblogRest;

/* To make a file costs more than all the rest of a launch's output, and most jobs write nothing:
 * the files of those that did not are for the next ones. Not if they are marked, nor if somebody
 * has one open, who would read another job's. spare: a number that is free; from TQ_JOBLOG_SPARES
 * on there is none, and they go. */
#define TQ_JOBLOG_SPARES 8 /* pairs of a directory */
TqJoblogRest tq_joblog_put_by(int dir_fd, uint64_t job, unsigned attempt, unsigned spare);
/* The spare pair becomes an attempt's, for appending: 0, or negative errno, and there is none. */
int tq_joblog_take_spare(int dir_fd, unsigned spare, uint64_t job, unsigned attempt,
                         int ret[_TQ_STREAM_MAX]);
bool tq_joblog_is_spare(const char *name);
/* All that there may be. */
void tq_joblog_remove_spares(int dir_fd);

/* Opens one for reading. */
int tq_joblog_open(int dir_fd, uint64_t job, unsigned attempt, TqStream stream);

/* Removes both files of an attempt, and gives back what they took of the disk, also if somebody
 * holds one open: how many there were, or negative errno. Of a large one the descriptor is returned
 * in `large` (else -EBADF), for tq_joblog_shrink() and close(2). */
int tq_joblog_remove(int dir_fd, uint64_t job, unsigned attempt, int large[_TQ_STREAM_MAX]);
/* Gives back the next piece of a removed file. 1: nothing is left; 0: not yet; negative errno. */
int tq_joblog_shrink(int fd);
