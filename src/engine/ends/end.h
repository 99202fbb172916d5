/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/ends/rooms.h"

/* One end, seen by the files of this room only. */

#define END_RETRY_USEC (2 * TQ_USEC_PER_SEC)
#define END_SOON_USEC  (200 * TQ_USEC_PER_MSEC)
#define END_LATE_USEC  (10 * TQ_USEC_PER_SEC)
#define END_TRIES      25 /* END_SOON_USEC apart: a job that has ended just now */

typedef struct Waiter {
        TqList link;
        bool was_there; /* when it was asked for what there is of it last */
        EndsDone done;
        void *data;
} Waiter;

typedef struct End {
        Ends *ends;
        uint64_t serial;
        const Tenant *tenant;  /* who has the name */
        TqLedgerEnding change; /* RENAME, CHOWN: also once it is known to be done; else NONE */
        char name[TQ_TENANT_NAME_MAX + 1]; /* that the order was given for */
        char to[64];
        TqSwitches before; /* what an administrator has switched off */
        bool is_busy;      /* the supervisor, the worker or a commit has it */
        bool was_kept;     /* since it is busy */
        bool is_cancelling;
        uint64_t cancelled_usec; /* when all were (CLOCK_BOOTTIME); 0: not yet */
        bool may_go_on;          /* jobs may start, and end */
        unsigned tries;
        char fault[TQ_MESSAGE_TEXT_MAX]; /* what is in the way; empty: nothing */
        sd_event_source *timer;
        TqList waiters;
        /* While its history goes. */
        bool files_are_gone;
        uint32_t *owners;
        size_t n_owners, next_owner;
        TqTask task;
        size_t n_left;
        int result;
} End;

struct Ends {
        EndsRooms rooms;
        TqMap all;               /* Tenant.id → End */
        void (*go_on)(End *end); /* does what is due next of it, if anything is */
        bool is_started;
        uint64_t serial; /* of the last end */
};

const TqScheduler *ends_scheduler(const Ends *e);
/* Of who has the name now, also if t is one who had it. NULL: none. */
End *end_find(const Ends *e, const Tenant *t);
/* NULL: out of memory. */
End *end_new(Ends *e, const Tenant *t);
void end_free(End *end);
/* Whoever waits is told once. */
void end_tell(End *end, int result, const char *text);
/* Whether what was waited for is in the ledger; who waits for the end is told if it is not. */
bool end_is_recorded(End *end, int result);
void end_go_on(End *end);
void end_again_in(End *end, uint64_t usec);
/* Soon, some times; then late. */
void end_try_again(End *end);

bool end_is_removal(TqLedgerEnding what);
void end_switch_to(const End *end, TqSwitches s);
/* As what is intended demands. */
void end_switch_off(const End *end);

int end_ask(const Ends *e, TqOrderStep step, const char *name, const char *to,
            TqLinkAnswered answered, void *data);
/* What is asked for an end is answered to it, if it is there still; false: we leave. */
bool end_is_answered(End *end, int result, const char *blob, size_t size);
/* All is done: the order goes, then who waits is told, and the end is freed. */
void end_drop_and_tell(End *end);
