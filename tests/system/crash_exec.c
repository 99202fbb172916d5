/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "exec/exec.h"

/* tenantq-exec with another main(): crashes by a fault, which ends the init of a namespace too,
 * where a job's plan has the word crash-launch and there is a file DIR/crash-launch, or for all
 * jobs if there is DIR/crash-all. It counts itself in DIR/crashes. What is no job's is for REAL,
 * the one beside it. */

static int crash(void) {
        int fd = open(DIR "/crashes", O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);

        if (write(fd, "x\n", 2) == 2)
                *(volatile int *)NULL = 1;
        return 2;
}

int main(int argc, char *argv[]) {
        char real[] = REAL;
        const TqPlan *plan;

        if (argc != 2 || tq_plan_map(atoi(argv[1]), &plan) < 0)
                return 2;
        if (plan->mode != TQ_PLAN_LAUNCHER) {
                argv[0] = real;
                execv(real, argv);
                return 2;
        }
        plan = launcher_run(plan);
        if (!plan)
                return 0;
        if (access(DIR "/crash-all", F_OK) == 0 || (access(DIR "/crash-launch", F_OK) == 0 &&
                                                    memmem(plan, plan->size, "crash-launch", 12)))
                return crash();
        return watch_job(plan);
}
