/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/api/waiters.h"

#include <string.h>

#include "base/clock.h"
#include "engine/api/callers.h"
#include "engine/api/question.h"

/* A crowd may wait for one job: each is answered in its user's turn. */

typedef struct Wait {
        TqList link; /* in the ring of those who wait for the same job */
        Waiters *waiters;
        Connection *connection;
        Call *call;
        WaitKind kind;
} Wait;

struct Waiters {
        TqMap jobs; /* job → any of its Waits; 0: those who wait for news */
        uint64_t serial;
};

int waiters_new(Waiters **ret) {
        Waiters *w = calloc(1, sizeof(*w));

        if (!w)
                return -ENOMEM;
        w->serial = tq_clock_realtime_usec();
        *ret = w;
        return 0;
}

static void leave_ring(Wait *wait) {
        TqMap *jobs = &wait->waiters->jobs;
        uint64_t job = wait->call->job;

        if (tq_map_get(jobs, job) == wait) {
                (void)tq_map_remove(jobs, job);
                if (!tq_list_is_empty(&wait->link))
                        (void)tq_map_put(jobs, job, TQ_LIST_ENTRY(wait->link.next, Wait, link));
        }
        tq_list_unlink(&wait->link);
}

static Wait *wait_free(Wait *wait) {
        leave_ring(wait);
        (void)call_free(wait->call);
        free(wait);
        return NULL;
}

Waiters *waiters_free(Waiters *w) {
        if (!w)
                return NULL;
        tq_map_done(&w->jobs);
        free(w);
        return NULL;
}

static void on_turn(void *data, Connection *c) {
        Wait *wait = data;
        int r = wait->kind == WAIT_END    ? question_ask_later(wait->call, c)
                : wait->kind == WAIT_NEWS ? call_reply_number(wait->call, wait->waiters->serial)
                                          : call_reply_empty(wait->call);

        if (r < 0)
                connection_end(c);
        (void)wait_free(wait);
}

static void on_ended(void *data) {
        (void)wait_free(data);
}

int waiters_wait(Waiters *w, Call *c, WaitKind kind) {
        Wait *first = tq_map_get(&w->jobs, c->job), *wait = calloc(1, sizeof(*wait));
        int r;

        if (!wait)
                return -ENOMEM;
        *wait = (Wait){
                .waiters = w, .connection = c->connection, .call = call_keep(c), .kind = kind
        };
        tq_list_init(&wait->link);
        r = !wait->call ? -ENOMEM : first ? 0 : tq_map_put(&w->jobs, c->job, wait);
        if (r >= 0) {
                if (first)
                        tq_list_append(&first->link, &wait->link);
                r = connection_wait(c->connection, &(ConnectionWait){ on_turn, on_ended, wait });
                if (r >= 0)
                        return 1;
                leave_ring(wait);
        }
        (void)call_free(wait->call);
        free(wait);
        return r == -EBUSY ? call_error(c, TQ_CONTROL_BUSY,
                                        "you wait for too many jobs at the same time (%d)",
                                        CALLERS_WAITING_UID)
                           : r;
}

/* Those who wait for the job, each in its user's turn. */
static void tell(Waiters *w, uint64_t job, bool has_ended) {
        Wait *first = tq_map_get(&w->jobs, job);

        if (!first)
                return;
        TQ_LIST_FOREACH(node, &first->link) {
                const Wait *wait = TQ_LIST_ENTRY(node, Wait, link);

                if (has_ended || wait->kind == WAIT_START)
                        connection_wake(wait->connection);
        }
        if (has_ended || first->kind == WAIT_START)
                connection_wake(first->connection);
}

void waiters_job_started(Waiters *w, uint64_t job) {
        tell(w, job, false);
}

void waiters_job_ended(Waiters *w, uint64_t job) {
        tell(w, job, true);
}

uint64_t waiters_serial(const Waiters *w) {
        return w->serial;
}

void waiters_news(Waiters *w) {
        w->serial++;
        tell(w, 0, true);
}
