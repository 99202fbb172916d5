/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "base/list.h"
#include "base/map.h"
#include "ipc/frame.h"

/* Those who speak to the control socket. */

typedef struct Engine Engine;

/* One user, with all his connections: callers.c. */
typedef struct Caller {
        uid_t uid;
        size_t n_connections, n_waiting, n_refused;
        bool is_asking; /* the ledger, for one of its calls: one at a time */
        TqList ready;   /* of Connection.ready: what is to be served */
        TqList turn;    /* in the ring of callers with something to be served */
} Caller;

typedef enum WaitKind {
        WAIT_NONE,
        WAIT_END,    /* answered with the job's row */
        WAIT_START,  /* empty, when it runs or has ended */
        WAIT_CANCEL, /* empty, when it has ended */
} WaitKind;

typedef enum ConnectionState {
        CONNECTION_GREETING, /* the handshake */
        CONNECTION_IDLE,     /* no whole call is there */
        CONNECTION_READY,    /* one is; waits for its turn */
        CONNECTION_CALLING,  /* it is being answered */
        CONNECTION_GONE,     /* to be freed */
} ConnectionState;

typedef struct Connection {
        Engine *engine;
        Caller *caller;
        uint64_t id; /* never used twice */
        ConnectionState state;
        sd_bus *bus;
        uid_t uid;
        bool is_admin, is_stranger;
        const char *refusal; /* it is only told this; NULL: it is served */
        /* What it waits for, while it is CALLING. */
        WaitKind wait;
        bool wait_is_over;
        uint64_t wait_job;
        int64_t wait_scope; /* what the caller may see */
        sd_bus_message *wait_call;
        TqList waiting; /* in the ring of those who wait for the same job */
        /* The caller's end, and ours of the pair whose other end the bus has. */
        int fd, relay_fd;
        sd_event_source *fd_source, *relay_source, *timer;
        size_t n_greeting; /* bytes of the handshake so far */
        TqFrame call;      /* READY: the one that is there */
        bool is_heard;     /* CALLING: the bus has understood the call */
        bool is_begun;     /* IDLE: a part of a call is there, and its time runs */
        TqFramer answers;  /* what the bus has said */
        bool is_answered;  /* the answer is whole, though perhaps not sent */
        char *unsent;      /* of it, what the caller's socket did not take */
        size_t unsent_at, unsent_size;
        int unsent_fd;
        TqList ready, link;
} Connection;

int control_start(Engine *e);
int control_listen(Engine *e, int fd); /* another socket; takes fd */
void control_stop(Engine *e);
Connection *control_find(Engine *e, uint64_t id); /* NULL: it has gone */
/* The user's question to the ledger is answered: his next call may be served. */
void control_has_asked(Engine *e, uid_t uid);
/* Answers the call when that has happened. -EBUSY: too many waits of one user. */
int control_wait_for(Connection *c, sd_bus_message *call, WaitKind kind, uint64_t job,
                     int64_t scope);
/* The caller's socket still holds answers. */
bool control_has_unread(const Connection *c);
void control_job_started(Engine *e, uint64_t job);
void control_job_ended(Engine *e, uint64_t job);
