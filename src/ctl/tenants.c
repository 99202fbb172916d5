/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/ctl.h"

static const Column columns[] = {
        { "tenant", "TENANT", FORMAT_TEXT },
        { "uid", "UID", FORMAT_TEXT },
        { "user", "USER", FORMAT_TEXT },
        { "state", "STATE", FORMAT_TEXT },
        { "running", "RUNNING", FORMAT_TEXT },
        { "waiting", "WAITING", FORMAT_TEXT },
        { "concurrency", "CONCURRENCY", FORMAT_TEXT },
        { "fault", "FAULT", FORMAT_TEXT },
};

int tenants_list(const Options *o, TqTable *ret) {
        CALL_CLEANUP Call c = {};
        int r;

        r = call_open(o, &c, "ListTenants");
        return r != 0 ? r : call_table(&c, ret);
}

void tenants_print(const TqTable *t) {
        if (t->n_rows == 0)
                (void)puts("no tenants that you may see; root makes one with: install -d -o USER "
                           "-g GROUP -m 0700 /var/spool/tenantq/NAME");
        else
                output_table(t, columns, TQ_ELEMENTSOF(columns));
}

int verb_tenants(const Options *o, int argc, char *argv[]) {
        TQ_TABLE_CLEANUP TqTable t = {};
        int r;

        (void)argc;
        (void)argv;
        r = tenants_list(o, &t);
        if (r != 0)
                return r;
        if (o->json)
                output_json(&t, "tenantq.tenants.v1", "tenants");
        else
                tenants_print(&t);
        return 0;
}
