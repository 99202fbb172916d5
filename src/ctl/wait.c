/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <string.h>

#include "ctl/ctl.h"
#include "ctl/verbs.h"

int wait_for_job(const Options *o, uint64_t job, bool was_there, TqTable *ret) {
        CALL_CLEANUP Call c = { .options = was_there ? o : NULL };
        int r;

        r = call_about_job(o, &c, "Wait", job, NULL);
        return r != 0 ? r : call_read_table(&c, ret);
}

/* As a shell says it: the code, 128 + signal, or TQ_EXIT_NOT_RUN when the job has none of its own.
 */
int wait_exit_code(const TqTable *t) {
        const char *outcome = tq_table_text(t, 0, "outcome");
        int code = (int)tq_table_integer(t, 0, "code", 0);

        if (outcome && strcmp(outcome, "exit") == 0)
                return code;
        if (outcome && (strcmp(outcome, "signal") == 0 || strcmp(outcome, "seccomp") == 0))
                return 128 + code;
        return TQ_EXIT_NOT_RUN;
}

int verb_wait(const Options *o, int argc, char *argv[]) {
        int worst = 0;

        for (int i = 0; i < argc; i++) {
                TQ_TABLE_CLEANUP TqTable t = {};
                uint64_t job;
                int r;

                r = parse_job(argv[i], &job);
                if (r == 0)
                        r = wait_for_job(o, job, i > 0, &t);
                if (r != 0)
                        return r;
                if (o->json)
                        output_json(&t, "tenantq.jobs.v1", "jobs");
                else
                        (void)printf("%" PRIu64 ": %s\n", job, tq_table_text(&t, 0, "verdict"));
                (void)fflush(stdout);
                r = wait_exit_code(&t);
                if (r != 0)
                        worst = argc == 1 ? r : TQ_EXIT_FAILURE;
        }
        return worst;
}
