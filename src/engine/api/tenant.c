/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <string.h>

#include "core/ids.h"
#include "engine/api/verbs.h"
#include "engine/ends/ends.h"

/* The end of a tenant, another name, another owner: looked at, ordered, waited for, taken back. */

static TqControlError error_of(int result) {
        switch (result) {
        case -ENOENT:
                return TQ_CONTROL_NOT_FOUND;
        case -EINVAL:
                return TQ_CONTROL_INVALID;
        case -ENODATA:
                return TQ_CONTROL_NO_ORDER;
        case -EEXIST:
        case -EBUSY:
        case -EPERM:
                return TQ_CONTROL_REFUSED;
        default:
                return TQ_CONTROL_FAILED;
        }
}

/* Of a call that was kept. */
static void on_done(void *data, int result, const char *text) {
        Call *c = data;

        if (result >= 0)
                (void)call_reply_empty(c);
        else if (result != -ECANCELED)
                (void)call_error(c, error_of(result), "%s", text);
        (void)call_free(c);
}

static int needs_name(const Call *c) {
        return c->tenant ? 0 : call_error(c, TQ_CONTROL_INVALID, "expected a tenant");
}

/* Looking ----------------------------------------------------------------------------------------
 */

static int add_numbers(const Call *c, const TqOrderFound *found, const Tally *tally,
                       TqTable *table) {
        static const char *const columns[] = {
                "tenant",       "running",      "waiting",     "ended",    "dead",        "limits",
                "output_files", "output_bytes", "spool_files", "has_file", "is_at_least",
        };
        const EndsLeft left = ends_left(c->api->ends, c->tenant);
        const uint64_t numbers[] = { left.running,
                                     left.waiting,
                                     tq_sub_u64(tally->jobs, left.running + left.waiting),
                                     tally->dead,
                                     tally->limits,
                                     found->output_files,
                                     found->output_bytes,
                                     found->spool_files,
                                     found->has_file,
                                     found->is_at_least };
        int r;

        r = tq_table_add_columns(table, columns, TQ_ELEMENTSOF(columns));
        if (r >= 0)
                r = tq_table_add_row(table);
        if (r >= 0)
                r = tq_table_set_text(table, 0, c->tenant->name);
        for (size_t i = 0; r >= 0 && i < TQ_ELEMENTSOF(numbers); i++)
                tq_table_set_integer(table, i + 1, (int64_t)numbers[i]);
        return r;
}

static void on_looked(void *data, int result, const char *text, const TqOrderFound *found,
                      const Tally *tally) {
        TQ_TABLE_CLEANUP TqTable table = {};
        Call *c = data;

        if (result >= 0)
                result = add_numbers(c, found, tally, &table);
        if (result >= 0)
                (void)call_reply_table(c, &table);
        else if (result != -ECANCELED && result != -ECONNRESET)
                (void)call_error(c, error_of(result), "%s", text[0] ? text : strerror(-result));
        (void)call_free(c);
}

/* LookTenant(tenant, to): also whether it may be called that. */
int verb_look_tenant(Call *c) {
        const char *to;
        Call *kept;
        int r;

        r = sd_bus_message_read(c->message, "s", &to);
        if (r < 0 || needs_name(c) != 0)
                return r < 0 ? r : 1;
        if (to[0] != '\0' && tenants_by_name(c->api->tenants, to))
                return call_error(c, TQ_CONTROL_REFUSED,
                                  "there is a tenant %.60s already, if only in the ledger (tenant "
                                  "remove makes the name free)",
                                  to);
        kept = call_keep(c);
        r = kept ? ends_look(c->api->ends, c->tenant, to, on_looked, kept) : -ENOMEM;
        if (r < 0)
                (void)call_free(kept);
        return r < 0 ? r : 1;
}

/* Orders -----------------------------------------------------------------------------------------
 */

/* Another name or owner is a matter of moments: who asks is told what came of it. */
static void on_ordered(void *data, int result, const char *text) {
        const Call *c = data;

        if (result < 0 || ends_wait(c->api->ends, c->tenant, on_done, data) < 0)
                on_done(data, result, text);
}

static int order(Call *c, TqLedgerEnding what, const char *to) {
        const EndOrder o = { .what = what,
                             .to = to,
                             .why = c->why,
                             .uid = c->viewer.uid,
                             .origin = &c->viewer.origin,
                             .is_trial = c->is_trial };
        EndsDone done = to[0] != '\0' && !c->is_trial ? on_ordered : on_done;
        Call *kept = call_keep(c);
        int r = kept ? ends_order(c->api->ends, c->tenant, &o, done, kept) : -ENOMEM;

        if (r < 0)
                (void)call_free(kept);
        return r < 0 ? r : 1;
}

/* EndTenant(tenant, what, to, why, flags): it is recorded; WaitTenant() tells when a removal is
 * done. */
int verb_end_tenant(Call *c) {
        static const TqLedgerEnding known[] = { TQ_ENDING_REMOVE, TQ_ENDING_CANCEL,
                                                TQ_ENDING_RENAME, TQ_ENDING_CHOWN };
        const char *word, *to;
        TqLedgerEnding what;
        bool is_known = false;
        int r;

        r = sd_bus_message_read(c->message, "ss", &word, &to);
        if (r >= 0)
                r = call_read_intent(c);
        if (r != 0 || needs_name(c) != 0)
                return r < 0 ? r : 1;
        what = tq_ledger_ending_from_string(word);
        for (size_t i = 0; i < TQ_ELEMENTSOF(known); i++)
                is_known |= what == known[i];
        if (!is_known)
                return call_error(c, TQ_CONTROL_INVALID,
                                  "expected remove, cancel, rename or chown");
        if (what == TQ_ENDING_RENAME && !tq_ids_tenant_is_valid(to))
                return call_error(c, TQ_CONTROL_INVALID, "\"%.60s\": " TQ_IDS_TENANT_RULE, to,
                                  TQ_TENANT_NAME_MAX);
        if (what == TQ_ENDING_CHOWN && (to[0] == '\0' || strlen(to) >= 64))
                return call_error(c, TQ_CONTROL_INVALID, "expected a user");
        return order(c, what, what == TQ_ENDING_RENAME || what == TQ_ENDING_CHOWN ? to : "");
}

/* WaitTenant(tenant) */
int verb_wait_tenant(Call *c) {
        Call *kept;
        int r;

        if (needs_name(c) != 0)
                return 1;
        kept = call_keep(c);
        r = kept ? ends_wait(c->api->ends, c->tenant, on_done, kept) : -ENOMEM;
        if (r < 0)
                (void)call_free(kept);
        return r == -ENOENT ? call_reply_empty(c) : r < 0 ? r : 1;
}

/* KeepTenant(tenant, why, flags) */
int verb_keep_tenant(Call *c) {
        EndOrder o = { .uid = c->viewer.uid, .origin = &c->viewer.origin };
        Call *kept;
        int r;

        r = call_read_intent(c);
        if (r != 0 || needs_name(c) != 0)
                return r < 0 ? r : 1;
        o.why = c->why;
        o.is_trial = c->is_trial;
        kept = call_keep(c);
        r = kept ? ends_keep(c->api->ends, c->tenant, &o, on_done, kept) : -ENOMEM;
        if (r < 0)
                (void)call_free(kept);
        return r < 0 ? r : 1;
}
