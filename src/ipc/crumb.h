/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sys/types.h>

#include "base/util.h"

/* What the engine is working on, for whoever finds it dead: a page of memory that both daemons
 * have. The engine writes into it, which costs it nothing, and it is read only when a signal has
 * ended the engine. Not trusted: an engine that was taken over may write there what it likes. */
typedef enum TqCrumbKind {
        TQ_CRUMB_NONE,
        TQ_CRUMB_CLAIM, /* number: the claim */
        TQ_CRUMB_JOB, /* number: the job; claim, uid: how it was handed in, as far as that is known
                       */
        TQ_CRUMB_CALLER, /* uid: who hands in a job by the control socket */
        _TQ_CRUMB_MAX,
} TqCrumbKind;

#define TQ_CRUMB_NOBODY ((uid_t)-1)

typedef struct TqCrumb {
        uint32_t kind; /* TqCrumbKind */
        uint32_t uid;
        uint64_t number;
        uint64_t claim; /* 0: none */
} TqCrumb;

/* A new page, of a size that nobody can change. Returns its descriptor (O_CLOEXEC) or negative
 * errno. */
int tq_crumb_new(void);
/* For the engine: writable, as long as the process lives. */
int tq_crumb_map(int fd, TqCrumb **ret);

/* Leaves a crumb; returns the one before, which is to be put back when the work is done. c may be
 * NULL. */
TqCrumb tq_crumb_leave(TqCrumb *c, TqCrumb crumb);
void tq_crumb_put_back(TqCrumb *c, TqCrumb before);

/* For the supervisor: what was left, and nothing is from then on. 1: *ret is well-formed; 0: there
 * is none, or one that makes no sense; negative errno. */
int tq_crumb_take(int fd, TqCrumb *ret);
