/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <grp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>

#include "engine/engine.h"

/* The control socket: one peer-to-peer bus for each caller. Who it is was decided by the kernel
 * when the connection was made (SO_PEERCRED, SO_PEERGROUPS), and stays so whatever the caller
 * executes later. A caller may hold CONNECTIONS_PER_UID connections, so that one user can't keep
 * the others out. */

#define CONNECTIONS_MAX     512
#define CONNECTIONS_PER_UID 64
#define CONNECTIONS_KEPT    64 /* for administrators */
#define STRANGERS_MAX       16 /* connections of users who are nobody here: told so, and no more */
#define WAITERS_MAX         64 /* of one connection */

typedef struct Waiter {
        Connection *connection;
        sd_bus_message *call;
        uint64_t job;
        int64_t tenant; /* what the caller may see */
        bool is_cancel; /* answered without the job's row */
        TqList link;
} Waiter;

static Waiter *waiter_free(Waiter *w) {
        w->connection->n_waiters--;
        tq_list_unlink(&w->link);
        (void)sd_bus_message_unref(w->call);
        free(w);
        return NULL;
}

static Connection *connection_free(Connection *c) {
        if (!c)
                return NULL;
        TQ_LIST_FOREACH(node, &c->engine->waiters) {
                Waiter *w = TQ_LIST_ENTRY(node, Waiter, link);

                if (w->connection == c)
                        (void)waiter_free(w);
        }
        (void)sd_event_source_disable_unref(c->goodbye);
        if (c->bus) {
                (void)sd_bus_detach_event(c->bus);
                (void)sd_bus_close_unref(c->bus);
        }
        tq_list_unlink(&c->link);
        c->engine->n_connections--;
        free(c);
        return NULL;
}

/* Not from within the bus's own callback. */
static int on_goodbye(sd_event_source *source, void *userdata) {
        (void)source;
        (void)connection_free(userdata);
        return 0;
}

static int on_disconnected(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Connection *c = userdata;

        (void)m;
        (void)error;
        return sd_event_add_defer(c->engine->event, &c->goodbye, on_goodbye, c);
}

static bool is_admin(const Engine *e, int fd, const struct ucred *peer) {
        gid_t groups[256];
        socklen_t size = sizeof(groups);

        if (peer->uid == 0 || peer->gid == e->admin_gid)
                return true;
        if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) < 0)
                return false; /* more than 256 groups: not recognised, which is the safe side */
        for (size_t i = 0; i < size / sizeof(gid_t); i++)
                if (groups[i] == e->admin_gid)
                        return true;
        return false;
}

static bool has_room(Engine *e, const struct ucred *peer, bool is_admin_peer) {
        bool is_stranger = !is_admin_peer && !tenants_by_uid(e, peer->uid);
        size_t of_uid = 0, strangers = 0;

        if (e->n_connections >= CONNECTIONS_MAX - (is_admin_peer ? 0 : CONNECTIONS_KEPT))
                return false;
        TQ_LIST_FOREACH(node, &e->connections) {
                const Connection *c = TQ_LIST_ENTRY(node, Connection, link);

                of_uid += c->uid == peer->uid;
                strangers += c->is_stranger;
        }
        return of_uid < CONNECTIONS_PER_UID && (!is_stranger || strangers < STRANGERS_MAX);
}

static int start_bus(Connection *c, int fd) {
        sd_id128_t id;
        int r;

        r = sd_id128_randomize(&id);
        if (r >= 0)
                r = sd_bus_new(&c->bus);
        if (r >= 0)
                r = sd_bus_set_fd(c->bus, fd, fd);
        if (r < 0) {
                (void)tq_close(fd);
                return r;
        }
        r = sd_bus_set_server(c->bus, 1, id);
        if (r >= 0)
                r = sd_bus_negotiate_fds(c->bus, true);
        /* The verbs decide themselves who may do what. */
        if (r >= 0)
                r = sd_bus_set_trusted(c->bus, true);
        if (r >= 0)
                r = sd_bus_add_object_vtable(c->bus, NULL, TQ_CONTROL_PATH, TQ_CONTROL_INTERFACE,
                                             verbs_vtable, c);
        if (r >= 0)
                r = sd_bus_start(c->bus);
        if (r >= 0)
                r = sd_bus_match_signal(c->bus, NULL, NULL, "/org/freedesktop/DBus/Local",
                                        "org.freedesktop.DBus.Local", "Disconnected",
                                        on_disconnected, c);
        return r < 0 ? r : sd_bus_attach_event(c->bus, c->engine->event, SD_EVENT_PRIORITY_NORMAL);
}

static void accept_one(Engine *e, int fd) {
        struct ucred peer;
        socklen_t size = sizeof(peer);
        Connection *c;
        bool admin;

        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0) {
                (void)tq_close(fd);
                return;
        }
        admin = is_admin(e, fd, &peer);
        c = has_room(e, &peer, admin) ? calloc(1, sizeof(*c)) : NULL;
        if (!c) {
                (void)tq_close(fd);
                return;
        }
        *c = (Connection){ .engine = e,
                           .id = ++e->next_connection,
                           .uid = peer.uid,
                           .is_admin = admin,
                           .is_stranger = !admin && !tenants_by_uid(e, peer.uid) };
        tq_list_append(&e->connections, &c->link);
        e->n_connections++;
        if (start_bus(c, fd) < 0)
                (void)connection_free(c);
}

static int on_listen(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        int peer;

        (void)source;
        (void)revents;
        while ((peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0)
                accept_one(userdata, peer);
        return 0;
}

int control_start(Engine *e) {
        return sd_event_add_io(e->event, NULL, e->listen_fd, EPOLLIN, on_listen, e);
}

int control_wait_for(Connection *c, sd_bus_message *call, uint64_t job, int64_t tenant,
                     bool is_cancel) {
        Waiter *w;

        if (c->n_waiters >= WAITERS_MAX)
                return -EBUSY;
        w = calloc(1, sizeof(*w));
        if (!w)
                return -ENOMEM;
        *w = (Waiter){ .connection = c,
                       .call = sd_bus_message_ref(call),
                       .job = job,
                       .tenant = tenant,
                       .is_cancel = is_cancel };
        c->n_waiters++;
        tq_list_append(&c->engine->waiters, &w->link);
        return 0;
}

void control_job_ended(Engine *e, uint64_t job) {
        TQ_LIST_FOREACH(node, &e->waiters) {
                Waiter *w = TQ_LIST_ENTRY(node, Waiter, link);

                if (w->job != job)
                        continue;
                if (w->is_cancel)
                        (void)sd_bus_reply_method_return(w->call, "");
                else
                        (void)question_reply_job(w->connection, w->call, job, w->tenant);
                (void)waiter_free(w);
        }
}

Connection *control_find(Engine *e, uint64_t id) {
        TQ_LIST_FOREACH(node, &e->connections) {
                Connection *c = TQ_LIST_ENTRY(node, Connection, link);

                if (c->id == id)
                        return c;
        }
        return NULL;
}

void control_stop(Engine *e) {
        TQ_LIST_FOREACH(node, &e->connections) {
                Connection *c = TQ_LIST_ENTRY(node, Connection, link);

                (void)connection_free(c);
        }
}
