/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/api/api.h"

#include "engine/api/giver.h"
#include "engine/api/methods.h"
#include "engine/api/waiters.h"

struct Api {
        ApiContext context;
        Methods *methods;
};

static int attach(void *data, Connection *c, sd_bus *bus) {
        Api *a = data;

        return methods_attach(a->methods, c, bus);
}

int api_new(sd_event *event, int listen_fd, const ApiContext *context, Api **ret) {
        Api *a = calloc(1, sizeof(*a));
        int r;

        if (!a) {
                (void)tq_close(listen_fd);
                return -ENOMEM;
        }
        a->context = *context;
        a->context.connections = NULL;
        r = connections_new(event, listen_fd, context->tenants, attach, a, &a->context.connections);
        if (r >= 0)
                r = waiters_new(&a->context.waiters);
        if (r >= 0)
                r = givers_new(&a->context.givers);
        if (r >= 0)
                r = methods_new(&a->context, &a->methods);
        if (r < 0) {
                (void)api_free(a);
                return r;
        }
        *ret = a;
        return 0;
}

Api *api_free(Api *a) {
        if (!a)
                return NULL;
        (void)connections_free(a->context.connections);
        (void)waiters_free(a->context.waiters);
        (void)givers_free(a->context.givers);
        (void)methods_free(a->methods);
        free(a);
        return NULL;
}

int api_start(Api *a) {
        return connections_start(a->context.connections);
}

void api_set_admins(Api *a, gid_t gid) {
        connections_set_admins(a->context.connections, gid);
}

int api_listen(Api *a, int fd) {
        return connections_listen(a->context.connections, fd);
}

void api_job_started(Api *a, uint64_t job) {
        waiters_job_started(a->context.waiters, job);
        givers_job_started(a->context.givers, job);
}

void api_job_ended(Api *a, uint64_t job) {
        waiters_job_ended(a->context.waiters, job);
        givers_job_ended(a->context.givers, job);
}

int api_job_input(Api *a, uint64_t job) {
        return givers_want(a->context.givers, job);
}

void api_recorded(Api *a, const TqLedgerOp *ops, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (ops[i].type == TQ_LEDGER_EVENT || ops[i].type == TQ_LEDGER_AUDIT) {
                        waiters_news(a->context.waiters);
                        return;
                }
}
