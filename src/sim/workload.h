/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/buffer.h"
#include "core/policy.h"
#include "core/scheduler.h"

/* What the simulator runs: who submits what and when, under which limits. Times count from the
 * start of the workload. */

#define TQ_WORKLOAD_SLOTS 16 /* unless somebody says how many */

typedef struct TqSimTenant {
        char name[TQ_TENANT_NAME_MAX + 1];
        char pool[TQ_POOL_NAME_MAX + 1];
        TqLimits limits;
        TqQueueLimit *queues;
        size_t n_queues;
} TqSimTenant;

typedef struct TqSimJob {
        uint64_t submit_usec;
        uint64_t run_usec;   /* at least 1 */
        uint64_t cpu_usec;   /* of all its run */
        uint64_t bound_usec; /* RuntimeMaxSec=, or TQ_LIMIT_MAX */
        uint64_t memory_bytes;
        uint64_t name; /* tq_scheduler_name(), 0: none */
        uint32_t tenant;
        uint32_t queue; /* index of TqWorkload.queues */
        int32_t priority;
} TqSimJob;

/* Owns all it points to (tq_workload_done). */
typedef struct TqWorkload {
        TqHostPolicy host;
        bool one_per_queue; /* who has no concurrency has one job at a time in each queue */
        TqSimTenant *tenants;
        size_t n_tenants, allocated_tenants;
        TqMap by_name; /* hash of the name → uint32_t index: a hint, the name decides */
        TqSimJob *jobs;
        size_t n_jobs, allocated_jobs;
        char (*queues)[TQ_QUEUE_NAME_MAX + 1];
        size_t n_queues;
} TqWorkload;

void tq_workload_init(TqWorkload *w);
void tq_workload_done(TqWorkload *w);

/* The tenant of that name; a new one has no limits. -ENOMEM. */
int tq_workload_tenant(TqWorkload *w, const char *name, uint32_t *ret);
/* The tenant, or NULL. */
TqSimTenant *tq_workload_find(TqWorkload *w, const char *name);
int tq_workload_queue(TqWorkload *w, const char *name, uint32_t *ret);
int tq_workload_add(TqWorkload *w, const TqSimJob *job);
/* By submission; equals as they were added. */
void tq_workload_sort(TqWorkload *w);

/* Reads what tenantq-workload(5) describes: [scheduler], [pool NAME], [tenant NAME] and
 * [queue TENANT/NAME]. With may_submit the keys that make jobs are known too; seed decides what is
 * drawn. -EBADMSG with err. */
int tq_workload_parse(TqWorkload *w, const char *data, size_t size, bool may_submit, uint64_t seed,
                      TqError *err);

/* "acme.concurrency=4", "acme/etl.queue_depth=10", "host.max_jobs=8". -EBADMSG with err. */
int tq_workload_set(TqWorkload *w, const char *assignment, TqError *err);

/* Reads a trace in the Standard Workload Format 2.2 (Feitelson, Parallel Workloads Archive): one
 * job a line, eighteen numbers. A job is one slot for its run time and is charged run time ×
 * processors as CPU; user N is tenant uN. Jobs without a run time are left out: *ret_skipped. */
int tq_workload_parse_swf(TqWorkload *w, const char *data, size_t size, size_t *ret_skipped,
                          TqError *err);
