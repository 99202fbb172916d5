/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ipc/link.h"

#include <assert.h>

#include "base/map.h"

typedef struct Question {
        uint64_t cookie;
        TqLinkAnswered answered;
        void *userdata;
} Question;

/* A question is one by beginning with its cookie. */
_Static_assert(offsetof(TqMessage, apply.cookie) == offsetof(TqMessage, number.cookie), "APPLY");
_Static_assert(offsetof(TqMessage, open_log.cookie) == offsetof(TqMessage, number.cookie),
               "OPEN_LOG");
_Static_assert(offsetof(TqMessage, order.cookie) == offsetof(TqMessage, number.cookie), "ORDER");

struct TqLink {
        sd_event *event;
        TqChannel *channel; /* NULL: closed */
        TqChannelClosed closed;
        void *userdata;
        struct {
                TqLinkHandler handler;
                void *userdata;
        } handlers[_TQ_MESSAGE_MAX];
        TqMap questions; /* cookie → Question */
        uint64_t cookie;
        TqCrumb *crumb;
};

int tq_link_new(sd_event *event, TqChannelClosed closed, void *userdata, TqLink **ret) {
        TqLink *l = calloc(1, sizeof(*l));

        if (!l)
                return -ENOMEM;
        l->event = event;
        l->closed = closed;
        l->userdata = userdata;
        *ret = l;
        return 0;
}

static void answer(TqLink *l, uint64_t cookie, int result, const char *blob, size_t size, int *fd) {
        Question *q = tq_map_remove(&l->questions, cookie);

        if (!q)
                return;
        q->answered(q->userdata, result, blob, size, fd);
        free(q);
}

static int on_message(void *userdata, const TqMessage *m, const char *blob, int *fd) {
        TqLink *l = userdata;
        TqMessageType type = (TqMessageType)m->header.type;

        if (type == TQ_MESSAGE_ANSWER && !l->handlers[type].handler) {
                answer(l, m->number.cookie, m->number.result, blob, m->header.blob_size, fd);
                return 0;
        }
        return l->handlers[type].handler
                       ? l->handlers[type].handler(l->handlers[type].userdata, m, blob, fd)
                       : -EBADMSG;
}

static void on_closed(void *userdata, int error) {
        TqLink *l = userdata;

        if (l->closed)
                l->closed(l->userdata, error);
}

int tq_link_open(TqLink *l, int fd) {
        assert(!l->channel);
        return tq_channel_new(l->event, fd, SD_EVENT_PRIORITY_NORMAL, on_message, on_closed, l,
                              &l->channel);
}

void tq_link_close(TqLink *l) {
        size_t position = 0;
        Question *q;

        if (!l->channel)
                return;
        tq_channel_flush(l->channel);
        l->channel = tq_channel_free(l->channel);
        /* Whoever hears of it can't ask again. */
        while ((q = tq_map_next(&l->questions, &position))) {
                int none = -EBADF;

                answer(l, q->cookie, -ECONNRESET, "", 0, &none);
                position = 0;
        }
}

bool tq_link_is_open(const TqLink *l) {
        return l->channel;
}

TqLink *tq_link_free(TqLink *l) {
        if (!l)
                return NULL;
        tq_link_close(l);
        tq_map_done(&l->questions);
        free(l);
        return NULL;
}

void tq_link_on(TqLink *l, TqMessageType type, TqLinkHandler handler, void *userdata) {
        assert(type >= 0 && type < _TQ_MESSAGE_MAX);
        l->handlers[type].handler = handler;
        l->handlers[type].userdata = userdata;
}

void tq_link_set_crumb(TqLink *l, TqCrumb *crumb) {
        l->crumb = crumb;
}

TqCrumb *tq_link_crumb(const TqLink *l) {
        return l->crumb;
}

int tq_link_send(TqLink *l, TqMessageType type, TqMessage *m, const void *blob, size_t size,
                 int fd) {
        return l->channel ? tq_channel_send(l->channel, type, m, blob, size, fd) : 0;
}

int tq_link_send_attempt(TqLink *l, TqMessageType type, uint32_t tenant, uint64_t job,
                         unsigned attempt) {
        TqMessage m = { .attempt = { .job = job, .attempt = attempt, .tenant = tenant } };

        return tq_link_send(l, type, &m, NULL, 0, -EBADF);
}

int tq_link_ask(TqLink *l, TqMessageType type, TqMessage *m, TqLinkAnswered answered,
                void *userdata) {
        Question *q;

        if (!l->channel)
                return -ENOTCONN;
        q = malloc(sizeof(*q));
        if (!q)
                return -ENOMEM;
        *q = (Question){ .cookie = l->cookie + 1, .answered = answered, .userdata = userdata };
        if (tq_map_put(&l->questions, q->cookie, q) < 0) {
                free(q);
                return -ENOMEM;
        }
        m->number.cookie = ++l->cookie;
        (void)tq_link_send(l, type, m, NULL, 0, -EBADF);
        return 0;
}
