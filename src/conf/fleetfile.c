/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf/fleetfile.h"

#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "conf/reader.h"
#include "core/ids.h"
#include "core/policy.h"

/* What of other files may stand here by mistake is told apart from what is unknown: pools and the
 * scheduler are the host's, and of a tenant's file only limits can be changed live. */

typedef struct Parser {
        TqFleet *fleet;
        TqFleetTenant *tenant; /* NULL: none is open; moves when another one is added */
        TqFleetFlag *flag;     /* the same */
        char queue[TQ_QUEUE_NAME_MAX + 1];
} Parser;

static int open_tenant(Parser *p, const char *name, unsigned line, TqError *err) {
        TqFleet *f = p->fleet;

        if (!tq_ids_tenant_is_valid(name))
                return tq_error_at(err, -EBADMSG, line, name, "not a tenant's name");
        if (f->n >= TQ_FLEET_TENANTS)
                return tq_error_at(err, -EBADMSG, line, name, "more than %d tenants",
                                   TQ_FLEET_TENANTS);
        if (tq_make_room((void **)&f->tenants, f->n, &f->allocated, sizeof(*f->tenants)) < 0)
                return -ENOMEM;
        p->flag = NULL;
        p->tenant = &f->tenants[f->n++];
        *p->tenant = (TqFleetTenant){ .line = line };
        (void)snprintf(p->tenant->name, sizeof(p->tenant->name), "%s", name);
        return 0;
}

/* Behind its tenant's section, as export prints it: so nothing is looked for. */
static int open_queue(Parser *p, const char *target, unsigned line, TqError *err) {
        const char *slash = strchr(target, '/');
        size_t n = slash ? (size_t)(slash - target) : 0;

        if (!slash || !p->tenant || strncmp(p->tenant->name, target, n) != 0 ||
            p->tenant->name[n] != '\0' || !tq_ids_queue_is_valid(slash + 1))
                return tq_error_at(err, -EBADMSG, line, target,
                                   "expected TENANT/QUEUE behind that tenant's section");
        (void)snprintf(p->queue, sizeof(p->queue), "%s", slash + 1);
        return 0;
}

static int open_flag(Parser *p, const char *name, unsigned line, TqError *err) {
        TqFleet *f = p->fleet;

        if (!tq_ids_queue_is_valid(name))
                return tq_error_at(err, -EBADMSG, line, name, "not a flag's name (as a queue's)");
        if (f->n_flags >= TQ_FLEET_FLAGS)
                return tq_error_at(err, -EBADMSG, line, name, "more than %d flags", TQ_FLEET_FLAGS);
        if (tq_fleet_find_flag(f, name))
                return tq_error_at(err, -EBADMSG, line, name,
                                   "this flag has a section already, in line %u",
                                   tq_fleet_find_flag(f, name)->what.line);
        if (tq_make_room((void **)&f->flags, f->n_flags, &f->flags_allocated, sizeof(*f->flags)) <
            0)
                return -ENOMEM;
        p->tenant = NULL;
        p->flag = &f->flags[f->n_flags++];
        *p->flag = (TqFleetFlag){ .what = { .line = line } };
        (void)snprintf(p->flag->what.name, sizeof(p->flag->what.name), "%s", name);
        return 0;
}

static int open_section(Parser *p, const char *section, unsigned line, TqError *err) {
        p->queue[0] = '\0';
        if (strncmp(section, "tenant ", 7) == 0)
                return open_tenant(p, section + 7, line, err);
        if (strncmp(section, "queue ", 6) == 0)
                return open_queue(p, section + 6, line, err);
        if (strncmp(section, "flag ", 5) == 0)
                return open_flag(p, section + 5, line, err);
        return tq_error_at(err, -EBADMSG, line, NULL,
                           "section [%s]: expected [tenant NAME], [queue TENANT/NAME] or [flag "
                           "NAME]; what is the host's stands in tenantq.conf",
                           section);
}

static int check_limit(const char *queue, const char *key, const char *value, unsigned line,
                       TqError *err) {
        TqQueueLimit of_queue = {};
        TqLimits limits = {};

        return queue[0] != '\0'
                       ? tq_policy_queue_set(&of_queue, key, value, line, err)
                       : tq_limits_set(&limits, key, value, TQ_SCOPE_TENANT, false, line, err);
}

static int check(const Parser *p, const char *key, const char *value, unsigned line, TqError *err) {
        if (p->queue[0] == '\0' && strcmp(key, "pool") == 0)
                return tq_error_at(err, -EBADMSG, line, key,
                                   "no limit, but a key of [tenant] in tenants.d/%s.conf",
                                   p->tenant->name);
        return check_limit(p->queue, key, value, line, err);
}

static int add_limit(TqFleetTenant *t, const char *queue, const char *key, const char *value,
                     unsigned line, TqError *err) {
        TqFleetLimit *l;

        if (t->n >= TQ_FLEET_LIMITS)
                return tq_error_at(err, -EBADMSG, line, key, "more than %d limits of %s",
                                   TQ_FLEET_LIMITS, t->name);
        if (tq_make_room((void **)&t->limits, t->n, &t->allocated, sizeof(*t->limits)) < 0)
                return -ENOMEM;
        l = &t->limits[t->n++];
        *l = (TqFleetLimit){ .line = line, .name = strdup(key), .value = strdup(value) };
        (void)snprintf(l->queue, sizeof(l->queue), "%s", queue);
        return l->name && l->value ? 0 : -ENOMEM;
}

/* Flags ----------------------------------------------------------------------------------------
 */

static int add_tenants(TqFleetFlag *flag, const char *value, unsigned line, TqError *err) {
        char name[TQ_TENANT_NAME_MAX + 1];

        if (flag->n_tenants > 0)
                return tq_error_at(err, -EBADMSG, line, "tenants", "given twice");
        for (const char *at = value + strspn(value, ", \t"); *at; at += strspn(at, ", \t")) {
                size_t n = strcspn(at, ", \t");
                TqFleetLimit *l;

                (void)snprintf(name, sizeof(name), "%.*s", (int)TQ_MIN(n, sizeof(name) - 1), at);
                if (n >= sizeof(name) || !tq_ids_tenant_is_valid(name))
                        return tq_error_at(err, -EBADMSG, line, "tenants",
                                           "\"%s\" is not a tenant's name", name);
                if (flag->n_tenants >= TQ_FLEET_TENANTS)
                        return tq_error_at(err, -EBADMSG, line, "tenants", "more than %d",
                                           TQ_FLEET_TENANTS);
                if (tq_make_room((void **)&flag->tenants, flag->n_tenants, &flag->n_allocated,
                                 sizeof(*flag->tenants)) < 0)
                        return -ENOMEM;
                l = &flag->tenants[flag->n_tenants];
                *l = (TqFleetLimit){ .line = line, .name = strdup(name) };
                if (!l->name)
                        return -ENOMEM;
                flag->n_tenants++;
                at += n;
        }
        return 0;
}

static int set_flag(TqFleetFlag *flag, const char *key, const char *value, unsigned line,
                    TqError *err) {
        char queue[TQ_QUEUE_NAME_MAX + 1] = "";
        size_t n = strcspn(key, "/@");

        if (strcmp(key, "tenants") == 0)
                return add_tenants(flag, value, line, err);
        if (strcmp(key, "on") == 0) {
                flag->has_on = true;
                return tq_parse_bool(value, &flag->is_on) < 0
                               ? tq_error_at(err, -EBADMSG, line, key, "expected yes or no")
                               : 0;
        }
        if (key[n] != '/')
                n = 0;
        if (n > TQ_QUEUE_NAME_MAX)
                return tq_error_at(err, -EBADMSG, line, key, "expected QUEUE/KEY");
        (void)snprintf(queue, sizeof(queue), "%.*s", (int)n, key);
        key += n > 0 ? n + 1 : 0;
        if (n > 0 && !tq_ids_queue_is_valid(queue))
                return tq_error_at(err, -EBADMSG, line, key, "\"%s\" is not a queue's name", queue);
        if (tq_fleet_find_limit(&flag->what, queue, key))
                return tq_error_at(err, -EBADMSG, line, key, "given twice");
        if (check_limit(queue, key, value, line, err) < 0)
                return -EBADMSG;
        return add_limit(&flag->what, queue, key, value, line, err);
}

/* KEY, or KEY@DEVICE, by the table's own name. */
static bool is_same_name(const char *a, const char *b) {
        char bare[2][TQ_DEVICE_MAX];
        size_t n = strcspn(a, "@"), m = strcspn(b, "@");

        if (strcmp(a + n, b + m) != 0)
                return false;
        (void)snprintf(bare[0], sizeof(bare[0]), "%.*s", (int)n, a);
        (void)snprintf(bare[1], sizeof(bare[1]), "%.*s", (int)m, b);
        return strcmp(bare[0], bare[1]) == 0 ||
               (tq_limits_find(bare[0]) >= 0 && tq_limits_find(bare[0]) == tq_limits_find(bare[1]));
}

const TqFleetLimit *tq_fleet_find_limit(const TqFleetTenant *t, const char *queue,
                                        const char *name) {
        for (size_t i = 0; i < t->n; i++)
                if (strcmp(t->limits[i].queue, queue) == 0 && is_same_name(t->limits[i].name, name))
                        return &t->limits[i];
        return NULL;
}

const TqFleetFlag *tq_fleet_find_flag(const TqFleet *f, const char *flag) {
        for (size_t i = 0; i < f->n_flags; i++)
                if (strcmp(f->flags[i].what.name, flag) == 0)
                        return &f->flags[i];
        return NULL;
}

static int by_text(const void *a, const void *b) {
        return strcmp(((const TqFleetLimit *)a)->name, ((const TqFleetLimit *)b)->name);
}

bool tq_fleet_flag_has(const TqFleetFlag *flag, const char *tenant) {
        const TqFleetLimit key = { .name = (char *)tenant };

        return flag->n_tenants > 0 &&
               bsearch(&key, flag->tenants, flag->n_tenants, sizeof(*flag->tenants), by_text);
}

static int say_of(TqFleetTenant *t, const TqFleetLimit *l, TqError *err) {
        TqFleetLimit *said = (TqFleetLimit *)tq_fleet_find_limit(t, l->queue, l->name);
        char *value;

        if (!said)
                return add_limit(t, l->queue, l->name, l->value, l->line, err);
        value = strdup(l->value);
        if (!value)
                return -ENOMEM;
        free(said->value);
        said->value = value;
        said->line = l->line;
        return 0;
}

static int resolve_flag(const TqFleet *f, TqFleetFlag *flag, TqError *err) {
        const char *name = flag->what.name;
        int r = 0;

        if (flag->n_tenants == 0)
                return tq_error_at(err, -EBADMSG, flag->what.line, name,
                                   "expected tenants=NAME… below [flag %s]", name);
        qsort(flag->tenants, flag->n_tenants, sizeof(*flag->tenants), by_text);
        for (size_t i = 0; r >= 0 && i < flag->n_tenants; i++) {
                const TqFleetLimit *of = &flag->tenants[i];
                TqFleetTenant *t = (TqFleetTenant *)tq_fleet_find(f, of->name);

                if (!t)
                        return tq_error_at(err, -EBADMSG, of->line, "tenants",
                                           "no [tenant %s] in this text", of->name);
                for (size_t k = 0; r >= 0 && flag->is_on && k < flag->what.n; k++)
                        r = say_of(t, &flag->what.limits[k], err);
        }
        return r;
}

/* The text -------------------------------------------------------------------------------------
 */

static int on_line(void *userdata, const char *section, const char *key, const char *value,
                   unsigned line, TqError *err) {
        Parser *p = userdata;
        int r;

        if (!key)
                return open_section(p, section, line, err);
        if (p->flag)
                return set_flag(p->flag, key, value, line, err);
        r = check(p, key, value, line, err);
        return r < 0 ? r : add_limit(p->tenant, p->queue, key, value, line, err);
}

/* A tenant twice: whose words would hold? Sorted, since there may be many. */
static int by_name(const void *a, const void *b) {
        const TqFleetTenant *x = *(const TqFleetTenant *const *)a;
        const TqFleetTenant *y = *(const TqFleetTenant *const *)b;
        int order = strcmp(x->name, y->name);

        return order != 0 ? order : (x->line > y->line) - (x->line < y->line);
}

static int sort(TqFleet *f, TqError *err) {
        f->sorted = calloc(TQ_MAX(f->n, (size_t)1), sizeof(*f->sorted));
        if (!f->sorted)
                return -ENOMEM;
        for (size_t i = 0; i < f->n; i++)
                f->sorted[i] = &f->tenants[i];
        qsort((void *)f->sorted, f->n, sizeof(*f->sorted), by_name);
        for (size_t i = 1; i < f->n; i++)
                if (strcmp(f->sorted[i - 1]->name, f->sorted[i]->name) == 0)
                        return tq_error_at(err, -EBADMSG, f->sorted[i]->line, f->sorted[i]->name,
                                           "this tenant has a section already, in line %u",
                                           f->sorted[i - 1]->line);
        return 0;
}

static int is_named(const void *key, const void *item) {
        return strcmp(key, (*(TqFleetTenant *const *)item)->name);
}

const TqFleetTenant *tq_fleet_find(const TqFleet *f, const char *tenant) {
        TqFleetTenant **found =
                f->sorted ? bsearch(tenant, (void *)f->sorted, f->n, sizeof(*f->sorted), is_named)
                          : NULL;

        return found ? *found : NULL;
}

int tq_fleetfile_parse(const char *data, size_t size, TqFleet *ret, TqError *err) {
        Parser p = { .fleet = ret };
        int r;

        *ret = (TqFleet){};
        if (size > TQ_FLEET_FILE_MAX)
                return tq_error(err, -EBADMSG, "larger than %llu MiB",
                                (unsigned long long)(TQ_FLEET_FILE_MAX >> 20));
        r = tq_reader_parse(data, size, on_line, &p, err);
        if (r >= 0)
                r = sort(ret, err);
        for (size_t i = 0; r >= 0 && i < ret->n_flags; i++)
                r = resolve_flag(ret, &ret->flags[i], err);
        return r;
}

static void free_limits(TqFleetLimit *limits, size_t n) {
        for (size_t i = 0; i < n; i++) {
                free(limits[i].name);
                free(limits[i].value);
        }
        free(limits);
}

void tq_fleet_done(TqFleet *f) {
        for (size_t i = 0; i < f->n; i++)
                free_limits(f->tenants[i].limits, f->tenants[i].n);
        for (size_t i = 0; i < f->n_flags; i++) {
                free_limits(f->flags[i].what.limits, f->flags[i].what.n);
                free_limits(f->flags[i].tenants, f->flags[i].n_tenants);
        }
        free(f->tenants);
        free(f->flags);
        free((void *)f->sorted);
        *f = (TqFleet){};
}
