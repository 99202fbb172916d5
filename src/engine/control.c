/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <grp.h>
#include <linux/sock_diag.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "engine/engine.h"

/* The control socket: one peer-to-peer bus for each caller. Who it is was decided by the kernel
 * when the connection was made (SO_PEERCRED, SO_PEERGROUPS), and stays so whatever the caller
 * executes later.
 *
 * sd-bus believes what a message says of its own length, takes descriptors that come along, and
 * keeps what nobody reads. So it never has the caller's socket: it has one end of a pair, and we
 * carry bytes between the two, one whole call at a time.
 *
 *   caller ──► kernel's buffer ──► we: length from the header, all of it there?, whose turn? ──►
 * pair ──► bus caller ◄── kernel's buffer ◄── we: a piece at a time, within ANSWER_USEC
 * ◄────────────────── pair ◄── bus
 *
 * A call stays in the kernel's buffer, which is charged to the caller, until it is there as a whole
 * and its user has the turn (callers.c); then it is read, without a place for descriptors, so that
 * the kernel drops those, and answered before the next one is looked at. What is unfinished, unread
 * or idle for too long ends the connection. Nothing here is kept that grows with what a caller
 * sends. */

#define CALL_MAX         (128 * 1024) /* bytes of a call: a job file, and what is around it */
#define GREETING_MAX     4096         /* of the handshake */
#define PIECE            65536
#define GREETING_USEC    (5 * TQ_USEC_PER_SEC)
#define CALL_USEC        (5 * TQ_USEC_PER_SEC) /* from its first byte to its last */
#define ANSWER_USEC      (5 * TQ_USEC_PER_SEC) /* until it is read */
#define REFUSED_USEC     (5 * TQ_USEC_PER_SEC)
#define IDLE_USEC        (60 * TQ_USEC_PER_SEC)
#define ACCEPTS_PER_TURN 64
#define CALLS_PER_TURN   8
#define FDS_OWN          40 /* descriptors that the engine needs besides */
#define FDS_EACH         4  /* and those of a connection, an answer's included */
#define ROOM_LEAST       4

/* Ends ---------------------------------------------------------------------------------------- */

static void stop_waiting(Connection *c) {
        Engine *e = c->engine;

        if (c->wait == WAIT_NONE)
                return;
        c->wait = WAIT_NONE;
        callers_waits(&e->callers, c->caller, false);
        c->wait_call = sd_bus_message_unref(c->wait_call);
        if (tq_map_get(&e->waits, c->wait_job) == c) {
                (void)tq_map_remove(&e->waits, c->wait_job);
                if (!tq_list_is_empty(&c->waiting))
                        (void)tq_map_put(&e->waits, c->wait_job,
                                         TQ_LIST_ENTRY(c->waiting.next, Connection, waiting));
        }
        tq_list_unlink(&c->waiting);
}

static Connection *connection_free(Connection *c) {
        Engine *e = c->engine;

        stop_waiting(c);
        tq_list_unlink(&c->ready);
        tq_list_unlink(&c->link);
        if (c->id > 0)
                (void)tq_map_remove(&e->connections, c->id);
        (void)sd_event_source_disable_unref(c->fd_source);
        (void)sd_event_source_disable_unref(c->relay_source);
        (void)sd_event_source_disable_unref(c->timer);
        if (c->bus)
                (void)sd_bus_close_unref(c->bus);
        (void)tq_close(c->fd);
        (void)tq_close(c->relay_fd);
        (void)tq_close(c->unsent_fd);
        free(c->unsent);
        if (c->caller) {
                if (c->refusal) {
                        c->caller->n_refused--;
                        e->callers.n_refused--;
                } else {
                        c->caller->n_connections--;
                        e->callers.n_connections--;
                        e->callers.n_strangers -= c->is_stranger;
                }
                callers_release(&e->callers, c->caller);
        }
        free(c);
        return NULL;
}

/* Freed when nobody of those who called us looks at it any more. */
static void end(Connection *c) {
        if (c->state == CONNECTION_GONE)
                return;
        c->state = CONNECTION_GONE;
        stop_waiting(c);
        tq_list_unlink(&c->ready);
        tq_list_unlink(&c->link);
        tq_list_append(&c->engine->gone, &c->link);
        (void)sd_event_source_set_enabled(c->engine->gone_source, SD_EVENT_ONESHOT);
}

static int on_gone(sd_event_source *source, void *userdata) {
        Engine *e = userdata;

        (void)source;
        TQ_LIST_FOREACH(node, &e->gone)
        (void)connection_free(TQ_LIST_ENTRY(node, Connection, link));
        return 0;
}

static int on_timeout(sd_event_source *source, uint64_t usec, void *userdata) {
        (void)source;
        (void)usec;
        end(userdata);
        return 0;
}

/* 0: no end in sight. */
static void set_timeout(Connection *c, uint64_t usec) {
        if (usec == 0)
                (void)sd_event_source_set_enabled(c->timer, SD_EVENT_OFF);
        else if (sd_event_source_set_time_relative(c->timer, usec) >= 0)
                (void)sd_event_source_set_enabled(c->timer, SD_EVENT_ONESHOT);
}

/* Turns --------------------------------------------------------------------------------------- */

static void schedule(Engine *e) {
        (void)sd_event_source_set_enabled(
                e->turn_source, tq_list_is_empty(&e->callers.turns) ? SD_EVENT_OFF : SD_EVENT_ON);
}

static void make_ready(Connection *c) {
        callers_ready(&c->engine->callers, c->caller, &c->ready);
        schedule(c->engine);
}

void control_has_asked(Engine *e, uid_t uid) {
        Caller *user = tq_map_get(&e->callers.users, uid);

        if (user)
                callers_has_asked(&e->callers, user);
        schedule(e);
}

/* Answers ------------------------------------------------------------------------------------- */

/* 1: all of it; 0: the caller's socket is full; negative: he has gone. *fd goes with the first
 * byte. */
static int send_piece(Connection *c, const char *data, size_t size, size_t *ret_sent, int *fd) {
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
                n = sendmsg(c->fd, &mh, MSG_NOSIGNAL | MSG_DONTWAIT);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0) {
                        *ret_sent = sent;
                        return errno == EAGAIN ? 0 : tq_errno();
                }
                *fd = tq_close(*fd);
                sent += (size_t)n;
        }
        *ret_sent = sent;
        return 1;
}

/* 1: nothing is left of it. */
static int send_unsent(Connection *c) {
        size_t sent = 0;
        int r;

        if (!c->unsent)
                return 1;
        r = send_piece(c, c->unsent + c->unsent_at, c->unsent_size - c->unsent_at, &sent,
                       &c->unsent_fd);
        c->unsent_at += sent;
        if (r <= 0)
                return r;
        free(c->unsent);
        c->unsent = NULL;
        set_timeout(c, c->refusal ? REFUSED_USEC : 0);
        r = sd_event_source_set_enabled(c->relay_source, SD_EVENT_ON);
        return r < 0 ? r : 1;
}

static int keep_unsent(Connection *c, const char *data, size_t size, int *fd) {
        c->unsent = malloc(size);
        if (!c->unsent)
                return -ENOMEM;
        memcpy(c->unsent, data, size);
        c->unsent_at = 0;
        c->unsent_size = size;
        c->unsent_fd = tq_take_fd(fd);
        set_timeout(c, ANSWER_USEC);
        /* What the bus says next waits behind it. */
        return sd_event_source_set_enabled(c->relay_source, SD_EVENT_OFF);
}

/* A piece of what the bus said. Bytes, 0: nothing there, negative errno. */
static ssize_t receive_piece(Connection *c, char *data, size_t size, int *ret_fd) {
        union {
                struct cmsghdr header;
                char bytes[CMSG_SPACE(sizeof(int))];
        } control;
        struct iovec iov = { data, size };
        struct msghdr mh = { .msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control) };
        ssize_t n = recvmsg(c->relay_fd, &mh, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
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

static void look_for_call(Connection *c);

/* The whole answer is with the caller: his next call, if it is there. */
static void has_answered(Connection *c) {
        c->is_answered = false;
        if (c->refusal) {
                end(c);
                return;
        }
        c->state = CONNECTION_IDLE;
        look_for_call(c);
}

/* Carries on what the bus has said, as far as the caller takes it. */
static void carry_answers(Connection *c) {
        static char data[PIECE];
        int r;

        while (c->state != CONNECTION_GONE) {
                TQ_CLOSE int fd = -EBADF;
                size_t n_answers = 0, sent = 0;
                uint64_t queued = 0;
                ssize_t n;

                r = send_unsent(c);
                if (r < 0)
                        end(c);
                if (r <= 0)
                        return;
                n = receive_piece(c, data, sizeof(data), &fd);
                if (n < 0) {
                        end(c);
                        return;
                }
                if (n == 0) {
                        /* It may have kept what did not fit into the pair. */
                        (void)sd_bus_get_n_queued_write(c->bus, &queued);
                        if (queued == 0)
                                break;
                        if (sd_bus_process(c->bus, NULL) < 0) {
                                end(c);
                                return;
                        }
                        continue;
                }
                if (c->state == CONNECTION_CALLING &&
                    tq_framer_feed(&c->answers, data, (size_t)n, &n_answers) < 0) {
                        end(c);
                        return;
                }
                c->is_answered |= n_answers > 0;
                r = send_piece(c, data, (size_t)n, &sent, &fd);
                if (r == 0)
                        r = keep_unsent(c, data + sent, (size_t)n - sent, &fd);
                if (r < 0) {
                        end(c);
                        return;
                }
        }
        if (c->state == CONNECTION_CALLING && c->is_answered && !c->unsent)
                has_answered(c);
}

static int on_relay(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        (void)source;
        (void)fd;
        (void)revents;
        carry_answers(userdata);
        return 0;
}

/* Calls --------------------------------------------------------------------------------------- */

/* Gives the bus some bytes of the caller's and lets it work. */
static int feed(Connection *c, const char *data, size_t size) {
        int r;

        for (size_t at = 0; at < size;) {
                ssize_t n = send(c->relay_fd, data + at, size - at, MSG_NOSIGNAL | MSG_DONTWAIT);

                if (n < 0 && errno != EAGAIN && errno != EINTR)
                        return tq_errno();
                at += n > 0 ? (size_t)n : 0;
                do
                        r = sd_bus_process(c->bus, NULL);
                while (r > 0 && c->state != CONNECTION_GONE);
                if (r < 0)
                        return r;
                if (c->state == CONNECTION_GONE)
                        return 0;
        }
        return 0;
}

/* Takes so many bytes out of the caller's socket, descriptors dropped. */
static int take_bytes(Connection *c, char *data, size_t size) {
        for (size_t at = 0; at < size;) {
                ssize_t n = recv(c->fd, data + at, size - at, MSG_DONTWAIT);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? tq_errno() : -ECONNRESET;
                at += (size_t)n;
        }
        return 0;
}

/* Whole lines of the handshake, up to and with BEGIN, behind which the first call may follow. */
static void greet(Connection *c) {
        char data[GREETING_MAX];

        while (c->state == CONNECTION_GREETING) {
                ssize_t n = recv(c->fd, data, sizeof(data), MSG_PEEK | MSG_DONTWAIT);
                const char *line_end;
                size_t size;

                if (n < 0 && (errno == EAGAIN || errno == EINTR))
                        return;
                line_end = n > 0 ? memmem(data, (size_t)n, "\r\n", 2) : NULL;
                if (!line_end && n > 0 && n < 1024)
                        return; /* a line that is not at its end */
                if (!line_end) {
                        end(c);
                        return;
                }
                size = (size_t)(line_end + 2 - data);
                c->n_greeting += size;
                if (c->n_greeting > GREETING_MAX || take_bytes(c, data, size) < 0 ||
                    feed(c, data, size) < 0) {
                        end(c);
                        return;
                }
                carry_answers(c);
                if (size == 7 && memcmp(data, "BEGIN\r\n", 7) == 0 &&
                    c->state == CONNECTION_GREETING) {
                        /* Whom the bus has not let in would greet it again in the midst of a call,
                         * and have as many in one as he likes. */
                        if (sd_bus_is_ready(c->bus) <= 0) {
                                end(c);
                                return;
                        }
                        c->state = CONNECTION_IDLE;
                        look_for_call(c);
                }
        }
}

/* A whole call in the kernel's buffer makes the connection ready. */
static void look_for_call(Connection *c) {
        uint8_t header[TQ_FRAME_HEADER];
        int available = 0;
        ssize_t n;

        if (c->state != CONNECTION_IDLE)
                return;
        n = recv(c->fd, header, sizeof(header), MSG_PEEK | MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
                set_timeout(c, c->refusal ? REFUSED_USEC : IDLE_USEC);
                c->is_begun = false;
                return;
        }
        if (n <= 0) {
                end(c);
                return;
        }
        if (n == sizeof(header)) {
                /* What wants no answer would be a call without an end. */
                if (tq_frame_parse(header, &c->call) < 0 || c->call.type != TQ_FRAME_CALL ||
                    c->call.flags & TQ_FRAME_NO_REPLY || c->call.size > CALL_MAX ||
                    ioctl(c->fd, FIONREAD, &available) < 0) {
                        end(c);
                        return;
                }
                if ((size_t)available >= c->call.size) {
                        c->state = CONNECTION_READY;
                        c->is_begun = false;
                        set_timeout(c, 0);
                        make_ready(c);
                        return;
                }
        }
        /* Only its beginning: once for all of it. */
        if (!c->is_begun)
                set_timeout(c, CALL_USEC);
        c->is_begun = true;
}

static void answer_waiter(Connection *c) {
        TQ_CLEANUP(sd_bus_message_unrefp) sd_bus_message *call = sd_bus_message_ref(c->wait_call);
        WaitKind kind = c->wait;
        int r;

        stop_waiting(c);
        r = kind == WAIT_END ? question_reply_job(c, call, c->wait_job, c->wait_scope)
                             : sd_bus_reply_method_return(call, "");
        if (r < 0)
                end(c);
}

static void serve(Connection *c) {
        static char data[CALL_MAX];
        int r;

        if (c->state == CONNECTION_CALLING) {
                if (c->wait_is_over)
                        answer_waiter(c);
                return;
        }
        if (c->state != CONNECTION_READY)
                return;
        c->state = CONNECTION_CALLING;
        c->is_answered = c->is_heard = false;
        r = take_bytes(c, data, c->call.size);
        if (r >= 0)
                r = feed(c, data, c->call.size);
        /* What the bus does not understand, it leaves without an answer. */
        if (r < 0 || !c->is_heard)
                end(c);
}

static int on_turn(sd_event_source *source, void *userdata) {
        Engine *e = userdata;

        (void)source;
        for (int i = 0; i < CALLS_PER_TURN; i++) {
                TqList *ready = callers_next(&e->callers);

                if (!ready)
                        break;
                serve(TQ_LIST_ENTRY(ready, Connection, ready));
        }
        schedule(e);
        return 0;
}

/* Edge-triggered: bytes that stay in the kernel's buffer wake nobody up again. */
static int on_caller(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        Connection *c = userdata;

        (void)source;
        (void)fd;
        if (revents & (EPOLLHUP | EPOLLERR)) {
                end(c);
                return 0;
        }
        if (revents & EPOLLOUT && c->unsent)
                carry_answers(c);
        if (c->state == CONNECTION_GREETING)
                greet(c);
        else
                look_for_call(c);
        return 0;
}

/* Connecting ---------------------------------------------------------------------------------- */

static int on_heard(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Connection *c = userdata;

        (void)m;
        (void)error;
        c->is_heard = true;
        return 0;
}

/* What a refused caller gets for an answer, whatever he asks. */
static int on_refused(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const Connection *c = userdata;

        (void)error;
        return verbs_reply_error(m, TQ_CONTROL_BUSY, "%s", c->refusal);
}

static int start_bus(Connection *c) {
        Engine *e = c->engine;
        sd_id128_t id;
        int fds[2], r;

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0)
                return tq_errno();
        c->relay_fd = fds[0];
        r = sd_id128_randomize(&id);
        if (r >= 0)
                r = sd_bus_new(&c->bus);
        if (r >= 0)
                r = sd_bus_set_fd(c->bus, fds[1], fds[1]);
        if (r < 0) {
                (void)tq_close(fds[1]);
                return r;
        }
        r = sd_bus_set_server(c->bus, 1, id);
        if (r >= 0)
                r = sd_bus_negotiate_fds(c->bus, true);
        /* Who it is we know from the kernel; what he says of himself is not asked. */
        if (r >= 0)
                r = sd_bus_set_anonymous(c->bus, true);
        /* The verbs decide themselves who may do what. */
        if (r >= 0)
                r = sd_bus_set_trusted(c->bus, true);
        if (r >= 0)
                r = c->refusal ? sd_bus_add_filter(c->bus, NULL, on_refused, c)
                               : sd_bus_add_object_vtable(c->bus, NULL, TQ_CONTROL_PATH,
                                                          TQ_CONTROL_INTERFACE, verbs_vtable, c);
        /* The last one added is asked first. */
        if (r >= 0)
                r = sd_bus_add_filter(c->bus, NULL, on_heard, c);
        if (r >= 0)
                r = sd_bus_start(c->bus);
        if (r >= 0)
                r = sd_event_add_io(e->event, &c->relay_source, c->relay_fd, EPOLLIN, on_relay, c);
        if (r >= 0)
                r = sd_event_add_io(e->event, &c->fd_source, c->fd,
                                    EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, on_caller, c);
        if (r >= 0)
                r = sd_event_add_time_relative(e->event, &c->timer, CLOCK_MONOTONIC, GREETING_USEC,
                                               100 * TQ_USEC_PER_MSEC, on_timeout, c);
        /* After the ends of jobs and what the supervisor says. */
        if (r >= 0)
                r = sd_event_source_set_priority(c->fd_source, CONTROL_PRIORITY);
        if (r >= 0)
                r = sd_event_source_set_priority(c->relay_source, CONTROL_PRIORITY);
        return r;
}

static bool is_admin(const Engine *e, int fd, const struct ucred *peer) {
        TQ_FREE gid_t *groups = NULL;
        socklen_t size = 0;

        if (peer->uid == 0 || peer->gid == e->admin_gid)
                return true;
        /* ERANGE, and how large it is (socket(7)). */
        (void)getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &size);
        groups = size > 0 ? malloc(size) : NULL;
        if (!groups || getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) < 0)
                return false;
        for (size_t i = 0; i < size / sizeof(gid_t); i++)
                if (groups[i] == e->admin_gid)
                        return true;
        return false;
}

/* Counts it, as one that is served or as one that is only told why not. -EBUSY: not even that. */
static int admit(Connection *c) {
        Callers *all = &c->engine->callers;
        Caller *user = callers_get(all, c->uid);

        if (!user)
                return -ENOMEM;
        c->refusal = callers_objection(all, user, c->is_stranger);
        if (c->refusal && !callers_may_be_told(all, user)) {
                callers_release(all, user);
                return -EBUSY;
        }
        c->caller = user;
        if (c->refusal) {
                user->n_refused++;
                all->n_refused++;
                return 0;
        }
        user->n_connections++;
        all->n_connections++;
        all->n_strangers += c->is_stranger;
        return 0;
}

static void accept_one(Engine *e, int fd) {
        Connection *c = calloc(1, sizeof(*c));
        struct ucred peer;
        socklen_t size = sizeof(peer);
        int r;

        if (!c) {
                (void)tq_close(fd);
                return;
        }
        *c = (Connection){ .engine = e, .fd = fd, .relay_fd = -EBADF, .unsent_fd = -EBADF };
        tq_list_init(&c->ready);
        tq_list_init(&c->link);
        tq_list_init(&c->waiting);
        r = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 ? tq_errno() : 0;
        if (r >= 0) {
                c->uid = peer.uid;
                c->is_admin = is_admin(e, fd, &peer);
                c->is_stranger = !c->is_admin && !tenants_by_uid(e, peer.uid);
                r = admit(c);
        }
        if (r >= 0)
                r = tq_map_put(&e->connections, e->next_connection + 1, c);
        if (r >= 0) {
                c->id = ++e->next_connection;
                r = start_bus(c);
        }
        if (r < 0) {
                (void)connection_free(c);
                return;
        }
        tq_list_append(&e->all_connections, &c->link);
}

/* All descriptors are used up: one is kept back, so that callers are turned away instead of waking
 * us up for ever. */
static void turn_away(Engine *e) {
        e->spare_fd = tq_close(e->spare_fd);
        (void)tq_close(accept4(e->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK));
        e->spare_fd = fcntl(e->claims_fd, F_DUPFD_CLOEXEC, 3);
}

static int on_listen(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        Engine *e = userdata;
        char byte;

        (void)source;
        (void)revents;
        for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
                int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

                /* Who comes and goes costs no more than this. */
                if (peer >= 0 && recv(peer, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0)
                        (void)tq_close(peer);
                else if (peer >= 0)
                        accept_one(e, peer);
                else if (errno == EMFILE || errno == ENFILE)
                        turn_away(e);
                else if (errno != ECONNABORTED && errno != EINTR)
                        break;
        }
        return 0;
}

static int watch_listen(Engine *e) {
        int r;

        r = sd_event_add_io(e->event, &e->listen_source, e->listen_fd, EPOLLIN, on_listen, e);
        return r < 0 ? r : sd_event_source_set_priority(e->listen_source, CONTROL_PRIORITY);
}

int control_listen(Engine *e, int fd) {
        bool was_open = e->listen_source;

        e->listen_source = sd_event_source_disable_unref(e->listen_source);
        (void)tq_close(e->listen_fd);
        e->listen_fd = fd;
        return was_open ? watch_listen(e) : 0;
}

int control_start(Engine *e) {
        struct rlimit files = { .rlim_cur = 1024 };
        size_t room = ROOM_LEAST;
        int r;

        (void)getrlimit(RLIMIT_NOFILE, &files);
        if (files.rlim_cur > FDS_OWN)
                room = TQ_MAX(room, (size_t)(files.rlim_cur - FDS_OWN) / FDS_EACH);
        callers_init(&e->callers, room);
        tq_list_init(&e->all_connections);
        tq_list_init(&e->gone);
        e->spare_fd = fcntl(e->claims_fd, F_DUPFD_CLOEXEC, 3);
        r = sd_event_add_defer(e->event, &e->turn_source, on_turn, e);
        if (r >= 0)
                r = sd_event_source_set_priority(e->turn_source, CONTROL_PRIORITY);
        if (r >= 0)
                r = sd_event_source_set_enabled(e->turn_source, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_add_defer(e->event, &e->gone_source, on_gone, e);
        if (r >= 0)
                r = sd_event_source_set_enabled(e->gone_source, SD_EVENT_OFF);
        return r < 0 ? r : watch_listen(e);
}

/* Waiting ------------------------------------------------------------------------------------- */

bool control_has_unread(const Connection *c) {
        uint32_t info[SK_MEMINFO_VARS] = {};
        socklen_t size = sizeof(info);

        return getsockopt(c->fd, SOL_SOCKET, SO_MEMINFO, info, &size) >= 0 &&
               info[SK_MEMINFO_WMEM_ALLOC] > 0;
}

int control_wait_for(Connection *c, sd_bus_message *call, WaitKind kind, uint64_t job,
                     int64_t scope) {
        Engine *e = c->engine;
        Connection *first = tq_map_get(&e->waits, job);

        if (c->wait != WAIT_NONE || !callers_may_wait(&e->callers, c->caller))
                return -EBUSY;
        if (!first && tq_map_put(&e->waits, job, c) < 0)
                return -ENOMEM;
        if (first)
                tq_list_append(&first->waiting, &c->waiting);
        c->wait = kind;
        c->wait_is_over = false;
        c->wait_job = job;
        c->wait_scope = scope;
        c->wait_call = sd_bus_message_ref(call);
        callers_waits(&e->callers, c->caller, true);
        return 0;
}

static void is_over(Connection *c) {
        c->wait_is_over = true;
        make_ready(c);
}

/* Those who wait for the job, each in its user's turn. */
static void tell_waiters(Engine *e, uint64_t job, bool has_ended) {
        Connection *first = tq_map_get(&e->waits, job);

        if (!first)
                return;
        TQ_LIST_FOREACH(node, &first->waiting) {
                Connection *c = TQ_LIST_ENTRY(node, Connection, waiting);

                if (has_ended || c->wait == WAIT_START)
                        is_over(c);
        }
        if (has_ended || first->wait == WAIT_START)
                is_over(first);
}

void control_job_started(Engine *e, uint64_t job) {
        tell_waiters(e, job, false);
}

void control_job_ended(Engine *e, uint64_t job) {
        tell_waiters(e, job, true);
}

Connection *control_find(Engine *e, uint64_t id) {
        return tq_map_get(&e->connections, id);
}

void control_stop(Engine *e) {
        if (!e->turn_source)
                return;
        TQ_LIST_FOREACH(node, &e->all_connections)
        (void)connection_free(TQ_LIST_ENTRY(node, Connection, link));
        (void)on_gone(NULL, e);
}
