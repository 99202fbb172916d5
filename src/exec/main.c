/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* tenantq-exec: between the supervisor and a payload.
 *
 * Executed once as the launcher, it is forked into each job's cgroup (launcher.c), as PID 1 of the
 * job's PID namespace, still root, with an empty environment and the descriptors that the plan
 * names. It forks once. The child becomes the tenant, gives up everything, waits at the barrier,
 * and only then looks at what the tenant wrote (the plan's body) and executes it. The parent
 * becomes a user that owns nothing, pumps the two outputs into their capped files, reaps, and
 * writes the result record; when it leaves, the kernel kills what is left in the namespace.
 *
 * So no instruction of this program runs with root's rights on a byte that the tenant chose, and
 * the payload can neither signal nor trace the process that reports on it: another uid, not
 * dumpable.
 *
 * Why each privileged step is safe stands beside it. All of them fail closed: a step that fails
 * ends the launch with its stage and errno in the record, never in a payload with more rights. */

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

#include "base/parse.h"
#include "exec/exec.h"

/* Becomes the engine: a sandbox, credentials, a filter and an execution as a job has them, without
 * a watcher. */
static int run_service(const TqPlan *plan) {
        TqStage stage;
        int r;

        r = give_up_protection(plan);
        if (r >= 0)
                r = give_up_chances();
        for (uint32_t i = 0; r >= 0 && i < plan->n_keep; i++)
                if (dup2(plan->keep[i], 100 + (int)i) < 0)
                        r = tq_errno();
        for (uint32_t i = 0; r >= 0 && i < plan->n_keep; i++)
                if (dup2(100 + (int)i, 3 + (int)i) < 0)
                        r = tq_errno();
        if (r >= 0 && close_range(3 + plan->n_keep, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
                r = tq_errno();
        if (r >= 0)
                r = sandbox_enter_service(plan);
        if (r >= 0)
                r = become(plan->uid, plan->gid, tq_plan_part(plan, plan->groups_offset),
                           plan->n_groups);
        /* After setresuid(2), which clears it: the engine never outlives the supervisor. */
        if (r >= 0 && prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
                r = tq_errno();
        default_signals();
        if (r >= 0)
                r = install_filter(plan, plan->filter_offset, plan->n_filter, 0);
        if (r >= 0)
                r = payload_execute(plan, &stage);
        (void)fprintf(stderr, "tenantq-exec: can't start the service: %s\n", strerror(-r));
        return 1;
}

int main(int argc, char *argv[]) {
        const TqPlan *plan;
        uint64_t fd;

        if (argc != 2 || tq_parse_u64_in(argv[1], 3, 1000000, &fd) < 0 ||
            tq_plan_map((int)fd, &plan) < 0) {
                (void)fprintf(stderr, "tenantq-exec is started by tenantqd only\n");
                return 2;
        }
        if (plan->mode == TQ_PLAN_LAUNCHER)
                plan = launcher_run(plan);
        if (!plan)
                return 0;
        return plan->mode == TQ_PLAN_SERVICE ? run_service(plan) : watch_job(plan);
}
