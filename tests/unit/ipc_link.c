/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ipc/link.h"

#include <fcntl.h>
#include <unistd.h>

#include "unit.h"

/* Both ends in one loop. */
typedef struct Place {
        sd_event *loop;
        TqLink *a, *b;
        int closed_a, closed_b;
        unsigned heard;
        uint64_t last;
        int answered, result;
        char text[64];
        bool takes_fd;
        int fd;
} Place;

static void on_closed_a(void *userdata, int error) {
        ((Place *)userdata)->closed_a = error == 0 ? 1 : error;
}

static void on_closed_b(void *userdata, int error) {
        ((Place *)userdata)->closed_b = error == 0 ? 1 : error;
}

static int on_number(void *userdata, const TqMessage *m, const char *blob, int *fd) {
        Place *p = userdata;

        (void)blob;
        p->heard++;
        p->last = m->number.cookie;
        if (p->takes_fd)
                p->fd = tq_take_fd(fd);
        return m->number.cookie == 666 ? -EBADMSG : 0;
}

static int on_apply(void *userdata, const TqMessage *m, const char *blob, int *fd) {
        Place *p = userdata;
        TqMessage answer = { .number = { .cookie = m->apply.cookie, .result = -EINVAL } };

        (void)blob;
        (void)fd;
        return tq_link_send(p->b, TQ_MESSAGE_ANSWER, &answer, "why not", 8, -EBADF);
}

static void on_answer(void *userdata, int result, const char *blob, size_t size, int *fd) {
        Place *p = userdata;

        (void)fd;
        p->answered++;
        p->result = result;
        ck_assert_uint_lt(size, sizeof(p->text));
        if (size > 0)
                memcpy(p->text, blob, size);
}

static Place *place(void) {
        static Place p;
        int fds[2];

        p.fd = -EBADF;
        ck_assert_int_ge(sd_event_new(&p.loop), 0);
        ck_assert_int_eq(tq_channel_pair(fds), 0);
        ck_assert_int_eq(tq_link_new(p.loop, on_closed_a, &p, &p.a), 0);
        ck_assert_int_eq(tq_link_new(p.loop, on_closed_b, &p, &p.b), 0);
        ck_assert_int_eq(tq_link_open(p.a, fds[0]), 0);
        ck_assert_int_eq(tq_link_open(p.b, fds[1]), 0);
        tq_link_on(p.b, TQ_MESSAGE_PING, on_number, &p);
        tq_link_on(p.b, TQ_MESSAGE_APPLY, on_apply, &p);
        return &p;
}

static void run(Place *p) {
        while (sd_event_run(p->loop, 1000) > 0)
                ;
}

static void leave(Place *p) {
        ck_assert_ptr_null(tq_link_free(p->a));
        ck_assert_ptr_null(tq_link_free(p->b));
        p->loop = sd_event_unref(p->loop);
}

static int ping(Place *p, uint64_t n, int fd) {
        TqMessage m = { .number = { .cookie = n } };

        return tq_link_send(p->a, TQ_MESSAGE_PING, &m, NULL, 0, fd);
}

START_TEST(heard_in_order) {
        Place *p = place();

        ck_assert(tq_link_is_open(p->a) && tq_link_is_open(p->b));
        for (uint64_t i = 1; i <= 50; i++)
                ck_assert_int_eq(ping(p, i, -EBADF), 0);
        run(p);
        ck_assert_uint_eq(p->heard, 50);
        ck_assert_uint_eq(p->last, 50);
        leave(p);
}
END_TEST

/* What nobody hears is not the other end's to say: it is broken. */
START_TEST(not_heard) {
        Place *p = place();
        TqMessage m = { .number = { .cookie = 1 } };

        ck_assert_int_eq(tq_link_send(p->a, TQ_MESSAGE_PONG, &m, NULL, 0, -EBADF), 0);
        run(p);
        ck_assert_int_lt(p->closed_b, 0);
        leave(p);
}
END_TEST

/* So is what its handler finds broken. */
START_TEST(handler_objects) {
        Place *p = place();

        ck_assert_int_eq(ping(p, 666, -EBADF), 0);
        run(p);
        ck_assert_int_eq(p->closed_b, -EBADMSG);
        leave(p);
}
END_TEST

/* A descriptor is the handler's if it takes it, and closed if not. */
START_TEST(descriptors) {
        Place *p = place();
        int fd = open("/dev/null", O_RDONLY | O_CLOEXEC), again;

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(ping(p, 1, fd), 0);
        run(p);
        again = open("/dev/null", O_RDONLY | O_CLOEXEC);
        p->takes_fd = true;
        ck_assert_int_eq(ping(p, 2, again), 0);
        run(p);
        ck_assert_int_ge(p->fd, 0);
        ck_assert_int_ge(fcntl(p->fd, F_GETFD), 0);
        (void)close(p->fd);
        leave(p);
}
END_TEST

/* A question is answered once, to whoever asked; an answer to none that is open is a fault. */
START_TEST(questions) {
        Place *p = place();
        TqMessage ask = { .apply = { .tenant = 1 } }, stray = { .number = { .cookie = 4711 } };

        ck_assert_int_eq(tq_link_ask(p->a, TQ_MESSAGE_APPLY, &ask, on_answer, p), 0);
        ck_assert_int_eq(tq_link_ask(p->a, TQ_MESSAGE_APPLY, &ask, on_answer, p), 0);
        ck_assert_int_eq(p->answered, 0);
        run(p);
        ck_assert_int_eq(p->answered, 2);
        ck_assert_int_eq(p->result, -EINVAL);
        ck_assert_str_eq(p->text, "why not");
        ck_assert_int_eq(tq_link_send(p->b, TQ_MESSAGE_ANSWER, &stray, NULL, 0, -EBADF), 0);
        run(p);
        ck_assert_int_eq(p->answered, 2);
        leave(p);
}
END_TEST

/* When the channel ends, what was not answered never will be; without one nothing is said. */
START_TEST(closed) {
        Place *p = place();
        TqMessage ask = { .apply = { .tenant = 1 } };

        ck_assert_int_eq(tq_link_ask(p->a, TQ_MESSAGE_APPLY, &ask, on_answer, p), 0);
        tq_link_close(p->a);
        ck_assert_int_eq(p->answered, 1);
        ck_assert_int_eq(p->result, -ECONNRESET);
        ck_assert_int_eq(p->closed_a, 0); /* it did so itself */
        ck_assert(!tq_link_is_open(p->a));
        ck_assert_int_eq(tq_link_ask(p->a, TQ_MESSAGE_APPLY, &ask, on_answer, p), -ENOTCONN);
        ck_assert_int_eq(p->answered, 1);
        ck_assert_int_eq(ping(p, 1, -EBADF), 0);
        run(p);
        ck_assert_int_eq(p->closed_b, 1);
        ck_assert_uint_eq(p->heard, 0);
        leave(p);
}
END_TEST

static void fill(Suite *s) {
        TCase *c = unit_case(s, "link");

        tcase_add_test(c, heard_in_order);
        tcase_add_test(c, not_heard);
        tcase_add_test(c, handler_objects);
        tcase_add_test(c, descriptors);
        tcase_add_test(c, questions);
        tcase_add_test(c, closed);
}

int main(void) {
        return unit_main("ipc_link", fill);
}
