/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <linux/close_range.h>

#include "base/fs.h"
#include "exec/exec.h"

/* The payload's own process, from the fork to its program. */

/* execve(2) says ENOENT of a script or a program whose interpreter is missing, too. */
static int why_not(const char *program, int error, TqStage *ret_stage) {
        char line[256];
        TQ_CLOSE int fd = -EBADF;
        ssize_t n;
        char *end;

        if (error != -ENOENT || access(program, F_OK) < 0)
                return error;
        *ret_stage = TQ_STAGE_INTERPRETER;
        fd = open(program, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        n = fd < 0 ? 0 : read(fd, line, sizeof(line));
        end = n > 2 && line[0] == '#' && line[1] == '!' ? memchr(line, '\n', (size_t)n) : NULL;
        return end && end[-1] == '\r' ? -EILSEQ : error;
}

int payload_parse(const TqPlan *plan, char ***ret_storage, TqPlanBody *ret) {
        const void *bytes = tq_plan_part(plan, plan->body_offset);
        size_t n = tq_plan_body_slots(bytes, plan->body_size);

        if (n == 0)
                return -EBADMSG;
        *ret_storage = (char **)calloc(n, sizeof(**ret_storage));
        if (!*ret_storage)
                return -ENOMEM;
        return tq_plan_body(bytes, plan->body_size, *ret_storage, n, ret);
}

/* Only returns on failure. The body is parsed here, by the tenant's own process. */
int payload_execute(const TqPlan *plan, TqStage *ret_stage) {
        TQ_FREE char **storage = NULL;
        TqPlanBody body;
        int r;

        *ret_stage = TQ_STAGE_PLAN;
        r = payload_parse(plan, &storage, &body);
        if (r < 0)
                return r;
        *ret_stage = TQ_STAGE_CHDIR;
        if (body.directory[0] == '-' ? chdir(body.directory + 1) < 0 && chdir("/") < 0
                                     : chdir(body.directory) < 0)
                return tq_errno();
        *ret_stage = TQ_STAGE_EXEC;
        (void)execve(body.argv[0], body.argv, body.envp);
        return why_not(body.argv[0], tq_errno(), ret_stage);
}

/* One byte: go. End of file: whoever launched us is gone, or gave up, and has recorded nothing. */
static int wait_at_barrier(int fd) {
        char byte;
        ssize_t n;

        do
                n = read(fd, &byte, 1);
        while (n < 0 && errno == EINTR);
        return n == 1 ? 0 : n == 0 ? -ECANCELED : tq_errno();
}

static int prepare_payload(const TqPlan *plan, const int stdio[3], TqStage *ret_stage) {
        int r;

        *ret_stage = TQ_STAGE_PIPES;
        if (setsid() < 0)
                return tq_errno();
        for (int i = 0; i < 3; i++)
                if (dup2(stdio[i], i) < 0)
                        return tq_errno();
        /* Everything else, whoever forgot it, closes when the payload is executed. */
        if (close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
                return tq_errno();
        (void)umask(022);
        *ret_stage = TQ_STAGE_RLIMITS;
        r = set_rlimits(plan);
        if (r < 0)
                return r;
        *ret_stage = TQ_STAGE_CREDENTIALS;
        return become(plan->uid, plan->gid, tq_plan_part(plan, plan->groups_offset),
                      plan->n_groups);
}

_Noreturn void payload_run(const TqPlan *plan, const int stdio[3], int status_fd) {
        TqStage stage = TQ_STAGE_NONE;
        Failure failure;
        int r;

        unblock_signals();
        r = prepare_payload(plan, stdio, &stage);
        if (r >= 0) {
                stage = TQ_STAGE_BARRIER;
                r = wait_at_barrier(plan->barrier_fd);
        }
        if (r >= 0)
                r = payload_execute(plan, &stage);
        failure = (Failure){ .stage = stage, .error = -r };
        (void)tq_fs_write_all(status_fd, &failure, sizeof(failure));
        _exit(127);
}
