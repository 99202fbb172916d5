/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/ends/change.h"

#include <stdio.h>

#include "engine/ends/record.h"
#include "engine/tenants/ending.h"

/* Another name or owner: nothing starts of the tenant, the supervisor does it, then it is recorded.
 */

static void on_over(void *data, int result) {
        End *end = *(End **)data;

        if (end_is_recorded(end, result))
                end_drop_and_tell(end);
}

/* What was before holds again; the order goes when that is recorded. */
static void over(End *end) {
        End **data;

        end_switch_to(end, end->before);
        data = commit_then(end->ends->rooms.commit, on_over, sizeof(End *));
        if (!data)
                return;
        end->is_busy = true;
        *data = end;
}

static void rename_it(End *end) {
        const Tenant *t = end->tenant;
        Ends *e = end->ends;

        (void)end_record_step(e->rooms.commit, t, TQ_KIND_TENANT_RENAMED, "%s is called %s now",
                              end->name, end->to);
        /* Else the supervisor has spoken of it by its new name already. */
        if (t->ending == TQ_ENDING_RENAME)
                (void)ending_rename(e->rooms.tenants, t, end->to);
        TQ_LIST_FOREACH(node, &t->same_name)
        settings_tell(e->rooms.settings, TQ_LIST_ENTRY(node, Tenant, same_name));
        settings_tell(e->rooms.settings, t);
}

static void on_changed(void *data, int result, const char *blob, size_t size, int *fd) {
        End *end = data;
        Ends *e = end->ends;
        const Tenant *t = end->tenant;

        (void)fd;
        if (!end_is_answered(end, result, blob, size))
                return;
        /* One that has begun is finished, whatever is in the way (-EAGAIN). */
        if (result == -EAGAIN || (result == -EBUSY && end->tries < END_TRIES)) {
                end_try_again(end);
                return;
        }
        if (result < 0) {
                (void)end_record_step(e->rooms.commit, t, TQ_KIND_TENANT_REFUSED, "%s %s: %s",
                                      tq_ledger_ending_to_string(end->change), end->to, end->fault);
                (void)ending_intend(e->rooms.tenants, t, TQ_ENDING_NONE, NULL, 0, NULL);
        } else if (end->change == TQ_ENDING_RENAME)
                rename_it(end);
        else {
                (void)end_record_step(e->rooms.commit, t, TQ_KIND_TENANT_CHOWN, "is user %s's now",
                                      end->to);
                (void)ending_intend(e->rooms.tenants, t, TQ_ENDING_NONE, NULL, 0, NULL);
                settings_apply(e->rooms.settings, t);
        }
        over(end);
}

void change_go_on(End *end) {
        end->is_busy = end_ask(end->ends,
                               end->change == TQ_ENDING_RENAME ? TQ_ORDER_RENAME : TQ_ORDER_CHOWN,
                               end->name, end->to, on_changed, end) >= 0;
        if (!end->is_busy)
                end_again_in(end, END_RETRY_USEC);
}
