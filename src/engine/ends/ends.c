/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/ends/ends.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "engine/ends/change.h"
#include "engine/ends/record.h"
#include "engine/ends/removal.h"
#include "engine/settings/switches.h"
#include "engine/tenants/ending.h"

/* What is intended is recorded first, with the tenant; from there each step may be done again, by
 * whichever engine there is:
 *
 *   remove, cancel   nothing is taken of it; until its jobs have ended it may be kept
 *   delete           no way back: directory, output and claims by the supervisor, then history in
 *                    pieces, then the rest and its name in one
 *   rename, chown    nothing starts; the supervisor does it, then it is recorded
 *
 * Whether any of it may be is root's to say, and the supervisor asks root's own word, not us
 * (supervisor/ends/order.c). What is switched off meanwhile stands over what an administrator has
 * switched, and is recorded nowhere: it follows from what is intended. */

static void ignore(void *data, int result, const char *blob, size_t size, int *fd) {
        (void)data;
        (void)result;
        (void)blob;
        (void)size;
        (void)fd;
}

/* As it is before anything of it is done. */
static void note_before(End *end, TqLedgerEnding what, const char *to) {
        const TqTenant *view = tq_scheduler_tenant(ends_scheduler(end->ends), end->tenant->id);

        end->change = what == TQ_ENDING_RENAME || what == TQ_ENDING_CHOWN ? what : TQ_ENDING_NONE;
        end->may_go_on = false;
        end->tries = 0;
        end->cancelled_usec = 0;
        (void)snprintf(end->name, sizeof(end->name), "%s", end->tenant->name);
        (void)snprintf(end->to, sizeof(end->to), "%s", to);
        end->before = view ? switches_of(ends_scheduler(end->ends), view, "") : (TqSwitches){};
}

static void go_on(End *end) {
        if (end->is_busy || !end->may_go_on || !end->ends->is_started)
                return;
        if (commit_fault(end->ends->rooms.commit)) {
                end_again_in(end, END_RETRY_USEC);
                return;
        }
        if (end->change != TQ_ENDING_NONE)
                change_go_on(end);
        else if (end->tenant->ending == TQ_ENDING_DELETE)
                removal_delete(end);
        else if (end_is_removal(end->tenant->ending))
                removal_wait(end);
}

void ends_job_ended(Ends *e, uint32_t tenant) {
        const Tenant *t = e->all.size > 0 ? tenants_get(e->rooms.tenants, tenant) : NULL;
        End *end = t ? end_find(e, t) : NULL;

        if (end)
                end_go_on(end);
}

/* Orders -----------------------------------------------------------------------------------------
 */

typedef struct Ordered {
        Ends *ends;
        uint32_t tenant;
        EndsDone done;
        void *data;
} Ordered;

static void on_ordered(void *data, int result) {
        const Ordered *o = data;
        End *end = tq_map_get(&o->ends->all, o->tenant);

        if (end && result >= 0)
                end->may_go_on = true;
        if (end && result >= 0)
                end_go_on(end);
        o->done(o->data, result, result < 0 ? "it could not be recorded" : "");
}

/* Until that is recorded, root's order stands: without it, a removal could neither go on nor be
 * taken back. */
static void on_kept(void *data, int result) {
        const Ordered *o = data;
        const Tenant *t = tenants_get(o->ends->rooms.tenants, o->tenant);

        if (result >= 0 && t->ending == TQ_ENDING_NONE)
                (void)end_ask(o->ends, TQ_ORDER_DROP, t->name, "", ignore, NULL);
        o->done(o->data, result, result < 0 ? "it could not be recorded" : "");
}

static int answer_when_recorded(Ends *e, uint32_t tenant, CommitEffect effect, EndsDone done,
                                void *data) {
        Ordered *o = commit_then(e->rooms.commit, effect, sizeof(*o));

        if (!o)
                return -ENOMEM;
        *o = (Ordered){ .ends = e, .tenant = tenant, .done = done, .data = data };
        return 0;
}

/* What is under way: the same again, or cancelling what was only waited for. */
static bool is_the_same(const Tenant *t, const EndOrder *o) {
        if (o->what == TQ_ENDING_REMOVE || o->what == TQ_ENDING_CANCEL)
                return end_is_removal(t->ending);
        return t->ending == o->what && strcmp(t->ending_to, o->to) == 0;
}

static bool must_be_recorded(const Tenant *t, const EndOrder *o) {
        return t->ending == TQ_ENDING_NONE ||
               (t->ending == TQ_ENDING_REMOVE && o->what == TQ_ENDING_CANCEL);
}

/* Of those who have had the name. */
static const Tenant *who_runs(const Ends *e, const Tenant *t) {
        const TqTenant *view = tq_scheduler_tenant(ends_scheduler(e), t->id);

        if (view && view->running > 0)
                return t;
        TQ_LIST_FOREACH(node, &t->same_name) {
                const Tenant *former = TQ_LIST_ENTRY(node, Tenant, same_name);

                view = tq_scheduler_tenant(ends_scheduler(e), former->id);
                if (view && view->running > 0)
                        return former;
        }
        return t;
}

static const char *refused(const Ends *e, const Tenant *t, const EndOrder *o, int *ret_error,
                           char *buf, size_t size) {
        EndsLeft left = ends_left(e, t);
        char title[TQ_TENANT_TITLE_MAX];

        *ret_error = -EBUSY;
        if (t->is_former)
                (void)snprintf(buf, size,
                               "it is a former owner of %s: what is done with %s is done with it",
                               t->name, t->name);
        else if (t->ending != TQ_ENDING_NONE && !is_the_same(t, o))
                (void)snprintf(buf, size, "%s: %s already", t->name, ends_state(t));
        else if ((o->what == TQ_ENDING_RENAME || o->what == TQ_ENDING_CHOWN) && left.running > 0)
                (void)snprintf(
                        buf, size,
                        "%" PRIu64 " of its jobs run, or are about to: wait for their end "
                        "or cancel them (tenantqctl ps %s; pause keeps others from starting)",
                        left.running, tenants_title(who_runs(e, t), title));
        else if (o->what == TQ_ENDING_RENAME && tenants_by_name(e->rooms.tenants, o->to)) {
                *ret_error = -EEXIST;
                (void)snprintf(buf, size,
                               "there is a tenant %s already, if only in the ledger (tenant remove "
                               "makes the name free)",
                               o->to);
        } else
                return NULL;
        return buf;
}

int ends_order(Ends *e, const Tenant *t, const EndOrder *o, EndsDone done, void *data) {
        char text[TQ_MESSAGE_TEXT_MAX];
        End *end = end_find(e, t);
        int error;

        if (refused(e, t, o, &error, text, sizeof(text))) {
                done(data, error, text);
                return 0;
        }
        if (o->is_trial) {
                done(data, 0, "");
                return 0;
        }
        if (!must_be_recorded(t, o)) {
                /* What was in the way may be no more: the order, for one, is there again. */
                if (end)
                        end_go_on(end);
                done(data, 0, "");
                return 0;
        }
        if (!end)
                end = end_new(e, t);
        if (!end)
                return -ENOMEM;
        if (t->ending == TQ_ENDING_NONE)
                note_before(end, o->what, o->to);
        if (end_record(e->rooms.commit, t, TQ_KIND_TENANT_ORDER, o, "%s%s%s",
                       tq_ledger_ending_to_string(o->what), o->to[0] ? " to " : "", o->to) < 0)
                return -ENOMEM;
        if (ending_intend(e->rooms.tenants, t, o->what, o->to, o->uid, o->why) < 0)
                return -ENOMEM;
        end_switch_off(end);
        return answer_when_recorded(e, t->id, on_ordered, done, data);
}

int ends_wait(Ends *e, const Tenant *t, EndsDone done, void *data) {
        End *end = end_find(e, t);
        Waiter *w;

        if (!end)
                return -ENOENT;
        w = malloc(sizeof(*w));
        if (!w)
                return -ENOMEM;
        *w = (Waiter){ .done = done, .data = data };
        tq_list_init(&w->link);
        tq_list_append(&end->waiters, &w->link);
        /* What it came to before may have been told to others. */
        end_go_on(end);
        return 0;
}

int ends_keep(Ends *e, const Tenant *t, const EndOrder *o, EndsDone done, void *data) {
        End *end = end_find(e, t);

        if (!end || !end_is_removal(t->ending)) {
                done(data, -EINVAL, "it is not being removed");
                return 0;
        }
        if (t->ending == TQ_ENDING_DELETE) {
                done(data, -EBUSY, "too late: what there is of it is being deleted already");
                return 0;
        }
        if (o->is_trial) {
                done(data, 0, "");
                return 0;
        }
        if (end_record(e->rooms.commit, t, TQ_KIND_TENANT_KEEP, o, "%s", "") < 0)
                return -ENOMEM;
        if (ending_intend(e->rooms.tenants, t, TQ_ENDING_NONE, NULL, 0, NULL) < 0)
                return -ENOMEM;
        end_switch_to(end, end->before);
        end_tell(end, -EBUSY, "it was taken back");
        /* Who looks just now frees it. */
        end->was_kept = end->is_busy;
        if (!end->is_busy)
                end_free(end);
        return answer_when_recorded(e, t->id, on_kept, done, data);
}

/* Life ------------------------------------------------------------------------------------------
 */

int ends_load(Ends *e) {
        size_t position = 0;
        const Tenant *t;

        while ((t = tenants_next(e->rooms.tenants, &position))) {
                End *end = t->ending == TQ_ENDING_NONE ? NULL : end_new(e, t);

                if (t->ending != TQ_ENDING_NONE && !end)
                        return -ENOMEM;
                if (!end)
                        continue;
                note_before(end, t->ending, t->ending_to);
                end->may_go_on = true;
                end_switch_off(end);
        }
        return 0;
}

/* Those that the supervisor has an order of, and nothing is intended with, are nobody's. */
void ends_start(Ends *e) {
        size_t position = 0;
        End *end;

        e->is_started = true;
        while ((end = tq_map_next(&e->all, &position)))
                (void)end_ask(e, TQ_ORDER_LOOK, end->name, "", ignore, NULL);
        (void)end_ask(e, TQ_ORDER_SETTLE, "", "", ignore, NULL);
        position = 0;
        while ((end = tq_map_next(&e->all, &position)))
                end_again_in(end, COMMIT_PACE_USEC);
}

int ends_new(const EndsRooms *rooms, Ends **ret) {
        Ends *e = calloc(1, sizeof(*e));

        if (!e)
                return -ENOMEM;
        e->rooms = *rooms;
        e->go_on = go_on;
        *ret = e;
        return 0;
}

Ends *ends_free(Ends *e) {
        size_t position = 0;
        End *end;

        if (!e)
                return NULL;
        while ((end = tq_map_next(&e->all, &position))) {
                end_tell(end, -ECANCELED, "");
                end_free(end);
                position = 0;
        }
        tq_map_done(&e->all);
        free(e);
        return NULL;
}
