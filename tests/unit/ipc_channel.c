/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ipc/channel.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "unit.h"

/* One end and what it has heard. */
typedef struct End {
        TqChannel *c;
        unsigned messages;
        uint64_t last;
        size_t blob_size;
        uint32_t blob_sum;
        int fd;      /* the last one that came along, taken */
        bool refuse; /* the handler fails */
        int closed;  /* calls */
        int error;
} End;

static int on_message(void *userdata, const TqMessage *m, const char *blob, int *fd) {
        End *e = userdata;

        e->messages++;
        e->blob_size = m->header.blob_size;
        e->blob_sum = 0;
        for (uint32_t i = 0; i < m->header.blob_size; i++)
                e->blob_sum += (unsigned char)blob[i];
        ck_assert_int_eq(blob[m->header.blob_size], '\0');
        if (m->header.type == TQ_MESSAGE_PING || m->header.type == TQ_MESSAGE_ANSWER) {
                /* In order, none lost. */
                ck_assert_uint_eq(m->number.cookie, e->last + 1);
                e->last = m->number.cookie;
        }
        if (*fd >= 0) {
                (void)tq_close(e->fd);
                e->fd = tq_take_fd(fd);
        }
        return e->refuse ? -EINVAL : 0;
}

static void on_closed(void *userdata, int error) {
        End *e = userdata;

        e->closed++;
        e->error = error;
}

typedef struct Fixture {
        sd_event *event;
        End a, b;
} Fixture;

static void fixture_new(Fixture *f) {
        int fds[2];

        *f = (Fixture){ .a.fd = -EBADF, .b.fd = -EBADF };
        ck_assert_int_eq(sd_event_new(&f->event), 0);
        ck_assert_int_eq(tq_channel_pair(fds), 0);
        for (int i = 0; i < 2; i++) {
                ck_assert_int_eq(fcntl(fds[i], F_GETFD), FD_CLOEXEC);
                ck_assert_int_ne(fcntl(fds[i], F_GETFL) & O_NONBLOCK, 0);
        }
        ck_assert_int_eq(tq_channel_new(f->event, fds[0], 0, on_message, on_closed, &f->a, &f->a.c),
                         0);
        ck_assert_int_eq(tq_channel_new(f->event, fds[1], 0, on_message, on_closed, &f->b, &f->b.c),
                         0);
}

static void fixture_done(Fixture *f) {
        f->a.c = tq_channel_free(f->a.c);
        f->b.c = tq_channel_free(f->b.c);
        (void)tq_close(f->a.fd);
        (void)tq_close(f->b.fd);
        f->event = sd_event_unref(f->event);
}

#define FIXTURE TQ_CLEANUP(fixture_done) Fixture

/* Until nothing more happens. */
static void run(Fixture *f) {
        while (sd_event_run(f->event, 20000) > 0)
                ;
}

static int send_number(End *e, TqMessageType type, uint64_t cookie, const void *blob, size_t size,
                       int fd) {
        TqMessage m = { .number = { .cookie = cookie } };

        return tq_channel_send(e->c, type, &m, blob, size, fd);
}

START_TEST(messages) {
        FIXTURE f;

        fixture_new(&f);
        for (uint64_t i = 1; i <= 200; i++)
                ck_assert_int_eq(send_number(&f.a, TQ_MESSAGE_PING, i, NULL, 0, -EBADF), 0);
        ck_assert_int_eq(send_number(&f.b, TQ_MESSAGE_ANSWER, 1, "hello", 5, -EBADF), 0);
        run(&f);
        ck_assert_uint_eq(f.b.messages, 200);
        ck_assert_uint_eq(f.a.messages, 1);
        ck_assert_uint_eq(f.a.blob_size, 5);
        ck_assert_uint_eq(f.a.blob_sum, 'h' + 'e' + 'l' + 'l' + 'o');
        ck_assert_int_eq(f.a.closed + f.b.closed, 0);
}
END_TEST

START_TEST(largest) {
        char *blob = malloc(TQ_MESSAGE_BLOB_MAX + 1);
        FIXTURE f;

        fixture_new(&f);
        memset(blob, 1, TQ_MESSAGE_BLOB_MAX + 1);
        ck_assert_int_eq(
                send_number(&f.a, TQ_MESSAGE_ANSWER, 1, blob, TQ_MESSAGE_BLOB_MAX + 1, -EBADF),
                -E2BIG);
        if (!unit_is_root()) {
                free(blob);
                unit_skip("only root may ask for a socket buffer that takes the largest message");
        }
        ck_assert_int_eq(send_number(&f.a, TQ_MESSAGE_ANSWER, 1, blob, TQ_MESSAGE_BLOB_MAX, -EBADF),
                         0);
        free(blob);
        run(&f);
        ck_assert_uint_eq(f.b.messages, 1);
        ck_assert_uint_eq(f.b.blob_sum, TQ_MESSAGE_BLOB_MAX);
}
END_TEST

/* More than the socket takes waits in order, descriptors included. */
START_TEST(backlog) {
        char blob[16384];
        unsigned n = 2000;
        FIXTURE f;

        fixture_new(&f);
        memset(blob, 2, sizeof(blob));
        for (uint64_t i = 1; i <= n; i++)
                ck_assert_int_eq(
                        send_number(&f.a, TQ_MESSAGE_ANSWER, i, blob, sizeof(blob), -EBADF), 0);
        ck_assert_uint_eq(f.b.messages, 0);
        run(&f);
        ck_assert_uint_eq(f.b.messages, n);
        ck_assert_uint_eq(f.b.last, n);
        ck_assert_uint_eq(f.b.blob_sum, 2 * sizeof(blob));
        ck_assert_int_eq(f.a.closed + f.b.closed, 0);
}
END_TEST

static ino_t inode_of(int fd) {
        struct stat st;

        ck_assert_int_eq(fstat(fd, &st), 0);
        return st.st_ino;
}

START_TEST(descriptors) {
        int dir_fd = unit_dir_open();
        char blob[16384] = "";
        FIXTURE f;

        fixture_new(&f);
        ck_assert_int_eq(send_number(&f.a, TQ_MESSAGE_ANSWER, 1, NULL, 0, dir_fd), 0);
        run(&f);
        ck_assert_int_ge(f.b.fd, 0);
        ck_assert_uint_eq(inode_of(f.b.fd), inode_of(dir_fd));
        ck_assert_int_eq(fcntl(f.b.fd, F_GETFD), FD_CLOEXEC);
        ck_assert_int_ge(fcntl(dir_fd, F_GETFD), 0); /* stays the caller's */
        f.b.fd = tq_close(f.b.fd);
        /* One that has to wait outlives the caller's. */
        for (uint64_t i = 2; i <= 1000; i++)
                ck_assert_int_eq(
                        send_number(&f.a, TQ_MESSAGE_ANSWER, i, blob, sizeof(blob), -EBADF), 0);
        ck_assert_int_eq(send_number(&f.a, TQ_MESSAGE_ANSWER, 1001, NULL, 0, dir_fd), 0);
        (void)close(dir_fd);
        run(&f);
        ck_assert_uint_eq(f.b.last, 1001);
        ck_assert_int_ge(f.b.fd, 0);
}
END_TEST

START_TEST(peer_leaves) {
        FIXTURE f;

        fixture_new(&f);
        ck_assert_int_eq(send_number(&f.a, TQ_MESSAGE_PING, 1, NULL, 0, -EBADF), 0);
        f.a.c = tq_channel_free(f.a.c);
        run(&f);
        ck_assert_uint_eq(f.b.messages, 1); /* what was said before is heard */
        ck_assert_int_eq(f.b.closed, 1);
        ck_assert_int_eq(f.b.error, 0);
        ck_assert_int_eq(send_number(&f.b, TQ_MESSAGE_PING, 1, NULL, 0, -EBADF), -EPIPE);
        run(&f);
        ck_assert_int_eq(f.b.closed, 1);
        ck_assert_ptr_null(tq_channel_free(NULL));
}
END_TEST

START_TEST(handler_refuses) {
        FIXTURE f;

        fixture_new(&f);
        f.b.refuse = true;
        ck_assert_int_eq(send_number(&f.a, TQ_MESSAGE_PING, 1, NULL, 0, -EBADF), 0);
        ck_assert_int_eq(send_number(&f.a, TQ_MESSAGE_PING, 2, NULL, 0, -EBADF), 0);
        run(&f);
        ck_assert_uint_eq(f.b.messages, 1);
        ck_assert_int_eq(f.b.closed, 1);
        ck_assert_int_eq(f.b.error, -EINVAL);
}
END_TEST

/* A peer that does not keep to the protocol: bytes as they are, to one good end. */
static const struct {
        TqMessageHeader header;
        size_t size; /* of the datagram */
        int error;
} broken_rows[] = {
        { { TQ_MESSAGE_VERSION, TQ_MESSAGE_PING, 0 }, 1, -EBADMSG },
        { { TQ_MESSAGE_VERSION, TQ_MESSAGE_PING, 0 }, sizeof(TqMessageHeader), -EBADMSG },
        { { TQ_MESSAGE_VERSION, TQ_MESSAGE_PING, 0 }, sizeof(TqMessage), -EBADMSG },
        { { TQ_MESSAGE_VERSION + 1, TQ_MESSAGE_READY, 0 },
          sizeof(TqMessageHeader),
          -EPROTONOSUPPORT },
        { { TQ_MESSAGE_VERSION, _TQ_MESSAGE_MAX, 0 }, sizeof(TqMessageHeader), -EBADMSG },
        { { TQ_MESSAGE_VERSION, UINT16_MAX, 0 }, sizeof(TqMessageHeader), -EBADMSG },
        { { TQ_MESSAGE_VERSION, TQ_MESSAGE_STATUS, 100 }, sizeof(TqMessageHeader) + 99, -EBADMSG },
        { { TQ_MESSAGE_VERSION, TQ_MESSAGE_STATUS, UINT32_MAX },
          sizeof(TqMessageHeader),
          -EBADMSG },
        { { TQ_MESSAGE_VERSION, TQ_MESSAGE_READY, 4 }, sizeof(TqMessageHeader) + 4, -EBADMSG },
};

START_TEST(broken) {
        TqMessage m = { .header = broken_rows[_i].header };
        sd_event *event = NULL;
        Fixture f = { .a.fd = -EBADF, .b.fd = -EBADF };
        int fds[2];

        ck_assert_int_eq(sd_event_new(&event), 0);
        f.event = event;
        ck_assert_int_eq(tq_channel_pair(fds), 0);
        ck_assert_int_eq(tq_channel_new(event, fds[1], 0, on_message, on_closed, &f.b, &f.b.c), 0);
        ck_assert_int_eq(send(fds[0], &m, broken_rows[_i].size, 0), (ssize_t)broken_rows[_i].size);
        run(&f);
        ck_assert_uint_eq(f.b.messages, 0);
        ck_assert_int_eq(f.b.closed, 1);
        ck_assert_int_eq(f.b.error, broken_rows[_i].error);
        (void)close(fds[0]);
        fixture_done(&f);
}
END_TEST

static size_t count_descriptors(void) {
        size_t n = 0;

        for (int fd = 0; fd < 256; fd++)
                n += fcntl(fd, F_GETFD) >= 0;
        return n;
}

/* Two descriptors at once, or one that nobody takes: none is left open. */
START_TEST(descriptors_that_nobody_wants) {
        TqMessage m = { .header = { TQ_MESSAGE_VERSION, TQ_MESSAGE_READY, 0 } };
        union {
                struct cmsghdr header;
                char bytes[CMSG_SPACE(2 * sizeof(int))];
        } control = {};
        struct iovec iov = { &m, sizeof(m.header) };
        struct msghdr mh = { .msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control) };
        Fixture f = { .a.fd = -EBADF, .b.fd = -EBADF };
        int fds[2], two[2] = { 0, 1 };
        size_t before;

        ck_assert_int_eq(sd_event_new(&f.event), 0);
        ck_assert_int_eq(tq_channel_pair(fds), 0);
        ck_assert_int_eq(tq_channel_new(f.event, fds[1], 0, on_message, on_closed, &f.b, &f.b.c),
                         0);
        control.header = (struct cmsghdr){ .cmsg_level = SOL_SOCKET,
                                           .cmsg_type = SCM_RIGHTS,
                                           .cmsg_len = CMSG_LEN(sizeof(two)) };
        memcpy(CMSG_DATA(&control.header), two, sizeof(two));
        run(&f);
        before = count_descriptors();
        ck_assert_int_eq(sendmsg(fds[0], &mh, 0), (ssize_t)sizeof(m.header));
        run(&f);
        ck_assert_uint_eq(f.b.messages, 0);
        ck_assert_int_eq(f.b.closed, 1);
        ck_assert_int_eq(f.b.error, -EBADMSG);
        ck_assert_uint_eq(count_descriptors(), before);
        (void)close(fds[0]);
        fixture_done(&f);
}
END_TEST

/* No descriptor is free for the one that comes along: the message is heard without it, and the next
 * ones as if nothing had been. */
START_TEST(no_descriptor_is_free) {
        struct rlimit before, none;
        FIXTURE f;

        fixture_new(&f);
        ck_assert_int_eq(send_number(&f.a, TQ_MESSAGE_PING, 1, NULL, 0, STDIN_FILENO), 0);
        ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
        none = before;
        none.rlim_cur = 0;
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
        run(&f);
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
        ck_assert_uint_eq(f.b.messages, 1);
        ck_assert_int_eq(f.b.fd, -EBADF);
        ck_assert_int_eq(send_number(&f.a, TQ_MESSAGE_PING, 2, NULL, 0, STDIN_FILENO), 0);
        run(&f);
        ck_assert_uint_eq(f.b.messages, 2);
        ck_assert_int_ge(f.b.fd, 0);
        ck_assert_int_eq(f.a.closed + f.b.closed, 0);
}
END_TEST

/* Before leaving: everything is sent, though nobody runs this end's loop any more. */
START_TEST(flush) {
        enum { N = 1000 };
        static char blob[16384];
        unsigned received = 0;
        sd_event *event = NULL;
        TqChannel *c = NULL;
        End end = { .fd = -EBADF };
        int fds[2];
        pid_t pid;

        ck_assert_int_eq(tq_channel_pair(fds), 0);
        pid = fork();
        if (pid == 0) {
                (void)close(fds[1]);
                if (sd_event_new(&event) < 0 ||
                    tq_channel_new(event, fds[0], 0, on_message, on_closed, &end, &c) < 0)
                        _exit(1);
                end.c = c;
                for (uint64_t i = 1; i <= N; i++)
                        if (send_number(&end, TQ_MESSAGE_ANSWER, i, blob, sizeof(blob), -EBADF) < 0)
                                _exit(2);
                tq_channel_flush(c);
                tq_channel_flush(c); /* nothing to wait for */
                _exit(0);
        }
        (void)close(fds[0]);
        ck_assert_int_eq(fcntl(fds[1], F_SETFL, 0), 0);
        while (recv(fds[1], blob, sizeof(blob), 0) > 0)
                received++;
        ck_assert_uint_eq(received, N);
        ck_assert_int_eq(unit_wait(pid), 0);
        (void)close(fds[1]);
}
END_TEST

static void fill(Suite *s) {
        TCase *tcase = unit_case(s, "channel");

        tcase_add_test(tcase, messages);
        tcase_add_test(tcase, largest);
        tcase_add_test(tcase, backlog);
        tcase_add_test(tcase, descriptors);
        tcase_add_test(tcase, peer_leaves);
        tcase_add_test(tcase, handler_refuses);
        unit_add_rows(tcase, broken, broken_rows);
        tcase_add_test(tcase, descriptors_that_nobody_wants);
        tcase_add_test(tcase, no_descriptor_is_free);
        tcase_add_test(tcase, flush);
}

int main(void) {
        return unit_main("ipc/channel", fill);
}
