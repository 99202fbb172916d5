/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/plan.h"

/* In the place of tenantq-exec, which is beside it as REAL: crashes by a fault, which ends the init
 * of a namespace too, where a job's plan has the word crash-launch and there is a file
 * DIR/crash-launch, or for all jobs if there is DIR/crash-all. It counts itself in DIR/crashes. */

int main(int argc, char *argv[]) {
        char real[] = REAL;
        const char *plan;
        struct stat st;
        int fd;

        if (argc != 2 || fstat(atoi(argv[1]), &st) < 0)
                return 2;
        plan = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, atoi(argv[1]), 0);
        if (plan == MAP_FAILED)
                return 2;
        if (((const TqPlan *)plan)->mode == TQ_PLAN_JOB &&
            (access(DIR "/crash-all", F_OK) == 0 ||
             (access(DIR "/crash-launch", F_OK) == 0 &&
              memmem(plan, (size_t)st.st_size, "crash-launch", 12)))) {
                fd = open(DIR "/crashes", O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
                if (write(fd, "x\n", 2) == 2)
                        *(volatile int *)NULL = 1;
                return 2;
        }
        argv[0] = real;
        execv(real, argv);
        return 2;
}
