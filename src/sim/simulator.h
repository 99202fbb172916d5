/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/error.h"
#include "sim/workload.h"

/* Runs a workload through the scheduler that the daemon runs, by a virtual clock. */

typedef struct TqSimResult {
        uint32_t tenant; /* index of the workload's */
        uint64_t jobs;   /* submitted */
        uint64_t refused;
        uint64_t started;
        double wait_p50_s, wait_p95_s, wait_p99_s; /* from submission to start */
        double slowdown_mean, slowdown_p99;        /* (wait + run) / run, run at least 1 s */
        /* While two tenants or more of its pool competed for slots (all the time, if that never
         * was): its dominant use in slot-seconds, its part of all such use, and the part that its
         * weight entitles it to of what those have left who do not compete. */
        double use, share, entitlement;
        /* Use over entitlement while it competed itself; -1: it never did. */
        double fairness;
} TqSimResult;

#define TQ_SIM_JUDGED_LENGTHS 10
#define TQ_SIM_NOBODY         UINT32_MAX

typedef struct TqSimReport {
        uint64_t jobs;
        double makespan_s; /* from the first submission to the last end */
        double jain;       /* of TqSimResult.fairness; 1 if fewer than two tenants competed */
        /* The same, each tenant weighted by what it was entitled to while it competed. */
        double jain_weighted;
        /* The largest |fairness - 1| of a tenant that competed for TQ_SIM_JUDGED_LENGTHS mean
         * lengths of its jobs or longer, and its index; 0 and TQ_SIM_NOBODY: none did. */
        double share_error_max;
        uint32_t share_error_tenant;
        double idle_while_eligible_s;
        uint64_t decisions;        /* starts */
        double decision_ns_median; /* of choosing and starting one job, by the real clock */
        TqSimResult *tenants;      /* by the workload's order */
        size_t n_tenants;
} TqSimReport;

void tq_sim_report_done(TqSimReport *r);

/* 0; -EBADMSG with err: a tenant's pool does not exist or a reservation does not fit. -ENOMEM. */
int tq_sim_run(const TqWorkload *w, TqPolicy policy, TqSimReport *ret, TqError *err);
