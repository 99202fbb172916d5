/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/settings/settings.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/format.h"
#include "base/log.h"
#include "engine/settings/settings_private.h"

/* Limits on their way: layers_resolve() puts them together, APPLY sends them to the supervisor, one
 * of a tenant at a time and once more if anything has changed meanwhile, since two on the way could
 * overtake each other in what they were computed from. What comes of it is told to the scheduler,
 * by whoever has asked for that (settings_on_change()).
 *
 * Starting a tenant without a limit that was set would be worse than not starting it: what can't
 * hold disables the tenant, with a reason, and concerns no other. */

int settings_new(TqLink *link, Commit *commit, Tenants *tenants, const TqScheduler *scheduler,
                 Settings **ret) {
        Settings *s = calloc(1, sizeof(*s));

        if (!s)
                return -ENOMEM;
        s->link = link;
        s->commit = commit;
        s->tenants = tenants;
        s->scheduler = scheduler;
        tq_list_init(&s->in_want);
        live_due_init(&s->due);
        *ret = s;
        return 0;
}

Settings *settings_free(Settings *s) {
        size_t position = 0;
        TenantSettings *ts;

        if (!s)
                return NULL;
        while ((ts = tq_map_next(&s->all, &position))) {
                live_done(&ts->live);
                free(ts);
        }
        live_due_done(&s->due);
        tq_map_done(&s->all);
        free(s);
        return NULL;
}

void settings_on_change(Settings *s, void (*changed)(void *data, const Tenant *t), void *data) {
        s->changed = changed;
        s->changed_data = data;
}

void settings_hear_host(Settings *s, const TqHello *host) {
        s->host = *host;
}

const TqHello *settings_host(const Settings *s) {
        return &s->host;
}

static TenantSettings *find(const Settings *s, uint32_t tenant) {
        return tq_map_get(&s->all, tenant);
}

TenantSettings *settings_ensure(Settings *s, const Tenant *t) {
        TenantSettings *ts = find(s, t->id);

        if (ts)
                return ts;
        ts = calloc(1, sizeof(*ts));
        if (!ts)
                return NULL;
        ts->settings = s;
        ts->tenant = t;
        tq_list_init(&ts->share);
        live_init(&ts->live, &s->due, ts);
        ts->revision = t->revision;
        if (tq_map_put(&s->all, t->id, ts) < 0) {
                free(ts);
                return NULL;
        }
        return ts;
}

const Layers *settings_layers(const Settings *s, uint32_t tenant) {
        const TenantSettings *ts = find(s, tenant);

        return ts ? &ts->layers : NULL;
}

/* One that is not understood stays out, as it does when it is loaded. */
static int put_for_good(Layers *l, const LiveLimit *live) {
        TqQueueLimit of_queue = {};
        TqKey key = tq_limits_find(live->name);
        TqLimits one = {};

        if (live->queue[0] != '\0' && key >= 0)
                layers_unset_queue(l, live->queue, key);
        else if (live->queue[0] != '\0')
                return 0;
        else
                (void)tq_limits_unset(&l->live, live->name, NULL);
        if (!live->back)
                return 0;
        if (live->queue[0] != '\0')
                return tq_policy_queue_set(&of_queue, live->name, live->back, 0, NULL) < 0
                               ? 0
                               : layers_set_queue(l, live->queue, &of_queue);
        return tq_limits_set(&one, live->name, live->back, TQ_SCOPE_TENANT, true, 0, NULL) < 0
                       ? 0
                       : tq_limits_overlay(&l->live, &one);
}

int settings_layers_for_good(const Settings *s, uint32_t tenant, Layers *ret) {
        const TenantSettings *ts = find(s, tenant);
        int r = 0;

        if (!ts)
                return -ENOENT;
        *ret = ts->layers;
        TQ_LIST_FOREACH(node, &ts->live.all) {
                const LiveLimit *l = TQ_LIST_ENTRY(node, LiveLimit, link);

                if (r >= 0 && l->until_usec > 0)
                        r = put_for_good(ret, l);
        }
        return r < 0 ? r : layers_resolve(ret, &s->host, &ret->live, &ret->effective, NULL);
}

bool settings_waits_when_full(const Settings *s, uint32_t tenant) {
        const TenantSettings *ts = find(s, tenant);

        return ts && ts->waits_when_full;
}

/* What is wrong ------------------------------------------------------------------------------- */

const char *settings_fault(const Settings *s, const Tenant *t, char *buf, size_t size) {
        const TenantSettings *ts = find(s, t->id);
        const LiveLimit *l;

        if (tenants_fault(t, buf, size))
                return buf;
        if (!ts)
                (void)snprintf(buf, size, "its limits are not known yet");
        else if (ts->is_blocked)
                (void)snprintf(buf, size,
                               "jobs of its former owner still run; it starts when they have ended "
                               "(ps, cancel)");
        else if ((l = live_fault(&ts->live)))
                (void)snprintf(buf, size,
                               "a limit of the ledger can't hold: %s; set or unset %s of %s%s%s",
                               l->fault, l->name, t->name, l->queue[0] ? "/" : "", l->queue);
        else if (ts->apply_fault[0] != '\0' || ts->share_fault[0] != '\0')
                (void)snprintf(buf, size, "%s",
                               ts->apply_fault[0] ? ts->apply_fault : ts->share_fault);
        else if (!ts->is_applied)
                (void)snprintf(buf, size, "its limits are being applied");
        else
                return NULL;
        return buf;
}

static void say_disabled(const Tenant *t, const char *why) {
        tq_log_about(LOG_ERR, (TqLogAbout){ .id = TQ_LOG_TENANT_DISABLED, .tenant = t->name },
                     "tenant %s is disabled: %s", t->name, why);
}

/* The scheduler's part ------------------------------------------------------------------------ */

int settings_check_share(const TenantSettings *ts, const TqLimits *limits, int64_t ahead,
                         TqError *err) {
        uint64_t reserved = tq_limits_get(limits, TQ_KEY_RESERVED, 0), left = 0;
        const char *pool = ts->layers.pool;
        char text[TQ_FORMAT_MAX];
        int r;

        r = tq_scheduler_check_reserved(ts->settings->scheduler, ts->tenant->id, pool, reserved,
                                        &left);
        if (r == -ENOENT)
                return tq_error(err, -EBADMSG, "pool=%s: tenantq.conf has no [pool %s]", pool,
                                pool);
        left = ahead < 0 ? left + (uint64_t)-ahead : tq_sub_u64(left, (uint64_t)ahead);
        if (tq_scheduler_slots(ts->settings->scheduler, pool, reserved) > left)
                return tq_error_at(
                        err, -EBADMSG, 0, "reserved",
                        "asks for %s, but only %llu of the pool's slots are left to reserve",
                        tq_limits_format_value(TQ_KEY_RESERVED, reserved, text, sizeof(text)),
                        (unsigned long long)left);
        return 0;
}

static bool former_runs(const Settings *s, const Tenant *t) {
        TQ_LIST_FOREACH(node, &t->same_name) {
                const Tenant *former = TQ_LIST_ENTRY(node, Tenant, same_name);
                const TqTenant *view = tq_scheduler_tenant(s->scheduler, former->id);

                if (view && view->running > 0)
                        return true;
        }
        return false;
}

void settings_describe(Settings *s, const Tenant *t, TenantEvent *ret) {
        TenantSettings *ts = settings_ensure(s, t);
        bool had_fault;
        char fault[TQ_MESSAGE_TEXT_MAX];
        TqError err = {};
        int n_queues;

        *ret = (TenantEvent){ .event = { .type = TQ_EVENT_TENANT, .tenant = t->id } };
        ret->event.t.name = tenants_title(t, ret->title);
        ret->event.t.limits = &ret->limits;
        ret->event.t.queue_limits = ret->queues;
        if (!ts)
                return; /* not enabled: the next message of it tries again */
        n_queues = layers_queues(&ts->layers, ret->queues);
        ret->limits = ts->layers.effective;
        ret->event.t.n_queue_limits = (size_t)TQ_MAX(n_queues, 0);
        ret->event.t.pool = ts->layers.pool;
        ret->event.t.one_per_queue = !layers_has_concurrency(&ts->layers, &s->host);
        had_fault = ts->share_fault[0] != '\0';
        ts->share_fault[0] = '\0';
        tq_list_unlink(&ts->share);
        if (settings_check_share(ts, &ret->limits, 0, &err) < 0)
                (void)tq_error_format(&err, ts->share_fault, sizeof(ts->share_fault));
        /* What can't be had is not half given: the tenant waits until it is mended. */
        if (ts->share_fault[0] != '\0') {
                ret->event.t.pool = NULL;
                ret->limits.set &= ~(UINT64_C(1) << TQ_KEY_RESERVED);
                tq_list_append(&s->in_want, &ts->share);
        } else if (n_queues < 0)
                (void)snprintf(ts->share_fault, sizeof(ts->share_fault),
                               "more than %d queues with limits, of its file and set together",
                               TQ_QUEUE_LIMITS);
        if (ts->share_fault[0] != '\0' && !had_fault)
                say_disabled(t, ts->share_fault);
        ts->is_blocked = !t->is_former && former_runs(s, t);
        ret->event.t.enabled = !settings_fault(s, t, fault, sizeof(fault));
}

static TenantSettings *first_that_can(const Settings *s) {
        TqError err = {};

        TQ_LIST_FOREACH(node, &s->in_want) {
                TenantSettings *ts = TQ_LIST_ENTRY(node, TenantSettings, share);

                if (settings_check_share(ts, &ts->layers.effective, 0, &err) == 0)
                        return ts;
        }
        return NULL;
}

/* What one tenant gave back may be what another one could not have: a reservation that moves from
 * one to the other must not depend on who is announced first. */
void settings_tell(Settings *s, const Tenant *t) {
        TenantSettings *ts;

        if (!s->changed)
                return;
        s->changed(s->changed_data, t);
        ts = find(s, t->id);
        if (!ts || ts->share_fault[0] != '\0')
                return;
        while ((ts = first_that_can(s))) {
                tq_list_unlink(&ts->share);
                s->changed(s->changed_data, ts->tenant);
        }
}

void settings_forget(Settings *s, const Tenant *t) {
        TenantSettings *ts = find(s, t->id);

        if (!ts)
                return;
        live_done(&ts->live);
        ts->layers = (Layers){};
        settings_tell(s, t);
}

void settings_job_ended(Settings *s, const Tenant *t) {
        const Tenant *now = t && t->is_former ? tenants_by_name(s->tenants, t->name) : NULL;
        const TenantSettings *ts = now ? find(s, now->id) : NULL;

        if (ts && ts->is_blocked)
                settings_tell(s, now);
}

/* The kernel's part --------------------------------------------------------------------------- */

static void set_kernel(TenantSettings *ts, const char *values, size_t size) {
        size_t n = TQ_MIN(size / sizeof(TqSliceValue), (size_t)TQ_ATTRS_MAX);
        TqSliceValue v;

        ts->n_kernel = 0;
        for (size_t i = 0; i < n; i++) {
                memcpy(&v, values + i * sizeof(v), sizeof(v));
                v.text[sizeof(v.text) - 1] = '\0';
                if (v.key >= 0 && v.key < _TQ_KEY_MAX)
                        ts->kernel[ts->n_kernel++] = v;
        }
}

void settings_has_applied(TenantSettings *ts, const char *values, size_t size) {
        ts->is_applied = ts->tenant->is_ready;
        ts->apply_fault[0] = ts->said_fault[0] = '\0';
        set_kernel(ts, values, size);
}

static void go_on(TenantSettings *ts) {
        void (*parked)(void *data) = ts->parked;

        ts->parked = NULL;
        if (parked)
                parked(ts->parked_data);
}

/* It is tried again and again; another one, or the same after it was well, is said. */
static void say_apply_fault(TenantSettings *ts) {
        if (strcmp(ts->said_fault, ts->apply_fault) != 0)
                say_disabled(ts->tenant, ts->apply_fault);
        memcpy(ts->said_fault, ts->apply_fault, sizeof(ts->said_fault));
}

/* The supervisor has written the limits of the files and the ledger, or could not. */
static void on_applied(void *userdata, int result, const char *blob, size_t size, int *fd) {
        TenantSettings *ts = userdata;

        (void)fd;
        ts->is_applying = false;
        if (result == -ECONNRESET)
                return; /* we leave */
        ts->is_applied = result >= 0;
        ts->apply_fault[0] = '\0';
        if (result < 0) {
                (void)snprintf(ts->apply_fault, sizeof(ts->apply_fault),
                               "its limits can't be applied: %.400s", blob);
                say_apply_fault(ts);
        } else {
                ts->said_fault[0] = '\0';
                set_kernel(ts, blob, size);
        }
        if (ts->must_apply)
                settings_apply(ts->settings, ts->tenant);
        else
                settings_tell(ts->settings, ts->tenant);
        if (!ts->is_applying)
                go_on(ts);
}

int settings_ask_apply(TenantSettings *ts, const TqLimits *limits, TqApplyHow how,
                       TqLinkAnswered answered, void *data) {
        TqMessage m = { .apply = { .tenant = ts->tenant->handle, .how = how, .limits = *limits } };
        int r = tq_link_ask(ts->settings->link, TQ_MESSAGE_APPLY, &m, answered, data);

        ts->is_applying = r >= 0;
        return r;
}

void settings_apply(Settings *s, const Tenant *t) {
        TenantSettings *ts = settings_ensure(s, t);
        TqError err = {};

        if (!ts) {
                commit_degrade(s->commit, -ENOMEM);
                return;
        }
        if (ts->is_applying || ts->is_changing) {
                ts->must_apply = true;
                return;
        }
        ts->must_apply = false;
        ts->apply_fault[0] = '\0';
        if (layers_resolve(&ts->layers, &s->host, &ts->layers.live, &ts->layers.effective, &err) <
            0) {
                ts->is_applied = false;
                (void)tq_error_format(&err, ts->apply_fault, sizeof(ts->apply_fault));
                say_apply_fault(ts);
        }
        if (!t->is_ready || ts->apply_fault[0] != '\0')
                settings_tell(s, t);
        else if (settings_ask_apply(ts, &ts->layers.effective, TQ_APPLY_NOW, on_applied, ts) ==
                 -ENOMEM)
                commit_degrade(s->commit, -ENOMEM);
}

int settings_hear(Settings *s, const Tenant *t, const TqTenantMessage *m) {
        TenantSettings *ts = settings_ensure(s, t);

        if (!ts)
                return -ENOMEM;
        (void)snprintf(ts->layers.pool, sizeof(ts->layers.pool), "%s", m->pool);
        (void)snprintf(ts->layers.profile, sizeof(ts->layers.profile), "%s", m->profile);
        ts->layers.rank = (TqProfileRank)m->rank;
        ts->waits_when_full = m->waits_when_full;
        ts->layers.file = m->limits;
        ts->layers.n_file_queues = m->n_queues;
        memcpy(ts->layers.file_queues, m->queues, sizeof(ts->layers.file_queues));
        /* Known at once with its limits, if only as one that can't start yet: claims may come
         * before the answer. What is wrong with them is found again at once. */
        if (!ts->is_applied) {
                (void)layers_resolve(&ts->layers, &s->host, &ts->layers.live, &ts->layers.effective,
                                     NULL);
                settings_tell(s, t);
        }
        settings_apply(s, t);
        return 0;
}

uint64_t settings_revision(const Settings *s, uint32_t tenant) {
        const TenantSettings *ts = find(s, tenant);

        return ts ? ts->revision : 0;
}

bool settings_live(const Settings *s, uint32_t tenant, const char *queue, const char *name,
                   LiveFacts *ret) {
        const TenantSettings *ts = find(s, tenant);
        const LiveLimit *l = ts ? live_find(&ts->live, queue, name) : NULL;

        if (!l)
                return false;
        *ret = (LiveFacts){ .revision = l->revision, .until_usec = l->until_usec, .back = l->back };
        return true;
}

bool settings_next_unset(const Settings *s, uint32_t tenant, size_t *position,
                         const char **ret_queue, const char **ret_name) {
        const TenantSettings *ts = find(s, tenant);
        size_t i = 0;

        if (!ts)
                return false;
        TQ_LIST_FOREACH(node, &ts->live.all) {
                const LiveLimit *l = TQ_LIST_ENTRY(node, LiveLimit, link);

                if (l->value || i++ < *position)
                        continue;
                (*position)++;
                *ret_queue = l->queue;
                *ret_name = l->name;
                return true;
        }
        return false;
}

const char *settings_kernel_value(const Settings *s, uint32_t tenant, const char *name, char *buf,
                                  size_t size) {
        const TenantSettings *ts = find(s, tenant);
        char bare[TQ_DEVICE_MAX];
        size_t at = 0;
        TqKey key;

        (void)snprintf(bare, sizeof(bare), "%.*s", (int)strcspn(name, "@"), name);
        key = tq_limits_find(bare);
        if (!ts || key < 0 || !tq_limits_keys[key].controller)
                return NULL;
        buf[0] = '\0';
        /* One attribute, or its part of io.max. */
        for (size_t i = 0; i < ts->n_kernel && at < size; i++) {
                TqKey held = ts->kernel[i].key;
                bool same = held == key ||
                            (tq_limits_keys[key].has_device && tq_limits_keys[held].has_device);

                if (same)
                        at += (size_t)snprintf(buf + at, size - at, "%s%s", at > 0 ? "; " : "",
                                               ts->kernel[i].text);
        }
        return at > 0 ? buf : NULL;
}

/* Start-up ------------------------------------------------------------------------------------ */

/* Of this boot as it was measured, of another one as the clock of the day tells. */
static void set_end(LiveLimit *l, const TqLedgerLimit *row) {
        uint64_t left = tq_sub_u64(row->until_usec, tq_clock_realtime_usec());

        l->until_usec = row->until_usec;
        l->until_boottime_usec =
                row->has_boottime ? row->until_boottime_usec : tq_clock_boottime_usec() + left;
}

static int load_live(TenantSettings *ts, const TqLedgerLimit *row, const char *fault) {
        LiveLimit *l = live_new(&ts->live, row->queue, row->name, row->value);

        if (!l)
                return -ENOMEM;
        l->revision = row->revision;
        set_end(l, row);
        l->back = row->back ? strdup(row->back) : NULL;
        if ((row->back && !l->back) ||
            (fault && asprintf(&l->fault, "%.120s=%.80s", row->name, row->value) < 0)) {
                (void)live_free(l);
                return -ENOMEM;
        }
        if (fault)
                tq_log(LOG_ERR, "tenant %s: revision %llu of the ledger is not understood: %s",
                       ts->tenant->name, (unsigned long long)row->revision, fault);
        return live_put(l);
}

static int load_limit(void *userdata, const TqLedgerLimit *row) {
        Settings *s = userdata;
        const Tenant *t = tenants_get(s->tenants, row->tenant);
        TenantSettings *ts = t ? settings_ensure(s, t) : NULL;
        bool is_queue = row->queue[0] != '\0';
        TqQueueLimit one = {};
        TqError err = {};
        char text[512];
        int r = 0;

        if (!t)
                return 0; /* of no tenant: nobody's */
        if (!ts)
                return -ENOMEM;
        if (!row->value)
                return load_live(ts, row, NULL);
        r = is_queue ? tq_policy_queue_set(&one, row->name, row->value, 0, &err)
                     : tq_limits_set(&ts->layers.live, row->name, row->value, TQ_SCOPE_TENANT, true,
                                     0, &err);
        if (r >= 0 && is_queue) {
                r = layers_set_queue(&ts->layers, row->queue, &one);
                if (r < 0)
                        (void)tq_error(&err, r, "more than %d queues with limits", TQ_QUEUE_LIMITS);
        }
        return load_live(ts, row, r < 0 ? tq_error_format(&err, text, sizeof(text)) : NULL);
}

int settings_load(Settings *s) {
        return tq_ledger_each_limit(commit_ledger(s->commit), load_limit, s);
}
