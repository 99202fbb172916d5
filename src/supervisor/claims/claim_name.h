/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "supervisor/tenants/table.h"

/* What a file in .claims is called: "17.acme", "17.1001.acme" or "17.1001.acme.1": its number,
 * whose it was (TQ_UID_UNKNOWN: by an older tenantqd), its tenant, and how often the engine has
 * crashed over it. No tenant's name has a dot. */
typedef struct ClaimName {
        uint64_t number;
        uid_t uid;
        char tenant[TQ_TENANT_NAME_MAX + 1];
        unsigned crashes;
} ClaimName;

#define CLAIM_NAME_BYTES (40 + TQ_TENANT_NAME_MAX)

const char *claim_name_format(const ClaimName *name, char buf[CLAIM_NAME_BYTES]);
bool claim_name_parse(const char *file, ClaimName *ret);

/* The files of a tenant's name, known to this tenantqd or not: removed (to NULL), or renamed to
 * what `to` is called, with that owner (TQ_UID_UNKNOWN: as they are); durable. Negative errno of
 * the last that could not be. */
int claim_name_move_files(const Own *own, const char *tenant, const char *to, uid_t from_uid,
                          uid_t to_uid);
