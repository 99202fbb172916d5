/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/settings/settings.h"
#include "ipc/control.h"

/* A change of a tenant's or a queue's live limits, as one unit. */
typedef struct Change Change;

/* The last that is heard of it: text NULL: it holds, is recorded, and has its rows; else it does
 * not hold, because of text. */
typedef void (*ChangeDone)(void *data, const Change *c, TqControlError error, const char *text);

/* queue: empty for the tenant's own. done is called by change_start() or later. -EBUSY: another one
 * of the tenant is under way; -ENOMEM. */
int change_new(Settings *s, Events *events, const Tenant *t, const char *queue, uid_t uid,
               ChangeDone done, void *data, Change **ret);
/* Before it is started: nothing has changed. */
Change *change_free(Change *c);

/* KEY=VALUE, or KEY; also KEY@DEVICE. -EBADMSG with err. */
int change_assign(Change *c, const char *assignment, TqError *err);
int change_unassign(Change *c, const char *name, TqError *err);
/* Checks all of it, then does it. why: empty or a reason. Negative errno with err: nothing has
 * happened and done() is not called; the caller frees. */
int change_start(Change *c, const char *why, TqError *err);

/* What became of one assignment. Texts are NULL where there is none. */
typedef struct ChangeRow {
        const char *name, *old_value, *new_value;
        const char *kernel;    /* what the slice holds */
        const char *effective; /* what was unset may still come of a file or a default */
        uint64_t revision;     /* 0: it stood so already */
        char texts[2][1024];
} ChangeRow;

size_t change_count(const Change *c);
void change_row(const Change *c, size_t i, ChangeRow *ret);
