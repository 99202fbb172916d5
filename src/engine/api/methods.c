/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/api/methods.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/ids.h"
#include "core/trail.h"
#include "engine/api/giver.h"
#include "engine/api/verbs.h"

/* One table says of each method who may call it and what it is about; one function decides. Root
 * may do everything, the administrators all that needs no hand of root's, a tenant's own user what
 * concerns its tenant; somebody else's job or tenant is answered as one that does not exist. */

typedef enum Access {
        ACCESS_ALL,    /* whoever asks: the answer is about what he may see */
        ACCESS_TENANT, /* a tenant's user */
        ACCESS_ADMIN,
        ACCESS_ROOT, /* what is done by root's hand */
} Access;

/* What the first argument names. */
typedef enum Subject {
        SUBJECT_NONE,
        SUBJECT_JOB,    /* t: any job */
        SUBJECT_LIVE,   /* t: one that has not ended */
        SUBJECT_TENANT, /* s: a tenant; empty: all that the caller may see */
        SUBJECT_OWN,    /* s: a tenant; empty: the caller's own */
        SUBJECT_TARGET, /* s: TENANT or TENANT/QUEUE */
        SUBJECT_ALL,    /* s: the same; empty: all that the caller may see */
        SUBJECT_HOST,   /* s: the same, or "host" */
} Subject;

typedef enum When {
        ALWAYS,    /* a submission is refused by the intake, in its own words */
        WHEN_WELL, /* not while the ledger can't be written: it would pile up until it can */
} When;

typedef struct Method {
        const char *member, *in, *out;
        Access access;
        Subject subject;
        int (*verb)(Call *c);
        When when;
} Method;

static const Method methods[] = {
        { "Submit", "say", "tsssttt", ACCESS_ALL, SUBJECT_OWN, verb_submit, ALWAYS },
        { "TrySubmit", "say", "tsssttt" TQ_TABLE_SIGNATURE, ACCESS_ALL, SUBJECT_OWN,
          verb_try_submit, ALWAYS },
        { "SubmitInput", "say", "tsssttt", ACCESS_ALL, SUBJECT_OWN, verb_submit_input, ALWAYS },
        { "ListJobs", "sbtu", TQ_PAGE_SIGNATURE, ACCESS_TENANT, SUBJECT_TENANT, verb_list_jobs,
          ALWAYS },
        { "ListActive", "stu", TQ_PAGE_SIGNATURE, ACCESS_TENANT, SUBJECT_TENANT, verb_list_active,
          ALWAYS },
        { "ListQueued", "stu", TQ_PAGE_SIGNATURE, ACCESS_TENANT, SUBJECT_TENANT, verb_list_queued,
          ALWAYS },
        { "ListDead", "stu", TQ_PAGE_SIGNATURE, ACCESS_TENANT, SUBJECT_ALL, verb_list_dead,
          ALWAYS },
        { "ListAttempts", "t", TQ_TABLE_SIGNATURE, ACCESS_ALL, SUBJECT_JOB, verb_list_attempts,
          ALWAYS },
        { "LineageOfJob", "t", TQ_TABLE_SIGNATURE, ACCESS_ALL, SUBJECT_JOB, verb_lineage_of_job,
          ALWAYS },
        { "LineageOfName", "ss", TQ_TABLE_SIGNATURE, ACCESS_ALL, SUBJECT_OWN, verb_lineage_of_name,
          ALWAYS },
        { "Purge", "tsu", "", ACCESS_ALL, SUBJECT_JOB, verb_purge, WHEN_WELL },
        { "Revive", "tsu", "tsssttt", ACCESS_ALL, SUBJECT_JOB, verb_revive, WHEN_WELL },
        { "Rerun", "tsu", "tsssttt", ACCESS_ALL, SUBJECT_JOB, verb_rerun, WHEN_WELL },
        { "GetJob", "t", TQ_TABLE_SIGNATURE, ACCESS_ALL, SUBJECT_JOB, verb_get_job, ALWAYS },
        { "WaitStart", "t", "", ACCESS_ALL, SUBJECT_JOB, verb_wait_start, ALWAYS },
        { "Wait", "t", TQ_TABLE_SIGNATURE, ACCESS_ALL, SUBJECT_JOB, verb_wait, ALWAYS },
        { "OpenLog", "ts", "h", ACCESS_ALL, SUBJECT_JOB, verb_open_log, ALWAYS },
        { "Cancel", "tsu", "", ACCESS_ALL, SUBJECT_LIVE, verb_cancel, ALWAYS },
        { "Requeue", "tsu", "", ACCESS_ALL, SUBJECT_JOB, verb_requeue, WHEN_WELL },
        { "Abandon", "tsu", "", ACCESS_ADMIN, SUBJECT_LIVE, verb_abandon, ALWAYS },
        { "Hold", "tbsu", "", ACCESS_ALL, SUBJECT_LIVE, verb_hold, WHEN_WELL },
        { "Explain", "t", TQ_TABLE_SIGNATURE, ACCESS_ALL, SUBJECT_LIVE, verb_explain, ALWAYS },
        { "Queue", "s", TQ_TABLE_SIGNATURE, ACCESS_TENANT, SUBJECT_TENANT, verb_queue, ALWAYS },
        { "Switch", "sssu", "t", ACCESS_ADMIN, SUBJECT_HOST, verb_switch, WHEN_WELL },
        { "ListTenants", "", TQ_TABLE_SIGNATURE, ACCESS_ALL, SUBJECT_NONE, verb_list_tenants,
          ALWAYS },
        { "GetLimits", "s", TQ_TABLE_SIGNATURE, ACCESS_ALL, SUBJECT_TARGET, verb_get_limits,
          ALWAYS },
        { "SetLimits", "sasasstxu", TQ_TABLE_SIGNATURE, ACCESS_ADMIN, SUBJECT_TARGET,
          verb_set_limits, WHEN_WELL },
        { "RollbackLimits", "ststxu", TQ_TABLE_SIGNATURE, ACCESS_ADMIN, SUBJECT_OWN,
          verb_rollback_limits, WHEN_WELL },
        { "DiffLimits", "stx", TQ_TABLE_SIGNATURE, ACCESS_ADMIN, SUBJECT_OWN, verb_diff_limits,
          ALWAYS },
        { "VerifyLimits", "s", TQ_TABLE_SIGNATURE, ACCESS_ADMIN, SUBJECT_TENANT, verb_verify_limits,
          ALWAYS },
        { "StagePolicy", "bs", "", ACCESS_ADMIN, SUBJECT_NONE, verb_stage_policy, ALWAYS },
        { "ApplyPolicy", "ssxsstu", TQ_PAGE_SIGNATURE, ACCESS_ADMIN, SUBJECT_TENANT,
          verb_apply_policy, WHEN_WELL },
        { "ExportPolicy", "s", "s", ACCESS_ADMIN, SUBJECT_TENANT, verb_export_policy, ALWAYS },
        { "ListPolicies", "tu", TQ_PAGE_SIGNATURE, ACCESS_ADMIN, SUBJECT_NONE, verb_list_policies,
          ALWAYS },
        { "ShowPolicy", "t", "ts", ACCESS_ADMIN, SUBJECT_NONE, verb_show_policy, ALWAYS },
        { "ListAudit", "sbtu", TQ_PAGE_SIGNATURE, ACCESS_ADMIN, SUBJECT_TENANT, verb_list_audit,
          ALWAYS },
        { "Introduce", "uss", "", ACCESS_ALL, SUBJECT_NONE, verb_introduce, ALWAYS },
        /* What was done to the host, by whom and why, is the administrator's to know. */
        { "ListEvents", "tu", TQ_PAGE_SIGNATURE, ACCESS_ADMIN, SUBJECT_NONE, verb_list_events,
          ALWAYS },
        { "WaitNews", "t", "t", ACCESS_ADMIN, SUBJECT_NONE, verb_wait_news, ALWAYS },
        { "ListPools", "", TQ_TABLE_SIGNATURE, ACCESS_ALL, SUBJECT_NONE, verb_list_pools, ALWAYS },
        { "Export", "", "s", ACCESS_TENANT, SUBJECT_NONE, verb_export, ALWAYS },
        /* All that everybody has submitted is in it. */
        { "Backup", "", "h", ACCESS_ADMIN, SUBJECT_NONE, verb_backup, ALWAYS },
        { "Reload", "su", "", ACCESS_ADMIN, SUBJECT_NONE, verb_reload, ALWAYS },
        { "LookTenant", "ss", TQ_TABLE_SIGNATURE, ACCESS_ROOT, SUBJECT_TENANT, verb_look_tenant,
          ALWAYS },
        { "EndTenant", "ssssu", "", ACCESS_ROOT, SUBJECT_TENANT, verb_end_tenant, WHEN_WELL },
        { "WaitTenant", "s", "", ACCESS_ROOT, SUBJECT_TENANT, verb_wait_tenant, ALWAYS },
        { "KeepTenant", "ssu", "", ACCESS_ROOT, SUBJECT_TENANT, verb_keep_tenant, WHEN_WELL },
};

struct Methods {
        const ApiContext *context;
        sd_bus_vtable vtable[TQ_ELEMENTSOF(methods) + 2];
};

static const Method *find(const char *member) {
        for (size_t i = 0; i < TQ_ELEMENTSOF(methods); i++)
                if (strcmp(methods[i].member, member) == 0)
                        return &methods[i];
        return NULL;
}

/* 0; else it is answered. */
static int check_access(const Call *c, Access access) {
        if (access == ACCESS_ROOT)
                return c->viewer.uid == 0 ? 0
                                          : call_error(c, TQ_CONTROL_DENIED,
                                                       "only root may do this: its files are moved "
                                                       "and removed by root's order");
        if (c->viewer.is_admin || access == ACCESS_ALL)
                return 0;
        if (access == ACCESS_ADMIN)
                return call_error(c, TQ_CONTROL_DENIED,
                                  "only root and the group tenantq-admin may do this");
        if (tenants_by_uid(c->api->tenants, c->viewer.uid))
                return 0;
        return call_error(c, TQ_CONTROL_DENIED,
                          "you are neither root, nor in the group tenantq-admin, nor a tenant's "
                          "user");
}

/* What the call is about ----------------------------------------------------------------------- */

static int find_job(Call *c, bool must_live) {
        const TqJob *live;
        int r;

        r = sd_bus_message_read(c->message, "t", &c->job);
        if (r < 0)
                return r;
        live = tq_scheduler_job(dispatch_scheduler(c->api->dispatch), c->job);
        if (live && tenants_may_see(c->api->tenants, &c->viewer,
                                    tenants_get(c->api->tenants, live->queue->tenant->id))) {
                c->live = live;
                c->trail = tq_trail_copy(job_cold(job_of(live))->trail);
                return 0;
        }
        if (must_live)
                return call_error(c, TQ_CONTROL_NOT_FOUND,
                                  "job %" PRIu64
                                  " has ended, or there is none (tenantqctl status says how)",
                                  c->job);
        /* Of one that is not live, the ledger is asked within what the caller may see. */
        return live || (!c->viewer.is_admin && !tenants_by_uid(c->api->tenants, c->viewer.uid))
                       ? call_no_job(c)
                       : 0;
}

static int no_tenant(const Call *c, const char *name) {
        return call_error(c, TQ_CONTROL_NOT_FOUND, "no tenant \"%.200s\"", name);
}

static const Tenant *visible(const Call *c, const char *title) {
        const Tenant *t = tenants_by_title(c->api->tenants, title);

        return t && tenants_may_see(c->api->tenants, &c->viewer, t) ? t : NULL;
}

static int find_tenant(Call *c, Subject subject) {
        const char *name;
        int r;

        r = sd_bus_message_read(c->message, "s", &name);
        if (r < 0)
                return r;
        if (name[0] != '\0') {
                c->tenant = visible(c, name);
                return c->tenant ? 0 : no_tenant(c, name);
        }
        if (subject == SUBJECT_OWN || !c->viewer.is_admin)
                c->tenant = tenants_by_uid(c->api->tenants, c->viewer.uid);
        return c->tenant || subject != SUBJECT_OWN
                       ? 0
                       : call_error(c, TQ_CONTROL_NOT_FOUND,
                                    "you are no tenant's user: say which tenant with -t");
}

static int find_target(Call *c, Subject subject) {
        char name[TQ_TENANT_TITLE_MAX];
        const char *target, *slash;
        size_t n;
        int r;

        r = sd_bus_message_read(c->message, "s", &target);
        if (r < 0 || (subject == SUBJECT_HOST && strcmp(target, "host") == 0) ||
            (subject == SUBJECT_ALL && target[0] == '\0'))
                return r < 0 ? r : 0;
        slash = strchr(target, '/');
        n = slash ? (size_t)(slash - target) : strlen(target);
        if (n >= sizeof(name))
                return no_tenant(c, target);
        memcpy(name, target, n);
        name[n] = '\0';
        c->tenant = visible(c, name);
        if (!c->tenant)
                return no_tenant(c, target);
        if (slash && !tq_ids_queue_is_valid(slash + 1))
                return call_error(c, TQ_CONTROL_INVALID, "\"%.200s\": not a queue's name", target);
        if (slash)
                (void)snprintf(c->queue, sizeof(c->queue), "%s", slash + 1);
        return 0;
}

static int find_subject(Call *c, Subject subject) {
        switch (subject) {
        case SUBJECT_JOB:
        case SUBJECT_LIVE:
                return find_job(c, subject == SUBJECT_LIVE);
        case SUBJECT_TENANT:
        case SUBJECT_OWN:
                return find_tenant(c, subject);
        case SUBJECT_TARGET:
        case SUBJECT_ALL:
        case SUBJECT_HOST:
                return find_target(c, subject);
        default:
                return 0;
        }
}

/* The bus ------------------------------------------------------------------------------------- */

typedef struct Bound {
        const Methods *methods;
        Connection *connection;
} Bound;

static int on_call(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const Bound *bound = userdata;
        const Method *method = find(sd_bus_message_get_member(m));
        Call c = { .api = bound->methods->context,
                   .connection = bound->connection,
                   .message = m,
                   .why = "",
                   .viewer = *connection_viewer(bound->connection) };
        char why[160];
        int r;

        (void)error;
        if (!method)
                return 0;
        r = check_access(&c, method->access);
        if (r == 0)
                r = find_subject(&c, method->subject);
        if (r == 0 && method->when == WHEN_WELL && commit_fault(c.api->commit))
                r = call_error(&c, TQ_CONTROL_REFUSED, "nothing was changed: %s",
                               commit_explain(c.api->commit, why, sizeof(why)));
        if (r == 0)
                r = method->verb(&c);
        free(c.trail);
        return r;
}

int methods_new(const ApiContext *context, Methods **ret) {
        Methods *m = calloc(1, sizeof(*m));

        if (!m)
                return -ENOMEM;
        m->context = context;
        m->vtable[0] = (sd_bus_vtable)SD_BUS_VTABLE_START(0);
        for (size_t i = 0; i < TQ_ELEMENTSOF(methods); i++)
                m->vtable[i + 1] = (sd_bus_vtable)SD_BUS_METHOD(methods[i].member, methods[i].in,
                                                                methods[i].out, on_call,
                                                                SD_BUS_VTABLE_UNPRIVILEGED);
        m->vtable[TQ_ELEMENTSOF(methods) + 1] = (sd_bus_vtable)SD_BUS_VTABLE_END;
        *ret = m;
        return 0;
}

Methods *methods_free(Methods *m) {
        free(m);
        return NULL;
}

static void free_bound(void *data) {
        free(data);
}

int methods_attach(Methods *m, Connection *c, sd_bus *bus) {
        Bound *bound = malloc(sizeof(*bound));
        sd_bus_slot *slot;
        int r;

        if (!bound)
                return -ENOMEM;
        *bound = (Bound){ .methods = m, .connection = c };
        r = sd_bus_add_object_vtable(bus, &slot, TQ_CONTROL_PATH, TQ_CONTROL_INTERFACE, m->vtable,
                                     bound);
        if (r < 0) {
                free(bound);
                return r;
        }
        (void)sd_bus_slot_set_destroy_callback(slot, free_bound);
        /* The bus's, and gone with it. */
        return sd_bus_slot_set_floating(slot, true);
}
