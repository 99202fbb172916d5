/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/tenants/tenants.h"
#include "ipc/message.h"

/* What root's files say, and that it goes to the audit when it is something else than before, also
 * when they were changed while nobody was here. */
typedef struct Files Files;

int files_new(Commit *commit, Tenants *tenants, Files **ret);
Files *files_free(Files *f);

/* What they said last, of the ledger. */
int files_load(Files *f);
/* tenantq.conf, and a tenant's file, as they were told. -ENOMEM. */
int files_hear_host(Files *f, const TqHello *host);
int files_hear(Files *f, const Tenant *t, const TqTenantMessage *m);
/* It was removed. */
void files_forget(Files *f, uint32_t tenant);

/* Somebody has asked for them to be read again: what changes until that is answered is by him.
 * Embedded; texts are borrowed. They are answered in the order in which they came. */
typedef struct FilesOrder {
        TqList link;
        uid_t uid;
        const Origin *origin;
        const char *why;
} FilesOrder;

void files_order(Files *f, FilesOrder *o);
void files_order_done(FilesOrder *o);
