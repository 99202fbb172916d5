/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/api/callers.h"

/* Callers are counted and take turns by user, since a user can have as many connections as he
 * likes. Each turn serves one call of one user, then the next user's; whose question the ledger is
 * answering waits for that first. So what one user asks for delays another one by one call at most.
 *
 * Places are counted the same way. Beyond what all may have together, each tenant's user and each
 * administrator still gets CALLERS_KEPT: whatever the others hold, he is served. */

void callers_init(Callers *c, size_t room) {
        *c = (Callers){ .room = room };
        tq_list_init(&c->turns);
}

Caller *callers_ensure(Callers *c, uid_t uid) {
        Caller *user = tq_map_get(&c->users, uid);

        if (user)
                return user;
        user = calloc(1, sizeof(*user));
        if (!user)
                return NULL;
        user->uid = uid;
        tq_list_init(&user->ready);
        tq_list_init(&user->turn);
        if (tq_map_put(&c->users, uid, user) < 0) {
                free(user);
                return NULL;
        }
        return user;
}

void callers_release(Callers *c, Caller *user) {
        if (!user || user->n_connections > 0 || user->n_refused > 0 || user->is_asking)
                return;
        (void)tq_map_remove(&c->users, user->uid);
        tq_list_unlink(&user->turn);
        free(user);
}

const char *callers_objection(const Callers *c, const Caller *user, bool is_stranger) {
        size_t all = TQ_MIN(c->room, (size_t)CALLERS_CONNECTIONS);

        if (is_stranger && c->n_strangers >= CALLERS_STRANGERS)
                return "too many connections of users who are no tenant's; try again";
        if (user->n_connections - user->n_waiting >= CALLERS_CONNECTIONS_UID)
                return "you have too many connections (64, besides those that wait for a job)";
        if (c->n_connections >= all &&
            (is_stranger || user->n_connections - user->n_waiting >= CALLERS_KEPT))
                return "too many connections of all users together; try again";
        return NULL;
}

void callers_count(Callers *c, Caller *user, bool is_refused, bool is_stranger, bool comes) {
        size_t by = comes ? 1 : (size_t)-1;

        if (is_refused) {
                user->n_refused += by;
                c->n_refused += by;
                return;
        }
        user->n_connections += by;
        c->n_connections += by;
        c->n_strangers += is_stranger ? by : 0;
}

bool callers_may_be_told(const Callers *c, const Caller *user) {
        return c->n_refused < CALLERS_REFUSED && user->n_refused < CALLERS_REFUSED_UID;
}

/* In the ring are those who have something to be served and are not waiting for an answer. */
static void refresh(Callers *c, Caller *user) {
        if (!tq_list_is_empty(&user->ready) && !user->is_asking) {
                if (tq_list_is_empty(&user->turn))
                        tq_list_append(&c->turns, &user->turn);
        } else
                tq_list_unlink(&user->turn);
}

void callers_ready(Callers *c, Caller *user, TqList *ready) {
        if (tq_list_is_empty(ready))
                tq_list_append(&user->ready, ready);
        refresh(c, user);
}

bool callers_are_ready(const Callers *c) {
        return !tq_list_is_empty(&c->turns);
}

TqList *callers_next(Callers *c) {
        TqList *turn = tq_list_first(&c->turns), *ready;
        Caller *user;

        if (!turn)
                return NULL;
        user = TQ_LIST_ENTRY(turn, Caller, turn);
        tq_list_unlink(&user->turn);
        ready = tq_list_first(&user->ready);
        if (ready)
                tq_list_unlink(ready);
        refresh(c, user); /* to the end of the ring */
        return ready;
}

void callers_has_asked(Callers *c, Caller *user) {
        user->is_asking = false;
        refresh(c, user);
        callers_release(c, user);
}

bool callers_may_wait(const Callers *c, const Caller *user) {
        size_t all = TQ_MIN(c->room, (size_t)CALLERS_CONNECTIONS);

        return user->n_waiting < CALLERS_WAITING_UID &&
               (c->n_waiting < all / 2 || user->n_waiting < CALLERS_KEPT);
}

void callers_waits(Callers *c, Caller *user, bool waits) {
        size_t by = waits ? 1 : (size_t)-1;

        user->n_waiting += by;
        c->n_waiting += by;
}
