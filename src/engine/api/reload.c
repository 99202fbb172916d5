/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/api/verbs.h"

static void on_reloaded(void *userdata, int result, const char *blob, size_t size, int *fd) {
        Call *c = userdata;
        uid_t uid = c->viewer.uid;

        (void)size;
        (void)fd;
        if (result < 0) {
                events_add(c->api->events, "reload", 0, 0, uid, "by user %u: refused: %.400s", uid,
                           blob);
                (void)call_error(c, TQ_CONTROL_INVALID, "%s; the old configuration stays in force",
                                 blob);
        } else {
                events_add(c->api->events, "reload", 0, 0, uid, "by user %u", uid);
                (void)call_reply_empty(c);
        }
        (void)call_free(c);
}

int verb_reload(Call *c) {
        TqMessage m = {};
        Call *kept = call_keep(c);
        int r = kept ? tq_link_ask(c->api->link, TQ_MESSAGE_RELOAD, &m, on_reloaded, kept)
                     : -ENOMEM;

        if (r < 0)
                (void)call_free(kept);
        return r < 0 ? r : 1;
}
