/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/api/relay.h"

#include <fcntl.h>
#include <linux/sock_diag.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/util.h"
#include "ipc/frame.h"

/* sd-bus believes what a message says of its own length, takes descriptors that come along, and
 * keeps what nobody reads. So it never has the caller's socket: it has one end of a pair, and we
 * carry bytes between the two, one whole call at a time.
 *
 *   caller -> kernel's buffer -> length from the header; all of it there? whose turn? -> pair ->
 * bus caller <- kernel's buffer <- a piece at a time, within ANSWER_USEC               <- pair <-
 * bus
 *
 * A call stays in the kernel's buffer, which is charged to the caller, until it is there as a whole
 * and its user has the turn; then it is read, without a place for descriptors, so that the kernel
 * drops those, and answered before the next one is looked at. What is unfinished, unread or idle
 * for too long ends the connection. Nothing here is kept that grows with what a caller sends. */

#define CALL_MAX      (128 * 1024) /* bytes of a call: a job file, and what is around it */
#define GREETING_MAX  4096         /* of the handshake */
#define PIECE         65536
#define GREETING_USEC (5 * TQ_USEC_PER_SEC)
#define CALL_USEC     (5 * TQ_USEC_PER_SEC) /* from its first byte to its last */
#define ANSWER_USEC   (5 * TQ_USEC_PER_SEC) /* until it is read */
#define ONCE_USEC     (5 * TQ_USEC_PER_SEC)
#define IDLE_USEC     (60 * TQ_USEC_PER_SEC)
#define LINGER_USEC   (5 * TQ_USEC_PER_SEC) /* it is looked whether he has read it */

typedef enum RelayState {
        RELAY_GREETING, /* the handshake */
        RELAY_IDLE,     /* no whole call is there */
        RELAY_READY,    /* one is; waits for its turn */
        RELAY_CALLING,  /* it is being answered */
        /* From here on nothing is said or heard any more. */
        RELAY_LINGERING, /* the caller has a descriptor of ours that he has not read */
        RELAY_ENDED,
} RelayState;

struct Relay {
        RelayHooks hooks;
        RelayState state;
        bool is_once;
        sd_bus *bus;
        int fd, pair_fd; /* the caller's end, and ours of the pair whose other end the bus has */
        sd_event_source *fd_source, *pair_source, *timer;
        size_t n_greeting; /* bytes of the handshake so far */
        TqFrame call;      /* READY: the one that is there */
        bool is_heard;     /* CALLING: the bus has understood the call */
        bool is_begun;     /* IDLE: a part of a call is there, and its time runs */
        bool gave_fd;      /* descriptors went to the caller */
        TqFramer answers;  /* what the bus has said */
        bool is_answered;  /* the answer is whole, though perhaps not sent */
        char *unsent;      /* of it, what the caller's socket did not take */
        size_t unsent_at, unsent_size;
        int unsent_fd;
};

static bool is_over(const Relay *r) {
        return r->state >= RELAY_LINGERING;
}

static void end(Relay *r) {
        r->state = RELAY_ENDED;
        r->hooks.ended(r->hooks.data);
}

/* 0: no end in sight. */
static void set_timeout(Relay *r, uint64_t usec) {
        if (usec == 0)
                (void)sd_event_source_set_enabled(r->timer, SD_EVENT_OFF);
        else if (sd_event_source_set_time_relative(r->timer, usec) >= 0)
                (void)sd_event_source_set_enabled(r->timer, SD_EVENT_ONESHOT);
}

/* What is not read stays with the caller's socket, whatever becomes of ours, and a descriptor in it
 * is one of those that our user may have on their way (unix(7), ETOOMANYREFS), for all callers
 * together: his place is taken for as long. */
void relay_end(Relay *r) {
        if (is_over(r))
                return;
        if (!r->gave_fd || !relay_has_unread(r)) {
                end(r);
                return;
        }
        r->state = RELAY_LINGERING;
        (void)sd_event_source_set_enabled(r->pair_source, SD_EVENT_OFF);
        set_timeout(r, LINGER_USEC);
}

static int on_timeout(sd_event_source *source, uint64_t usec, void *userdata) {
        Relay *r = userdata;

        (void)source;
        (void)usec;
        if (r->state != RELAY_LINGERING)
                relay_end(r);
        else if (relay_has_unread(r))
                set_timeout(r, LINGER_USEC);
        else
                end(r);
        return 0;
}

/* Answers ------------------------------------------------------------------------------------- */

/* 1: all of it; 0: the caller's socket is full; negative: he has gone. *fd goes with the first
 * byte. */
static int send_piece(Relay *r, const char *data, size_t size, size_t *ret_sent, int *fd) {
        union {
                struct cmsghdr header;
                char bytes[CMSG_SPACE(sizeof(int))];
        } control = {};
        size_t sent = 0;

        while (sent < size) {
                struct iovec iov = { (void *)(data + sent), size - sent };
                struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
                ssize_t n;

                if (*fd >= 0) {
                        mh.msg_control = &control;
                        mh.msg_controllen = sizeof(control);
                        control.header = (struct cmsghdr){ .cmsg_level = SOL_SOCKET,
                                                           .cmsg_type = SCM_RIGHTS,
                                                           .cmsg_len = CMSG_LEN(sizeof(int)) };
                        memcpy(CMSG_DATA(&control.header), fd, sizeof(int));
                }
                n = sendmsg(r->fd, &mh, MSG_NOSIGNAL | MSG_DONTWAIT);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0) {
                        *ret_sent = sent;
                        return errno == EAGAIN ? 0 : tq_errno();
                }
                r->gave_fd |= *fd >= 0;
                *fd = tq_close(*fd);
                sent += (size_t)n;
        }
        *ret_sent = sent;
        return 1;
}

/* 1: nothing is left of it. */
static int send_unsent(Relay *r) {
        size_t sent = 0;
        int error;

        if (!r->unsent)
                return 1;
        error = send_piece(r, r->unsent + r->unsent_at, r->unsent_size - r->unsent_at, &sent,
                           &r->unsent_fd);
        r->unsent_at += sent;
        if (error <= 0)
                return error;
        free(r->unsent);
        r->unsent = NULL;
        set_timeout(r, r->is_once ? ONCE_USEC : 0);
        error = sd_event_source_set_enabled(r->pair_source, SD_EVENT_ON);
        return error < 0 ? error : 1;
}

static int keep_unsent(Relay *r, const char *data, size_t size, int *fd) {
        r->unsent = malloc(size);
        if (!r->unsent)
                return -ENOMEM;
        memcpy(r->unsent, data, size);
        r->unsent_at = 0;
        r->unsent_size = size;
        r->unsent_fd = tq_take_fd(fd);
        set_timeout(r, ANSWER_USEC);
        /* What the bus says next waits behind it. */
        return sd_event_source_set_enabled(r->pair_source, SD_EVENT_OFF);
}

/* A piece of what the bus said. Bytes, 0: nothing there, negative errno. */
static ssize_t receive_piece(Relay *r, char *data, size_t size, int *ret_fd) {
        union {
                struct cmsghdr header;
                char bytes[CMSG_SPACE(sizeof(int))];
        } control;
        struct iovec iov = { data, size };
        struct msghdr mh = { .msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control) };
        ssize_t n = recvmsg(r->pair_fd, &mh, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        struct cmsghdr *h;

        *ret_fd = -EBADF;
        if (n < 0)
                return errno == EAGAIN || errno == EINTR ? 0 : tq_errno();
        if (n == 0)
                return -ECONNRESET;
        h = CMSG_FIRSTHDR(&mh);
        if (h && h->cmsg_level == SOL_SOCKET && h->cmsg_type == SCM_RIGHTS &&
            h->cmsg_len == CMSG_LEN(sizeof(int)))
                memcpy(ret_fd, CMSG_DATA(h), sizeof(int));
        return n;
}

static void look_for_call(Relay *r);

/* The whole answer is with the caller: his next call, if it is there. */
static void has_answered(Relay *r) {
        r->is_answered = false;
        if (r->is_once) {
                relay_end(r);
                return;
        }
        r->state = RELAY_IDLE;
        look_for_call(r);
}

/* 1: a piece was carried on; 0: there is none, or the caller takes no more; negative errno. */
static int carry_piece(Relay *r) {
        static char data[PIECE];
        TQ_CLOSE int fd = -EBADF;
        size_t n_answers = 0, sent = 0;
        uint64_t queued = 0;
        ssize_t n;
        int error;

        error = send_unsent(r);
        if (error <= 0)
                return error;
        n = receive_piece(r, data, sizeof(data), &fd);
        if (n < 0)
                return (int)n;
        if (n == 0) {
                /* It may have kept what did not fit into the pair. */
                (void)sd_bus_get_n_queued_write(r->bus, &queued);
                error = queued > 0 ? sd_bus_process(r->bus, NULL) : 0;
                return error < 0 ? error : queued > 0;
        }
        if (r->state == RELAY_CALLING) {
                error = tq_framer_feed(&r->answers, data, (size_t)n, &n_answers);
                if (error < 0)
                        return error;
        }
        r->is_answered |= n_answers > 0;
        error = send_piece(r, data, (size_t)n, &sent, &fd);
        return error == 0 ? keep_unsent(r, data + sent, (size_t)n - sent, &fd) : error;
}

/* Carries on what the bus has said, as far as the caller takes it. */
static void carry_answers(Relay *r) {
        int error = 1;

        while (error > 0 && !is_over(r))
                error = carry_piece(r);
        if (error < 0)
                relay_end(r);
        if (r->state == RELAY_CALLING && r->is_answered && !r->unsent)
                has_answered(r);
}

static int on_pair(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        (void)source;
        (void)fd;
        (void)revents;
        carry_answers(userdata);
        return 0;
}

/* Calls --------------------------------------------------------------------------------------- */

/* Gives the bus some bytes of the caller's and lets it work. */
static int feed(Relay *r, const char *data, size_t size) {
        int error;

        for (size_t at = 0; at < size;) {
                ssize_t n = send(r->pair_fd, data + at, size - at, MSG_NOSIGNAL | MSG_DONTWAIT);

                if (n < 0 && errno != EAGAIN && errno != EINTR)
                        return tq_errno();
                at += n > 0 ? (size_t)n : 0;
                do
                        error = sd_bus_process(r->bus, NULL);
                while (error > 0 && !is_over(r));
                if (error < 0)
                        return error;
                if (is_over(r))
                        return 0;
        }
        return 0;
}

/* Takes so many bytes out of the caller's socket, descriptors dropped. */
static int take_bytes(Relay *r, char *data, size_t size) {
        for (size_t at = 0; at < size;) {
                ssize_t n = recv(r->fd, data + at, size - at, MSG_DONTWAIT);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? tq_errno() : -ECONNRESET;
                at += (size_t)n;
        }
        return 0;
}

/* A line of the handshake that is there. 1, 0: none is; negative errno. */
static int greet_line(Relay *r) {
        char data[GREETING_MAX];
        ssize_t n = recv(r->fd, data, sizeof(data), MSG_PEEK | MSG_DONTWAIT);
        const char *line_end;
        size_t size;
        int error;

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return 0;
        line_end = n > 0 ? memmem(data, (size_t)n, "\r\n", 2) : NULL;
        if (!line_end)
                return n > 0 && n < 1024 ? 0 : -EBADMSG; /* 0: a line that is not at its end */
        size = (size_t)(line_end + 2 - data);
        r->n_greeting += size;
        if (r->n_greeting > GREETING_MAX)
                return -EBADMSG;
        error = take_bytes(r, data, size);
        if (error >= 0)
                error = feed(r, data, size);
        if (error < 0)
                return error;
        carry_answers(r);
        if (size == 7 && memcmp(data, "BEGIN\r\n", 7) == 0 && r->state == RELAY_GREETING) {
                /* Whom the bus has not let in would greet it again in the midst of a call, and have
                 * as many in one as he likes. */
                if (sd_bus_is_ready(r->bus) <= 0)
                        return -EBADMSG;
                r->state = RELAY_IDLE;
        }
        return 1;
}

/* Up to and with BEGIN, behind which the first call may follow. */
static void greet(Relay *r) {
        int error = 1;

        while (error > 0 && r->state == RELAY_GREETING)
                error = greet_line(r);
        if (error < 0)
                relay_end(r);
        else
                look_for_call(r);
}

/* A whole call in the kernel's buffer makes the connection ready. */
static void look_for_call(Relay *r) {
        uint8_t header[TQ_FRAME_HEADER];
        int available = 0;
        ssize_t n;

        if (r->state != RELAY_IDLE)
                return;
        n = recv(r->fd, header, sizeof(header), MSG_PEEK | MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
                set_timeout(r, r->is_once ? ONCE_USEC : IDLE_USEC);
                r->is_begun = false;
                return;
        }
        if (n <= 0) {
                relay_end(r);
                return;
        }
        if (n == sizeof(header)) {
                /* What wants no answer would be a call without an end. */
                if (tq_frame_parse(header, &r->call) < 0 || r->call.type != TQ_FRAME_CALL ||
                    r->call.flags & TQ_FRAME_NO_REPLY || r->call.size > CALL_MAX ||
                    ioctl(r->fd, FIONREAD, &available) < 0) {
                        relay_end(r);
                        return;
                }
                if ((size_t)available >= r->call.size) {
                        r->state = RELAY_READY;
                        r->is_begun = false;
                        set_timeout(r, 0);
                        r->hooks.ready(r->hooks.data);
                        return;
                }
        }
        /* Only its beginning: once for all of it. */
        if (!r->is_begun)
                set_timeout(r, CALL_USEC);
        r->is_begun = true;
}

void relay_serve(Relay *r) {
        static char data[CALL_MAX];
        int error;

        if (r->state != RELAY_READY)
                return;
        r->state = RELAY_CALLING;
        r->is_answered = r->is_heard = false;
        error = take_bytes(r, data, r->call.size);
        if (error >= 0)
                error = feed(r, data, r->call.size);
        /* What the bus does not understand, it leaves without an answer. */
        if (error < 0 || !r->is_heard)
                relay_end(r);
}

/* Edge-triggered: bytes that stay in the kernel's buffer wake nobody up again. */
static int on_caller(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        Relay *r = userdata;

        (void)source;
        (void)fd;
        if (r->state == RELAY_LINGERING && revents & (EPOLLHUP | EPOLLERR))
                end(r);
        if (is_over(r))
                return 0;
        if (revents & (EPOLLHUP | EPOLLERR)) {
                end(r); /* what he has not read is gone with his end */
                return 0;
        }
        if (revents & EPOLLOUT && r->unsent)
                carry_answers(r);
        if (r->state == RELAY_GREETING)
                greet(r);
        else
                look_for_call(r);
        return 0;
}

int relay_copy_socket(const Relay *r) {
        int fd = fcntl(r->fd, F_DUPFD_CLOEXEC, 3);

        return fd < 0 ? tq_errno() : fd;
}

void relay_end_after_answer(Relay *r) {
        r->is_once = true;
}

bool relay_has_unread(const Relay *r) {
        uint32_t info[SK_MEMINFO_VARS] = {};
        socklen_t size = sizeof(info);

        return getsockopt(r->fd, SOL_SOCKET, SO_MEMINFO, info, &size) >= 0 &&
               info[SK_MEMINFO_WMEM_ALLOC] > 0;
}

/* Life ---------------------------------------------------------------------------------------- */

static int on_heard(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Relay *r = userdata;

        (void)m;
        (void)error;
        r->is_heard = true;
        return 0;
}

static int start_bus(Relay *r, int fd) {
        sd_id128_t id;
        int error;

        error = sd_id128_randomize(&id);
        if (error >= 0)
                error = sd_bus_new(&r->bus);
        if (error >= 0)
                error = sd_bus_set_fd(r->bus, fd, fd);
        if (error < 0) {
                (void)tq_close(fd);
                return error;
        }
        error = sd_bus_set_server(r->bus, 1, id);
        if (error >= 0)
                error = sd_bus_negotiate_fds(r->bus, true);
        /* Who it is we know from the kernel; what he says of himself is not asked. */
        if (error >= 0)
                error = sd_bus_set_anonymous(r->bus, true);
        /* Who may do what is decided with each call. */
        if (error >= 0)
                error = sd_bus_set_trusted(r->bus, true);
        if (error >= 0)
                error = r->hooks.attach(r->hooks.data, r->bus);
        /* The last one added is asked first. */
        if (error >= 0)
                error = sd_bus_add_filter(r->bus, NULL, on_heard, r);
        return error < 0 ? error : sd_bus_start(r->bus);
}

static int watch(Relay *r, sd_event *event, int64_t priority) {
        int error;

        error = sd_event_add_io(event, &r->pair_source, r->pair_fd, EPOLLIN, on_pair, r);
        if (error >= 0)
                error = sd_event_add_io(event, &r->fd_source, r->fd,
                                        EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, on_caller, r);
        if (error >= 0)
                error = sd_event_add_time_relative(event, &r->timer, CLOCK_MONOTONIC, GREETING_USEC,
                                                   100 * TQ_USEC_PER_MSEC, on_timeout, r);
        if (error >= 0)
                error = sd_event_source_set_priority(r->fd_source, priority);
        if (error >= 0)
                error = sd_event_source_set_priority(r->pair_source, priority);
        return error;
}

int relay_new(sd_event *event, int64_t priority, int fd, bool is_once, const RelayHooks *hooks,
              Relay **ret) {
        Relay *r = calloc(1, sizeof(*r));
        int fds[2], error;

        if (!r) {
                (void)tq_close(fd);
                return -ENOMEM;
        }
        *r = (Relay){ .hooks = *hooks,
                      .is_once = is_once,
                      .fd = fd,
                      .pair_fd = -EBADF,
                      .unsent_fd = -EBADF };
        error = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0
                        ? tq_errno()
                        : 0;
        if (error >= 0) {
                r->pair_fd = fds[0];
                error = start_bus(r, fds[1]);
        }
        if (error >= 0)
                error = watch(r, event, priority);
        if (error < 0) {
                (void)relay_free(r);
                return error;
        }
        *ret = r;
        return 0;
}

Relay *relay_free(Relay *r) {
        if (!r)
                return NULL;
        (void)sd_event_source_disable_unref(r->fd_source);
        (void)sd_event_source_disable_unref(r->pair_source);
        (void)sd_event_source_disable_unref(r->timer);
        if (r->bus)
                (void)sd_bus_close_unref(r->bus);
        (void)tq_close(r->fd);
        (void)tq_close(r->pair_fd);
        (void)tq_close(r->unsent_fd);
        free(r->unsent);
        free(r);
        return NULL;
}
