/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "base/format.h"
#include "base/parse.h"
#include "engine/engine.h"

/* Tenants and the limits in force. Three layers, each standing over the one before: [defaults] of
 * tenantq.conf, the tenant's file, the live revisions of the ledger; then [ceilings] caps the
 * result. Who the tenant is comes from the supervisor; its number is the ledger's and stays for
 * ever. */

EngineTenant *tenants_by_name(Engine *e, const char *name) {
        EngineTenant *t = tq_map_get(&e->names, tq_scheduler_name(name));
        size_t position = 0;

        if (!t || strcmp(t->name, name) == 0)
                return t;
        /* Two names with one hash: root made both. */
        while ((t = tq_map_next(&e->tenants, &position)))
                if (strcmp(t->name, name) == 0 && !t->is_former)
                        return t;
        return NULL;
}

#define FORMER ".former-"

const char *tenants_title(const EngineTenant *t, char buf[TQ_TENANT_TITLE_MAX]) {
        if (t->is_former)
                (void)snprintf(buf, TQ_TENANT_TITLE_MAX, "%s" FORMER "%" PRIu32, t->name, t->id);
        else
                (void)snprintf(buf, TQ_TENANT_TITLE_MAX, "%s", t->name);
        return buf;
}

EngineTenant *tenants_by_title(Engine *e, const char *title) {
        const char *former = strstr(title, FORMER); /* no name has a dot */
        char own[TQ_TENANT_TITLE_MAX];
        EngineTenant *t;
        uint64_t id;

        if (!former)
                return tenants_by_name(e, title);
        if (tq_parse_u64_in(former + strlen(FORMER), 1, UINT32_MAX, &id) < 0)
                return NULL;
        t = tq_map_get(&e->tenants, id);
        return t && strcmp(tenants_title(t, own), title) == 0 ? t : NULL;
}

EngineTenant *tenants_by_uid(Engine *e, uid_t uid) {
        EngineTenant *t = tq_map_get(&e->uids, uid);

        return t && t->handle > 0 && t->uid == uid && !t->is_gone && !t->is_user_gone ? t : NULL;
}

static EngineTenant *tenant_new(Engine *e, uint32_t id, const char *name, uid_t uid,
                                const char *user) {
        EngineTenant *t = calloc(1, sizeof(*t)), *same = tenants_by_name(e, name);

        if (!t)
                return NULL;
        t->id = id;
        t->uid = uid;
        t->is_gone = true;
        (void)snprintf(t->name, sizeof(t->name), "%s", name);
        (void)snprintf(t->user, sizeof(t->user), "%s", user);
        (void)snprintf(t->supervisor_fault, sizeof(t->supervisor_fault),
                       "it has no directory in the spool");
        tq_list_init(&t->same_name);
        tq_list_init(&t->faults);
        tq_list_init(&t->inquiries);
        if (tq_map_put(&e->tenants, id, t) < 0 ||
            (!same && tq_map_put(&e->names, tq_scheduler_name(name), t) == -ENOMEM)) {
                (void)tq_map_remove(&e->tenants, id);
                free(t);
                return NULL;
        }
        if (same) {
                tq_list_append(&same->same_name, &t->same_name);
                t->is_former = true; /* until it is said whose the name is now */
        }
        return t;
}

/* What is wrong ------------------------------------------------------------------------------- */

const char *tenants_fault(const EngineTenant *t, char *buf, size_t size) {
        const LimitFault *f = NULL;

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
                (void)snprintf(buf, size, "%s", t->supervisor_fault);
        else if (t->is_blocked)
                (void)snprintf(buf, size,
                               "jobs of its former owner still run; it starts when they have ended "
                               "(ps, cancel)");
        else if (!tq_list_is_empty(&t->faults)) {
                f = TQ_LIST_ENTRY(tq_list_first(&t->faults), LimitFault, link);
                (void)snprintf(buf, size,
                               "a limit of the ledger can't hold: %s; set or unset %s of %s%s%s",
                               f->text, f->name, t->name, f->queue[0] ? "/" : "", f->queue);
        } else if (t->apply_fault[0] != '\0' || t->share_fault[0] != '\0')
                (void)snprintf(buf, size, "%s",
                               t->apply_fault[0] ? t->apply_fault : t->share_fault);
        else if (!t->is_applied)
                (void)snprintf(buf, size, "its limits are being applied");
        else
                return NULL;
        return buf;
}

bool tenants_has_limit_fault(const EngineTenant *t, const char *queue, const char *name) {
        TQ_LIST_FOREACH(node, &t->faults) {
                const LimitFault *f = TQ_LIST_ENTRY(node, LimitFault, link);

                if (strcmp(f->queue, queue) == 0 && strcmp(f->name, name) == 0)
                        return true;
        }
        return false;
}

static void limit_fault_free(LimitFault *f) {
        tq_list_unlink(&f->link);
        free(f->queue);
        free(f->name);
        free(f);
}

void tenants_mend_limit(EngineTenant *t, const char *queue, const char *name) {
        TQ_LIST_FOREACH(node, &t->faults) {
                LimitFault *f = TQ_LIST_ENTRY(node, LimitFault, link);

                if (strcmp(f->queue, queue) == 0 && strcmp(f->name, name) == 0)
                        limit_fault_free(f);
        }
}

/* Starting without a limit that was set would be worse than not starting; but it is this tenant's
 * affair, not the others'. */
static int add_limit_fault(EngineTenant *t, const TqLedgerLimit *row, const char *text) {
        LimitFault *f = calloc(1, sizeof(*f));

        if (!f)
                return -ENOMEM;
        tq_list_init(&f->link);
        f->queue = strdup(row->queue);
        f->name = strdup(row->name);
        (void)snprintf(f->text, sizeof(f->text), "%.120s=%.80s", row->name, row->value);
        if (!f->queue || !f->name) {
                limit_fault_free(f);
                return -ENOMEM;
        }
        tq_list_append(&t->faults, &f->link);
        engine_say(SD_ERR, "tenant %s: revision %llu of the ledger is not understood: %s", t->name,
                   (unsigned long long)row->revision, text);
        return 0;
}

void tenants_note_launch(Engine *e, EngineTenant *t, const char *text) {
        if (!text) {
                t->launch_note[0] = '\0';
                return;
        }
        if (t->launch_note[0] == '\0') {
                engine_say(SD_ERR, "tenant %s: jobs can't be launched for now: %s", t->name, text);
                batch_event_of(e, t, "launch-failed", 0, BATCH_NOBODY, "%s", text);
        }
        (void)snprintf(t->launch_note, sizeof(t->launch_note), "%s", text);
}

/* Limits -------------------------------------------------------------------------------------- */

/* CPUs of a pool are its tenants', and nobody else's. */
static int clamp_to_pool(const Engine *e, const EngineTenant *t, TqLimits *l) {
        TqLimits cpus = { .set = UINT64_C(1) << TQ_KEY_CPUS };
        const TqPoolPolicy *own = NULL;
        bool is_divided = false;
        uint64_t any = 0;

        for (uint64_t i = 0; i < TQ_MIN(e->policy.cpus, (uint64_t)TQ_CPUS_MAX); i++)
                cpus.cpus[i / 64] |= UINT64_C(1) << (i % 64);
        for (uint32_t i = 0; i < e->policy.n_pools; i++) {
                const TqPoolPolicy *p = &e->policy.pools[i];

                if (strcmp(p->name, t->pool) == 0)
                        own = p;
                is_divided |= p->has_cpus;
                for (size_t k = 0; p->has_cpus && k < TQ_ELEMENTSOF(cpus.cpus); k++)
                        cpus.cpus[k] &= ~p->cpus[k];
        }
        if (own && own->has_cpus)
                memcpy(cpus.cpus, own->cpus, sizeof(cpus.cpus));
        /* The pools have all CPUs: the others share them, since they must run somewhere. */
        for (size_t k = 0; k < TQ_ELEMENTSOF(cpus.cpus); k++)
                any |= cpus.cpus[k];
        return is_divided && any != 0 ? tq_limits_clamp(l, &cpus) : 0;
}

int tenants_resolve(Engine *e, const EngineTenant *t, const TqLimits *live, TqLimits *ret,
                    TqError *err) {
        int r;

        *ret = e->defaults;
        r = tq_limits_overlay(ret, &t->file);
        if (r >= 0)
                r = tq_limits_overlay(ret, live);
        if (r >= 0)
                r = tq_limits_clamp(ret, &e->ceilings);
        if (r >= 0)
                r = clamp_to_pool(e, t, ret);
        if (r < 0)
                return tq_error(err, r,
                                "at most %d limits with @device, those of [defaults], the tenant's "
                                "file and [ceilings] included",
                                TQ_IO_DEVICES);
        return 0;
}

const TqQueueLimit *tenants_find_queue(const TqQueueLimit *queues, size_t n, const char *queue) {
        for (size_t i = 0; i < n; i++)
                if (strcmp(queues[i].name, queue) == 0)
                        return &queues[i];
        return NULL;
}

/* Adds what is set in `over` to the queue of that name. */
static int add_queue(TqQueueLimit *queues, size_t *n, const char *queue, const TqQueueLimit *over) {
        TqQueueLimit *q = (TqQueueLimit *)tenants_find_queue(queues, *n, queue);

        if (!q && *n == TQ_QUEUE_LIMITS)
                return -E2BIG;
        if (!q) {
                q = &queues[(*n)++];
                *q = (TqQueueLimit){};
                (void)snprintf(q->name, sizeof(q->name), "%s", queue);
        }
        tq_policy_queue_overlay(q, over);
        return 0;
}

int tenants_queues(const EngineTenant *t, TqQueueLimit ret[TQ_QUEUE_LIMITS]) {
        size_t n = t->n_file_queues;
        int r = 0;

        memcpy(ret, t->file_queues, n * sizeof(*ret));
        for (size_t i = 0; r >= 0 && i < t->n_live_queues; i++)
                r = add_queue(ret, &n, t->live_queues[i].name, &t->live_queues[i]);
        return r < 0 ? r : (int)n;
}

int tenants_set_live_queue(EngineTenant *t, const char *queue, const TqQueueLimit *set) {
        return add_queue(t->live_queues, &t->n_live_queues, queue, set);
}

void tenants_unset_live_queue(EngineTenant *t, const char *queue, TqKey key) {
        TqQueueLimit *q =
                (TqQueueLimit *)tenants_find_queue(t->live_queues, t->n_live_queues, queue);

        if (!q)
                return;
        q->set &= ~(UINT64_C(1) << key);
        if (q->set == 0)
                *q = t->live_queues[--t->n_live_queues];
}

int tenants_check_share(Engine *e, const EngineTenant *t, const TqLimits *limits, TqError *err) {
        uint64_t reserved = tq_limits_get(limits, TQ_KEY_RESERVED, 0), left;
        char text[TQ_FORMAT_MAX];
        int r;

        r = tq_scheduler_check_reserved(e->scheduler, t->id, t->pool, reserved, &left);
        if (r == -ENOENT)
                return tq_error(err, -EBADMSG, "pool=%s: tenantq.conf has no [pool %s]", t->pool,
                                t->pool);
        if (r == -EDQUOT)
                return tq_error_at(
                        err, -EBADMSG, 0, "reserved",
                        "asks for %s, but only %llu of the pool's slots are left to reserve",
                        tq_limits_format_value(TQ_KEY_RESERVED, reserved, text, sizeof(text)),
                        (unsigned long long)left);
        return 0;
}

/* What one tenant gave back may be what another one could not have: a reservation that moves from
 * one to the other must not depend on who is announced first. */
static void reconsider(Engine *e) {
        size_t position = 0;
        EngineTenant *t;
        TqError err = {};

        while ((t = tq_map_next(&e->tenants, &position)))
                if (t->share_fault[0] != '\0' &&
                    tenants_check_share(e, t, &t->effective, &err) == 0)
                        tenants_tell_scheduler(e, t);
}

static bool former_runs(Engine *e, const EngineTenant *t) {
        TQ_LIST_FOREACH(node, &t->same_name) {
                const EngineTenant *former = TQ_LIST_ENTRY(node, EngineTenant, same_name);
                const TqTenant *view = tq_scheduler_tenant(e->scheduler, former->id);

                if (view && view->running > 0)
                        return true;
        }
        return false;
}

bool tenants_has_concurrency(const Engine *e, const EngineTenant *t) {
        return tq_limits_has(&t->live, TQ_KEY_CONCURRENCY) ||
               tq_limits_has(&t->file, TQ_KEY_CONCURRENCY) ||
               tq_limits_has(&e->defaults, TQ_KEY_CONCURRENCY);
}

void tenants_tell_scheduler(Engine *e, EngineTenant *t) {
        TqQueueLimit queues[TQ_QUEUE_LIMITS];
        int n_queues = tenants_queues(t, queues);
        TqLimits limits = t->effective;
        char fault[TQ_MESSAGE_TEXT_MAX], title[TQ_TENANT_TITLE_MAX];
        TqError err = {};
        TqEvent event = {
                .type = TQ_EVENT_TENANT,
                .tenant = t->id,
                .t = {
                        .name = tenants_title(t, title),
                        .limits = &limits,
                        .queue_limits = queues,
                        .n_queue_limits = (size_t)TQ_MAX(n_queues, 0),
                        .pool = t->pool,
                        .one_per_queue = !tenants_has_concurrency(e, t),
                },
        };
        bool had_fault = t->share_fault[0] != '\0';

        t->share_fault[0] = '\0';
        if (tenants_check_share(e, t, &limits, &err) < 0)
                (void)tq_error_format(&err, t->share_fault, sizeof(t->share_fault));
        /* What can't be had is not half given: the tenant waits until it is mended. */
        if (t->share_fault[0] != '\0') {
                event.t.pool = NULL;
                limits.set &= ~(UINT64_C(1) << TQ_KEY_RESERVED);
        } else if (n_queues < 0)
                (void)snprintf(t->share_fault, sizeof(t->share_fault),
                               "more than %d queues with limits, of its file and set together",
                               TQ_QUEUE_LIMITS);
        if (t->share_fault[0] != '\0' && !had_fault)
                engine_say(SD_ERR, "tenant %s is disabled: %s", t->name, t->share_fault);
        t->is_blocked = !t->is_former && former_runs(e, t);
        event.t.enabled = !tenants_fault(t, fault, sizeof(fault));
        (void)dispatch_step(e, &event);
        intake_has_room(e, t);
        if (t->share_fault[0] == '\0')
                reconsider(e);
}

/* The last job of a former owner makes way for the present one. */
void tenants_job_ended(Engine *e, EngineTenant *t) {
        EngineTenant *now = t && t->is_former ? tenants_by_name(e, t->name) : NULL;

        if (now && now->is_blocked)
                tenants_tell_scheduler(e, now);
}

void tenants_set_kernel(EngineTenant *t, const char *blob, size_t size) {
        size_t n = TQ_MIN(size / sizeof(TqSliceValue), (size_t)TQ_ATTRS_MAX);

        memcpy(t->kernel, blob, n * sizeof(TqSliceValue));
        for (size_t i = 0; i < n; i++)
                t->kernel[i].text[sizeof(t->kernel[i].text) - 1] = '\0';
        t->n_kernel = n;
}

/* The supervisor has written the limits of the files and the ledger, or could not. */
static void on_applied(Engine *e, Request *r, int result, const char *blob, size_t size, int *fd) {
        EngineTenant *t = r->tenant;

        (void)fd;
        t->is_applying = false;
        t->is_applied = result >= 0;
        t->apply_fault[0] = '\0';
        if (result < 0) {
                (void)snprintf(t->apply_fault, sizeof(t->apply_fault),
                               "its limits can't be applied: %.400s", blob);
                if (strcmp(t->said_fault, t->apply_fault) != 0)
                        engine_say(SD_ERR, "tenant %s is disabled: %s", t->name, t->apply_fault);
        } else
                tenants_set_kernel(t, blob, size);
        memcpy(t->said_fault, t->apply_fault, sizeof(t->said_fault));
        if (t->must_apply)
                tenants_apply(e, t);
        else
                tenants_tell_scheduler(e, t);
        if (!t->is_applying)
                limits_go_on(e, t);
}

/* One at a time for each tenant, and the newest last: two on the way could overtake each other in
 * what they were computed from. */
void tenants_apply(Engine *e, EngineTenant *t) {
        TqError err = {};
        Request *r;

        if (t->is_applying || t->is_changing) {
                t->must_apply = true;
                return;
        }
        t->must_apply = false;
        t->apply_fault[0] = '\0';
        if (tenants_resolve(e, t, &t->live, &t->effective, &err) < 0) {
                t->is_applied = false;
                (void)tq_error_format(&err, t->apply_fault, sizeof(t->apply_fault));
                engine_say(SD_ERR, "tenant %s is disabled: %s", t->name, t->apply_fault);
        }
        if (!t->is_ready || t->apply_fault[0] != '\0') {
                tenants_tell_scheduler(e, t);
                return;
        }
        r = requests_new(e);
        if (!r) {
                engine_degrade(e, -ENOMEM);
                return;
        }
        r->answered = on_applied;
        t->is_applying = true;
        requests_apply(e, r, t, &t->effective);
}

/* Who it is ----------------------------------------------------------------------------------- */

static bool is_user(const EngineTenant *t, const char *who) {
        char number[16];

        (void)snprintf(number, sizeof(number), "%u", t->uid);
        return who[0] != '\0' && (strcmp(who, number) == 0 || strcmp(who, t->user) == 0);
}

/* Whether a tenant of the ledger is whom the supervisor speaks of. A number whose name was not
 * known is the same with a name. */
static bool is_owner(const EngineTenant *t, const TqTenantMessage *m) {
        return t->uid == TQ_UID_UNKNOWN ||
               (t->uid == m->uid && (strcmp(t->user, m->user) == 0 || t->user[0] == '\0'));
}

/* One of the owners that the name has had; NULL: it is a new one. */
static EngineTenant *find_owner(EngineTenant *present, const TqTenantMessage *m,
                                bool (*matches)(const EngineTenant *, const TqTenantMessage *)) {
        if (matches(present, m))
                return present;
        TQ_LIST_FOREACH(node, &present->same_name) {
                EngineTenant *t = TQ_LIST_ENTRY(node, EngineTenant, same_name);

                if (matches(t, m))
                        return t;
        }
        return NULL;
}

/* The number had a name once, and has none now: its user was deleted. */
static bool is_nameless(const EngineTenant *t, const TqTenantMessage *m) {
        return t->uid == m->uid && m->user[0] == '\0';
}

static bool is_said_to_be(const EngineTenant *t, const TqTenantMessage *m) {
        return is_user(t, m->former_owner);
}

static int record(Engine *e, EngineTenant *t) {
        TqLedgerOp *op = batch_op(e, TQ_LEDGER_TENANT);

        if (!op)
                return -ENOMEM;
        op->tenant = t->id;
        op->uid = t->uid;
        op->text = strdup(t->name);
        op->user = strdup(t->user);
        return op->text && op->user ? 0 : -ENOMEM;
}

/* The name is t's now; who had it before is told so. */
static int make_present(Engine *e, EngineTenant *t, uint32_t handle) {
        EngineTenant *before = tenants_by_name(e, t->name);

        if (before && before != t) {
                before->is_former = true;
                before->is_ready = false;
                before->handle = 0;
                if (tq_map_get(&e->uids, before->uid) == before)
                        (void)tq_map_remove(&e->uids, before->uid);
                if (tq_scheduler_tenant(e->scheduler, before->id))
                        tenants_tell_scheduler(e, before);
                /* Over a restart too, whatever is known of the directory then. */
                if (record(e, t) < 0)
                        return -ENOMEM;
        }
        t->is_former = false;
        (void)tq_map_remove(&e->names, tq_scheduler_name(t->name));
        (void)tq_map_remove(&e->handles, handle);
        if (tq_map_put(&e->names, tq_scheduler_name(t->name), t) < 0 ||
            tq_map_put(&e->handles, handle, t) < 0)
                return -ENOMEM;
        t->handle = handle;
        return 0;
}

/* A new owner, one that is known, or the same under another name or number because the
 * administrator says so. */
static int identify(Engine *e, const TqTenantMessage *m, EngineTenant **ret) {
        EngineTenant *present = tenants_by_name(e, m->name), *t = present;
        uid_t uid;

        /* Whose it is is only known of a directory that is in order. */
        if (m->is_enabled && present) {
                t = find_owner(present, m, is_owner);
                if (!t)
                        t = find_owner(present, m, is_nameless);
                if (!t && is_said_to_be(present, m))
                        t = present;
        }
        if (!t) {
                t = tenant_new(e, e->numbers.next_tenant, m->name, TQ_UID_UNKNOWN, "");
                if (!t)
                        return -ENOMEM;
                e->numbers.next_tenant++;
                if (record(e, t) < 0)
                        return -ENOMEM;
                if (present)
                        batch_event(e, "new-owner", t->id, 0, BATCH_NOBODY,
                                    "belongs to user %s (%u) now; before to %s (%u)", m->user,
                                    m->uid, present->user, present->uid);
        }
        *ret = t;
        t->is_user_gone = m->is_enabled
                                  ? m->user[0] == '\0' && t->user[0] != '\0' && t->uid == m->uid
                                  : t->uid != m->uid || strcmp(m->user, t->user) != 0;
        if (t->handle != m->tenant && make_present(e, t, m->tenant) < 0)
                return -ENOMEM;
        uid = t->uid;
        /* Not in order, it speaks for its user only if no other tenant does. */
        if (!m->is_enabled)
                return t->is_user_gone || uid == TQ_UID_UNKNOWN || tq_map_get(&e->uids, uid)
                               ? 0
                               : tq_map_put(&e->uids, uid, t);
        if (t->is_user_gone ||
            (uid == m->uid && strcmp(t->user, m->user) == 0 && tq_map_get(&e->uids, uid) == t))
                return 0;
        if (tq_map_get(&e->uids, uid) == t)
                (void)tq_map_remove(&e->uids, uid);
        t->uid = m->uid;
        (void)snprintf(t->user, sizeof(t->user), "%s", m->user);
        (void)tq_map_remove(&e->uids, t->uid);
        if (tq_map_put(&e->uids, t->uid, t) < 0)
                return -ENOMEM;
        return record(e, t);
}

/* Whether one of the sentences of a note is just this one. */
static bool has_sentence(const char *note, const char *sentence, size_t n) {
        for (;;) {
                const char *end = strstr(note, TQ_NOTES_BETWEEN);
                size_t m = end ? (size_t)(end - note) : strlen(note);

                if (m == n && memcmp(note, sentence, n) == 0)
                        return true;
                if (!end)
                        return false;
                note = end + strlen(TQ_NOTES_BETWEEN);
        }
}

/* An event for each sentence that was not there before. */
static void tell_new_notes(Engine *e, EngineTenant *t, const char *note) {
        while (note[0] != '\0') {
                const char *end = strstr(note, TQ_NOTES_BETWEEN);
                size_t n = end ? (size_t)(end - note) : strlen(note);

                if (!has_sentence(t->note, note, n))
                        batch_event_of(e, t, "note", 0, BATCH_NOBODY, "%.*s", (int)n, note);
                note += n + (end ? strlen(TQ_NOTES_BETWEEN) : 0);
        }
}

static void take_message(Engine *e, EngineTenant *t, const TqTenantMessage *m) {
        t->owner = m->owner;
        t->is_ready = m->is_enabled;
        t->is_gone = m->is_gone;
        (void)snprintf(t->home, sizeof(t->home), "%s", m->home);
        (void)snprintf(t->supervisor_fault, sizeof(t->supervisor_fault), "%s", m->fault);
        tell_new_notes(e, t, m->note);
        (void)snprintf(t->note, sizeof(t->note), "%s", m->note);
        (void)snprintf(t->pool, sizeof(t->pool), "%s", m->pool);
        t->holds_when_full = m->holds_when_full;
        t->file = m->limits;
        t->n_file_queues = m->n_queues;
        memcpy(t->file_queues, m->queues, sizeof(t->file_queues));
}

int tenants_on_message(Engine *e, const TqTenantMessage *m) {
        EngineTenant *t;
        int r;

        r = identify(e, m, &t);
        if (r < 0)
                return r;
        take_message(e, t, m);
        /* Known at once, if only as one that can't start yet: claims may come before the answer. */
        if (!tq_scheduler_tenant(e->scheduler, t->id))
                tenants_tell_scheduler(e, t);
        tenants_apply(e, t);
        return 0;
}

/* Start-up: the tenants and live limits that the ledger knows. */

/* In the order in which they got their names: the last one has it until the supervisor says who
 * has. */
static int load_tenant(void *userdata, const TqLedgerTenant *row) {
        Engine *e = userdata;
        EngineTenant *before = tenants_by_name(e, row->name);
        EngineTenant *t = tenant_new(e, row->id, row->name, row->uid, row->user);

        if (!t)
                return -ENOMEM;
        if (!before)
                return 0;
        before->is_former = true;
        t->is_former = false;
        (void)tq_map_remove(&e->names, tq_scheduler_name(t->name));
        return tq_map_put(&e->names, tq_scheduler_name(t->name), t);
}

static int load_limit(void *userdata, const TqLedgerLimit *row) {
        Engine *e = userdata;
        EngineTenant *t = tq_map_get(&e->tenants, row->tenant);
        bool is_queue = row->queue[0] != '\0';
        TqQueueLimit one = {};
        TqError err = {};
        char text[512];
        int r;

        if (!t)
                return 0; /* of no tenant: nobody's */
        r = is_queue ? tq_policy_queue_set(&one, row->name, row->value, 0, &err)
                     : tq_limits_set(&t->live, row->name, row->value, TQ_SCOPE_TENANT, true, 0,
                                     &err);
        if (r >= 0 && is_queue) {
                r = tenants_set_live_queue(t, row->queue, &one);
                if (r < 0)
                        (void)tq_error(&err, r, "more than %d queues with limits", TQ_QUEUE_LIMITS);
        }
        return r < 0 ? add_limit_fault(t, row, tq_error_format(&err, text, sizeof(text))) : 0;
}

int tenants_load(Engine *e) {
        int r;

        r = tq_ledger_each_tenant(e->ledger, load_tenant, e);
        return r < 0 ? r : tq_ledger_each_limit(e->ledger, load_limit, e);
}
