/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/engine.h"

/* Questions to the supervisor and their answers, matched by a cookie. */

Request *requests_new(Engine *e) {
        Request *r = calloc(1, sizeof(*r));

        if (!r)
                return NULL;
        r->cookie = ++e->next_cookie;
        if (tq_map_put(&e->requests, r->cookie, r) < 0) {
                free(r);
                return NULL;
        }
        return r;
}

void requests_answer(Engine *e, const TqNumberMessage *m, const char *blob, size_t size, int *fd) {
        Request *r = tq_map_remove(&e->requests, m->cookie);

        if (!r)
                return;
        r->answered(e, r, m->result, blob, size, fd);
        (void)sd_bus_message_unref(r->call);
        free(r);
}

void requests_apply(Engine *e, Request *r, EngineTenant *t, const TqLimits *limits) {
        TqMessage m = { .apply = { .cookie = r->cookie, .tenant = t->handle, .limits = *limits } };

        r->tenant = t;
        (void)tq_channel_send(e->channel, TQ_MESSAGE_APPLY, &m, NULL, 0, -EBADF);
}
