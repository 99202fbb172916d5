/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "conf/fleetfile.h"
#include "engine/api/change_rows.h"
#include "engine/api/question.h"
#include "engine/api/verbs.h"
#include "engine/settings/unit.h"

/* Limits of many tenants as one text: what it says of a tenant is all that is set of it live. It is
 * handed in in pieces and applied as a unit, and kept as a numbered version. */

typedef struct Apply {
        Call *call;
        TqTable table;
        ChangeRequest request; /* without texts of its own */
        char *why, *about, *spec;
        char *flag;       /* empty: all of it */
        uint64_t tenants; /* that it names */
        bool is_kept;     /* though it changes nothing */
        int result;       /* of the table */
} Apply;

/* StagePolicy(whether it is the first piece, piece) */
int verb_stage_policy(Call *c) {
        TqBuffer *text = connection_text(c->connection);
        const char *piece;
        int first, r;

        r = sd_bus_message_read(c->message, "bs", &first, &piece);
        if (r < 0)
                return r;
        if (first)
                tq_buffer_reset(text);
        if (text->size + strlen(piece) > TQ_FLEET_FILE_MAX)
                return call_error(c, TQ_CONTROL_INVALID, "a policy of more than %llu MiB",
                                  (unsigned long long)(TQ_FLEET_FILE_MAX >> 20));
        tq_buffer_append_string(text, piece);
        r = tq_buffer_error(text);
        return r < 0 ? r : call_reply_empty(c);
}

static Apply *apply_free(Apply *a) {
        if (!a)
                return NULL;
        tq_table_done(&a->table);
        (void)call_free(a->call);
        free(a->why);
        free(a->about);
        free(a->spec);
        free(a->flag);
        free(a);
        return NULL;
}

static int on_record(void *data) {
        Apply *a = data;
        Commit *commit = a->call->api->commit;
        TqLedgerOp *op = commit_op(commit, TQ_LEDGER_POLICY);
        int r;

        if (!op)
                return -ENOMEM;
        commit_numbers(commit)->next_policy = a->request.policy + 1;
        op->uid = a->call->viewer.uid;
        op->policy.version = a->request.policy;
        op->policy.tenants = a->tenants;
        r = commit_copy(commit, a->why[0] ? a->why : NULL, &op->text);
        if (r >= 0)
                r = commit_copy(commit, a->about[0] ? a->about : NULL, &op->policy.about);
        return r < 0 ? r : commit_copy(commit, a->spec, &op->policy.spec);
}

static void on_row(void *data, const Tenant *t, const Change *c) {
        Apply *a = data;

        if (a->result >= 0)
                a->result = change_rows_add(&a->table, t, c);
}

static void on_done(void *data, TqControlError error, const char *text) {
        Apply *a = data;

        if (text)
                (void)call_error(a->call, error, "%s; nothing was changed", text);
        else if (a->result < 0 ||
                 tq_control_reply_page(a->call->message, &a->table,
                                       a->table.n_rows > 0 ? a->request.policy : 0) < 0)
                (void)call_error(a->call, TQ_CONTROL_FAILED, "it holds, but can't be shown");
        (void)apply_free(a);
}

static int find_tenant(const Call *c, const TqFleetTenant *f, const Tenant **ret, TqError *err) {
        *ret = tenants_by_name(c->api->tenants, f->name);
        if (!*ret)
                return tq_error_at(err, -EBADMSG, f->line, f->name, "no such tenant");
        if ((*ret)->is_removed || (*ret)->ending == TQ_ENDING_DELETE)
                return tq_error_at(err, -EBADMSG, f->line, f->name, "is being removed");
        return 0;
}

/* What of a line is wrong is told with the line. */
static int at_line(unsigned line, int r, TqError *err) {
        if (r < 0 && err->line == 0)
                err->line = line;
        return r;
}

/* What is unset makes room for what is set. */
static int fill(Change *change, const TqFleetTenant *f, TqError *err) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < f->n; i++)
                r = at_line(f->limits[i].line,
                            change_note_wanted(change, f->limits[i].queue, f->limits[i].name,
                                               f->limits[i].value, err),
                            err);
        if (r >= 0)
                r = change_drop_others(change, err);
        for (size_t i = 0; r >= 0 && i < f->n; i++)
                r = at_line(f->limits[i].line,
                            change_want(change, f->limits[i].queue, f->limits[i].name,
                                        f->limits[i].value, err),
                            err);
        return r;
}

/* What the flag names is as the text says now; the rest is left alone. */
static int fill_flag(Change *change, const TqFleetTenant *f, const TqFleetFlag *flag,
                     TqError *err) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < flag->what.n; i++) {
                const TqFleetLimit *l = &flag->what.limits[i];
                const TqFleetLimit *said = tq_fleet_find_limit(f, l->queue, l->name);

                r = at_line(l->line,
                            said ? change_want(change, l->queue, said->name, said->value, err)
                                 : change_put(change, l->queue, l->name, NULL, err),
                            err);
        }
        return r;
}

static int add_tenant(Unit *u, const Call *c, const TqFleetTenant *f, const TqFleetFlag *flag,
                      TqError *err) {
        const Tenant *t;
        Change *change;
        int r = find_tenant(c, f, &t, err);

        if (r >= 0)
                r = unit_add(u, t, &change);
        if (r == -EBUSY)
                return tq_error(err, -EBUSY, "another change of %s is under way; try again",
                                f->name);
        if (r < 0)
                return r;
        r = flag ? fill_flag(change, f, flag, err) : fill(change, f, err);
        if (r >= 0 && !change_is_any(change))
                unit_forget_last(u);
        return r;
}

static int fill_unit(Unit *u, Apply *a, const TqFleet *fleet, TqError *err) {
        const TqFleetFlag *flag = a->flag[0] ? tq_fleet_find_flag(fleet, a->flag) : NULL;
        int r = 0;

        if (a->flag[0] && !flag)
                return tq_error(err, -EBADMSG, "no [flag %s] in it", a->flag);
        for (size_t i = 0; r >= 0 && i < fleet->n; i++) {
                if (a->call->tenant && strcmp(a->call->tenant->name, fleet->tenants[i].name) != 0)
                        continue;
                a->tenants++;
                if (!flag || tq_fleet_flag_has(flag, fleet->tenants[i].name))
                        r = add_tenant(u, a->call, &fleet->tenants[i], flag, err);
        }
        return r;
}

static void on_recorded(void *data, int result) {
        Apply *a = *(Apply **)data;
        char why[160];

        /* We leave: whether it was recorded is not known. */
        if (result == -ECANCELED) {
                (void)apply_free(a);
                return;
        }
        on_done(a, TQ_CONTROL_REFUSED,
                result < 0 ? commit_explain(a->call->api->commit, why, sizeof(why)) : NULL);
}

static int record_alone(const Apply *a) {
        return audit_add(
                a->call->api->commit,
                &(AuditRow){ .kind = TQ_KIND_LIMITS,
                             .uid = a->request.uid,
                             .origin = a->request.origin,
                             .policy = a->request.policy,
                             .about = a->about[0] ? a->about : "a policy that changes no limit",
                             .why = a->why });
}

/* A flag that changes nothing just now is on, or there, all the same. */
static int apply_nothing(Apply *a) {
        Apply **then = NULL;

        if (a->is_kept && !a->request.is_trial) {
                then = on_record(a) >= 0 && record_alone(a) >= 0
                               ? commit_then(a->call->api->commit, on_recorded, sizeof(Apply *))
                               : NULL;
                if (!then) {
                        (void)apply_free(a);
                        return -ENOMEM;
                }
                *then = a;
                return 1;
        }
        on_done(a, TQ_CONTROL_FAILED, NULL);
        return 1;
}

/* As a verb returns; a is the unit's, or freed. */
static int apply(Apply *a) {
        const UnitHooks hooks = { .data = a,
                                  .record = a->request.is_trial ? NULL : on_record,
                                  .row = on_row,
                                  .done = on_done };
        TQ_FLEET_CLEANUP TqFleet fleet = {};
        TqError err = {};
        char text[512];
        Unit *u = NULL;
        int r;

        r = tq_fleetfile_parse(a->spec, strlen(a->spec), &fleet, &err);
        if (r >= 0)
                r = unit_new(a->call->api->settings, &a->request, &hooks, &u);
        if (r >= 0)
                r = fill_unit(u, a, &fleet, &err);
        if (r < 0) {
                (void)unit_free(u);
                r = r == -ENOMEM ? r
                                 : call_error(a->call, change_error_of(r), "%s",
                                              tq_error_format(&err, text, sizeof(text)));
                (void)apply_free(a);
                return r;
        }
        if (unit_count(u) == 0) {
                (void)unit_free(u);
                return apply_nothing(a);
        }
        unit_start(u);
        return 1;
}

/* ApplyPolicy(tenant or empty: all that it names, flag or empty: only what it names, the version
 * that must be the last one or -1, what it is part of, why, how long it is looked after, flags) →
 * changes, and the version that it is (0: none, nothing was changed) */
int verb_apply_policy(Call *c) {
        TqBuffer *staged = connection_text(c->connection);
        const char *flag, *about, *why, *spec = tq_buffer_string(staged);
        uint64_t watch_usec;
        int64_t last;
        uint32_t flags;
        Apply *a;
        int r;

        r = sd_bus_message_read(c->message, "sxsstu", &flag, &last, &about, &why, &watch_usec,
                                &flags);
        if (r < 0 || flags & ~TQ_CHANGE_ALL || watch_usec > INT64_MAX / 4)
                return r < 0 ? r : -EINVAL;
        if (strlen(why) > AUDIT_WHY_MAX || strlen(about) > AUDIT_WHY_MAX)
                return call_error(c, TQ_CONTROL_INVALID, "the reason is longer than %d bytes",
                                  AUDIT_WHY_MAX);
        if (!(flags & TQ_CHANGE_TRIAL) && unit_has_policy(c->api->settings))
                return call_error(c, TQ_CONTROL_BUSY, "another policy is being applied; try again");
        if (last >= 0 && commit_numbers(c->api->commit)->next_policy != (uint64_t)last + 1)
                return call_error(c, TQ_CONTROL_CHANGED,
                                  "another policy was applied meanwhile (policy history)");
        a = calloc(1, sizeof(*a));
        if (!a)
                return -ENOMEM;
        a->call = call_keep(c);
        a->flag = strdup(flag);
        a->why = strdup(why);
        a->about = strdup(about);
        a->spec = strdup(spec ? spec : "");
        tq_buffer_reset(staged);
        if (!a->call || !a->why || !a->about || !a->spec || !a->flag ||
            change_rows_begin(&a->table) < 0) {
                (void)apply_free(a);
                return -ENOMEM;
        }
        a->request = (ChangeRequest){ .uid = c->viewer.uid,
                                      .origin = &a->call->viewer.origin,
                                      .why = a->why,
                                      .about = a->about,
                                      .watch_usec = watch_usec,
                                      .is_trial = flags & TQ_CHANGE_TRIAL,
                                      .is_forced = flags & TQ_CHANGE_FORCE };
        a->is_kept = flag[0] || flags & TQ_CHANGE_KEEP;
        if (!a->request.is_trial)
                a->request.policy = commit_numbers(c->api->commit)->next_policy;
        return apply(a);
}

/* Versions ------------------------------------------------------------------------------------ */

/* ListPolicies(before, rows) */
int verb_list_policies(Call *c) {
        Question q = { .filter = { .tenant = -1, .max_bytes = TQ_PAGE_BYTES },
                       .about = ABOUT_POLICIES,
                       .is_paged = true };
        uint32_t rows;
        int r = sd_bus_message_read(c->message, "tu", &q.filter.before, &rows);

        if (r < 0)
                return r;
        q.filter.limit = TQ_MIN(rows, (uint32_t)TQ_PAGE_ROWS);
        return question_ask(c, &q);
}

static int reply_spec(const Call *c, const TqTable *t, uint32_t number) {
        const char *spec = t->n_rows > 0 ? tq_table_text(t, 0, "spec") : NULL;

        (void)number;
        if (!spec)
                return call_error(c, TQ_CONTROL_NOT_FOUND,
                                  "no such version of the policy (policy history); the last %d are "
                                  "kept",
                                  TQ_LEDGER_POLICIES);
        return sd_bus_reply_method_return(c->message, "ts",
                                          (uint64_t)tq_table_integer(t, 0, "policy", 0), spec);
}

/* ShowPolicy(version, or 0: the last one) → version, text */
int verb_show_policy(Call *c) {
        Question q = { .filter = { .tenant = -1, .limit = 1, .with_spec = true },
                       .about = ABOUT_POLICIES,
                       .then = reply_spec };
        int r = sd_bus_message_read(c->message, "t", &q.filter.job);

        return r < 0 ? r : question_ask(c, &q);
}
