/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake/fake.h"
#include "unit.h"

#define SAID_MOST 256

typedef struct Question {
        TqLinkAnswered answered;
        void *userdata;
} Question;

struct TqLink {
        struct {
                TqLinkHandler handler;
                void *userdata;
        } handlers[_TQ_MESSAGE_MAX];
        Question questions[SAID_MOST];
        uint64_t cookie;
        FakeMessage said[SAID_MOST];
        size_t n_said, n_asked_for;
};

static TqLink only;
int fake_link_error;

int tq_link_new(sd_event *event, TqChannelClosed closed, void *userdata, TqLink **ret) {
        (void)event;
        (void)closed;
        (void)userdata;
        *ret = &only;
        return 0;
}

TqLink *tq_link_free(TqLink *l) {
        (void)l;
        return NULL;
}

int tq_link_open(TqLink *l, int fd) {
        (void)l;
        (void)fd;
        return 0;
}

void tq_link_close(TqLink *l) {
        (void)l;
}

bool tq_link_is_open(const TqLink *l) {
        (void)l;
        return true;
}

void tq_link_on(TqLink *l, TqMessageType type, TqLinkHandler handler, void *userdata) {
        l->handlers[type].handler = handler;
        l->handlers[type].userdata = userdata;
}

TqCrumb fake_crumb;

TqCrumb *tq_link_crumb(const TqLink *l) {
        (void)l;
        return &fake_crumb;
}

int tq_link_send(TqLink *l, TqMessageType type, TqMessage *m, const void *blob, size_t size,
                 int fd) {
        FakeMessage *said;

        if (fake_link_error < 0)
                return fake_link_error;
        said = &l->said[l->n_said++];
        ck_assert_uint_lt(l->n_said, SAID_MOST);
        *said = (FakeMessage){ .m = *m, .blob = calloc(1, size + 1), .size = size, .fd = fd };
        ck_assert_ptr_nonnull(said->blob);
        if (size > 0)
                memcpy(said->blob, blob, size);
        said->m.header = (TqMessageHeader){ .version = TQ_MESSAGE_VERSION,
                                            .type = (uint16_t)type,
                                            .blob_size = (uint32_t)size };
        /* It is one that the other end would take. */
        if (size == 0)
                ck_assert_int_eq(tq_message_check(&said->m, sizeof(said->m.header) +
                                                                    tq_message_body_size(type)),
                                 0);
        return 0;
}

int tq_link_send_attempt(TqLink *l, TqMessageType type, uint32_t tenant, uint64_t job,
                         unsigned attempt) {
        TqMessage m = { .attempt = { .job = job, .attempt = attempt, .tenant = tenant } };

        return tq_link_send(l, type, &m, NULL, 0, -EBADF);
}

int tq_link_ask(TqLink *l, TqMessageType type, TqMessage *m, TqLinkAnswered answered,
                void *userdata) {
        m->number.cookie = ++l->cookie;
        l->questions[l->cookie] = (Question){ answered, userdata };
        return tq_link_send(l, type, m, NULL, 0, -EBADF);
}

const FakeMessage *fake_said(void) {
        return only.n_asked_for < only.n_said ? &only.said[only.n_asked_for++] : NULL;
}

const TqMessage *fake_said_type(TqMessageType type) {
        const FakeMessage *said = fake_said();

        ck_assert_ptr_nonnull(said);
        ck_assert_uint_eq(said->m.header.type, type);
        return &said->m;
}

void fake_said_nothing(void) {
        const FakeMessage *said = fake_said();

        if (said)
                ck_abort_msg("a message of type %u was sent", said->m.header.type);
}

int fake_hear(TqMessageType type, TqMessage *m, const char *blob, size_t size) {
        int none = -EBADF;

        m->header = (TqMessageHeader){ .version = TQ_MESSAGE_VERSION,
                                       .type = (uint16_t)type,
                                       .blob_size = (uint32_t)size };
        return only.handlers[type].handler
                       ? only.handlers[type].handler(only.handlers[type].userdata, m,
                                                     blob ? blob : "", &none)
                       : -EBADMSG;
}

void fake_answer(uint64_t cookie, int result, const void *blob, size_t size) {
        Question q = only.questions[cookie];
        int none = -EBADF;

        ck_assert_ptr_nonnull(q.answered);
        only.questions[cookie] = (Question){};
        q.answered(q.userdata, result, blob ? blob : "", size, &none);
}
