/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/commit/commit.h"
#include "ipc/link.h"
#include "supervisor/host/own.h"

/* Stand-ins for what a room of a daemon speaks to, linked instead of it: the link to the other
 * daemon, the clock, and commits. What is said is kept, in order; what is to be heard is said by
 * the test. */

/* Clock: stands still. CLOCK_BOOTTIME and CLOCK_MONOTONIC alike; CLOCK_REALTIME is FAKE_EPOCH more.
 */
#define FAKE_EPOCH UINT64_C(1700000000000000)
extern uint64_t fake_now; /* usec, 1000 s at first */
extern uint64_t fake_set; /* usec by which the time of day was set forward since */
/* Some turns of the loop: every timer that is set goes off. */
void fake_run(sd_event *loop);

/* Our own directories: the test's, by descriptor; nothing of them ever goes away. */
extern int fake_own[_OWN_MAX];
extern unsigned fake_mends; /* how often they were to be made again */

/* Link ------------------------------------------------------------------------------------------
 */

typedef struct FakeMessage {
        TqMessage m; /* with its header's type */
        char *blob;  /* terminated */
        size_t size;
        int fd;
} FakeMessage;

extern int fake_link_error; /* what saying something returns, if it is an error */
extern TqCrumb fake_crumb;  /* what the room works on */
/* The next one that was said and not been asked for yet; NULL: nothing more was said. */
const FakeMessage *fake_said(void);
/* The same, which must be of that type. */
const TqMessage *fake_said_type(TqMessageType type);
void fake_said_nothing(void);
/* The other end says it: as its handler returns; -EBADMSG: nobody hears such. */
int fake_hear(TqMessageType type, TqMessage *m, const char *blob, size_t size);
/* It answers the question with that cookie. */
void fake_answer(uint64_t cookie, int result, const void *blob, size_t size);

/* Commits ---------------------------------------------------------------------------------------
 */

Commit *fake_commit(void);    /* the one that there is */
extern TqLedger *fake_ledger; /* the test's, if it has one: for tasks of the worker */
/* Of the texts of changes, the how manyth from now on can't be copied; 0: each can. */
extern unsigned fake_no_copy;
/* The changes since the last fake_commit_all(). */
size_t fake_n_ops(void);
const TqLedgerOp *fake_op(size_t i);
/* As a commit that is about to begin: who has asked for it may add to it. */
void fake_flush(void);
/* Commits what there is, with that result, and performs the effects; also those of these. */
void fake_commit_all(int result);
/* Runs the tasks that were given to the worker; their run() only if they may have a ledger. */
void fake_work(bool with_run);
