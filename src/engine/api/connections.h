/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "base/buffer.h"
#include "engine/tenants/tenants.h"

/* Those who speak to the control socket: who may connect, who he is, and whose turn it is. */
typedef struct Connections Connections;
typedef struct Connection Connection;

/* What a connection's bus is to offer. */
typedef int (*ConnectionAttach)(void *data, Connection *c, sd_bus *bus);

/* Takes listen_fd, which nobody is accepted from before connections_start(). */
int connections_new(sd_event *event, int listen_fd, Tenants *tenants, ConnectionAttach attach,
                    void *data, Connections **ret);
Connections *connections_free(Connections *cs);
int connections_start(Connections *cs);
/* Who administrates: a group. */
void connections_set_admins(Connections *cs, gid_t gid);
/* Another socket; takes fd. */
int connections_listen(Connections *cs, int fd);

/* What its client says of who called it, from now on. */
void connection_set_origin(Connection *c, const Origin *origin);
/* A text that is handed in in pieces, since a call is bounded; it goes with the connection. */
TqBuffer *connection_text(Connection *c);
const Viewer *connection_viewer(const Connection *c);
/* The caller's socket still holds answers. */
bool connection_has_unread(const Connection *c);
void connection_end(Connection *c);

/* The call that is being answered waits for something. Exactly one of the two is called, once:
 * turn() when, after connection_wake(), its user has the turn; ended() when the connection is gone
 * first. -EBUSY: too many waits of one user. */
typedef struct ConnectionWait {
        void (*turn)(void *data, Connection *c);
        void (*ended)(void *data);
        void *data;
} ConnectionWait;

/* relay_copy_socket(), and the same. */
int connection_copy_socket(const Connection *c);
void connection_end_after_answer(Connection *c);

int connection_wait(Connection *c, const ConnectionWait *wait);
void connection_wake(Connection *c);

/* The user's question is with the ledger: the next call of any of his connections waits until it is
 * answered. */
void connection_asks(Connection *c);
void connections_has_asked(Connections *cs, uid_t uid);
