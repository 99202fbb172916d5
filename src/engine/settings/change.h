/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/commit/audit.h"
#include "engine/settings/settings.h"
#include "ipc/control.h"

/* A change of a tenant's live limits and those of its queues, as one unit and one revision. */
typedef struct Change Change;

/* Several changes that are made together or not at all. */
typedef struct ChangeUnit {
        /* It could be made, and the kernel has it: now change_commit() or change_abort(). data: as
         * done() gets it. */
        void (*held)(void *data, Change *c);
        /* Slots of that pool that others of the unit are to have beyond what the scheduler knows,
         * and less: then with what this one adds. */
        int64_t (*slots)(void *data, const char *pool, int64_t more);
        void *data;
} ChangeUnit;

typedef struct ChangeRequest {
        uid_t uid;
        const Origin *origin;   /* NULL: not known */
        const char *why;        /* NULL or empty: none */
        const char *about;      /* what it is part of, for the audit; NULL: nothing */
        uint64_t for_usec;      /* how long it holds; 0: for good */
        uint64_t watch_usec;    /* how long it is looked after; 0: it is not */
        bool is_conditional;    /* only if if_revision is the tenant's */
        uint64_t if_revision;   /* 0: nothing was ever changed */
        uint64_t policy;        /* that it is part of; 0: none */
        bool is_trial;          /* nothing is changed: only whether it could be */
        bool is_forced;         /* also if it hurts what runs */
        bool is_return;         /* to what held before, whatever holds now */
        const ChangeUnit *unit; /* that it is part of; NULL: it is one by itself */
} ChangeRequest;

/* The last that is heard of it: text NULL: it holds, is recorded (but for a trial), and has its
 * rows; else it does not hold, because of text. */
typedef void (*ChangeDone)(void *data, const Change *c, TqControlError error, const char *text);

/* Takes copies of the request's texts. done is called by change_start() or later. -EBUSY: another
 * one of the tenant is under way; -ENOMEM. */
int change_new(Settings *s, const Tenant *t, const ChangeRequest *request, ChangeDone done,
               void *data, Change **ret);
/* Before it is started: nothing has changed. */
Change *change_free(Change *c);

/* queue: empty for the tenant's own. KEY=VALUE, or KEY; also KEY@DEVICE. -EBADMSG with err. */
int change_assign(Change *c, const char *queue, const char *assignment, TqError *err);
int change_unassign(Change *c, const char *queue, const char *name, TqError *err);
/* The same, value NULL: unset. */
int change_put(Change *c, const char *queue, const char *name, const char *value, TqError *err);
/* Of each row "limit" of "queue" (NULL: the tenant's own), "then". */
int change_put_rows(Change *c, const TqTable *t, TqError *err);
/* What is wanted, all of it, is noted first; then change_drop_others(); then each is wanted: as
 * change_put(), unless it holds already for good, whatever it comes of. */
int change_note_wanted(Change *c, const char *queue, const char *name, const char *value,
                       TqError *err);
int change_want(Change *c, const char *queue, const char *name, const char *value, TqError *err);
/* Unsets what is set live and was not wanted. */
int change_drop_others(Change *c, TqError *err);
/* Whether anything is to be changed. */
bool change_is_any(const Change *c);
/* Slots of its pool that it adds to what the tenant reserves; below 0: that it gives back. */
int64_t change_wants_slots(const Change *c);
/* Of one that is held: it is recorded, with all that are in the same turn; or taken back, and freed
 * without done(). */
void change_commit(Change *c);
void change_abort(Change *c);
/* Checks all of it, then does it. Negative errno with err: nothing has happened and done() is not
 * called; the caller frees. -ESTALE: another revision; -EBUSY: not now, or only by force. */
int change_start(Change *c, TqError *err);
TqControlError change_error_of(int r);
