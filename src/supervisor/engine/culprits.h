/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "ipc/link.h"

/* What engines have died over that is not a claim: a job of the ledger, or what a user handed in by
 * the control socket. The next engine is told. */

#define CULPRITS_CALLERS        16
#define CULPRITS_FORGOTTEN_USEC (3600 * TQ_USEC_PER_SEC)
#define CULPRITS_BARRED_USEC    (600 * TQ_USEC_PER_SEC)

typedef struct Culprit {
        uid_t uid;
        unsigned crashes;
        int sig;
        bool is_new;                    /* barred, and no engine was told yet */
        uint64_t last_usec, until_usec; /* CLOCK_BOOTTIME; until 0: it may hand in */
} Culprit;

/* Embedded, zeroed. The callers are bounded: the one longest ago makes room. */
typedef struct Culprits {
        uint64_t job; /* 0: none */
        int sig;
        Culprit callers[CULPRITS_CALLERS];
        size_t n_callers;
} Culprits;

void culprits_note_job(Culprits *c, uint64_t job, int sig);
void culprits_note_caller(Culprits *c, uid_t uid, int sig);
/* Taking stock. A job is told once: the engine counts it in the ledger. */
void culprits_tell(Culprits *c, TqLink *link);
