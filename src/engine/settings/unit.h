/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/settings/change.h"

/* Changes of many tenants, as one: all are made, in one commit, or none is. */
typedef struct Unit Unit;

typedef struct UnitHooks {
        void *data;
        /* Before the changes are recorded, in the same commit; negative: none is. NULL: nothing. */
        int (*record)(void *data);
        /* A change came to this: before unit_start() returns, or later. */
        void (*row)(void *data, const Tenant *t, const Change *c);
        /* The last that is heard; then the unit is freed. text NULL: all of it holds. */
        void (*done)(void *data, TqControlError error, const char *text);
} UnitHooks;

int unit_new(Settings *s, const ChangeRequest *request, const UnitHooks *hooks, Unit **ret);
Unit *unit_free(Unit *u); /* before it is started: nothing has changed */

/* One more tenant's, to be filled in; owned by the unit. -EBUSY: another change of it is under way.
 */
int unit_add(Unit *u, const Tenant *t, Change **ret);
/* The one that was added last changes nothing, or can't be made. */
void unit_forget_last(Unit *u);
size_t unit_count(const Unit *u);
/* Whether one that is to become a policy is under way: its number is taken when it is recorded. */
bool unit_has_policy(const Settings *s);
/* What is wrong is told by done(), all of it in one text as far as that has room. */
void unit_start(Unit *u);
