/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/map.h"
#include "engine/control.h"

/* Who of the callers may connect, and whose turn it is. */
#define CALLERS_CONNECTIONS     512 /* of all together; beyond that each known user has a few */
#define CALLERS_CONNECTIONS_UID 64  /* of one user, besides those that wait for a job */
#define CALLERS_WAITING_UID     256 /* of one user that wait, while half of all places don't */
#define CALLERS_KEPT                                                                               \
        4                       /* of each tenant's user and each administrator in any case, and   \
                                 * as many to wait */
#define CALLERS_STRANGERS   16  /* of users who are nobody here, all together */
#define CALLERS_REFUSED     128 /* that are only told that they are refused */
#define CALLERS_REFUSED_UID 64

typedef struct Callers {
        TqMap users;  /* uid → Caller */
        TqList turns; /* of Caller.turn */
        size_t n_connections, n_strangers, n_refused, n_waiting;
        size_t room; /* connections that there are descriptors for */
} Callers;

void callers_init(Callers *c, size_t room);
/* The user's entry, made if need be; NULL: out of memory. It goes with his last connection. */
Caller *callers_get(Callers *c, uid_t uid);
void callers_release(Callers *c, Caller *user);
/* Why he may not have one more connection, as a sentence; NULL: he may. */
const char *callers_objection(const Callers *c, const Caller *user, bool is_stranger);
/* Whether one more of his may wait for a job, and that one does, or does no more. */
bool callers_may_wait(const Callers *c, const Caller *user);
void callers_waits(Callers *c, Caller *user, bool waits);
/* Whether there is room to tell him so. */
bool callers_may_be_told(const Callers *c, const Caller *user);

/* A connection has something to be served: it joins its user's line, and he the ring. */
void callers_ready(Callers *c, Caller *user, TqList *ready);
/* The next one, one of each user in turn, but of those whose question to the ledger is not
 * answered. NULL: nobody. */
TqList *callers_next(Callers *c);
void callers_has_asked(Callers *c, Caller *user);
