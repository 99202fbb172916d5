/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/scheduler.h"
#include "engine/commit/audit.h"
#include "engine/commit/events.h"
#include "ipc/message.h"

/* Who the tenants are: a tenant is a name and an owner. The supervisor decides who owns a directory
 * and tells; here it is found which tenant of the ledger that is. */
typedef struct Tenants Tenants;

/* Read by all, changed by this room only. */
typedef struct Tenant {
        uint32_t id;     /* the ledger's, for ever */
        uint32_t handle; /* the supervisor's, 0: not known to it in this run, or not any more */
        uint32_t owner;  /* as the supervisor counts them */
        char name[TQ_TENANT_NAME_MAX + 1];
        uid_t uid; /* TQ_UID_UNKNOWN: its directory never was in order */
        char user[64], home[256];
        TqList same_name;       /* in the ring of all owners that the name has had */
        bool is_former;         /* the name belongs to another owner now */
        bool is_user_gone;      /* the number is nobody's now, or not known to be the owner's */
        bool is_ready, is_gone; /* its directory is in order, or gone, says the supervisor */
        bool is_removed;        /* it was, in this run: nobody's, and known by its number only */
        TqLedgerEnding ending;  /* ending.h; and who wants it, to what, and why */
        uid_t ending_uid;
        uint64_t revision; /* of its limits' last change when the ledger was opened; 0: none */
        char ending_to[64], ending_why[160];
        char fault[TQ_MESSAGE_TEXT_MAX]; /* why it is not in order */
        char note[TQ_MESSAGE_TEXT_MAX];  /* what somebody should mend, though it is in order */
        /* Why launches fail for now (empty: they don't), and as the journal was told last. */
        char launch_note[256], launch_said[256];
        bool output_fails;                           /* of the latest job that ended */
        uint64_t launch_says_from, output_says_from; /* when the journal may be told again */
        EventBudget budget;
        size_t n_specs; /* parsed jobs of it in memory: written by dispatch/job.c */
} Tenant;

int tenants_new(Commit *commit, Events *events, Tenants **ret);
Tenants *tenants_free(Tenants *ts);
/* A name has another owner now: `former` is one of those who had it. */
void tenants_on_former(Tenants *ts, void (*fn)(void *data, const Tenant *former), void *data);

/* Those that the ledger knows. */
int tenants_load(Tenants *ts);
/* What the supervisor says of one; *ret is who that is. Negative errno: nothing can be recorded. */
int tenants_hear(Tenants *ts, const TqTenantMessage *m, const Tenant **ret);

/* NULL: none. */
const Tenant *tenants_get(const Tenants *ts, uint32_t id);
const Tenant *tenants_by_handle(const Tenants *ts, uint32_t handle);
const Tenant *tenants_by_name(const Tenants *ts, const char *name); /* who has it now */
const Tenant *tenants_by_title(const Tenants *ts, const char *title);
const Tenant *tenants_by_uid(const Tenants *ts, uid_t uid); /* whom that user owns now */
const Tenant *tenants_next(const Tenants *ts, size_t *position);
size_t tenants_count(const Tenants *ts);
/* Its name, or NAME.former-NUMBER when that is another owner's. Returns buf. */
const char *tenants_title(const Tenant *t, char buf[TQ_TENANT_TITLE_MAX]);
/* NULL: no such tenant. */
EventBudget *tenants_budget(const Tenants *ts, uint32_t id);
size_t *tenants_specs(const Tenants *ts, uint32_t id);
/* Why nothing of it can start, as far as it is about who and where it is; NULL: nothing. */
const char *tenants_fault(const Tenant *t, char *buf, size_t size);

/* The one answer to who may know of a tenant, and of its jobs. t NULL: of all. */
bool tenants_may_see(const Tenants *ts, const Viewer *v, const Tenant *t);

/* Steps through the sentences of Tenant.note: how long the next one is, or 0. */
size_t tenants_next_note(const char **note, const char **ret);
/* A launch failed for the host's or the tenant's sake (text), or worked (NULL). */
void tenants_note_launch(Tenants *ts, uint32_t id, const char *text);
/* How the output of a job went that has ended. */
void tenants_note_output(Tenants *ts, uint32_t handle, uint64_t job, const char *trail,
                         const TqEnd *end);
/* What calls it made beyond its profile, with which an audited job went on. */
void tenants_note_calls(Tenants *ts, uint32_t handle, uint64_t job, const TqEnd *end);
