/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <string.h>

#include "conf/hostfile.h"
#include "ctl/ctl.h"
#include "ctl/table.h"
#include "ctl/verbs.h"

int limits_list(const Options *o, const char *target, TqTable *ret) {
        CALL_CLEANUP Call c = {};
        int r;

        r = call_open(o, &c, "GetLimits");
        if (r != 0)
                return r;
        (void)sd_bus_message_append(c.request, "s", target);
        return call_table(&c, ret);
}

int limits_print(const Options *o, const TqTable *t) {
        return table_print(o, t, "limit,queue,value,source,kernel,help");
}

int verb_limits_get(const Options *o, int argc, char *argv[]) {
        TQ_TABLE_CLEANUP TqTable t = {};
        int r;

        (void)argc;
        r = limits_list(o, argv[0], &t);
        if (r != 0)
                return r;
        if (!o->json && t.n_rows > 0)
                return limits_print(o, &t);
        if (o->json)
                output_json(&t, "tenantq.limits.v1", "limits");
        else
                output_remark(o, "%s: the queue has no limits of its own", argv[0]);
        return 0;
}

static void print_change(const TqTable *t) {
        for (size_t row = 0; row < t->n_rows; row++) {
                const char *queue = tq_table_text(t, row, "queue"),
                           *old = tq_table_text(t, row, "old");
                const char *new_value = tq_table_text(t, row, "new");
                const char *kernel = tq_table_text(t, row, "kernel"),
                           *now = tq_table_text(t, row, "effective");
                int64_t revision = tq_table_integer(t, row, "revision", 0);

                (void)printf("%s%s%s: %s %s -> %s", tq_table_text(t, row, "tenant"),
                             queue ? "/" : "", queue ? queue : "", tq_table_text(t, row, "limit"),
                             old ? old : "unset", new_value ? new_value : "unset");
                if (!new_value && now)
                        (void)printf(", so %s holds", now);
                if (revision > 0)
                        (void)printf(" (revision %" PRIi64 ")", revision);
                else
                        (void)fputs(" (as it was)", stdout);
                if (kernel)
                        (void)printf("; kernel: %s", kernel);
                (void)putchar('\n');
        }
}

static int append_list(sd_bus_message *m, int argc, char *argv[]) {
        int r = sd_bus_message_open_container(m, 'a', "s");

        for (int i = 0; r >= 0 && i < argc; i++)
                r = sd_bus_message_append(m, "s", argv[i]);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int ask_change(const Options *o, const char *target, bool set, int argc, char *argv[],
                      TqTable *ret) {
        CALL_CLEANUP Call c = {};
        int r;

        r = call_open(o, &c, "SetLimits");
        if (r != 0)
                return r;
        r = sd_bus_message_append(c.request, "s", target);
        if (r >= 0)
                r = append_list(c.request, set ? argc : 0, argv);
        if (r >= 0)
                r = append_list(c.request, set ? 0 : argc, argv);
        if (r >= 0)
                r = sd_bus_message_append(c.request, "s", o->why ? o->why : "");
        if (r < 0)
                return fail(TQ_EXIT_FAILURE, "%s", strerror(-r));
        return call_table(&c, ret);
}

/* What is a key of root's files and no limit is said so: a daemon does not change them. */
static int check_keys(const char *target, int argc, char *argv[]) {
        char key[64];

        for (int i = 0; i < argc; i++) {
                (void)snprintf(key, sizeof(key), "%.*s", (int)strcspn(argv[i], "=@"), argv[i]);
                for (size_t k = 0; tq_limits_find(key) < 0 && k < tq_hostfile_n_keys; k++)
                        if (strcmp(tq_hostfile_keys[k].key, key) == 0 &&
                            strcmp(tq_hostfile_keys[k].section, "tenant") == 0)
                                return fail(TQ_EXIT_INVALID,
                                            "%s: no limit, but a key of [tenant] in "
                                            "tenants.d/%.*s.conf; then systemctl reload tenantq",
                                            key, (int)strcspn(target, "/"), target);
        }
        return 0;
}

int limits_change(const Options *o, char *argv[]) {
        TQ_TABLE_CLEANUP TqTable ignored = {};

        return ask_change(o, argv[0], true, 1, argv + 1, &ignored);
}

int limits_take_back(const Options *o, char *argv[]) {
        TQ_TABLE_CLEANUP TqTable ignored = {};
        int n = 0;

        while (argv[n + 1])
                n++;
        return ask_change(o, argv[0], false, n, argv + 1, &ignored);
}

static int change(const Options *o, const char *target, bool set, int argc, char *argv[]) {
        TQ_TABLE_CLEANUP TqTable t = {};
        int r = check_keys(target, argc, argv);

        if (r == 0)
                r = ask_change(o, target, set, argc, argv, &t);
        if (r != 0)
                return r;
        if (o->json)
                output_json(&t, "tenantq.change.v1", "changes");
        else
                print_change(&t);
        return 0;
}

int verb_limits_set(const Options *o, int argc, char *argv[]) {
        return change(o, argv[0], true, argc - 1, argv + 1);
}

int verb_limits_unset(const Options *o, int argc, char *argv[]) {
        return change(o, argv[0], false, argc - 1, argv + 1);
}
