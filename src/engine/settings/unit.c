/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/settings/unit.h"

#include <stdio.h>
#include <string.h>

#include "engine/settings/settings_private.h"

/* Each change is checked and written to its tenant's slice, and then held, until the last one is:
 * then all are recorded in the turn, which is one commit. If one can't be made, those that are held
 * are taken back, and what the kernel held before is written again. Who gives slots back comes
 * before who takes them, whatever their order. */

typedef struct Item {
        Unit *unit;
        const Tenant *tenant;
        Change *change; /* NULL: it ended */
        bool is_held;
        bool is_taking; /* it reserves more than before */
} Item;

typedef struct PoolSlots {
        char pool[TQ_POOL_NAME_MAX + 1];
        int64_t more;
} PoolSlots;

struct Unit {
        Settings *settings;
        ChangeRequest request;
        ChangeUnit part;
        UnitHooks hooks;
        Item **items;
        size_t n, allocated;
        size_t n_open; /* that have neither ended nor are held */
        size_t n_left; /* that have not ended */
        bool is_starting, is_recording;
        PoolSlots *pools;
        size_t n_pools;
        TqControlError error;
        char text[2048]; /* empty: nothing is wrong */
        size_t n_wrong;
};

static void on_held(void *data, Change *c);

/* Within the unit only what has been added so far counts; a pool that there is no memory for is
 * refused by what is left of it. */
static int64_t on_slots(void *data, const char *pool, int64_t more) {
        Unit *u = data;
        PoolSlots *bigger;

        for (size_t i = 0; i < u->n_pools; i++)
                if (strcmp(u->pools[i].pool, pool) == 0)
                        return u->pools[i].more += more;
        bigger = reallocarray(u->pools, u->n_pools + 1, sizeof(*bigger));
        if (!bigger)
                return INT32_MAX;
        u->pools = bigger;
        u->pools[u->n_pools] = (PoolSlots){ .more = more };
        (void)snprintf(u->pools[u->n_pools].pool, sizeof(u->pools[0].pool), "%s", pool);
        return u->pools[u->n_pools++].more;
}

int unit_new(Settings *s, const ChangeRequest *request, const UnitHooks *hooks, Unit **ret) {
        Unit *u = calloc(1, sizeof(*u));

        if (!u)
                return -ENOMEM;
        u->settings = s;
        u->request = *request;
        u->part = (ChangeUnit){ .held = on_held, .slots = on_slots, .data = u };
        u->request.unit = &u->part;
        u->hooks = *hooks;
        if (request->policy > 0)
                s->policy = u;
        *ret = u;
        return 0;
}

Unit *unit_free(Unit *u) {
        if (!u)
                return NULL;
        if (u->settings->policy == u)
                u->settings->policy = NULL;
        for (size_t i = 0; i < u->n; i++) {
                (void)change_free(u->items[i]->change);
                free(u->items[i]);
        }
        free((void *)u->items);
        free(u->pools);
        free(u);
        return NULL;
}

bool unit_has_policy(const Settings *s) {
        return s->policy;
}

static void on_done(void *data, const Change *c, TqControlError error, const char *text);

int unit_add(Unit *u, const Tenant *t, Change **ret) {
        Item *item;
        int r;

        if (tq_make_room((void **)&u->items, u->n, &u->allocated, sizeof(*u->items)) < 0)
                return -ENOMEM;
        item = calloc(1, sizeof(*item));
        if (!item)
                return -ENOMEM;
        *item = (Item){ .unit = u, .tenant = t };
        r = change_new(u->settings, t, &u->request, on_done, item, &item->change);
        if (r < 0) {
                free(item);
                return r;
        }
        u->items[u->n++] = item;
        *ret = item->change;
        return 0;
}

void unit_forget_last(Unit *u) {
        Item *item = u->items[--u->n];

        (void)change_free(item->change);
        free(item);
}

size_t unit_count(const Unit *u) {
        return u->n;
}

/* All that is wrong, each with its tenant. */
static void note(Unit *u, const Tenant *t, TqControlError error, const char *text) {
        size_t at = strlen(u->text), left = sizeof(u->text) - at;
        size_t n = strlen(t->name) + strlen(text) + 4;

        if (u->n_wrong++ == 0)
                u->error = error;
        if (n < left)
                (void)snprintf(u->text + at, left, "%s%s: %s", at > 0 ? "\n" : "", t->name, text);
}

static void finish(Unit *u) {
        UnitHooks hooks = u->hooks;
        TqControlError error = u->error;
        char text[sizeof(u->text) + 64];
        bool is_wrong = u->n_wrong > 0;

        (void)snprintf(text, sizeof(text), "%s", u->text);
        (void)unit_free(u);
        hooks.done(hooks.data, error, is_wrong ? text : NULL);
}

static void take_back(Unit *u) {
        for (size_t i = 0; i < u->n; i++) {
                if (u->items[i]->change)
                        change_abort(u->items[i]->change);
                u->items[i]->change = NULL;
        }
        finish(u);
}

static void record(Unit *u) {
        if (u->hooks.record && u->hooks.record(u->hooks.data) < 0) {
                u->n_wrong++;
                (void)snprintf(u->text, sizeof(u->text), "out of memory");
                take_back(u);
                return;
        }
        /* Each may end at once, if nothing can be recorded. */
        u->is_recording = true;
        for (size_t i = 0; i < u->n; i++)
                if (u->items[i]->change)
                        change_commit(u->items[i]->change);
        u->is_recording = false;
        if (u->n_left == 0)
                finish(u);
}

/* While others were checked. */
static void look_for_removed(Unit *u) {
        for (size_t i = 0; i < u->n; i++)
                if (u->items[i]->change && u->items[i]->tenant->is_removed)
                        note(u, u->items[i]->tenant, TQ_CONTROL_REFUSED, "was removed meanwhile");
}

/* Nothing is open any more. */
static void decide(Unit *u) {
        if (u->is_starting || u->n_open > 0)
                return;
        look_for_removed(u);
        if (u->n_wrong > 0)
                take_back(u);
        else if (u->n_left == 0)
                finish(u);
        else
                record(u);
}

static void on_held(void *data, Change *c) {
        Item *item = data;
        Unit *u = item->unit;

        (void)c;
        item->is_held = true;
        u->n_open--;
        decide(u);
}

static void on_done(void *data, const Change *c, TqControlError error, const char *text) {
        Item *item = data;
        Unit *u = item->unit;
        bool was_held = item->is_held;

        item->change = NULL; /* it frees itself */
        u->n_left--;
        if (text)
                note(u, item->tenant, error, text);
        else
                u->hooks.row(u->hooks.data, item->tenant, c);
        if (!was_held) {
                u->n_open--;
                decide(u);
        } else if (u->n_left == 0 && !u->is_recording)
                finish(u);
}

static void start(Item *item) {
        Unit *u = item->unit;
        TqError err = {};
        char text[512];
        int r = change_start(item->change, &err);

        if (r >= 0)
                return;
        note(u, item->tenant, change_error_of(r),
             r == -ENOMEM ? "out of memory" : tq_error_format(&err, text, sizeof(text)));
        item->change = change_free(item->change);
        u->n_open--;
        u->n_left--;
}

void unit_start(Unit *u) {
        u->is_starting = true;
        u->n_open = u->n_left = u->n;
        for (size_t i = 0; i < u->n; i++)
                u->items[i]->is_taking = change_wants_slots(u->items[i]->change) > 0;
        for (int taking = 0; taking < 2; taking++)
                for (size_t i = 0; i < u->n; i++)
                        if (u->items[i]->is_taking == taking)
                                start(u->items[i]);
        u->is_starting = false;
        decide(u);
}
