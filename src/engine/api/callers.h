/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sys/types.h>

#include "base/list.h"
#include "base/map.h"

/* Who of the callers may connect, and whose turn it is. */
#define CALLERS_CONNECTIONS     512 /* of all together; beyond that each known user has a few */
#define CALLERS_CONNECTIONS_UID 64  /* of one user, besides those that wait for a job */
#define CALLERS_WAITING_UID     256 /* of one user that wait, while half of all places don't */
/* Of each tenant's user and each administrator in any case, and as many to wait. */
#define CALLERS_KEPT        4
#define CALLERS_STRANGERS   16  /* of users who are nobody here, all together */
#define CALLERS_REFUSED     128 /* that are only told that they are refused */
#define CALLERS_REFUSED_UID 64

/* One user, with all his connections. */
typedef struct Caller {
        uid_t uid;
        size_t n_connections, n_waiting, n_refused;
        bool is_asking; /* the ledger, for one of its calls: one at a time */
        TqList ready;   /* what of his is to be served */
        TqList turn;    /* in the ring of callers with something to be served */
} Caller;

typedef struct Callers {
        TqMap users;  /* uid → Caller */
        TqList turns; /* of Caller.turn */
        size_t n_connections, n_strangers, n_refused, n_waiting;
        size_t room; /* connections that there are descriptors for */
} Callers;

void callers_init(Callers *c, size_t room);
/* The user's entry, made if need be; NULL: out of memory. It goes with his last connection. */
Caller *callers_ensure(Callers *c, uid_t uid);
void callers_release(Callers *c, Caller *user);
/* Why he may not have one more connection, as a sentence; NULL: he may. */
const char *callers_objection(const Callers *c, const Caller *user, bool is_stranger);
/* Whether one more of his may wait for a job, and that one does, or does no more. */
bool callers_may_wait(const Callers *c, const Caller *user);
void callers_waits(Callers *c, Caller *user, bool waits);
/* Whether there is room to tell him so. */
bool callers_may_be_told(const Callers *c, const Caller *user);
/* One more connection of his, or one less. */
void callers_count(Callers *c, Caller *user, bool is_refused, bool is_stranger, bool comes);

/* A connection has something to be served: it joins its user's line, and he the ring. */
void callers_ready(Callers *c, Caller *user, TqList *ready);
bool callers_are_ready(const Callers *c); /* somebody */
/* The next one, one of each user in turn, but of those whose question to the ledger is not
 * answered. NULL: nobody. */
TqList *callers_next(Callers *c);
void callers_has_asked(Callers *c, Caller *user);
