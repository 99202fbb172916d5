/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/tenants/ending.h"

#include <stdio.h>
#include <string.h>

#include "engine/tenants/tenants_private.h"

int ending_intend(Tenants *ts, const Tenant *tenant, TqLedgerEnding what, const char *to, uid_t uid,
                  const char *why) {
        Tenant *t = tq_map_get(&ts->ids, tenant->id);
        TqLedgerOp *op = commit_op(ts->commit, TQ_LEDGER_ENDING);
        int r;

        if (!op)
                return -ENOMEM;
        r = commit_copy(ts->commit, why && why[0] ? why : NULL, &op->text);
        op->tenant = t->id;
        op->uid = uid;
        op->ending.what = what;
        (void)snprintf(op->ending.to, sizeof(op->ending.to), "%s", to ? to : "");
        t->ending = what;
        t->ending_uid = uid;
        (void)snprintf(t->ending_to, sizeof(t->ending_to), "%s", op->ending.to);
        /* It may be its own. */
        (void)snprintf(t->ending_why, sizeof(t->ending_why), "%s", op->text ? op->text : "");
        ts->has_renames |= what == TQ_ENDING_RENAME;
        return r;
}

int ending_rename(Tenants *ts, const Tenant *t, const char *name) {
        return tenants_rename(ts, tq_map_get(&ts->ids, t->id), name);
}

static void forget_one(Tenants *ts, Tenant *t) {
        if (t->handle > 0 && tq_map_get(&ts->handles, t->handle) == t)
                (void)tq_map_remove(&ts->handles, t->handle);
        if (tq_map_get(&ts->uids, t->uid) == t)
                (void)tq_map_remove(&ts->uids, t->uid);
        tq_list_unlink(&t->same_name);
        t->handle = 0;
        ts->n_removed += !t->is_removed;
        t->is_removed = t->is_gone = true;
        t->is_ready = false;
        t->ending = TQ_ENDING_REMOVED;
        (void)snprintf(t->fault, sizeof(t->fault), "it was removed");
}

void ending_forget(Tenants *ts, const Tenant *tenant) {
        Tenant *t = tq_map_get(&ts->ids, tenant->id);

        tenants_take_name_off(ts, t);
        TQ_LIST_FOREACH(node, &t->same_name)
        forget_one(ts, TQ_LIST_ENTRY(node, Tenant, same_name));
        forget_one(ts, t);
}
