/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/api/giver.h"

#include <inttypes.h>

#include "engine/api/callers.h"
#include "engine/api/submitted.h"

/* One who gives a job its input. He waits for its start as others wait for its end, and counts as
 * they do. */
typedef struct Giver {
        Givers *givers;
        Connection *connection;
        Call *call;
        const Tenant *tenant;
        uint64_t job; /* 0: it is not taken */
        TqRefusal near;
        bool is_pending;  /* the intake has not answered */
        bool is_gone;     /* meanwhile */
        bool is_recorded; /* it may be told of */
        bool has_started; /* what is written from now on is its input */
        bool has_failed;  /* it was taken, and could not be recorded */
        bool has_ended;   /* before it started */
        bool is_refused;
        Answer refusal; /* what is said then instead of a job */
} Giver;

struct Givers {
        TqMap jobs; /* job → Giver */
};

int givers_new(Givers **ret) {
        *ret = calloc(1, sizeof(**ret));
        return *ret ? 0 : -ENOMEM;
}

Givers *givers_free(Givers *gs) {
        if (!gs)
                return NULL;
        tq_map_done(&gs->jobs);
        free(gs);
        return NULL;
}

static void forget(Giver *g) {
        if (g->job > 0)
                (void)tq_map_remove(&g->givers->jobs, g->job);
        g->job = 0;
}

static Giver *giver_free(Giver *g) {
        if (!g)
                return NULL;
        forget(g);
        (void)call_free(g->call);
        free(g);
        return NULL;
}

/* Its turn: what it waited for has come. */
static void on_turn(void *data, Connection *connection) {
        sd_bus_message *m = NULL;
        Giver *g = data;
        char why[160];
        int r = 0;

        /* What comes behind it is no call in any case. */
        connection_end_after_answer(connection);
        if (g->is_refused)
                submitted_reply_answer(g->call, g->tenant, &g->refusal, false);
        else if (g->has_failed)
                (void)call_error(g->call, TQ_CONTROL_REFUSED, "nothing was accepted: %s",
                                 commit_explain(g->call->api->commit, why, sizeof(why)));
        else if (!g->has_started)
                (void)call_error(g->call, TQ_CONTROL_NOT_FOUND,
                                 "job %" PRIu64 " has ended, and has read nothing", g->job);
        else {
                r = sd_bus_message_new_method_return(g->call->message, &m);
                if (r >= 0)
                        r = submitted_send(m, g->tenant, g->job, &g->near);
        }
        if (r < 0)
                connection_end(connection);
        (void)giver_free(g);
}

/* He has gone: the job, if it has not started, will find nobody. */
static void on_gone(void *data) {
        Giver *g = data;

        g->is_gone = true;
        if (!g->is_pending)
                (void)giver_free(g);
}

static void tell_accepted(const Giver *g) {
        sd_bus_message *m = NULL;
        int r = sd_bus_message_new_signal(sd_bus_message_get_bus(g->call->message), &m,
                                          TQ_CONTROL_PATH, TQ_CONTROL_INTERFACE, "Accepted");

        if (r >= 0)
                r = submitted_send(m, g->tenant, g->job, &g->near);
        if (r < 0)
                connection_end(g->connection);
}

typedef struct Recorded {
        Givers *givers;
        uint64_t job;
} Recorded;

static void on_recorded(void *data, int result) {
        const Recorded *rec = data;
        Giver *g = tq_map_get(&rec->givers->jobs, rec->job);

        if (!g || result == -ECANCELED)
                return;
        g->is_recorded = result >= 0;
        g->has_failed = result < 0;
        if (result >= 0 && !g->has_started && !g->has_ended)
                tell_accepted(g);
        else
                connection_wake(g->connection);
}

/* Before it is scheduled: it may start at once. */
static int on_taken(void *data, uint64_t job) {
        Giver *g = data;
        int r = g->is_gone ? -ECANCELED : tq_map_put(&g->givers->jobs, job, g);

        if (r >= 0)
                g->job = job;
        return r;
}

static void on_answer(void *data, Answer *a) {
        Giver *g = data;
        Recorded *then = NULL;

        g->is_pending = false;
        if (g->is_gone) {
                (void)giver_free(g);
                return;
        }
        if (!a)
                return; /* we leave */
        if (a->job > 0 && !a->is_known) {
                g->near = a->refusal;
                then = commit_then(g->call->api->commit, on_recorded, sizeof(*then));
                if (then)
                        *then = (Recorded){ g->givers, a->job };
                else
                        g->has_failed = true;
        } else {
                /* The number is somebody else's. */
                forget(g);
                g->is_refused = true;
                g->refusal = *a;
        }
        if (!then)
                connection_wake(g->connection);
}

int verb_submit_input(Call *c) {
        Submission s = { .tenant = c->tenant, .uid = c->viewer.uid, .taken = on_taken };
        const void *bytes;
        Giver *g;
        int r;

        r = sd_bus_message_read_array(c->message, 'y', &bytes, &s.size);
        if (r < 0)
                return r;
        r = submitted_check(c, c->tenant);
        if (r != 0)
                return r;
        g = calloc(1, sizeof(*g));
        if (!g)
                return -ENOMEM;
        *g = (Giver){ .givers = c->api->givers,
                      .connection = c->connection,
                      .call = call_keep(c),
                      .tenant = c->tenant };
        r = g->call ? connection_wait(c->connection, &(ConnectionWait){ on_turn, on_gone, g })
                    : -ENOMEM;
        if (r < 0) {
                (void)giver_free(g);
                return r == -EBUSY ? call_error(c, TQ_CONTROL_BUSY,
                                                "you wait for too many jobs at the same time (%d)",
                                                CALLERS_WAITING_UID)
                                   : r;
        }
        s.data = bytes;
        s.taken_data = g;
        g->is_pending = true;
        intake_submit(c->api->intake, &s, on_answer, g);
        return 1;
}

/* A launch may fail and come again: until it runs he waits, and is counted. */
int givers_want(const Givers *gs, uint64_t job) {
        const Giver *g = tq_map_get(&gs->jobs, job);

        return g ? connection_copy_socket(g->connection) : -EBADF;
}

void givers_job_started(Givers *gs, uint64_t job) {
        Giver *g = tq_map_get(&gs->jobs, job);

        if (!g)
                return;
        g->has_started = true;
        if (g->is_recorded)
                connection_wake(g->connection);
}

void givers_job_ended(Givers *gs, uint64_t job) {
        Giver *g = tq_map_get(&gs->jobs, job);

        if (!g || g->has_started)
                return;
        g->has_ended = true;
        if (g->is_recorded)
                connection_wake(g->connection);
}
