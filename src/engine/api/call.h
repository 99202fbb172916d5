/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/table.h"
#include "engine/api/context.h"
#include "ipc/control.h"

/* One call of a method: who asks, about what, and how it is answered. */

typedef struct Call {
        const ApiContext *api;
        Connection *connection; /* NULL in one that was kept: it may have gone */
        sd_bus_message *message;
        Viewer viewer;
        /* What it is about, by the method's subject; the caller may see it. */
        const Tenant *tenant;              /* NULL: of all that he may see, or the host */
        char queue[TQ_QUEUE_NAME_MAX + 1]; /* empty: all of the tenant */
        uint64_t job;
        char *trail;       /* of its job, whatever becomes of that: core/trail.h; owned */
        const char *why;   /* behind call_read_intent() */
        bool is_trial;     /* the same: whether it could be done is all that is asked */
        const TqJob *live; /* NULL: it has ended, or never was; of one that was kept: unknown */
} Call;

/* For an answer that comes later. NULL: out of memory. */
Call *call_keep(const Call *c);
Call *call_free(Call *c); /* of call_keep() */

/* Reads the last arguments of a change: why, and flags (TQ_CHANGE_…). 0; 1: it is answered; a
 * negative errno. */
int call_read_intent(Call *c);

/* As a verb returns: 1, or a negative errno, which becomes an answer too. */
int call_error(const Call *c, TqControlError error, const char *fmt, ...) TQ_PRINTF(3, 4);
int call_reply_empty(const Call *c);
int call_reply_number(const Call *c, uint64_t n);
int call_reply_table(const Call *c, const TqTable *t);
/* There is no such job, or it is somebody else's: one answer. */
int call_no_job(const Call *c);

/* The number that the ledger's rows are filtered by: the subject's, else the caller's; -1: all. */
int64_t call_scope(const Call *c);
/* Those that the caller may know of, by name; former owners as long as they have jobs. The caller
 * frees the array. */
int call_visible_tenants(const Call *c, const Tenant ***ret, size_t *ret_n);

/* Why a launch failed (`STAGE: TEXT`) without its stage, if the text begins with that word too. */
const char *call_launch_text(const char *why);

/* The subject's tenant, or all one after the other: NULL at the end. *position is 0 at first. */
const Tenant *call_next_tenant(const Call *c, size_t *position);

/* A row of the audit: who, why and of whom are filled in from the call and row.tenant. -ENOMEM. */
int call_audit(const Call *c, AuditRow row);
/* What an administrator does goes to the audit, what a tenant does to the events, within its
 * budget, with c->why. what: empty or in words. -ENOMEM. */
int call_record(const Call *c, TqKind kind, uint32_t tenant, uint64_t job, const char *what);
