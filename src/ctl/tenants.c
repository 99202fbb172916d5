/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "ctl/ctl.h"
#include "ctl/table.h"
#include "ctl/verbs.h"

int tenants_list(const Options *o, TqTable *ret) {
        CALL_CLEANUP Call c = {};
        int r;

        r = call_open(o, &c, "ListTenants");
        return r != 0 ? r : call_table(&c, ret);
}

void tenants_keep(TqTable *t, const char *name) {
        for (size_t row = t->n_rows; row-- > 0;)
                if (strcmp(tq_table_text(t, row, "tenant"), name) != 0)
                        tq_table_drop_row(t, row);
}

int tenants_print(const Options *o, const TqTable *t) {
        if (t->n_rows > 0)
                return table_print(o, t, "tenant,uid,user,state,running,waiting,concurrency,fault");
        output_remark(o, "no tenants that you may see; root makes one with: install -d -o USER "
                         "-g GROUP -m 0700 /var/spool/tenantq/NAME");
        return 0;
}

int verb_tenants(const Options *o, int argc, char *argv[]) {
        TQ_TABLE_CLEANUP TqTable t = {};
        const char *name = argc > 0 ? argv[0] : o->tenant;
        int r;

        r = tenants_list(o, &t);
        if (r != 0)
                return r;
        if (name)
                tenants_keep(&t, name);
        if (name && t.n_rows == 0)
                return fail(TQ_EXIT_NOT_FOUND, "no tenant \"%s\"", name);
        if (!o->json)
                return tenants_print(o, &t);
        output_json(&t, "tenantq.tenants.v1", "tenants");
        return 0;
}
