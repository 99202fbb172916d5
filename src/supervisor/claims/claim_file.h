/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <tenantq/types.h>

#include "supervisor/tenants/tenants.h"

/* From a name in a tenant's directory to a file in .claims and its bytes in memory. */

/* What became of a name. */
typedef enum ClaimOutcome {
        CLAIM_TAKEN,
        CLAIM_LATER,   /* it is to be tried again: it is being written, or a note says why */
        CLAIM_GONE,    /* nothing of that name is there any more */
        CLAIM_REFUSED, /* it is, for good */
        CLAIM_FOREIGN, /* it is of a user who may not submit for the tenant any more */
} ClaimOutcome;

typedef struct ClaimedFile {
        const char *why; /* REFUSED: a sentence; LATER, of one in .claims: what is in the way */
        bool is_claimed; /* it is in .claims, also if it is refused, or to be tried again */
        uid_t owner;
        size_t size;
        char bytes[TQ_JOB_FILE_MAX + 1];
} ClaimedFile;

/* Out of the tenant's directory, into .claims as `as`. */
ClaimOutcome claim_file(Own *own, Tenants *tenants, Tenant *t, const char *name, const char *as,
                        ClaimedFile *ret);
/* Of one that is in .claims already; LATER, GONE and FOREIGN leave it there. */
ClaimOutcome claim_file_again(const Own *own, const Tenant *t, const char *file, ClaimedFile *ret);
