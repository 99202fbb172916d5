/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/tenants/tenants.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "engine/tenants/tenants_private.h"

/* Who the tenant is comes from the supervisor; its number is the ledger's and stays for ever. All
 * owners that a name has had stand in one ring; one of them has the name now, the others are former
 * ones, whose jobs wait until somebody cancels them. */

int tenants_new(Commit *commit, Events *events, Tenants **ret) {
        Tenants *ts = calloc(1, sizeof(*ts));

        if (!ts)
                return -ENOMEM;
        ts->commit = commit;
        ts->events = events;
        *ret = ts;
        return 0;
}

Tenants *tenants_free(Tenants *ts) {
        size_t position = 0;
        Tenant *t;

        if (!ts)
                return NULL;
        while ((t = tq_map_next(&ts->ids, &position)))
                free(t);
        tq_map_done(&ts->ids);
        tq_map_done(&ts->handles);
        tq_map_done(&ts->names);
        tq_map_done(&ts->uids);
        free(ts);
        return NULL;
}

void tenants_on_former(Tenants *ts, void (*fn)(void *data, const Tenant *former), void *data) {
        ts->on_former = fn;
        ts->former_data = data;
}

/* Finding ------------------------------------------------------------------------------------- */

static Tenant *by_name(const Tenants *ts, const char *name) {
        Tenant *t = tq_map_get(&ts->names, tq_scheduler_name(name));
        size_t position = 0;

        if (!t || strcmp(t->name, name) == 0)
                return t;
        /* Two names with one hash: root made both. */
        while ((t = tq_map_next(&ts->ids, &position)))
                if (strcmp(t->name, name) == 0 && !t->is_former && !t->is_removed)
                        return t;
        return NULL;
}

const Tenant *tenants_by_name(const Tenants *ts, const char *name) {
        return by_name(ts, name);
}

#define FORMER ".former-"

const char *tenants_title(const Tenant *t, char buf[TQ_TENANT_TITLE_MAX]) {
        if (t->is_former)
                (void)snprintf(buf, TQ_TENANT_TITLE_MAX, "%s" FORMER "%" PRIu32, t->name, t->id);
        else
                (void)snprintf(buf, TQ_TENANT_TITLE_MAX, "%s", t->name);
        return buf;
}

const Tenant *tenants_by_title(const Tenants *ts, const char *title) {
        const char *former = strstr(title, FORMER); /* no name has a dot */
        char own[TQ_TENANT_TITLE_MAX];
        const Tenant *t;
        uint64_t id;

        if (!former)
                return by_name(ts, title);
        if (tq_parse_u64_in(former + strlen(FORMER), 1, UINT32_MAX, &id) < 0)
                return NULL;
        t = tq_map_get(&ts->ids, id);
        return t && !t->is_removed && strcmp(tenants_title(t, own), title) == 0 ? t : NULL;
}

const Tenant *tenants_get(const Tenants *ts, uint32_t id) {
        return tq_map_get(&ts->ids, id);
}

const Tenant *tenants_by_handle(const Tenants *ts, uint32_t handle) {
        return tq_map_get(&ts->handles, handle);
}

const Tenant *tenants_by_uid(const Tenants *ts, uid_t uid) {
        const Tenant *t = tq_map_get(&ts->uids, uid);

        return t && t->handle > 0 && t->uid == uid && !t->is_gone && !t->is_user_gone ? t : NULL;
}

const Tenant *tenants_next(const Tenants *ts, size_t *position) {
        const Tenant *t;

        do
                t = tq_map_next(&ts->ids, position);
        while (t && t->is_removed);
        return t;
}

size_t tenants_count(const Tenants *ts) {
        return ts->ids.size - ts->n_removed;
}

EventBudget *tenants_budget(const Tenants *ts, uint32_t id) {
        Tenant *t = tq_map_get(&ts->ids, id);

        return t ? &t->budget : NULL;
}

size_t *tenants_specs(const Tenants *ts, uint32_t id) {
        Tenant *t = tq_map_get(&ts->ids, id);

        return t ? &t->n_specs : NULL;
}

bool tenants_may_see(const Tenants *ts, const Viewer *v, const Tenant *t) {
        return v->is_admin || (t && t == tenants_by_uid(ts, v->uid));
}

/* Who it is ----------------------------------------------------------------------------------- */

static Tenant *tenant_new(Tenants *ts, uint32_t id, const char *name, uid_t uid, const char *user) {
        Tenant *t = calloc(1, sizeof(*t)), *same = by_name(ts, name);

        if (!t)
                return NULL;
        t->id = id;
        t->uid = uid;
        t->is_gone = true;
        (void)snprintf(t->name, sizeof(t->name), "%s", name);
        (void)snprintf(t->user, sizeof(t->user), "%s", user);
        (void)snprintf(t->fault, sizeof(t->fault), "it has no directory in the spool");
        tq_list_init(&t->same_name);
        events_budget_init(&t->budget, id);
        if (tq_map_put(&ts->ids, id, t) < 0 ||
            (!same && tq_map_put(&ts->names, tq_scheduler_name(name), t) == -ENOMEM)) {
                (void)tq_map_remove(&ts->ids, id);
                free(t);
                return NULL;
        }
        if (same) {
                tq_list_append(&same->same_name, &t->same_name);
                t->is_former = true; /* until it is said whose the name is now */
        }
        return t;
}

const char *tenants_fault(const Tenant *t, char *buf, size_t size) {
        if (t->is_former)
                (void)snprintf(
                        buf, size,
                        "tenant %s belongs to another user now; its jobs wait until somebody "
                        "cancels them",
                        t->name);
        else if (t->is_ready && t->is_user_gone)
                (void)snprintf(buf, size,
                               "user %s (%u) does not exist any more: chown the directory to the "
                               "tenant's user, or make the user again",
                               t->user, t->uid);
        else if (!t->is_ready)
                (void)snprintf(buf, size, "%s", t->fault);
        else
                return NULL;
        return buf;
}

/* What is intended ------------------------------------------------------------------------------
 */

static int record_name(Tenants *ts, const Tenant *t) {
        TqLedgerOp *op = commit_op(ts->commit, TQ_LEDGER_RENAME);

        if (!op)
                return -ENOMEM;
        op->tenant = t->id;
        return commit_copy(ts->commit, t->name, &op->text);
}

static int rename_one(Tenants *ts, Tenant *t, const char *name) {
        (void)snprintf(t->name, sizeof(t->name), "%s", name);
        t->ending = TQ_ENDING_NONE;
        t->ending_to[0] = '\0';
        return record_name(ts, t);
}

void tenants_take_name_off(Tenants *ts, const Tenant *t) {
        if (tq_map_get(&ts->names, tq_scheduler_name(t->name)) == t)
                (void)tq_map_remove(&ts->names, tq_scheduler_name(t->name));
}

int tenants_rename(Tenants *ts, Tenant *t, const char *name) {
        int r;

        tenants_take_name_off(ts, t);
        r = rename_one(ts, t, name);
        TQ_LIST_FOREACH(node, &t->same_name) {
                Tenant *former = TQ_LIST_ENTRY(node, Tenant, same_name);

                if (r >= 0)
                        r = rename_one(ts, former, name);
        }
        return tq_map_put(&ts->names, tq_scheduler_name(name), t) == -ENOMEM ? -ENOMEM : r;
}

/* A crash may come between what was done to the directories and its record here: then the
 * supervisor speaks of the new name, or of the new owner, while it is still intended. It is known
 * by that who is meant, and recorded once more. */

static void note_name(Tenants *ts, const char *name) {
        size_t position = 0;
        Tenant *t;

        while (ts->has_renames && (t = tq_map_next(&ts->ids, &position)))
                if (t->ending == TQ_ENDING_RENAME && strcmp(t->ending_to, name) == 0) {
                        (void)tenants_rename(ts, t, name);
                        return;
                }
}

static bool is_to_be(const Tenant *t, uid_t uid, const char *user) {
        char number[16];

        (void)snprintf(number, sizeof(number), "%u", uid);
        return t->ending == TQ_ENDING_CHOWN &&
               (strcmp(t->ending_to, user) == 0 || strcmp(t->ending_to, number) == 0);
}

/* Finding who it is -----------------------------------------------------------------------------
 */

/* Whether a tenant of the ledger is whom the supervisor speaks of. A number whose name was not
 * known is the same with a name. */
static bool is_owner(const Tenant *t, const TqTenantMessage *m) {
        return t->uid == TQ_UID_UNKNOWN ||
               (t->uid == m->uid && (strcmp(t->user, m->user) == 0 || t->user[0] == '\0'));
}

/* The number had a name once, and has none now: its user was deleted. */
static bool is_nameless(const Tenant *t, const TqTenantMessage *m) {
        return t->uid == m->uid && m->user[0] == '\0';
}

/* The administrator says so: former_owner= of its file. */
static bool is_said_to_be(const Tenant *t, const TqTenantMessage *m) {
        const char *who = m->former_owner;
        char number[16];

        (void)snprintf(number, sizeof(number), "%u", t->uid);
        return who[0] != '\0' && (strcmp(who, number) == 0 || strcmp(who, t->user) == 0);
}

/* One of the owners that the name has had; NULL: it is a new one. */
static Tenant *find_owner(Tenant *present, const TqTenantMessage *m,
                          bool (*matches)(const Tenant *, const TqTenantMessage *)) {
        if (matches(present, m))
                return present;
        TQ_LIST_FOREACH(node, &present->same_name) {
                Tenant *t = TQ_LIST_ENTRY(node, Tenant, same_name);

                if (matches(t, m))
                        return t;
        }
        return NULL;
}

static int record(Tenants *ts, const Tenant *t) {
        TqLedgerOp *op = commit_op(ts->commit, TQ_LEDGER_TENANT);
        int r;

        if (!op)
                return -ENOMEM;
        op->tenant = t->id;
        op->uid = t->uid;
        r = commit_copy(ts->commit, t->name, &op->text);
        return r < 0 ? r : commit_copy(ts->commit, t->user, &op->user);
}

/* The name is t's now; who had it before is told so. */
static int make_present(Tenants *ts, Tenant *t, uint32_t handle) {
        Tenant *before = by_name(ts, t->name);

        if (before && before != t) {
                before->is_former = true;
                before->is_ready = false;
                before->handle = 0;
                if (tq_map_get(&ts->uids, before->uid) == before)
                        (void)tq_map_remove(&ts->uids, before->uid);
                if (ts->on_former)
                        ts->on_former(ts->former_data, before);
                /* Over a restart too, whatever is known of the directory then. */
                if (record(ts, t) < 0)
                        return -ENOMEM;
        }
        t->is_former = false;
        (void)tq_map_remove(&ts->names, tq_scheduler_name(t->name));
        (void)tq_map_remove(&ts->handles, handle);
        if (tq_map_put(&ts->names, tq_scheduler_name(t->name), t) < 0 ||
            tq_map_put(&ts->handles, handle, t) < 0)
                return -ENOMEM;
        t->handle = handle;
        return 0;
}

static Tenant *find(const TqTenantMessage *m, Tenant *present) {
        Tenant *t = present;

        /* Whose it is is only known of a directory that is in order. */
        if (!m->is_enabled || !present)
                return present;
        /* Also to one who had the name before. */
        if (is_to_be(present, m->uid, m->user))
                return present;
        t = find_owner(present, m, is_owner);
        if (!t)
                t = find_owner(present, m, is_nameless);
        return !t && is_said_to_be(present, m) ? present : t;
}

static const char *owner(uid_t uid, const char *user, char *buf, size_t size) {
        (void)snprintf(buf, size, "%s%s%u", user, user[0] ? ", " : "", uid);
        return buf;
}

static int record_owner(const Tenants *ts, const Tenant *t, const TqTenantMessage *m,
                        const Tenant *present) {
        char before[96], now[96];

        return audit_add(ts->commit,
                         &(AuditRow){ .kind = TQ_KIND_NEW_OWNER,
                                      .uid = EVENTS_NOBODY,
                                      .tenant = t->id,
                                      .tenant_name = t->name,
                                      .name = "owner",
                                      .old_value = owner(present->uid, present->user, before,
                                                         sizeof(before)),
                                      .new_value = owner(m->uid, m->user, now, sizeof(now)),
                                      .about = "somebody has changed the owner of its directory" });
}

static Tenant *make(Tenants *ts, const TqTenantMessage *m, const Tenant *present) {
        TqLedgerNumbers *numbers = commit_numbers(ts->commit);
        Tenant *t = tenant_new(ts, numbers->next_tenant, m->name, TQ_UID_UNKNOWN, "");

        if (!t)
                return NULL;
        numbers->next_tenant++;
        if (record(ts, t) < 0)
                return NULL;
        if (present && record_owner(ts, t, m, present) < 0)
                return NULL;
        return t;
}

/* Whom its user may speak for. */
static int settle_user(Tenants *ts, Tenant *t, const TqTenantMessage *m) {
        Tenant *speaker = tq_map_get(&ts->uids, t->uid);

        /* Not in order, it speaks for its user only if no other tenant does. */
        if (!m->is_enabled)
                return t->is_user_gone || t->uid == TQ_UID_UNKNOWN || speaker
                               ? 0
                               : tq_map_put(&ts->uids, t->uid, t);
        if (t->is_user_gone || (t->uid == m->uid && strcmp(t->user, m->user) == 0 && speaker == t))
                return 0;
        if (speaker == t)
                (void)tq_map_remove(&ts->uids, t->uid);
        t->uid = m->uid;
        (void)snprintf(t->user, sizeof(t->user), "%s", m->user);
        (void)tq_map_remove(&ts->uids, t->uid);
        if (tq_map_put(&ts->uids, t->uid, t) < 0)
                return -ENOMEM;
        return record(ts, t);
}

/* A new owner, one that is known, or the same under another name or number because the
 * administrator says so. */
static int identify(Tenants *ts, const TqTenantMessage *m, Tenant **ret) {
        Tenant *present, *t;

        note_name(ts, m->name);
        present = by_name(ts, m->name);
        t = find(m, present);
        if (!t)
                t = make(ts, m, present);
        if (!t)
                return -ENOMEM;
        *ret = t;
        t->is_user_gone = m->is_enabled
                                  ? m->user[0] == '\0' && t->user[0] != '\0' && t->uid == m->uid
                                  : t->uid != m->uid || strcmp(m->user, t->user) != 0;
        if (t->handle != m->tenant && make_present(ts, t, m->tenant) < 0)
                return -ENOMEM;
        return settle_user(ts, t, m);
}

int tenants_hear(Tenants *ts, const TqTenantMessage *m, const Tenant **ret) {
        Tenant *t;
        int r;

        r = identify(ts, m, &t);
        if (r < 0)
                return r;
        t->owner = m->owner;
        t->is_ready = m->is_enabled;
        t->is_gone = m->is_gone;
        (void)snprintf(t->home, sizeof(t->home), "%s", m->home);
        (void)snprintf(t->fault, sizeof(t->fault), "%s", m->fault);
        tenants_tell_notes(ts, t, m->note);
        (void)snprintf(t->note, sizeof(t->note), "%s", m->note);
        *ret = t;
        return 0;
}

/* Start-up ------------------------------------------------------------------------------------ */

/* In the order in which they got their names: the last one has it until the supervisor says who
 * has. */
static int load_tenant(void *userdata, const TqLedgerTenant *row) {
        Tenants *ts = userdata;
        Tenant *before = by_name(ts, row->name);
        Tenant *t = tenant_new(ts, row->id, row->name, row->uid, row->user);

        if (!t)
                return -ENOMEM;
        t->ending = row->ending;
        t->ending_uid = row->ending_uid;
        t->revision = row->revision;
        (void)snprintf(t->ending_to, sizeof(t->ending_to), "%s", row->ending_to);
        (void)snprintf(t->ending_why, sizeof(t->ending_why), "%s", row->ending_why);
        ts->has_renames |= t->ending == TQ_ENDING_RENAME;
        if (!before)
                return 0;
        before->is_former = true;
        t->is_former = false;
        (void)tq_map_remove(&ts->names, tq_scheduler_name(t->name));
        return tq_map_put(&ts->names, tq_scheduler_name(t->name), t);
}

int tenants_load(Tenants *ts) {
        return tq_ledger_each_tenant(commit_ledger(ts->commit), load_tenant, ts);
}
