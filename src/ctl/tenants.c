/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/ctl.h"
#include "ctl/table.h"
#include "ctl/verbs.h"

int tenants_list(const Options *o, TqTable *ret) {
        CALL_CLEANUP Call c = {};
        int r;

        r = call_open(o, &c, "ListTenants");
        return r != 0 ? r : call_table(&c, ret);
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
        int r;

        (void)argc;
        (void)argv;
        r = tenants_list(o, &t);
        if (r != 0)
                return r;
        if (!o->json)
                return tenants_print(o, &t);
        output_json(&t, "tenantq.tenants.v1", "tenants");
        return 0;
}
