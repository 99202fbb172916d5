/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/api/connections.h"

#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "base/util.h"
#include "engine/api/callers.h"
#include "engine/api/relay.h"
#include "engine/dispatch/dispatch.h"
#include "ipc/control.h"

/* The control socket: one peer-to-peer bus for each caller. Who it is was decided by the kernel
 * when the connection was made (SO_PEERCRED, SO_PEERGROUPS), and stays so whatever the caller
 * executes later. Users are counted and take turns (callers.c); the bytes are carried by relay.c.
 */

#define ACCEPTS_PER_TURN 64
#define CALLS_PER_TURN   8
#define FDS_OWN          40 /* descriptors that the engine needs besides */
#define FDS_EACH         4  /* and those of a connection, an answer's included */
#define ROOM_LEAST       4

struct Connection {
        Connections *connections;
        Caller *caller;
        Relay *relay;
        Viewer viewer;
        bool is_stranger;
        const char *refusal; /* it is only told this; NULL: it is served */
        ConnectionWait wait; /* turn NULL: it does not wait */
        bool is_over;        /* what it waited for has come */
        TqBuffer text;       /* what it hands in in pieces */
        TqList ready, link;
};

struct Connections {
        sd_event *event;
        Tenants *tenants;
        ConnectionAttach attach;
        void *data;
        int listen_fd, spare_fd;
        gid_t admin_gid;
        Callers callers;
        TqList all, gone; /* of Connection.link */
        sd_event_source *listen_source, *turn_source, *gone_source;
};

/* Turns --------------------------------------------------------------------------------------- */

static void schedule(Connections *cs) {
        (void)sd_event_source_set_enabled(
                cs->turn_source, callers_are_ready(&cs->callers) ? SD_EVENT_ON : SD_EVENT_OFF);
}

static void make_ready(Connection *c) {
        callers_ready(&c->connections->callers, c->caller, &c->ready);
        schedule(c->connections);
}

/* Its wait is over in one way or the other: nobody else calls it. */
static ConnectionWait take_wait(Connection *c) {
        ConnectionWait wait = c->wait;

        if (wait.turn)
                callers_waits(&c->connections->callers, c->caller, false);
        c->wait = (ConnectionWait){};
        c->is_over = false;
        return wait;
}

static void serve(Connection *c) {
        ConnectionWait wait;

        if (!c->is_over) {
                relay_serve(c->relay);
                return;
        }
        wait = take_wait(c);
        if (wait.turn)
                wait.turn(wait.data, c);
}

static int on_turn(sd_event_source *source, void *userdata) {
        Connections *cs = userdata;

        (void)source;
        for (int i = 0; i < CALLS_PER_TURN; i++) {
                TqList *ready = callers_next(&cs->callers);

                if (!ready)
                        break;
                serve(TQ_LIST_ENTRY(ready, Connection, ready));
        }
        schedule(cs);
        return 0;
}

void connection_asks(Connection *c) {
        c->caller->is_asking = true;
}

void connections_has_asked(Connections *cs, uid_t uid) {
        Caller *user = tq_map_get(&cs->callers.users, uid);

        if (user)
                callers_has_asked(&cs->callers, user);
        schedule(cs);
}

int connection_wait(Connection *c, const ConnectionWait *wait) {
        Callers *callers = &c->connections->callers;

        if (c->wait.turn || !callers_may_wait(callers, c->caller))
                return -EBUSY;
        c->wait = *wait;
        c->is_over = false;
        callers_waits(callers, c->caller, true);
        return 0;
}

void connection_wake(Connection *c) {
        c->is_over = true;
        make_ready(c);
}

void connection_set_origin(Connection *c, const Origin *origin) {
        c->viewer.origin = *origin;
}

TqBuffer *connection_text(Connection *c) {
        return &c->text;
}

const Viewer *connection_viewer(const Connection *c) {
        return &c->viewer;
}

bool connection_has_unread(const Connection *c) {
        return relay_has_unread(c->relay);
}

int connection_copy_socket(const Connection *c) {
        return relay_copy_socket(c->relay);
}

void connection_end_after_answer(Connection *c) {
        relay_end_after_answer(c->relay);
}

void connection_end(Connection *c) {
        relay_end(c->relay);
}

/* Ends ---------------------------------------------------------------------------------------- */

static Connection *connection_free(Connection *c) {
        Callers *callers = &c->connections->callers;
        ConnectionWait wait = {};

        tq_list_unlink(&c->ready);
        tq_list_unlink(&c->link);
        (void)relay_free(c->relay);
        if (c->caller) {
                wait = take_wait(c);
                callers_count(callers, c->caller, c->refusal, c->is_stranger, false);
                callers_release(callers, c->caller);
        }
        if (wait.ended)
                wait.ended(wait.data);
        tq_buffer_done(&c->text);
        free(c);
        return NULL;
}

/* Freed when nobody of those who called us looks at it any more. */
static void on_ended(void *data) {
        Connection *c = data;
        Connections *cs = c->connections;
        ConnectionWait wait = take_wait(c);

        if (wait.ended)
                wait.ended(wait.data);
        tq_list_unlink(&c->ready);
        tq_list_unlink(&c->link);
        tq_list_append(&cs->gone, &c->link);
        (void)sd_event_source_set_enabled(cs->gone_source, SD_EVENT_ONESHOT);
}

static void free_all(TqList *list) {
        TQ_LIST_FOREACH(node, list)
        (void)connection_free(TQ_LIST_ENTRY(node, Connection, link));
}

static int on_gone(sd_event_source *source, void *userdata) {
        Connections *cs = userdata;

        (void)source;
        free_all(&cs->gone);
        return 0;
}

/* Connecting ---------------------------------------------------------------------------------- */

/* What a refused caller gets for an answer, whatever he asks. */
static int on_refused(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const Connection *c = userdata;

        (void)error;
        return sd_bus_reply_method_errorf(m, tq_control_error_name(TQ_CONTROL_BUSY), "%s",
                                          c->refusal);
}

static int attach(void *data, sd_bus *bus) {
        Connection *c = data;

        return c->refusal ? sd_bus_add_filter(bus, NULL, on_refused, c)
                          : c->connections->attach(c->connections->data, c, bus);
}

static void on_ready(void *data) {
        make_ready(data);
}

static bool is_admin(gid_t admins, int fd, const struct ucred *peer) {
        TQ_FREE gid_t *groups = NULL;
        socklen_t size = 0;

        if (peer->uid == 0 || peer->gid == admins)
                return true;
        /* ERANGE, and how large it is (socket(7)). */
        (void)getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &size);
        groups = size > 0 ? malloc(size) : NULL;
        if (!groups || getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) < 0)
                return false;
        for (size_t i = 0; i < size / sizeof(gid_t); i++)
                if (groups[i] == admins)
                        return true;
        return false;
}

/* Counts it, as one that is served or as one that is only told why not. -EBUSY: not even that. */
static int admit(Connection *c) {
        Callers *all = &c->connections->callers;
        Caller *user = callers_ensure(all, c->viewer.uid);

        if (!user)
                return -ENOMEM;
        c->refusal = callers_objection(all, user, c->is_stranger);
        if (c->refusal && !callers_may_be_told(all, user)) {
                callers_release(all, user);
                return -EBUSY;
        }
        c->caller = user;
        callers_count(all, user, c->refusal, c->is_stranger, true);
        return 0;
}

static int identify(Connection *c, int fd) {
        struct ucred peer;
        socklen_t size = sizeof(peer);

        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
                return tq_errno();
        c->viewer.uid = peer.uid;
        c->viewer.origin = ORIGIN_UNKNOWN;
        c->viewer.is_admin = is_admin(c->connections->admin_gid, fd, &peer);
        c->is_stranger = !c->viewer.is_admin && !tenants_by_uid(c->connections->tenants, peer.uid);
        return admit(c);
}

static void accept_one(Connections *cs, int peer) {
        TQ_CLOSE int fd = peer;
        Connection *c = calloc(1, sizeof(*c));
        RelayHooks hooks = { c, attach, on_ready, on_ended };
        int r;

        if (!c)
                return;
        c->connections = cs;
        tq_list_init(&c->ready);
        tq_list_init(&c->link);
        r = identify(c, fd);
        if (r >= 0)
                r = relay_new(cs->event, DISPATCH_PRIORITY_LATE, tq_take_fd(&fd), c->refusal,
                              &hooks, &c->relay);
        if (r < 0)
                (void)connection_free(c);
        else
                tq_list_append(&cs->all, &c->link);
}

/* All descriptors are used up: one is kept back, so that callers are turned away instead of waking
 * us up for ever. */
static void turn_away(Connections *cs) {
        cs->spare_fd = tq_close(cs->spare_fd);
        (void)tq_close(accept4(cs->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK));
        cs->spare_fd = fcntl(cs->listen_fd, F_DUPFD_CLOEXEC, 3);
}

static int on_listen(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        Connections *cs = userdata;
        char byte;

        (void)source;
        (void)revents;
        for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
                int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

                /* Who comes and goes costs no more than this. */
                if (peer >= 0 && recv(peer, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0)
                        (void)tq_close(peer);
                else if (peer >= 0)
                        accept_one(cs, peer);
                else if (errno == EMFILE || errno == ENFILE)
                        turn_away(cs);
                else if (errno != ECONNABORTED && errno != EINTR)
                        break;
        }
        return 0;
}

/* Life ---------------------------------------------------------------------------------------- */

static int watch_listen(Connections *cs) {
        int r;

        r = sd_event_add_io(cs->event, &cs->listen_source, cs->listen_fd, EPOLLIN, on_listen, cs);
        return r < 0 ? r : sd_event_source_set_priority(cs->listen_source, DISPATCH_PRIORITY_LATE);
}

int connections_listen(Connections *cs, int fd) {
        bool was_open = cs->listen_source;

        cs->listen_source = sd_event_source_disable_unref(cs->listen_source);
        (void)tq_close(cs->listen_fd);
        cs->listen_fd = fd;
        return was_open ? watch_listen(cs) : 0;
}

void connections_set_admins(Connections *cs, gid_t gid) {
        cs->admin_gid = gid;
}

int connections_new(sd_event *event, int listen_fd, Tenants *tenants, ConnectionAttach on_attach,
                    void *data, Connections **ret) {
        Connections *cs = calloc(1, sizeof(*cs));
        struct rlimit files = { .rlim_cur = 1024 };
        size_t room = ROOM_LEAST;
        int r;

        if (!cs) {
                (void)tq_close(listen_fd);
                return -ENOMEM;
        }
        *cs = (Connections){ .event = event,
                             .tenants = tenants,
                             .attach = on_attach,
                             .data = data,
                             .listen_fd = listen_fd,
                             .admin_gid = (gid_t)-1 };
        (void)getrlimit(RLIMIT_NOFILE, &files);
        if (files.rlim_cur > FDS_OWN)
                room = TQ_MAX(room, (size_t)(files.rlim_cur - FDS_OWN) / FDS_EACH);
        callers_init(&cs->callers, room);
        tq_list_init(&cs->all);
        tq_list_init(&cs->gone);
        cs->spare_fd = fcntl(listen_fd, F_DUPFD_CLOEXEC, 3);
        r = sd_event_add_defer(event, &cs->turn_source, on_turn, cs);
        if (r >= 0)
                r = sd_event_source_set_priority(cs->turn_source, DISPATCH_PRIORITY_LATE);
        if (r >= 0)
                r = sd_event_source_set_enabled(cs->turn_source, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_add_defer(event, &cs->gone_source, on_gone, cs);
        if (r >= 0)
                r = sd_event_source_set_enabled(cs->gone_source, SD_EVENT_OFF);
        if (r < 0) {
                (void)connections_free(cs);
                return r;
        }
        *ret = cs;
        return 0;
}

int connections_start(Connections *cs) {
        return watch_listen(cs);
}

Connections *connections_free(Connections *cs) {
        if (!cs)
                return NULL;
        free_all(&cs->all);
        free_all(&cs->gone);
        (void)sd_event_source_disable_unref(cs->listen_source);
        (void)sd_event_source_disable_unref(cs->turn_source);
        (void)sd_event_source_disable_unref(cs->gone_source);
        (void)tq_close(cs->listen_fd);
        (void)tq_close(cs->spare_fd);
        tq_map_done(&cs->callers.users);
        free(cs);
        return NULL;
}
