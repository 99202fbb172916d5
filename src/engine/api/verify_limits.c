/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "engine/api/verbs.h"
#include "engine/settings/drift.h"

/* All tenants one after the other: the supervisor has one question of it at a time. */

typedef struct Verify {
        Call *call;
        TqTable table;
        size_t position;
        bool is_asking; /* within drift_look() */
        bool is_seen;   /* and was answered at once */
        int result;     /* of the rows that were added */
} Verify;

static const char *const columns[] = { "tenant", "attribute", "held", "wanted", "fault" };

static void finish(Verify *v, int r) {
        if (r >= 0)
                r = call_reply_table(v->call, &v->table);
        if (r < 0)
                (void)call_error(v->call, TQ_CONTROL_FAILED, "%s", strerror(-r));
        tq_table_done(&v->table);
        (void)call_free(v->call);
        free(v);
}

static int add(TqTable *t, const char *tenant, const DriftRow *row, const char *fault) {
        const char *cells[] = { tenant, row ? row->file : NULL, row ? row->held : NULL,
                                row ? row->wanted : NULL, fault };
        int r = tq_table_add_row(t);

        for (size_t i = 0; r >= 0 && i < TQ_ELEMENTSOF(cells); i++)
                r = tq_table_set_text(t, i, cells[i]);
        return r;
}

static void go_on(Verify *v);

static void on_seen(void *data, const Tenant *t, const DriftSight *sight) {
        Verify *v = data;
        int r = sight->r < 0 ? add(&v->table, t->name, NULL,
                                   sight->text[0] ? sight->text : strerror(-sight->r))
                             : 0;

        for (size_t i = 0; r >= 0 && i < sight->n; i++)
                r = add(&v->table, t->name, &sight->rows[i], NULL);
        v->result = TQ_MIN(v->result, r);
        if (v->is_asking)
                v->is_seen = true;
        else
                go_on(v);
}

static void go_on(Verify *v) {
        const Tenant *t;

        while ((t = call_next_tenant(v->call, &v->position))) {
                int r;

                if (t->is_former || t->is_removed)
                        continue;
                v->is_asking = true;
                v->is_seen = false;
                r = drift_look(v->call->api->drift, t, on_seen, v);
                v->is_asking = false;
                if (r < 0) {
                        finish(v, r);
                        return;
                }
                if (!v->is_seen)
                        return;
        }
        finish(v, v->result); /* a row that is not there would mean that all is well */
}

/* VerifyLimits(tenant or empty: all) */
int verb_verify_limits(Call *c) {
        Verify *v = calloc(1, sizeof(*v));
        int r = -ENOMEM;

        if (!v)
                return r;
        v->call = call_keep(c);
        if (v->call)
                r = tq_table_add_columns(&v->table, columns, TQ_ELEMENTSOF(columns));
        if (r < 0) {
                tq_table_done(&v->table);
                (void)call_free(v->call);
                free(v);
                return r;
        }
        go_on(v);
        return 1;
}
