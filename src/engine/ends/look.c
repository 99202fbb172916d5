/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/ends/look.h"

#include <stdio.h>
#include <string.h>

#include "engine/ends/end.h"

/* What there is of a tenant: in the file system the supervisor knows it, in the ledger tally.c. */

typedef struct Look {
        Ends *ends;
        const Tenant *tenant;
        TqOrderFound found;
        EndsLooked looked;
        void *data;
} Look;

static void on_tallied(void *data, int result, const Tally *tally) {
        TQ_FREE Look *l = data;

        l->looked(l->data, result, result < 0 ? "the ledger can't be read" : "", &l->found, tally);
}

static void on_looked(void *data, int result, const char *blob, size_t size, int *fd) {
        char text[TQ_MESSAGE_TEXT_MAX];
        Look *l = data;

        (void)fd;
        (void)snprintf(text, sizeof(text), "%.*s", (int)(result < 0 ? size : 0), blob);
        if (result >= 0 && size != sizeof(l->found))
                result = -EBADMSG;
        if (result >= 0) {
                memcpy(&l->found, blob, sizeof(l->found));
                result = tally_start(l->ends->rooms.commit, l->tenant, on_tallied, l);
                if (result >= 0)
                        return;
        }
        l->looked(l->data, result, text, &l->found, &(Tally){});
        free(l);
}

int ends_look(Ends *e, const Tenant *t, const char *to, EndsLooked looked, void *data) {
        Look *l = calloc(1, sizeof(*l));
        int r;

        if (!l)
                return -ENOMEM;
        *l = (Look){ .ends = e, .tenant = t, .looked = looked, .data = data };
        r = end_ask(e, TQ_ORDER_LOOK, t->name, to, on_looked, l);
        if (r < 0)
                free(l);
        return r;
}
