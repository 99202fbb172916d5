/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "engine/api/verbs.h"
#include "engine/settings/files.h"

typedef struct Reloading {
        Call *call;
        FilesOrder order;
} Reloading;

static void on_reloaded(void *userdata, int result, const char *blob, size_t size, int *fd) {
        Reloading *reloading = userdata;
        Call *c = reloading->call;
        char what[512];

        (void)size;
        (void)fd;
        files_order_done(&reloading->order);
        free(reloading);
        if (result < 0) {
                (void)snprintf(what, sizeof(what), "refused: %.400s", blob);
                (void)call_record(c, TQ_KIND_RELOAD, 0, 0, what);
                (void)call_error(c, TQ_CONTROL_INVALID, "%s; the old configuration stays in force",
                                 blob);
        } else {
                (void)call_record(c, TQ_KIND_RELOAD, 0, 0, "");
                (void)call_reply_empty(c);
        }
        (void)call_free(c);
}

/* Reload(why, flags) */
int verb_reload(Call *c) {
        Reloading *reloading;
        TqMessage m = {};
        int r = call_read_intent(c);

        if (r != 0)
                return r;
        if (c->is_trial)
                return call_error(c, TQ_CONTROL_INVALID,
                                  "a reload can't be tried; doctor checks the files");
        reloading = calloc(1, sizeof(*reloading));
        if (!reloading || !(reloading->call = call_keep(c))) {
                free(reloading);
                return -ENOMEM;
        }
        reloading->order = (FilesOrder){ .uid = c->viewer.uid,
                                         .origin = &reloading->call->viewer.origin,
                                         .why = c->why };
        files_order(c->api->files, &reloading->order);
        r = tq_link_ask(c->api->link, TQ_MESSAGE_RELOAD, &m, on_reloaded, reloading);
        if (r >= 0)
                return 1;
        files_order_done(&reloading->order);
        (void)call_free(reloading->call);
        free(reloading);
        return r;
}
